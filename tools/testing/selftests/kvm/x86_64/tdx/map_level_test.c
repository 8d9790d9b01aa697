// SPDX-License-Identifier: GPL-2.0-only
/*
 * The level at which KVM maps: as large as the memory, the slot and the
 * attributes allow, and never larger (kvm_mmu_max_mapping_level() and
 * kvm_mmu_hugepage_adjust() in arch/x86/kvm/mmu/mmu.c).
 *
 * A level too large lets the guest reach host memory it was not given; one too
 * small only costs speed.  Both are failures here.
 */
#include "attr_change.h"
#include "fixture.h"
#include "testcase.h"
#include "thread.h"
#include "undo.h"


/* KVM's statistics agree with the SPTEs that were seen. */
static void expect_stats(struct fixture *f, unsigned long pages_4k,
			 unsigned long pages_2m, unsigned long pages_1g)
{
	expect_eq(observer_leaves(f->o, LEVEL_4K), pages_4k, "4K SPTEs");
	expect_eq(observer_leaves(f->o, LEVEL_2M), pages_2m, "2M SPTEs");
	expect_eq(observer_leaves(f->o, LEVEL_1G), pages_1g, "1G SPTEs");
	expect_eq(vm_stat(f->vm, "pages_4k"), pages_4k, "statistic pages_4k");
	expect_eq(vm_stat(f->vm, "pages_2m"), pages_2m, "statistic pages_2m");
	expect_eq(vm_stat(f->vm, "pages_1g"), pages_1g, "statistic pages_1g");
	measure("pages", pages_4k + pages_2m + pages_1g);
}

/* --- the memory's own page size --------------------------------------------- */

struct kind_case {
	enum mem_kind kind;
	size_t size;
	int level;
};

static void page_size(const struct test *t)
{
	const struct kind_case *k = t->tc->arg;
	struct fixture f = fixture(t, k->kind, k->size);
	unsigned long n = k->size / LEVEL_SIZE(k->level);

	prefault(f.vcpu, GPA, k->size);
	expect_range_mapped(&f, GPA, k->size, k->level);
	expect_stats(&f, k->level == LEVEL_4K ? n : 0, k->level == LEVEL_2M ? n : 0,
		     k->level == LEVEL_1G ? n : 0);
}

static const struct kind_case anon_4k = { MEM_ANON, 2 * SZ_2M, LEVEL_4K };
static const struct kind_case thp_2m = { MEM_THP, 2 * SZ_2M, LEVEL_2M };
static const struct kind_case hugetlb_2m = { MEM_HUGETLB_2M, 2 * SZ_2M, LEVEL_2M };
static const struct kind_case hugetlb_1g = { MEM_HUGETLB_1G, SZ_1G, LEVEL_1G };
static const struct kind_case memfd_4k = { MEM_MEMFD, SZ_2M, LEVEL_4K };

/* A huge page is prefaulted by one fault, not by one for each 4K of it. */
static void one_fault_each(const struct test *t)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 2 * SZ_2M);

	observer_clear(f.o);
	prefault(f.vcpu, GPA, 2 * SZ_2M);
	expect_range_mapped(&f, GPA, 2 * SZ_2M, LEVEL_2M);
	expect_eq(observer_faults(f.o), 2, "faults for two huge pages");
}

/* guest_memfd has 4K pages only (up to 7.3), however well aligned. */
static void gmem_4k(const struct test *t)
{
	struct fixture f = fixture_gmem(t, SZ_2M);

	prefault(f.vcpu, GPA + 5 * SZ_4K, SZ_4K);
	expect_mapped(f.o, GFN + 5, LEVEL_4K, PFN_ANY);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_stats(&f, 512, 0, 0);
}

/* --- limited by the slot ------------------------------------------------------ */

/* gpa and hva that differ modulo 2M cannot share a huge page. */
static void slot_not_congruent(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, 2 * SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA + SZ_4K, mem, 0, mem->size, 0);

	prefault(f.vcpu, GPA + SZ_4K, mem->size);
	expect_range_mapped(&f, GPA + SZ_4K, mem->size, LEVEL_4K);
	expect_stats(&f, 1024, 0, 0);
}

