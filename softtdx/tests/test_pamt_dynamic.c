// SPDX-License-Identifier: GPL-2.0-only
/* Dynamic PAMT: TDH.PHYMEM.PAMT.ADD and REMOVE, and what the other leaves say without a pair. */
#include "test.h"

/* Pages for pairs: at the end of what the TDMR offers, where no pair is needed. */
#define PAIRS		(TDMR_BASE + 0xE00000)
#define PAIR(i)		(PAIRS + (i) * PAGE_4K)
/* 2M that no TD uses yet. */
#define RANGE		(TDMR_BASE + LEVEL_SIZE(1))
#define ADD(range, a, b) CALL(PHYMEM_PAMT_ADD, .rcx = (range) | 1, .rdx = (a), .r8 = (b))
#define REMOVE(range)	CALL(PHYMEM_PAMT_REMOVE, .rcx = (range) | 1)

static void boot(struct world *w, const char *profile, u64 flags)
{
	w->m->cfg.profile = softtdx_profile(profile);
	w->config_flags = flags;
	world_boot(w);
}

/* With a pair for the first 2M, where the tests' pages come from. */
static void boot_dynamic(struct world *w)
{
	boot(w, "1.5-latest", CONFIG_DYNAMIC_PAMT);
	MUST(ADD(TDMR_BASE, PAIR(0), PAIR(1)));
}

TEST_COLD(pamt_leaves_are_unknown_without_the_feature)
{
	boot(w, "1.5", 0);
	EXPECT(ADD(RANGE, PAIR(0), PAIR(1)), ST(OPERAND_INVALID, OP_RAX));
	EXPECT_VIOLATION(SOFTTDX_UNKNOWN_LEAF);
	EXPECT(REMOVE(RANGE), ST(OPERAND_INVALID, OP_RAX));
	EXPECT_VIOLATION(SOFTTDX_UNKNOWN_LEAF);
}

TEST_COLD(pamt_leaves_need_sys_config_to_ask)
{
	boot(w, "2.0", 0);
	EXPECT(ADD(RANGE, PAIR(0), PAIR(1)), ST(OPERAND_INVALID, OP_RAX));
	EXPECT(REMOVE(RANGE), ST(OPERAND_INVALID, OP_RAX));
	EXPECT_EQ(w->nr_reports, 0);
}

