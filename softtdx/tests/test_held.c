// SPDX-License-Identifier: GPL-2.0-only
/* What the module says that it holds (ops->held), and what it says of a page. */
#include "test.h"

static void expect_held(struct world *w, const struct td *td, bool held)
{
	EXPECT_EQ(is_held(w, td->tdr), held);
	EXPECT_EQ(is_held(w, td->tdvpr), held);
	EXPECT_EQ(is_held(w, td->tdcs[0]), held);
	EXPECT_EQ(is_held(w, td->table[0]), held);
}

TEST(all_of_a_td_is_held)
{
	struct td td;
	u64 page;

	page = td_with_page(w, &td);
	expect_held(w, &td, true);
	EXPECT_EQ(is_held(w, page), true);
	EXPECT_EQ(is_held(w, page + PAGE_4K), false);
}

TEST(call_that_fails_takes_no_page)
{
	struct td td;
	u64 page;

	td_with_page(w, &td);
	page = new_page(w);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = page),
	       ST(EPT_ENTRY_STATE_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_ENTRY_IN_USE);
	EXPECT_EQ(is_held(w, page), false);
}

TEST(page_is_held_until_it_is_removed)
{
	struct td td;
	u64 page;

	page = td_with_page(w, &td);
	td_block_and_track(w, &td, GPA);
	EXPECT_EQ(is_held(w, page), true);
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr), 0);
	EXPECT_EQ(is_held(w, page), false);
}

TEST(large_page_is_held_whole)
{
	struct td td;
	u64 page;

	td_with_tables(w, &td, RUNNABLE);
	page = new_large_page(w);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr, .r8 = page), 0);
	EXPECT_EQ(is_held(w, page), true);
	EXPECT_EQ(is_held(w, page + LEVEL_SIZE(1) - PAGE_4K), true);
	EXPECT_EQ(is_held(w, page - PAGE_4K), false);
	EXPECT_EQ(is_held(w, page + LEVEL_SIZE(1)), false);
}

TEST(reclaim_gives_back)
{
	struct td td;

	td_build(w, &td, RUNNABLE);
	MUST(CALL(VP_FLUSH, .rcx = td.tdvpr));
	td_end_key(w, &td);
	EXPECT_EQ(is_held(w, td.tdvpr), true);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdvpr), 0);
	EXPECT_EQ(is_held(w, td.tdvpr), false);
}

TEST(reset_gives_back)
{
	struct td td;

	td_with_tables(w, &td, RUNNABLE);
	softtdx_reset(w->m, td.tdr, true);
	expect_held(w, &td, false);
}

TEST_COLD(pamt_is_held_once_all_of_it_is_initialised)
{
	u64 pamt = TDMR_BASE + PAMT_OFFSET;

	w->m->tdmrs[0].size = 0;
	EXPECT_EQ(is_held(w, pamt), false);
	world_boot(w);
	EXPECT_EQ(is_held(w, pamt), true);
	EXPECT_EQ(is_held(w, pamt + 0x402000), true);
	EXPECT_EQ(is_held(w, pamt + 0x403000), false);
	EXPECT_EQ(is_held(w, TDMR_BASE), false);
}

/* The kernel stops the module before the next one is started by kexec, which knows of no TD. */
TEST(disabled_module_holds_nothing)
{
	struct td td;

	td_with_tables(w, &td, RUNNABLE);
	EXPECT(CALL(SYS_DISABLE), 0);
	expect_held(w, &td, false);
	EXPECT_EQ(is_held(w, TDMR_BASE + PAMT_OFFSET), false);
}

static void expect_page(struct world *w, u64 hpa, const char *type, bool guest, u64 owner)
{
	struct softtdx_page_info page;

	softtdx_page(w->m, hpa, &page);
	EXPECT_EQ(strcmp(page.type, type), 0);
	EXPECT_EQ(page.guest, guest);
	EXPECT_EQ(page.owner, owner);
}

TEST(page_tells_what_it_is)
{
	struct td td;

	td_with_tables(w, &td, RUNNABLE);
	expect_page(w, td_aug(w, &td, GPA) + 5, "TD", true, td.tdr);
	expect_page(w, td.table[0], "SEPT", false, td.tdr);
	expect_page(w, td.tdr + 5, "TDR", false, td.tdr);
	expect_page(w, td.tdvpr, "TDVPR", false, td.tdr);
	expect_page(w, td.tdcs[0], "TDCX", false, td.tdr);
	expect_page(w, new_page(w), "free", false, 0);
	expect_page(w, TDMR_BASE + PAMT_OFFSET, "PAMT", false, 0);
	expect_page(w, SHARED_BASE, "free", false, 0);
}

TEST(gpa_of_a_page)
{
	struct softtdx_sept_info sept;
	struct td td;
	u64 page;

	td_with_page(w, &td);
	page = td_aug(w, &td, GPA + PAGE_4K);
	EXPECT_EQ(softtdx_find(w->m, td.tdr, page + 0x10, &sept), true);
	EXPECT_EQ(sept.gpa, GPA + PAGE_4K + 0x10);
	EXPECT_EQ(sept.level, 0);
	EXPECT_EQ(softtdx_find(w->m, td.tdr, td.table[2] + 8, &sept), true);
	EXPECT_EQ(sept.gpa, GPA);
	EXPECT_EQ(sept.level, 1);
	EXPECT_EQ(softtdx_find(w->m, td.tdr, td.tdvpr, &sept), false);
}
