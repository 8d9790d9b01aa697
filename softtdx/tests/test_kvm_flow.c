// SPDX-License-Identifier: GPL-2.0-only
/* The calls in the order in which KVM makes them: no violation. */
#include "test.h"

#define NR_ADDED 8
#define NR_AUGMENTED 8

static void add_and_measure(struct world *w, struct td *td)
{
	for (u64 gpa = GPA; gpa < GPA + NR_ADDED * PAGE_4K; gpa += PAGE_4K) {
		td_add(w, td, gpa);
		for (u64 i = 0; i < PAGE_4K; i += 256)
			MUST(CALL(MR_EXTEND, .rcx = gpa + i, .rdx = td->tdr));
	}
}

/* A hole punched into the TD's memory, as the kernel does it page by page. */
static void zap(struct world *w, struct td *td, u64 gpa)
{
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = gpa, .rdx = td->tdr));
	MUST(CALL(MEM_TRACK, .rcx = td->tdr));
	MUST(CALL(MEM_PAGE_REMOVE, .rcx = gpa, .rdx = td->tdr));
	MUST(CALL(PHYMEM_PAGE_WBINVD, .rcx = w->regs.rcx | td->keyid << PHYS_BITS));
}

static void build(struct world *w, struct td *td)
{
	td_build(w, td, WITH_VCPU);
	MUST(CALL(VP_WR, .rcx = td->tdvpr, .rdx = MD_VP_POSTED_INTR_NV, .r8 = 0xF2,
		  .r9 = 0xFFFF));
	td_tables(w, td);
	add_and_measure(w, td);
	MUST(CALL(MR_FINALIZE, .rcx = td->tdr));
	for (u64 i = NR_ADDED; i < NR_ADDED + NR_AUGMENTED; i++)
		td_aug(w, td, GPA + i * PAGE_4K);
}

static void release_key(struct world *w, struct td *td)
{
	MUST(CALL(VP_FLUSH, .rcx = td->tdvpr));
	td_end_key(w, td);
}

static void reclaim_all(struct world *w, struct td *td)
{
	for (int i = 0; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td->tdvpr + (u64)i * PAGE_4K));
	for (int i = 0; i < 3; i++)
		MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td->table[i]));
	for (int i = 0; i < TDCS_PAGES_MIN; i++)
		MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td->tdcs[i]));
	MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td->tdr));
	MUST(CALL(PHYMEM_PAGE_WBINVD, .rcx = td->tdr | td->keyid << PHYS_BITS));
}

static void expect_all_free(struct world *w)
{
	struct pamt_entry *e;
	u64 hpa = 0, used = 0;
	int level;

	for (; (e = pamt_next(w->m, &hpa, &level)); hpa += LEVEL_SIZE(level))
		used += e->type != PT_NDA;
	EXPECT_EQ(used, 0);
	for (int i = 1; i < NR_KEYIDS; i++)
		EXPECT_EQ(w->m->keyids[i].state, KEYID_FREE);
}

TEST(life_of_a_td)
{
	u64 first = w->next_page;
	struct td td;

	for (int round = 0; round < 200; round++) {
		w->next_page = first;		/* the kernel reuses its pages at once */
		build(w, &td);
		for (u64 i = 0; i < NR_ADDED + NR_AUGMENTED; i++)
			zap(w, &td, GPA + i * PAGE_4K);
		release_key(w, &td);
		reclaim_all(w, &td);
	}
	EXPECT_EQ(w->nr_reports, 0);
	expect_all_free(w);
}

/*
 * A kernel that forgets to zap: its memory goes back to the allocator with the module still
 * holding it, and meets the next TD.
 */
TEST(memory_left_in_the_sept)
{
	struct td td, next;
	u64 page;

	build(w, &td);
	page = w->next_page - PAGE_4K;		/* the last one added */
	for (u64 i = 0; i < NR_ADDED + NR_AUGMENTED - 1; i++)
		zap(w, &td, GPA + i * PAGE_4K);
	release_key(w, &td);
	for (int i = 0; i < 3; i++)
		MUST(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.table[i]));
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdr), ST0(TD_ASSOCIATED_PAGES_EXIST));
	EXPECT_VIOLATION(SOFTTDX_LEFT_BEHIND);
	td_build(w, &next, INITED);
	EXPECT(CALL(VP_CREATE, .rcx = page, .rdx = next.tdr), ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_PAGE_IN_USE);
	EXPECT_EQ(w->reports[w->nr_reports - 1].owner, td.tdr);
	EXPECT_EQ(w->reports[w->nr_reports - 1].page_type, PT_REG);
	EXPECT_EQ(softtdx_reset(w->m, td.tdr, false), 1 + 6 + 6 + 1);
	EXPECT(CALL(VP_CREATE, .rcx = page, .rdx = next.tdr), 0);
}

/* OPERAND_BUSY on each call that KVM retries: the second attempt succeeds, nothing is lost. */
TEST(busy_once_everywhere)
{
	static const u16 retried[] = { TDH_MEM_PAGE_ADD, TDH_MEM_SEPT_ADD, TDH_MEM_PAGE_AUG,
				       TDH_MEM_RANGE_BLOCK, TDH_MEM_TRACK, TDH_MEM_PAGE_REMOVE };
	struct softtdx_rule rule = { .count = 1, .status = ST(OPERAND_BUSY, OP_SEPT_TREE) };
	u64 page = new_page(w);
	struct td td;

	build(w, &td);
	zap(w, &td, GPA);
	for (u32 i = 0; i < ARRAY_SIZE(retried); i++) {
		rule.leaf = retried[i];
		EXPECT_EQ(softtdx_add_rule(w->m, &rule) >= 0, true);
	}
#define TWICE(id, ...) do {							\
		EXPECT(CALL(id, __VA_ARGS__), ST(OPERAND_BUSY, OP_SEPT_TREE));	\
		EXPECT(CALL(id, __VA_ARGS__), 0);				\
	} while (0)
	TWICE(MEM_PAGE_AUG, .rcx = GPA, .rdx = td.tdr, .r8 = page);
	TWICE(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr);
	TWICE(MEM_TRACK, .rcx = td.tdr);
	TWICE(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td.tdr);
	TWICE(MEM_SEPT_ADD, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr, .r8 = page);
#undef TWICE
	EXPECT_EQ(w->nr_reports, 0);
}
