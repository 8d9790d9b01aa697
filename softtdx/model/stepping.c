// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mitigation of zero-step attacks: a host that lets one instruction fault again and again learns
 * from it. After some EPT violations of one instruction the module remembers the addresses, and
 * enters the TD again only when these are mapped.
 */
#include "guest.h"

#define SUSPICIOUS_VIOLATIONS	6

/* Another instruction than at the entry: nothing is suspect any more. */
void stepping_progress(struct call *c)
{
	struct tdvps *vps = c->vps;

	if (vps->guest.rip == vps->entry_rip)
		return;
	vps->nr_violations = 0;
	vps->nr_suspects = 0;
}

/* A violation of private memory that the host is about to see. */
void stepping_log(struct call *c, u64 gpa)
{
	struct tdvps *vps = c->vps;

	if (vps->nr_violations < SUSPICIOUS_VIOLATIONS) {
		vps->nr_violations++;
		return;
	}
	if (vps->nr_suspects == SUSPECTS_MAX)
		return;
	for (u32 i = 0; i < vps->nr_suspects; i++)
		if (vps->suspects[i] == gpa)
			return;
	vps->suspects[vps->nr_suspects++] = gpa;
}

/* Would this address fault again, and not be the guest's own affair? */
static bool still_faults(struct call *c, u64 gpa)
{
	enum sept_state state = private_state(c, gpa);

	if (state == SEPT_PENDING_LEAF)
		return c->tdcs->td_ctls & CTLS_PENDING_VE_DISABLE;
	return state != SEPT_MAPPED;
}

/* The exit that entering would end with: the guest is not let in to take it. */
static u64 emulate_violation(struct call *c, u64 gpa)
{
	c->vps->guest.reason = EXIT_EPT_VIOLATION;
	return td_exit(c, EPT_WRITE, 0, gpa & ~(PAGE_4K - 1), 0);
}

static bool may_notify(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;

	return c->tdcs->notify_enables & 1 && g->reason == EXIT_EPT_VIOLATION &&
	       !(g->gpa & shared_bit(c->tdcs)) && !g->nmi_blocked && !(g->event & EVENT_VALID) &&
	       !c->vps->ve.valid;
}

/* Before an entry: 0, or what TDH.VP.ENTER ends with instead. */
u64 stepping_filter(struct call *c)
{
	struct tdvps *vps = c->vps;
	u64 exit = 0;

	vps->entry_rip = vps->guest.rip + vps->guest.skip;
	if (!RULE(ZERO_STEP, vps->nr_suspects))
		return 0;
	if (!lock_try(&c->tdcs->sept_lock, EXCLUSIVE))
		return ST(OPERAND_BUSY, OP_SEPT_TREE);
	for (u32 i = 0; i < vps->nr_suspects && !exit; i++)
		if (still_faults(c, vps->suspects[i]))
			exit = emulate_violation(c, vps->suspects[i]);
	if (!exit && may_notify(c))
		raise_ve(c);
	lock_drop(&c->tdcs->sept_lock);
	return exit;
}
