// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MEM.*: the Secure EPT, page by page. */
#include "test.h"

enum {
	FREE = 0, BLOCKED = 1, PENDING = 2, PENDING_BLOCKED = 3, MAPPED = 4,
	NL_BLOCKED = 0x81, NL_MAPPED = 0x84
};

static u64 raw_entry(struct world *w, const struct td *td, u64 gpa)
{
	return ((u64 *)at(w, td->table[2]))[gpa >> 12 & 511];
}

TEST(entries_are_legal_for_vtx)
{
	struct td td;
	u64 page, *root;

	td_with_tables(w, &td, INITED);
	page = td_add(w, &td, GPA);
	EXPECT_EQ(raw_entry(w, &td, GPA), 1ull << 63 | page | 0xF7);
	root = at(w, td.tdcs[TDCS_SEPT_ROOT_PAGE]);
	EXPECT_EQ(root[GPA >> 39], 1ull << 63 | td.table[0] | 7);
	EXPECT_EQ(root[5], 1ull << 63);
}

TEST(reported_entries)
{
	struct td td;
	u64 page;

	td_with_tables(w, &td, INITED);
	page = td_add(w, &td, GPA);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, 1ull << 63 | page | 0xF7);
	EXPECT_EQ(w->regs.rdx, MAPPED << 8);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA | 1, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, 7);
	EXPECT_EQ(w->regs.rdx, NL_MAPPED << 8 | 1);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA + 0x1000, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, 1ull << 63);
	EXPECT_EQ(w->regs.rdx, FREE);
	/* Hardware sets accessed and dirty: not the state's business. */
	((u64 *)at(w, td.table[2]))[GPA >> 12 & 511] |= 3 << 8;
	EXPECT_EQ(entry_state(w, &td, GPA), MAPPED);
	EXPECT_EQ(w->regs.rcx, 1ull << 63 | page | 0xF7);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA | 4, .rdx = td.tdr), ST(OPERAND_INVALID, OP_RCX));
}

TEST(sept_add_rules)
{
	struct td td;
	u64 page = new_page(w), gpa = (GPA + LEVEL_SIZE(1)) | 1;

	td_with_tables(w, &td, INITED);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = page),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = 4, .rdx = td.tdr, .r8 = page),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = gpa, .rdx = td.tdr | 2, .r8 = page),
	       ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = GPA | 1, .rdx = td.tdr, .r8 = page),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_ENTRY_IN_USE);
	EXPECT_EQ(w->regs.rdx, NL_MAPPED << 8 | 1);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = GPA | 1, .rdx = td.tdr | 1, .r8 = page), 0);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = gpa, .rdx = td.tdr | 1, .r8 = td.table[0]),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT_VIOLATION(SOFTTDX_PAGE_IN_USE);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = gpa, .rdx = td.tdr, .r8 = page), 0);
	EXPECT_EQ(((u64 *)at(w, page))[511], SEPT_FREE_ENTRY);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, 6 + 4);
}

/* Version 1 says which of the pages it used: one for the TD, one for each L2 VM it might have. */
TEST(sept_add_version_1)
{
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1, page = new_page(w), v1 = 1ull << 16 | TDH_MEM_SEPT_ADD;
	struct td td;
#define ADD(gpa_, flags, page_, l2) world_call(w, v1, (struct softtdx_regs){			\
		.rcx = (gpa_), .rdx = td.tdr | (flags), .r8 = (page_), .r9 = (l2), .r10 = ~0ull, \
		.r11 = ~0ull })

	td_with_tables(w, &td, INITED);
	EXPECT(ADD(gpa, 0, ~0ull, ~0ull), ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT_EQ(w->regs.r8, ~0ull);
	EXPECT(ADD(gpa, 0, page, new_page(w)), ST(OPERAND_INVALID, OP_R9));
	EXPECT_EQ(w->regs.r8, page);
	EXPECT(ADD(gpa, 0, page | 1ull << 63, ~0ull), 0);
	EXPECT_EQ(w->regs.r8, ~0ull);
	EXPECT_EQ(w->regs.r11, ~0ull);
	EXPECT(ADD(gpa, 0, ~0ull, ~0ull), 0);
	EXPECT(ADD(gpa, 1, new_page(w), ~0ull), 0);
	EXPECT_EQ(w->regs.r8, (w->next_page - PAGE_4K) | 1ull << 63);
	EXPECT(world_call(w, 2ull << 16 | TDH_MEM_SEPT_ADD, (struct softtdx_regs){ .rcx = gpa }),
	       ST(OPERAND_INVALID, OP_RAX));
	EXPECT_EQ(w->regs.rcx, 0);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = gpa, .rdx = td.tdr, .r8 = ~0ull),
	       ST(OPERAND_INVALID, OP_R8));
