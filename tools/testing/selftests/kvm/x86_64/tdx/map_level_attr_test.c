// SPDX-License-Identifier: GPL-2.0-only
/*
 * The level at which KVM maps memory whose gfns differ in their attributes: a huge page
 * only where all gfns of it have the same (hugepage_has_attrs() in
 * arch/x86/kvm/mmu/mmu.c).
 */
#include "attr_change.h"
#include "fixture.h"
#include "testcase.h"

/* A slot over @mem, shared, with a guest_memfd for gfns that become private. */
static void add_slot_with_gmem(const struct test *t, struct fixture *f, struct mem *mem)
{
	f->vcpu = vcpu_create(f->vm);
	f->mem = mem;
	f->slot = slot_add_gmem(f->vm, GPA, mem, mem_create(MEM_GMEM, mem->size, f->vm));
	f->o = observe(f->vm, t->observes);
}

/* Four huge pages, all shared. */
static struct fixture four_huge_pages(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	add_slot_with_gmem(t, &f, mem_populated(MEM_HUGETLB_2M, 4 * SZ_2M, NULL));
	return f;
}

CASE(mixed_4k, "one private gfn in a huge page: 4K around it",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	vm_set_private(f.vm, GPA + 10 * SZ_4K, SZ_4K);
	prefault(f.vcpu, GPA, 2 * SZ_2M);
	expect_range_mapped(&f, GPA, 10 * SZ_4K, LEVEL_4K);
	expect_range_mapped(&f, GPA + 11 * SZ_4K, SZ_2M - 11 * SZ_4K, LEVEL_4K);
	expect_mapped(f.o, GFN + 10, LEVEL_4K, PFN_ANY);
	expect_true(observer_mapping(f.o, GFN + 10).pfn != pfn_of(f.mem->hva + 10 * SZ_4K),
		    "the private gfn is not mapped onto the shared page");
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_2M);
	expect_leaves(&f, 512, 1, 0);
}

CASE(mixed_head_and_tail, "a private range begins and ends inside of huge pages: 4K there",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	vm_set_private(f.vm, GPA + SZ_2M / 2, 2 * SZ_2M);
	prefault(f.vcpu, GPA, SZ_2M / 2);
	expect_range_mapped(&f, GPA, SZ_2M / 2, LEVEL_4K);
	prefault(f.vcpu, GPA + 2 * SZ_2M + SZ_2M / 2, SZ_2M / 2);
	expect_range_mapped(&f, GPA + 2 * SZ_2M + SZ_2M / 2, SZ_2M / 2, LEVEL_4K);
	prefault(f.vcpu, GPA + 3 * SZ_2M, SZ_2M);
	expect_range_mapped(&f, GPA + 3 * SZ_2M, SZ_2M, LEVEL_2M);
	expect_leaves(&f, 512, 1, 0);
}

CASE(unmixed_again, "partly shared again: 4K; wholly shared again: 2M",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	vm_set_private(f.vm, GPA + 10 * SZ_4K, 20 * SZ_4K);
	vm_set_shared(f.vm, GPA + 10 * SZ_4K, 10 * SZ_4K);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));

	vm_set_shared(f.vm, GPA + 20 * SZ_4K, 10 * SZ_4K);
	vm_set_private(f.vm, GPA, SZ_2M);	/* zaps the 4K SPTEs */
	vm_set_shared(f.vm, GPA, SZ_2M);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
}

/* A request for all gfns of a huge page makes them the same, whatever they were. */
CASE(unmixed_at_once, "partly private, then all shared in one request: 2M",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	vm_set_private(f.vm, GPA + 10 * SZ_4K, 20 * SZ_4K);
	vm_set_shared(f.vm, GPA, SZ_2M);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
}

