// SPDX-License-Identifier: GPL-2.0-only
/* The PAMT: what each page is and whose. It is the only place where that is known. */
#include "internal.h"

bool hpa_valid(const struct softtdx *m, u64 hpa)
{
	return ALIGNED(hpa, PAGE_4K) && !RULE(PAGE_HAS_NO_KEYID, hpa >> m->cfg.phys_bits);
}

/* A shared operand may carry a shared (MKTME) KeyID; the model accesses it without. */
bool hpa_shared(const struct softtdx *m, u64 hpa, u64 alignment)
{
	return ALIGNED(hpa, alignment) && !(hpa >> 52) &&
	       hpa >> m->cfg.phys_bits < m->cfg.first_keyid;
}

struct softtdx_tdmr *pamt_tdmr(struct softtdx *m, u64 hpa)
{
	for (u32 i = 0; i < m->nr_tdmrs; i++) {
		struct softtdx_tdmr *t = &m->tdmrs[i];

		if (hpa >= t->base && hpa < atomic_load(&t->initialized))
			return t;
	}
	return NULL;
}

/* NULL: dynamic PAMT, and no page of these 2M has an entry. */
static struct pamt_entry *entry_of(struct softtdx *m, const struct softtdx_tdmr *t, u64 hpa,
				   int level)
{
	u64 index = (hpa - t->base) >> LEVEL_SHIFT(level);

	if (!level && m->dynamic_pamt)
		return pamt_in_pair(m, entry_of(m, t, hpa, 1), hpa);
	return map(m, t->pamt[level] + index * sizeof(struct pamt_entry));
}

struct pamt_entry *pamt_at(struct softtdx *m, u64 hpa, int level)
{
	struct softtdx_tdmr *t = pamt_tdmr(m, hpa);

	return t ? entry_of(m, t, hpa, level) : NULL;
}

/* The entry that describes a page, without lock: that of the large page where one is in use. */
struct pamt_entry *pamt_leaf(struct softtdx *m, u64 hpa, int *level)
{
	struct softtdx_tdmr *t = pamt_tdmr(m, hpa);

	for (*level = 2; t && *level; --*level) {
		struct pamt_entry *e = entry_of(m, t, hpa, *level);

		if (__atomic_load_n(&e->type, __ATOMIC_RELAXED) == PT_REG)
			return e;
	}
	return t ? entry_of(m, t, hpa, 0) : NULL;
}

static void clear_entries(struct softtdx *m, u64 pamt, u64 count)
{
	u64 end = pamt + count * sizeof(struct pamt_entry);

	while (pamt < end) {
		u64 n = PAGE_4K - pamt % PAGE_4K;

		if (n > end - pamt)
			n = end - pamt;
		memset(map(m, pamt), 0, n);
		pamt += n;
	}
}

void pamt_init(struct softtdx *m, const struct softtdx_tdmr *t, u64 start, u64 end)
{
	for (int level = m->dynamic_pamt; level < 3; level++) {
		u64 first = (start - t->base) >> LEVEL_SHIFT(level);
		u64 last = (end - t->base + LEVEL_SIZE(level) - 1) >> LEVEL_SHIFT(level);

		clear_entries(m, t->pamt[level] + first * sizeof(struct pamt_entry), last - first);
	}
	if (m->dynamic_pamt) {
		pamt_bitmap_init(m, t, start, end);
		return;
	}
	for (int i = 0; i < t->nr_reserved; i++) {
		u64 from = t->reserved[i].start > start ? t->reserved[i].start : start;
		u64 to = t->reserved[i].end < end ? t->reserved[i].end : end;

		for (u64 hpa = from; hpa < to; hpa += PAGE_4K)
			entry_of(m, t, hpa, 0)->type = PT_RSVD;
	}
}

u64 pamt_owner(const struct pamt_entry *e)
{
	u64 high = __atomic_load_n(&e->owner_high, __ATOMIC_RELAXED);

	return (high << 32 | __atomic_load_n(&e->owner_low, __ATOMIC_RELAXED)) << 12;
}

