// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "spte_map.h"
#include "td_fixture.h"

struct fixture td_fixture(const struct test *t, u64 size)
{
	struct fixture td = { .vm = td_create() };

	td.vcpu = td_vcpu(td.vm);
	if (size)
		td.slot = td_slot_add(td.vm, GPA, size);
	td.o = observe(td.vm, t->observes);
	return td;
}

struct fixture td_fixture_final(const struct test *t, u64 size)
{
	struct fixture td = td_fixture(t, size);

	td_finalize(td.vm);
	return td;
}

u8 *td_source(u64 nr_pages, u64 seed)
{
	u64 *data = aligned_alloc(SZ_4K, nr_pages * SZ_4K);

	must(data, "%llu pages of source", nr_pages);
	for (u64 i = 0; i < nr_pages * SZ_4K / 8; i++)
		data[i] = (seed ^ i) * 0x9e3779b97f4a7c15ULL;
	return (u8 *)data;
}

unsigned long tables_linked(struct observer *o)
{
	const struct event *ev;
	unsigned long linked = 0;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++)
		linked += ev[i].type == EV_SPTE && spte_is_present(ev[i].new_spte) &&
			  !spte_is_leaf(ev[i].new_spte, ev[i].level) &&
			  !spte_is_present(ev[i].old_spte);
	return linked;
}

u64 gmem_pfn(struct observer *o, u64 gfn)
{
	const struct event *ev;
	u64 pfn = PFN_NONE;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++)
		if (ev[i].type == EV_GMEM_PFN && ev[i].gfn == gfn)
			pfn = ev[i].new_spte;
	return pfn;
}

void expect_td_mapped_(const char *file, int line, const struct fixture *td, u64 gpa,
		       u64 nr_pages, enum sept_state state)
{
	observer_sync(td->o);
	for (u64 at = gpa; at < gpa + nr_pages * SZ_4K; at += SZ_4K) {
		struct mapping m = observer_known(td->o, at >> 12);

		expect_mapping_(file, line, m, at >> 12, LEVEL_4K, PFN_ANY);
		expect_sept_(file, line, td->vm, at, LEVEL_4K, state, m.pfn);
	}
}

void expect_td_unmapped_(const char *file, int line, const struct fixture *td, u64 gpa,
			 u64 nr_pages)
{
	observer_sync(td->o);
	for (u64 at = gpa; at < gpa + nr_pages * SZ_4K; at += SZ_4K) {
		expect_mapping_(file, line, observer_known(td->o, at >> 12), at >> 12,
				LEVEL_NONE, PFN_ANY);
		expect_sept_(file, line, td->vm, at, LEVEL_NONE, SEPT_FREE,
			     PFN_ANY);
	}
}

void expect_content_(const char *file, int line, u64 pfn, const u8 *data,
		     const char *what)
{
	static const u8 zeroes[SZ_4K];
	u8 page[SZ_4K];

	read_pfn(pfn, page);
	data = data ?: zeroes;
	for (unsigned int i = 0; i < SZ_4K; i++)
		if (page[i] != data[i])
			test_failed(file, line, strf("%s (pfn 0x%llx): byte %u", what,
						     pfn, i),
				    strf("0x%02x", data[i]), strf("0x%02x", page[i]));
}
