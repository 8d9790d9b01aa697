// SPDX-License-Identifier: GPL-2.0-only
/* Fault injection, journal, counters, the views of a TD, reset, and the check of invariants itself. */
#include "test.h"

TEST(injection_by_leaf_and_count)
{
	struct softtdx_rule rule = { .leaf = TDH_MEM_TRACK, .skip = 1, .count = 2,
				     .status = ST(OPERAND_BUSY, OP_TD_EPOCH) };
	struct td td;
	int slot;

	td_build(w, &td, RUNNABLE);
	slot = softtdx_add_rule(w->m, &rule);
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), 0);
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr, .rdx = 9), ST(OPERAND_BUSY, OP_TD_EPOCH));
	EXPECT_EQ(w->regs.rcx | w->regs.rdx, 0);	/* no stale operands in the outputs */
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TD_TSC_OFFSET), 0);
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), ST(OPERAND_BUSY, OP_TD_EPOCH));
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), 0);
	EXPECT_EQ(w->m->rules[slot].hits, 2);
	EXPECT_EQ(tdcs_of(w, &td)->epoch, 3);
}

TEST(injection_by_td_and_gpa)
{
	struct softtdx_rule rule = { .leaf = TDH_MEM_PAGE_AUG, .count = 9, .match_gpa = true,
				     .gpa = GPA + 0x1000, .match_tdr = true,
				     .status = ST(OPERAND_BUSY, OP_RCX) };
	struct td td, other;

	td_with_tables(w, &td, RUNNABLE);
	td_with_tables(w, &other, RUNNABLE);
	rule.tdr = td.tdr;
	softtdx_add_rule(w->m, &rule);
	td_aug(w, &other, GPA + 0x1000);
	td_aug(w, &td, GPA);
	EXPECT(CALL(MEM_PAGE_AUG, .rcx = GPA + 0x1000, .rdx = td.tdr, .r8 = new_page(w)),
	       ST(OPERAND_BUSY, OP_RCX));
	softtdx_clear_rules(w->m);
	td_aug(w, &td, GPA + 0x1000);
}

TEST(injection_by_td_of_a_vcpu)
{
	struct softtdx_rule rule = { .leaf = TDH_VP_RD, .count = 1, .match_tdr = true,
				     .status = ST0(VCPU_ASSOCIATED) };
	struct td td, other;

	td_build(w, &td, WITH_VCPU);
	td_build(w, &other, WITH_VCPU);
	rule.tdr = td.tdr;
	softtdx_add_rule(w->m, &rule);
	rule.leaf = TDH_VP_ADDCX;
	softtdx_add_rule(w->m, &rule);
	rule.leaf = TDH_SYS_RD;
	softtdx_add_rule(w->m, &rule);
	EXPECT(CALL(VP_RD, .rcx = other.tdvpr, .rdx = MD_VP_PIN_BASED), 0);
	EXPECT(CALL(VP_RD, .rcx = 1, .rdx = MD_VP_PIN_BASED), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED), ST0(VCPU_ASSOCIATED));
	EXPECT(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED), 0);
	EXPECT(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = td.tdvpr), ST0(VCPU_ASSOCIATED));
	EXPECT(CALL(SYS_RD, .rdx = MD_MAX_TDMRS), 0);
}

TEST(injection_of_entropy_and_delay)
{
	struct softtdx_rule rule = { .leaf = TDH_MNG_CREATE, .count = 1,
				     .status = ST0(RND_NO_ENTROPY) };
	struct td td;

	softtdx_add_rule(w->m, &rule);
	rule.status = 0;
	rule.count = 2;
	rule.delay_usecs = 50;
	softtdx_add_rule(w->m, &rule);
	EXPECT(CALL(MNG_CREATE, .rcx = new_page(w), .rdx = 3), ST0(RND_NO_ENTROPY));
	EXPECT_EQ(w->delayed, 0);
	td_build(w, &td, INITED);
	EXPECT_EQ(w->delayed, 50);
}

TEST(injection_slots_run_out)
{
	struct softtdx_rule rule = { .leaf = TDH_MNG_CREATE, .count = 1 };

	for (int i = 0; i < SOFTTDX_RULES; i++)
		EXPECT_EQ(softtdx_add_rule(w->m, &rule), (u64)i);
	EXPECT_EQ(softtdx_add_rule(w->m, &rule), (u64)-1);
}