#undef ADD
}

TEST(five_levels)
{
	struct td_params *p;
	struct td td;

	td_build(w, &td, TDCS);
	p = default_params(w);
	p->config_flags = 5;
	p->eptp_controls = EPTP_5_LEVEL;
	MUST(CALL(MNG_INIT, .rcx = td.tdr, .rdx = PARAMS));
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = 1ull << 48 | 4, .rdx = td.tdr, .r8 = new_page(w)), 0);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = 1ull << 48 | 3, .rdx = td.tdr, .r8 = new_page(w)), 0);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = 1ull << 51 | 4, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = 5, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT_EQ(entry_state(w, &td, 1ull << 48 | 3), NL_MAPPED);
}

TEST(page_add_rules)
{
	struct td td;
	u64 page = new_page(w);

	td_with_tables(w, &td, INITED);
	memset(at(w, SOURCE), 0x5A, PAGE_4K);
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA | 1, .rdx = td.tdr, .r8 = page, .r9 = SOURCE),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = page, .r9 = SOURCE + 1),
	       ST(OPERAND_INVALID, OP_R9));
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = page,
		    .r9 = SOURCE | 2ull << PHYS_BITS), ST(OPERAND_INVALID, OP_R9));
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = page, .r9 = 0x8000000),
	       ST(OPERAND_INVALID, OP_R9));
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = page, .r9 = SOURCE), 0);
	EXPECT_EQ(w->regs.rcx | w->regs.rdx, 0);
	EXPECT_EQ(memcmp(at(w, page), at(w, SOURCE), PAGE_4K), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), MAPPED);
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = new_page(w), .r9 = SOURCE),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT_EQ(w->regs.rdx, MAPPED << 8);
	EXPECT_VIOLATION(SOFTTDX_ENTRY_IN_USE);
	EXPECT_EQ(w->reports[w->nr_reports - 1].gpa, GPA);
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA + 0x1000, .rdx = td.tdr, .r8 = page, .r9 = SOURCE),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT_VIOLATION(SOFTTDX_PAGE_IN_USE);
	EXPECT_EQ(w->reports[w->nr_reports - 1].owner, td.tdr);
}

TEST(page_aug_rules)
{
	struct td td;
	u64 page = new_page(w);

	td_with_tables(w, &td, RUNNABLE);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA | 2, .rdx = td.tdr, .r8 = page),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = page), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), PENDING);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_ENTRY_IN_USE);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA | 1, .rdx = td.tdr, .r8 = page),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
}

TEST(aug_2m)
{
	struct td td;
	u64 large = new_large_page(w), used = new_large_page(w);
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1, before;

	td_with_tables(w, &td, RUNNABLE);
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = used + 0x8000));
	before = tdr_of(w, &td)->chldcnt;
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = large + 0x1000),
	       ST(OPERAND_INVALID, OP_R8));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = used),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT_VIOLATION(SOFTTDX_PAGE_IN_USE);
	EXPECT_EQ(w->reports[w->nr_reports - 1].page, used + 0x8000);
	pamt_at(w->m, large, 1)->lock = 1;
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = large),
	       ST(OPERAND_BUSY, OP_R8));
	pamt_at(w->m, large, 1)->lock = 0;
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = large), 0);
	EXPECT_EQ(entry_state(w, &td, gpa), PENDING);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, before + 512);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA + 0x1000, .rdx = td.tdr, .r8 = large + 0x5000),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa + LEVEL_SIZE(1), .rdx = td.tdr, .r8 = large),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = large + 0x5000), 0);
	EXPECT_EQ(w->regs.rcx, PT_REG);
	EXPECT_EQ(w->regs.r8, 1);
	td_block_and_track(w, &td, gpa);
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = gpa, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, large);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, before);
}

