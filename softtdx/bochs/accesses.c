// SPDX-License-Identifier: GPL-2.0-only
/* The log of accesses to memory that the module holds, by software that must not have it. */
#include <stdio.h>

#include "files.h"

#define KEPT 256		/* the first ones; of the others only the number */

static struct entry {
	struct private_access access;	/* the first of its kind */
	struct softtdx_page_info page;
	bool found;			/* the next ones are known */
	u64 gpa;
	u32 level;
	u64 count;
} kept[KEPT];
static u32 nr_kept;
static u64 lost;
static bool printed;

static const char *const kinds[] = {
	[PRIVATE_READ] = "read", [PRIVATE_WRITE] = "write", [PRIVATE_EXECUTE] = "execute",
};

/* An instruction, and a page that it reads or writes: a line, however many bytes it takes. */
static bool alike(const struct private_access *a, const struct private_access *b)
{
	return a->rip == b->rip && a->cpl == b->cpl && a->in_vm == b->in_vm &&
	       a->kind == b->kind && a->hpa >> 12 == b->hpa >> 12;
}

static struct entry *find(const struct private_access *access)
{
	for (u32 i = nr_kept; i-- > 0; )
		if (alike(&kept[i].access, access))
			return &kept[i];
	return NULL;
}

static struct entry *add(const struct private_access *access, const struct softtdx_page_info *page)
{
	struct softtdx_sept_info sept;
	struct entry *e = &kept[nr_kept];

	if (nr_kept == KEPT)
		return NULL;
	nr_kept++;
	*e = (struct entry){ .access = *access, .page = *page };
	e->found = page->owner && softtdx_find(&softtdx, page->owner, access->hpa, &sept);
	if (e->found) {
		e->gpa = sept.gpa & ~0xFFFull;
		e->level = sept.level;
	}
	return e;
}

/* On standard output, like the machine's serial port; on a line of its own. */
static void print_first(const struct private_access *a, const struct softtdx_page_info *page)
{
	printf("\nsofttdx: private memory: %s of %#lx (%s of td %#lx) at RIP %#lx, CPL %u%s\n",
	       kinds[a->kind], a->hpa, page->type, page->owner, a->rip, a->cpl,
	       a->in_vm ? ", in a VM" : "");
	fflush(stdout);
	printed = true;
}

bool private_accessed(const struct private_access *access)
{
	struct softtdx_page_info page;
	struct entry *e = find(access);

	softtdx_page(&softtdx, access->hpa, &page);
	if (!printed)
		print_first(access, &page);
	if (!e)
		e = add(access, &page);
	if (e)
		e->count++;
	else
		lost++;
	return page.guest;
}

void print_accesses(struct text *t)
{
	for (u32 i = 0; i < nr_kept; i++) {
		const struct entry *e = &kept[i];
		const struct private_access *a = &e->access;

		text_add(t, "kind=%s count=%lu rip=%#lx cpl=%u vm=%d cpu=%u hpa=%#lx type=%s owner=%#lx",
			 kinds[a->kind], e->count, a->rip, a->cpl, a->in_vm, a->cpu, a->hpa,
			 e->page.type, e->page.owner);
		if (e->found)
			text_add(t, " gpa=%#lx level=%u", e->gpa, e->level);
		text_add(t, "\n");
	}
	if (lost)
		text_add(t, "kind=lost count=%lu\n", lost);
}

/* The console gets the first one again. */
void clear_accesses(void)
{
	nr_kept = 0;
	lost = 0;
	printed = false;
}
