// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page that KVM maps: the one that backs the gfn, for each kind of memory.
 *
 * The expected pfn is that of /proc/self/pagemap, or the one that kvm_gmem_get_pfn()
 * returned.
 */
#include "fixture.h"
#include "testcase.h"

struct backing {
	enum mem_kind kind;
	size_t size;
	int level;
};

static void backing(const struct test *t)
{
	const struct backing *b = t->tc->arg;
	struct fixture f = fixture(t, b->kind, b->size);

	prefault(f.vcpu, GPA, b->size);
	expect_range_mapped(&f, GPA, b->size, b->level);
	/* Each gfn has its own pfn, inside of a huge page too. */
	expect_eq(observer_mapping(f.o, GFN + 77).pfn, pfn_of(hva_of(&f, GPA + 77 * SZ_4K)),
		  "pfn of gfn 0x%llx", GFN + 77);
	measure("pages", b->size / LEVEL_SIZE(b->level));
}
CASES(backing,
	{ "anon", "anonymous memory: its page is mapped",
	  .arg = &(const struct backing){ MEM_ANON, SZ_2M, LEVEL_4K }, .vm_types = VM_ALL,
	  .observes = OBSERVE_MAPPING },
	{ "thp", "a THP is mapped",
	  .arg = &(const struct backing){ MEM_THP, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_thp = true },
	{ "hugetlb_2m", "a 2M hugetlb page is mapped",
	  .arg = &(const struct backing){ MEM_HUGETLB_2M, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .hugepages_2m = 2 },
	{ "hugetlb_1g", "a 1G hugetlb page is mapped",
	  .arg = &(const struct backing){ MEM_HUGETLB_1G, SZ_1G, LEVEL_1G },
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .hugepages_1g = 1 },
	{ "memfd", "a memfd: its page is mapped",
	  .arg = &(const struct backing){ MEM_MEMFD, SZ_2M, LEVEL_4K }, .vm_types = VM_ALL,
	  .observes = OBSERVE_MAPPING },
	{ "file", "a file: the page of the page cache is mapped",
	  .arg = &(const struct backing){ MEM_FILE, SZ_2M, LEVEL_4K }, .vm_types = VM_ALL,
	  .observes = OBSERVE_MAPPING },
)

/* Each SPTE has the pfn that kvm_gmem_get_pfn() returned for its gfn. */
CASE(gmem, "guest_memfd: the page of kvm_gmem_get_pfn() is mapped", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN))
{
	struct fixture f = fixture_gmem(t, 64 * SZ_4K);
	const struct event *ev;
	size_t nr, handed_out = 0;

	prefault(f.vcpu, GPA, 64 * SZ_4K);
	ev = observer_events(f.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (ev[i].type != EV_GMEM_PFN)
			continue;
		handed_out++;
		expect_eq(ev[i].ret, 0, "result of kvm_gmem_get_pfn for gfn 0x%llx",
			  ev[i].gfn);
		expect_mapped(f.o, ev[i].gfn, LEVEL_4K, ev[i].new_spte);
	}
	expect_eq(handed_out, 64, "calls of kvm_gmem_get_pfn()");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 64, "4K SPTEs");
	measure("pages", 64);
}

CASE(gmem_mmap, "guest_memfd that the host maps: KVM maps the same page",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN))
{
	struct fixture f = fixture_gmem(t, 64 * SZ_4K);

	mem_touch(f.mem->hva, f.mem->size);
	prefault(f.vcpu, GPA, f.mem->size);
	expect_range_mapped(&f, GPA, f.mem->size, LEVEL_4K);
}

/* A prefault is a read fault. */
CASE(untouched_zero_page, "untouched anonymous memory: the zero page, not writable",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_mem(t, mem_create(MEM_ANON, SZ_2M, NULL));
	struct mapping a, b;

	a = map_page(&f, GPA, LEVEL_4K);
	b = map_page(&f, GPA + SZ_4K, LEVEL_4K);
	expect_eq(b.pfn, a.pfn, "pfn of the zero page at gfn 0x%llx", GFN + 1);
	expect_true(!a.writable, "gfn 0x%llx: the zero page is not writable (SPTE 0x%llx)", GFN,
		    a.spte);
}

/* A write to shared memory needs no copy, hence no second fault. */
CASE(untouched_shared, "untouched shared memory: writable", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_mem(t, mem_create(MEM_MEMFD, SZ_2M, NULL));
	struct mapping m = map_page(&f, GPA, LEVEL_4K);

	expect_true(m.writable, "gfn 0x%llx: a page of a memfd is writable (SPTE 0x%llx)", GFN,
		    m.spte);
}

TEST_MAIN("pages of the mappings that KVM makes")
