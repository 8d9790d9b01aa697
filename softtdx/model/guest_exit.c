// SPDX-License-Identifier: GPL-2.0-only
/* The ends of an exit: an exception for the guest, out to the host, or nobody runs any more. */
#include "guest.h"

/* Leaves the TD: RAX is the exit reason, all registers but these are zero. */
u64 td_exit(struct call *c, u64 rcx, u64 rdx, u64 r8, u64 r9)
{
	*c->out = (struct softtdx_regs){ .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9 };
	return c->vps->guest.reason;
}

/* An exit after which nobody can use the TD any more: it can only be torn down. */
u64 td_lost(struct call *c, u32 status_hi)
{
	if (RULE(FATAL_TD, true))
		atomic_store(&c->tdr->fatal, 1);
	return td_exit(c, c->vps->guest.qualification, 0, 0, c->vps->guest.interruption) |
	       (u64)status_hi << 32;
}

/* An exit after which the vCPU cannot run again. */
u64 vcpu_lost(struct call *c)
{
	c->vps->state = VCPU_DISABLED;
	return td_exit(c, c->vps->guest.qualification, 0, 0, 0) | ST0(NON_RECOVERABLE_VCPU);
}

void instruction_done(struct call *c)
{
	c->vps->guest.skip = c->vps->guest.instruction_length;
}

/* An exception in the delivery of another event is a double fault; error codes are zero. */
u64 raise_exception(struct call *c, u32 vector, bool has_error)
{
	struct softtdx_guest *g = &c->vps->guest;

	if (RULE(DOUBLE_FAULT, g->event & EVENT_VALID)) {
		vector = VECTOR_DF;
		has_error = true;
	}
	g->event = EVENT_VALID | EVENT_EXCEPTION << 8 | (has_error ? EVENT_HAS_ERROR : 0) | vector;
	g->event_error = 0;
	return STAY;
}

/* #PF at the linear address of the last exit. */
u64 raise_page_fault(struct call *c, u32 error)
{
	struct softtdx_guest *g = &c->vps->guest;

	raise_exception(c, VECTOR_PF, true);
	if (EVENT_VECTOR(g->event) == VECTOR_PF) {
		g->event_error = error;
		g->cr2 = g->gla;
		g->write_cr2 = true;
	}
	return STAY;
}

/* #VE with what the exit told; a second one before the guest asked about the first is #DF. */
u64 raise_ve(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;
	struct ve_info *ve = &c->vps->ve;

	if (RULE(VE_INFO_VALID, ve->valid))
		return raise_exception(c, VECTOR_DF, true);
	*ve = (struct ve_info){
		.valid = true, .reason = g->reason, .length = g->instruction_length,
		.info = g->instruction_info, .qualification = g->qualification,
		.gla = g->reason == EXIT_EPT_VIOLATION ? g->gla : 0,
		.gpa = g->reason == EXIT_EPT_VIOLATION ? g->gpa : 0,
	};
	return raise_exception(c, VECTOR_VE, false);
}