/* Under the entry's lock; atomic because the views read without it. */
void pamt_set(struct pamt_entry *e, enum page_type type, u64 owner)
{
	__atomic_store_n(&e->owner_low, (u32)(owner >> 12), __ATOMIC_RELAXED);
	__atomic_store_n(&e->owner_high, (u8)(owner >> 44), __ATOMIC_RELAXED);
	__atomic_store_n(&e->type, (u8)type, __ATOMIC_RELAXED);
}

/* A page that goes back keeps its last owner and epoch, which RDMD tells. */
void pamt_release(struct pamt_entry *e)
{
	__atomic_store_n(&e->type, (u8)PT_NDA, __ATOMIC_RELAXED);
}

/* A large page in use; with dynamic PAMT also 2M without entries of their own for 4K pages. */
static bool ends_walk(const struct softtdx *m, const struct pamt_entry *e, int level)
{
	if (m->dynamic_pamt && level == 1)
		return e->type != PT_PAMT;
	return e->type == PT_REG;
}

/* Tells the environment which memory software must not touch. */
void page_held(struct softtdx *m, u64 hpa, u64 pages, bool held)
{
	if (m->ops->held)
		m->ops->held(m->env, hpa, pages * PAGE_4K, held);
}

/* The PAMT is the module's when all of it is initialised: a host whose attempt fails reuses it. */
void pamt_held(struct softtdx *m)
{
	for (u32 i = 0; i < m->nr_tdmrs; i++)
		if (m->tdmrs[i].next != m->tdmrs[i].base + m->tdmrs[i].size)
			return;
	for (u32 i = 0; i < m->nr_tdmrs; i++)
		for (int level = 0; level < 3; level++)
			page_held(m, m->tdmrs[i].pamt[level],
				  m->tdmrs[i].pamt_size[level] / PAGE_4K, true);
}

/*
 * Locks the entry of a page: shared above it, as asked at the leaf, which lies at min_level or,
 * where a large page is in use, above it.
 */
u64 pamt_walk(struct call *c, u64 hpa, enum lock_mode mode, int min_level, u32 op,
	      struct pamt_entry **e, int *level)
{
	struct softtdx_tdmr *t = pamt_tdmr(c->m, hpa);

	for (int l = 2; ; l--) {
		struct pamt_entry *p = entry_of(c->m, t, hpa, l);
		bool alone = mode == EXCLUSIVE && l == min_level && RULE(PAGE_LOCK, true);

		if (!call_lock(c, &p->lock, alone ? EXCLUSIVE : SHARED))
			return ST(OPERAND_BUSY, op);
		if (l > min_level && !ends_walk(c->m, p, l))
			continue;
		if (l > min_level && mode == EXCLUSIVE && !lock_upgrade(&p->lock))
			return ST(OPERAND_BUSY, op);
		*e = p;
		*level = l;
		return 0;
	}
}

u64 page_checks(struct call *c, u64 hpa, u32 op, int level)
{
	if (!hpa_valid(c->m, hpa) || !ALIGNED(hpa, LEVEL_SIZE(level)))
		return ST(OPERAND_INVALID, op);
	if (!pamt_tdmr(c->m, hpa))
		return ST(OPERAND_ADDR_RANGE_ERROR, op);
	return 0;
}

static u64 wrong_page(struct call *c, u64 hpa, u32 op, enum page_type wanted, u8 type)
{
	u64 status = ST(PAGE_METADATA_INCORRECT, op);

	if (wanted == PT_NDA)
		report_violation(c, c->number == TDH_PHYMEM_PAGE_WBINVD ? SOFTTDX_WBINVD_IN_USE :
			    type == PT_RSVD ? SOFTTDX_PAGE_RESERVED : SOFTTDX_PAGE_IN_USE,
			 status, hpa);
	return status;
}

