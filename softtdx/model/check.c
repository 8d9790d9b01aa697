// SPDX-License-Identifier: GPL-2.0-only
/* The invariants of an idle module, for tests and for debugfs. */
#include "internal.h"

#define HOLDS(condition, text, address) \
	do { if (!(condition)) { *where = (address); return (text); } } while (0)
#define TRY_TEXT(expr) do { const char *text_ = (expr); if (text_) return text_; } while (0)

/* What a pass over a TD's Secure EPT counts. */
struct tally {
	struct softtdx *m;
	u64 tdr, epoch;
	u64 tables, guest_pages;
};

static bool is_listed(struct softtdx *m, u64 tdr)
{
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		if (m->tds[i] == tdr)
			return true;
	return false;
}

static const char *check_leaf(struct tally *t, u64 entry, int level, u64 gpa, u64 *where)
{
	const struct pamt_entry *e = pamt_at(t->m, entry & HPA_MASK, level);
	bool mapped = sept_state(entry) == SEPT_MAPPED;

	HOLDS(e && e->type == PT_REG && pamt_owner(e) == t->tdr,
	      "SEPT leaf refers to a page that is not the TD's", gpa);
	HOLDS((entry & SEPT_RWX) == (mapped ? SEPT_RWX : 0), "permissions of a SEPT leaf", gpa);
	HOLDS((entry & SEPT_LEAF_BITS) == SEPT_LEAF_BITS, "attributes of a SEPT leaf", gpa);
	HOLDS(!(entry & SEPT_BLOCKED) || e->bepoch, "blocked page without epoch", gpa);
	HOLDS(!(entry & SEPT_BLOCKED) || e->bepoch <= t->epoch, "page blocked in a future epoch",
	      gpa);
	t->guest_pages += LEVEL_SIZE(level) / PAGE_4K;
	return NULL;
}

/* Recursion is at most five deep. */
static const char *check_table(struct tally *t, u64 table, int level, u64 base, u64 *where)
{
	const u64 *entries = map(t->m, table);

	for (u64 i = 0; i < ENTRIES; i++) {
		u64 entry = entries[i], gpa = base + i * LEVEL_SIZE(level);
		const struct pamt_entry *e;

		HOLDS(!(entry & SEPT_LOCK), "SEPT entry locked", gpa);
		if (sept_state(entry) == SEPT_FREE) {
			HOLDS(entry == SEPT_FREE_ENTRY, "free SEPT entry is not empty", gpa);
			continue;
		}
		if (entry & SEPT_LEAF) {
			TRY_TEXT(check_leaf(t, entry, level, gpa, where));
			continue;
		}
		e = pamt_at(t->m, entry & HPA_MASK, 0);
		HOLDS(level && e && e->type == PT_EPT && pamt_owner(e) == t->tdr,
		      "SEPT entry refers to a table that is not the TD's", gpa);
		t->tables++;
		TRY_TEXT(check_table(t, entry & HPA_MASK, level - 1, gpa, where));
	}
	return NULL;
}

static const char *check_sept(struct softtdx *m, u64 tdr_pa, const struct tdr *tdr, u64 *where)
{
	const struct tdcs *tdcs = td_page(m, tdr, 0);
	struct tally t = { .m = m, .tdr = tdr_pa, .epoch = tdcs->epoch };

	HOLDS(!tdcs->op_lock && !tdcs->sept_lock && !tdcs->epoch_lock, "TDCS locked", tdr_pa);
	if (tdcs->op_state == OP_UNINIT)
		return NULL;
	HOLDS(tdcs->epoch, "epoch zero", tdr_pa);
	TRY_TEXT(check_table(&t, tdr->tdcx[TDCS_SEPT_ROOT_PAGE], tdcs->levels - 1, 0, where));
	HOLDS(t.tables == tdr->pages[PT_EPT], "SEPT page without parent", tdr_pa);
	HOLDS(t.guest_pages == tdr->pages[PT_REG], "guest page that is not in the SEPT", tdr_pa);
	return NULL;
}

struct vcpu_tally {
	u32 ready, assoc, inside;
	u64 pages;
};

static const char *check_vcpus(struct softtdx *m, u64 tdr_pa, const struct tdr *tdr,
			       const struct vcpu_tally *v, u64 *where)
{
	const struct tdcs *tdcs = td_page(m, tdr, 0);

	HOLDS(v->pages == tdr->pages[PT_TDVPR] + tdr->pages[PT_TDCX] - tdr->nr_tdcx,
	      "vCPU page that is no vCPU's", tdr_pa);
	HOLDS(v->ready == tdcs->nr_vcpus, "number of vCPUs", tdr_pa);
	HOLDS(v->assoc == tdcs->nr_assoc, "number of associated vCPUs", tdr_pa);
	HOLDS(v->inside == tdcs->inside[0] + tdcs->inside[1], "vCPUs inside the TD", tdr_pa);
	HOLDS(!v->assoc || tdr->lifecycle == TD_KEYS_CONFIGURED, "vCPU outlives key", tdr_pa);
	return NULL;
}

static void tally_vcpu(struct vcpu_tally *v, const struct tdvps *vps)
{
	v->pages += vps->nr_pages;
	v->ready += vps->state != VCPU_UNINIT;
	v->assoc += vps->assoc_cpu != NO_CPU;
	v->inside += vps->inside;
}

