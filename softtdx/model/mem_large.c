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
	if (merge)
		pamt_set(pamt_at(c->m, hpa, level), PT_REG, c->tdr_pa);
	else
		pamt_release(pamt_at(c->m, hpa, level));
}

/* An interrupt that waits for the host: nothing is done, and the operands are left to try again. */
static u64 interrupted(struct call *c)
{
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
	page_lose(c, table_page, 1);
	sept_store(c, first);
	c->out->rcx = table;
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
	pamt_regroup(c, c->value & HPA_MASK, c->level, false);
	page_join(c, table, PT_EPT, 1);
	sept_store(c, c->in.r8 | SEPT_RWX);
	return 0;
}