TEST(journal_and_counters)
{
	struct softtdx_record r;
	const struct softtdx_counter *counter;
	struct td td;
	u64 seq = 0, last = 0;

	td_build(w, &td, INITED);
	softtdx_clear_counters(w->m);
	EXPECT(CALL_ON(3, MNG_RD, .rcx = td.tdr, .rdx = MD_TD_TSC_MULTIPLIER), 0);
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = 9), ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = 9), ST0(METADATA_FIELD_ID_INCORRECT));
	counter = softtdx_counters(w->m, TDH_MNG_RD);
	EXPECT_EQ(counter[0].count, 1);
	EXPECT_EQ(counter[1].status, ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT_EQ(counter[1].count, 2);
	EXPECT_EQ(counter[2].count, 0);
	while (softtdx_next_record(w->m, &seq, &r)) {
		EXPECT_EQ(r.seq, last + 1);
		last = r.seq;
		if (r.cpu != 3 || r.rax != TDH_MNG_RD)
			continue;
		EXPECT_EQ(r.in[0], td.tdr);
		EXPECT_EQ(r.in[1], MD_TD_TSC_MULTIPLIER);
		EXPECT_EQ(r.out[2], 1ull << 48);
		EXPECT_EQ(r.status, 0);
		EXPECT_EQ(r.injected, 0);
	}
	EXPECT_EQ(last, w->m->journal_next);
}

TEST(journal_is_a_ring)
{
	struct softtdx_record r;
	u64 seq = 0, records = 0, first = 0;

	for (int i = 0; i < 2000; i++)
		CALL(PHYMEM_PAGE_RDMD, .rcx = TDMR_BASE);
	for (; softtdx_next_record(w->m, &seq, &r); records++)
		first = first ? first : r.seq;
	EXPECT_EQ(records, SOFTTDX_JOURNAL);
	EXPECT_EQ(first, w->m->journal_next - SOFTTDX_JOURNAL + 1);
}

/* More different statuses than slots: the last slot takes them all. */
TEST(counters_overflow)
{
	const struct softtdx_counter *counter = softtdx_counters(w->m, TDH_MEM_RD);

	for (u64 status = 1; status < 40; status++)
		count(w->m, TDH_MEM_RD, status);
	EXPECT_EQ(counter[1].status, 1);
	EXPECT_EQ(counter[SOFTTDX_COUNTERS - 1].status, ~0ull);
	EXPECT_EQ(counter[SOFTTDX_COUNTERS - 1].count, 39 - (SOFTTDX_COUNTERS - 2));
}

TEST(td_views)
{
	struct softtdx_td_info info;
	struct td td, second;
	u32 pos = 0;

	td_with_page(w, &td);
	td_build(w, &second, CREATED);
	EXPECT_EQ(softtdx_next_td(w->m, &pos, &info), true);
	EXPECT_EQ(info.tdr, td.tdr);
	EXPECT_EQ(info.keyid, td.keyid);
	EXPECT_EQ(strcmp(info.lifecycle, "KEYS_CONFIGURED"), 0);
	EXPECT_EQ(strcmp(info.op_state, "RUNNABLE"), 0);
	EXPECT_EQ(info.nr_tdcx, 6 + 5);
	EXPECT_EQ(info.nr_tdvpr, 1);
	EXPECT_EQ(info.nr_sept, 3);
	EXPECT_EQ(info.nr_guest, 1);
	EXPECT_EQ(info.chldcnt, 16);
	EXPECT_EQ(info.nr_vcpus, 1);
	EXPECT_EQ(memcmp(info.mrtd, tdcs_of(w, &td)->mrtd, 48), 0);
	EXPECT_EQ(softtdx_next_td(w->m, &pos, &info), true);
	EXPECT_EQ(info.tdr, second.tdr);
	EXPECT_EQ(strcmp(info.op_state, "-"), 0);
	EXPECT_EQ(softtdx_next_td(w->m, &pos, &info), false);
}

