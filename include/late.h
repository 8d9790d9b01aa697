/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that comes late: whoever touches a page of it, KVM included, sleeps
 * until the test supplies the page (userfaultfd).  Cases that use it declare
 * CASE_UFFD.
 */
#ifndef LATE_H
#define LATE_H

#include <stddef.h>

struct late {
	int fd;			/* readable when a page was asked for */
};

/* From now on the pages of [hva, hva + size) are late; what was there is dropped. */
struct late late_create(void *hva, size_t size);

/* The page that was asked for; waits until one is. NULL after @seconds. */
void *late_asked(const struct late *l, double seconds);

/* Supply the page at @hva, with the content of @page, NULL: zeroes. */
void late_supply(const struct late *l, void *hva, const void *page);

#endif /* LATE_H */