/* A slot that begins and ends inside of huge pages: 4K there, 2M between. */
static void slot_edges(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, 3 * SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA + SZ_2M / 2, mem, SZ_2M / 2, 2 * SZ_2M, 0);

	prefault(f.vcpu, f.slot->gpa, f.slot->size);
	expect_range_mapped(&f, GPA + SZ_2M / 2, SZ_2M / 2, LEVEL_4K);
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_2M);
	expect_range_mapped(&f, GPA + 2 * SZ_2M, SZ_2M / 2, LEVEL_4K);
	expect_stats(&f, 512, 1, 0);
}

static void slot_smaller_than_2m(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M - SZ_4K, 0);

	prefault(f.vcpu, GPA, SZ_2M - SZ_4K);
	expect_range_mapped(&f, GPA, SZ_2M - SZ_4K, LEVEL_4K);
	expect_stats(&f, 511, 0, 0);
}

static void slot_smaller_than_1g(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_1G, SZ_1G, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_1G / 2, 0);

	prefault(f.vcpu, GPA, 4 * SZ_2M);
	expect_range_mapped(&f, GPA, 4 * SZ_2M, LEVEL_2M);
	expect_stats(&f, 0, 4, 0);
}

/* Congruent modulo 2M, not modulo 1G. */
static void slot_2m_aligned_1g(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_1G, SZ_1G, NULL);
	struct fixture f = fixture_part(t, GPA + SZ_2M, mem, 0, SZ_1G, 0);

	prefault(f.vcpu, GPA + SZ_2M, 4 * SZ_2M);
	expect_range_mapped(&f, GPA + SZ_2M, 4 * SZ_2M, LEVEL_2M);
	expect_stats(&f, 0, 4, 0);
}

/* --- limited by dirty logging ----------------------------------------------- */

static void dirty_log_4k(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M, KVM_MEM_LOG_DIRTY_PAGES);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_4K);
	expect_stats(&f, 512, 0, 0);
}

/* With PML (Intel) a 4K page may stay writable: its dirty bit is clear instead. */
static void expect_writes_are_seen(struct fixture *f)
{
	observer_sync(f->o);
	for (u64 gfn = GFN; gfn < GFN + 512; gfn++) {
		struct mapping m = observer_known(f->o, gfn);

		expect_true(m.level == LEVEL_4K || !m.writable,
			    "gfn 0x%llx: 4K or write-protected while dirty pages are logged (SPTE 0x%llx)",
			    gfn, m.spte);
	}
}

static void dirty_log_on_splits(const struct test *t)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, SZ_2M);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);

	slot_set_flags(f.slot, KVM_MEM_LOG_DIRTY_PAGES);
	expect_writes_are_seen(&f);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_writes_are_seen(&f);
	/* The SPTEs that a split makes are told by the statistics alone. */
	expect_eq(vm_stat(f.vm, "pages_4k"), 512, "statistic pages_4k");
	expect_eq(vm_stat(f.vm, "pages_2m"), 0, "statistic pages_2m");
}

static void dirty_log_off_2m_again(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M, KVM_MEM_LOG_DIRTY_PAGES);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_4K);
	slot_set_flags(f.slot, 0);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	expect_stats(&f, 0, 1, 0);
}

/* --- limited by the attributes ------------------------------------------------ */

/* Four huge pages, shared, with a guest_memfd for what becomes private. */
static struct fixture fixture_attr(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	f.vcpu = vcpu_create(f.vm);
	f.mem = mem_populated(MEM_HUGETLB_2M, 4 * SZ_2M, NULL);
	f.slot = slot_add_gmem(f.vm, GPA, f.mem, mem_create(MEM_GMEM, 4 * SZ_2M, f.vm));
	f.o = observe(f.vm, t->observes);
	return f;
}

static void attr_mixed_4k(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	vm_set_private(f.vm, GPA + 10 * SZ_4K, SZ_4K);
	prefault(f.vcpu, GPA, 2 * SZ_2M);
	expect_range_mapped(&f, GPA, 10 * SZ_4K, LEVEL_4K);
	expect_range_mapped(&f, GPA + 11 * SZ_4K, SZ_2M - 11 * SZ_4K, LEVEL_4K);
	expect_mapped(f.o, GFN + 10, LEVEL_4K, PFN_ANY);
	expect_true(observer_mapping(f.o, GFN + 10).pfn != pfn_of(f.mem->hva + 10 * SZ_4K),
		    "the private gfn is not mapped onto the shared page");
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_2M);
	expect_stats(&f, 512, 1, 0);
}