TEST_COLD(pamt_add_operands)
{
	u64 key = 1ull << PHYS_BITS, outside = TDMR_BASE + 4 * LEVEL_SIZE(2);

	boot_dynamic(w);
	EXPECT(CALL(PHYMEM_PAMT_ADD, .rcx = RANGE, .rdx = PAIR(2), .r8 = PAIR(3)),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAMT_ADD, .rcx = RANGE | 2, .rdx = PAIR(2), .r8 = PAIR(3)),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(ADD(RANGE | 8, PAIR(2), PAIR(3)), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(ADD(RANGE + PAGE_4K, PAIR(2), PAIR(3)), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(ADD(RANGE | key, PAIR(2), PAIR(3)), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(ADD(outside, PAIR(2), PAIR(3)), ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
	EXPECT(ADD(RANGE, PAIR(2) | 1, PAIR(3)), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(ADD(RANGE, PAIR(2) | key, PAIR(3)), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(ADD(RANGE, outside, PAIR(3)), ST(OPERAND_ADDR_RANGE_ERROR, OP_RDX));
	EXPECT(ADD(RANGE, PAIR(2), PAIR(3) | 1), ST(OPERAND_INVALID, OP_R8));
	EXPECT(ADD(RANGE, PAIR(2), PAIR(3) | key), ST(OPERAND_INVALID, OP_R8));
	EXPECT(ADD(RANGE, PAIR(2), outside), ST(OPERAND_ADDR_RANGE_ERROR, OP_R8));
	/* The pages are looked at before the range is. */
	EXPECT(ADD(outside, PAIR(2), outside), ST(OPERAND_ADDR_RANGE_ERROR, OP_R8));
	EXPECT(ADD(RANGE, PAIR(2), PAIR(3)), 0);
}

TEST_COLD(pamt_add_locks)
{
	u16 *range, *page;

	boot_dynamic(w);
	range = &pamt_at(w->m, RANGE, 1)->lock;
	*range = 1;
	EXPECT(ADD(RANGE, PAIR(2), PAIR(3)), ST(OPERAND_BUSY, OP_RCX));
	*range = 0;
	page = &pamt_at(w->m, TDMR_BASE + 0x100000, 0)->lock;
	*page = LOCK_EXCLUSIVE;
	EXPECT(ADD(RANGE, TDMR_BASE + 0x100000, PAIR(3)), ST(OPERAND_BUSY, OP_RDX));
	EXPECT(ADD(RANGE, PAIR(2), TDMR_BASE + 0x100000), ST(OPERAND_BUSY, OP_R8));
	*page = 0;
	EXPECT(ADD(RANGE, PAIR(2), TDMR_BASE + 0x100000), 0);
}

TEST_COLD(pamt_add_states)
{
	struct td td;

	boot_dynamic(w);
	td_with_tables(w, &td, RUNNABLE);
	EXPECT(ADD(TDMR_BASE, PAIR(2), PAIR(3)), ST(HPA_RANGE_NOT_FREE, OP_RCX));
	MUST(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr, .r8 = RANGE));
	EXPECT(ADD(RANGE, PAIR(2), PAIR(3)), ST(HPA_RANGE_NOT_FREE, OP_RCX));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), td.tdr, PAIR(3)), ST(PAGE_NOT_FREE, OP_RDX));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(2), td.tdr), ST(PAGE_NOT_FREE, OP_R8));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), RANGE, PAIR(3)), ST(PAGE_NOT_FREE, OP_RDX));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(0), PAIR(3)), ST(PAGE_NOT_FREE, OP_RDX));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(2), PAIR(1)), ST(PAGE_NOT_FREE, OP_R8));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(2), PAIR(2)), ST(PAGE_NOT_FREE, OP_R8));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(2), TDMR_BASE + w->available),	/* reserved */
	       ST(PAGE_NOT_FREE, OP_R8));
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(2), PAIR(3)), 0);	/* no refusal kept PAIR(2) */
	/* A pair may lie in its own range. */
	EXPECT(ADD(RANGE + 2 * LEVEL_SIZE(1), RANGE + 2 * LEVEL_SIZE(1), PAIR(4)), 0);
}

TEST_COLD(pages_need_a_pair)
{
	u64 page = RANGE + 0x5000;
	struct td td;

	boot_dynamic(w);
	EXPECT(CALL(MNG_CREATE, .rcx = page, .rdx = FIRST_KEYID + 2),
	       ST(MISSING_PAMT_PAGE_PAIR, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_NO_PAMT_PAGES);
	td_build(w, &td, KEYED);
	EXPECT(CALL(MNG_ADDCX, .rcx = page, .rdx = td.tdr), ST(MISSING_PAMT_PAGE_PAIR, OP_RCX));
	td_build(w, &td, INITED);
	EXPECT(CALL(VP_CREATE, .rcx = page, .rdx = td.tdr), ST(MISSING_PAMT_PAGE_PAIR, OP_RCX));
	td.tdvpr = new_page(w);
	MUST(CALL(VP_CREATE, .rcx = td.tdvpr, .rdx = td.tdr));
	EXPECT(CALL(VP_ADDCX, .rcx = page, .rdx = td.tdvpr), ST(MISSING_PAMT_PAGE_PAIR, OP_RCX));
	td_tables(w, &td);
	EXPECT(CALL(MEM_SEPT_ADD, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr, .r8 = page),
	       ST(MISSING_PAMT_PAGE_PAIR, OP_R8));
	EXPECT(CALL(MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr, .r8 = page, .r9 = SOURCE),
	       ST(MISSING_PAMT_PAGE_PAIR, OP_R8));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = page),
	       ST(MISSING_PAMT_PAGE_PAIR, OP_R8));
	EXPECT_VIOLATION(SOFTTDX_NO_PAMT_PAGES);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = page), ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT(ADD(RANGE, PAIR(2), PAIR(3)), 0);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = page), 0);
}

