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
	.needs_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&td, GPA, PAGES, pfns);
	expect_eq(holding_data(pfns), PAGES, "pages of guest_memfd with content");
	mem_punch_hole(td.slot->gmem, 0, PAGES * SZ_4K);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
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
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&td, GPA, PAGES, pfns);
	vm_set_shared(td.vm, GPA, PAGES * SZ_4K);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
	vm_set_private(td.vm, GPA, PAGES * SZ_4K);
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_td_pfns(&td, GPA, PAGES, pfns);
	expect_td_own_pages(&td, GPA, PAGES, SEPT_PENDING);
}

CASE(gmem_closed, "close() of guest_memfd: its pages are free, prefault fails with EFAULT",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&td, GPA, PAGES, pfns);
	close(td.slot->gmem->fd);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
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
		expect_pamt(b.vm, of_b.pfn, PAGE_REGULAR);
		expect_eq(pamt_of(a.vm, of_b.pfn).type, PAGE_FOREIGN,
			  "type of pfn 0x%llx, asked for the first TD",
			  of_b.pfn);
	}
}

/* The host may give the other TD a page that the first one gave back. */
CASE(handed_on, "a page that one TD gave back belongs to the next alone",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .needs_sept = true)
{
	struct fixture a = td_fixture_final(t, SZ_2M), b = another_td(SZ_2M);
	unsigned int handed = 0;
	u64 pfns[PAGES];

	prefault(a.vcpu, GPA, PAGES * SZ_4K);
	td_pfns(&a, GPA, PAGES, pfns);
	mem_punch_hole(a.slot->gmem, 0, PAGES * SZ_4K);
	prefault(b.vcpu, GPA, 2 * PAGES * SZ_4K);
	prefault(a.vcpu, GPA, PAGES * SZ_4K);

	expect_td_own_pages(&a, GPA, PAGES, SEPT_PENDING);
	for (int i = 0; i < 2 * PAGES; i++) {
		u64 pfn = sept_walk(b.vm, GPA + i * SZ_4K).pfn;

		expect_pamt(b.vm, pfn, PAGE_REGULAR);
		for (int j = 0; j < PAGES; j++)
			handed += pfn == pfns[j];
	}
	measure("pages_handed_on", handed);
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
		expect_eq(pamt_of(b.vm, pfns[i]).type, PAGE_FOREIGN,
			  "type of pfn 0x%llx, asked for the other TD",
			  pfns[i]);

	vcpu_close(a.vcpu);
	vm_close(a.vm);
	close(a.slot->gmem->fd);
	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++)
		expect_pamt(b.vm, pfns[i], PAGE_FREE);
}

TEST_MAIN("pages that leave a TD, and TDs that follow each other")
