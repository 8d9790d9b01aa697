/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory backed by userfaultfd: accesses, including KVM's, block until the test
 * supplies the page.  Cases that use it declare .needs_uffd.
 */
#ifndef UFFD_H
#define UFFD_H

#include <stddef.h>

/* Why the kernel does not let this process use userfaultfd(2), NULL: it does. */
const char *uffd_denied(void);

struct uffd_region {
	int fd;			/* readable when a page was asked for */
};

/* From now on the pages of [hva, hva + size) are late; what was there is dropped. */
struct uffd_region uffd_region_create(void *hva, size_t size);

/* The page that was asked for; waits until one is. NULL after @seconds. */
void *uffd_wait_fault(const struct uffd_region *l, double seconds);

/* Supply the page at @hva, with the content of @page, NULL: zeroes. */
void uffd_resolve(const struct uffd_region *l, void *hva, const void *page);

#endif /* UFFD_H */
