// SPDX-License-Identifier: GPL-2.0-only
/* The life of a Secure EPT entry, and the SEAMCALLs that KVM makes for it. */
#include "td_fixture.h"
#include "testcase.h"

static void add(const struct test *t)
{
	struct td td = td_fixture(t, SZ_2M);
	uint64_t pfn;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	pfn = observer_known(td.o, GFN).pfn;
	expect_pamt(td.vm, pfn, PAGE_REGULAR);
	expect_seamcalls(td.o, CALL_SEPT_ADD(0, 4), CALL_SEPT_ADD(GPA, 3), CALL_SEPT_ADD(GPA, 2),
			 CALL_PAGE_ADD(GPA, pfn));
}

static void punch(const struct test *t)
{
	struct td td = td_fixture(t, SZ_2M);
	uint64_t pfn;

	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_td_mapped(&td, GPA, 2, SEPT_PENDING);
	pfn = gmem_pfn(td.o, GFN);
	expect_pamt(td.vm, pfn, PAGE_REGULAR);
	observer_clear(td.o);
	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	expect_pamt(td.vm, pfn, PAGE_FREE);
	expect_td_unmapped(&td, GPA, 1);
	expect_seamcalls(td.o, CALL_BLOCK(GPA), CALL_TRACK, CALL_REMOVE(GPA), CALL_WBINVD(pfn));
}

#define OURS	.vm_types = VM_TDX, .boot = BOOT_TDX, .flags = CASE_SEPT, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL)

static const struct test_case cases[] = {
	{ "added", "free to mapped: SEPT pages, then the page", add, OURS },
	{ "punched", "pending to free: block, track, remove, write back", punch, OURS },
};

TEST_MAIN("the life of Secure EPT entries, and the SEAMCALLs for it", cases)
