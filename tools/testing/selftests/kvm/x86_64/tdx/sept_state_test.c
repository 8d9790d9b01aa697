// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of the Secure EPT for pages that KVM maps: mapped (KVM_TDX_INIT_MEM_REGION) or
 * pending (a fault); and the SEAMCALLs that KVM makes for them, in order, none missing,
 * none extra (tdx_sept_set_private_spte() in arch/x86/kvm/vmx/tdx.c).
 *
 * The removal of entries is in sept_zap_test.
 */
#include "td_fixture.h"
#include "testcase.h"

CASE(first_add, "first page added: SEPT.ADD of three tables, PAGE.ADD", TD_SEPT)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u64 pfn;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	pfn = observer_known(td.o, GFN).pfn;
	expect_seamcalls(td.o, CALL_SEPT_ADD(0, 4), CALL_SEPT_ADD(GPA, 3), CALL_SEPT_ADD(GPA, 2),
			 CALL_PAGE_ADD(GPA, pfn));
}

CASE(first_fault, "first fault: SEPT.ADD of three tables, PAGE.AUG", TD_SEPT)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	observer_clear(td.o);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_seamcalls(td.o, CALL_SEPT_ADD(0, 4), CALL_SEPT_ADD(GPA, 3), CALL_SEPT_ADD(GPA, 2),
			 CALL_PAGE_AUG(GPA, gmem_pfn(td.o, GFN)));
}

/* MR.EXTEND measures 256 bytes. */
CASE(measured, "a measured page: PAGE.ADD, then 16 MR.EXTENDs", TD_SEPT)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct seamcall calls[1 + SZ_4K / 256];
	u8 *source = td_source(2, t->seed);

	td_add(td.vcpu, source, GPA, 1, 0);
	observer_clear(td.o);
	td_add(td.vcpu, source + SZ_4K, GPA + SZ_4K, 1, KVM_TDX_MEASURE_MEMORY_REGION);

	expect_td_mapped(&td, GPA, 2, SEPT_MAPPED);
	calls[0] = (struct seamcall)CALL_PAGE_ADD(GPA + SZ_4K, observer_known(td.o, GFN + 1).pfn);
	for (size_t i = 1; i < ARRAY_SIZE(calls); i++)
		calls[i] = (struct seamcall)CALL_EXTEND(GPA + SZ_4K);
	expect_seamcall_list(td.o, calls, ARRAY_SIZE(calls));
}

/* The one of GPA, where the host shows it. */
static u64 entry(struct vm *vm)
{
	return sept_missing() ? 0 : sept_walk(vm, GPA).entry;
}

CASE(finalized, "KVM_TDX_FINALIZE_VM: MR.FINALIZE, and no entry changes", TD_SEPT)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u64 before;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	before = entry(td.vm);
	observer_clear(td.o);
	td_finalize(td.vm);
	expect_seamcalls(td.o, CALL_FINALIZE);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_eq(entry(td.vm), before, "entry of gpa 0x%llx", GPA);
}

CASE(mapped_again, "a prefault of a mapped and of a pending page: no SEAMCALL", TD_SEPT)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_no_seamcalls(td.o);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_PENDING);
}

/* The observer has not met this TD when the other one's pages are mapped. */
CASE(other_td_first, "another TD's pages come first: no SEAMCALL of its is this one's", TD_SEPT)
{
	struct fixture td = td_fixture(t, SZ_2M), other = { .vm = td_create() };
	u64 pfn;

	other.vcpu = td_vcpu(other.vm);
	other.slot = td_slot_add(other.vm, GPA, SZ_2M);
	td_add(other.vcpu, td_source(1, t->seed), GPA, 1, 0);
	td_finalize(other.vm);
	prefault(other.vcpu, GPA + SZ_4K, SZ_4K);
	expect_no_seamcalls(td.o);

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	pfn = observer_known(td.o, GFN).pfn;
	expect_seamcalls(td.o, CALL_SEPT_ADD(0, 4), CALL_SEPT_ADD(GPA, 3), CALL_SEPT_ADD(GPA, 2),
			 CALL_PAGE_ADD(GPA, pfn));
}

CASE(never_mapped, "nothing mapped: walks end at the root", .vm_types = VM_TDX,
	.observes = TD_EVENTS, .needs_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	expect_sept_free_at(td.vm, 0, 4);
	expect_sept_free_at(td.vm, GPA, 4);
	expect_sept_free_at(td.vm, TD_SHARED_BIT - SZ_4K, 4);
	expect_seamcalls(td.o, CALL_FINALIZE);
}

CASE(next_to_a_page, "beside a page walks end at the level that its tables reach",
	.vm_types = VM_TDX, .observes = TD_EVENTS, .needs_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, SZ_4K);
	expect_sept_free_at(td.vm, GPA + SZ_4K, LEVEL_4K);
	expect_sept_free_at(td.vm, GPA + SZ_2M - SZ_4K, LEVEL_4K);
	expect_sept_free_at(td.vm, GPA + SZ_2M, LEVEL_2M);
	expect_sept_free_at(td.vm, GPA + SZ_1G, LEVEL_1G);
	expect_sept_free_at(td.vm, GPA - SZ_4K, LEVEL_1G);
	expect_sept_free_at(td.vm, 512 * SZ_1G, 4);
}

CASE(tables, "entries above a page: tables, which the TDX module owns", .vm_types = VM_TDX,
	.observes = TD_EVENTS, .needs_sept = true)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct seamcall *calls;
	size_t nr;

	observer_clear(td.o);
	prefault(td.vcpu, GPA, SZ_4K);
	for (int level = LEVEL_2M; level <= 4; level++) {
		struct sept s = sept_entry(td.vm, GPA, level);

		expect_eq(s.level, level, "level of the entry above gpa 0x%llx", GPA);
		expect_eq(s.state, SEPT_TABLE, "state of the entry at level %d (%s)", level,
			  sept_state_name(s.state));
	}
	calls = seamcalls(td.o, &nr);
	for (size_t i = 0; i < nr; i++)
		if (calls[i].leaf == TDH_MEM_SEPT_ADD)
			expect_own_table(td.vm, calls[i].gpa, calls[i].level,
					 calls[i].pfn);
	expect_eq(seamcalls_of(td.o, TDH_MEM_SEPT_ADD), 3, "tables below the root");
}

TEST_MAIN("Secure EPT entries of pages that KVM maps, and the SEAMCALLs for it")