TEST_COLD(a_large_page_needs_none)
{
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1;
	struct td td;

	boot_dynamic(w);
	td_with_tables(w, &td, INITED);
	MUST(ADD(RANGE, RANGE + LEVEL_SIZE(1), PAIR(2)));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = RANGE),	/* has a pair */
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = RANGE + LEVEL_SIZE(1)),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));			/* one page of it is a pair's */
	MUST(REMOVE(RANGE));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = RANGE), 0);
}

TEST_COLD(a_page_of_a_pair_is_in_use)
{
	struct td td;

	boot_dynamic(w);
	td_with_tables(w, &td, INITED);
	MUST(ADD(RANGE, TDMR_BASE + 0x100000, PAIR(2)));
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = TDMR_BASE + 0x100000),
	       ST(PAGE_METADATA_INCORRECT, OP_R8));
	EXPECT_VIOLATION(SOFTTDX_PAGE_RESERVED);
}

TEST_COLD(pamt_remove)
{
	struct td td;
	u16 *lock;

	boot_dynamic(w);
	td_with_tables(w, &td, INITED);
	MUST(ADD(RANGE, PAIR(2), PAIR(3)));
	EXPECT(CALL(PHYMEM_PAMT_REMOVE, .rcx = RANGE), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(REMOVE(RANGE + PAGE_4K), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(REMOVE(RANGE | 1ull << PHYS_BITS), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(REMOVE(TDMR_BASE + 4 * LEVEL_SIZE(2)), ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
	EXPECT(REMOVE(RANGE + LEVEL_SIZE(1)), ST(NO_PAMT_PAGE_PAIR, OP_RCX));
	lock = &pamt_at(w->m, RANGE, 1)->lock;
	*lock = 1;
	EXPECT(REMOVE(RANGE), ST(OPERAND_BUSY, OP_RCX));
	*lock = 0;
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = RANGE));
	EXPECT(REMOVE(RANGE), ST(PAMT_PAGE_NOT_EMPTY, 0));
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr));
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = RANGE + 256 * PAGE_4K));
	EXPECT(REMOVE(RANGE), ST(PAMT_PAGE_NOT_EMPTY, 1));
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr));
	EXPECT(REMOVE(RANGE), 0);
	EXPECT_EQ(w->regs.rdx, PAIR(2));
	EXPECT_EQ(w->regs.r8, PAIR(3));
	EXPECT(REMOVE(RANGE), ST(NO_PAMT_PAGE_PAIR, OP_RCX));
	EXPECT(ADD(RANGE, PAIR(3), PAIR(2)), 0);	/* they are free again */
}

TEST_COLD(the_last_page_that_goes_back_says_so)
{
	u64 table = (GPA + LEVEL_SIZE(1)) | 1;
	struct td td;

	boot_dynamic(w);
	td_with_tables(w, &td, INITED);
	MUST(ADD(RANGE, PAIR(2), PAIR(3)));
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = RANGE));
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA + PAGE_4K, .rdx = td.tdr, .r8 = RANGE + 0x1FF000));
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr));
	EXPECT_EQ(w->regs.rcx, RANGE);
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA + PAGE_4K, .rdx = td.tdr));
	EXPECT_EQ(w->regs.rcx, (RANGE + 0x1FF000) | PAMT_REMOVAL_HINT);
	MUST(CALL(MEM_SEPT_ADD, .rcx = table, .rdx = td.tdr, .r8 = RANGE));
	MUST(CALL(MEM_SEPT_REMOVE, .rcx = table, .rdx = td.tdr));
	EXPECT_EQ(w->regs.rcx, RANGE | PAMT_REMOVAL_HINT);
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = RANGE));
	MUST(CALL(MEM_PAGE_AUG, .rcx = GPA + PAGE_4K, .rdx = td.tdr, .r8 = RANGE + PAGE_4K));
	td_end_key(w, &td);
	MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = RANGE));
	EXPECT_EQ(w->regs.r9, 0);
	MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = RANGE + PAGE_4K));
	EXPECT_EQ(w->regs.r9, PAMT_REMOVAL_HINT);
}

