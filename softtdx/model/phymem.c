// SPDX-License-Identifier: GPL-2.0-only
/* TDH.PHYMEM.*: pages and caches, whatever TD they belong to. */
#include "internal.h"

static u64 reclaim_operand(struct call *c)
{
	if (!hpa_valid(c->m, c->in.rcx))
		return ST(OPERAND_INVALID, OP_RCX);
	if (!pamt_tdmr(c->m, c->in.rcx))
		return ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX);
	return 0;
}

static u64 refuse_reclaim(struct call *c, enum softtdx_violation violation, u64 status)
{
	report_violation(c, violation, status, c->in.rcx);
	return status;
}

/* A page of a TD goes back once the TD is torn down. */
static u64 reclaim_child(struct call *c, struct pamt_entry *e, u64 pages)
{
	TRY(tdr_lock_owner(c, e, SHARED));
	if (RULE(LIFECYCLE_AT_RECLAIM, c->tdr->lifecycle != TD_TEARDOWN))
		return refuse_reclaim(c, SOFTTDX_RECLAIM_IN_USE, ST0(LIFECYCLE_STATE_INCORRECT));
	page_lose(c, e, c->in.rcx, pages);
	return 0;
}

static u64 reclaim_tdr(struct call *c, struct pamt_entry *e)
{
	c->tdr_pa = c->in.rcx;
	c->tdr = map(c->m, c->in.rcx);
	if (c->tdr->lifecycle != TD_TEARDOWN)
		return refuse_reclaim(c, SOFTTDX_RECLAIM_IN_USE, ST0(LIFECYCLE_STATE_INCORRECT));
	if (RULE(CHILDREN_AT_TDR_RECLAIM, atomic_load(&c->tdr->chldcnt)))
		return refuse_reclaim(c, SOFTTDX_LEFT_BEHIND, ST0(TD_ASSOCIATED_PAGES_EXIST));
	td_unlist(c->m, c->in.rcx);
	pamt_release(e);
	page_held(c->m, c->in.rcx, 1, false);
	return 0;
}

u64 phymem_page_reclaim(struct call *c)
{
	struct pamt_entry *e;
	u64 pages;
	int level;

	c->out->r8 = c->out->r9 = c->out->r10 = c->out->r11 = 0;
	TRY(reclaim_operand(c));
	TRY(pamt_walk(c, c->in.rcx, EXCLUSIVE, 0, OP_RCX, &e, &level));
	if (e->type == PT_NDA || e->type == PT_RSVD)
		return refuse_reclaim(c, SOFTTDX_RECLAIM_FREE,
				      ST(PAGE_METADATA_INCORRECT, OP_RCX));
	c->out->rcx = e->type;
	c->out->rdx = pamt_owner(e);
	c->out->r8 = (u64)level;
	if (!ALIGNED(c->in.rcx, LEVEL_SIZE(level)))
		return ST(OPERAND_INVALID, OP_RCX);
	pages = LEVEL_SIZE(level) / PAGE_4K;
	TRY(e->type == PT_TDR ? reclaim_tdr(c, e) : reclaim_child(c, e, pages));
	for (u64 i = 0; i < pages; i++)
		zero_page(c->m, c->in.rcx + i * PAGE_4K);
	c->out->r9 = pamt_removal_hint(c->m, c->in.rcx);
	return 0;
}

/* With dynamic PAMT the level in RCX says what is asked about: a page of 4K, 2M, 1G. */
static u64 rdmd_operand(struct call *c, int *level)
{
	*level = c->in.rcx & (PAGE_4K - 1);
	c->in.rcx &= ~(PAGE_4K - 1);
	if (*level > (c->m->dynamic_pamt ? 2 : 0) || !ALIGNED(c->in.rcx, LEVEL_SIZE(*level)))
		return ST(OPERAND_INVALID, OP_RCX);
	return reclaim_operand(c);
}

/* A page of 4K that is one of a pair, or reserved, has no entry that says so. */
static u64 describe_pamt(struct call *c, const struct pamt_entry *e, int level)
{
	c->out->rcx = PT_PAMT;
	c->out->r8 = (u64)level;
	if (e->type == PT_PAMT) {
		c->out->r10 = pamt_pair_page(e, 0);
		c->out->r11 = pamt_pair_page(e, 1);
	}
	return 0;
}

u64 phymem_page_rdmd(struct call *c)
{
	struct pamt_entry *e;
	int wanted, level;

	c->out->r8 = c->out->r9 = c->out->r10 = c->out->r11 = 0;
	TRY(rdmd_operand(c, &wanted));
	TRY(pamt_walk(c, c->in.rcx, SHARED, wanted, OP_RCX, &e, &level));
	if (e->type == PT_PAMT)
		return describe_pamt(c, e, level);
	if (!wanted && e->type == PT_NDA && pamt_bitmap_get(c->m, c->in.rcx))
		return describe_pamt(c, e, 0);
	c->out->rcx = e->type;
	c->out->rdx = pamt_owner(e);
	c->out->r8 = (u64)level;
	if (e->type == PT_REG || e->type == PT_EPT)
		c->out->r9 = e->bepoch;
	return 0;
}

/*
 * The KeyID may be any, of no TD too; nothing may be above it. Where all 52 bits of an address are
 * memory's, KeyIDs lie above those.
 */
u64 phymem_page_wbinvd(struct call *c)
{
	u32 phys_bits = c->m->cfg.phys_bits;
	u64 keyids = phys_bits < 52 ? (1ull << 52) - (1ull << phys_bits) : ~0ull << 52;
	u64 hpa = c->in.rcx & ~keyids;
	struct pamt_entry *e;

	return page_lock(c, hpa, OP_RCX, SHARED, PT_NDA, &e);
}

static u64 flushed_keyids(struct softtdx *m)
{
	u64 keyids = 0;

	for (u32 i = 0; i < m->cfg.nr_keyids; i++)
		if (m->keyids[i].state == KEYID_FLUSHED)
			keyids |= 1ull << i;
	return keyids;
}

/* Writes back this package's cache, in wb_steps interrupted steps and a last one. */
u64 phymem_cache_wb(struct call *c)
{
	struct softtdx *m = c->m;
	u32 package = m->ops->package(m->env) % SOFTTDX_MAX_PACKAGES;
	bool resume = c->in.rcx;

	if (c->in.rcx > 1)
		return ST(OPERAND_INVALID, OP_RCX);
	if (!call_lock(c, &m->wb[package].lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_WBCACHE);
	if (!call_lock(c, &m->kot_lock, SHARED))
		return ST(OPERAND_BUSY, OP_KOT);
	if (resume && !m->wb[package].left)
		return ST0(WBCACHE_RESUME_ERROR);
	if (!resume) {
		m->wb[package].keyids = flushed_keyids(m);
		m->wb[package].left = 1 + m->wb_steps;
	}
	if (!m->wb[package].keyids) {
		m->wb[package].left = 0;
		return ST0(NO_HKID_READY_TO_WBCACHE);
	}
	if (--m->wb[package].left)
		return ST0(INTERRUPTED_RESUMABLE);
	for (u32 i = 0; i < m->cfg.nr_keyids; i++)
		if (m->wb[package].keyids >> i & 1)
			atomic_and(&m->keyids[i].dirty, ~(1u << package));
	return 0;
}
