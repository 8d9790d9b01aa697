// SPDX-License-Identifier: GPL-2.0-only
/* A SEAMCALL in steps: what holds while it waits, and while its guest runs. */
#include "test.h"

#define LINGER 100

static u64 begin(struct world *w, struct softtdx_call *call, u16 leaf, struct softtdx_regs *regs)
{
	current_cpu = 0;
	return softtdx_begin(w->m, call, leaf, regs);
}

/* Not by a call, which would wait or find the entry locked. */
static u64 state_in_memory(struct world *w, const struct td *td)
{
	return sept_state(((u64 *)at(w, td->table[2]))[GPA >> 12 & 511]);
}

/* A TD with tables for GPA, and calls that linger from now on; all do with this seed. */
static void td_that_lingers(struct world *w, struct td *td)
{
	td_with_tables(w, td, RUNNABLE);
	w->m->linger_usecs = LINGER;
	w->m->linger_seed = 42;
}

TEST(late_call_has_no_effect_yet)
{
	struct softtdx_rule rule = { .leaf = TDH_MEM_PAGE_AUG, .count = 1, .delay_usecs = 50 };
	struct softtdx_call call;
	struct td td;

	td_with_tables(w, &td, RUNNABLE);
	softtdx_add_rule(w->m, &rule);
	struct softtdx_regs regs = { .rcx = GPA, .rdx = td.tdr, .r8 = new_page(w) };

	EXPECT(begin(w, &call, TDH_MEM_PAGE_AUG, &regs), SOFTTDX_WAIT);
	EXPECT_EQ(softtdx_call_usecs(&call), 50);
	EXPECT_EQ(entry_state(w, &td, GPA), 0);
	EXPECT(softtdx_waited(&call), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), 2);
}

TEST(call_keeps_its_locks_after_its_effect)
{
	struct softtdx_call call;
	struct td td;

	td_that_lingers(w, &td);
	struct softtdx_regs regs = { .rcx = GPA, .rdx = td.tdr, .r8 = new_page(w) };

	EXPECT(begin(w, &call, TDH_MEM_PAGE_AUG, &regs), SOFTTDX_WAIT);
	EXPECT_EQ(softtdx_call_usecs(&call) <= LINGER, true);
	EXPECT_EQ(state_in_memory(w, &td), SEPT_PENDING_LEAF);
	EXPECT(CALL_ON(1, MEM_SEPT_RD, .rcx = GPA, .rdx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	EXPECT(CALL_ON(1, MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr),
	       ST(OPERAND_BUSY, OP_SEPT_TREE));
	EXPECT(softtdx_waited(&call), 0);
	EXPECT(CALL_ON(1, MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), 3);
}

TEST(entry_meets_a_track_that_lingers)
{
	struct softtdx_call call;
	struct td td;

	td_that_lingers(w, &td);
	struct softtdx_regs regs = { .rcx = td.tdr };

	EXPECT(begin(w, &call, TDH_MEM_TRACK, &regs), SOFTTDX_WAIT);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), ST(OPERAND_BUSY, OP_TD_EPOCH));
	EXPECT(softtdx_waited(&call), 0);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
}

static void accepts(const struct softtdx_call *call, u64 gpa)
{
	struct softtdx_guest *g = softtdx_call_vcpu(call)->guest;

	g->reason = EXIT_TDCALL;
	g->code64 = true;
	g->instruction_length = 4;
	g->gpr[RAX] = TDCALL_MEM_PAGE_ACCEPT;
	g->gpr[RCX] = gpa;
}

