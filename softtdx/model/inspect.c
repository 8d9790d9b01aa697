// SPDX-License-Identifier: GPL-2.0-only
/* Looking at TDs from outside, and getting rid of dead ones. */
#include "internal.h"

static const char *const lifecycle_names[] = {
	"?", "HKID_ASSIGNED", "KEYS_CONFIGURED", "BLOCKED", "TEARDOWN",
};
static const char *const op_state_names[] = { "UNINITIALIZED", "INITIALIZED", "RUNNABLE" };

/* The TDCS while its pages are the TD's and hold something. */
static struct tdcs *live_tdcs(struct softtdx *m, const struct tdr *tdr)
{
	if (tdr->lifecycle == TD_TEARDOWN || tdr->nr_tdcx < TDCS_PAGES_MIN)
		return NULL;
	return td_page(m, tdr, 0);
}

static void describe(struct softtdx *m, u64 tdr_pa, struct softtdx_td_info *info)
{
	const struct tdr *tdr = map(m, tdr_pa);
	const struct tdcs *tdcs = live_tdcs(m, tdr);

	*info = (struct softtdx_td_info){
		.tdr = tdr_pa,
		.lifecycle = lifecycle_names[tdr->lifecycle],
		.op_state = "-",
		.keyid = tdr->keyid,
		.nr_tdcx = tdr->pages[PT_TDCX],
		.nr_tdvpr = tdr->pages[PT_TDVPR],
		.nr_sept = tdr->pages[PT_EPT],
		.nr_guest = tdr->pages[PT_REG],
		.chldcnt = tdr->chldcnt,
	};
	if (!tdcs)
		return;
	info->op_state = op_state_names[tdcs->op_state];
	info->attributes = tdcs->attributes;
	info->xfam = tdcs->xfam;
	info->epoch = tdcs->epoch;
	info->nr_vcpus = tdcs->nr_vcpus;
	info->nr_assoc = tdcs->nr_assoc;
	memcpy(info->mrtd, tdcs->mrtd, sizeof(info->mrtd));
}

bool softtdx_next_td(struct softtdx *m, u32 *pos, struct softtdx_td_info *info)
{
	while (*pos < SOFTTDX_MAX_TDS) {
		u64 tdr_pa = atomic_load(&m->tds[(*pos)++]);

		if (!tdr_pa)
			continue;
		describe(m, tdr_pa, info);
		return true;
	}
	return false;
}

static bool listed(struct softtdx *m, u64 tdr_pa)
{
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		if (tdr_pa && atomic_load(&m->tds[i]) == tdr_pa)
			return true;
	return false;
}

/* Positions sort as the walk goes: by GPA, and at the same GPA from the root down. */
static u64 position(u64 gpa, int level)
{
	return (gpa >> 12) * 8 + (u64)(7 - level);
}

/* Past the entry that covers gpa at this level: the highest entry that begins there. */
static u64 position_after(u64 gpa, int level, int top)
{
	gpa = (gpa | (LEVEL_SIZE(level) - 1)) + 1;
	while (top && !ALIGNED(gpa, LEVEL_SIZE(top)))
		top--;
	return position(gpa, top);
}

/* The entry for gpa at *level, or the one above that leads nowhere; updates *level. */
static u64 lookup(struct softtdx *m, const struct tdr *tdr, u64 gpa, int top, int *level)
{
	u64 table = tdr->tdcx[TDCS_SEPT_ROOT_PAGE];

	for (int l = top; ; l--) {
		const u64 *entries = map(m, table);
		u64 entry = atomic_load(&entries[gpa >> LEVEL_SHIFT(l) & (ENTRIES - 1)]);

		if (l == *level || !(sept_state(entry) & (SEPT_NL_MAPPED | SEPT_NL_BLOCKED))) {
			*level = l;
			return entry;
		}
		table = entry & HPA_MASK;
	}
}

