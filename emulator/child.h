/* SPDX-License-Identifier: GPL-2.0-only */
/* What the edits of Bochs (testbed/make/bochs_edits/fork.py) call. */
#ifndef CHILD_H
#define CHILD_H

/* A byte that the guest sends to a serial port: true in a child, which has files of its own. */
bool child_output(unsigned int port, unsigned char byte);

/* The machine is reset: the end of a child. */
void child_reset(void);

#endif
