// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checks that leaves share, tried on every leaf that has them; each leaf in a world of its
 * own, so that the test's stays cold: worlds share their memory.
 */
#include <stdio.h>

#include "ready_call.h"
#include "test.h"

struct fixture {
	struct world *w;
	struct td td;
	struct softtdx_regs regs;
	const struct ready_call *r;
};

static void fixture(struct fixture *f, u32 i)
{
	f->w = world_ready(0x1000000);
	f->r = &ready_calls[i];
	ready(f->w, f->r, &f->td, &f->regs);
}

static u64 call(struct fixture *f)
{
	return world_call(f->w, f->r->leaf, f->regs);
}

static u64 *operand(struct fixture *f, const struct page_operand *p)
{
	return (u64 *)&f->regs + p->reg;
}

static void expect(struct fixture *f, u64 wanted, const char *what)
{
	u64 seen = call(f);

	if (seen != wanted)
		printf("# %s:\n", softtdx_leaf_name(f->r->leaf));
	expect_status(seen, wanted, what, __FILE__, __LINE__);
}

/* The end of each check: the leaf still works, and nothing is inconsistent. */
static void finish(struct fixture *f)
{
	const char *broken;
	u64 where;

	broken = softtdx_check(f->w->m, &where);
	if (broken)
		printf("# %s: %s at %#llx\n", softtdx_leaf_name(f->r->leaf), broken,
		       (unsigned long long)where);
	expect_eq(broken == NULL, true, "invariants", __FILE__, __LINE__);
	world_free(f->w);
}

#define FOR_EACH_CALL(f) \
	for (u32 i_ = 0; i_ < nr_ready_calls && (fixture(f, i_), true); finish(f), i_++)
#define FOR_EACH_PAGE(p, f) \
	for (const struct page_operand *p = (f)->r->pages; p < (f)->r->pages + 3; p++) \
		if (p->reg != 0xFF)

TEST_COLD(every_leaf_succeeds)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		u64 wanted = f.r->leaf == TDH_VP_ENTER ? 77 : 0;

		expect(&f, wanted, "success");
	}
}

TEST_COLD(page_operand_is_checked)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		FOR_EACH_PAGE(p, &f) {
			u64 good = *operand(&f, p);

			*operand(&f, p) = good | 0x80;
			expect(&f, ST(OPERAND_INVALID, p->op), "not aligned");
			*operand(&f, p) = good | 1ull << PHYS_BITS;
			expect(&f, ST(OPERAND_INVALID, p->op), "KeyID in the address");
			*operand(&f, p) = SHARED_BASE;
			expect(&f, ST(OPERAND_ADDR_RANGE_ERROR, p->op), "outside the TDMRs");
			*operand(&f, p) = p->type == PT_NDA ? f.td.tdcs[1] : new_page(f.w);
			if (*operand(&f, p))
				expect(&f, ST(PAGE_METADATA_INCORRECT, p->op), "page type");
			*operand(&f, p) = good;
		}
		expect(&f, f.r->leaf == TDH_VP_ENTER ? 77 : 0, "success after all");
	}
}

TEST_COLD(page_operand_conflicts)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		FOR_EACH_PAGE(p, &f) {
			for (int level = 0; level < 3; level++) {
				struct pamt_entry *e = pamt_at(f.w->m, *operand(&f, p), level);

				e->lock = LOCK_EXCLUSIVE;
				if (level == 0)
					expect(&f, ST(OPERAND_BUSY, p->op), "page locked");
				else
					expect_eq(call(&f) & ~0xFFFFFFFFull, ST0(OPERAND_BUSY),
						  "region locked", __FILE__, __LINE__);
				e->lock = 0;
			}
		}
	}
}