/* A private range that begins and ends in the middle of huge pages. */
static void attr_mixed_head_and_tail(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	vm_set_private(f.vm, GPA + SZ_2M / 2, 2 * SZ_2M);
	prefault(f.vcpu, GPA, SZ_2M / 2);
	expect_range_mapped(&f, GPA, SZ_2M / 2, LEVEL_4K);
	prefault(f.vcpu, GPA + 2 * SZ_2M + SZ_2M / 2, SZ_2M / 2);
	expect_range_mapped(&f, GPA + 2 * SZ_2M + SZ_2M / 2, SZ_2M / 2, LEVEL_4K);
	prefault(f.vcpu, GPA + 3 * SZ_2M, SZ_2M);
	expect_range_mapped(&f, GPA + 3 * SZ_2M, SZ_2M, LEVEL_2M);
	expect_stats(&f, 512, 1, 0);
}

static void attr_unmixed_again(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	vm_set_private(f.vm, GPA + 10 * SZ_4K, 20 * SZ_4K);
	vm_set_shared(f.vm, GPA + 10 * SZ_4K, 10 * SZ_4K);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));

	vm_set_shared(f.vm, GPA + 20 * SZ_4K, 10 * SZ_4K);
	vm_set_private(f.vm, GPA, SZ_2M);	/* zaps the 4K page table's leaves */
	vm_set_shared(f.vm, GPA, SZ_2M);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
}

/* One request covers all of a huge page whose gfns differ: no need to look at them. */
static void attr_unmixed_at_once(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	vm_set_private(f.vm, GPA + 10 * SZ_4K, 20 * SZ_4K);
	vm_set_shared(f.vm, GPA, SZ_2M);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
}

/* A wholly private huge page does not shrink its shared neighbours. */
static void attr_whole_2m(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	vm_set_private(f.vm, GPA + SZ_2M, SZ_2M);
	prefault(f.vcpu, GPA, 3 * SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	expect_range_mapped(&f, GPA + 2 * SZ_2M, SZ_2M, LEVEL_2M);
	expect_stats(&f, 512, 2, 0);	/* 512: guest_memfd */
}

/* Mapped 2M, then one gfn becomes private: nothing may map it shared. */
static void attr_flip_zaps_2m(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	vm_set_private(f.vm, GPA + 100 * SZ_4K, SZ_4K);
	expect_not_mapped(f.o, GFN + 100);
	prefault(f.vcpu, GPA, 100 * SZ_4K);
	expect_range_mapped(&f, GPA, 100 * SZ_4K, LEVEL_4K);
}

/* Attributes that are what they should become are left alone, and so are SPTEs. */
static void attr_same_again(const struct test *t)
{
	struct fixture f = fixture_attr(t);

	vm_set_private(f.vm, GPA + SZ_2M, SZ_4K);
	prefault(f.vcpu, GPA, SZ_2M + SZ_4K);
	expect_stats(&f, 1, 1, 0);
	vm_set_shared(f.vm, GPA, SZ_2M);
	vm_set_private(f.vm, GPA + SZ_2M, SZ_4K);
	expect_stats(&f, 1, 1, 0);
}

/* The slot comes after the attributes. */
static void attr_before_slot(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	vm_set_private(f.vm, GPA + 10 * SZ_4K, SZ_4K);
	f.vcpu = vcpu_create(f.vm);
	f.mem = mem_populated(MEM_HUGETLB_2M, 2 * SZ_2M, NULL);
	f.slot = slot_add_gmem(f.vm, GPA, f.mem, mem_create(MEM_GMEM, 2 * SZ_2M, f.vm));
	f.o = observe(f.vm, t->observes);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
	prefault(f.vcpu, GPA + SZ_2M, SZ_2M);
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_2M);
}

/* A private 2M, all of it, leaves the rest of its 1G shared, at 2M. */
static void attr_2m_of_1g(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	f.vcpu = vcpu_create(f.vm);
	f.mem = mem_populated(MEM_HUGETLB_1G, SZ_1G, NULL);
	f.slot = slot_add_gmem(f.vm, GPA, f.mem, mem_create(MEM_GMEM, SZ_1G, f.vm));
	f.o = observe(f.vm, t->observes);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_1G, pfn_of(f.mem->hva));

	vm_set_private(f.vm, GPA + SZ_2M, SZ_2M);
	expect_not_mapped(f.o, GFN + 512);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_2M, pfn_of(f.mem->hva));
}

/*
 * While a part of a huge page is being made private, the rest of it must not be
 * mapped by a huge page any more ("KVM: x86/mmu: Prevent installing hugepages
 * when mem attributes are changing", 6.15).
 */
