// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dynamic PAMT, if SYS.CONFIG asked for it: 4K entries exist only where the host gave a pair of
 * pages for the 2M. The 2M entry is then PT_PAMT and says where they are. Instead of an array of
 * 4K entries a TDMR has a bit for each 4K page: set, it is reserved or one of a pair.
 */
#include "internal.h"

#define ENTRIES_A_PAGE	(PAGE_4K / sizeof(struct pamt_entry))

/* The first page stands where an owner would, the second in the place of the epoch. */
u64 pamt_pair_page(const struct pamt_entry *node, int i)
{
	return i ? node->bepoch : pamt_owner(node);
}

void pamt_pair_set(struct pamt_entry *node, const u64 pages[2])
{
	__atomic_store_n(&node->bepoch, pages[1], __ATOMIC_RELAXED);
	pamt_set(node, PT_PAMT, pages[0]);
}

struct pamt_entry *pamt_in_pair(struct softtdx *m, const struct pamt_entry *node, u64 hpa)
{
	u64 index = hpa >> 12 & (ENTRIES - 1);

	if (__atomic_load_n(&node->type, __ATOMIC_RELAXED) != PT_PAMT)
		return NULL;
	return (struct pamt_entry *)map(m, pamt_pair_page(node, index >= ENTRIES_A_PAGE)) +
	       index % ENTRIES_A_PAGE;
}

static u64 *bitmap_word(struct softtdx *m, const struct softtdx_tdmr *t, u64 hpa, u64 *mask)
{
	u64 bit = (hpa - t->base) >> 12;

	*mask = 1ull << bit % 64;
	return map(m, t->pamt[0] + bit / 64 * sizeof(u64));
}

bool pamt_bitmap_get(struct softtdx *m, u64 hpa)
{
	u64 mask;

	return m->dynamic_pamt && atomic_load(bitmap_word(m, pamt_tdmr(m, hpa), hpa, &mask)) & mask;
}

/* False: it was set already. */
static bool bitmap_set(struct softtdx *m, u64 hpa)
{
	u64 mask, *word = bitmap_word(m, pamt_tdmr(m, hpa), hpa, &mask);

	return !(atomic_or(word, mask) & mask);
}

static void bitmap_clear(struct softtdx *m, u64 hpa)
{
	u64 mask, *word = bitmap_word(m, pamt_tdmr(m, hpa), hpa, &mask);

	atomic_and(word, ~mask);
}

/* Both ends are multiples of 64 pages. */
void pamt_bitmap_init(struct softtdx *m, const struct softtdx_tdmr *t, u64 start, u64 end)
{
	u64 mask;

	for (u64 hpa = start; hpa < end; hpa += 64 * PAGE_4K)
		*bitmap_word(m, t, hpa, &mask) = 0;
	for (int i = 0; i < t->nr_reserved; i++) {
		u64 from = t->reserved[i].start > start ? t->reserved[i].start : start;
		u64 to = t->reserved[i].end < end ? t->reserved[i].end : end;

		for (u64 hpa = from; hpa < to; hpa += PAGE_4K) {
			u64 *word = bitmap_word(m, t, hpa, &mask);

			*word |= mask;
		}
	}
}

/* How many pages of the TDMR's initialised part the bitmap names beside reserved ones. */
u64 pamt_bitmap_pages(struct softtdx *m, const struct softtdx_tdmr *t)
{
	u64 pages = 0, mask;

	for (u64 hpa = t->base; hpa < t->initialized; hpa += 64 * PAGE_4K)
		pages += (u64)__builtin_popcountll(*bitmap_word(m, t, hpa, &mask));
	for (int i = 0; i < t->nr_reserved; i++)
		if (t->reserved[i].start < t->initialized)
			pages -= ((t->reserved[i].end < t->initialized ? t->reserved[i].end :
				   t->initialized) - t->reserved[i].start) / PAGE_4K;
	return pages;
}

/* A page that may become one of a pair: free, which it also is where 4K pages have no entries. */
static u64 check_new_page(struct call *c, u64 page, u32 op, u64 hpa)
{
	struct pamt_entry *e;
	int level;

	if (!((page ^ hpa) & ~(LEVEL_SIZE(1) - 1)))
		return 0;		/* in the 2M that get the pair: they are free */
	TRY(pamt_walk(c, page, SHARED, 0, op, &e, &level));
	return e->type == PT_NDA ? 0 : ST(PAGE_NOT_FREE, op);
}

