// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.*: the TD's private memory in units of Secure EPT entries. */
#include "internal.h"

#define LEAF_ENTRY(hpa) ((hpa) | SEPT_LEAF_BITS)

/* TD, operand, walk, entry lock: how all leaves that change one entry begin. */
static u64 find_entry(struct call *c, enum lock_mode tree, int min_level, int max_level)
{
	TRY(tdr_lock(c, c->in.rdx, OP_RDX, SHARED));
	TRY(td_state(c, true));
	TRY(gpa_operand(c, min_level, max_level < 0 ? c->tdcs->levels - 1 : max_level));
	TRY(sept_lock_tree(c, tree));
	TRY(sept_walk(c));
	return sept_lock_entry(c);
}

#define ANY_LEVEL (-1)

static u64 require_state(struct call *c, int allowed)
{
	if (sept_state(c->value) & allowed)
		return 0;
	return sept_error(c, ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
}

/* An entry that is to take a page or table must be free: anything else is a double add. */
static u64 require_free(struct call *c)
{
	u64 status = require_state(c, SEPT_FREE);

	if (status)
		complain(c, SOFTTDX_ENTRY_IN_USE, status, 0);
	return status;
}

/* PAMT entry of the page that the SEPT entry refers to. */
static struct pamt_entry *target(struct call *c)
{
	int level = c->value & SEPT_LEAF ? c->level : 0;

	return pamt_at(c->m, c->value & HPA_MASK, level);
}

static u64 lock_target(struct call *c, struct pamt_entry **e)
{
	*e = target(c);
	return call_lock(c, &(*e)->lock, EXCLUSIVE) ? 0 : ST(OPERAND_BUSY, OP_RCX);
}

u64 mem_sept_add(struct call *c)
{
	bool allow_existing = c->in.rdx & 1;
	struct pamt_entry *e;

	if (c->in.rdx & ~(HPA_MASK | 1))
		return ST(OPERAND_INVALID, OP_RDX);
	c->in.rdx &= HPA_MASK;
	TRY(find_entry(c, SHARED, 1, ANY_LEVEL));
	if (allow_existing && sept_state(c->value) == SEPT_NL_MAPPED)
		return 0;
	if (RULE(ENTRY_FREE_AT_SEPT_ADD, true))
		TRY(require_free(c));
	TRY(page_lock(c, c->in.r8, OP_R8, EXCLUSIVE, PT_NDA, &e));
	sept_fill_free(c->m, c->in.r8);
	page_gain(c, e, PT_EPT, 1);
	sept_store(c, c->in.r8 | SEPT_RWX);
	return 0;
}

u64 mem_sept_rd(struct call *c)
{
	TRY(find_entry(c, SHARED, 0, ANY_LEVEL));
	return sept_error(c, 0);
}

u64 mem_page_add(struct call *c)
{
	struct { char name[16]; u64 gpa; u8 zero[104]; } block = { "MEM.PAGE.ADD", 0, { 0 } };
	struct pamt_entry *e;
	const void *source;

	TRY(tdr_lock(c, c->in.rdx, OP_RDX, EXCLUSIVE));
	TRY(td_state(c, false));
	TRY(gpa_operand(c, 0, 0));
	TRY(sept_walk(c));
	if (RULE(ENTRY_FREE_AT_ADD, true))
		TRY(require_free(c));
	source = map_shared(c, c->in.r9, PAGE_4K);
	if (!source)
		return ST(OPERAND_INVALID, OP_R9);
	TRY(page_lock(c, c->in.r8, OP_R8, EXCLUSIVE, PT_NDA, &e));
	memcpy(map(c->m, c->in.r8), source, PAGE_4K);
	block.gpa = c->gpa;
	if (RULE(MRTD_OF_ADD, true))
		sha384_update(&c->tdcs->measurement, &block, sizeof(block));
	page_gain(c, e, PT_REG, 1);
	sept_store(c, LEAF_ENTRY(c->in.r8) | SEPT_RWX);
	return 0;
}

u64 mem_page_aug(struct call *c)
{
	struct pamt_entry *e;

	TRY(find_entry(c, SHARED, 0, 1));
	if (RULE(ENTRY_FREE_AT_AUG, true))
		TRY(require_free(c));
	TRY(page_lock_free_range(c, c->in.r8, OP_R8, c->level, &e));
	page_gain(c, e, PT_REG, LEVEL_SIZE(c->level) / PAGE_4K);
	sept_store(c, LEAF_ENTRY(c->in.r8) | SEPT_PENDING);
	return 0;
}

u64 mem_range_block(struct call *c)
{
	TRY(find_entry(c, EXCLUSIVE, 0, ANY_LEVEL));
	if (RULE(ALREADY_BLOCKED, sept_state(c->value) & SEPT_ANY_BLOCKED))
		return sept_error(c, ST(GPA_RANGE_ALREADY_BLOCKED, OP_RCX));
	TRY(require_state(c, SEPT_ANY & ~SEPT_FREE));
	if (RULE(BEPOCH_AT_BLOCK, true))
		__atomic_store_n(&target(c)->bepoch, atomic_load(&c->tdcs->epoch),
				 __ATOMIC_RELAXED);
	sept_store(c, (c->value & ~SEPT_RWX) | SEPT_BLOCKED);
	return 0;
}

u64 mem_range_unblock(struct call *c)
{
	TRY(find_entry(c, EXCLUSIVE, 0, ANY_LEVEL));
	TRY(require_state(c, SEPT_ANY_BLOCKED));
	if (c->tdcs->op_state == OP_RUNNABLE && !td_tracked(c->tdcs, target(c)->bepoch))
		return ST(TLB_TRACKING_NOT_DONE, OP_SEPT_TREE);
	sept_store(c, sept_unblocked(c->value));
	return 0;
}

u64 mem_track(struct call *c)
{
	struct tdcs *tdcs;

	TRY(tdr_lock(c, c->in.rcx, OP_RCX, SHARED));
	TRY(td_state(c, true));
	tdcs = c->tdcs;
	if (!call_lock(c, &tdcs->epoch_lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_TD_EPOCH);
	if (RULE(TRACK_WAITS_FOR_EPOCH, atomic_load(&tdcs->inside[1 - (tdcs->epoch & 1)]))) {
		complain(c, SOFTTDX_NOT_KICKED, ST0(PREVIOUS_TLB_EPOCH_BUSY), 0);
		return ST0(PREVIOUS_TLB_EPOCH_BUSY);
	}
	atomic_add(&tdcs->epoch, 1);
	return 0;
}

/* Contents of a returned page look scrambled to the host; zeroes stand for that. */
u64 mem_page_remove(struct call *c)
{
	struct pamt_entry *e;
	u64 hpa, pages;

	TRY(find_entry(c, SHARED, 0, 2));
	TRY(require_state(c, SEPT_ANY_LEAF));
	TRY(lock_target(c, &e));
	TRY(sept_removable(c, e));
	hpa = c->value & HPA_MASK;
	pages = LEVEL_SIZE(c->level) / PAGE_4K;
	if (RULE(ZERO_AT_REMOVE, true))
		for (u64 i = 0; i < pages; i++)
			zero_page(c->m, hpa + i * PAGE_4K);
	page_lose(c, e, pages);
	sept_store(c, SEPT_FREE_ENTRY);
	c->out->rcx = hpa;
	return 0;
}

static bool table_free(struct softtdx *m, u64 table)
{
	const u64 *entry = map(m, table);

	for (int i = 0; i < ENTRIES; i++)
		if (sept_state(entry[i]) != SEPT_FREE)
			return false;
	return true;
}

u64 mem_sept_remove(struct call *c)
{
	struct pamt_entry *e;
	u64 table;

	TRY(find_entry(c, EXCLUSIVE, 1, ANY_LEVEL));
	TRY(require_state(c, SEPT_NL_MAPPED | SEPT_NL_BLOCKED));
	TRY(lock_target(c, &e));
	TRY(sept_removable(c, e));
	table = c->value & HPA_MASK;
	if (!table_free(c->m, table))
		return sept_error(c, ST(EPT_PAGE_NOT_FREE, OP_RCX));
	zero_page(c->m, table);
	page_lose(c, e, 1);
	sept_store(c, SEPT_FREE_ENTRY);
	c->out->rcx = table;
	return 0;
}

/* 512 leaves, all mapped or all pending, that make one large page. */
static bool promotable(struct softtdx *m, u64 table, int child_level)
{
	const u64 ignore = SEPT_LOCK | 1ull << 8 | 1ull << 9;
	const u64 *entry = map(m, table);
	u64 first = entry[0] & ~ignore;

	if (!(sept_state(first) & (SEPT_MAPPED | SEPT_PENDING_LEAF)) ||
	    !ALIGNED(first & HPA_MASK, LEVEL_SIZE(child_level + 1)))
		return false;
	for (u64 i = 1; i < ENTRIES; i++)
		if (RULE(PROMOTE_CONTIGUOUS,
			 (entry[i] & ~ignore) != first + i * LEVEL_SIZE(child_level)))
			return false;
	return true;
}

/* Moves a page's PAMT state between one large entry and its 512 smaller ones. */
static void pamt_regroup(struct call *c, u64 hpa, int level, bool merge)
{
	enum page_type large = merge ? PT_REG : PT_NDA, small = merge ? PT_NDA : PT_REG;

	for (u64 i = 0; i < ENTRIES; i++)
		pamt_set(pamt_at(c->m, hpa + i * LEVEL_SIZE(level - 1), level - 1), small,
			 merge ? 0 : c->tdr_pa);
	pamt_set(pamt_at(c->m, hpa, level), large, merge ? c->tdr_pa : 0);
}

u64 mem_page_promote(struct call *c)
{
	struct pamt_entry *e;
	u64 table, first;

	TRY(find_entry(c, EXCLUSIVE, 1, 2));
	TRY(require_state(c, SEPT_NL_MAPPED | SEPT_NL_BLOCKED));
	TRY(lock_target(c, &e));
	TRY(sept_removable(c, e));
	table = c->value & HPA_MASK;
	if (!promotable(c->m, table, c->level - 1))
		return sept_error(c, ST(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX));
	first = *(u64 *)map(c->m, table) & ~SEPT_LOCK;
	if (!call_lock(c, &pamt_at(c->m, first & HPA_MASK, c->level)->lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_RCX);
	pamt_regroup(c, first & HPA_MASK, c->level, true);
	zero_page(c->m, table);
	page_lose(c, e, 1);
	sept_store(c, first);
	c->out->rcx = table;
	return 0;
}

u64 mem_page_demote(struct call *c)
{
	struct pamt_entry *e, *table;
	u64 *entry, child;

	if (c->in.rdx & ~(HPA_MASK | 1))
		return ST(OPERAND_INVALID, OP_RDX);
	c->in.rdx &= HPA_MASK;
	TRY(find_entry(c, EXCLUSIVE, 1, 2));
	TRY(require_state(c, SEPT_ANY_LEAF));
	TRY(lock_target(c, &e));
	TRY(sept_removable(c, e));
	TRY(page_lock(c, c->in.r8, OP_R8, EXCLUSIVE, PT_NDA, &table));
	child = sept_unblocked(c->value);
	entry = map(c->m, c->in.r8);
	for (u64 i = 0; i < ENTRIES; i++)
		entry[i] = child + i * LEVEL_SIZE(c->level - 1);
	pamt_regroup(c, c->value & HPA_MASK, c->level, false);
	page_gain(c, table, PT_EPT, 1);
	sept_store(c, c->in.r8 | SEPT_RWX);
	return 0;
}

/* The 8 bytes at a GPA of a TD that is under debug. */
static u64 debug_access(struct call *c, u64 **data)
{
	TRY(tdr_lock(c, c->in.rdx, OP_RDX, SHARED));
	TRY(td_state(c, true));
	if (!(c->tdcs->attributes & ATTR_DEBUG))
		return ST0(TD_NON_DEBUG);
	if (!ALIGNED(c->in.rcx, 8))
		return ST(OPERAND_INVALID, OP_RCX);
	c->gpa = c->in.rcx;
	TRY(gpa_check(c, c->gpa));
	TRY(sept_lock_tree(c, SHARED));
	TRY(sept_walk_to_leaf(c));
	TRY(sept_lock_entry(c));
	TRY(require_state(c, SEPT_MAPPED));
	*data = map(c->m, (c->value & HPA_MASK) + (c->gpa & (LEVEL_SIZE(c->level) - 1)));
	return 0;
}

u64 mem_rd(struct call *c)
{
	u64 *data;

	c->out->r8 = 0;
	TRY(debug_access(c, &data));
	c->out->r8 = *data;
	return 0;
}

u64 mem_wr(struct call *c)
{
	u64 *data;

	c->out->r8 = 0;
	TRY(debug_access(c, &data));
	c->out->r8 = *data;
	*data = c->in.r8;
	return 0;
}

/* The guest's side of PAGE.AUG; the vCPU's entry holds the TD's locks. */
u64 softtdx_accept(struct softtdx *m, const struct softtdx_vcpu *vcpu, u64 gpa_level)
{
	struct call c = {
		.m = m, .in = { .rcx = gpa_level }, .tdr_pa = vcpu->tdr,
		.tdr = map(m, vcpu->tdr), .tdcs = vcpu->tdcs,
	};
	struct softtdx_regs out;
	u64 hpa;

	c.out = &out;
	TRY(gpa_operand(&c, 0, 1));
	TRY(sept_walk(&c));
	if (sept_state(c.value) == SEPT_MAPPED)
		return ST(PAGE_ALREADY_ACCEPTED, (u64)c.level);
	if (sept_state(c.value) == SEPT_NL_MAPPED)
		return ST(PAGE_SIZE_MISMATCH, OP_RCX);
	TRY(require_state(&c, SEPT_PENDING_LEAF));
	TRY(sept_lock_entry(&c));
	hpa = c.value & HPA_MASK;
	for (u64 i = 0; i < LEVEL_SIZE(c.level); i += PAGE_4K)
		zero_page(m, hpa + i);
	sept_store(&c, (c.value & ~SEPT_PENDING) | SEPT_RWX);
	return 0;
}