/* One pass over the PAMT: what it says the TD holds is what the TD counts. */
static const char *check_counts(struct softtdx *m, u64 tdr_pa, const struct tdr *tdr, u64 *where)
{
	u64 pages[PT_EPT + 1] = { 0 }, sum = 0, hpa = 0;
	struct vcpu_tally v = { 0 };
	const struct pamt_entry *e;
	int level;

	for (; (e = pamt_next(m, &hpa, &level)); hpa += LEVEL_SIZE(level)) {
		if (e->type == PT_NDA || pamt_owner(e) != tdr_pa)
			continue;
		pages[e->type] += LEVEL_SIZE(level) / PAGE_4K;
		if (e->type == PT_TDVPR)
			tally_vcpu(&v, map(m, hpa));
	}
	for (int type = 0; type <= PT_EPT; type++) {
		HOLDS(pages[type] == tdr->pages[type], "page count by type", tdr_pa);
		sum += pages[type];
	}
	HOLDS(sum == tdr->chldcnt, "CHLDCNT", tdr_pa);
	if (tdr->lifecycle == TD_TEARDOWN || tdr->nr_tdcx < TDCS_PAGES_MIN)
		return NULL;
	TRY_TEXT(check_vcpus(m, tdr_pa, tdr, &v, where));
	return check_sept(m, tdr_pa, tdr, where);
}

static const char *check_page(struct softtdx *m, u64 hpa, const struct pamt_entry *e, u64 *where)
{
	HOLDS(!e->lock, "page locked", hpa);
	if (e->type == PT_NDA)
		return NULL;
	HOLDS(e->type <= PT_EPT && e->type != PT_RSVD && e->type != 2 && e->type != 7,
	      "page type", hpa);
	if (e->type == PT_TDR)
		HOLDS(is_listed(m, hpa) && !pamt_owner(e), "TDR that is not listed", hpa);
	else
		HOLDS(pamt_owner(e) && is_listed(m, pamt_owner(e)), "page of no TD", hpa);
	return NULL;
}

/* Under a large page every smaller entry is free. */
static const char *check_large(struct softtdx *m, u64 hpa, int level, u64 *where)
{
	for (int l = level - 1; l >= 0; l--)
		for (u64 p = hpa; p < hpa + LEVEL_SIZE(level); p += LEVEL_SIZE(l)) {
			const struct pamt_entry *e = pamt_at(m, p, l);

			HOLDS(!e || e->type == PT_NDA, "page in use twice", p);
		}
	return NULL;
}

static const char *check_large_locks(struct softtdx *m, const struct softtdx_tdmr *t, u64 *where)
{
	for (int l = 1; l <= 2; l++)
		for (u64 p = t->base; p < t->initialized; p += LEVEL_SIZE(l))
			HOLDS(!pamt_at(m, p, l)->lock, "page locked", p);
	return NULL;
}

static const char *check_pages(struct softtdx *m, u64 *where)
{
	const struct pamt_entry *e;
	u64 hpa = 0;
	int level;

	for (; (e = pamt_next(m, &hpa, &level)); hpa += LEVEL_SIZE(level)) {
		TRY_TEXT(check_page(m, hpa, e, where));
		TRY_TEXT(check_large(m, hpa, level, where));
	}
	return NULL;
}

static const char *check_keyids(struct softtdx *m, u64 *where)
{
	u64 seen = 0;

	for (int i = 0; i < SOFTTDX_MAX_TDS; i++) {
		const struct tdr *tdr = m->tds[i] ? map(m, m->tds[i]) : NULL;
		u32 index;

		if (!tdr || tdr->lifecycle == TD_TEARDOWN)
			continue;
		index = tdr->keyid - m->cfg.first_keyid;
		HOLDS(m->keyids[index].state ==
		      (tdr->lifecycle == TD_BLOCKED ? KEYID_FLUSHED : KEYID_ASSIGNED),
		      "state of a TD's KeyID", m->tds[i]);
		HOLDS(!(seen >> index & 1), "KeyID of two TDs", m->tds[i]);
		seen |= 1ull << index;
	}
	for (u32 i = 0; i < m->cfg.nr_keyids; i++)
		HOLDS(seen >> i & 1 || m->keyids[i].state == KEYID_FREE ||
		      m->keyids[i].state == KEYID_RESERVED, "KeyID of no TD",
		      m->cfg.first_keyid + i);
	return NULL;
}

/* Dynamic PAMT: each pair is two free pages that the bitmap names, and it names no others. */
static const char *check_pairs(struct softtdx *m, const struct softtdx_tdmr *t, u64 *where)
{
	u64 pages = 0;

	for (u64 range = t->base; range < t->initialized; range += LEVEL_SIZE(1)) {
		const struct pamt_entry *node = pamt_at(m, range, 1);

		for (int i = 0; i < 2 && node->type == PT_PAMT; i++, pages++) {
			u64 page = pamt_pair_page(node, i);
			int level;
			const struct pamt_entry *e = pamt_leaf(m, page, &level);

			HOLDS(pamt_bitmap_get(m, page), "PAMT page that the bitmap does not name", page);
			HOLDS(!e || e->type == PT_NDA, "PAMT page in use twice", page);
		}
	}
	HOLDS(pages == pamt_bitmap_pages(m, t), "bitmap names a page of no pair, or one of two",
	      t->base);
	return NULL;
}

const char *softtdx_check(struct softtdx *m, u64 *where)
{
	HOLDS(!m->sys_lock && !m->kot_lock && !m->ket_lock, "module locked", 0);
	for (u32 i = 0; i < m->nr_tdmrs; i++)
		TRY_TEXT(check_large_locks(m, &m->tdmrs[i], where));
	for (u32 i = 0; i < m->nr_tdmrs && m->dynamic_pamt; i++)
		TRY_TEXT(check_pairs(m, &m->tdmrs[i], where));
	TRY_TEXT(check_pages(m, where));
	TRY_TEXT(check_keyids(m, where));
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		if (m->tds[i])
			TRY_TEXT(check_counts(m, m->tds[i], map(m, m->tds[i]), where));
	return NULL;
}
