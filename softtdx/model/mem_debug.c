// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.RD and WR: the private memory of a TD under debug. */
#include "internal.h"

/* The 8 bytes at a GPA of a TD that is under debug. */
static u64 debug_access(struct call *c, u64 **data)
{
	TRY(tdr_lock(c, c->in.rdx, OP_RDX, SHARED));
	TRY(td_state(c, true));
	if (!(c->tdcs->attributes & ATTR_DEBUG))
		return ST0(TD_NON_DEBUG);
	if (!ALIGNED(c->in.rcx, 8))
		return ST(OPERAND_INVALID, OP_RCX);
	c->gpa = c->in.rcx;
	TRY(gpa_check(c, c->gpa));
	TRY(sept_lock_tree(c, SHARED));
	TRY(sept_walk_to_leaf(c));
	TRY(sept_lock_entry(c));
	if (sept_state(c->value) != SEPT_MAPPED)
		return sept_error(c, ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	*data = map(c->m, (c->value & HPA_MASK) + (c->gpa & (LEVEL_SIZE(c->level) - 1)));
	return 0;
}

u64 mem_rd(struct call *c)
{
	u64 *data;

	c->out->r8 = 0;
	TRY(debug_access(c, &data));
	c->out->r8 = *data;
	return 0;
}

u64 mem_wr(struct call *c)
{
	u64 *data;

	c->out->r8 = 0;
	TRY(debug_access(c, &data));
	c->out->r8 = *data;
	*data = c->in.r8;
	return 0;
}
