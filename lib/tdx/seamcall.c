// SPDX-License-Identifier: GPL-2.0-only
/* SEAMCALLs: names and operands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "seamcall.h"
#include "testcase.h"

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

const char *seamcall_text(const struct seamcall *c)
{
	const char *text = seamcall_name(c->leaf);

	if (c->gpa || c->level)
		text = strf("%s gpa 0x%llx", text, c->gpa);
	if (c->level)
		text = strf("%s %s", text, level_name(c->level));
	if (c->pfn != PFN_NONE)
		text = strf("%s pfn %s", text, c->pfn == PFN_ANY ? "any" :
			    strf("0x%llx", c->pfn));
	if (c->status)
		text = strf("%s status 0x%llx", text, c->status);
	return text;
}

/* Bits of a physical address; the KeyID is above them. */
static unsigned int phys_bits(void)
{
	static unsigned int bits;
	char *sizes;

	if (bits)
		return bits;
	sizes = file_after("/proc/cpuinfo", "address sizes");
	must(sizes && sscanf(sizes, " : %u bits physical", &bits) == 1,
	     "address sizes in /proc/cpuinfo");
	free(sizes);
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
