// SPDX-License-Identifier: GPL-2.0-only
/* The guest's memory: violations, zero-step, shared memory, the instruction that it executes. */
#include "test.h"

TEST(untouched_private_page_is_the_hosts)
{
	struct td td;

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 0x1F82,
		    .gpa = GPA + 0x2345), 48);
	EXPECT_EQ(w->regs.rcx, 2);
	EXPECT_EQ(w->regs.rdx, 0);
	EXPECT_EQ(w->regs.r8, GPA + 0x2000);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA + LEVEL_SIZE(3)), 48);
	EXPECT_EQ(w->regs.rdx, 0);
	/* A blocked one, too; and one that was mapped meanwhile is nobody's. */
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA), 48);
	EXPECT_EQ(w->regs.rdx, 0);
}

/* Somebody else has served the page: the host hears of the violation all the same. */
TEST(mapped_meanwhile)
{
	struct td td;

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 2, .gpa = GPA + 8), 48);
	EXPECT_EQ(w->regs.rcx, 2);
	EXPECT_EQ(w->regs.rdx, 0);
	EXPECT_EQ(w->regs.r8, GPA);
}

static struct td grown;

static void add_a_top_level_table(struct world *w, const struct softtdx_vcpu *vcpu)
{
	(void)vcpu;
	w->inside = NULL;
	MUST(CALL_ON(1, MEM_SEPT_ADD, .rcx = LEVEL_SIZE(3) | 3, .rdx = grown.tdr, .r8 = new_page(w)));
}

/* The vCPU runs on a copy of the root: what is new in it since the entry is no violation. */
TEST(root_that_has_grown)
{
	struct softtdx_guest act = { .reason = EXIT_EPT_VIOLATION, .gpa = LEVEL_SIZE(3) + 5 };

	td_running(w, &grown, 0);
	w->inside = add_a_top_level_table;
	EXPECT(world_enter(w, grown.tdvpr, act), 77);
	EXPECT_EQ(w->after.event, 0);
	EXPECT_EQ(w->after.skip, 0);
	EXPECT(world_enter(w, grown.tdvpr, act), 48);
}

TEST(pending_page_raises_ve)
{
	struct td td;

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 0x182, .gpa = GPA + 0x1008,
		    .gla = 0x777), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT_EQ(w->after.gpr[RCX], 48);
	EXPECT_EQ(w->after.gpr[RDX], 0x182);
	EXPECT_EQ(w->after.gpr[R8], 0x777);
	EXPECT_EQ(w->after.gpr[R9], GPA + 0x1008);
}

TEST(pending_page_without_ve)
{
	struct td td;

	td_running(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 2, .gpa = GPA + 0x1008), 48);
	EXPECT_EQ(w->regs.rdx, 6);
	EXPECT_EQ(w->regs.r8, GPA + 0x1000);
}

TEST(gpa_beyond_the_td)
{
	struct td td;

	td_running(w, &td, 0);
	/* To the guest these are reserved bits of its page tables; without an address it is not it. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 0x82, .gpa = 2 * SHARED_BIT,
		    .gla = 0x1234567, .cpl = 3), 77);
	EXPECT_EQ(w->after.event, EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_HAS_ERROR | VECTOR_PF);
	EXPECT_EQ(w->after.event_error, 0xF);
	EXPECT_EQ(w->after.write_cr2, true);
	EXPECT_EQ(w->after.cr2, 0x1234567);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 2, .gpa = 2 * SHARED_BIT), 48);
	EXPECT_EQ(w->regs.r8, 2 * SHARED_BIT);
}

#define STEP(gpa_) EXIT(.reason = EXIT_EPT_VIOLATION, .rip = 0x5000, .gpa = (gpa_))

/* Six violations of one instruction are nobody's fault; then the addresses have to be mapped. */
TEST(zero_step)
{
	u64 gpa = GPA + 0x5000, entries;
	struct td td;

	td_running(w, &td, 0);
	for (int i = 0; i < 7; i++)
		EXPECT(STEP(gpa), 48);
	EXPECT_EQ(tdvps_of(w, &td)->nr_suspects, 1);
	entries = w->entries;
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 48);
	EXPECT_EQ(w->entries, entries);		/* it was not let in */
	EXPECT_EQ(w->regs.rcx, 2);
	EXPECT_EQ(w->regs.r8, gpa);
	EXPECT_EQ(tdcs_of(w, &td)->inside[1], 0);
	tdcs_of(w, &td)->sept_lock = 1;		/* another CPU in PAGE.AUG */
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), ST(OPERAND_BUSY, OP_SEPT_TREE));
	EXPECT_EQ(tdcs_of(w, &td)->inside[1], 0);
	tdcs_of(w, &td)->sept_lock = 0;
	td_aug(w, &td, gpa);			/* pending: the guest's own affair */
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(tdvps_of(w, &td)->nr_suspects, 0);
}

