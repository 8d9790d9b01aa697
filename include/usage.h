/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host holds for VMs: TDX pages and KeyIDs, charges of the misc cgroup, page tables,
 * pages of guest_memfd, VMs that are not gone, files.  The numbers are exact, so that one page
 * that is lost shows.  Small objects of the slab allocator are not among them: leaks.h.
 */
#ifndef USAGE_H
#define USAGE_H

#include "testcase.h"

#define USAGE_MAX	10

/* One number for each thing that is counted, -1 where the host does not tell. */
struct usage {
	long value[USAGE_MAX];
};

/* What a TD that could not be torn down leaves behind. */
struct usage_loss {
	long tds, keyids, pages, violations;
};
/* @usage becomes what it is after that loss. */
void usage_lose(struct usage *usage, const struct usage_loss *loss);

/* Now. Cases that declare neither .needs_softtdx nor .uses_softtdx see nothing of the module. */
struct usage usage_now(void);

/*
 * The host holds what it held @before, at the latest after 5 s: some is given back by others
 * than who closes the last file. @when: for the message.
 */
#define expect_usage(before, when)	expect_usage_(__FILE__, __LINE__, before, when)
void expect_usage_(const char *file, int line, const struct usage *before, const char *when);

#endif /* USAGE_H */
