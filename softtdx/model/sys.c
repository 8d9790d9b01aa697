// SPDX-License-Identifier: GPL-2.0-only
/* TDH.SYS.*: the module's lifecycle. */
#include "internal.h"

static u64 sys_lock(struct call *c)
{
	return call_lock(c, &c->m->sys_lock, EXCLUSIVE) ? 0 : ST0(SYS_BUSY);
}

u64 sys_init(struct call *c)
{
	TRY(sys_lock(c));
	if (c->in.rcx)
		return ST(OPERAND_INVALID, OP_RCX);
	if (c->m->state != SYS_INIT_PENDING)
		return ST0(SYS_INIT_NOT_PENDING);
	c->m->state = SYS_INIT_DONE;
	return 0;
}

/*
 * A CPU may be initialised at any time after SYS.INIT; Intel's 1.5.01 refuses after SYS.CONFIG,
 * which would keep CPUs from coming online later.
 */
u64 sys_lp_init(struct call *c)
{
	u64 bit = 1ull << c->cpu % 64;

	TRY(sys_lock(c));
	if (c->m->state == SYS_INIT_PENDING)
		return ST0(SYS_LP_INIT_NOT_PENDING);
	if (c->m->lp_done[c->cpu / 64] & bit)
		return ST0(SYS_LP_INIT_DONE);
	atomic_or(&c->m->lp_done[c->cpu / 64], bit);
	c->m->nr_lp_done++;
	return 0;
}

u64 sys_key_config(struct call *c)
{
	struct softtdx *m = c->m;
	u32 bit = 1u << m->ops->package(m->env) % SOFTTDX_MAX_PACKAGES;

	TRY(sys_lock(c));
	if (m->state != SYS_CONFIG_DONE)
		return ST0(SYS_KEY_CONFIG_NOT_PENDING);
	if (m->packages & bit)
		return ST0(KEY_CONFIGURED);
	m->packages |= bit;
	if (++m->nr_packages == m->cfg.nr_packages)
		m->state = SYS_READY;
	return 0;
}

/* One GiB a call: short enough to run with interrupts off. */
u64 sys_tdmr_init(struct call *c)
{
	struct softtdx *m = c->m;
	struct softtdx_tdmr *t = NULL;

	c->out->rdx = 0;
	for (u32 i = 0; i < m->nr_tdmrs; i++)
		if (m->tdmrs[i].base == c->in.rcx)
			t = &m->tdmrs[i];
	if (!t)
		return ST(OPERAND_INVALID, OP_RCX);
	if (!call_lock(c, &t->lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_RCX);
	if (t->initialized == t->base + t->size)
		return ST0(TDMR_ALREADY_INITIALIZED);
	pamt_init(m, t, t->initialized, t->initialized + LEVEL_SIZE(2));
	c->out->rdx = atomic_add(&t->initialized, LEVEL_SIZE(2));
	return 0;
}

u64 sys_shutdown(struct call *c)
{
	TRY(sys_lock(c));
	if (c->in.rcx != 1)	/* the handoff version that MODULE_HV reports */
		return ST(OPERAND_INVALID, OP_RCX);
	c->m->state = SYS_SHUT_DOWN;
	c->m->handoff = true;
	return 0;
}

u64 sys_update(struct call *c)
{
	TRY(sys_lock(c));
	if (c->m->state != SYS_INIT_DONE || c->m->nr_lp_done < c->m->cfg.nr_cpus)
		return ST0(SYS_STATE_INCORRECT);
	if (!c->m->handoff)
		return ST0(SYS_INVALID_HANDOFF);
	c->m->handoff = false;
	c->m->state = SYS_READY;
	return 0;
}

/* Also from the crash path: takes no lock, always succeeds. */
u64 sys_disable(struct call *c)
{
	c->m->state = SYS_SHUT_DOWN;
	return 0;
}
