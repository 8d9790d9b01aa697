// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "random_calls.h"

#define POOL_PAGES 160
#define PAIR_PAGES 10
#define LARGE_PAGE (TDMR_BASE + LEVEL_SIZE(1))
#define NR_RANGES (RANDOM_AVAILABLE / LEVEL_SIZE(1))

static u64 pool_page(u64 i)
{
	return TDMR_BASE + i * PAGE_4K;
}

static u8 type_of(struct world *w, u64 hpa)
{
	const struct pamt_entry *e = pamt_at(w->m, hpa, 0);

	return e ? e->type : PT_NDA;
}

/* The 2M that begin there have a pair of PAMT pages. */
static bool has_pair(struct world *w, u64 range)
{
	return pamt_at(w->m, range, 1)->type == PT_PAMT;
}

/* A page of the wanted type if there is one, from a random place on. */
static u64 page_of_type(struct world *w, struct source *s, enum page_type type)
{
	u64 start = s->below(s, POOL_PAGES);

	for (u64 i = 0; i < POOL_PAGES; i++)
		if (type_of(w, pool_page((start + i) % POOL_PAGES)) == type)
			return pool_page((start + i) % POOL_PAGES);
	return pool_page(start);
}

/* A TD, rather one that has its keys: the others have little left to do. */
static u64 td_page_of(struct world *w, struct source *s)
{
	u64 hpa = 0;

	for (int tries = 0; tries < 4; tries++) {
		hpa = page_of_type(w, s, PT_TDR);
		if (((struct tdr *)at(w, hpa))->lifecycle == TD_KEYS_CONFIGURED)
			break;
	}
	return hpa;
}

static u64 anything(struct source *s)
{
	return s->below(s, 1ull << 32) << s->below(s, 33);
}

/* Mostly what fits, now and then what does not. */
static u64 page(struct world *w, struct source *s, enum page_type type)
{
	u64 dice = s->below(s, 40);

	if (dice == 0)
		return anything(s);
	if (dice == 1)
		return pool_page(s->below(s, POOL_PAGES));
	return type == PT_TDR ? td_page_of(w, s) : page_of_type(w, s, type);
}

static u64 gpa_and_level(struct source *s, int level)
{
	static const u64 bases[] = { GPA, GPA, GPA, GPA + (1ull << 40) };
	u64 gpa = bases[s->below(s, 4)] + s->below(s, 2) * LEVEL_SIZE(s->below(s, 4) ? 0 : 1);

	if (!s->below(s, 40))
		return anything(s);
	if (!s->below(s, 20))
		level = (int)s->below(s, 5);
	return (gpa & ~(LEVEL_SIZE(level) - 1)) | (u64)level;
}

/* For a pair: few, so that they are often in use; rarely one of those that TDs want. */
static u64 pair_page(struct world *w, struct source *s)
{
	if (!s->below(s, 20))
		return page(w, s, PT_NDA);
	return TDMR_BASE + 2 * LEVEL_SIZE(1) + s->below(s, PAIR_PAGES) * PAGE_4K;
}

struct choice {
	u16 leaf;
	u8 weight;
	void (*operands)(struct world *w, struct source *s, struct softtdx_regs *r);
};

static void new_and_tdr(struct world *w, struct source *s, struct softtdx_regs *r)
{
	r->rcx = page(w, s, PT_NDA);
	r->rdx = page(w, s, PT_TDR);
}

static void create(struct world *w, struct source *s, struct softtdx_regs *r)
{
	r->rcx = page(w, s, PT_NDA);
	r->rdx = FIRST_KEYID - 1 + s->below(s, 5);
}

static void tdr(struct world *w, struct source *s, struct softtdx_regs *r)
{
	r->rcx = page(w, s, PT_TDR);
	r->rdx = PARAMS;
}

static void new_and_tdvpr(struct world *w, struct source *s, struct softtdx_regs *r)
{
	r->rcx = page(w, s, PT_NDA);
	r->rdx = page(w, s, PT_TDVPR);
}

static void tdvpr(struct world *w, struct source *s, struct softtdx_regs *r)
{
	static const u64 fields[] = { MD_VP_PIN_BASED, MD_VP_PEND_NMI, MD_VP_STATE_DETAILS, 1 };

	r->rcx = page(w, s, PT_TDVPR);
	r->rdx = fields[s->below(s, 4)];
	r->r8 = r->r9 = s->below(s, 256);
}

static void mem(struct world *w, struct source *s, struct softtdx_regs *r, int level)
{
	r->rcx = gpa_and_level(s, level);
	r->rdx = page(w, s, PT_TDR);
	r->r8 = level == 1 && !s->below(s, 2) ? LARGE_PAGE : page(w, s, PT_NDA);
	r->r9 = SOURCE;
	r->r12 = pair_page(w, s);
	r->r13 = pair_page(w, s);
}