struct changing {
	u64 first, size;	/* what becomes private: gpa, bytes */
	u64 rest;		/* a gpa in the rest */
	u64 before;	/* one in the other huge page */
};

static const struct changing
	second_half = { GPA + SZ_2M / 2, 2 * SZ_2M, GPA, GPA + SZ_2M },
	/* Of the second one: the first is all of what the slot has of the rest. */
	first_half = { GPA + SZ_2M / 2, SZ_2M, GPA + 3 * SZ_2M / 2, GPA };

static void attr_changing(const struct test *t)
{
	const struct changing *c = t->tc->arg;
	struct fixture f = fixture_attr(t);
	struct attr_change *change;

	prefault(f.vcpu, c->before, SZ_4K);
	change = attr_change_begin(f.vm, c->first, c->size);
	prefault(f.vcpu, c->rest, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");
	expect_mapped(f.o, c->rest >> 12, LEVEL_4K, pfn_of(hva_of(&f, c->rest)));
	expect_true(observer_retries(f.o) > 0, "the prefault was tried again");
}

/* --- progress ----------------------------------------------------------------- */

/* The range asked for is inside of one huge page, or crosses its end. */
static void progress(const struct test *t)
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
			  "prefault of gpa 0x%llx, 0x%llx bytes",
			  ranges[i].gpa,
			  ranges[i].size);
		expect_eq(range.size, 0, "bytes left of gpa 0x%llx, 0x%llx bytes",
			  ranges[i].gpa,
			  ranges[i].size);
		expect_eq(range.gpa, ranges[i].gpa + ranges[i].size,
			  "gpa where the prefault ended");
		expect_mapped(f.o, (range.gpa >> 12) - 1, LEVEL_2M, PFN_ANY);
	}
	expect_range_mapped(&f, GPA, 2 * SZ_2M, LEVEL_2M);
	expect_stats(&f, 0, 2, 0);
}

/* --- NX huge pages: a prefault does not execute, so they stay huge, and NX ----- */

/* EPT: bit 2 allows execution; NPT: bit 63 forbids it. */
static bool executable(u64 spte)
{
	return kvm_tdp() == TDP_EPT ? spte >> 2 & 1 : !(spte >> 63);
}

static void nx_huge_pages(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct fixture f;

	must(!set_and_undo("/sys/module/kvm/parameters/nx_huge_pages", "force"),
	     "nx_huge_pages=force");
	f = fixture_part(t, GPA, mem, 0, SZ_2M, 0);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	expect_true(!executable(observer_mapping(f.o, GFN).spte),
		    "the 2M SPTE 0x%llx is not executable",
		    observer_mapping(f.o, GFN).spte);
}

/* --- without two-dimensional paging ---------------------------------------------- */

static void no_tdp(const struct test *t)
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

#define MAPS	.observes = OBSERVE_MAPPING
#define HP2M(n)	.hugepages_2m = n
#define SMALL	.vm_types = VM_ANY, MAPS

#define CHANGING							\
	.vm_types = VM_SW_PROTECTED, HP2M(4), MAPS, .needs_hold = true, .cpus = 2,	\
	.fixes = "KVM: x86/mmu: Prevent installing hugepages when mem attributes are changing (6.15)"

