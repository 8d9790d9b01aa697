/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often the kernel reads each byte of a page of this process, as the emulator sees it
 * (docs/softtdx.md).  What it reads twice, user space may have changed meanwhile: only one of both
 * may be trusted.  Only for cases with .needs_softtdx.
 *
 *	u8 *page = watched_page();
 *
 *	*(struct foo *)page = ...;		user space's own accesses do not count
 *	watch_start(page);
 *	ioctl(fd, FOO, page);
 *	watch_reads(page, reads);
 *	watch_stop();
 */
#ifndef SOFTTDX_WATCH_H
#define SOFTTDX_WATCH_H

#include "types.h"

#define WATCH_PAGE_SIZE	4096

/* A page of zeroes that stays where it is; not watched yet.  It lives as long as the process. */
void *watched_page(void);

/* From now on the kernel's accesses to @page are written down; up to four pages at a time. */
void watch_start(void *page);
/*
 * How often each byte of @page was read since.  The emulator tells the first byte of each read: its
 * last one is before the next read of the same copy; as far as get_user() of that size goes; else
 * the end of its eight bytes.
 */
void watch_reads(const void *page, u8 reads[WATCH_PAGE_SIZE]);
/* No page is watched any more. */
void watch_stop(void);

#endif /* SOFTTDX_WATCH_H */
