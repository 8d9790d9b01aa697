// SPDX-License-Identifier: GPL-2.0-only
/*
 * Levels of a TD's memory: leaves are 4K, in KVM's mirror and in the Secure EPT, as the
 * pages of guest_memfd are; a table of the Secure EPT is added when the first gpa below
 * it is mapped, once, and stays (TDH.MEM.SEPT.ADD; tdx_sept_set_private_spte() in
 * arch/x86/kvm/vmx/tdx.c).
 *
 * Shared gfns are mapped by another tree, where pages may be huge.
 */
#include <sys/mman.h>

#include "hold.h"
#include "seamcall.h"
#include "observe/spte_map.h"
#include "td_fixture.h"
#include "testcase.h"
#include "vm_thread.h"

#define LEVEL_CASE	.vm_types = VM_TDX, .uses_sept = true, \
			.observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL)
#define LEVEL_RACE	LEVEL_CASE, .needs_hold = true, .cpus = 2

/* Nothing is mapped at @gpa, and the tables lead down to the entries of @level. */
static void expect_free_at(struct vm *vm, u64 gpa, int level)
{
	struct sept s;

	if (sept_missing())
		return;
	s = sept_walk(vm, gpa);
	expect_eq(s.state, SEPT_FREE, "state of gpa 0x%llx in the SEPT (%s)",
		  gpa, sept_state_name(s.state));
	expect_eq(s.level, level, "level at which the walk of gpa 0x%llx ends", gpa);
}

/* Pages that are mapped one after the other, each with the tables that it adds. */
struct step {
	u64 gpa;
	unsigned int tables;
};

#define MAX_STEPS	3

struct steps {
	bool add;		/* KVM_TDX_INIT_MEM_REGION, else KVM_PRE_FAULT_MEMORY */
	struct step step[MAX_STEPS];
	unsigned int nr;
};

static bool among(const struct step *step, unsigned int nr, u64 gpa, u64 size)
{
	for (unsigned int i = 0; i < nr; i++)
		if (step[i].gpa / size == gpa / size)
			return true;
	return false;
}

/* The calls that map the page of @step: a table a level, from the top, then the page. */
static void expect_step_calls(struct observer *o, const struct step *step, bool add)
{
	struct seamcall calls[LEVEL_1G + 2];
	size_t nr = 0;

	for (int level = LEVEL_4K + step->tables; level > LEVEL_4K; level--)
		calls[nr++] = (struct seamcall)CALL_SEPT_ADD(step->gpa & ~(LEVEL_SIZE(level) - 1),
							     level);
	if (add)
		calls[nr++] = (struct seamcall)CALL_PAGE_ADD(step->gpa, PFN_ANY);
	else
		calls[nr++] = (struct seamcall)CALL_PAGE_AUG(step->gpa, PFN_ANY);
	expect_seamcall_list(o, calls, nr);
}

static void map_step(struct fixture *td, const struct step *step, const u8 *source)
{
	/* Tables that are missing: the walk ends as many levels above the 4K entries. */
	expect_free_at(td->vm, step->gpa, LEVEL_4K + step->tables);
	observer_clear(td->o);
	if (source)
		td_add(td->vcpu, source, step->gpa, 1, 0);
	else
		prefault(td->vcpu, step->gpa, SZ_4K);

	expect_step_calls(td->o, step, source);
	expect_eq(tables_linked(td->o), step->tables, "tables that KVM linked for gpa 0x%llx",
		  step->gpa);
}

static void tables(const struct test *t)
{
	const struct steps *s = t->tc->arg;
	struct fixture td = td_fixture(t, 0);
	u8 *source = s->add ? td_source(1, t->seed) : NULL;
	u64 other;

	for (unsigned int i = 0; i < s->nr; i++)
		if (!among(s->step, i, s->step[i].gpa, SZ_2M))
			td_slot_add(td.vm, s->step[i].gpa & ~(SZ_2M - 1), SZ_2M);
	if (!s->add)
		td_finalize(td.vm);
	for (unsigned int i = 0; i < s->nr; i++)
		map_step(&td, &s->step[i], source);

	for (unsigned int i = 0; i < s->nr; i++) {
		expect_td_mapped(&td, s->step[i].gpa, 1, s->add ? SEPT_MAPPED : SEPT_PENDING);
		other = s->step[i].gpa ^ SZ_4K;
		if (!among(s->step, s->nr, other, SZ_4K))
			expect_free_at(td.vm, other, LEVEL_4K);
	}
	expect_eq(vm_stat(td.vm, "pages_4k"), s->nr, "statistic pages_4k");
	measure("pages", s->nr);
}

#define SZ_512G	(512 * SZ_1G)
#define TOP	TD_SHARED_BIT		/* one beyond the highest private gpa */

