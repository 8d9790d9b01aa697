// SPDX-License-Identifier: GPL-2.0-only
/*
 * The level at which KVM maps: as large as memory and slot allow, and never larger
 * (kvm_mmu_max_mapping_level() and kvm_mmu_hugepage_adjust() in
 * arch/x86/kvm/mmu/mmu.c).
 *
 * A level too large lets the guest reach memory of the host outside of the slot; one too
 * small costs performance.  Both are failures here.
 */
#include "fixture.h"
#include "testcase.h"
#include "undo.h"

struct backing {
	enum mem_kind kind;
	size_t size;	/* bytes */
	int level;
};

static void page_size(const struct test *t)
{
	const struct backing *b = t->tc->arg;
	struct fixture f = fixture(t, b->kind, b->size);
	unsigned long n = b->size / LEVEL_SIZE(b->level);

	prefault(f.vcpu, GPA, b->size);
	expect_range_mapped(&f, GPA, b->size, b->level);
	expect_leaves(&f, b->level == LEVEL_4K ? n : 0, b->level == LEVEL_2M ? n : 0,
		      b->level == LEVEL_1G ? n : 0);
}
CASES(page_size,
	{ "anon_4k", "anonymous 4K pages: 4K SPTEs, each its own page",
	  .arg = &(const struct backing){ MEM_ANON, 2 * SZ_2M, LEVEL_4K },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "memfd_4k", "4K pages of a memfd: 4K SPTEs",
	  .arg = &(const struct backing){ MEM_MEMFD, SZ_2M, LEVEL_4K },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "thp_2m", "a THP: one 2M SPTE",
	  .arg = &(const struct backing){ MEM_THP, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_thp = true },
	{ "hugetlb_2m", "a 2M hugetlb page: one 2M SPTE",
	  .arg = &(const struct backing){ MEM_HUGETLB_2M, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_2m = 2 },
	{ "hugetlb_1g", "a 1G hugetlb page: one 1G SPTE",
	  .arg = &(const struct backing){ MEM_HUGETLB_1G, SZ_1G, LEVEL_1G },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_1g = 1 },
	{ "legacy_anon_4k", "legacy MMU: anonymous 4K pages: 4K SPTEs",
	  .arg = &(const struct backing){ MEM_ANON, 2 * SZ_2M, LEVEL_4K },
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF },
	{ "legacy_hugetlb_2m", "legacy MMU: a 2M hugetlb page: one 2M SPTE",
	  .arg = &(const struct backing){ MEM_HUGETLB_2M, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF,
	  .hugepages_2m = 2 },
	{ "legacy_hugetlb_1g", "legacy MMU: a 1G hugetlb page: one 1G SPTE",
	  .arg = &(const struct backing){ MEM_HUGETLB_1G, SZ_1G, LEVEL_1G },
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF,
	  .hugepages_1g = 1 },
)

/* A huge page is prefaulted by one fault, not by one for each 4K of it. */
CASE(one_fault_each, "a huge page is prefaulted by one fault", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING, .hugepages_2m = 2)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 2 * SZ_2M);

	observer_clear(f.o);
	prefault(f.vcpu, GPA, 2 * SZ_2M);
	expect_range_mapped(&f, GPA, 2 * SZ_2M, LEVEL_2M);
	expect_eq(observer_faults(f.o), 2, "faults for two huge pages");
}

/* Through 7.3 guest_memfd has 4K pages only. */
CASE(gmem_4k, "guest_memfd is mapped by 4K SPTEs only", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_gmem(t, SZ_2M);

	prefault(f.vcpu, GPA + 5 * SZ_4K, SZ_4K);
	expect_mapped(f.o, GFN + 5, LEVEL_4K, PFN_ANY);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_leaves(&f, 512, 0, 0);
}

CASE(slot_not_congruent, "gpa and hva not congruent modulo 2M: 4K", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING, .hugepages_2m = 2)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, 2 * SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA + SZ_4K, mem, 0, mem->size, 0);

	prefault(f.vcpu, GPA + SZ_4K, mem->size);
	expect_range_mapped(&f, GPA + SZ_4K, mem->size, LEVEL_4K);
	expect_leaves(&f, 1024, 0, 0);
}

static void slot_edges(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, 3 * SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA + SZ_2M / 2, mem, SZ_2M / 2, 2 * SZ_2M, 0);

	prefault(f.vcpu, f.slot->gpa, f.slot->size);
	expect_range_mapped(&f, GPA + SZ_2M / 2, SZ_2M / 2, LEVEL_4K);
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_2M);
	expect_range_mapped(&f, GPA + 2 * SZ_2M, SZ_2M / 2, LEVEL_4K);
	expect_leaves(&f, 512, 1, 0);
}
CASES(slot_edges,
	{ "slot_edges", "a slot begins and ends inside of huge pages: 4K there, 2M between",
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_2m = 3 },
	{ "legacy_slot_edges", "legacy MMU: a slot begins and ends inside of huge pages",
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF,
	  .hugepages_2m = 3 },
)

CASE(slot_smaller_than_2m, "a slot one page short of 2M: 4K", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING, .hugepages_2m = 1)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M - SZ_4K, 0);

	prefault(f.vcpu, GPA, SZ_2M - SZ_4K);
	expect_range_mapped(&f, GPA, SZ_2M - SZ_4K, LEVEL_4K);
	expect_leaves(&f, 511, 0, 0);
}