TEST(tdcall_keeps_its_entry_locked)
{
	struct softtdx_call call;
	struct td td;

	td_that_lingers(w, &td);
	td_aug(w, &td, GPA);
	struct softtdx_regs regs = { .rcx = td.tdvpr };

	EXPECT(begin(w, &call, TDH_VP_ENTER, &regs), SOFTTDX_RUN);
	accepts(&call, GPA);
	EXPECT(softtdx_exited(&call), SOFTTDX_WAIT);
	EXPECT_EQ(state_in_memory(w, &td), SEPT_MAPPED);
	EXPECT(CALL_ON(1, MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	EXPECT(softtdx_waited(&call), SOFTTDX_RUN);
	EXPECT(CALL_ON(1, MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), 0);
	softtdx_call_vcpu(&call)->guest->reason = EXIT_INTERRUPT;
	EXPECT(softtdx_exited(&call), SOFTTDX_WAIT);
	EXPECT(softtdx_waited(&call), EXIT_INTERRUPT);
}

/* As long as the entry is locked, the vCPU counts as inside: its table cannot be removed. */
TEST(failed_accept_lingers_inside)
{
	struct softtdx_call call;
	struct td td;

	td_that_lingers(w, &td);
	struct softtdx_regs regs = { .rcx = td.tdvpr };

	EXPECT(begin(w, &call, TDH_VP_ENTER, &regs), SOFTTDX_RUN);
	accepts(&call, GPA);
	EXPECT(softtdx_exited(&call), SOFTTDX_WAIT);
	EXPECT_EQ(tdcs_of(w, &td)->inside[1], 1);
	EXPECT(CALL_ON(1, MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(OPERAND_BUSY, OP_RCX));
	EXPECT(softtdx_waited(&call), SOFTTDX_WAIT);
	EXPECT_EQ(tdcs_of(w, &td)->inside[1], 0);
	EXPECT(softtdx_waited(&call), EXIT_EPT_VIOLATION);
	EXPECT(CALL_ON(1, MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = new_page(w)), 0);
}

TEST(seed_says_how_long_calls_linger)
{
	u64 usecs[2][8];
	struct td td;

	td_that_lingers(w, &td);
	for (int run = 0; run < 2; run++) {
		w->m->linger_seed = 42;
		for (int i = 0; i < 8; i++) {
			u64 before = w->delayed;

			EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), 0);
			usecs[run][i] = w->delayed - before;
			EXPECT_EQ(usecs[run][i], usecs[0][i]);
		}
	}
	EXPECT_EQ(usecs[0][0] == usecs[0][1] && usecs[0][1] == usecs[0][2], false);
}

TEST(check_looks_past_calls_under_way)
{
	struct softtdx_call guest, accept;
	struct td td, other;
	u64 where;

	td_build(w, &other, RUNNABLE);
	td_that_lingers(w, &td);
	td_aug(w, &td, GPA);
	struct softtdx_regs one = { .rcx = td.tdvpr }, two = { .rcx = other.tdr };

	EXPECT(begin(w, &accept, TDH_VP_ENTER, &one), SOFTTDX_RUN);
	accepts(&accept, GPA);
	EXPECT(softtdx_exited(&accept), SOFTTDX_WAIT);
	EXPECT(begin(w, &guest, TDH_MEM_TRACK, &two), SOFTTDX_WAIT);
	EXPECT_EQ(!softtdx_check(w->m, &where), false);

	softtdx_call_let_go(&accept);
	softtdx_call_let_go(&guest);
	EXPECT_EQ((u64)softtdx_check(w->m, &where), 0);
	softtdx_call_take_back(&guest);
	softtdx_call_take_back(&accept);

	EXPECT(CALL_ON(1, MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	EXPECT(CALL_ON(1, MEM_TRACK, .rcx = other.tdr), ST(OPERAND_BUSY, OP_TD_EPOCH));
	EXPECT(softtdx_waited(&guest), 0);
	EXPECT(softtdx_waited(&accept), SOFTTDX_RUN);
	softtdx_call_vcpu(&accept)->guest->reason = EXIT_INTERRUPT;
	EXPECT(softtdx_exited(&accept), SOFTTDX_WAIT);
	EXPECT(softtdx_waited(&accept), EXIT_INTERRUPT);
}
