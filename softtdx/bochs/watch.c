// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watched pages: each access of the kernel to one, in order, for tests that ask how often it reads
 * what user space may change meanwhile.
 */
#include <errno.h>

#include "files.h"

#define PAGES	4
#define KEPT	16384

static u64 pages[PAGES];	/* hpa, 0: none */
static struct private_access kept[KEPT];
static u32 nr_kept;
static u64 lost;

static u64 *find(u64 hpa)
{
	for (u32 i = 0; i < PAGES; i++)
		if (pages[i] == (hpa & ~0xFFFull))
			return &pages[i];
	return NULL;
}

bool is_watched(u64 hpa)
{
	return hpa >> 12 && find(hpa);
}

void watched_access(const struct private_access *access)
{
	if (access->cpl || access->in_vm)
		return;
	if (nr_kept < KEPT)
		kept[nr_kept++] = *access;
	else
		lost++;
}

void unwatch(u64 hpa)
{
	u64 *page = is_watched(hpa) ? find(hpa) : NULL;

	if (page)
		*page = 0;
}

void clear_watch(void)
{
	for (u32 i = 0; i < PAGES; i++)
		if (pages[i])
			watch_page(pages[i], false);
	memset(pages, 0, sizeof(pages));
	nr_kept = 0;
	lost = 0;
}

/* "0xHPA": this page, too; "none": no page, and an empty log. */
int write_watch(char *text)
{
	u64 hpa, *page = find(0);

	if (!strcmp(text, "none")) {
		clear_watch();
		return 0;
	}
	if (parse_number(text, UINT64_MAX, &hpa) || hpa & 0xFFF || !hpa)
		return -EINVAL;
	if (is_watched(hpa))
		return 0;
	if (!page)
		return -ENOSPC;
	if (!watch_page(hpa, true))
		return -EBUSY;
	*page = hpa;
	return 0;
}

void print_watch(struct text *t)
{
	for (u32 i = 0; i < nr_kept; i++)
		text_add(t, "at=%#lx rip=%#lx write=%d\n", kept[i].hpa, kept[i].rip,
			 kept[i].kind == PRIVATE_WRITE);
	if (lost)
		text_add(t, "lost=%lu\n", lost);
}