bool softtdx_next_sept(struct softtdx *m, u64 tdr_pa, u64 *pos, struct softtdx_sept_info *info)
{
	const struct tdr *tdr = listed(m, tdr_pa) ? map(m, tdr_pa) : NULL;
	const struct tdcs *tdcs = tdr ? live_tdcs(m, tdr) : NULL;
	int top, level;

	if (!tdcs || tdcs->op_state == OP_UNINIT)
		return false;
	top = tdcs->levels - 1;
	if (!*pos)
		*pos = position(0, top);
	while (*pos < position(LEVEL_SIZE(top + 1), 7)) {
		int wanted = level = 7 - (int)(*pos & 7);
		u64 gpa = *pos >> 3 << 12;
		u64 entry = lookup(m, tdr, gpa, top, &level);
		enum sept_state state = sept_state(entry);
		bool table = state & (SEPT_NL_MAPPED | SEPT_NL_BLOCKED);

		*pos = table ? position(gpa, level - 1) : position_after(gpa, level, top);
		if (state == SEPT_FREE || level != wanted)
			continue;
		*info = (struct softtdx_sept_info){
			.gpa = gpa, .entry = entry, .hpa = entry & HPA_MASK,
			.level = (u32)level, .leaf = !table, .state = sept_state_name(state),
		};
		return true;
	}
	return false;
}

static bool in_pamt(const struct softtdx *m, u64 hpa)
{
	for (u32 i = 0; i < m->nr_tdmrs; i++)
		for (int level = 0; level < 3; level++)
			if (hpa - m->tdmrs[i].pamt[level] < m->tdmrs[i].pamt_size[level])
				return true;
	return false;
}

void softtdx_page(struct softtdx *m, u64 hpa, struct softtdx_page_info *info)
{
	static const char *const names[] = {
		[PT_REG] = "TD", [PT_TDR] = "TDR", [PT_TDCX] = "TDCX",
		[PT_TDVPR] = "TDVPR", [PT_EPT] = "SEPT",
	};
	int level;
	const struct pamt_entry *e = pamt_leaf(m, hpa, &level);

	*info = (struct softtdx_page_info){ .type = in_pamt(m, hpa) ? "PAMT" : "free" };
	if (!e || e->type == PT_NDA || e->type == PT_RSVD)
		return;
	info->type = names[e->type];
	info->guest = e->type == PT_REG;
	info->owner = e->type == PT_TDR ? hpa & ~(PAGE_4K - 1) : pamt_owner(e);
}

bool softtdx_find(struct softtdx *m, u64 tdr, u64 hpa, struct softtdx_sept_info *info)
{
	for (u64 pos = 0; softtdx_next_sept(m, tdr, &pos, info); ) {
		u64 size = info->leaf ? LEVEL_SIZE(info->level) : PAGE_4K;

		if (hpa - info->hpa >= size)
			continue;
		if (info->leaf)
			info->gpa += hpa - info->hpa;
		return true;
	}
	return false;
}

static u64 drop_td(struct softtdx *m, u64 tdr_pa, const struct tdr *tdr)
{
	u64 hpa = 0, pages = 1;
	struct pamt_entry *e;
	int level;

	for (; (e = pamt_next(m, &hpa, &level)); hpa += LEVEL_SIZE(level)) {
		if (e->type == PT_NDA || e->type == PT_TDR || pamt_owner(e) != tdr_pa)
			continue;
		pamt_set(e, PT_NDA, 0);
		page_held(m, hpa, LEVEL_SIZE(level) / PAGE_4K, false);
		pages += LEVEL_SIZE(level) / PAGE_4K;
	}
	if (tdr->lifecycle != TD_TEARDOWN)
		keyid_entry(m, tdr->keyid)->state = KEYID_FREE;
	td_unlist(m, tdr_pa);
	pamt_set(pamt_at(m, tdr_pa, 0), PT_NDA, 0);
	page_held(m, tdr_pa, 1, false);
	return pages;
}

u64 softtdx_reset(struct softtdx *m, u64 tdr_pa, bool force)
{
	u64 pages = 0;

	for (int i = 0; i < SOFTTDX_MAX_TDS; i++) {
		u64 td = atomic_load(&m->tds[i]);
		const struct tdr *tdr = td ? map(m, td) : NULL;

		if (!tdr || (tdr_pa && td != tdr_pa))
			continue;
		if (tdr->lifecycle == TD_TEARDOWN || (force && tdr_pa))
			pages += drop_td(m, td, tdr);
	}
	return pages;
}
