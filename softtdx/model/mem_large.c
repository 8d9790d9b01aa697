// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.PAGE.PROMOTE and DEMOTE: 512 pages become a large one, and the other way. */
#include "internal.h"

/* What the state of an entry does not depend on. */
#define NOT_STATE	(SEPT_LOCK | 1ull << 8 | 1ull << 9)

/*
 * Locks 512 leaves that make one large page: all mapped or all pending. *locked says how many
 * are locked, on an error too. The tree is shared, so that each entry has to be.
 */
static u64 lock_children(struct call *c, u64 *entry, u32 *locked)
{
	u64 stride = LEVEL_SIZE(c->level - 1), first = 0;

	for (u32 i = 0; i < ENTRIES; i++) {
		u64 value;

		if (atomic_or(&entry[i], SEPT_LOCK) & SEPT_LOCK)
			return ST(OPERAND_BUSY, OP_RCX);
		*locked = i + 1;
		value = entry[i] & ~NOT_STATE;
		if (!i && (!(sept_state(value) & (SEPT_MAPPED | SEPT_PENDING_LEAF)) ||
			   !ALIGNED(value & HPA_MASK, LEVEL_SIZE(c->level))))
			return ST(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX);
		if (!i)
			first = value;
		if (RULE(PROMOTE_CONTIGUOUS, value != first + i * stride))
			return ST(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX);
	}
	return 0;
}

static void unlock_children(u64 *entry, u32 locked)
{
	for (u32 i = 0; i < locked; i++)
		atomic_and(&entry[i], ~SEPT_LOCK);
}

/* Dynamic PAMT: the 4K entries of 2M come with DEMOTE, in R12 and R13, and go with PROMOTE. */
static bool moves_pair(struct call *c, int level)
{
	return level == 1 && c->m->dynamic_pamt;
}

static u64 take_pair(struct call *c, u64 hpa)
{
	static const u32 ops[] = { OP_R12, OP_R13 };
	const u64 pages[] = { c->in.r12, c->in.r13 };

	if (!moves_pair(c, c->level))
		return 0;
	for (int i = 0; i < 2; i++)
		TRY(page_checks(c, pages[i], ops[i], 0));
	TRY(pamt_pair_take(c, pages, ops, PAIR_FOR_OTHERS));
	pamt_pair_set(pamt_at(c->m, hpa, 1), pages);
	return 0;
}

static void give_pair_back(struct call *c, struct pamt_entry *node)
{
	c->out->r12 = pamt_pair_page(node, 0);
	c->out->r13 = pamt_pair_page(node, 1);
	pamt_pair_give_back(c, node);
	__atomic_store_n(&node->bepoch, 0, __ATOMIC_RELAXED);
}

/* Moves a page's PAMT state between one large entry and its 512 smaller ones. */
static void pamt_regroup(struct call *c, u64 hpa, int level, bool merge)
{
	for (u64 i = 0; i < ENTRIES; i++) {
		struct pamt_entry *e = pamt_at(c->m, hpa + i * LEVEL_SIZE(level - 1), level - 1);

		if (merge) {
			pamt_release(e);
		} else {
			pamt_set(e, PT_REG, c->tdr_pa);
			__atomic_store_n(&e->bepoch, 0, __ATOMIC_RELAXED);
		}
	}
	if (merge && moves_pair(c, level))
		give_pair_back(c, pamt_at(c->m, hpa, level));
	if (merge)
		pamt_set(pamt_at(c->m, hpa, level), PT_REG, c->tdr_pa);
	else if (!moves_pair(c, level))
		pamt_release(pamt_at(c->m, hpa, level));
}

/* An interrupt that waits for the host: nothing is done, and the operands are left to try again. */
static u64 interrupted(struct call *c)
{
	if (c->number == TDH_MEM_PAGE_DEMOTE &&
	    RULE(DEMOTE_INTERRUPTED, has_feature(c->m, FEATURES0_ENHANCED_DEMOTE)))
		return 0;
	if (!take_count(&c->m->interrupts))
		return 0;
	c->out->rcx = c->in.rcx;
	c->out->rdx = c->in.rdx;
	return ST0(INTERRUPTED_RESTARTABLE);
}

static u64 lock_large(struct call *c, u64 hpa)
{
	TRY(interrupted(c));
	if (!call_lock(c, &pamt_at(c->m, hpa, c->level)->lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_RCX);
	return 0;
}

static u64 promote(struct call *c, struct pamt_entry *table_page, u32 *locked)
{
	u64 table = c->value & HPA_MASK, *entry = map(c->m, table), status, first;

	status = lock_children(c, entry, locked);
	if (status)
		return sept_error(c, status);
	first = entry[0] & ~NOT_STATE;
	TRY(lock_large(c, first & HPA_MASK));
	pamt_regroup(c, first & HPA_MASK, c->level, true);
	*locked = 0;
	zero_page(c->m, table);
	page_lose(c, table_page, table, 1);
	sept_store(c, first);
	c->out->rcx = table | pamt_removal_hint(c->m, table);
	return 0;
}

u64 mem_page_promote(struct call *c)
{
	struct pamt_entry *table_page;
	u32 locked = 0;
	u64 *entry, status;

	TRY(l2_tables_absent(c));
	TRY(mem_find_entry(c, SHARED, 1, 2));
	TRY(mem_require_state(c, SEPT_NL_MAPPED | SEPT_NL_BLOCKED));
	TRY(mem_lock_target(c, &table_page));
	TRY(sept_removable(c, table_page));
	entry = map(c->m, c->value & HPA_MASK);
	status = promote(c, table_page, &locked);
	unlock_children(entry, locked);
	return status;
}

u64 mem_page_demote(struct call *c)
{
	struct pamt_entry *table;
	u64 *entry, child;

	if (c->in.rdx & ~(HPA_MASK | 1))
		return ST(OPERAND_INVALID, OP_RDX);
	c->in.rdx &= HPA_MASK;
	TRY(mem_find_entry(c, SHARED, 1, 2));
	TRY(mem_require_state(c, SEPT_ANY_LEAF));
	TRY(sept_removable(c, mem_target(c)));
	TRY(page_lock(c, c->in.r8, OP_R8, EXCLUSIVE, PT_NDA, &table));
	child = sept_unblocked(c->value);
	entry = map(c->m, c->in.r8);
	for (u64 i = 0; i < ENTRIES; i++)
		entry[i] = child + i * LEVEL_SIZE(c->level - 1);
	TRY(lock_large(c, c->value & HPA_MASK));
	TRY(take_pair(c, c->value & HPA_MASK));
	pamt_regroup(c, c->value & HPA_MASK, c->level, false);
	page_join(c, table, PT_EPT, c->in.r8, 1);
	sept_store(c, c->in.r8 | SEPT_RWX);
	return 0;
}