#define STEP_LIST(...)	.step = { __VA_ARGS__ }, .nr = ARRAY_SIZE(((struct step[]){ __VA_ARGS__ }))
#define FAULT_STEPS(...)	(&(const struct steps){ STEP_LIST(__VA_ARGS__) })
#define ADD_STEPS(...)	(&(const struct steps){ .add = true, STEP_LIST(__VA_ARGS__) })

CASES(tables,
	{ "same_2m", "three pages of one 2M: three tables for the first, none for the others",
	  .arg = FAULT_STEPS({ GPA, 3 }, { GPA + SZ_2M - SZ_4K, 0 }, { GPA + SZ_4K, 0 }), LEVEL_CASE },
	{ "border_2m", "both sides of a 2M border: one more table",
	  .arg = FAULT_STEPS({ GPA + SZ_2M - SZ_4K, 3 }, { GPA + SZ_2M, 1 }), LEVEL_CASE },
	{ "border_2m_down", "both sides of a 2M border, from above: one more table",
	  .arg = FAULT_STEPS({ GPA + SZ_2M, 3 }, { GPA + SZ_2M - SZ_4K, 1 }), LEVEL_CASE },
	{ "border_1g", "both sides of a 1G border: two more tables",
	  .arg = FAULT_STEPS({ GPA + SZ_1G - SZ_4K, 3 }, { GPA + SZ_1G, 2 },
			 { GPA + SZ_1G + SZ_2M, 1 }), LEVEL_CASE },
	{ "border_512g", "both sides of a 512G border: three more tables",
	  .arg = FAULT_STEPS({ SZ_512G - SZ_4K, 3 }, { SZ_512G, 3 }, { SZ_512G + SZ_1G, 2 }),
	  LEVEL_CASE },
	{ "lowest_gpa", "gpa 0, and 2M above it: three tables, and one more",
	  .arg = FAULT_STEPS({ 0, 3 }, { SZ_2M, 1 }), LEVEL_CASE },
	{ "highest_gpa", "the last pages below the shared bit: three tables, and one more",
	  .arg = FAULT_STEPS({ TOP - SZ_4K, 3 }, { TOP - SZ_2M, 0 }, { TOP - SZ_2M - SZ_4K, 1 }),
	  LEVEL_CASE },
	{ "far_apart", "the lowest and the highest gpa, and one between: tables for each",
	  .arg = FAULT_STEPS({ 0, 3 }, { TOP - SZ_4K, 3 }, { GPA, 2 }), LEVEL_CASE },
	{ "far_apart_ept4", "far_apart, on a CPU whose EPT has four levels",
	  .arg = FAULT_STEPS({ 0, 3 }, { TOP - SZ_4K, 3 }, { GPA, 2 }), LEVEL_CASE,
	  .boot = BOOT_TDX_EPT4 },
	{ "add_same_2m", "initial memory: two pages of one 2M share their tables",
	  .arg = ADD_STEPS({ GPA, 3 }, { GPA + SZ_2M - SZ_4K, 0 }), LEVEL_CASE },
	{ "add_border_1g", "initial memory: both sides of a 1G border: two more tables",
	  .arg = ADD_STEPS({ GPA + SZ_1G - SZ_4K, 3 }, { GPA + SZ_1G, 2 }), LEVEL_CASE },
	{ "add_border_512g", "initial memory: both sides of a 512G border, from above",
	  .arg = ADD_STEPS({ SZ_512G, 3 }, { SZ_512G - SZ_4K, 3 }), LEVEL_CASE },
	{ "add_highest_gpa", "initial memory: the highest and the lowest gpa",
	  .arg = ADD_STEPS({ TOP - SZ_4K, 3 }, { 0, 3 }), LEVEL_CASE })

CASE(added_then_faulted, "pages mapped before and after the finalize share tables", LEVEL_CASE)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	td_finalize(td.vm);
	observer_clear(td.o);
	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	expect_seamcalls(td.o, CALL_PAGE_AUG(GPA + SZ_4K, PFN_ANY));
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_PENDING);
}

/*
 * All of an aligned 2M: the module's leaves are those of the mirror, and as large
 * as KVM says that guest_memfd's pages are, at most.
 */
