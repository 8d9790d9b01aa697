// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a TD between private and shared: the content of converted pages, holes in either
 * half, and how many SEAMCALLs a conversion takes.
 */
#include <sys/mman.h>

#include "seamcall.h"
#include "td_fixture.h"
#include "testcase.h"

#define SLOT_SIZE	(2 * SZ_2M)

/* Neither the private content nor the host's page appears in it. */
CASE(content_is_fresh, "a page that becomes shared and private again is zeroed",
	TD_MAPPING, .uses_softtdx = true)
{
	struct fixture td = td_fixture(t, SLOT_SIZE);
	u8 *source = td_source(2, t->seed);

	td_add(td.vcpu, source, GPA, 2, 0);
	td_finalize(td.vm);
	expect_td_content(td.vm, GPA, source, "the page as it was added");
	vm_set_shared(td.vm, GPA, SZ_4K);
	td_prefault_shared(&td, GPA);
	vm_set_private(td.vm, GPA, SZ_4K);
	td_prefault_private(&td, GPA);
	expect_td_content(td.vm, GPA, NULL, "the page after its conversion");
	expect_sept(td.vm, GPA + SZ_4K, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
	expect_td_content(td.vm, GPA + SZ_4K, source + SZ_4K, "the page beside it");
}

/* As user space does to save memory. */
CASE(punched_while_shared, "a page punched out of guest_memfd while shared: a new one, zeroed",
	TD_MAPPING, .uses_softtdx = true)
{
	struct fixture td = td_fixture(t, SLOT_SIZE);

	td_add(td.vcpu, td_source(2, t->seed), GPA, 2, 0);
	td_finalize(td.vm);
	vm_set_shared(td.vm, GPA, SZ_4K);
	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	td_prefault_shared(&td, GPA);
	vm_set_private(td.vm, GPA, SZ_4K);
	expect_td_unmapped(&td, GPA, 1);
	td_prefault_private(&td, GPA);
	expect_td_content(td.vm, GPA, NULL, "the new page");
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_MAPPED);
}

CASE(hole_under_shared, "a hole in guest_memfd under a shared gfn: the mapping stays",
	TD_MAPPING)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	vm_set_shared(td.vm, GPA, SZ_4K);
	td_prefault_shared(&td, GPA);
	observer_clear(td.o);
	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(shared_hva(&td, GPA)));
}

CASE(shared_page_dropped, "MADV_DONTNEED of the shared page of a private gfn: the mapping stays",
	TD_MAPPING)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	mem_touch(shared_hva(&td, GPA), SZ_4K);
	td_prefault_private(&td, GPA);
	observer_clear(td.o);
	must(!madvise(shared_hva(&td, GPA), SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

CASE(one_removal_each, "one block and one removal a page that becomes shared, none for private",
	TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	prefault(td.vcpu, GPA, 8 * SZ_4K);
	observer_clear(td.o);
	vm_set_shared(td.vm, GPA + 2 * SZ_4K, SZ_2M);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 6, "SPTEs that changed");
	expect_seamcalls_of(td.o, TDH_MEM_RANGE_BLOCK, 6, "calls of TDH.MEM.RANGE.BLOCK");
	expect_seamcalls_of(td.o, TDH_MEM_PAGE_REMOVE, 6, "calls of TDH.MEM.PAGE.REMOVE");
	td_prefault_shared(&td, GPA + 2 * SZ_4K);
	vm_set_private(td.vm, GPA, SZ_2M);
	expect_seamcalls_of(td.o, TDH_MEM_RANGE_BLOCK, 6, "calls of TDH.MEM.RANGE.BLOCK");
	expect_seamcalls_of(td.o, TDH_MEM_PAGE_REMOVE, 6, "calls of TDH.MEM.PAGE.REMOVE");
	expect_td_mapped(&td, GPA, 2, SEPT_PENDING);
}

TEST_MAIN("conversions of a TD's memory: content and cost")
