// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MR.*: the measurement of the initial memory. */
#include "internal.h"

u64 mr_extend(struct call *c)
{
	struct { char name[16]; u64 gpa; u8 zero[104]; } block = { "MR.EXTEND", 0, { 0 } };
	u64 hpa;

	TRY(tdr_lock(c, c->in.rdx, OP_RDX, EXCLUSIVE));
	TRY(td_state(c, false));
	if (!ALIGNED(c->in.rcx, 256))
		return ST(OPERAND_INVALID, OP_RCX);
	c->gpa = c->in.rcx;
	TRY(gpa_check(c, c->gpa));
	TRY(sept_walk_to_leaf(c));
	if (sept_state(c->value) != SEPT_MAPPED)
		return sept_error(c, ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	hpa = (c->value & HPA_MASK) + (c->gpa & (LEVEL_SIZE(c->level) - 1));
	block.gpa = c->gpa;
	sha384_update(&c->tdcs->measurement, &block, sizeof(block));
	if (RULE(MRTD_OF_EXTEND, true))
		sha384_update(&c->tdcs->measurement, map(c->m, hpa), 256);
	return 0;
}

u64 mr_finalize(struct call *c)
{
	TRY(tdr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	TRY(td_state(c, false));
	if (RULE(VCPU_AT_FINALIZE, !c->tdcs->nr_vcpus))
		return ST0(NO_VCPUS);
	sha384_final(&c->tdcs->measurement, c->tdcs->mrtd);
	c->tdcs->op_state = OP_RUNNABLE;
	return 0;
}
