// SPDX-License-Identifier: GPL-2.0-only
/* TDH.SYS.CONFIG: the TDMRs, their reserved areas and their PAMT. */
#include "internal.h"

struct range {
	u64 start, end;
};

/* Errors carry the TDMR's index, what of the TDMR is wrong, and the TDMR that it conflicts with. */
#define TDMR_ERROR(id, tdmr, what) ST(id, (u64)(tdmr) | (u64)(what) << 8)
#define PAMT_CONFLICT(tdmr, level, other) (TDMR_ERROR(PAMT_OVERLAP, tdmr, level) | (u64)(other) << 16)

static bool overlap(struct range a, struct range b)
{
	return a.start < b.end && b.start < a.end;
}

static bool range_valid(const struct softtdx *m, u64 base, u64 size, u64 alignment)
{
	u64 limit = 1ull << m->cfg.phys_bits;

	return size && ALIGNED(base, alignment) && ALIGNED(size, alignment) && base < limit &&
	       size <= limit - base;
}

static struct range pamt_range(const struct tdmr_info *t, int level)
{
	u64 base = level == 0 ? t->pamt_4k_base : level == 1 ? t->pamt_2m_base : t->pamt_1g_base;
	u64 size = level == 0 ? t->pamt_4k_size : level == 1 ? t->pamt_2m_size : t->pamt_1g_size;

	return (struct range){ base, base + size };
}

static u64 check_tdmr(const struct softtdx *m, const struct tdmr_info *t, u32 i)
{
	const struct softtdx_tdmr *before = i ? &m->tdmrs[i - 1] : NULL;

	if (t->base + t->size < t->base)
		return TDMR_ERROR(INVALID_TDMR, i, 0);
	if (before && t->base < before->base + before->size)
		return TDMR_ERROR(NON_ORDERED_TDMR, i, 0);
	if (!range_valid(m, t->base, t->size, LEVEL_SIZE(2)))
		return TDMR_ERROR(INVALID_TDMR, i, 0);
	return 0;
}

/* Sorted, apart, whole pages inside the TDMR; those of size 0 are the last ones. */
static u64 take_reserved(struct softtdx_tdmr *to, const struct tdmr_info *t, u32 i)
{
	u64 free_from = 0;

	to->nr_reserved = 0;
	for (u32 j = 0; j < TDMR_RESERVED_MAX; j++) {
		u64 offset = t->reserved[j].offset, size = t->reserved[j].size;

		if (!size && j + 1 < TDMR_RESERVED_MAX && t->reserved[j + 1].size)
			return TDMR_ERROR(NON_ORDERED_RESERVED_IN_TDMR, i, j);
		if (!size)
			continue;
		if (offset + size < offset)
			return TDMR_ERROR(INVALID_RESERVED_IN_TDMR, i, j);
		if (RULE(RESERVED_AREAS, offset < free_from))
			return TDMR_ERROR(NON_ORDERED_RESERVED_IN_TDMR, i, j);
		if (!ALIGNED(offset, PAGE_4K) || !ALIGNED(size, PAGE_4K) || offset >= t->size ||
		    size > t->size - offset)
			return TDMR_ERROR(INVALID_RESERVED_IN_TDMR, i, j);
		free_from = offset + size;
		to->reserved[j].start = t->base + offset;
		to->reserved[j].end = t->base + free_from;
		to->nr_reserved++;
	}
	return 0;
}

/* Bytes of PAMT for a TDMR: entries, or with dynamic PAMT a bit for each page of 4K. */
static u64 pamt_needed(const struct softtdx *m, u64 tdmr_size, int level)
{
	u64 pages = tdmr_size >> LEVEL_SHIFT(level);

	return !level && m->dynamic_pamt ? pages / 8 : pages * sizeof(struct pamt_entry);
}

static u64 check_pamt(const struct softtdx *m, const struct tdmr_info *t, u32 i)
{
	for (int level = 2; level >= 0; level--) {
		struct range p = pamt_range(t, level);
		u64 needed = pamt_needed(m, t->size, level);

		if (!range_valid(m, p.start, p.end - p.start, PAGE_4K) ||
		    p.end - p.start < needed)
			return TDMR_ERROR(INVALID_PAMT, i, level);
	}
	return 0;
}

/* No byte of the PAMT may lie in memory that the TDMR offers to TDs. */
static bool touches_available(const struct softtdx_tdmr *t, struct range p)
{
	u64 from = t->base;

	for (u32 j = 0; j <= t->nr_reserved; j++) {
		bool last = j == t->nr_reserved;
		u64 to = last ? t->base + t->size : t->reserved[j].start;

		if (overlap(p, (struct range){ from, to }))
			return true;
		if (!last)
			from = t->reserved[j].end;
	}
	return false;
}

