// SPDX-License-Identifier: GPL-2.0-only
/* The referee's log: the last complaints, and the first of each kind on the console. */
#include <stdio.h>

#include "files.h"

#define KEPT 256

static struct softtdx_report kept[KEPT];
static u64 total, cleared;	/* complaints since the reset, and at the last clear */
static bool seen[SOFTTDX_COMPLAINTS];

/* On standard output, like the machine's serial port; on a line of its own. */
static void print_first(const struct softtdx_report *r)
{
	printf("\nsofttdx: %s (leaf %u): %s: td %#lx gpa %#lx page %#lx\n",
	       softtdx_leaf_name(r->leaf), r->leaf, softtdx_complaint_name(r->complaint), r->tdr,
	       r->gpa, r->page);
	fflush(stdout);
}

void softtdx_report(void *env, const struct softtdx_report *report)
{
	(void)env;
	kept[total++ % KEPT] = *report;
	if (!seen[report->complaint])
		print_first(report);
	seen[report->complaint] = true;
}

void print_complaints(struct text *t)
{
	u64 oldest = total > KEPT ? total - KEPT : 0;

	for (u64 i = oldest > cleared ? oldest : cleared; i < total; i++) {
		const struct softtdx_report *r = &kept[i % KEPT];

		text_add(t, "seq=%lu", i + 1);
		text_add_word(t, "kind", softtdx_complaint_name(r->complaint));
		text_add(t, " leaf=%u", r->leaf);
		text_add_word(t, "name", softtdx_leaf_name(r->leaf));
		text_add(t, " status=%#lx td=%#lx gpa=%#lx page=%#lx type=%u owner=%#lx pages=%lu\n",
			 r->status, r->tdr, r->gpa, r->page, r->page_type, r->owner, r->count);
	}
}

/* The console gets the first of each kind again. */
void clear_complaints(void)
{
	cleared = total;
	memset(seen, 0, sizeof(seen));
}
