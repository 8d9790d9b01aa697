/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the emulated machine is forked (fork_control.h). */
#ifndef FORK_POINT_H
#define FORK_POINT_H

#include <stdbool.h>

#include "fork_control.h"
#include "types.h"

/* Whether the emulator forks this machine; false on all others. */
bool fork_server(void);

/*
 * Wait for a job: returns in each child of the machine, with the job's text, which the caller
 * frees.  Not without fork_server().
 */
char *fork_here(void);

/* One request; the same data in both directions. */
u64 fork_request(enum fork_control operation, u64 data[4]);
/* The text that the last request left.  The caller frees it. */
char *fork_text(void);

#endif /* FORK_POINT_H */
