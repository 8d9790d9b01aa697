// SPDX-License-Identifier: GPL-2.0-only
/* TDH.SYS.*: the module's lifecycle. */
#include "internal.h"

static u64 sys_lock(struct call *c, enum lock_mode mode)
{
	return call_lock(c, &c->m->sys_lock, mode) ? 0 : ST0(SYS_BUSY);
}

bool lp_initialized(const struct call *c)
{
	return c->m->lp_done[c->cpu / 64] >> c->cpu % 64 & 1;
}

u64 sys_init(struct call *c)
{
	c->out->rcx = c->out->rdx = c->out->r8 = c->out->r9 = c->out->r10 = 0;
	TRY(sys_lock(c, EXCLUSIVE));
	if (c->in.rcx)
		return ST(OPERAND_INVALID, OP_RCX);
	if (c->m->state != SYS_INIT_PENDING)
		return ST0(SYS_INIT_NOT_PENDING);
	c->m->state = SYS_INIT_DONE;
	return 0;
}

/* Between SYS.INIT and SYS.CONFIG, which waits for all CPUs: none can come later. */
u64 sys_lp_init(struct call *c)
{
	c->out->rcx = c->out->rdx = c->out->r8 = 0;
	TRY(sys_lock(c, SHARED));
	if (c->m->state != SYS_INIT_DONE)
		return ST0(SYS_LP_INIT_NOT_PENDING);
	if (RULE(LP_INIT_ONCE, lp_initialized(c)))
		return ST0(SYS_LP_INIT_DONE);
	atomic_or(&c->m->lp_done[c->cpu / 64], 1ull << c->cpu % 64);
	atomic_add(&c->m->nr_lp_done, 1);
	return 0;
}

u64 sys_key_config(struct call *c)
{
	struct softtdx *m = c->m;
	u32 bit = 1u << m->ops->package(m->env) % SOFTTDX_MAX_PACKAGES;

	TRY(sys_lock(c, EXCLUSIVE));
	if (m->state != SYS_CONFIG_DONE)
		return ST0(SYS_KEY_CONFIG_NOT_PENDING);
	if (m->packages & bit)
		return ST0(KEY_CONFIGURED);
	m->packages |= bit;
	if (++m->nr_packages == m->cfg.nr_packages)
		m->state = SYS_READY;
	return 0;
}

#define TDMR_INIT_STEP	(1024 * PAGE_4K)

/* A part a call, short enough to run with interrupts off; a GiB is usable when all of it is done. */
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
	if (t->next == t->base + t->size)
		return ST0(TDMR_ALREADY_INITIALIZED);
	pamt_init(m, t, t->next, t->next + TDMR_INIT_STEP);
	t->next += TDMR_INIT_STEP;
	atomic_store(&t->initialized, t->next & ~(LEVEL_SIZE(2) - 1));
	c->out->rdx = t->initialized;
	pamt_held(m);
	return 0;
}

u64 sys_shutdown(struct call *c)
{
	if (c->in.rcx != 1)	/* the handoff version that MODULE_HV reports */
		return ST(OPERAND_INVALID, OP_RCX);
	TRY(sys_lock(c, EXCLUSIVE));
	c->m->state = SYS_SHUT_DOWN;
	c->m->handoff = true;
	return 0;
}

u64 sys_update(struct call *c)
{
	TRY(sys_lock(c, EXCLUSIVE));
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
	page_held(c->m, 0, 1ull << (c->m->cfg.phys_bits - 12), false);
	return 0;
}
