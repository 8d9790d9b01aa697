/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations and user copies of the kernel that fail, one after the other: /proc/PID/fail-nth
 * (Documentation/fault-injection/fault-injection.rst).  Cases that use it declare
 * .needs_fail_nth.
 *
 *	fail_nth_prepare();
 *	for (n = 1; ; n++) {
 *		fail_nth(n);
 *		ret = ioctl(...);
 *		if (fail_nth_end())
 *			break;			there were fewer than n
 *	}
 *
 * What fails is a slab allocation, the allocation of pages, or a copy from or to user space,
 * of the calling thread and of what the kernel does on its behalf.
 */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include <stdbool.h>

/* Why the kernel cannot do it, for a user; NULL: it can. */
const char *fail_nth_missing(void);

/*
 * Once a case: let any allocation fail, also one that may sleep, of highmem, and of a single
 * page.  That is a setting of the host; undone when the case ends.
 */
void fail_nth_prepare(void);

/* Are they still as set? Not, if a second run of the suite has ended meanwhile. */
bool fail_nth_unchanged(void);

/* From now on the @n-th of the calling thread fails, once; n > 0. */
void fail_nth(unsigned int n);

/*
 * The @n-th, and the slab allocation that follows it: where the kernel tries again with another
 * allocation (xas_nomem()).
 */
void fail_twice(unsigned int n);

/* The @n-th and all that follow; of copies only the @n-th. */
void fail_from(unsigned int n);

/*
 * None fails any more.  Returns how many were left until the one that was asked for: 0, it has
 * failed.
 */
unsigned int fail_nth_end(void);

#endif /* FAIL_NTH_H */