/* A shared lock elsewhere conflicts with leaves that need the TDR alone, and only with those. */
TEST_COLD(tdr_locked_shared)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		FOR_EACH_PAGE(p, &f) {
			u16 leaf = f.r->leaf, *lock = &pamt_at(f.w->m, f.td.tdr, 0)->lock;
			bool alone = leaf == TDH_MNG_KEY_CONFIG || leaf == TDH_MNG_ADDCX ||
				     leaf == TDH_MNG_INIT || leaf == TDH_MNG_VPFLUSHDONE ||
				     leaf == TDH_MNG_KEY_FREEID || leaf == TDH_MEM_PAGE_ADD ||
				     leaf == TDH_MR_EXTEND || leaf == TDH_MR_FINALIZE;

			if (p->type != PT_TDR)
				continue;
			*lock = 1;
			expect(&f, alone ? ST(OPERAND_BUSY, p->op) : 0, "TDR in use");
			*lock = 0;
		}
	}
}

TEST_COLD(tdr_of_vcpu_conflicts)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		FOR_EACH_PAGE(p, &f) {
			u16 *lock = &pamt_at(f.w->m, f.td.tdr, 0)->lock;

			if (p->type != PT_TDVPR)
				continue;
			*lock = LOCK_EXCLUSIVE;
			expect(&f, ST(OPERAND_BUSY, OP_TDR), "TDR of the vCPU");
			*lock = 0;
		}
	}
}

TEST_COLD(td_state_is_checked)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		struct tdr *tdr = tdr_of(f.w, &f.td);

		if (!f.r->states)
			continue;
		tdr->fatal = 1;
		expect(&f, ST0(TD_FATAL), "fatal TD");
		tdr->fatal = 0;
		tdr->lifecycle = TD_BLOCKED;
		expect(&f, ST0(TD_KEYS_NOT_CONFIGURED), "no keys");
		tdr->lifecycle = TD_KEYS_CONFIGURED;
		tdr->nr_tdcx = 5;
		expect(&f, ST0(TDCS_NOT_ALLOCATED), "TDCS incomplete");
		tdr->nr_tdcx = 6;
		expect(&f, f.r->leaf == TDH_VP_ENTER ? 77 : 0, "success after all");
	}
}

TEST_COLD(op_state_is_checked)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		struct tdcs *tdcs = tdcs_of(f.w, &f.td);
		u8 right = f.r->states ? tdcs->op_state : 0;

		if (!f.r->states)
			continue;
		for (u8 state = OP_UNINIT; state <= OP_RUNNABLE; state++) {
			if (f.r->states & 1 << state)
				continue;
			tdcs->op_state = state;
			expect(&f, ST0(OP_STATE_INCORRECT), "op-state");
		}
		tdcs->op_state = right;
	}
}

TEST_COLD(op_state_lock_conflicts)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		u16 leaf = f.r->leaf;
		struct tdcs *tdcs;

		/* Those that have the TDR to themselves do not need it. */
		if (!f.r->states || leaf == TDH_MNG_INIT || leaf == TDH_MEM_PAGE_ADD ||
		    leaf == TDH_MR_EXTEND || leaf == TDH_MR_FINALIZE)
			continue;
		tdcs = tdcs_of(f.w, &f.td);
		tdcs->op_lock = LOCK_EXCLUSIVE;
		expect(&f, ST(OPERAND_BUSY, OP_OP_STATE), "op-state locked");
		tdcs->op_lock = 0;
	}
}

static u64 *entry_at(struct fixture *f)
{
	u64 table = f->regs.rcx & 7 ? f->td.table[1] : f->td.table[2];
	int level = f->regs.rcx & 7 ? 1 : 0;

	return (u64 *)at(f->w, table) + (f->regs.rcx >> LEVEL_SHIFT(level) & 511);
}

TEST_COLD(sept_locks_conflict)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		u16 leaf = f.r->leaf;
		bool exclusive = leaf == TDH_MEM_RANGE_BLOCK || leaf == TDH_MEM_RANGE_UNBLOCK ||
				 leaf == TDH_MEM_SEPT_REMOVE;
		struct tdcs *tdcs;
		u64 *entry;

		if (!f.r->tree)
			continue;
		tdcs = tdcs_of(f.w, &f.td);
		tdcs->sept_lock = LOCK_EXCLUSIVE;
		expect(&f, ST(OPERAND_BUSY, OP_SEPT_TREE), "tree locked");
		tdcs->sept_lock = 0;
		entry = entry_at(&f);
		*entry |= SEPT_LOCK;
		expect(&f, ST(OPERAND_BUSY, OP_RCX), "entry locked");
		EXPECT_EQ(*entry & SEPT_LOCK, SEPT_LOCK);
		*entry &= ~SEPT_LOCK;
		tdcs->sept_lock = 1;
		expect(&f, exclusive ? ST(OPERAND_BUSY, OP_SEPT_TREE) : 0, "tree in use");
		tdcs->sept_lock = 0;
	}
}

