/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel complaints in a stream of log lines, and whose they are.
 *
 * On a host of others a driver may warn, a second run of the suite may, and
 * user space may write what looks like a WARNING: none of that is a verdict
 * about the case that runs.  A BUG or an Oops always is: after it nothing can
 * be relied on.
 */
#ifndef SPLAT_H
#define SPLAT_H

#include <stdbool.h>

#define SPLAT_LINES	60	/* lines of one splat worth keeping */

struct splat_scan {
	/* Set by the caller: */
	const char *comm;	/* of the case's tasks, as prctl(PR_SET_NAME) got it */
	bool all_ours;		/* nobody else is on this machine */
	/* SEAMCALLs that KVM says have failed count, too. */
	bool seamcalls;

	/* Results, complete after splat_end(): */
	int ours, foreign;
	bool checker;		/* one of ours is of KASAN, lockdep, ... */
	char first[256];	/* the first line of the first of ours, or of the first such */

	/* Not for others: */
	char *lines[SPLAT_LINES];
	int nr_lines;
};

/* The text of one kernel message, without prefix and newline. */
void splat_line(struct splat_scan *s, const char *text);
/* No more lines come: judge the splat that has begun. */
void splat_end(struct splat_scan *s);

#endif /* SPLAT_H */