CASE(slot_smaller_than_1g, "half of a 1G page: 2M", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING, .hugepages_1g = 1)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_1G, SZ_1G, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_1G / 2, 0);

	prefault(f.vcpu, GPA, 4 * SZ_2M);
	expect_range_mapped(&f, GPA, 4 * SZ_2M, LEVEL_2M);
	expect_leaves(&f, 0, 4, 0);
}

CASE(slot_2m_aligned_1g, "a 1G page at a gpa aligned to 2M only: 2M",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .hugepages_1g = 1)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_1G, SZ_1G, NULL);
	struct fixture f = fixture_part(t, GPA + SZ_2M, mem, 0, SZ_1G, 0);

	prefault(f.vcpu, GPA + SZ_2M, 4 * SZ_2M);
	expect_range_mapped(&f, GPA + SZ_2M, 4 * SZ_2M, LEVEL_2M);
	expect_leaves(&f, 0, 4, 0);
}

CASE(dirty_log_4k, "dirty logging: 4K", .vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	.hugepages_2m = 1)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M, KVM_MEM_LOG_DIRTY_PAGES);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_4K);
	expect_leaves(&f, 512, 0, 0);
}

/* With PML (Intel) a 4K SPTE may stay writable: its dirty bit is clear instead. */
static void expect_no_writable_2m(struct fixture *f)
{
	observer_sync(f->o);
	for (u64 gfn = GFN; gfn < GFN + 512; gfn++) {
		struct mapping m = observer_known(f->o, gfn);

		expect_true(m.level == LEVEL_4K || !m.writable,
			    "gfn 0x%llx, logged, is 4K or write-protected (SPTE 0x%llx)",
			    gfn, m.spte);
	}
}

CASE(dirty_log_on_splits, "dirty logging switched on: no writable 2M SPTE stays",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_2m = 1)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, SZ_2M);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);

	slot_set_flags(f.slot, KVM_MEM_LOG_DIRTY_PAGES);
	expect_no_writable_2m(&f);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_no_writable_2m(&f);
	/* No tracepoint reports the SPTEs of a split. */
	expect_eq(vm_stat(f.vm, "pages_4k"), 512, "statistic pages_4k");
	expect_eq(vm_stat(f.vm, "pages_2m"), 0, "statistic pages_2m");
}

CASE(dirty_log_off_2m_again, "dirty logging switched off: 2M again", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING, .hugepages_2m = 1)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M, KVM_MEM_LOG_DIRTY_PAGES);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_4K);
	slot_set_flags(f.slot, 0);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	expect_leaves(&f, 0, 1, 0);
}

CASE(progress, "ranges inside of a huge page and across its end: progress as requested",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_2m = 2)
{
	static const struct { u64 gpa, size; } ranges[] = {
		{ GPA + SZ_4K, 2 * SZ_4K },
		{ GPA, SZ_4K },
		{ GPA + SZ_2M - SZ_4K, 2 * SZ_4K },
		{ GPA + SZ_2M - SZ_4K, SZ_4K },
		{ GPA, 2 * SZ_2M },
		{ GPA + 3 * SZ_4K, 2 * SZ_2M - 4 * SZ_4K },
	};
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 2 * SZ_2M);

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct kvm_pre_fault_memory range = { .gpa = ranges[i].gpa,
						      .size = ranges[i].size };

		expect_ok(__vcpu_prefault(f.vcpu, &range),
			  "prefault of gpa 0x%llx, 0x%llx bytes", ranges[i].gpa, ranges[i].size);
		expect_eq(range.size, 0, "bytes left of gpa 0x%llx, 0x%llx bytes",
			  ranges[i].gpa, ranges[i].size);
		expect_eq(range.gpa, ranges[i].gpa + ranges[i].size,
			  "gpa where the prefault ended");
		expect_mapped(f.o, (range.gpa >> 12) - 1, LEVEL_2M, PFN_ANY);
	}
	expect_range_mapped(&f, GPA, 2 * SZ_2M, LEVEL_2M);
	expect_leaves(&f, 0, 2, 0);
}

CASE(nx_huge_pages, "nx_huge_pages=force: a prefaulted huge page is 2M and not executable",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	.side_effects = "writes kvm.nx_huge_pages", .hugepages_2m = 1)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f;

	must(!set_and_undo("/sys/module/kvm/parameters/nx_huge_pages", "force"),
	     "nx_huge_pages=force");
	f = fixture_part(t, GPA, mem, 0, SZ_2M, 0);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	expect_true(!spte_executable(observer_mapping(f.o, GFN).spte),
		    "gfn 0x%llx: the 2M SPTE 0x%llx is not executable", GFN,
		    observer_mapping(f.o, GFN).spte);
}

CASE(no_tdp, "no two-dimensional paging: EOPNOTSUPP", .vm_types = VM_DEFAULT,
	.boot = BOOT_NPT_OFF)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	struct vcpu *vcpu = vcpu_create(vm);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	slot_add(vm, GPA, mem);
	expect_eq(kvm_cap(KVM_CAP_PRE_FAULT_MEMORY), 0, "KVM_CAP_PRE_FAULT_MEMORY");
	expect_errno(__vcpu_prefault(vcpu, &range), EOPNOTSUPP,
		     "KVM_PRE_FAULT_MEMORY with shadow paging");
	expect_eq(vm_stat(vm, "pages_4k"), 0, "statistic pages_4k");
}

TEST_MAIN("level of the mappings that KVM makes")