static void mem_page(struct world *w, struct source *s, struct softtdx_regs *r)
{
	mem(w, s, r, 0);
}

static void mem_large(struct world *w, struct source *s, struct softtdx_regs *r)
{
	mem(w, s, r, 1);
}

static void mem_table(struct world *w, struct source *s, struct softtdx_regs *r)
{
	mem(w, s, r, 1 + (int)s->below(s, 3));
	r->r8 = page(w, s, PT_NDA);
}

static void any_page(struct world *w, struct source *s, struct softtdx_regs *r)
{
	static const enum page_type types[] = { PT_TDCX, PT_TDVPR, PT_EPT, PT_REG, PT_TDR, PT_NDA };

	r->rcx = page(w, s, types[s->below(s, 6)]);
	if (!s->below(s, 10))
		r->rcx = LARGE_PAGE;
}

static void pamt_pair(struct world *w, struct source *s, struct softtdx_regs *r)
{
	r->rcx = s->below(s, 40) ? (TDMR_BASE + s->below(s, NR_RANGES) * LEVEL_SIZE(1)) | 1 : anything(s);
	r->rdx = pair_page(w, s);
	r->r8 = pair_page(w, s);
}

static void wb(struct world *w, struct source *s, struct softtdx_regs *r)
{
	(void)w;
	r->rcx = !s->below(s, 5);
}

static const struct choice choices[] = {
	{ TDH_MNG_CREATE, 6, create },
	{ TDH_MNG_KEY_CONFIG, 3, tdr },
	{ TDH_MNG_ADDCX, 4, new_and_tdr },
	{ TDH_MNG_INIT, 2, tdr },
	{ TDH_MNG_RD, 2, tdr },
	{ TDH_MNG_VPFLUSHDONE, 1, tdr },
	{ TDH_MNG_KEY_FREEID, 3, tdr },
	{ TDH_VP_CREATE, 5, new_and_tdr },
	{ TDH_VP_ADDCX, 4, new_and_tdvpr },
	{ TDH_VP_INIT, 8, tdvpr },
	{ TDH_VP_FLUSH, 6, tdvpr },
	{ TDH_VP_RD, 3, tdvpr },
	{ TDH_VP_WR, 3, tdvpr },
	{ TDH_VP_ENTER, 10, tdvpr },
	{ TDH_MEM_SEPT_ADD, 25, mem_table },
	{ TDH_MEM_SEPT_RD, 3, mem_page },
	{ TDH_MEM_SEPT_REMOVE, 8, mem_table },
	{ TDH_MEM_PAGE_ADD, 10, mem_page },
	{ TDH_MEM_PAGE_AUG, 25, mem_page },
	{ TDH_MEM_PAGE_AUG, 5, mem_large },
	{ TDH_MEM_PAGE_REMOVE, 15, mem_page },
	{ TDH_MEM_PAGE_REMOVE, 4, mem_large },
	{ TDH_MEM_PAGE_PROMOTE, 4, mem_large },
	{ TDH_MEM_PAGE_DEMOTE, 6, mem_large },
	{ TDH_MEM_RANGE_BLOCK, 15, mem_page },
	{ TDH_MEM_RANGE_BLOCK, 8, mem_large },
	{ TDH_MEM_RANGE_UNBLOCK, 8, mem_page },
	{ TDH_MEM_RANGE_UNBLOCK, 8, mem_large },
	{ TDH_MEM_TRACK, 12, tdr },
	{ TDH_MEM_RD, 1, mem_page },
	{ TDH_MEM_WR, 1, mem_page },
	{ TDH_MR_EXTEND, 4, mem_page },
	{ TDH_MR_FINALIZE, 8, tdr },
	{ TDH_PHYMEM_PAGE_RECLAIM, 30, any_page },
	{ TDH_PHYMEM_PAGE_RDMD, 2, any_page },
	{ TDH_PHYMEM_PAGE_WBINVD, 2, any_page },
	{ TDH_PHYMEM_CACHE_WB, 12, wb },
	{ TDH_PHYMEM_PAMT_ADD, 10, pamt_pair },
	{ TDH_PHYMEM_PAMT_REMOVE, 10, pamt_pair },
	{ TDH_SYS_TDMR_INIT, 1, any_page },
	{ TDH_SYS_INIT, 1, any_page },
	{ 100, 1, any_page },
};
#define NR_CHOICES (ARRAY_SIZE(choices))