static const struct test_case cases[] = {
	{ "anon_4k", "anonymous 4K pages are mapped by 4K SPTEs, each its own page",
	  page_size, &anon_4k, SMALL },
	{ "memfd_4k", "shmem 4K pages are mapped by 4K SPTEs", page_size, &memfd_4k, SMALL },
	{ "thp_2m", "a THP is mapped by one 2M SPTE", page_size, &thp_2m, SMALL,
	  .needs_thp = true },
	{ "hugetlb_2m", "a 2M hugetlb page is mapped by one 2M SPTE", page_size, &hugetlb_2m,
	  SMALL, HP2M(2) },
	{ "hugetlb_1g", "a 1G hugetlb page is mapped by one 1G SPTE", page_size, &hugetlb_1g,
	  SMALL, .hugepages_1g = 1 },
	{ "one_fault_each", "a huge page is prefaulted by one fault", one_fault_each, SMALL,
	  HP2M(2) },
	{ "gmem_4k", "guest_memfd is mapped by 4K SPTEs only", gmem_4k, SMALL },

	{ "slot_not_congruent", "gpa and hva not congruent modulo 2M: 4K",
	  slot_not_congruent, SMALL, HP2M(2) },
	{ "slot_edges", "a slot that cuts huge pages: 4K at its edges, 2M between",
	  slot_edges, SMALL, HP2M(3) },
	{ "slot_smaller_than_2m", "a slot one page short of 2M: 4K",
	  slot_smaller_than_2m, SMALL, HP2M(1) },
	{ "slot_smaller_than_1g", "half of a 1G page: 2M", slot_smaller_than_1g,
	  .vm_types = VM_DEFAULT, MAPS, .hugepages_1g = 1 },
	{ "slot_2m_aligned_1g", "a 1G page at a gpa aligned to 2M only: 2M",
	  slot_2m_aligned_1g, .vm_types = VM_DEFAULT, MAPS, .hugepages_1g = 1 },

	{ "dirty_log_4k", "dirty logging: 4K", dirty_log_4k, SMALL, HP2M(1) },
	{ "dirty_log_on_splits", "dirty logging switched on: no writable 2M SPTE stays",
	  dirty_log_on_splits, SMALL, HP2M(1) },
	{ "dirty_log_off_2m_again", "dirty logging switched off: 2M again",
	  dirty_log_off_2m_again, SMALL, HP2M(1) },

	{ "attr_mixed_4k", "one private gfn in a huge page: 4K around it",
	  attr_mixed_4k, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_mixed_head_and_tail", "a private range ends inside of huge pages: 4K there",
	  attr_mixed_head_and_tail, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_unmixed_again", "partly shared again: 4K; wholly shared again: 2M",
	  attr_unmixed_again, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_unmixed_at_once", "partly private, then all shared in one request: 2M",
	  attr_unmixed_at_once, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_whole_2m", "a wholly private huge page leaves its neighbours 2M",
	  attr_whole_2m, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_flip_zaps_2m", "a gfn made private is no longer mapped by the 2M SPTE",
	  attr_flip_zaps_2m, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_same_again", "attributes that do not change zap nothing", attr_same_again,
	  .vm_types = VM_SW_PROTECTED, MAPS, HP2M(4) },
	{ "attr_before_slot", "one private gfn, and then the slot: 4K around it",
	  attr_before_slot, .vm_types = VM_SW_PROTECTED, MAPS, HP2M(2) },
	{ "attr_2m_of_1g", "a private 2M in a 1G page: 2M around it", attr_2m_of_1g,
	  .vm_types = VM_SW_PROTECTED, MAPS, .hugepages_1g = 1 },
	{ "attr_changing_4k", "attributes of half a huge page are changing: the other half is mapped 4K",
	  attr_changing, &second_half, CHANGING },
	{ "attr_changing_tail_4k", "the same where the change ends in the huge page",
	  attr_changing, &first_half, CHANGING },

	{ "progress", "the progress reported fits the request, not the huge page",
	  progress, SMALL, HP2M(2) },
	{ "nx_huge_pages", "nx_huge_pages=force: a prefaulted huge page is 2M and not executable",
	  nx_huge_pages, SMALL, HP2M(1), .side_effects = "writes kvm.nx_huge_pages" },

	{ "legacy_anon_4k", "legacy MMU: anonymous 4K pages at 4K", page_size, &anon_4k,
	  .vm_types = VM_DEFAULT, MAPS, .boot = BOOT_TDP_MMU_OFF },
	{ "legacy_hugetlb_2m", "legacy MMU: a 2M hugetlb page at 2M", page_size, &hugetlb_2m,
	  .vm_types = VM_DEFAULT, MAPS, HP2M(2), .boot = BOOT_TDP_MMU_OFF },
	{ "legacy_hugetlb_1g", "legacy MMU: a 1G hugetlb page at 1G", page_size, &hugetlb_1g,
	  .vm_types = VM_DEFAULT, MAPS, .hugepages_1g = 1, .boot = BOOT_TDP_MMU_OFF },
	{ "legacy_slot_edges", "legacy MMU: a slot that cuts huge pages", slot_edges,
	  .vm_types = VM_DEFAULT, MAPS, HP2M(3), .boot = BOOT_TDP_MMU_OFF },

	{ "no_tdp", "without two-dimensional paging a prefault is refused", no_tdp,
	  .vm_types = VM_DEFAULT, .boot = BOOT_NPT_OFF },
};

TEST_MAIN("level of the mappings that KVM makes", cases)
