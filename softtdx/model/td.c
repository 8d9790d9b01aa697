// SPDX-License-Identifier: GPL-2.0-only
/* The checks that leaves share about a TD and its vCPUs, and the list of TDs. */
#include "internal.h"

u64 tdr_lock(struct call *c, u64 hpa, u32 op, enum lock_mode mode)
{
	struct pamt_entry *e;

	TRY(page_lock(c, hpa, op, RULE(TDR_LOCK, true) ? mode : SHARED, PT_TDR, &e));
	c->tdr_pa = hpa;
	c->tdr = map(c->m, hpa);
	return 0;
}

/* The TDR that owns a page; implicit, so its PAMT parents are not locked. */
u64 tdr_lock_owner(struct call *c, const struct pamt_entry *e, enum lock_mode mode)
{
	u64 owner = pamt_owner(e);

	if (!call_lock(c, &pamt_at(c->m, owner, 0)->lock, mode))
		return ST(OPERAND_BUSY, OP_TDR);
	c->tdr_pa = owner;
	c->tdr = map(c->m, owner);
	return 0;
}

void *td_page(struct softtdx *m, const struct tdr *tdr, int index)
{
	return map(m, tdr->tdcx[index]);
}

/* The TD is built far enough, and in an op-state that the leaf accepts. */
u64 td_state(struct call *c, bool take_op_lock)
{
	if (c->tdr->fatal)
		return ST0(TD_FATAL);
	if (c->tdr->lifecycle != TD_KEYS_CONFIGURED)
		return ST0(TD_KEYS_NOT_CONFIGURED);
	if (c->tdr->nr_tdcx < TDCS_PAGES_MIN)
		return ST0(TDCS_NOT_ALLOCATED);
	c->tdcs = td_page(c->m, c->tdr, 0);
	if (take_op_lock && !call_lock(c, &c->tdcs->op_lock, SHARED))
		return ST(OPERAND_BUSY, OP_OP_STATE);
	if (RULE(OP_STATE, !(c->leaf->states & 1u << c->tdcs->op_state)))
		return ST0(OP_STATE_INCORRECT);
	return 0;
}

/* A TDVPR and its TD. */
u64 tdvpr_lock(struct call *c, u64 hpa, u32 op, enum lock_mode mode, enum lock_mode tdr_mode)
{
	struct pamt_entry *e;

	TRY(page_lock(c, hpa, op, mode, PT_TDVPR, &e));
	TRY(tdr_lock_owner(c, e, tdr_mode));
	c->vps_pa = hpa;
	c->vps = map(c->m, hpa);
	return 0;
}

/* Binds the vCPU to this CPU if it is bound to none. One that runs elsewhere is not ready. */
u64 vcpu_associate(struct call *c)
{
	if (c->vps->state != VCPU_READY || RULE(VCPU_RUNS, atomic_load(&c->vps->inside)))
		return ST0(VCPU_STATE_INCORRECT);
	if (atomic_cas(&c->vps->assoc_cpu, NO_CPU, c->cpu)) {
		c->vps->epoch = 0;
		atomic_add(&c->tdcs->nr_assoc, 1);
		return 0;
	}
	if (RULE(VP_ASSOCIATION, atomic_load(&c->vps->assoc_cpu) != c->cpu))
		return ST0(VCPU_ASSOCIATED);
	return 0;
}

/* The page, free until now, becomes the TD's; its PAMT entry keeps the epoch of an old block. */
void page_join(struct call *c, struct pamt_entry *e, enum page_type type, u64 hpa, u64 pages)
{
	pamt_set(e, type, c->tdr_pa);
	atomic_add(&c->tdr->pages[type], pages);
	atomic_add(&c->tdr->chldcnt, pages);
	page_held(c->m, hpa, pages, true);
}

/* The same for a page that has never been blocked. */
void page_gain(struct call *c, struct pamt_entry *e, enum page_type type, u64 hpa, u64 pages)
{
	__atomic_store_n(&e->bepoch, 0, __ATOMIC_RELAXED);
	page_join(c, e, type, hpa, pages);
}

void page_lose(struct call *c, struct pamt_entry *e, u64 hpa, u64 pages)
{
	atomic_sub(&c->tdr->pages[e->type], pages);
	if (RULE(CHILD_COUNT, true))
		atomic_sub(&c->tdr->chldcnt, pages);
	pamt_release(e);
	page_held(c->m, hpa, pages, false);
}

/* A TD that finds no slot works, but is not listed. */
void td_list(struct softtdx *m, u64 tdr_pa)
{
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		if (atomic_cas(&m->tds[i], 0, tdr_pa))
			return;
}

void td_unlist(struct softtdx *m, u64 tdr_pa)
{
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		if (atomic_cas(&m->tds[i], tdr_pa, 0))
			return;
}

struct softtdx_keyid *keyid_entry(struct softtdx *m, u64 keyid)
{
	if (keyid - m->cfg.first_keyid >= m->cfg.nr_keyids)
		return NULL;
	return &m->keyids[keyid - m->cfg.first_keyid];
}