/* Makes two pages, whose addresses are checked, a pair: for free 2M at hpa, or for others. */
u64 pamt_pair_take(struct call *c, const u64 pages[2], const u32 ops[2], u64 hpa)
{
	for (int i = 0; i < 2; i++)
		TRY(check_new_page(c, pages[i], ops[i], hpa));
	if (RULE(PAMT_PAIR_ONCE, !bitmap_set(c->m, pages[0])))
		return ST(PAGE_NOT_FREE, ops[0]);
	if (RULE(PAMT_PAIR_ONCE, !bitmap_set(c->m, pages[1]))) {
		bitmap_clear(c->m, pages[0]);
		return ST(PAGE_NOT_FREE, ops[1]);
	}
	for (int i = 0; i < 2; i++) {
		zero_page(c->m, pages[i]);
		page_held(c->m, pages[i], 1, true);
	}
	return 0;
}

void pamt_pair_give_back(struct call *c, const struct pamt_entry *node)
{
	for (int i = 0; i < 2; i++) {
		bitmap_clear(c->m, pamt_pair_page(node, i));
		page_held(c->m, pamt_pair_page(node, i), 1, false);
	}
}

static bool pair_page_empty(struct softtdx *m, const struct pamt_entry *node, int i)
{
	const struct pamt_entry *e = map(m, pamt_pair_page(node, i));

	for (u64 j = 0; j < ENTRIES_A_PAGE; j++)
		if (e[j].type != PT_NDA)
			return false;
	return true;
}

/* The page at hpa has gone back: was it the last of its 2M that needed their pair? */
u64 pamt_removal_hint(struct softtdx *m, u64 hpa)
{
	const struct pamt_entry *node = m->dynamic_pamt ? pamt_at(m, hpa, 1) : NULL;

	if (!node || node->type != PT_PAMT || !pair_page_empty(m, node, 0) ||
	    !pair_page_empty(m, node, 1))
		return 0;
	return RULE(PAMT_HINT, true) ? PAMT_REMOVAL_HINT : 0;
}

/* RCX: an address of 2M and that level. */
static u64 range_operand(struct call *c)
{
	u64 hpa = c->in.rcx & ~(PAGE_4K - 1);

	if (!c->m->dynamic_pamt)
		return ST(OPERAND_INVALID, OP_RAX);
	if ((c->in.rcx & (PAGE_4K - 1)) != 1 || !hpa_valid(c->m, hpa) || !ALIGNED(hpa, LEVEL_SIZE(1)))
		return ST(OPERAND_INVALID, OP_RCX);
	return 0;
}

/* The 2M entry, locked for this call alone. */
static u64 lock_range(struct call *c, struct pamt_entry **e, int *level)
{
	u64 hpa = c->in.rcx & ~(PAGE_4K - 1);

	if (!pamt_tdmr(c->m, hpa))
		return ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX);
	return pamt_walk(c, hpa, EXCLUSIVE, 1, OP_RCX, e, level);
}

u64 phymem_pamt_add(struct call *c)
{
	static const u32 ops[] = { OP_RDX, OP_R8 };
	const u64 pages[] = { c->in.rdx, c->in.r8 };
	struct pamt_entry *e;
	int level;

	TRY(range_operand(c));
	for (int i = 0; i < 2; i++)
		TRY(page_checks(c, pages[i], ops[i], 0));
	TRY(lock_range(c, &e, &level));
	if (level != 1 || RULE(PAMT_RANGE_FREE, e->type != PT_NDA))
		return ST(HPA_RANGE_NOT_FREE, OP_RCX);
	TRY(pamt_pair_take(c, pages, ops, c->in.rcx & ~(PAGE_4K - 1)));
	pamt_pair_set(e, pages);
	return 0;
}

u64 phymem_pamt_remove(struct call *c)
{
	struct pamt_entry *e;
	int level;

	TRY(range_operand(c));
	TRY(lock_range(c, &e, &level));
	if (level != 1 || e->type != PT_PAMT)
		return ST(NO_PAMT_PAGE_PAIR, OP_RCX);
	for (int i = 0; i < 2; i++)
		if (RULE(PAMT_PAIR_EMPTY, !pair_page_empty(c->m, e, i)))
			return ST(PAMT_PAGE_NOT_EMPTY, (u64)i);
	pamt_pair_give_back(c, e);
	c->out->rdx = pamt_pair_page(e, 0);
	c->out->r8 = pamt_pair_page(e, 1);
	pamt_release(e);
	return 0;
}