TEST(block_rules)
{
	struct td td;
	u64 page;

	td_with_tables(w, &td, RUNNABLE);
	/* 6.16 and 6.18 rely on this answer for an entry that is not mapped yet. */
	EXPECT(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), 0xC0000B0D00000001ull);
	EXPECT_EQ(w->regs.rcx & 7, 0);
	page = td_aug(w, &td, GPA);
	EXPECT(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), PENDING_BLOCKED);
	EXPECT_EQ(pamt_at(w->m, page, 0)->bepoch, tdcs_of(w, &td)->epoch);
	EXPECT(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr),
	       ST(GPA_RANGE_ALREADY_BLOCKED, OP_RCX));
	EXPECT_EQ(w->regs.rdx, PENDING_BLOCKED << 8);
	EXPECT(CALL(MEM_RANGE_BLOCK, .rcx = GPA | 1, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA | 1), NL_BLOCKED);
	EXPECT_EQ(pamt_at(w->m, td.table[2], 0)->bepoch, tdcs_of(w, &td)->epoch);
	EXPECT(CALL(MEM_RANGE_BLOCK, .rcx = GPA + 0x1000, .rdx = td.tdr),
	       ST(EPT_WALK_FAILED, OP_RCX));
	EXPECT_EQ(w->regs.rdx, NL_BLOCKED << 8 | 1);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA + 0x1000, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(EPT_WALK_FAILED, OP_RCX));
}

TEST(unblock_rules)
{
	struct td td;

	td_with_page(w, &td);
	EXPECT(CALL(MEM_RANGE_UNBLOCK, .rcx = GPA, .rdx = td.tdr),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA | 1, .rdx = td.tdr));
	EXPECT(CALL(MEM_RANGE_UNBLOCK, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(TLB_TRACKING_NOT_DONE, OP_SEPT_TREE));
	MUST(CALL(MEM_TRACK, .rcx = td.tdr));
	EXPECT(CALL(MEM_RANGE_UNBLOCK, .rcx = GPA | 1, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA | 1), NL_MAPPED);
	EXPECT(CALL(MEM_RANGE_UNBLOCK, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), PENDING);
}

TEST(unblock_gives_access_back)
{
	struct td td;

	td_with_tables(w, &td, WITH_VCPU);
	td_add(w, &td, GPA);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	EXPECT_EQ(entry_state(w, &td, GPA), BLOCKED);
	EXPECT_EQ(w->regs.rcx & 7, 0);
	/* No vCPU can run yet: no tracking needed. */
	EXPECT(CALL(MEM_RANGE_UNBLOCK, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(entry_state(w, &td, GPA), MAPPED);
	EXPECT_EQ(w->regs.rcx & 7, 7);
}

TEST(remove_rules)
{
	struct td td;
	u64 page;

	page = td_with_page(w, &td);
	memset(at(w, page), 0xAA, PAGE_4K);
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA + 0x1000, .rdx = td.tdr),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = 3, .rdx = td.tdr), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr),
	       ST(GPA_RANGE_NOT_BLOCKED, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_NOT_BLOCKED);
	EXPECT_EQ(w->reports[w->nr_reports - 1].page, page);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr),
	       ST(TLB_TRACKING_NOT_DONE, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_NOT_TRACKED);
	MUST(CALL(MEM_TRACK, .rcx = td.tdr));
	pamt_at(w->m, page, 0)->lock = 1;
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	pamt_at(w->m, page, 0)->lock = 0;
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, page);
	EXPECT_EQ(w->regs.rdx, 0);
	EXPECT_EQ(*(u64 *)at(w, page), 0);
	EXPECT_EQ(pamt_at(w->m, page, 0)->type, PT_NDA);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, 6 + 6 + 3);
	EXPECT_EQ(entry_state(w, &td, GPA), FREE);
}

TEST(remove_before_the_td_runs)
{
	struct td td;

	td_with_tables(w, &td, INITED);
	td_add(w, &td, GPA);
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr), 0);
	td_add(w, &td, GPA);
}

