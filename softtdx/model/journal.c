// SPDX-License-Identifier: GPL-2.0-only
/* What happened: the ring of the last calls, counters per leaf and status, violations, names. */
#include "internal.h"

/*
 * A record gets its number last, so that a reader can tell a torn one: it must see the same
 * number before and after it copies. Who finds its slot still being written, a whole ring
 * later, is not recorded.
 */
#define WRITING (~0ull)

void journal(struct call *c, u64 rax, u64 status, bool injected)
{
	u64 seq = atomic_add(&c->m->journal_next, 1);
	struct softtdx_record *r = &c->m->journal[(seq - 1) % SOFTTDX_JOURNAL];
	u64 old = atomic_load(&r->seq);
	struct softtdx_record record = {
		.tsc = c->m->ops->tsc(c->m->env),
		.cpu = c->cpu,
		.rax = rax,
		.in = { c->in.rcx, c->in.rdx, c->in.r8, c->in.r9 },
		.status = status,
		.out = { c->out->rcx, c->out->rdx, c->out->r8, c->out->r9 },
		.injected = injected,
	};

	if (old == WRITING || !atomic_cas(&r->seq, old, WRITING))
		return;
	memcpy(&r->tsc, &record.tsc, sizeof(record) - offsetof(struct softtdx_record, tsc));
	atomic_store(&r->seq, seq);
}

bool softtdx_next_record(struct softtdx *m, u64 *seq, struct softtdx_record *record)
{
	u64 last = atomic_load(&m->journal_next);
	u64 oldest = last > SOFTTDX_JOURNAL ? last - SOFTTDX_JOURNAL + 1 : 1;

	for (u64 s = *seq > oldest ? *seq : oldest; s <= last; s++) {
		struct softtdx_record *r = &m->journal[(s - 1) % SOFTTDX_JOURNAL];

		if (atomic_load(&r->seq) != s)
			continue;
		*record = *r;
		if (atomic_load(&r->seq) != s)
			continue;
		*seq = s + 1;
		return true;
	}
	return false;
}

/* Unknown leaves share the last row. */
static struct softtdx_counter *counters_of(struct softtdx *m, u16 leaf)
{
	return m->counters[leaf < SOFTTDX_LEAVES ? leaf : SOFTTDX_LEAVES];
}

const struct softtdx_counter *softtdx_counters(struct softtdx *m, u16 leaf)
{
	return counters_of(m, leaf);
}

/* The first slot is for success, the last one for whatever finds no slot. */
void count(struct softtdx *m, u16 leaf, u64 status)
{
	struct softtdx_counter *slot = counters_of(m, leaf);
	struct softtdx_counter *last = slot + SOFTTDX_COUNTERS - 1;

	if (status)
		for (slot++; slot < last; slot++)
			if (atomic_load(&slot->status) == status ||
			    atomic_cas(&slot->status, 0, status))
				break;
	if (slot == last)
		atomic_store(&slot->status, ~0ull);
	atomic_add(&slot->count, 1);
}

void softtdx_clear_counters(struct softtdx *m)
{
	memset(m->counters, 0, sizeof(m->counters));
	memset(m->violations, 0, sizeof(m->violations));
}

/* The call breaks a rule of the module; page: the one that it is about, or 0. */
void report_violation(struct call *c, enum softtdx_violation violation, u64 status, u64 page)
{
	int level;
	const struct pamt_entry *e = page ? pamt_leaf(c->m, page, &level) : NULL;
	struct softtdx_report report = {
		.violation = violation,
		.leaf = c->number,
		.status = status,
		.tdr = c->tdr_pa,
		.gpa = c->gpa,
		.page = page,
		.owner = e ? pamt_owner(e) : 0,
		.page_type = e ? e->type : 0,
		.count = c->tdr ? atomic_load(&c->tdr->chldcnt) : 0,
	};

	atomic_add(&c->m->violations[violation], 1);
	c->m->ops->report(c->m->env, &report);
}

const char *softtdx_violation_name(enum softtdx_violation violation)
{
	static const char *const names[] = {
		[SOFTTDX_PAGE_IN_USE] = "page given that is in use",
		[SOFTTDX_PAGE_RESERVED] = "page given that is reserved",
		[SOFTTDX_ENTRY_IN_USE] = "added twice",
		[SOFTTDX_NOT_BLOCKED] = "removed without block",
		[SOFTTDX_NOT_TRACKED] = "removed without track",
		[SOFTTDX_NOT_KICKED] = "tracked again without kicking vCPUs",
		[SOFTTDX_RECLAIM_FREE] = "reclaim of a free page",
		[SOFTTDX_RECLAIM_IN_USE] = "reclaim of a page in use",
		[SOFTTDX_LEFT_BEHIND] = "TD destroyed with pages left behind",
		[SOFTTDX_NO_PAMT_PAGES] = "page given without PAMT pages for it",
		[SOFTTDX_WBINVD_IN_USE] = "write-back of a page in use",
		[SOFTTDX_VCPU_NOT_FLUSHED] = "key given up with a vCPU not flushed",
		[SOFTTDX_CACHE_NOT_FLUSHED] = "key freed with caches not written back",
		[SOFTTDX_UNKNOWN_LEAF] = "leaf not modelled",
	};

	return (u32)violation < SOFTTDX_VIOLATIONS ? names[violation] : "?";
}

const char *softtdx_leaf_name(u64 leaf)
{
	switch (leaf & 0xFFFF) {
#define X(nr, id, name) case nr: return name;
	TDX_LEAVES(X)
	TDX_OTHER_LEAVES(X)
#undef X
	}
	return "unknown leaf";
}

const char *softtdx_status_name(u64 status)
{
	switch (status >> 32) {
#define X(hi, id) case hi: return #id;
	TDX_STATUSES(X)
#undef X
	}
	return "unknown status";
}
