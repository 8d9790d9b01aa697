// SPDX-License-Identifier: GPL-2.0-only
/* The leaf table, the checks that come before every leaf, and what the model starts with. */
#include "internal.h"

#define ALL_BUILT (IN_INITIALIZED | IN_RUNNABLE)

static const struct leaf leaves[SOFTTDX_LEAVES] = {
#define LEAF(id, fn, op_states, leaf_flags) \
	[TDH_##id] = { .run = fn, .states = (op_states), .flags = (leaf_flags) }
	LEAF(SYS_INIT, sys_init, 0, EARLY),
	LEAF(SYS_LP_INIT, sys_lp_init, 0, EARLY),
	LEAF(SYS_RD, sys_rd, 0, EARLY),
	LEAF(SYS_CONFIG, sys_config, 0, EARLY),
	LEAF(SYS_KEY_CONFIG, sys_key_config, 0, EARLY),
	LEAF(SYS_UPDATE, sys_update, 0, EARLY),
	LEAF(SYS_DISABLE, sys_disable, 0, EARLY),
	LEAF(SYS_TDMR_INIT, sys_tdmr_init, 0, 0),
	LEAF(SYS_SHUTDOWN, sys_shutdown, 0, 0),
	LEAF(MNG_CREATE, mng_create, 0, TDR_IN_RCX),
	LEAF(MNG_KEY_CONFIG, mng_key_config, 0, TDR_IN_RCX),
	LEAF(MNG_ADDCX, mng_addcx, IN_UNINIT, TDR_IN_RDX),
	LEAF(MNG_INIT, mng_init, IN_UNINIT, TDR_IN_RCX),
	LEAF(MNG_RD, mng_rd, ALL_BUILT, TDR_IN_RCX),
	LEAF(MNG_VPFLUSHDONE, mng_vpflushdone, 0, TDR_IN_RCX),
	LEAF(MNG_KEY_FREEID, mng_key_freeid, 0, TDR_IN_RCX),
	LEAF(VP_CREATE, vp_create, IN_INITIALIZED, TDR_IN_RDX),
	LEAF(VP_ADDCX, vp_addcx, IN_INITIALIZED, TDVPR_IN_RDX),
	LEAF(VP_INIT, vp_init, IN_INITIALIZED, TDVPR_IN_RCX),
	LEAF(VP_FLUSH, vp_flush, 0, TDVPR_IN_RCX),
	LEAF(VP_RD, vp_rd, ALL_BUILT, TDVPR_IN_RCX),
	LEAF(VP_WR, vp_wr, ALL_BUILT, TDVPR_IN_RCX),
	LEAF(VP_ENTER, vp_enter, IN_RUNNABLE, TDVPR_IN_RCX),
#define MEM(id, fn, op_states) LEAF(id, fn, op_states, TDR_IN_RDX | GPA_IN_RCX | CLEAR_CD)
	MEM(MEM_SEPT_ADD, mem_sept_add, ALL_BUILT),
	MEM(MEM_SEPT_RD, mem_sept_rd, ALL_BUILT),
	MEM(MEM_SEPT_REMOVE, mem_sept_remove, ALL_BUILT),
	MEM(MEM_PAGE_ADD, mem_page_add, IN_INITIALIZED),
	MEM(MEM_PAGE_AUG, mem_page_aug, ALL_BUILT),
	MEM(MEM_PAGE_REMOVE, mem_page_remove, ALL_BUILT),
	MEM(MEM_PAGE_PROMOTE, mem_page_promote, ALL_BUILT),
	MEM(MEM_PAGE_DEMOTE, mem_page_demote, ALL_BUILT),
	MEM(MEM_RANGE_BLOCK, mem_range_block, ALL_BUILT),
	MEM(MEM_RANGE_UNBLOCK, mem_range_unblock, ALL_BUILT),
	MEM(MEM_RD, mem_rd, ALL_BUILT),
	MEM(MEM_WR, mem_wr, ALL_BUILT),
	MEM(MR_EXTEND, mr_extend, IN_INITIALIZED),
	LEAF(MEM_TRACK, mem_track, ALL_BUILT, TDR_IN_RCX),
	LEAF(MR_FINALIZE, mr_finalize, IN_INITIALIZED, TDR_IN_RCX),
	LEAF(PHYMEM_PAGE_RECLAIM, phymem_page_reclaim, 0, CLEAR_CD),
	LEAF(PHYMEM_PAGE_RDMD, phymem_page_rdmd, 0, CLEAR_CD),
	LEAF(PHYMEM_PAGE_WBINVD, phymem_page_wbinvd, 0, 0),
	LEAF(PHYMEM_CACHE_WB, phymem_cache_wb, 0, 0),
};

void *map(struct softtdx *m, u64 hpa)
{
	return m->ops->map(m->env, hpa);
}

void *map_shared(struct call *c, u64 hpa, u64 alignment)
{
	if (!hpa_shared(c->m, hpa, alignment))
		return NULL;
	return map(c->m, hpa & ((1ull << c->m->cfg.phys_bits) - 1));
}

void zero_page(struct softtdx *m, u64 hpa)
{
	memset(map(m, hpa), 0, PAGE_4K);
}

bool softtdx_init(struct softtdx *m, const struct softtdx_config *cfg,
		  const struct softtdx_ops *ops, void *env)
{
	if (!cfg->nr_cpus || cfg->nr_cpus > SOFTTDX_MAX_CPUS || !cfg->nr_packages ||
	    cfg->nr_packages > SOFTTDX_MAX_PACKAGES || !cfg->first_keyid ||
	    cfg->nr_keyids > SOFTTDX_MAX_KEYIDS || cfg->phys_bits < 32 || cfg->phys_bits > 52)
		return false;
	memset(m, 0, sizeof(*m));
	m->cfg = *cfg;
	m->ops = ops;
	m->env = env;
	return true;
}

void softtdx_reload(struct softtdx *m)
{
	m->state = SYS_INIT_PENDING;
	m->nr_lp_done = 0;
	memset(m->lp_done, 0, sizeof(m->lp_done));
}

const struct leaf *leaf_of(u16 number)
{
	static const struct leaf unknown;

	return number < SOFTTDX_LEAVES ? &leaves[number] : &unknown;
}

/* Some leaves look at their version themselves, after they cleared their results. */
static bool version_known(u16 number, u8 version)
{
	switch (number) {
	case TDH_MEM_SEPT_ADD:
	case TDH_MEM_SEPT_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
	case TDH_MNG_RD:
	case TDH_VP_RD:
		return true;
	case TDH_VP_INIT:
		return version <= 1;
	}
	return !version;
}

/* What must hold before any leaf runs. */
u64 admit(struct call *c)
{
	struct softtdx *m = c->m;
	bool known = c->leaf->run;

	if (c->rax >> 24 || !known)
		report_violation(c, SOFTTDX_UNKNOWN_LEAF, ST(OPERAND_INVALID, OP_RAX), 0);
	if (c->rax >> 24 || !version_known(c->number, c->version))
		return ST(OPERAND_INVALID, OP_RAX);
	if (c->number == TDH_SYS_DISABLE)
		return 0;
	if (m->state == SYS_SHUT_DOWN)
		return ST0(SYS_SHUTDOWN);
	if (RULE(SYS_ORDER, m->state != SYS_READY && !(c->leaf->flags & EARLY)))
		return ST0(SYS_NOT_READY);
	return known ? 0 : ST(OPERAND_INVALID, OP_RAX);
}