TEST(no_hint_with_static_pamt)
{
	struct td td;
	u64 page;

	td_with_tables(w, &td, INITED);
	page = td_aug(w, &td, GPA);
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr));
	EXPECT_EQ(w->regs.rcx, page);
}

TEST_COLD(rdmd_by_size)
{
	struct td td;

	boot_dynamic(w);
	td_build(w, &td, CREATED);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = RANGE | 3), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = (RANGE + PAGE_4K) | 1), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = td.tdr), 0);
	EXPECT_EQ(w->regs.rcx, PT_TDR);
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = TDMR_BASE | 1), 0);
	EXPECT_EQ(w->regs.rcx, PT_PAMT);
	EXPECT_EQ(w->regs.r8, 1);
	EXPECT_EQ(w->regs.r10, PAIR(0));
	EXPECT_EQ(w->regs.r11, PAIR(1));
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = PAIR(0)), 0);
	EXPECT_EQ(w->regs.rcx, PT_PAMT);
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT(CALL(PHYMEM_PAGE_RDMD, .rcx = RANGE), 0);	/* without pair: its 2M answer */
	EXPECT_EQ(w->regs.rcx, PT_NDA);
	EXPECT_EQ(w->regs.r8, 1);
}

#define DEMOTE(a, b) CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = table, .r12 = (a), .r13 = (b))

TEST_COLD(demote_takes_a_pair_and_promote_gives_it_back)
{
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1, table, key = 1ull << PHYS_BITS;
	struct td td;

	boot_dynamic(w);
	td_with_tables(w, &td, INITED);
	table = new_page(w);
	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = RANGE));
	EXPECT(DEMOTE(PAIR(2) | 1, PAIR(3)), ST(OPERAND_INVALID, OP_R12));
	EXPECT(DEMOTE(PAIR(2) | key, PAIR(3)), ST(OPERAND_INVALID, OP_R12));
	EXPECT(DEMOTE(TDMR_BASE + 4 * LEVEL_SIZE(2), PAIR(3)), ST(OPERAND_ADDR_RANGE_ERROR, OP_R12));
	EXPECT(DEMOTE(PAIR(2), PAIR(3) | 1), ST(OPERAND_INVALID, OP_R13));
	EXPECT(DEMOTE(PAIR(2), TDMR_BASE + 4 * LEVEL_SIZE(2)), ST(OPERAND_ADDR_RANGE_ERROR, OP_R13));
	EXPECT(DEMOTE(td.tdcs[0], PAIR(3)), ST(PAGE_NOT_FREE, OP_R12));
	EXPECT(DEMOTE(PAIR(0), PAIR(3)), ST(PAGE_NOT_FREE, OP_R12));
	EXPECT(DEMOTE(PAIR(2), PAIR(0)), ST(PAGE_NOT_FREE, OP_R13));
	EXPECT(DEMOTE(PAIR(2), RANGE), ST(OPERAND_BUSY, OP_R13));	/* part of the page itself */
	EXPECT(DEMOTE(PAIR(2), PAIR(3)), 0);
	EXPECT_EQ(pamt_at(w->m, RANGE, 1)->type, PT_PAMT);
	EXPECT_EQ(pamt_owner(pamt_at(w->m, RANGE + 0x1FF000, 0)), td.tdr);
	EXPECT(REMOVE(RANGE), ST(PAMT_PAGE_NOT_EMPTY, 0));
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = gpa, .rdx = td.tdr), 0);
	EXPECT_EQ(w->regs.r12, PAIR(2));
	EXPECT_EQ(w->regs.r13, PAIR(3));
	EXPECT_EQ(pamt_at(w->m, RANGE, 1)->type, PT_REG);
	EXPECT(ADD(RANGE + LEVEL_SIZE(1), PAIR(2), PAIR(3)), 0);
}