static void whole_2m(const struct test *t)
{
	bool add = t->tc->param;
	struct fixture td = td_fixture(t, SZ_2M);

	if (add)
		td_add(td.vcpu, td_source(512, t->seed), GPA, 512, 0);
	td_finalize(td.vm);
	if (!add)
		prefault(td.vcpu, GPA, SZ_2M);

	observer_sync(td.o);
	for (u64 gpa = GPA; gpa < GPA + SZ_2M; gpa += 73 * SZ_4K) {
		struct mapping m = observer_known(td.o, gpa >> 12);
		struct sept s;

		expect_true(m.level <= page_level(m.pfn),
			    "gpa 0x%llx: level %d in the mirror, within its page (level %d)",
			    gpa, m.level, page_level(m.pfn));
		if (sept_missing())
			continue;
		s = sept_walk(td.vm, gpa);
		expect_eq(s.level, m.level, "level of gpa 0x%llx in the SEPT and in the mirror",
			  gpa);
	}
	expect_eq(observer_leaves(td.o, LEVEL_4K) + 512 * observer_leaves(td.o, LEVEL_2M), 512,
		  "pages mapped");
	expect_eq(vm_stat(td.vm, "pages_4k") + 512 * vm_stat(td.vm, "pages_2m"), 512,
		  "pages in KVM's statistics");
	measure("pages", 512);
}

CASES(whole_2m,
	{ "whole_2m", "an aligned 2M, prefaulted: leaves as large as its pages", LEVEL_CASE },
	{ "add_whole_2m", "an aligned 2M of initial memory: leaves as large as its pages",
	  .param = true, LEVEL_CASE })

/* Each has its tree, and its own tables. */
CASE(side_by_side, "a private and a shared neighbour: two trees, zapped independently",
	LEVEL_CASE)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;

	mem_touch(hva, SZ_2M);
	vm_set_shared(td.vm, GPA + SZ_4K, SZ_4K);
	prefault(td.vcpu, GPA, 2 * SZ_4K);

	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_mapped(td.o, GFN + 1, LEVEL_4K, pfn_of(hva + SZ_4K));
	expect_free_at(td.vm, GPA + SZ_4K, LEVEL_4K);
	expect_seamcalls_of(td.o, TDH_MEM_SEPT_ADD, 3, "tables of the SEPT");
	expect_eq(tables_linked(td.o), 3 + 3, "tables of the mirror and of the shared tree");

	must(!madvise(hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
	expect_not_mapped(td.o, GFN + 1);
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	mem_punch_hole(td.slot->gmem, 0, SZ_2M);
	expect_td_unmapped(&td, GPA, 1);
	expect_mapped(td.o, GFN + 1, LEVEL_4K, pfn_of(hva + SZ_4K));
}

/* A shared page may be huge, whatever its private neighbour is. */
CASE(shared_2m, "shared memory is mapped 2M beside private 4K", LEVEL_CASE,
	.hugepages_2m = 2)
{
	struct fixture td = td_fixture(t, 0);
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, 2 * SZ_2M, NULL);

	slot_add_gmem(td.vm, GPA, mem, mem_create(MEM_GMEM, 2 * SZ_2M, td.vm));
	vm_set_private(td.vm, GPA, SZ_2M);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA + SZ_2M - SZ_4K, 2 * SZ_4K);
	expect_td_mapped(&td, GPA + SZ_2M - SZ_4K, 1, SEPT_PENDING);
	expect_mapped(td.o, GFN + 512, LEVEL_2M, pfn_of(mem->hva + SZ_2M));

	/* One gfn of it becomes private: both halves of the 2M are 4K then. */
	vm_set_private(td.vm, GPA + SZ_2M + 8 * SZ_4K, SZ_4K);
	expect_not_mapped(td.o, GFN + 512 + 8);
	prefault(td.vcpu, GPA + SZ_2M + 7 * SZ_4K, 2 * SZ_4K);
	expect_mapped(td.o, GFN + 512 + 7, LEVEL_4K, pfn_of(mem->hva + SZ_2M + 7 * SZ_4K));
	expect_td_mapped(&td, GPA + SZ_2M + 8 * SZ_4K, 1, SEPT_PENDING);
}

static void end_by_punch(struct fixture *td)
{
	mem_punch_hole(td->slot->gmem, 0, SZ_2M);
}

static void end_by_conversion(struct fixture *td)
{
	vm_set_shared(td->vm, GPA, SZ_2M);
	vm_set_private(td->vm, GPA, SZ_2M);
}

static void end_by_slot(struct fixture *td)
{
	slot_delete(td->slot);
	expect_ok(__slot_set(td->slot), "the slot again");
}

/* The last leaf below a table is zapped; the table stays for the next one. */
static void tables_stay(const struct test *t)
{
	void (*end)(struct fixture *td) = t->tc->arg;
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, 2 * SZ_4K);
	end(&td);
	expect_not_mapped(td.o, GFN);
	expect_free_at(td.vm, GPA, LEVEL_4K);

	observer_clear(td.o);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_seamcalls(td.o, CALL_PAGE_AUG(GPA, PFN_ANY));
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

CASES(tables_stay,
	{ "tables_stay_after_punch", "PUNCH_HOLE of all pages: the tables stay",
	  .arg = end_by_punch, LEVEL_CASE },
	{ "tables_stay_after_conversion", "all pages shared and private again: the tables stay",
	  .arg = end_by_conversion, LEVEL_CASE },
	{ "tables_stay_after_slot", "the slot deleted and added again: the tables stay",
	  .arg = end_by_slot, LEVEL_CASE })