static const struct choice *choose(struct source *s)
{
	u64 total = 0, dice;
	size_t i;

	for (i = 0; i < NR_CHOICES; i++)
		total += choices[i].weight;
	dice = s->below(s, total);
	for (i = 0; dice >= choices[i].weight; i++)
		dice -= choices[i].weight;
	return &choices[i];
}

static bool vcpu_wants_page(struct world *w, u64 *tdvpr)
{
	for (u64 i = 0; i < POOL_PAGES; i++) {
		const struct tdvps *vps = at(w, pool_page(i));

		*tdvpr = pool_page(i);
		if (type_of(w, *tdvpr) == PT_TDVPR && vps->state == VCPU_UNINIT)
			return vps->nr_pages < TDVPS_PAGES_MIN;
	}
	return false;
}

/* The call that brings a TD on: blind chance would rarely build one. */
static u16 next_step(struct world *w, struct source *s, struct softtdx_regs *r)
{
	u64 hpa = td_page_of(w, s);
	const struct tdr *tdr = at(w, hpa);
	const struct tdcs *tdcs;

	*r = (struct softtdx_regs){ .rcx = hpa, .rdx = PARAMS };
	if (w->m->dynamic_pamt && !has_pair(w, TDMR_BASE)) {
		pamt_pair(w, s, r);
		r->rcx = TDMR_BASE | 1;
		return TDH_PHYMEM_PAMT_ADD;
	}
	if (type_of(w, hpa) != PT_TDR || tdr->lifecycle > TD_KEYS_CONFIGURED) {
		create(w, s, r);
		return TDH_MNG_CREATE;
	}
	if (tdr->lifecycle == TD_HKID_ASSIGNED) {
		current_cpu = tdr->packages & 1 ? 2 : 0;
		return TDH_MNG_KEY_CONFIG;
	}
	r->rcx = page_of_type(w, s, PT_NDA);
	r->rdx = hpa;
	if (tdr->nr_tdcx < TDCS_PAGES_MIN)
		return TDH_MNG_ADDCX;
	tdcs = at(w, tdr->tdcx[0]);
	if (tdcs->op_state == OP_UNINIT) {
		*r = (struct softtdx_regs){ .rcx = hpa, .rdx = PARAMS };
		return TDH_MNG_INIT;
	}
	if (tdcs->op_state == OP_INITIALIZED && vcpu_wants_page(w, &r->rdx))
		return TDH_VP_ADDCX;
	mem_table(w, s, r);
	r->rdx = hpa;
	return TDH_MEM_SEPT_ADD;
}

static u64 hash_of(u64 hash, u64 value)
{
	return (hash ^ value) * 0x100000001B3;
}

static u64 entry_hash(u64 hash, const struct pamt_entry *e)
{
	return e ? hash_of(hash, e->type ^ pamt_owner(e) << 8) : hash_of(hash, ~0ull);
}

/* What the pages are: a call that fails must not change it. */
static u64 page_states(struct world *w)
{
	u64 hash = 0;

	for (u64 i = 0; i < NR_RANGES; i++)
		hash = entry_hash(hash, pamt_at(w->m, TDMR_BASE + i * LEVEL_SIZE(1), 1));
	for (u64 i = 0; i < POOL_PAGES; i++) {
		hash = entry_hash(hash, pamt_at(w->m, pool_page(i), 0));
		hash = hash_of(hash, pamt_bitmap_get(w->m, pool_page(i)));
	}
	return hash;
}

/* The first page whose type and what the module says that it holds differ; 0: none. */
static u64 wrongly_held(struct world *w)
{
	for (u64 hpa = TDMR_BASE; hpa < TDMR_BASE + RANDOM_AVAILABLE; hpa += PAGE_4K) {
		int level;
		const struct pamt_entry *e = pamt_leaf(w->m, hpa, &level);
		bool in_use = (e && e->type != PT_NDA) || pamt_bitmap_get(w->m, hpa);

		if (is_held(w, hpa) != in_use)
			return hpa;
	}
	return 0;
}

static u64 make_call(struct world *w, struct source *s)
{
	const struct choice *c = choose(s);
	struct softtdx_regs r = { 0 };
	u16 leaf = c->leaf;

	current_cpu = s->below(s, 6) ? 0 : (u32)s->below(s, 4);
	if (s->below(s, 3))
		c->operands(w, s, &r);
	else
		leaf = next_step(w, s, &r);
	if (leaf == TDH_MNG_INIT)
		default_params(w);
	return softtdx_seamcall(w->m, leaf, &r);
}

static struct source *inside_source;

