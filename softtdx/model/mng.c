// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MNG.*: a TD's life, from its TDR to the end of its KeyID. */
#include "internal.h"

u64 mng_create(struct call *c)
{
	struct softtdx *m = c->m;
	struct softtdx_keyid *key = keyid_entry(m, c->in.rdx);
	struct pamt_entry *e;

	if (RULE(KEYID_PRIVATE, !key))
		return ST(OPERAND_INVALID, OP_RDX);
	TRY(page_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, PT_NDA, &e));
	if (!call_lock(c, &m->kot_lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_KOT);
	if (!key || RULE(KEYID_FREE, key->state != KEYID_FREE))
		return ST0(HKID_NOT_FREE);
	zero_page(m, c->in.rcx);
	c->tdr_pa = c->in.rcx;
	c->tdr = map(m, c->in.rcx);
	c->tdr->keyid = (u16)c->in.rdx;
	c->tdr->lifecycle = TD_HKID_ASSIGNED;
	key->state = KEYID_ASSIGNED;
	pamt_set(e, PT_TDR, 0);
	page_held(m, c->in.rcx, 1, true);
	td_list(m, c->in.rcx);
	return 0;
}

u64 mng_key_config(struct call *c)
{
	struct softtdx *m = c->m;
	u32 bit = 1u << m->ops->package(m->env) % SOFTTDX_MAX_PACKAGES;

	TRY(tdr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	if (c->tdr->fatal)
		return ST0(TD_FATAL);
	if (c->tdr->lifecycle != TD_HKID_ASSIGNED)
		return ST0(LIFECYCLE_STATE_INCORRECT);
	if (c->tdr->packages & bit)
		return ST0(KEY_CONFIGURED);
	if (!call_lock(c, &m->ket_lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_KET);
	c->tdr->packages |= bit;
	if (!RULE(KEY_ON_ALL_PACKAGES, c->tdr->packages != m->packages))
		c->tdr->lifecycle = TD_KEYS_CONFIGURED;
	return 0;
}

static void fill_tdcx(struct softtdx *m, u64 hpa, u32 index)
{
	if (index == TDCS_SEPT_ROOT_PAGE)
		sept_fill_free(m, hpa);
	else if (index == TDCS_MSR_BITMAP_PAGE)
		memset(map(m, hpa), 0xFF, PAGE_4K);
	else
		zero_page(m, hpa);
}

u64 mng_addcx(struct call *c)
{
	struct pamt_entry *e;
	struct tdr *tdr;

	TRY(tdr_lock(c, c->in.rdx, OP_RDX, EXCLUSIVE));
	tdr = c->tdr;
	if (tdr->fatal)
		return ST0(TD_FATAL);
	if (tdr->lifecycle != TD_KEYS_CONFIGURED)
		return ST0(TD_KEYS_NOT_CONFIGURED);
	if (tdr->nr_tdcx == TDCS_PAGES_MAX)
		return ST0(TDCX_NUM_INCORRECT);
	TRY(page_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, PT_NDA, &e));
	if (tdr->nr_tdcx >= TDCS_PAGES_MIN)
		TRY(td_state(c, false));
	fill_tdcx(c->m, c->in.rcx, tdr->nr_tdcx);
	tdr->tdcx[tdr->nr_tdcx++] = c->in.rcx;
	page_gain(c, e, PT_TDCX, c->in.rcx, 1);
	return 0;
}

u64 mng_init(struct call *c)
{
	const struct td_params *params;

	c->out->rcx = 0;
	TRY(tdr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	TRY(td_state(c, false));
	params = map_shared(c, c->in.rdx, sizeof(*params));
	if (!params)
		return ST(OPERAND_INVALID, OP_RDX);
	TRY(td_params_apply(c, params));
	fill_msr_bitmap(c);
	c->tdcs->epoch = 1;
	c->tdcs->topology_configured = 1;	/* until a vCPU comes without x2APIC ID */
	sha384_init(&c->tdcs->measurement);
	c->tdcs->op_state = OP_INITIALIZED;
	return 0;
}

static bool has_associated_vcpus(struct call *c)
{
	struct tdcs *tdcs;

	if (c->tdr->nr_tdcx < TDCS_PAGES_MIN)
		return false;
	tdcs = td_page(c->m, c->tdr, 0);
	return tdcs->op_state != OP_UNINIT && atomic_load(&tdcs->nr_assoc);
}

u64 mng_vpflushdone(struct call *c)
{
	struct softtdx_keyid *key;

	TRY(tdr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	if (!call_lock(c, &c->m->kot_lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_KOT);
	if (c->tdr->lifecycle != TD_HKID_ASSIGNED && c->tdr->lifecycle != TD_KEYS_CONFIGURED)
		return ST0(LIFECYCLE_STATE_INCORRECT);
	if (RULE(FLUSHED_BEFORE_DONE, has_associated_vcpus(c))) {
		report_violation(c, SOFTTDX_VCPU_NOT_FLUSHED, ST0(FLUSHVP_NOT_DONE), 0);
		return ST0(FLUSHVP_NOT_DONE);
	}
	key = keyid_entry(c->m, c->tdr->keyid);
	key->dirty = c->m->packages;
	key->state = KEYID_FLUSHED;
	c->tdr->lifecycle = TD_BLOCKED;
	return 0;
}

u64 mng_key_freeid(struct call *c)
{
	struct softtdx_keyid *key;

	TRY(tdr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	if (c->tdr->lifecycle != TD_BLOCKED)
		return ST0(LIFECYCLE_STATE_INCORRECT);
	if (!call_lock(c, &c->m->kot_lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_KOT);
	key = keyid_entry(c->m, c->tdr->keyid);
	if (RULE(CACHE_WB_BEFORE_FREEID, atomic_load(&key->dirty))) {
		report_violation(c, SOFTTDX_CACHE_NOT_FLUSHED, ST0(WBCACHE_NOT_COMPLETE), 0);
		return ST0(WBCACHE_NOT_COMPLETE);
	}
	key->state = KEYID_FREE;
	c->tdr->lifecycle = TD_TEARDOWN;
	return 0;
}
