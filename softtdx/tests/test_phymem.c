// SPDX-License-Identifier: GPL-2.0-only
/* TDH.PHYMEM.*: pages and caches. */
#include "test.h"

TEST(reclaim_operand)
{
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = TDMR_BASE + 1), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = TDMR_BASE | 3ull << PHYS_BITS),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = SHARED_BASE),
	       ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = TDMR_BASE, .r9 = 1),
	       ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_RECLAIM_FREE);
	EXPECT_EQ(w->regs.rcx | w->regs.rdx | w->regs.r8 | w->regs.r9, 0);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = TDMR_BASE + w->available),
	       ST(PAGE_METADATA_INCORRECT, OP_RCX));
	pamt_at(w->m, TDMR_BASE, 0)->lock = 1;
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = TDMR_BASE), ST(OPERAND_BUSY, OP_RCX));
	pamt_at(w->m, TDMR_BASE, 0)->lock = 0;
}

static void reclaim(struct world *w, u64 page, u64 type, u64 owner)
{
	memset(at(w, page), 0x77, 64);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = page, .r9 = 1, .r10 = 2, .r11 = 3), 0);
	EXPECT_EQ(w->regs.r9 | w->regs.r10 | w->regs.r11, 0);
	EXPECT_EQ(w->regs.rcx, type);
	EXPECT_EQ(w->regs.rdx, owner);
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT_EQ(pamt_at(w->m, page, 0)->type, PT_NDA);
	EXPECT_EQ(*(u64 *)at(w, page), 0);
}

TEST(td_goes_back_page_by_page)
{
	struct td td;
	u64 page;

	page = td_with_page(w, &td);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = page), ST0(LIFECYCLE_STATE_INCORRECT));
	EXPECT_VIOLATION(SOFTTDX_RECLAIM_IN_USE);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdr), ST0(LIFECYCLE_STATE_INCORRECT));
	EXPECT_VIOLATION(SOFTTDX_RECLAIM_IN_USE);
	MUST(CALL(VP_FLUSH, .rcx = td.tdvpr));
	td_end_key(w, &td);
	pamt_at(w->m, td.tdr, 0)->lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = page), ST(OPERAND_BUSY, OP_TDR));
	pamt_at(w->m, td.tdr, 0)->lock = 0;
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdr), ST0(TD_ASSOCIATED_PAGES_EXIST));
	EXPECT_VIOLATION(SOFTTDX_LEFT_BEHIND);
	EXPECT_EQ(w->reports[w->nr_reports - 1].count, 6 + 6 + 3 + 1);
	reclaim(w, page, PT_REG, td.tdr);
	for (int i = 0; i < 3; i++)
		reclaim(w, td.table[i], PT_EPT, td.tdr);
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		reclaim(w, td.tdvpr + (u64)i * PAGE_4K, PT_TDCX, td.tdr);
	reclaim(w, td.tdvpr, PT_TDVPR, td.tdr);
	for (int i = 0; i < TDCS_PAGES_MIN; i++)
		reclaim(w, td.tdcs[i], PT_TDCX, td.tdr);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, 0);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, PT_TDR);
	EXPECT_EQ(w->regs.rdx, 0);
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = td.tdr | td.keyid << PHYS_BITS), 0);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdr), ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_RECLAIM_FREE);
}

TEST(reclaim_of_a_large_page)
{
	struct td td;
	u64 large = new_large_page(w);

	td_with_tables(w, &td, RUNNABLE);
	MUST(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr, .r8 = large));
	MUST(CALL(VP_FLUSH, .rcx = td.tdvpr));
	td_end_key(w, &td);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = large + 0x1000), ST(OPERAND_INVALID, OP_RCX));
	EXPECT_EQ(w->regs.r8, 1);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = large), 0);
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, 6 + 6 + 3);
	EXPECT_EQ(pamt_at(w->m, large, 1)->type, PT_NDA);
}

TEST(rdmd)
{
	struct td td;
	u64 page;

	page = td_with_page(w, &td);
	MUST(CALL(MEM_TRACK, .rcx = td.tdr));
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	for (int level = 0; level < 3; level++) {
		pamt_at(w->m, page, level)->lock = LOCK_EXCLUSIVE;
		EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = page), ST(OPERAND_BUSY, OP_RCX));
		pamt_at(w->m, page, level)->lock = 1;
		EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = page, .r10 = 1), 0);
		pamt_at(w->m, page, level)->lock = 0;
	}
	EXPECT_EQ(w->regs.rcx, PT_REG);
	EXPECT_EQ(w->regs.rdx, td.tdr);
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT_EQ(w->regs.r9, 2);
	EXPECT_EQ(w->regs.r10, 0);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, PT_TDR);
	EXPECT_EQ(w->regs.r9, 0);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = TDMR_BASE + w->available), 0);
	EXPECT_EQ(w->regs.rcx, PT_RSVD);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = page + 8), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = SHARED_BASE), ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
}

