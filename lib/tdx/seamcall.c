// SPDX-License-Identifier: GPL-2.0-only
/* SEAMCALLs: operands, names, and the comparison with what is expected. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seamcall.h"
#include "testcase.h"

#define TDX_STATUS_ERROR	(1ULL << 63)	/* the call did nothing */

/* Where the leaves that matter have their operands. */
static const struct leaf {
	unsigned int leaf;
	const char *name;
	enum { TDR_NONE, TDR_RCX, TDR_RDX } tdr;
	enum { GPA_NONE, GPA_ONLY, GPA_LEVEL } gpa;	/* in RCX */
	enum { PFN_NOT, PFN_RCX, PFN_R8 } pfn;
} leaves[] = {
	{ TDH_MEM_PAGE_ADD, "PAGE.ADD", TDR_RDX, GPA_LEVEL, PFN_R8 },
	{ TDH_MEM_SEPT_ADD, "SEPT.ADD", TDR_RDX, GPA_LEVEL, PFN_R8 },
	{ TDH_MEM_PAGE_AUG, "PAGE.AUG", TDR_RDX, GPA_LEVEL, PFN_R8 },
	{ TDH_MEM_RANGE_BLOCK, "RANGE.BLOCK", TDR_RDX, GPA_LEVEL, PFN_NOT },
	{ TDH_MEM_PAGE_DEMOTE, "PAGE.DEMOTE", TDR_RDX, GPA_LEVEL, PFN_R8 },
	{ TDH_MR_EXTEND, "MR.EXTEND", TDR_RDX, GPA_ONLY, PFN_NOT },
	{ TDH_MR_FINALIZE, "MR.FINALIZE", TDR_RCX, GPA_NONE, PFN_NOT },
	{ TDH_MNG_KEY_FREEID, "KEY.FREEID", TDR_RCX, GPA_NONE, PFN_NOT },
	{ TDH_MEM_PAGE_PROMOTE, "PAGE.PROMOTE", TDR_RDX, GPA_LEVEL, PFN_NOT },
	{ TDH_PHYMEM_PAGE_RECLAIM, "PAGE.RECLAIM", TDR_NONE, GPA_NONE, PFN_RCX },
	{ TDH_MEM_PAGE_REMOVE, "PAGE.REMOVE", TDR_RDX, GPA_LEVEL, PFN_NOT },
	{ TDH_MEM_SEPT_REMOVE, "SEPT.REMOVE", TDR_RDX, GPA_LEVEL, PFN_NOT },
	{ TDH_MEM_TRACK, "MEM.TRACK", TDR_RCX, GPA_NONE, PFN_NOT },
	{ TDH_MEM_RANGE_UNBLOCK, "RANGE.UNBLOCK", TDR_RDX, GPA_LEVEL, PFN_NOT },
	{ TDH_PHYMEM_PAGE_WBINVD, "PAGE.WBINVD", TDR_NONE, GPA_NONE, PFN_RCX },
};

static const struct leaf *leaf_of(unsigned int leaf)
{
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaves[i].leaf == leaf)
			return &leaves[i];
	return NULL;
}

const char *seamcall_name(unsigned int leaf)
{
	const struct leaf *l = leaf_of(leaf);

	return l ? l->name : strf("leaf %u", leaf);
}

/* Bits of a physical address; the KeyID is above them. */
static unsigned int phys_bits(void)
{
	static unsigned int bits;
	char line[4096];
	FILE *f;

	if (bits)
		return bits;
	f = fopen("/proc/cpuinfo", "re");
	while (f && !bits && fgets(line, sizeof(line), f))
		sscanf(line, "address sizes : %u bits physical", &bits);
	if (f)
		fclose(f);
	must(bits, "address sizes in /proc/cpuinfo");
	return bits;
}

static u64 pfn_operand(u64 reg)
{
	return (reg & ((1ULL << phys_bits()) - 1)) >> 12;
}