/* All that was given for it, even where the TDMR needs less. */
static struct range taken_pamt(const struct softtdx_tdmr *t, int level)
{
	return (struct range){ t->pamt[level], t->pamt[level] + t->pamt_size[level] };
}

/* A TDMR's PAMT against that of those before it, and its own parts against each other. */
static u64 check_other_pamts(const struct softtdx *m, u32 i)
{
	for (u32 j = 0; j < i; j++)
		for (int level = 0; level < 3; level++)
			for (int other = 0; other < 3; other++)
				if (overlap(taken_pamt(&m->tdmrs[i], level),
					    taken_pamt(&m->tdmrs[j], other)))
					return PAMT_CONFLICT(i, level, j);
	for (int level = 0; level < 3; level++)
		for (int other = level + 1; other < 3; other++)
			if (overlap(taken_pamt(&m->tdmrs[i], level), taken_pamt(&m->tdmrs[i], other)))
				return PAMT_CONFLICT(i, level, i);
	return 0;
}

/* No PAMT in memory that a TDMR offers, seen from the newest TDMR: itself and those before it. */
static u64 check_available(const struct softtdx *m, u32 i)
{
	for (u32 j = 0; j <= i; j++) {
		for (int level = 0; level < 3; level++)
			if (touches_available(&m->tdmrs[j], taken_pamt(&m->tdmrs[i], level)))
				return PAMT_CONFLICT(i, level, j);
		for (int level = 0; j < i && level < 3; level++)
			if (touches_available(&m->tdmrs[i], taken_pamt(&m->tdmrs[j], level)))
				return PAMT_CONFLICT(j, level, i);
	}
	return 0;
}

/* Nothing outside the PAMT's own pages is touched: all of them must be memory. */
static bool pamt_is_memory(struct softtdx *m, const struct softtdx_tdmr *t)
{
	for (int level = 0; level < 3; level++) {
		struct range p = taken_pamt(t, level);

		for (u64 hpa = p.start; hpa < p.end; hpa += PAGE_4K)
			if (!map(m, hpa))
				return false;
	}
	return true;
}

static u64 take_tdmr(struct call *c, u64 info, u32 i)
{
	const struct tdmr_info *t;
	struct softtdx_tdmr *to = &c->m->tdmrs[i];

	t = map_shared(c, info, 512);
	if (!t)
		return ST(OPERAND_INVALID, OP_RCX);
	TRY(check_tdmr(c->m, t, i));
	to->base = to->next = to->initialized = t->base;
	to->size = t->size;
	TRY(take_reserved(to, t, i));
	TRY(check_pamt(c->m, t, i));
	for (int level = 0; level < 3; level++) {
		struct range p = pamt_range(t, level);

		to->pamt[level] = p.start;
		to->pamt_size[level] = p.end - p.start;
	}
	if (RULE(PAMT_OVERLAP, true)) {
		TRY(check_other_pamts(c->m, i));
		TRY(check_available(c->m, i));
	}
	return pamt_is_memory(c->m, to) ? 0 : TDMR_ERROR(PAMT_OUTSIDE_CMRS, i, 0);
}

static u64 config_flags(const struct softtdx *m)
{
	return has_feature(m, FEATURES0_DYNAMIC_PAMT) ? CONFIG_DYNAMIC_PAMT : 0;
}

u64 sys_config(struct call *c)
{
	struct softtdx *m = c->m;
	u64 count = c->in.rdx, keyid = c->in.r8 & CONFIG_KEYID, asked = c->in.r8 & ~CONFIG_KEYID;
	const u64 *infos;

	if (!call_lock(c, &m->sys_lock, EXCLUSIVE))
		return ST0(SYS_BUSY);
	if (m->state != SYS_INIT_DONE || m->nr_lp_done < m->cfg.nr_cpus)
		return ST0(SYS_CONFIG_NOT_PENDING);
	infos = map_shared(c, c->in.rcx, 512);
	if (!infos)
		return ST(OPERAND_INVALID, OP_RCX);
	if (!count || count > TDMR_MAX)
		return ST(OPERAND_INVALID, OP_RDX);
	if (!keyid_entry(m, keyid) || RULE(PAMT_ASKED_FOR, asked & ~config_flags(m)))
		return ST(OPERAND_INVALID, OP_R8);
	m->dynamic_pamt = asked & CONFIG_DYNAMIC_PAMT;
	keyid_entry(m, keyid)->state = KEYID_RESERVED;	/* and stays it if a TDMR is wrong */
	for (u32 i = 0; i < count; i++)
		TRY(take_tdmr(c, infos[i], i));
	m->nr_tdmrs = count;
	m->state = SYS_CONFIG_DONE;
	return 0;
}
