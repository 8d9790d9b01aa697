// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.PAGE.PROMOTE and DEMOTE: 512 pages become a large one, and the other way. */
#include "internal.h"

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

	TRY(mem_find_entry(c, EXCLUSIVE, 1, 2));
	TRY(mem_require_state(c, SEPT_NL_MAPPED | SEPT_NL_BLOCKED));
	TRY(mem_lock_target(c, &e));
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
	TRY(mem_find_entry(c, EXCLUSIVE, 1, 2));
	TRY(mem_require_state(c, SEPT_ANY_LEAF));
	TRY(mem_lock_target(c, &e));
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