struct race {
	u64 gpa[2];
	unsigned int tables, pages;
};

/*
 * Two vCPUs need the same tables.  The first is held while the SPTE of the highest table
 * is frozen, until the second has retried for that.
 */
static void race_for_tables(const struct test *t)
{
	const struct race *r = t->tc->arg;
	struct fixture td = td_fixture(t, 2 * SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);
	struct hold *frozen = hold_arm(.function = "tdh_mem_sept_add", .at = HOLD_ENTRY);
	struct hold *looks = hold_arm(.function = "kvm_tdp_mmu_map", .at = HOLD_COUNT);
	struct prefault *first, *second;

	td_finalize(td.vm);
	first = prefault_start(td.vcpu, r->gpa[0], SZ_4K);
	hold_await(frozen);
	second = prefault_start(other, r->gpa[1], SZ_4K);
	/* One of the three is the first vCPU's. */
	hold_await_calls(looks, 3, "two faults of the second vCPU");
	hold_release(frozen);
	prefault_end(first);
	prefault_end(second);
	hold_end(frozen);
	hold_end(looks);

	expect_true(observer_retries(td.o) > 0, "RET_PF_RETRY for the vCPU that came second");
	measure("retries", observer_retries(td.o));
	expect_seamcalls_of(td.o, TDH_MEM_SEPT_ADD, r->tables, "TDH.MEM.SEPT.ADDs");
	expect_seamcalls_of(td.o, TDH_MEM_PAGE_AUG, r->pages, "TDH.MEM.PAGE.AUGs");
	expect_eq(tables_linked(td.o), r->tables, "tables that KVM linked");
	for (int i = 0; i < 2; i++)
		expect_td_mapped(&td, r->gpa[i], 1, SEPT_PENDING);
}

CASES(race_for_tables,
	{ "race_page", "two vCPUs fault one page in: one page, three tables",
	  .arg = &(const struct race){ { GPA, GPA }, 3, 1 }, LEVEL_RACE },
	{ "race_same_2m", "two vCPUs, two pages of one 2M: three tables",
	  .arg = &(const struct race){ { GPA, GPA + SZ_4K }, 3, 2 }, LEVEL_RACE },
	{ "race_two_2m", "two vCPUs, two 2M of one 1G: four tables",
	  .arg = &(const struct race){ { GPA, GPA + SZ_2M }, 4, 2 }, LEVEL_RACE })

/* Parameters of KVM_TDX_INIT_VM with GPAW 52. */
static struct kvm_tdx_init_vm *params_52(struct vm *vm)
{
	struct kvm_tdx_init_vm *params = td_params(vm);

	for (u32 i = 0; i < params->cpuid.nent; i++)
		if (params->cpuid.entries[i].function == 0x80000008)
			params->cpuid.entries[i].eax = (params->cpuid.entries[i].eax & ~0xff0000u) |
						       52 << 16;
	return params;
}

/* A TD with 52 guest-physical bits has a table more, and the shared bit at 51. */
CASE(gpaw_52, "52 guest-physical bits: five levels", LEVEL_CASE)
{
	struct fixture td = { .vm = td_vm() };
	u64 gpa = 1ULL << 49;
	int ret;

	if (!cpu_has_5_level_ept())
		test_skip("needs a CPU with 5-level EPT (vmx flag ept_5level in /proc/cpuinfo)");
	ret = __td_init(td.vm, params_52(td.vm), NULL);
	expect_ok(ret, "KVM_TDX_INIT_VM with GPAW 52");
	if (ret)
		return;
	td.vcpu = td_vcpu(td.vm);
	td.slot = td_slot_add(td.vm, gpa, SZ_2M);
	td.o = observe(td.vm, t->observes);
	td_finalize(td.vm);

	prefault(td.vcpu, gpa, SZ_4K);
	expect_td_mapped(&td, gpa, 1, SEPT_PENDING);
	expect_eq(tables_linked(td.o), 4, "tables that KVM linked");
}

CASE(gpaw_52_refused, "52 guest-physical bits, an EPT with four levels: EINVAL",
	.vm_types = VM_TDX, .boot = BOOT_TDX_EPT4)
{
	struct vm *vm = td_vm();

	expect_errno(__td_init(vm, params_52(vm), NULL), EINVAL, "KVM_TDX_INIT_VM with GPAW 52");
}

#define TD	.vm_types = VM_TDX, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL)
#define LOOKS	TD, .uses_sept = true
#define EPT4	.vm_types = VM_TDX, .boot = BOOT_TDX_EPT4, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL)
#define RACE	TD, .uses_sept = true, .needs_hold = true, .cpus = 2

TEST_MAIN("levels of the mappings and tables of a TD")