static bool wrong_type(u8 type, enum page_type wanted)
{
	if (wanted == PT_NDA)
		return RULE(PAGE_IS_FREE, type != PT_NDA);
	if (wanted == PT_TDR)
		return RULE(PAGE_IS_TDR, type != PT_TDR);
	return type != wanted;
}

static u64 no_pair(struct call *c, u64 hpa, u32 op)
{
	u64 status = ST(MISSING_PAMT_PAGE_PAIR, op);

	report_violation(c, SOFTTDX_NO_PAMT_PAGES, status, hpa);
	return status;
}

/* The check of an explicit private 4K page: operand, TDMR, lock, type. */
u64 page_lock(struct call *c, u64 hpa, u32 op, enum lock_mode mode, enum page_type type,
	      struct pamt_entry **e)
{
	int level;

	TRY(page_checks(c, hpa, op, 0));
	TRY(pamt_walk(c, hpa, mode, 0, op, e, &level));
	if (RULE(PAMT_PAIR_NEEDED, level == 1 && (*e)->type == PT_NDA && type == PT_NDA))
		return no_pair(c, hpa, op);
	if (level || wrong_type((*e)->type, type))
		return wrong_page(c, hpa, op, type, (*e)->type);
	if (RULE(PAMT_BITMAP, type == PT_NDA && pamt_bitmap_get(c->m, hpa)))
		return wrong_page(c, hpa, op, type, PT_RSVD);
	return 0;
}

/* A free page of the given level: for a large one all 4K pages in it must be free. */
u64 page_lock_free_range(struct call *c, u64 hpa, u32 op, int level, struct pamt_entry **e)
{
	int found;

	if (!level)
		return page_lock(c, hpa, op, EXCLUSIVE, PT_NDA, e);
	TRY(page_checks(c, hpa, op, level));
	TRY(pamt_walk(c, hpa, EXCLUSIVE, level, op, e, &found));
	if (found != level || (*e)->type != PT_NDA)
		return wrong_page(c, hpa, op, PT_NDA, PT_REG);
	for (u64 p = hpa; p < hpa + LEVEL_SIZE(level); p += PAGE_4K) {
		const struct pamt_entry *page = pamt_at(c->m, p, 0);
		u8 type = page ? page->type : pamt_bitmap_get(c->m, p) ? PT_RSVD : PT_NDA;

		if (type != PT_NDA)
			return wrong_page(c, p, op, PT_NDA, type);
	}
	return 0;
}

static bool is_empty(const struct pamt_entry *e)
{
	return e->type == PT_NDA && !e->lock;
}

/* Past free pages, as far as their entries are in one page of the PAMT. */
static u64 past_empty(const struct pamt_entry *e, u64 hpa)
{
	do {
		hpa += PAGE_4K;
		e++;
	} while (!ALIGNED((size_t)e, PAGE_4K) && is_empty(e));
	return hpa;
}

static u64 past_reserved(const struct softtdx_tdmr *t, u64 hpa)
{
	for (int i = 0; i < t->nr_reserved; i++)
		if (hpa >= t->reserved[i].start && hpa < t->reserved[i].end)
			hpa = t->reserved[i].end;
	return hpa;
}

/* The page at *hpa or the next one that is not free, or is locked; NULL: none. */
struct pamt_entry *pamt_next(struct softtdx *m, u64 *hpa, int *level)
{
	for (u32 i = 0; i < m->nr_tdmrs; i++) {
		const struct softtdx_tdmr *t = &m->tdmrs[i];

		if (*hpa < t->base)
			*hpa = t->base;
		while ((*hpa = past_reserved(t, *hpa)) < t->initialized) {
			struct pamt_entry *e = pamt_leaf(m, *hpa, level);

			if (!e) {
				*hpa = (*hpa | (LEVEL_SIZE(1) - 1)) + 1;
				continue;
			}
			if (*level || !is_empty(e))
				return e;
			*hpa = past_empty(e, *hpa);
		}
	}
	return NULL;
}
