// SPDX-License-Identifier: GPL-2.0-only
/* Fault injection: rules that make chosen calls fail or take longer. */
#include "internal.h"

static u64 tdvpr_owner(struct call *c, u64 hpa)
{
	const struct pamt_entry *e = hpa_valid(c->m, hpa) ? pamt_at(c->m, hpa, 0) : NULL;

	return e ? pamt_owner(e) : 0;
}

static u64 target_tdr(struct call *c)
{
	u32 flags = c->leaf->flags;

	if (flags & TDR_IN_RCX)
		return c->in.rcx;
	if (flags & TDR_IN_RDX)
		return c->in.rdx & HPA_MASK;
	if (flags & TDVPR_IN_RCX)
		return tdvpr_owner(c, c->in.rcx);
	if (flags & TDVPR_IN_RDX)
		return tdvpr_owner(c, c->in.rdx);
	return 0;
}

static bool matches(struct call *c, const struct softtdx_rule *r)
{
	if (r->leaf != c->number)
		return false;
	if (r->match_tdr && r->tdr != target_tdr(c))
		return false;
	return !r->match_gpa ||
	       (c->leaf->flags & GPA_IN_RCX && (c->in.rcx & HPA_MASK) == (r->gpa & HPA_MASK));
}

/* Takes one from a count that other CPUs take from too. */
bool take_count(u32 *count)
{
	u32 old = atomic_load(count);

	while (old)
		if (__atomic_compare_exchange_n(count, &old, old - 1, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* The status of a call that is to fail, else 0; and in wait_usecs how late it is to begin. */
u64 inject(struct call *c)
{
	for (int i = 0; i < SOFTTDX_RULES; i++) {
		struct softtdx_rule *r = &c->m->rules[i];

		if (!atomic_load(&r->count) || !matches(c, r))
			continue;
		if (take_count(&r->skip) || !take_count(&r->count))
			continue;
		atomic_add(&r->hits, 1);
		c->wait_usecs += r->delay_usecs;
		if (r->status)
			return r->status;
	}
	return 0;
}

/* The slot's count is written last: it makes the rule live. */
int softtdx_add_rule(struct softtdx *m, const struct softtdx_rule *rule)
{
	for (int i = 0; i < SOFTTDX_RULES; i++) {
		struct softtdx_rule *r = &m->rules[i];
		struct softtdx_rule idle = *rule;

		if (atomic_load(&r->count))
			continue;
		idle.count = 0;
		idle.hits = 0;
		*r = idle;
		atomic_store(&r->count, rule->count);
		return i;
	}
	return -1;
}

void softtdx_clear_rules(struct softtdx *m)
{
	for (int i = 0; i < SOFTTDX_RULES; i++)
		atomic_store(&m->rules[i].count, 0);
}
