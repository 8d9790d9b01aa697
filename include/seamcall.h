/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SEAMCALLs that KVM makes for a TD's memory (OBSERVE(EV_SEAMCALL)).  They are seen by
 * probes on the functions of the kernel that make one each (arch/x86/virt/vmx/tdx/tdx.c): so
 * they look the same with both kinds of TDX module.  Each attempt is one call, but the
 * kernel's own repetitions where the module has no entropy.
 */
#ifndef SEAMCALL_H
#define SEAMCALL_H

#include <stdbool.h>
#include <stddef.h>

#include "mapping.h"
#include "types.h"

/* Leaves, as numbered by the TDX module's ABI. */
enum {
	TDH_MNG_ADDCX = 1, TDH_MEM_PAGE_ADD = 2, TDH_MEM_SEPT_ADD = 3, TDH_VP_ADDCX = 4,
	TDH_MEM_PAGE_AUG = 6, TDH_MEM_RANGE_BLOCK = 7, TDH_MNG_KEY_CONFIG = 8,
	TDH_MNG_CREATE = 9, TDH_VP_CREATE = 10, TDH_MNG_RD = 11, TDH_MEM_PAGE_DEMOTE = 15, TDH_MR_EXTEND = 16,
	TDH_MR_FINALIZE = 17, TDH_VP_FLUSH = 18, TDH_MNG_VPFLUSHDONE = 19,
	TDH_MNG_KEY_FREEID = 20, TDH_MNG_INIT = 21, TDH_VP_INIT = 22,
	TDH_MEM_PAGE_PROMOTE = 23, TDH_PHYMEM_PAGE_RECLAIM = 28, TDH_MEM_PAGE_REMOVE = 29,
	TDH_MEM_SEPT_REMOVE = 30, TDH_MEM_TRACK = 38, TDH_MEM_RANGE_UNBLOCK = 39,
	TDH_PHYMEM_CACHE_WB = 40, TDH_PHYMEM_PAGE_WBINVD = 41, TDH_VP_WR = 43,
	TDH_VP_ENTER = 0,
};
const char *seamcall_name(unsigned int leaf);

struct seamcall {
	unsigned int leaf;
	u64 gpa;		/* of the page; 0 where the leaf takes none */
	int level;		/* LEVEL_*, LEVEL_NONE where the leaf takes none */
	u64 pfn;		/* PFN_ANY: whatever; PFN_NONE where the leaf takes none */
	u64 status;
};
/* "PAGE.AUG gpa 0x1000 4K pfn 0x12345 status 0x..." */
const char *seamcall_text(const struct seamcall *call);

#define CALL_PAGE_ADD(gpa, pfn)		{ TDH_MEM_PAGE_ADD, gpa, LEVEL_4K, pfn, 0 }
#define CALL_PAGE_AUG(gpa, pfn)		{ TDH_MEM_PAGE_AUG, gpa, LEVEL_4K, pfn, 0 }
/* A table below the entry of @gpa at @level. */
#define CALL_SEPT_ADD(gpa, level)	{ TDH_MEM_SEPT_ADD, gpa, level, PFN_ANY, 0 }
#define CALL_EXTEND(gpa)		{ TDH_MR_EXTEND, gpa, LEVEL_NONE, PFN_NONE, 0 }
#define CALL_FINALIZE			{ TDH_MR_FINALIZE, 0, LEVEL_NONE, PFN_NONE, 0 }
#define CALL_BLOCK(gpa)			{ TDH_MEM_RANGE_BLOCK, gpa, LEVEL_4K, PFN_NONE, 0 }
#define CALL_TRACK			{ TDH_MEM_TRACK, 0, LEVEL_NONE, PFN_NONE, 0 }
#define CALL_REMOVE(gpa)		{ TDH_MEM_PAGE_REMOVE, gpa, LEVEL_4K, PFN_NONE, 0 }
#define CALL_WBINVD(pfn)		{ TDH_PHYMEM_PAGE_WBINVD, 0, LEVEL_NONE, pfn, 0 }
#define CALL_RECLAIM(pfn)		{ TDH_PHYMEM_PAGE_RECLAIM, 0, LEVEL_NONE, pfn, 0 }

/* For the observer.  What the probe on such a function records: */
struct seamcall_record {
	u64 leaf;
	u64 tdr;	/* struct page of the TD's root page; 0: the call names no TD */
	u64 gpa;
	u64 level;	/* as this kernel counts */
	u64 page;	/* struct page, or a pfn; 0: none */
	u64 vmemmap;	/* struct page of pfn 0 */
	u64 status;
};
/*
 * The @i-th of these functions, and the arguments of a return probe on it, which has the
 * fields of the record; NULL behind the last.
 */
const char *seamcall_function(size_t i);
const char *seamcall_probe_args(size_t i);

/* The call; @tdr gets the physical address of the TD's root page, 0 if it names none. */
struct seamcall seamcall_of(const struct seamcall_record *r, u64 *tdr);

#endif /* SEAMCALL_H */
