// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.*: the TD's private memory in units of Secure EPT entries. */
#include "internal.h"

#define LEAF_ENTRY(hpa) ((hpa) | SEPT_LEAF_BITS)

/* Operand, walk, entry lock. */
static u64 find_entry(struct call *c, enum lock_mode tree, int min_level, int max_level)
{
	TRY(gpa_operand(c, min_level, max_level < 0 ? c->tdcs->levels - 1 : max_level));
	TRY(sept_lock_tree(c, tree));
	TRY(sept_walk(c));
	return sept_lock_entry(c);
}

/* The TD and its entry: how all leaves that change one entry begin. */
u64 mem_find_entry(struct call *c, enum lock_mode tree, int min_level, int max_level)
{
	TRY(tdr_lock(c, c->in.rdx, OP_RDX, SHARED));
	TRY(td_state(c, true));
	return find_entry(c, tree, min_level, max_level);
}

u64 mem_require_state(struct call *c, int allowed)
{
	if (sept_state(c->value) & allowed)
		return 0;
	return sept_error(c, ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
}

/* A page for an L2 VM, of which no TD has any. */
static u64 no_l2_pages(struct call *c)
{
	const u64 pages[] = { c->in.r9, c->in.r10, c->in.r11 };

	for (u32 i = 0; c->version && i < 3; i++)
		if (pages[i] != NO_TABLE)
			return ST(OPERAND_INVALID, OP_R9 + i);
	return 0;
}

/* An entry that is to take a page or table must be free: anything else is a double add. */
static u64 require_free(struct call *c)
{
	u64 status = mem_require_state(c, SEPT_FREE);

	if (status)
		report_violation(c, SOFTTDX_ENTRY_IN_USE, status, 0);
	return status;
}

/* PAMT entry of the page that the SEPT entry refers to. */
struct pamt_entry *mem_target(struct call *c)
{
	int level = c->value & SEPT_LEAF ? c->level : 0;

	return pamt_at(c->m, c->value & HPA_MASK, level);
}

u64 mem_lock_target(struct call *c, struct pamt_entry **e)
{
	*e = mem_target(c);
	return call_lock(c, &(*e)->lock, EXCLUSIVE) ? 0 : ST(OPERAND_BUSY, OP_RCX);
}

/* What will be the table: a new page, locked, or the one that is there already: *e is NULL. */
static u64 choose_table(struct call *c, bool allow_existing, struct pamt_entry **e)
{
	*e = NULL;
	if (c->in.r8 == NO_TABLE) {
		if (!c->version)
			return ST(OPERAND_INVALID, OP_R8);
		return mem_require_state(c, SEPT_NL_MAPPED);
	}
	if (allow_existing && sept_state(c->value) == SEPT_NL_MAPPED)
		return 0;
	if (RULE(ENTRY_FREE_AT_SEPT_ADD, true))
		TRY(require_free(c));
	return page_lock(c, c->in.r8, OP_R8, EXCLUSIVE, PT_NDA, e);
}

static u64 sept_add(struct call *c, bool *used)
{
	bool allow_existing = c->in.rdx & 1;
	struct pamt_entry *e;

	if (c->in.rdx & ~(HPA_MASK | 1))
		return ST(OPERAND_INVALID, OP_RDX);
	c->in.rdx &= HPA_MASK;
	TRY(mem_find_entry(c, SHARED, 1, ANY_LEVEL));
	TRY(choose_table(c, allow_existing, &e));
	TRY(no_l2_pages(c));
	if (!e)
		return 0;
	sept_fill_free(c->m, c->in.r8);
	page_gain(c, e, PT_EPT, c->in.r8, 1);
	sept_store(c, c->in.r8 | SEPT_RWX);
	*used = true;
	return 0;
}

/* Version 1 names a page for each L2 VM, too, and says which it did not use. */
u64 mem_sept_add(struct call *c)
{
	u64 *pages[] = { &c->in.r8, &c->in.r9, &c->in.r10, &c->in.r11 };
	u64 *out[] = { &c->out->r8, &c->out->r9, &c->out->r10, &c->out->r11 };
	bool used = false;
	u64 status;

	if (c->version > 1)
		return ST(OPERAND_INVALID, OP_RAX);
	for (int i = 0; i < 4; i++)
		if (*pages[i] != NO_TABLE)
			*pages[i] &= ~PAGE_NOT_USED;
	status = sept_add(c, &used);
	if (!c->version)
		return status;
	for (int i = 0; i < 4; i++)
		*out[i] = *pages[i];
	if (used)
		c->out->r8 = NO_TABLE;
	else if (!status)
		c->out->r8 |= PAGE_NOT_USED;
	return status;
}

/* Bit 0 of RDX asks for the attributes of L2 VMs, of which there are none, of a TD under debug. */
u64 mem_sept_rd(struct call *c)
{
	bool attributes = c->in.rdx & 1;

	TRY(tdr_lock(c, c->in.rdx & ~1ull, OP_RDX, SHARED));
	TRY(td_state(c, true));
	if (attributes && !(c->tdcs->attributes & ATTR_DEBUG))
		return ST(OPERAND_INVALID, OP_RDX);
	TRY(find_entry(c, SHARED, 0, ANY_LEVEL));
	if (attributes)
		c->out->r8 = 0;
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
	page_gain(c, e, PT_REG, c->in.r8, 1);
	sept_store(c, LEAF_ENTRY(c->in.r8) | SEPT_RWX);
	return 0;
}

u64 mem_page_aug(struct call *c)
{
	struct pamt_entry *e;

	TRY(mem_find_entry(c, SHARED, 0, 1));
	if (RULE(ENTRY_FREE_AT_AUG, true))
		TRY(require_free(c));
	TRY(page_lock_free_range(c, c->in.r8, OP_R8, c->level, &e));
	page_gain(c, e, PT_REG, c->in.r8, LEVEL_SIZE(c->level) / PAGE_4K);
	sept_store(c, LEAF_ENTRY(c->in.r8) | SEPT_PENDING);
	return 0;
}

u64 mem_range_block(struct call *c)
{
	TRY(mem_find_entry(c, EXCLUSIVE, 0, ANY_LEVEL));
	if (RULE(ALREADY_BLOCKED, sept_state(c->value) & SEPT_ANY_BLOCKED))
		return sept_error(c, ST(GPA_RANGE_ALREADY_BLOCKED, OP_RCX));
	TRY(mem_require_state(c, SEPT_ANY & ~SEPT_FREE));
	if (RULE(BEPOCH_AT_BLOCK, true))
		__atomic_store_n(&mem_target(c)->bepoch, atomic_load(&c->tdcs->epoch),
				 __ATOMIC_RELAXED);
	sept_store(c, (c->value & ~SEPT_RWX) | SEPT_BLOCKED);
	return 0;
}

u64 mem_range_unblock(struct call *c)
{
	TRY(mem_find_entry(c, EXCLUSIVE, 0, ANY_LEVEL));
	TRY(mem_require_state(c, SEPT_ANY_BLOCKED));
	if (c->tdcs->op_state == OP_RUNNABLE && !td_tracked(c->tdcs, mem_target(c)->bepoch))
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
		report_violation(c, SOFTTDX_NOT_KICKED, ST0(PREVIOUS_TLB_EPOCH_BUSY), 0);
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

	TRY(mem_find_entry(c, SHARED, 0, 2));
	TRY(mem_require_state(c, SEPT_ANY_LEAF));
	TRY(mem_lock_target(c, &e));
	TRY(sept_removable(c, e));
	hpa = c->value & HPA_MASK;
	pages = LEVEL_SIZE(c->level) / PAGE_4K;
	if (RULE(ZERO_AT_REMOVE, true))
		for (u64 i = 0; i < pages; i++)
			zero_page(c->m, hpa + i * PAGE_4K);
	page_lose(c, e, hpa, pages);
	sept_store(c, SEPT_FREE_ENTRY);
	c->out->rcx = hpa | pamt_removal_hint(c->m, hpa);
	return 0;
}

/* Version 1 gives the tables of L2 VMs back, too; there are none. */
u64 l2_tables_absent(struct call *c)
{
	if (c->version)
		c->out->r9 = c->out->r10 = c->out->r11 = NO_TABLE;
	return c->version > 1 ? ST(OPERAND_INVALID, OP_RAX) : 0;
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

	TRY(l2_tables_absent(c));
	TRY(mem_find_entry(c, EXCLUSIVE, 1, ANY_LEVEL));
	TRY(mem_require_state(c, SEPT_NL_MAPPED | SEPT_NL_BLOCKED));
	TRY(mem_lock_target(c, &e));
	TRY(sept_removable(c, e));
	table = c->value & HPA_MASK;
	if (!table_free(c->m, table))
		return sept_error(c, ST(EPT_PAGE_NOT_FREE, OP_RCX));
	zero_page(c->m, table);
	page_lose(c, e, table, 1);
	sept_store(c, SEPT_FREE_ENTRY);
	c->out->rcx = table | pamt_removal_hint(c->m, table);
	return 0;
}

/* The entry that TDG.MEM.PAGE.ACCEPT meets, locked: may it be accepted? */
static u64 acceptable(struct call *c)
{
	switch (sept_state(c->value)) {
	case SEPT_MAPPED:
		return ST(PAGE_ALREADY_ACCEPTED, (u64)c->level);
	case SEPT_NL_MAPPED:
	case SEPT_NL_BLOCKED:
		return ST(PAGE_SIZE_MISMATCH, (u64)c->level);
	case SEPT_PENDING_LEAF:
		return 0;
	default:
		return ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX);
	}
}