TEST_COLD(gpa_operand_is_checked)
{
	static const struct { u64 or; const char *what; } wrong[] = {
		{ 0x10, "reserved bit" }, { 1ull << 47, "shared bit" }, { 1ull << 51, "width" },
		{ 1ull << 63, "above the physical width" }, { 7, "level" },
		{ 0x1000 | 1, "alignment" },
	};
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		u64 good = f.regs.rcx;
		u16 leaf = f.r->leaf;
		bool any_offset = leaf == TDH_MEM_RD || leaf == TDH_MEM_WR ||
				  leaf == TDH_MR_EXTEND;

		if (!f.r->tree && leaf != TDH_MEM_PAGE_ADD && leaf != TDH_MR_EXTEND)
			continue;
		for (int i = 0; i < 6; i++) {
			if (any_offset && (i == 0 || i > 3))
				continue;
			f.regs.rcx = good | wrong[i].or;
			expect(&f, ST(OPERAND_INVALID, OP_RCX), wrong[i].what);
		}
	}
}

TEST_COLD(walk_fails_above_the_level)
{
	struct fixture f;

	(void)w;
	FOR_EACH_CALL(&f) {
		u16 leaf = f.r->leaf;
		bool to_leaf = leaf == TDH_MEM_RD || leaf == TDH_MEM_WR || leaf == TDH_MR_EXTEND;

		if (!f.r->tree && leaf != TDH_MEM_PAGE_ADD && leaf != TDH_MR_EXTEND)
			continue;
		f.regs.rcx += LEVEL_SIZE(2);
		expect(&f, to_leaf ? ST(EPT_ENTRY_NOT_PRESENT, OP_RCX) :
				     ST(EPT_WALK_FAILED, OP_RCX), "no table");
		EXPECT_EQ(f.w->regs.rcx, SEPT_FREE_ENTRY);
		EXPECT_EQ(f.w->regs.rdx, 2);
	}
}

TEST(leaf_number_and_version)
{
	struct td td;

	td_build(w, &td, CREATED);
	EXPECT(world_call(w, 1ull << 24 | TDH_MNG_KEY_CONFIG, (struct softtdx_regs){ 0 }),
	       ST(OPERAND_INVALID, OP_RAX));
	EXPECT(world_call(w, 1ull << 16 | TDH_MNG_KEY_CONFIG,
			  (struct softtdx_regs){ .rcx = td.tdr }), ST(OPERAND_INVALID, OP_RAX));
	EXPECT(CALL(PHYMEM_PAMT_ADD), ST(OPERAND_INVALID, OP_RAX));
	EXPECT_VIOLATION(SOFTTDX_UNKNOWN_LEAF);
	EXPECT_EQ(w->reports[w->nr_reports - 1].leaf, TDH_PHYMEM_PAMT_ADD);
	EXPECT(world_call(w, 999, (struct softtdx_regs){ 0 }), ST(OPERAND_INVALID, OP_RAX));
	EXPECT(world_call(w, 1ull << 63, (struct softtdx_regs){ 0 }), ST(OPERAND_INVALID, OP_RAX));
	EXPECT_VIOLATION(SOFTTDX_UNKNOWN_LEAF);
	EXPECT_EQ(softtdx_counters(w->m, 999)[1].count, 1);
}

TEST(vp_init_version_1)
{
	struct td td;
	struct softtdx_regs regs;

	for (u32 i = 0; i < nr_ready_calls; i++)
		if (ready_calls[i].leaf == TDH_VP_INIT)
			ready(w, &ready_calls[i], &td, &regs);
	EXPECT(world_call(w, 2ull << 16 | TDH_VP_INIT, regs), ST(OPERAND_INVALID, OP_RAX));
	EXPECT(world_call(w, 1ull << 16 | TDH_VP_INIT, regs), 0);
}
