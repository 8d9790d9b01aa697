/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read the Secure EPT of a TD and the metadata of its pages by TDH.MEM.SEPT.RD and
 * TDH.PHYMEM.PAGE.RDMD, through kmod/tdx_view.  Cases that use it declare .needs_sept,
 * or .uses_sept when they have other witnesses.  Read only while no vCPU runs and no
 * ioctl builds the TD (either may sleep): a read could make one of their calls busy.
 */
#ifndef SEPT_H
#define SEPT_H

#include <stdbool.h>

#include "mapping.h"
#include "mem.h"
#include "types.h"
#include "vm.h"

/* States of an entry (TDX module ABI: SEPT entry state encodings). */
enum sept_state {
	SEPT_FREE,
	SEPT_MAPPED,		/* a page that the TD can use */
	SEPT_PENDING,		/* a page that the TD has not accepted */
	SEPT_BLOCKED,
	SEPT_PENDING_BLOCKED,
	SEPT_TABLE,		/* the next level (NL_MAPPED) */
	SEPT_TABLE_BLOCKED,	/* (NL_BLOCKED) */
	SEPT_OTHER,		/* of migration, and of nested TDs */
};
const char *sept_state_name(enum sept_state state);

struct sept {
	int level;		/* LEVEL_*: where the entry is, as KVM counts */
	enum sept_state state;
	u64 pfn;		/* of the page or the table; PFN_NONE when free */
	u64 entry;		/* raw */
};

#define SEPT_DEVICE	"/dev/tdx_view"
/* Why the TDX module cannot be asked on this host, or NULL: a skip reason. */
const char *sept_missing(void);

/* Physical address of the root page (TDR) of the TD. */
u64 sept_tdr(struct vm *vm);

/*
 * The entry at which the walk of @gpa ends: a leaf, or the FREE entry at the
 * level that the tables reach.
 */
struct sept sept_walk(struct vm *vm, u64 gpa);
/* The entry of @gpa at @level, a table for example; a higher one if the walk ends there. */
struct sept sept_entry(struct vm *vm, u64 gpa, int level);

/* Types of pages (TDX module ABI: PT_*). */
enum page_type {
	PAGE_FREE = 0, PAGE_RESERVED = 1, PAGE_REGULAR = 3, PAGE_TDR = 4, PAGE_TDCX = 5,
	PAGE_TDVPR = 6, PAGE_SEPT = 8,
	PAGE_FOREIGN = -1,	/* of another TD, though it is free */
	PAGE_IN_USE = -2,	/* and not at that gpa: somebody's, who is not disturbed */
};
struct pamt {
	enum page_type type;
	u64 owner;		/* TDR, 0 if none */
	int level;		/* size: LEVEL_* */
};
/*
 * The page @pfn, which is free, in @gmem (NULL: in none), or the page or the table of @gpa's
 * entry at @level.
 */
struct pamt pamt_of(struct vm *vm, u64 pfn, const struct mem *gmem, u64 gpa, int level);

/*
 * The leaf of @gpa is this one. @pfn may be PFN_ANY.  Like the expectations below, looked
 * at where the host lets: a case that is nothing without it declares .needs_sept.
 */
#define expect_sept(vm, gpa, level, state, pfn) \
	expect_sept_(__FILE__, __LINE__, vm, gpa, level, state, pfn)
/* There is nothing at @gpa, whatever tables lead there. */
#define expect_sept_free(vm, gpa) \
	expect_sept_(__FILE__, __LINE__, vm, gpa, LEVEL_NONE, SEPT_FREE, PFN_ANY)
/* Nor is there a table below @level: the walk of @gpa ends there. */
#define expect_sept_free_at(vm, gpa, level) \
	expect_sept_free_at_(__FILE__, __LINE__, vm, gpa, level)
void expect_sept_free_at_(const char *file, int line, struct vm *vm, u64 gpa, int level);
void expect_sept_(const char *file, int line, struct vm *vm, u64 gpa, int level,
		  enum sept_state state, u64 pfn);

/* The page @pfn is the TD's 4K page of @gpa; a table, that of the entry at @level; its root. */
#define expect_own_page(vm, gpa, pfn)						\
	expect_pamt_(__FILE__, __LINE__, vm, pfn, PAGE_REGULAR, NULL, gpa, LEVEL_4K)
#define expect_own_table(vm, gpa, level, pfn)					\
	expect_pamt_(__FILE__, __LINE__, vm, pfn, PAGE_SEPT, NULL, gpa, level)
#define expect_own_root(vm)							\
	expect_pamt_(__FILE__, __LINE__, vm, sept_tdr(vm) >> 12, PAGE_TDR, NULL, 0, LEVEL_4K)
/*
 * It is no TD's: still in @gmem (or NULL), free, or in use by the host again, and then by
 * whom is not asked. @vm: any TD.
 */
#define expect_no_page(vm, gmem, pfn)						\
	expect_pamt_(__FILE__, __LINE__, vm, pfn, PAGE_FREE, gmem, 0, LEVEL_4K)
void expect_pamt_(const char *file, int line, struct vm *vm, u64 pfn, enum page_type type,
		  const struct mem *gmem, u64 gpa, int level);

#endif /* SEPT_H */
