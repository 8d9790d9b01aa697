/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages were accessed since (Documentation/admin-guide/mm/idle_page_tracking.rst). The
 * kernel asks all that map a page, by mmu_notifier KVM, too, and makes them forget.
 */
#ifndef PAGE_IDLE_H
#define PAGE_IDLE_H

#include <stdbool.h>

/* Skip the case where the kernel has none of it (CONFIG_IDLE_PAGE_TRACKING), or not for root here. */
void page_idle_needed(void);

/*
 * Mark the page at @hva idle, or the case ends with ERROR: it must be present, and of anonymous
 * memory or the page cache. The calling thread must be the one that made it present: pages
 * are on no list at first but their CPU's.
 */
void page_idle_set(const void *hva);

/* Is it idle still? Asking looks at accesses, and forgets them. */
bool page_is_idle(const void *hva);

#endif /* PAGE_IDLE_H */