TEST(sept_view)
{
	static const struct { u64 gpa; u32 level; const char *state; } wanted[] = {
		{ 0, 3, "NL_MAPPED" }, { GPA, 2, "NL_MAPPED" }, { GPA, 1, "NL_MAPPED" },
		{ GPA, 0, "PENDING" }, { GPA + 0x1FF000, 0, "PENDING_BLOCKED" },
		{ GPA + LEVEL_SIZE(1), 1, "PENDING" }, { LEVEL_SIZE(3) * 3, 3, "NL_BLOCKED" },
	};
	struct softtdx_sept_info info;
	struct td td;
	u64 pos = 0;
	u32 i = 0;

	td_with_page(w, &td);
	td_aug(w, &td, GPA + 0x1FF000);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA + 0x1FF000, .rdx = td.tdr));
	MUST(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr,
		  .r8 = new_large_page(w)));
	MUST(CALL(MEM_SEPT_ADD, .rcx = (LEVEL_SIZE(3) * 3) | 3, .rdx = td.tdr,
		  .r8 = new_page(w)));
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = (LEVEL_SIZE(3) * 3) | 3, .rdx = td.tdr));
	for (; softtdx_next_sept(w->m, td.tdr, &pos, &info); i++) {
		EXPECT_EQ(info.gpa, wanted[i].gpa);
		EXPECT_EQ(info.level, wanted[i].level);
		EXPECT_EQ(strcmp(info.state, wanted[i].state), 0);
		EXPECT_EQ(info.hpa != 0, true);
	}
	EXPECT_EQ(i, 7);
	pos = 0;
	EXPECT_EQ(softtdx_next_sept(w->m, td.tdcs[0], &pos, &info), false);
}

TEST(no_sept_view_of_a_young_or_dead_td)
{
	struct softtdx_sept_info info;
	struct td td;
	u64 pos = 0;

	td_build(w, &td, TDCS);
	EXPECT_EQ(softtdx_next_sept(w->m, td.tdr, &pos, &info), false);
	td_end_key(w, &td);
	EXPECT_EQ(softtdx_next_sept(w->m, td.tdr, &pos, &info), false);
}

TEST(reset_of_dead_tds)
{
	struct td dead, live;
	u64 page;

	td_build(w, &live, RUNNABLE);
	page = td_with_page(w, &dead);
	MUST(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = dead.tdr,
		  .r8 = new_large_page(w)));
	EXPECT_EQ(softtdx_reset(w->m, 0, false), 0);
	EXPECT_EQ(softtdx_reset(w->m, 0, true), 0);	/* force needs a TD */
	MUST(CALL(VP_FLUSH, .rcx = dead.tdvpr));
	td_end_key(w, &dead);
	memset(at(w, page), 0x33, PAGE_4K);		/* the kernel uses it already */
	EXPECT_EQ(softtdx_reset(w->m, 0, false), 1 + 6 + 6 + 3 + 1 + 512);
	EXPECT_EQ(*(u8 *)at(w, page), 0x33);
	EXPECT(CALL(MNG_CREATE, .rcx = page, .rdx = dead.keyid), 0);
	EXPECT_EQ(softtdx_reset(w->m, live.tdr, true), 1 + 6 + 6);
	EXPECT_EQ(keyid_entry(w->m, live.keyid)->state, KEYID_FREE);
	EXPECT(CALL(MEM_TRACK, .rcx = live.tdr), ST(PAGE_METADATA_INCORRECT, OP_RCX));
}

TEST(more_tds_than_the_list_holds)
{
	u64 before;

	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		w->m->tds[i] = 1;
	before = new_page(w);
	EXPECT(CALL(MNG_CREATE, .rcx = before, .rdx = 3), 0);
	memset(w->m->tds, 0, sizeof(w->m->tds));
	w->m->tds[0] = before;
}

