// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page belongs to one TD at a time, and is the host's again when it leaves the TD:
 * by a hole in guest_memfd, by a conversion, with guest_memfd, or with the TD.
 */
#include <unistd.h>

#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "td_pages.h"
#include "testcase.h"

#define PAGES	8

static int holding_data(const u64 *pfns)
{
	int nr = 0;

	for (int i = 0; i < PAGES; i++)
		nr += page_holds_data(pfns[i]);
	return nr;
}

/*
 * Punched pages are free in the PAMT, and free pages of the host (some may be in use
 * again at once).  The gfns get the pages that the file has then.
 */
CASE(punched_and_refilled, "PUNCH_HOLE: the pages are free; refilled by new ones",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE) | OBSERVE(EV_GMEM_PFN),
	.uses_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&td, GPA, PAGES, pfns);
	expect_eq(holding_data(pfns), PAGES, "pages of guest_memfd with content");
	mem_punch_hole(td.slot->gmem, 0, PAGES * SZ_4K);
	for (int i = 0; i < PAGES; i++)
		expect_no_page(td.vm, NULL, pfns[i]);
	expect_true(holding_data(pfns) < PAGES, "the host has the pages back");
	observer_clear(td.o);
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_td_own_pages(&td, GPA, PAGES, SEPT_PENDING);
	expect_td_gmem_pages(&td, GPA, PAGES);
}

CASE(page_count, "the TDX module's count of pages, after PUNCH_HOLE and refilled",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true, .needs_softtdx = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	unsigned long with_tables, empty = softtdx_state().pages;

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	with_tables = softtdx_state().pages;
	expect_eq(with_tables - empty, PAGES + 3, "pages of the TD: these and their tables");
	mem_punch_hole(td.slot->gmem, 0, PAGES * SZ_4K);
	expect_eq(softtdx_state().pages - empty, 3, "pages of the TD after the hole: tables");
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_eq(softtdx_state().pages, with_tables, "pages of the TD, filled again");
}

/* A conversion does not change the file. */
CASE(converted_and_back, "shared and private again: the same pages",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .uses_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&td, GPA, PAGES, pfns);
	vm_set_shared(td.vm, GPA, PAGES * SZ_4K);
	for (int i = 0; i < PAGES; i++)
		expect_no_page(td.vm, td.slot->gmem, pfns[i]);
	vm_set_private(td.vm, GPA, PAGES * SZ_4K);
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_td_pfns(&td, GPA, PAGES, pfns);
	expect_td_own_pages(&td, GPA, PAGES, SEPT_PENDING);
}

CASE(gmem_closed, "close() of guest_memfd: its pages are free, prefault fails with EFAULT",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .uses_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&td, GPA, PAGES, pfns);
	close(td.slot->gmem->fd);
	for (int i = 0; i < PAGES; i++)
		expect_no_page(td.vm, NULL, pfns[i]);
	expect_errno(__vcpu_prefault(td.vcpu, &range), EFAULT, "prefault without guest_memfd");
	expect_td_unmapped(&td, GPA, PAGES);
}

static struct fixture another_td(u64 size)
{
	struct fixture td = { .vm = td_create() };

	td.vcpu = td_vcpu(td.vm);
	td.slot = td_slot_add(td.vm, GPA, size);
	td_finalize(td.vm);
	return td;
}

CASE(two_tds, "two TDs at the same gpas have no page in common",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true)
{
	struct fixture a = td_fixture_final(t, SZ_2M), b = another_td(SZ_2M);

	for (int i = 0; i < PAGES; i++) {	/* by turns */
		prefault(a.vcpu, GPA + i * SZ_4K, SZ_4K);
		prefault(b.vcpu, GPA + i * SZ_4K, SZ_4K);
	}
	expect_td_own_pages(&a, GPA, PAGES, SEPT_PENDING);
	for (int i = 0; i < PAGES; i++) {
		struct sept of_b = sept_walk(b.vm, GPA + i * SZ_4K);

		expect_eq(of_b.state, SEPT_PENDING, "state of gpa 0x%llx in the other TD",
			  GPA + i * SZ_4K);
		expect_own_page(b.vm, GPA + i * SZ_4K, of_b.pfn);
		/* That would be another's TD if it were another process's. */
		expect_eq(pamt_of(a.vm, of_b.pfn, NULL, GPA + i * SZ_4K, LEVEL_4K).type, PAGE_IN_USE,
			  "type of pfn 0x%llx, asked for the first TD",
			  of_b.pfn);
	}
}

#define MAX_TRIES	16

/* The pages of [GPA, + @nr) of @td that are among @pfns; each is its own. */
static unsigned int pages_among(struct fixture *td, int nr, const u64 *pfns)
{
	unsigned int found = 0;

	for (int i = 0; i < nr; i++) {
		u64 pfn = sept_walk(td->vm, GPA + i * SZ_4K).pfn;

		expect_own_page(td->vm, GPA + i * SZ_4K, pfn);
		for (int j = 0; j < PAGES; j++)
			found += pfn == pfns[j];
	}
	return found;
}

/*
 * The host gives the other TD pages that the first one gave back, on the same CPU the
 * last ones first; until it has done so.
 */
CASE(handed_on, "a page that one TD gave back belongs to the next alone",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true)
{
	struct fixture a = td_fixture_final(t, SZ_2M), b = another_td(SZ_2M);
	unsigned int handed = 0;
	u64 pfns[PAGES];

	stay_on_one_cpu();
	for (int try = 1; !handed && try <= MAX_TRIES; try++) {
		prefault(a.vcpu, GPA, PAGES * SZ_4K);
		td_pfns(&a, GPA, PAGES, pfns);
		mem_punch_hole(a.slot->gmem, 0, PAGES * SZ_4K);
		prefault(b.vcpu, GPA, try * PAGES * SZ_4K);
		prefault(a.vcpu, GPA, PAGES * SZ_4K);
		expect_td_own_pages(&a, GPA, PAGES, SEPT_PENDING);
		handed = pages_among(&b, try * PAGES, pfns);
	}
	measure("pages_handed_on", handed);
	if (!handed)
		test_skip("the host did not give the other TD a page that the first gave back");
}

/* The PAMT entries of its pages, read through another TD. */
CASE(destroyed_td, "a destroyed TD owns no page",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true)
{
	struct fixture a = td_fixture(t, SZ_2M), b = another_td(SZ_2M);
	u64 pfns[2 * PAGES + 1];

	td_add(a.vcpu, td_source(PAGES, t->seed), GPA, PAGES, 0);
	td_finalize(a.vm);
	prefault(a.vcpu, GPA + PAGES * SZ_4K, PAGES * SZ_4K);
	td_pfns(&a, GPA, 2 * PAGES, pfns);
	pfns[2 * PAGES] = sept_tdr(a.vm) >> 12;
	for (int i = 0; i < 2 * PAGES; i++)
		expect_own_page(a.vm, GPA + i * SZ_4K, pfns[i]);
	expect_own_root(a.vm);

	vcpu_close(a.vcpu);
	vm_close(a.vm);
	close(a.slot->gmem->fd);
	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++)
		expect_no_page(b.vm, NULL, pfns[i]);
}

TEST_MAIN("pages that leave a TD, and TDs that follow each other")