bool seamcall_decode(unsigned int leaf, u64 rcx, u64 rdx, u64 r8,
		     struct seamcall *call, u64 *tdr)
{
	const struct leaf *l = leaf_of(leaf);

	if (!l)
		return false;
	*tdr = l->tdr == TDR_NONE ? 0 : l->tdr == TDR_RCX ? rcx : rdx;
	*call = (struct seamcall){ .leaf = leaf, .level = LEVEL_NONE, .pfn = PFN_NONE };
	if (l->gpa != GPA_NONE)
		call->gpa = rcx & ~(SZ_4K - 1);
	if (l->gpa == GPA_LEVEL)
		call->level = (rcx & 7) + 1;	/* the module counts from 0 */
	if (l->pfn != PFN_NOT)
		call->pfn = pfn_operand(l->pfn == PFN_RCX ? rcx : r8);
	return true;
}

struct seamcall *seamcalls(struct observer *o, size_t *nr)
{
	const struct event *ev;
	struct seamcall *calls;
	size_t nr_events;

	ev = observer_events(o, &nr_events);
	calls = calloc(nr_events + 1, sizeof(*calls));
	*nr = 0;
	for (size_t i = 0; i < nr_events; i++)
		if (ev[i].type == EV_SEAMCALL)
			calls[(*nr)++] = ev[i].call;
	return calls;
}

unsigned long count_seamcalls(const struct seamcall *calls, size_t nr, unsigned int leaf,
			      bool only_done)
{
	unsigned long count = 0;

	for (size_t i = 0; i < nr; i++)
		count += calls[i].leaf == leaf &&
			 !(only_done && calls[i].status & TDX_STATUS_ERROR);
	return count;
}

static unsigned long count_observed(struct observer *o, unsigned int leaf, bool only_done)
{
	size_t nr;
	struct seamcall *calls = seamcalls(o, &nr);
	unsigned long count = count_seamcalls(calls, nr, leaf, only_done);

	free(calls);
	return count;
}

unsigned long seamcalls_of(struct observer *o, unsigned int leaf)
{
	return count_observed(o, leaf, false);
}

unsigned long seamcalls_done(struct observer *o, unsigned int leaf)
{
	return count_observed(o, leaf, true);
}

static const char *call_text(const struct seamcall *calls, size_t nr, size_t at)
{
	const struct seamcall *c = &calls[at];
	const char *text;

	if (at >= nr)
		return "no more calls";
	text = seamcall_name(c->leaf);
	if (c->gpa || c->level)
		text = strf("%s gpa 0x%llx", text, c->gpa);
	if (c->level)
		text = strf("%s level %s", text, level_name(c->level));
	if (c->pfn != PFN_NONE)
		text = strf("%s pfn %s", text, c->pfn == PFN_ANY ? "any" :
			    strf("0x%llx", c->pfn));
	if (c->status)
		text = strf("%s status 0x%llx", text, c->status);
	return text;
}

static bool same(const struct seamcall *seen, const struct seamcall *expected)
{
	return seen->leaf == expected->leaf && seen->gpa == expected->gpa &&
	       seen->level == expected->level && seen->status == expected->status &&
	       (expected->pfn == PFN_ANY || seen->pfn == expected->pfn);
}

void expect_seamcall_list_(const char *file, int line, struct observer *o,
			   const struct seamcall *list, size_t nr)
{
	size_t nr_seen, at = 0;
	struct seamcall *seen;

	if (!observer_sees(o, EV_SEAMCALL))
		return;
	seen = seamcalls(o, &nr_seen);
	while (at < nr && at < nr_seen && same(&seen[at], &list[at]))
		at++;
	if (at == nr && at == nr_seen) {
		free(seen);
		return;
	}
	for (size_t i = 0; i < nr_seen && i < at + 8; i++)
		diag("SEAMCALL %zu: %s", i + 1, call_text(seen, nr_seen, i));
	test_failed(file, line, strf("SEAMCALL %zu (%zu seen, %zu expected)", at + 1, nr_seen, nr),
		    call_text(list, nr, at), call_text(seen, nr_seen, at));
}
