// SPDX-License-Identifier: GPL-2.0-only
/* The last violations of the module's rules, and the first of each kind on the console. */
#include <stdio.h>

#include "files.h"

#define KEPT 256

static struct softtdx_report kept[KEPT];
static u64 total, cleared;	/* violations since the reset, and at the last clear */
static bool seen[SOFTTDX_VIOLATIONS];

/* On standard output, like the machine's serial port; on a line of its own. */
static void print_first(const struct softtdx_report *r)
{
	printf("\nsofttdx: %s (leaf %u): %s: td %#lx gpa %#lx page %#lx\n",
	       softtdx_leaf_name(r->leaf), r->leaf, softtdx_violation_name(r->violation), r->tdr,
	       r->gpa, r->page);
	fflush(stdout);
}

void softtdx_report(void *env, const struct softtdx_report *report)
{
	(void)env;
	kept[total++ % KEPT] = *report;
	if (!seen[report->violation])
		print_first(report);
	seen[report->violation] = true;
}

void print_violations(struct text *t)
{
	u64 oldest = total > KEPT ? total - KEPT : 0;

	for (u64 i = oldest > cleared ? oldest : cleared; i < total; i++) {
		const struct softtdx_report *r = &kept[i % KEPT];

		text_add(t, "seq=%lu", i + 1);
		text_add_word(t, "kind", softtdx_violation_name(r->violation));
		text_add(t, " leaf=%u", r->leaf);
		text_add_word(t, "name", softtdx_leaf_name(r->leaf));
		text_add(t, " status=%#lx td=%#lx gpa=%#lx page=%#lx type=%u owner=%#lx pages=%lu\n",
			 r->status, r->tdr, r->gpa, r->page, r->page_type, r->owner, r->count);
	}
}

/* The console gets the first of each kind again. */
void clear_violations(void)
{
	cleared = total;
	memset(seen, 0, sizeof(seen));
}
