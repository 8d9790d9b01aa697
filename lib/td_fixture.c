// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "spte_map.h"
#include "td_fixture.h"

struct fixture td_fixture(const struct test *t, uint64_t size)
{
	struct fixture td = { .vm = td_create() };

	td.vcpu = td_vcpu(td.vm);
	if (size)
		td.slot = td_slot_add(td.vm, GPA, size);
	td.o = observe(td.vm, t->observes);
	return td;
}

struct fixture td_fixture_final(const struct test *t, uint64_t size)
{
	struct fixture td = td_fixture(t, size);

	td_finalize(td.vm);
	return td;
}

uint8_t *td_source(uint64_t nr_pages, uint64_t seed)
{
	uint64_t *data = aligned_alloc(SZ_4K, nr_pages * SZ_4K);

	must(data, "%llu pages of source", (unsigned long long)nr_pages);
	for (uint64_t i = 0; i < nr_pages * SZ_4K / 8; i++)
		data[i] = (seed ^ i) * 0x9e3779b97f4a7c15ULL;
	return (uint8_t *)data;
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

uint64_t gmem_pfn(struct observer *o, uint64_t gfn)
{
	const struct event *ev;
	uint64_t pfn = PFN_NONE;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++)
		if (ev[i].type == EV_GMEM_PFN && ev[i].gfn == gfn)
			pfn = ev[i].new_spte;
	return pfn;
}

void expect_td_mapped_(const char *file, int line, const struct fixture *td, uint64_t gpa,
		       uint64_t nr_pages, enum sept_state state)
{
	observer_sync(td->o);
	for (uint64_t at = gpa; at < gpa + nr_pages * SZ_4K; at += SZ_4K) {
		struct mapping m = observer_known(td->o, at >> 12);

		expect_mapping_(file, line, m, at >> 12, LEVEL_4K, PFN_ANY);
		expect_sept_(file, line, td->vm, at, LEVEL_4K, state, m.pfn);
	}
}

void expect_td_unmapped_(const char *file, int line, const struct fixture *td, uint64_t gpa,
			 uint64_t nr_pages)
{
	observer_sync(td->o);
	for (uint64_t at = gpa; at < gpa + nr_pages * SZ_4K; at += SZ_4K) {
		expect_mapping_(file, line, observer_known(td->o, at >> 12), at >> 12,
				LEVEL_NONE, PFN_ANY);
		expect_sept_(file, line, td->vm, at, LEVEL_NONE, SEPT_FREE,
			     PFN_ANY);
	}
}

void expect_content_(const char *file, int line, uint64_t pfn, const uint8_t *data,
		     const char *what)
{
	static const uint8_t zeroes[SZ_4K];
	uint8_t page[SZ_4K];

	read_pfn(pfn, page);
	data = data ?: zeroes;
	for (unsigned int i = 0; i < SZ_4K; i++)
		if (page[i] != data[i])
			test_failed(file, line, strf("%s (pfn 0x%llx): byte %u", what,
						     (unsigned long long)pfn, i),
				    strf("0x%02x", data[i]), strf("0x%02x", page[i]));
}