CASE(whole_2m, "a huge page that is all private: its shared neighbors stay 2M",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	vm_set_private(f.vm, GPA + SZ_2M, SZ_2M);
	prefault(f.vcpu, GPA, 3 * SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	expect_range_mapped(&f, GPA + 2 * SZ_2M, SZ_2M, LEVEL_2M);
	expect_leaves(&f, 512, 2, 0);	/* guest_memfd: 4K */
}

CASE(flip_zaps_2m, "a gfn made private: the 2M SPTE over it is zapped",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
	vm_set_private(f.vm, GPA + 100 * SZ_4K, SZ_4K);
	expect_not_mapped(f.o, GFN + 100);
	prefault(f.vcpu, GPA, 100 * SZ_4K);
	expect_range_mapped(&f, GPA, 100 * SZ_4K, LEVEL_4K);
}

CASE(same_again, "attributes set to what they are: no SPTE is zapped",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = four_huge_pages(t);

	vm_set_private(f.vm, GPA + SZ_2M, SZ_4K);
	prefault(f.vcpu, GPA, SZ_2M + SZ_4K);
	expect_leaves(&f, 1, 1, 0);
	vm_set_shared(f.vm, GPA, SZ_2M);
	vm_set_private(f.vm, GPA + SZ_2M, SZ_4K);
	expect_leaves(&f, 1, 1, 0);
}

CASE(before_slot, "one private gfn before the slot is created: 4K around it",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_2m = 2)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	vm_set_private(f.vm, GPA + 10 * SZ_4K, SZ_4K);
	add_slot_with_gmem(t, &f, mem_populated(MEM_HUGETLB_2M, 2 * SZ_2M, NULL));
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
	prefault(f.vcpu, GPA + SZ_2M, SZ_2M);
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_2M);
}

CASE(private_2m_of_1g, "2M of a 1G page are private: 2M around them",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .hugepages_1g = 1)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	add_slot_with_gmem(t, &f, mem_populated(MEM_HUGETLB_1G, SZ_1G, NULL));
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_1G, pfn_of(f.mem->hva));

	vm_set_private(f.vm, GPA + SZ_2M, SZ_2M);
	expect_not_mapped(f.o, GFN + 512);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_2M, pfn_of(f.mem->hva));
}

struct change {
	u64 gpa, size;		/* what becomes private */
	u64 rest;		/* a gpa of the same huge page that stays shared */
	u64 other;		/* a gpa of the other huge page */
};

/* While part of a huge page is made private, its rest must not be mapped at 2M. */

static void changing(const struct test *t)
{
	const struct change *c = t->tc->arg;
	struct fixture f = four_huge_pages(t);
	struct attr_change *change;

	prefault(f.vcpu, c->other, SZ_4K);
	change = attr_change_begin(f.vm, c->gpa, c->size);
	prefault(f.vcpu, c->rest, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");
	expect_mapped(f.o, c->rest >> 12, LEVEL_4K, pfn_of(hva_of(&f, c->rest)));
	expect_true(observer_retries(f.o) > 0, "the prefault of gpa 0x%llx retries", c->rest);
}
CASES(changing,
	{ "changing_4k",
	  "the second half of a huge page is made private meanwhile: the first is mapped 4K",
	  .arg = &(const struct change){ GPA + SZ_2M / 2, 2 * SZ_2M, GPA, GPA + SZ_2M },
	  .fixes = "9129633d568e (\"KVM: x86/mmu: Prevent installing hugepages when mem attributes are changing\"), 6.15",
	  .vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .hugepages_2m = 4, .cpus = 2 },
	{ "changing_tail_4k",
	  "the first half of a huge page is made private meanwhile: the second is mapped 4K",
	  .arg = &(const struct change){ GPA + SZ_2M / 2, SZ_2M, GPA + 3 * SZ_2M / 2, GPA },
	  .fixes = "9129633d568e (\"KVM: x86/mmu: Prevent installing hugepages when mem attributes are changing\"), 6.15",
	  .vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .hugepages_2m = 4, .cpus = 2 },
)

TEST_MAIN("level of the mappings where memory attributes differ")
