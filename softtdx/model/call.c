// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SEAMCALL from its begin to its end. In between it may wait, and the guest of TDH.VP.ENTER
 * may run: then the environment goes on with something else and comes back.
 */
#include "internal.h"

_Static_assert(sizeof(struct call) <= sizeof(struct softtdx_call), "softtdx_call is too small");

static struct call *of(struct softtdx_call *call)
{
	return (struct call *)call;
}

static void release_all(struct call *c)
{
	if (c->entry_locked)
		sept_unlock_entry(c);
	while (c->nr_held)
		lock_drop(c->held[--c->nr_held]);
}

static u64 wait(struct call *c, enum waiting why, u64 usecs)
{
	c->waiting = why;
	c->wait_usecs = usecs;
	return SOFTTDX_WAIT;
}

/* The time for which a call keeps its locks after its effect: up to linger_usecs, by chance. */
static u64 time_to_linger(struct softtdx *m)
{
	u64 x;

	if (!RULE(LOCKS_LINGER, m->linger_usecs))
		return 0;
	x = atomic_add(&m->linger_seed, 0x9E3779B97F4A7C15ull);
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ x >> 27) * 0x94D049BB133111EBull;
	return (x ^ x >> 31) % (m->linger_usecs + 1);
}

static u64 end(struct call *c)
{
	release_all(c);
	count(c->m, c->number, c->status);
	journal(c, c->rax, c->status, c->injected);
	return c->status;
}

/* The call has its status, unless its guest runs on. */
static u64 ends_with(struct call *c, u64 status)
{
	u64 usecs;

	if (status == SOFTTDX_RUN)
		return status;
	c->status = status;
	usecs = c->nr_held || c->entry_locked ? time_to_linger(c->m) : 0;
	return usecs ? wait(c, CALL_LINGERS, usecs) : end(c);
}

static u64 run(struct call *c)
{
	if (!c->status)
		return c->leaf->run(c);
	c->injected = true;
	if (RULE(INJECTED_OUTPUTS, true))
		c->out->rcx = c->out->rdx = 0;
	return c->status;
}

u64 softtdx_begin(struct softtdx *m, struct softtdx_call *call, u64 rax,
		  struct softtdx_regs *regs)
{
	struct call *c = of(call);
	u64 status;

	*c = (struct call){
		.m = m,
		.rax = rax,
		.number = (u16)rax,
		.version = (u8)(rax >> 16),
		.leaf = leaf_of((u16)rax),
		.cpu = m->ops->cpu(m->env) % SOFTTDX_MAX_CPUS,
		.in = *regs,
		.out = regs,
	};
	status = admit(c);
	if (status)
		return ends_with(c, status);
	if (c->leaf->flags & CLEAR_CD)
		c->out->rcx = c->out->rdx = 0;
	c->status = inject(c);
	return c->wait_usecs ? wait(c, CALL_IS_LATE, c->wait_usecs) : ends_with(c, run(c));
}

/* The guest's exit is dealt with: its TDCALL, if it was one, has no lock any more. */
static u64 exit_ends(struct call *c)
{
	if (c->entry_locked)
		sept_unlock_entry(c);
	if (c->status == SOFTTDX_RUN)
		return SOFTTDX_RUN;
	vp_left(c);
	return ends_with(c, c->status);
}

u64 softtdx_exited(struct softtdx_call *call)
{
	struct call *c = of(call);
	u64 usecs;

	c->status = vp_exited(c);
	usecs = c->entry_locked ? time_to_linger(c->m) : 0;
	return usecs ? wait(c, TDCALL_LINGERS, usecs) : exit_ends(c);
}

u64 softtdx_call_usecs(const struct softtdx_call *call)
{
	return ((const struct call *)call)->wait_usecs;
}

u64 softtdx_waited(struct softtdx_call *call)
{
	struct call *c = of(call);

	switch (c->waiting) {
	case CALL_IS_LATE:
		return ends_with(c, run(c));
	case TDCALL_LINGERS:
		return exit_ends(c);
	case CALL_LINGERS:
		break;
	}
	return end(c);
}

void softtdx_call_let_go(struct softtdx_call *call)
{
	struct call *c = of(call);

	c->set_aside = c->entry_locked;
	if (c->set_aside)
		sept_unlock_entry(c);
	for (int i = 0; i < c->nr_held; i++) {
		c->exclusive[i] = *c->held[i] == LOCK_EXCLUSIVE;
		lock_drop(c->held[i]);
	}
}

void softtdx_call_take_back(struct softtdx_call *call)
{
	struct call *c = of(call);

	for (int i = 0; i < c->nr_held; i++)
		lock_try(c->held[i], c->exclusive[i] ? EXCLUSIVE : SHARED);
	if (c->set_aside)
		sept_lock_entry(c);
}

const struct softtdx_vcpu *softtdx_call_vcpu(const struct softtdx_call *call)
{
	return &((const struct call *)call)->vcpu;
}

u64 softtdx_seamcall(struct softtdx *m, u64 rax, struct softtdx_regs *regs)
{
	struct softtdx_call call;
	u64 status = softtdx_begin(m, &call, rax, regs);

	while (status == SOFTTDX_WAIT || status == SOFTTDX_RUN) {
		if (status == SOFTTDX_WAIT) {
			m->ops->delay(m->env, softtdx_call_usecs(&call));
			status = softtdx_waited(&call);
		} else {
			m->ops->run(m->env, softtdx_call_vcpu(&call));
			status = softtdx_exited(&call);
		}
	}
	return status;
}
