// SPDX-License-Identifier: GPL-2.0-only
/* The reference model of the mapping path, as arrays: how gfns are mapped. */
#include <errno.h>
#include <stdlib.h>

#include "model/model_state.h"

struct model *model_new(const struct model_config *config)
{
	struct model *m = calloc(1, sizeof(*m));

	m->config = *config;
	return m;
}

void model_free(struct model *m)
{
	free(m);
}

static u64 block_of(u64 n)
{
	return n / GFNS_2M * GFNS_2M;
}

/* All of [page, page + nr) gets @state; a huge page has one state. */
void model_set_pages(struct model *m, int mem, u64 page, u64 nr, enum page_state state)
{
	u64 end = page + nr;

	if (kind_of(m, mem) == MEM_HUGETLB_2M) {
		page = block_of(page);
		end = block_of(end + GFNS_2M - 1);
	}
	for (; page < end; page++)
		m->mems[mem].pages[page] = state;
}

static void zap_gfn(struct model *m, u64 gfn, enum zap what)
{
	struct model_leaf *leaf = &m->leaves[gfn];
	u64 nr = leaf->level == LEVEL_2M ? GFNS_2M : 1;
	u64 first = nr > 1 ? block_of(gfn) : gfn;

	if (is_td(m) && !(what & (leaf->private ? ZAP_PRIVATE : ZAP_SHARED)))
		return;
	for (u64 i = first; i < first + nr; i++)
		m->leaves[i] = (struct model_leaf){ .level = LEVEL_NONE };
}

void model_zap(struct model *m, u64 gfn, u64 nr, enum zap what)
{
	for (u64 i = gfn; i < gfn + nr && i < MODEL_GFNS; i++)
		zap_gfn(m, i, what);
}

u64 model_overlap(u64 a, u64 a_nr, u64 b, u64 b_nr, u64 *first)
{
	u64 end = a + a_nr < b + b_nr ? a + a_nr : b + b_nr;

	*first = a > b ? a : b;
	return end > *first ? end - *first : 0;
}

void model_zap_pages(struct model *m, int mem, u64 page, u64 nr, bool of_gmem)
{
	for (int i = 0; i < MODEL_SLOTS; i++) {
		struct model_slot *s = &m->slots[i];
		u64 from = of_gmem ? s->gmem_page : s->page;
		u64 first, hit;

		if (!s->used || (of_gmem ? s->gmem : s->mem) != mem)
			continue;
		hit = model_overlap(page, nr, from, s->nr, &first);
		if (hit)
			model_zap(m, s->gfn + (first - from), hit,
				  of_gmem ? ZAP_PRIVATE : ZAP_SHARED);
	}
}

struct model_slot *model_slot_of(struct model *m, u64 gfn)
{
	for (int i = 0; i < MODEL_SLOTS; i++) {
		struct model_slot *s = &m->slots[i];

		if (s->used && gfn >= s->gfn && gfn < s->gfn + s->nr)
			return s;
	}
	return NULL;
}

bool model_gfn_is_private(const struct model *m, u64 gfn)
{
	return has_private_memory(m) && gfn < MODEL_GFNS && m->private[gfn];
}

/* May a 2M page of the host be mapped by a 2M SPTE at @gfn? */
static bool huge_fits(const struct model *m, const struct model_slot *s, u64 gfn)
{
	u64 block = block_of(gfn);

	if (block < s->gfn || block + GFNS_2M > s->gfn + s->nr ||
	    s->gfn % GFNS_2M != s->page % GFNS_2M)
		return false;
	for (u64 i = block; i < block + GFNS_2M; i++)
		if (model_gfn_is_private(m, i))
			return false;
	return true;
}

static enum model_writable writable(const struct model *m, const struct model_slot *s,
				    u64 page)
{
	enum page_state state = m->mems[s->mem].pages[page];

	if (s->read_only)
		return W_NO;
	if (state == PAGE_WRITTEN)
		return W_YES;
	return kind_of(m, s->mem) == MEM_ANON ? W_NO : W_ANY;
}

static void map(struct model *m, u64 gfn, struct model_leaf leaf)
{
	u64 nr = leaf.level == LEVEL_2M ? GFNS_2M : 1;

	if (m->leaves[gfn].level == leaf.level)
		return;		/* spurious: nothing changes */
	if (nr > 1) {
		leaf.page -= gfn - block_of(gfn);
		gfn = block_of(gfn);
	}
	for (u64 i = 0; i < nr; i++, leaf.page++)
		m->leaves[gfn + i] = leaf;
}

void model_map_gmem(struct model *m, const struct model_slot *s, u64 gfn)
{
	u64 page = s->gmem_page + (gfn - s->gfn);
	bool private = model_gfn_is_private(m, gfn);

	if (m->mems[s->gmem].pages[page] == PAGE_ABSENT)
		model_set_pages(m, s->gmem, page, 1, PAGE_READ);
	map(m, gfn, (struct model_leaf){
		.level = LEVEL_4K, .mem = s->gmem, .page = page, .private = private,
		.writable = W_YES, .pending = is_td(m) && m->finalized,
	});
}

static void map_hva(struct model *m, const struct model_slot *s, u64 gfn)
{
	u64 page = s->page + (gfn - s->gfn);
	bool huge = kind_of(m, s->mem) == MEM_HUGETLB_2M && huge_fits(m, s, gfn);

	if (m->mems[s->mem].pages[page] == PAGE_ABSENT)
		model_set_pages(m, s->mem, page, 1, PAGE_READ);
	map(m, gfn, (struct model_leaf){
		.level = huge ? LEVEL_2M : LEVEL_4K, .mem = s->mem, .page = page,
		.writable = writable(m, s, page),
	});
}

int model_fault(struct model *m, u64 gfn)
{
	bool private = model_gfn_is_private(m, gfn);
	struct model_slot *s = model_slot_of(m, gfn);

	if (!s)
		return private ? EFAULT : ENOENT;
	if (!private && (s->gmem == NO_MEM || kind_of(m, s->gmem) == MEM_GMEM)) {
		map_hva(m, s, gfn);
		return 0;
	}
	if (s->gmem == NO_MEM || m->mems[s->gmem].closed)
		return EFAULT;
	model_map_gmem(m, s, gfn);
	return 0;
}

const struct model_config *model_config(const struct model *m)
{
	return &m->config;
}

bool model_slot(const struct model *m, int id, struct model_op *op)
{
	const struct model_slot *s = &m->slots[id];

	*op = (struct model_op){
		.type = OP_SLOT_SET, .id = id, .mem = s->mem, .page = s->page, .gmem = s->gmem,
		.gmem_page = s->gmem_page, .gfn = s->gfn, .nr = s->nr, .flag = s->read_only,
	};
	return s->used;
}

bool model_private(const struct model *m, u64 gfn)
{
	return m->private[gfn];
}

bool model_vcpu(const struct model *m, int id)
{
	return m->vcpus[id];
}

bool model_finalized(const struct model *m)
{
	return m->finalized;
}

struct model_leaf model_leaf(const struct model *m, u64 gfn)
{
	return m->leaves[gfn];
}

unsigned long model_leaves(const struct model *m, int level)
{
	unsigned long nr = 0;

	for (u64 i = 0; i < MODEL_GFNS; i += LEVEL_GFNS(level))
		nr += m->leaves[i].level == level;
	return nr;
}

bool model_page_present(const struct model *m, int mem, u64 page)
{
	return m->mems[mem].pages[page] != PAGE_ABSENT;
}