/* The entry of a page that went back still names its last owner, and the epoch of its block. */
TEST(rdmd_of_a_page_given_back)
{
	struct td td, next;
	u64 page;

	page = td_with_page(w, &td);
	td_block_and_track(w, &td, GPA);
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = page), 0);
	EXPECT_EQ(w->regs.rcx, PT_NDA);
	EXPECT_EQ(w->regs.rdx, td.tdr);
	EXPECT_EQ(w->regs.r9, 0);
	EXPECT_EQ(pamt_at(w->m, page, 0)->bepoch, 1);
	/* As the table of a DEMOTE it keeps that, as a page it does not. */
	MUST(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr,
		  .r8 = new_large_page(w)));
	td_block_and_track(w, &td, (GPA + LEVEL_SIZE(1)) | 1);
	MUST(CALL(MEM_PAGE_DEMOTE, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr, .r8 = page));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = page), 0);
	EXPECT_EQ(w->regs.rcx, PT_EPT);
	EXPECT_EQ(w->regs.r9, 1);
	td_with_tables(w, &next, INITED);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = next.table[0]), 0);
	EXPECT_EQ(w->regs.r9, 0);
}

/* A large page keeps the epoch of its block as it is split, and as its 4K pages become one again. */
TEST(rdmd_of_a_promoted_page)
{
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1, large;
	struct td td;

	td_with_tables(w, &td, RUNNABLE);
	large = new_large_page(w);
	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = large));
	td_block_and_track(w, &td, gpa);
	MUST(CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = new_page(w)));
	td_block_and_track(w, &td, gpa);
	MUST(CALL(MEM_PAGE_PROMOTE, .rcx = gpa, .rdx = td.tdr));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = large), 0);
	EXPECT_EQ(w->regs.rcx, PT_REG);
	EXPECT_EQ(w->regs.r8, 1);
	EXPECT_EQ(w->regs.r9, 1);
}

TEST(page_wbinvd)
{
	struct td td;

	td_build(w, &td, CREATED);
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = td.tdr | td.keyid << PHYS_BITS),
	       ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_WBINVD_IN_USE);
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = new_page(w) | td.keyid << PHYS_BITS), 0);
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = new_page(w) | 0x3Full << PHYS_BITS), 0);
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = new_page(w) | 1ull << 52),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = new_page(w) + 1), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_WBINVD, .rcx = SHARED_BASE), ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
}

TEST(cache_wb)
{
	struct td td;

	EXPECT(CALL(PHYMEM_CACHE_WB, .rcx = 2), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_CACHE_WB), ST0(NO_HKID_READY_TO_WBCACHE));
	EXPECT(CALL(PHYMEM_CACHE_WB, .rcx = 1), ST0(WBCACHE_RESUME_ERROR));
	td_build(w, &td, KEYED);
	EXPECT(CALL(PHYMEM_CACHE_WB), ST0(NO_HKID_READY_TO_WBCACHE));
	MUST(CALL(MNG_VPFLUSHDONE, .rcx = td.tdr));
	w->m->wb[0].lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(PHYMEM_CACHE_WB), ST(OPERAND_BUSY, OP_WBCACHE));
	w->m->wb[0].lock = 0;
	w->m->kot_lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(PHYMEM_CACHE_WB), ST(OPERAND_BUSY, OP_KOT));
	w->m->kot_lock = 0;
	EXPECT_EQ(keyid_entry(w->m, td.keyid)->dirty, 3);
	EXPECT(CALL(PHYMEM_CACHE_WB), 0);
	EXPECT_EQ(keyid_entry(w->m, td.keyid)->dirty, 2);
	EXPECT(CALL(PHYMEM_CACHE_WB, .rcx = 1), ST0(WBCACHE_RESUME_ERROR));
}

TEST(cache_wb_in_steps)
{
	struct td td, late;

	w->m->wb_steps = 2;
	td_build(w, &td, KEYED);
	td_build(w, &late, KEYED);
	MUST(CALL(MNG_VPFLUSHDONE, .rcx = td.tdr));
	EXPECT(CALL(PHYMEM_CACHE_WB), ST0(INTERRUPTED_RESUMABLE));
	EXPECT(CALL(PHYMEM_CACHE_WB, .rcx = 1), ST0(INTERRUPTED_RESUMABLE));
	EXPECT_EQ(keyid_entry(w->m, td.keyid)->dirty, 3);
	/* A KeyID that comes later is not part of this write-back. */
	MUST(CALL(MNG_VPFLUSHDONE, .rcx = late.tdr));
	EXPECT(CALL(PHYMEM_CACHE_WB, .rcx = 1), 0);
	EXPECT_EQ(keyid_entry(w->m, td.keyid)->dirty, 2);
	EXPECT_EQ(keyid_entry(w->m, late.keyid)->dirty, 3);
}