TEST(zero_step_with_pages_that_wait)
{
	u64 gpa = GPA + 0x5000;
	struct td td;

	td_running(w, &td, ATTR_SEPT_VE_DISABLE);
	td_aug(w, &td, gpa);
	for (int i = 0; i < 7; i++)
		EXPECT(STEP(gpa), 48);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 48);	/* it would fault again */
	EXPECT_EQ(w->regs.r8, gpa);
}

TEST(zero_step_is_told)
{
	u64 gpa = GPA + 0x5000;
	struct td td;

	td_running(w, &td, 0);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_NOTIFY_ENABLES, [R8] = 1, [R9] = 1), 77);
	for (int i = 0; i < 7; i++)
		EXPECT(STEP(gpa), 48);
	td_aug(w, &td, gpa);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT_EQ(w->after.gpr[RCX], 48);
	EXPECT_EQ(w->after.gpr[R9], gpa);
}

TEST(progress_is_no_zero_step)
{
	struct td td;

	td_running(w, &td, 0);
	for (u64 i = 0; i < 20; i++)
		EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .rip = 0x5000 + i, .gpa = GPA + 0x5000),
		       48);
	EXPECT_EQ(tdvps_of(w, &td)->nr_suspects, 0);
}

/* The host's table for shared memory, with entries that it leaves for the guest's first GiB. */
static void shared_table(struct world *w, struct td *td, u64 leaf)
{
	u64 pages[4] = { SHARED_BASE + 0x10000, SHARED_BASE + 0x11000, SHARED_BASE + 0x12000,
			 SHARED_BASE + 0x13000 };

	for (int i = 0; i < 4; i++) {
		u64 *entries = at(w, pages[i]);

		for (int j = 0; j < ENTRIES; j++)
			entries[j] = SEPT_SUPPRESS_VE;
		entries[i ? 0 : 256] = i < 3 ? pages[i + 1] | SEPT_RWX : leaf;
	}
	MUST(CALL(VP_WR, .rcx = td->tdvpr, .rdx = MD_VP_SHARED_EPTP, .r8 = pages[0],
		  .r9 = ~0ull));
}

TEST(shared_memory)
{
	struct td td;
	u64 *root;

	td_running(w, &td, 0);
	/* No table yet: one page of zeroes, which convert every violation. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = SHARED_BIT), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	shared_table(w, &td, 0);
	/* Emulated I/O: the guest is told. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = SHARED_BIT | 0xABC), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT_EQ(w->after.gpr[R9], SHARED_BIT | 0xABC);
	/* Not mapped: the host is. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 1,
		    .gpa = SHARED_BIT | 0x1000), 48);
	EXPECT_EQ(w->regs.r8, SHARED_BIT | 0x1000);
	EXPECT_EQ(w->regs.rcx, 1);
	/* Mapped, but not for this. */
	shared_table(w, &td, SOURCE | SEPT_RWX);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 2, .gpa = SHARED_BIT), 48);
	root = at(w, w->eptp & HPA_MASK);
	EXPECT_EQ(w->eptp & 0xFFF, EPTP_4_LEVEL);
	EXPECT_EQ(root[0], td.table[0] | SEPT_RWX | SEPT_SUPPRESS_VE);
	EXPECT_EQ(root[256], (SHARED_BASE + 0x11000) | SEPT_RWX);
	EXPECT_EQ(root[257], SEPT_SUPPRESS_VE);
}