TEST(track_counts_epochs)
{
	struct td td;
	struct tdcs *tdcs;

	td_build(w, &td, RUNNABLE);
	tdcs = tdcs_of(w, &td);
	EXPECT_EQ(tdcs->epoch, 1);
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), 0);
	EXPECT_EQ(tdcs->epoch, 2);
	tdcs->inside[1] = 1;		/* a vCPU that entered in epoch 1 */
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), ST0(PREVIOUS_TLB_EPOCH_BUSY));
	EXPECT_VIOLATION(SOFTTDX_NOT_KICKED);
	tdcs->inside[1] = 0;
	tdcs->inside[0] = 1;		/* one of epoch 2 does not hinder */
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), 0);
	tdcs->inside[0] = 0;
	tdcs->epoch_lock = 1;
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), ST(OPERAND_BUSY, OP_TD_EPOCH));
	tdcs->epoch_lock = 0;
	EXPECT_EQ(td_tracked(tdcs, 1), true);
	EXPECT_EQ(td_tracked(tdcs, 2), true);
	EXPECT_EQ(td_tracked(tdcs, 3), false);
	tdcs->inside[0] = 1;
	EXPECT_EQ(td_tracked(tdcs, 2), false);
	tdcs->inside[0] = 0;
}

TEST(sept_remove_rules)
{
	struct td td;

	td_with_page(w, &td);
	EXPECT(CALL(MEM_SEPT_REMOVE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(GPA_RANGE_NOT_BLOCKED, OP_RCX));
	EXPECT(CALL(MEM_SEPT_REMOVE, .rcx = GPA, .rdx = td.tdr), ST(OPERAND_INVALID, OP_RCX));
	td_block_and_track(w, &td, GPA);
	td_block_and_track(w, &td, GPA | 1);
	EXPECT(CALL(MEM_SEPT_REMOVE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(EPT_PAGE_NOT_FREE, OP_RCX));
	MUST(CALL(MEM_RANGE_UNBLOCK, .rcx = GPA | 1, .rdx = td.tdr));
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr));
	td_block_and_track(w, &td, GPA | 1);
	EXPECT(CALL(MEM_SEPT_REMOVE, .rcx = GPA | 1, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, td.table[2]);
	EXPECT(CALL(MEM_SEPT_REMOVE, .rcx = GPA | 1, .rdx = td.tdr),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT_EQ(tdr_of(w, &td)->pages[PT_EPT], 2);
}

TEST(debug_access)
{
	struct td td;

	td_with_tables(w, &td, WITH_VCPU);
	memset(at(w, SOURCE), 0x11, PAGE_4K);
	td_add(w, &td, GPA);
	EXPECT(CALL(MEM_RD, .rcx = GPA, .rdx = td.tdr), ST0(TD_NON_DEBUG));
	tdcs_of(w, &td)->attributes |= ATTR_DEBUG;
	EXPECT(CALL(MEM_RD, .rcx = GPA + 4, .rdx = td.tdr), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MEM_RD, .rcx = GPA + 0xFF8, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.r8, 0x1111111111111111);
	EXPECT(CALL(MEM_WR, .rcx = GPA + 0xFF8, .rdx = td.tdr, .r8 = 5), 0);
	EXPECT_EQ(w->regs.r8, 0x1111111111111111);
	EXPECT(CALL(MEM_RD, .rcx = GPA + 0xFF8, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.r8, 5);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	EXPECT(CALL(MEM_RD, .rcx = GPA, .rdx = td.tdr), ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	EXPECT_EQ(w->regs.rdx, BLOCKED << 8);
	EXPECT(CALL(MEM_WR, .rcx = GPA, .rdx = td.tdr), ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	EXPECT(CALL(MEM_RD, .rcx = GPA + PAGE_4K, .rdx = td.tdr),
	       ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	EXPECT_EQ(w->regs.rcx, SEPT_FREE_ENTRY);
}

/* Bit 0 of RDX: with the attributes of L2 VMs, which only a TD under debug shows. */
TEST(sept_rd_of_l2_attributes)
{
	struct td td;

	td_with_tables(w, &td, INITED);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = 5, .rdx = td.tdr | 1), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA, .rdx = td.tdr | 2), ST(OPERAND_INVALID, OP_RDX));
	tdcs_of(w, &td)->attributes |= ATTR_DEBUG;
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA, .rdx = td.tdr | 1, .r8 = 7), 0);
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT_EQ(w->regs.rdx, FREE << 8);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA, .rdx = td.tdr, .r8 = 7), 0);
	EXPECT_EQ(w->regs.r8, 7);
	EXPECT(CALL(MEM_SEPT_RD, .rcx = 5, .rdx = td.tdr | 1), ST(OPERAND_INVALID, OP_RCX));
	tdr_of(w, &td)->fatal = 1;
	EXPECT(CALL(MEM_SEPT_RD, .rcx = GPA, .rdx = td.tdr | 1), ST0(TD_FATAL));
	tdr_of(w, &td)->fatal = 0;
}
