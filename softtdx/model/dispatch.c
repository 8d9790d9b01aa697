// SPDX-License-Identifier: GPL-2.0-only
/* The leaf table, and the checks that come before every leaf. */
#include "internal.h"

static const struct leaf leaves[SOFTTDX_LEAVES] = {
#define X(id, fn, op_states, leaf_flags) \
	[TDH_##id] = { .run = fn, .states = (op_states), .flags = (leaf_flags) },
	LEAVES(X)
#undef X
};

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

static bool leaf_announced(const struct softtdx *m, u16 number)
{
	if (number == TDH_PHYMEM_PAMT_ADD || number == TDH_PHYMEM_PAMT_REMOVE)
		return has_feature(m, FEATURES0_DYNAMIC_PAMT);
	return true;
}

/* What must hold before any leaf runs. */
u64 admit(struct call *c)
{
	struct softtdx *m = c->m;
	bool known = c->leaf->run && leaf_announced(m, c->number);

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
