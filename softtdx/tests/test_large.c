// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.PAGE.PROMOTE and DEMOTE. */
#include "test.h"

enum { PENDING = 2, MAPPED = 4, NL_MAPPED = 0x84 };

static u64 fill_2m(struct world *w, struct td *td, bool add)
{
	u64 large = new_large_page(w);

	for (u64 i = 0; i < LEVEL_SIZE(1); i += PAGE_4K)
		MUST(add ? CALL(MEM_PAGE_ADD, .rcx = GPA + i, .rdx = td->tdr, .r8 = large + i,
				.r9 = SOURCE) :
			   CALL(MEM_PAGE_AUG, .rcx = GPA + i, .rdx = td->tdr, .r8 = large + i));
	return large;
}

TEST(promote_and_demote)
{
	struct td td;
	u64 large, children, table = new_page(w);

	td_with_tables(w, &td, RUNNABLE);
	large = fill_2m(w, &td, false);
	children = tdr_of(w, &td)->chldcnt;
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(GPA_RANGE_NOT_BLOCKED, OP_RCX));
	td_block_and_track(w, &td, GPA | 1);
	pamt_at(w->m, large, 1)->lock = 1;
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	pamt_at(w->m, large, 1)->lock = 0;
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, td.table[2]);
	EXPECT_EQ(entry_state(w, &td, GPA | 1), PENDING);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, children - 1);
	EXPECT_EQ(pamt_at(w->m, large, 1)->type, PT_REG);
	EXPECT_EQ(pamt_at(w->m, large, 0)->type, PT_NDA);
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = GPA | 1, .rdx = td.tdr, .r8 = table),
	       ST(GPA_RANGE_NOT_BLOCKED, OP_RCX));
	td_block_and_track(w, &td, GPA | 1);
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = GPA | 1, .rdx = td.tdr | 4, .r8 = table),
	       ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = GPA | 1, .rdx = td.tdr, .r8 = table), 0);
	EXPECT_EQ(entry_state(w, &td, GPA | 1), NL_MAPPED);
	EXPECT_EQ(entry_state(w, &td, GPA + 0x1FF000), PENDING);
	EXPECT_EQ(w->regs.rcx & HPA_MASK, large + 0x1FF000);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, children);
	EXPECT_EQ(pamt_owner(pamt_at(w->m, large + 0x1000, 0)), td.tdr);
}

/* DEMOTE locks the page only after everything else is right. */
TEST(demote_checks_in_order)
{
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1, large = new_large_page(w), table = new_page(w);
	struct pamt_entry *e = pamt_at(w->m, large, 1);
	struct td td;

	td_with_tables(w, &td, RUNNABLE);
	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = large));
	e->lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = table),
	       ST(GPA_RANGE_NOT_BLOCKED, OP_RCX));
	e->lock = 0;
	td_block_and_track(w, &td, gpa);
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = large + PAGE_4K),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	e->lock = 1;
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = table),
	       ST(OPERAND_BUSY, OP_RCX));
	e->lock = 0;
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = table), 0);
}

/* The tree is shared: what PROMOTE needs for itself is each of the 512 entries. */
TEST(promote_locks_each_entry)
{
	struct td td;
	u64 *entry;

	td_with_tables(w, &td, INITED);
	fill_2m(w, &td, true);
	entry = at(w, td.table[2]);
	entry[300] |= SEPT_LOCK;
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	EXPECT_EQ(w->regs.rdx, NL_MAPPED << 8 | 1);
	EXPECT_EQ(entry[300] & SEPT_LOCK, SEPT_LOCK);
	EXPECT_EQ(entry[299] & SEPT_LOCK, 0);
	entry[300] &= ~SEPT_LOCK;
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr), 0);
}

TEST(promote_and_demote_are_interrupted)
{
	u64 v1 = 1ull << 16 | TDH_MEM_PAGE_PROMOTE;
	struct td td;

	td_with_tables(w, &td, INITED);
	fill_2m(w, &td, true);
	w->m->interrupts = 1;
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr), ST0(INTERRUPTED_RESTARTABLE));
	EXPECT_EQ(w->regs.rcx, GPA | 1);
	EXPECT_EQ(w->regs.rdx, td.tdr);
	EXPECT(world_call(w, v1, (struct softtdx_regs){ .rcx = GPA | 1, .rdx = td.tdr }), 0);
	EXPECT_EQ(w->regs.r9, ~0ull);
	w->m->interrupts = 1;
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = GPA | 1, .rdx = td.tdr, .r8 = new_page(w)),
	       ST0(INTERRUPTED_RESTARTABLE));
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = GPA | 1, .rdx = td.tdr, .r8 = new_page(w)), 0);
}

TEST(promote_conditions)
{
	struct td td;
	u64 hole = GPA + 0x7000;

	td_with_tables(w, &td, INITED);
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX));
	fill_2m(w, &td, true);
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = hole, .rdx = td.tdr));
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX));
	td_add(w, &td, hole);		/* another page: not contiguous */
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(EPT_INVALID_PROMOTE_CONDITIONS, OP_RCX));
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA, .rdx = td.tdr), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = GPA | 1, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
}

TEST(promote_mapped_pages)
{
	struct td td;

	td_with_tables(w, &td, INITED);
	fill_2m(w, &td, true);
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = GPA | 1, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA | 1), MAPPED);
	tdcs_of(w, &td)->attributes |= ATTR_DEBUG;
	EXPECT(CALL(MEM_RD, .rcx = GPA + 0x5008, .rdx = td.tdr), 0);
}
