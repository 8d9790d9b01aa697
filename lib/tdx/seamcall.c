// SPDX-License-Identifier: GPL-2.0-only
/* SEAMCALLs: names, the kernel's functions that make them, operands. */
#include <stdio.h>

#include "kernel.h"
#include "seamcall.h"
#include "testcase.h"

#define TDR	"+0($arg1)"	/* struct tdx_td begins with the struct page * of its root page */
#define NONE	"\\0"		/* the probe's way to write a number */
#define PAGE_4K	""		/* no argument: it is a page of 4K */

/* Where the functions have what matters.  Until 7.1 pages are all struct page *, then some are pfns. */
static const struct leaf {
	unsigned int leaf;
	const char *name;
	const char *function;		/* NULL: KVM does not make this call */
	const char *tdr, *gpa, *level, *page;
} leaves[] = {
	{ TDH_MEM_PAGE_ADD, "PAGE.ADD", "tdh_mem_page_add", TDR, "$arg2", PAGE_4K, "$arg3" },
	{ TDH_MEM_SEPT_ADD, "SEPT.ADD", "tdh_mem_sept_add", TDR, "$arg2", "$arg3", "$arg4" },
	{ TDH_MEM_PAGE_AUG, "PAGE.AUG", "tdh_mem_page_aug", TDR, "$arg2", "$arg3", "$arg4" },
	{ TDH_MEM_RANGE_BLOCK, "RANGE.BLOCK", "tdh_mem_range_block", TDR, "$arg2", "$arg3", NONE },
	{ TDH_MR_EXTEND, "MR.EXTEND", "tdh_mr_extend", TDR, "$arg2", NONE, NONE },
	{ TDH_MR_FINALIZE, "MR.FINALIZE", "tdh_mr_finalize", TDR, NONE, NONE, NONE },
	{ TDH_MNG_KEY_FREEID, "KEY.FREEID", "tdh_mng_key_freeid", TDR, NONE, NONE, NONE },
	{ TDH_PHYMEM_PAGE_RECLAIM, "PAGE.RECLAIM", "tdh_phymem_page_reclaim", NONE, NONE, NONE, "$arg1" },
	{ TDH_MEM_PAGE_REMOVE, "PAGE.REMOVE", "tdh_mem_page_remove", TDR, "$arg2", "$arg3", NONE },
	{ TDH_MEM_TRACK, "MEM.TRACK", "tdh_mem_track", TDR, NONE, NONE, NONE },
	{ TDH_PHYMEM_PAGE_WBINVD, "PAGE.WBINVD", "tdh_phymem_page_wbinvd_hkid", NONE, NONE, NONE, "$arg2" },
	{ TDH_PHYMEM_PAGE_WBINVD, "PAGE.WBINVD", "tdh_phymem_page_wbinvd_tdr", NONE, NONE, NONE, TDR },
	{ .leaf = TDH_MEM_PAGE_DEMOTE, .name = "PAGE.DEMOTE" },
	{ .leaf = TDH_MEM_PAGE_PROMOTE, .name = "PAGE.PROMOTE" },
	{ .leaf = TDH_MEM_SEPT_REMOVE, .name = "SEPT.REMOVE" },
	{ .leaf = TDH_MEM_RANGE_UNBLOCK, .name = "RANGE.UNBLOCK" },
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

const char *seamcall_function(size_t i)
{
	return i < ARRAY_SIZE(leaves) ? leaves[i].function : NULL;
}

/* The level of a 4K page, as the kernel counts: as the TDX module, and since 7.2 as KVM does. */
static int level_4k(void)
{
	return kernel_before("7.2") ? 0 : LEVEL_4K;
}

const char *seamcall_probe_args(size_t i)
{
	const struct leaf *l = &leaves[i];
	const char *level = *l->level ? l->level : strf("\\%d", level_4k());

	return strf("leaf=\\%u:u64 tdr=%s:x64 gpa=%s:x64 level=%s:u64 page=%s:x64 vmemmap=@vmemmap_base:x64 status=$retval:x64",
		    l->leaf, l->tdr, l->gpa, level, l->page);
}

/* Kernel addresses have the uppermost bit, pfns do not. */
static u64 pfn_of_page(u64 page, u64 vmemmap)
{
	const unsigned int size = 64;	/* of struct page, but with CONFIG_KMSAN */

	if (!(page >> 63))
		return page;
	errno = EINVAL;
	must(page >= vmemmap && !((page - vmemmap) % size), "struct page 0x%llx of a SEAMCALL", page);
	return (page - vmemmap) / size;
}

static bool takes(const char *argument)
{
	return argument[0] != NONE[0];
}

struct seamcall seamcall_of(const struct seamcall_record *r, u64 *tdr)
{
	const struct leaf *l = leaf_of(r->leaf);
	struct seamcall call = { .leaf = r->leaf, .level = LEVEL_NONE, .pfn = PFN_NONE,
				 .status = r->status };

	must(l && l->function, "SEAMCALL %llu", r->leaf);
	*tdr = r->tdr ? pfn_of_page(r->tdr, r->vmemmap) << 12 : 0;
	if (takes(l->gpa))
		call.gpa = r->gpa & ~(SZ_4K - 1);
	if (takes(l->level))
		call.level = r->level - level_4k() + LEVEL_4K;
	if (r->page)
		call.pfn = pfn_of_page(r->page, r->vmemmap);
	return call;
}