/* What a guest may do next; not all of it lets it go on. */
static struct softtdx_guest random_act(struct source *s)
{
	static const u32 reasons[] = {
		EXIT_TDCALL, EXIT_TDCALL, EXIT_TDCALL, EXIT_EPT_VIOLATION, EXIT_CPUID, EXIT_HLT,
		EXIT_XSETBV, EXIT_CR_ACCESS, EXIT_INTERRUPT, EXIT_EXCEPTION_NMI, EXIT_TRIPLE_FAULT,
	};
	struct softtdx_guest act = {
		.reason = reasons[s->below(s, ARRAY_SIZE(reasons))],
		.instruction_length = 4, .gpa = gpa_and_level(s, 0), .code64 = s->below(s, 2),
		.interruption = s->below(s, 16) ? 0x80000202 : 0x80000306,	/* NMI, #UD */
		.rip = gpa_and_level(s, 0),
		.gpr = { [RAX] = s->below(s, 10), [RCX] = gpa_and_level(s, 0),
			 [RDX] = s->below(s, 4) ? gpa_and_level(s, 0) : s->below(s, 4) },
	};

	if (act.reason == EXIT_TRIPLE_FAULT && s->below(s, 8))
		act.reason = EXIT_TDCALL;
	return act;
}

/* While a vCPU is inside, the host goes on elsewhere. */
static void inside(struct world *w, const struct softtdx_vcpu *vcpu)
{
	struct source *s = inside_source;
	u32 cpu = current_cpu;

	(void)vcpu;
	w->inside = NULL;
	for (u64 i = s->below(s, 6); i; i--)
		make_call(w, s);
	w->acts = s->below(s, 2);
	w->act = random_act(s);
	current_cpu = cpu;
}

bool random_call(struct world *w, struct source *s, struct random_stats *stats)
{
	u64 before = page_states(w), status, where, entries;
	const char *broken;

	inside_source = s;
	w->inside = inside;
	w->acts = false;
	entries = w->entries;
	status = make_call(w, s);
	stats->calls++;
	stats->succeeded += !status;
	stats->entered += w->entries != entries;
	if (status && w->entries == entries && page_states(w) != before) {
		printf("# a call that failed with %#llx changed pages\n",
		       (unsigned long long)status);
		return false;
	}
	where = wrongly_held(w);
	if (where) {
		printf("# page %#llx is %sheld\n", (unsigned long long)where,
		       is_held(w, where) ? "" : "not ");
		return false;
	}
	broken = softtdx_check(w->m, &where);
	if (broken)
		printf("# %s at %#llx after status %#llx\n", broken, (unsigned long long)where,
		       (unsigned long long)status);
	return !broken;
}

static void flush_vcpus(struct world *w)
{
	for (u64 i = 0; i < POOL_PAGES; i++)
		if (type_of(w, pool_page(i)) == PT_TDVPR)
			for (u32 cpu = 0; cpu < 4; cpu++)
				CALL_ON(cpu, VP_FLUSH, .rcx = pool_page(i));
}

/* Nothing needs the pairs any more: they go, and their pages are free. */
static bool give_pairs_back(struct world *w)
{
	for (u64 i = 0; i < NR_RANGES; i++) {
		u64 range = TDMR_BASE + i * LEVEL_SIZE(1), status = 0;

		if (has_pair(w, range))
			status = CALL(PHYMEM_PAMT_REMOVE, .rcx = range | 1);
		if (status)
			return false;
	}
	return !wrongly_held(w);
}

bool destroy_all(struct world *w)
{
	flush_vcpus(w);
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		CALL(MNG_VPFLUSHDONE, .rcx = w->m->tds[i]);
	CALL_ON(0, PHYMEM_CACHE_WB);
	CALL_ON(2, PHYMEM_CACHE_WB);
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		CALL(MNG_KEY_FREEID, .rcx = w->m->tds[i]);
	CALL(PHYMEM_PAGE_RECLAIM, .rcx = LARGE_PAGE);
	for (u64 pass = 0; pass < 2; pass++)
		for (u64 hpa = TDMR_BASE; hpa < TDMR_BASE + RANDOM_AVAILABLE; hpa += PAGE_4K)
			if (type_of(w, hpa) != PT_NDA && (pass || type_of(w, hpa) != PT_TDR))
				CALL(PHYMEM_PAGE_RECLAIM, .rcx = hpa);
	for (u64 hpa = TDMR_BASE; hpa < TDMR_BASE + RANDOM_AVAILABLE; hpa += PAGE_4K)
		if (type_of(w, hpa) != PT_NDA)
			return false;
	for (int i = 1; i < NR_KEYIDS; i++)
		if (w->m->keyids[i].state != KEYID_FREE)
			return false;
	return give_pairs_back(w);
}