TEST_COLD(sys_config_asks_for_dynamic_pamt)
{
	u64 *infos = at(w, SHARED_BASE);
	struct tdmr_info *info;

	MUST(CALL(SYS_INIT));
	for (u32 cpu = 0; cpu < 4; cpu++)
		MUST(CALL_ON(cpu, SYS_LP_INIT));
	infos[0] = SHARED_BASE + 0x200;
	info = at(w, infos[0]);
	new_tdmr_info(w, info);
#define CONFIG(flags) CALL(SYS_CONFIG, .rcx = SHARED_BASE, .rdx = 1, .r8 = FIRST_KEYID | (flags))
	EXPECT(CONFIG(CONFIG_DYNAMIC_PAMT), ST(OPERAND_INVALID, OP_R8));	/* profile 1.5 */
	w->m->cfg.profile = softtdx_profile("1.5-latest");
	EXPECT(CONFIG(1 << 17), ST(OPERAND_INVALID, OP_R8));
	info->pamt_4k_size = 0x8000;		/* a bit for each page */
	EXPECT(CONFIG(0), ST(INVALID_PAMT, 0));
	info->pamt_4k_size = 0x7000;
	EXPECT(CONFIG(CONFIG_DYNAMIC_PAMT), ST(INVALID_PAMT, 0));
	info->pamt_4k_size = 0x8000;
	EXPECT(CONFIG(CONFIG_DYNAMIC_PAMT), 0);
}

TEST_COLD(profiles_announce)
{
#define FIELD(id) (CALL(SYS_RD, .rdx = (id)) ? ~0ull : w->regs.r8)
	MUST(CALL(SYS_INIT));
	MUST(CALL(SYS_LP_INIT));
	EXPECT_EQ(softtdx_profile("1.6") == NULL, true);
	EXPECT_EQ(FIELD(MD_MAJOR_VERSION), 1);
	EXPECT_EQ(FIELD(MD_FEATURES0), 0x140000);
	EXPECT_EQ(FIELD(MD_PAMT_PAGE_BITMAP_ENTRY_BITS), ~0ull);
	MUST(CALL(SYS_RD, .rdx = MD_PAMT_1G_ENTRY_SIZE));
	EXPECT_EQ(w->regs.rdx, MD_TDR_BASE_SIZE);
	w->m->cfg.profile = softtdx_profile("1.5-latest");
	EXPECT_EQ(FIELD(MD_MINOR_VERSION), 5);
	EXPECT_EQ(FIELD(MD_FEATURES0), 0x8001000140000);
	EXPECT_EQ(FIELD(MD_PAMT_PAGE_BITMAP_ENTRY_BITS), 1);
	MUST(CALL(SYS_RD, .rdx = MD_PAMT_1G_ENTRY_SIZE));
	EXPECT_EQ(w->regs.rdx, MD_PAMT_PAGE_BITMAP_ENTRY_BITS);
	w->m->cfg.profile = softtdx_profile("2.0");
	EXPECT_EQ(FIELD(MD_MAJOR_VERSION), 2);
	EXPECT_EQ(FIELD(MD_MINOR_VERSION), 0);
}

TEST_COLD(demote_is_not_interrupted_where_that_is_announced)
{
	u64 gpa = (GPA + LEVEL_SIZE(1)) | 1;
	struct td td;

	boot(w, "1.5-latest", 0);
	td_with_tables(w, &td, INITED);
	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td.tdr, .r8 = RANGE));
	w->m->interrupts = 1;
	EXPECT(CALL(MEM_PAGE_DEMOTE, .rcx = gpa, .rdx = td.tdr, .r8 = new_page(w)), 0);
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = gpa, .rdx = td.tdr), ST0(INTERRUPTED_RESTARTABLE));
	EXPECT(CALL(MEM_PAGE_PROMOTE, .rcx = gpa, .rdx = td.tdr), 0);
}