static void accept_pages(struct call *c)
{
	u64 hpa = c->value & HPA_MASK;

	if (RULE(ZERO_AT_ACCEPT, true))
		for (u64 i = 0; i < LEVEL_SIZE(c->level); i += PAGE_4K)
			zero_page(c->m, hpa + i);
	sept_store(c, (c->value & ~SEPT_PENDING) | SEPT_RWX);
}

/*
 * TDG.MEM.PAGE.ACCEPT, the guest's side of PAGE.AUG, by a vCPU that runs: its entry holds the
 * TD's locks. The entry that it locks stays so until the TDCALL ends (softtdx_exited).
 * EPT_WALK_FAILED and EPT_ENTRY_STATE_INCORRECT are the host's to mend: a large page that waits
 * to be accepted has to be demoted before the guest can accept 4K of it.
 */
u64 mem_accept(struct call *c, u64 gpa_level)
{
	u64 status;

	c->in.rcx = gpa_level;
	TRY(gpa_operand(c, 0, 1));
	status = sept_walk(c);
	if (status && sept_state(c->value) == SEPT_MAPPED)
		return ST(PAGE_ALREADY_ACCEPTED, (u64)c->level);
	TRY(status);
	TRY(sept_lock_entry(c));
	status = acceptable(c);
	if (!status)
		accept_pages(c);
	return status;
}
