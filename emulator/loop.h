/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LOOP_H
#define LOOP_H

/* All CPUs of a machine with more than one, until the emulator is to end. */
void machine_loop(void);

#endif