TEST(names)
{
	EXPECT_EQ(strcmp(softtdx_leaf_name(TDH_MEM_PAGE_AUG), "TDH.MEM.PAGE.AUG"), 0);
	EXPECT_EQ(strcmp(softtdx_leaf_name(58), "TDH.PHYMEM.PAMT.ADD"), 0);
	EXPECT_EQ(strcmp(softtdx_leaf_name(200), "unknown leaf"), 0);
	EXPECT_EQ(strcmp(softtdx_status_name(0x8000020000000092), "OPERAND_BUSY"), 0);
	EXPECT_EQ(strcmp(softtdx_status_name(0x1234567800000000), "unknown status"), 0);
	for (int i = 0; i < SOFTTDX_VIOLATIONS; i++)
		EXPECT_EQ(strlen(softtdx_violation_name(i)) > 5, true);
	EXPECT_EQ(strcmp(softtdx_violation_name(SOFTTDX_VIOLATIONS), "?"), 0);
	EXPECT_EQ(strcmp(sept_state_name(0), "?"), 0);
	for (int state = 1; state <= SEPT_PENDING_BLOCKED; state <<= 1)
		EXPECT_EQ(strlen(sept_state_name(state)) > 3, true);
	(void)w;
}

/* Each kind of damage is seen; undone, all is well again. */
TEST(invariants_see_damage)
{
	struct td td;
	u64 page, blocked, table, spare = new_page(w), where, *entry;
	struct tdr *tdr;
	struct tdcs *tdcs;
	struct tdvps *vps;

	page = td_with_page(w, &td);
	blocked = td_aug(w, &td, GPA + 7 * PAGE_4K);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA + 7 * PAGE_4K, .rdx = td.tdr));
	MUST(CALL(MEM_PAGE_AUG, .rcx = (GPA + LEVEL_SIZE(1)) | 1, .rdx = td.tdr,
		  .r8 = new_large_page(w)));
	tdr = tdr_of(w, &td);
	tdcs = tdcs_of(w, &td);
	vps = at(w, td.tdvpr);
	table = td.table[2];
	entry = at(w, table);
#define DAMAGE(place, value) do {						\
		__typeof__(place) saved_ = (place);				\
		(place) = (value);						\
		EXPECT_EQ(softtdx_check(w->m, &where) != NULL, true);		\
		(place) = saved_;						\
		EXPECT_EQ(softtdx_check(w->m, &where) == NULL, true);		\
	} while (0)
	DAMAGE(tdr->chldcnt, tdr->chldcnt + 1);
	DAMAGE(tdr->pages[PT_REG], 7);
	DAMAGE(tdr->keyid, FIRST_KEYID + 5);
	DAMAGE(tdr->lifecycle, TD_BLOCKED);
	DAMAGE(pamt_at(w->m, page, 0)->type, PT_NDA);
	DAMAGE(pamt_at(w->m, page, 0)->type, PT_EPT);
	DAMAGE(pamt_at(w->m, page, 0)->type, 2);
	DAMAGE(pamt_at(w->m, page, 0)->owner_low, 5);
	DAMAGE(pamt_at(w->m, page, 0)->lock, 1);
	DAMAGE(pamt_at(w->m, blocked, 0)->bepoch, 100);
	DAMAGE(pamt_at(w->m, blocked, 0)->bepoch, 0);
	DAMAGE(pamt_at(w->m, table, 0)->type, PT_TDCX);
	DAMAGE(pamt_at(w->m, spare, 0)->type, PT_TDR);
	DAMAGE(pamt_at(w->m, w->next_page - LEVEL_SIZE(1), 0)->type, PT_REG);
	DAMAGE(w->m->tds[0], 0);
	DAMAGE(w->m->kot_lock, 1);
	DAMAGE(w->m->keyids[4].state, KEYID_ASSIGNED);
	DAMAGE(tdcs->sept_lock, 1);
	DAMAGE(tdcs->epoch, 0);
	DAMAGE(tdcs->nr_assoc, 0);
	DAMAGE(tdcs->nr_vcpus, 2);
	DAMAGE(tdcs->inside[0], 1);
	DAMAGE(vps->nr_pages, 5);
	DAMAGE(entry[0], SEPT_FREE_ENTRY);
	DAMAGE(entry[0], entry[0] | SEPT_LOCK);
	DAMAGE(entry[0], entry[0] | 7);
	DAMAGE(entry[0], entry[0] & ~SEPT_IPAT);
	DAMAGE(entry[0], entry[0] | SEPT_BLOCKED);
	DAMAGE(entry[0], SEPT_SUPPRESS_VE | table | 7);
	DAMAGE(entry[1], 0);
#undef DAMAGE
}
