/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Run this test program again, for one of its cases, as another user of the host would:
 * a process with cases, probes and tracing of its own.  Such cases are .manual.
 */
#ifndef RUN_SELF_H
#define RUN_SELF_H

#include <sys/types.h>

struct child {
	pid_t pid;
	int out;		/* its standard output */
};

/* Start it for @case_name, "NAME.TYPE". */
struct child run_self(const char *case_name);
/* Read on until it prints a line with @text: that line, or NULL: it ended without. */
char *await_line(struct child c, const char *text);
/* Wait for its end: all of its output that was not read, and its exit code in @code. */
char *finish(struct child c, int *code);

#endif /* RUN_SELF_H */
