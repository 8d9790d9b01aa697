// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a TD between private and shared (KVM_SET_MEMORY_ATTRIBUTES).  A gfn is in one
 * tree at most: a range that becomes shared leaves the Secure EPT, one that becomes private
 * leaves the shared tree.  Gfns that have the attribute already, and gfns beside the range,
 * stay mapped (kvm_arch_pre_set_memory_attributes() in arch/x86/kvm/mmu/mmu.c).
 *
 * A page in the shared tree shows as the host's page in KVM's SPTE and a free entry in the
 * Secure EPT.
 */
#include "td_fixture.h"
#include "testcase.h"

#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define SLOT_SIZE	(2 * SZ_2M)
#define SLOT_END	(GPA + SLOT_SIZE)
#define ELSEWHERE	(GPA + 2 * SZ_1G)	/* no slot there */

struct range {
	u64 gpa, size;
};

/* Pages of the slot to check: first, middle and last of the range, and their neighbours. */
#define MAX_PROBES	5

static int probes_of(const struct range *r, u64 *probe)
{
	u64 end = r->gpa + r->size;
	u64 first = r->gpa > GPA ? r->gpa : GPA;
	u64 last = (end < SLOT_END ? end : SLOT_END) - SZ_4K;
	int nr = 0;

	if (first > GPA)
		probe[nr++] = first - SZ_4K;
	probe[nr++] = first;
	if (last > first + SZ_4K)
		probe[nr++] = first + ((last - first) / 2 & ~(SZ_4K - 1));
	if (last > first)
		probe[nr++] = last;
	if (last + SZ_4K < SLOT_END)
		probe[nr++] = last + SZ_4K;
	return nr;
}

static bool inside(const struct range *r, u64 gpa)
{
	return gpa >= r->gpa && gpa < r->gpa + r->size;
}

/* After a change of the range nothing in it is mapped, and the pages beside it still are. */
static void expect_only_inside_unmapped(struct fixture *td, const struct range *r,
					const u64 *probe, const u64 *pfn, int nr)
{
	for (int i = 0; i < nr; i++) {
		if (inside(r, probe[i])) {
			expect_td_unmapped(td, probe[i], 1);
		} else {
			expect_mapped(td->o, probe[i] >> 12, LEVEL_4K, pfn[i]);
			expect_sept(td->vm, probe[i], LEVEL_4K, SEPT_PENDING, pfn[i]);
		}
	}
}

static void there_and_back(const struct test *t)
{
	const struct range *r = t->tc->arg;
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	u64 probe[MAX_PROBES], pfn[MAX_PROBES];
	int nr = probes_of(r, probe);

	for (int i = 0; i < nr; i++) {
		td_prefault_private(&td, probe[i]);
		pfn[i] = observer_mapping(td.o, probe[i] >> 12).pfn;
	}
	vm_set_shared(td.vm, r->gpa, r->size);
	expect_only_inside_unmapped(&td, r, probe, pfn, nr);
	for (int i = 0; i < nr; i++)
		if (inside(r, probe[i]))
			td_prefault_shared(&td, probe[i]);

	vm_set_private(td.vm, r->gpa, r->size);
	expect_only_inside_unmapped(&td, r, probe, pfn, nr);
	for (int i = 0; i < nr; i++) {
		td_prefault_private(&td, probe[i]);
		/* guest_memfd keeps a page until it is punched. */
		expect_mapped(td.o, probe[i] >> 12, LEVEL_4K, pfn[i]);
	}
	measure("pages", r->size / SZ_4K);
}

CASES(there_and_back,
	{ "one_page", "a page, to shared and back",
	  .arg = &(const struct range){ GPA + 5 * SZ_4K, SZ_4K }, TD_MAPPING },
	{ "first_page", "the first page of the slot, to shared and back",
	  .arg = &(const struct range){ GPA, SZ_4K }, TD_MAPPING },
	{ "last_page", "the last page of the slot, to shared and back",
	  .arg = &(const struct range){ SLOT_END - SZ_4K, SZ_4K }, TD_MAPPING },
	{ "three_pages", "three pages, to shared and back",
	  .arg = &(const struct range){ GPA + 9 * SZ_4K, 3 * SZ_4K }, TD_MAPPING },
	{ "across_2m", "two pages on both sides of 2M, to shared and back",
	  .arg = &(const struct range){ GPA + SZ_2M - SZ_4K, 2 * SZ_4K }, TD_MAPPING },
	{ "first_2m", "the first 2M, to shared and back",
	  .arg = &(const struct range){ GPA, SZ_2M }, TD_MAPPING },
	{ "second_2m", "the second 2M, to shared and back",
	  .arg = &(const struct range){ GPA + SZ_2M, SZ_2M }, TD_MAPPING },
	{ "odd_2m", "an unaligned 2M, to shared and back",
	  .arg = &(const struct range){ GPA + 7 * SZ_4K, SZ_2M }, TD_MAPPING },
	{ "but_one_page", "all pages but one, to shared and back",
	  .arg = &(const struct range){ GPA + SZ_4K, SLOT_SIZE - SZ_4K }, TD_MAPPING },
	{ "whole_slot", "the slot, to shared and back",
	  .arg = &(const struct range){ GPA, SLOT_SIZE }, TD_MAPPING },
	{ "from_below", "a range that begins before the slot, to shared and back",
	  .arg = &(const struct range){ GPA - SZ_2M, SZ_2M + 3 * SZ_4K }, TD_MAPPING },
	{ "to_above", "a range that ends after the slot, to shared and back",
	  .arg = &(const struct range){ SLOT_END - 3 * SZ_4K, SZ_2M }, TD_MAPPING },
	{ "around", "a range around the slot, to shared and back",
	  .arg = &(const struct range){ GPA - SZ_2M, SLOT_SIZE + 2 * SZ_2M }, TD_MAPPING },
	{ "mib_32", "32M that begin with the slot, to shared and back",
	  .arg = &(const struct range){ GPA, 16 * SZ_2M }, TD_MAPPING },
	{ "one_gib", "1G that begins with the slot, to shared and back",
	  .arg = &(const struct range){ GPA, SZ_1G }, TD_MAPPING, .time_limit_s = 60,
	  .nightly = true },
	{ "odd_gib", "an unaligned 1G that ends in the slot, to shared and back",
	  .arg = &(const struct range){ GPA - SZ_1G + 11 * SZ_4K, SZ_1G }, TD_MAPPING,
	  .time_limit_s = 60, .nightly = true })

CASE(keeps_private, "private pages of a range that becomes private stay", TD_MAPPING)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	u64 pfn;

	vm_set_shared(td.vm, GPA + SZ_4K, SZ_4K);
	td_prefault_shared(&td, GPA + SZ_4K);
	td_prefault_private(&td, GPA);
	pfn = observer_mapping(td.o, GFN).pfn;
	observer_clear(td.o);
	vm_set_private(td.vm, GPA, SZ_2M);
	expect_td_unmapped(&td, GPA + SZ_4K, 1);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn);
	expect_sept(td.vm, GPA, LEVEL_4K, SEPT_PENDING, pfn);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 1, "SPTEs that changed");
}

CASE(keeps_shared, "shared pages of a range that becomes shared stay", TD_MAPPING)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	vm_set_shared(td.vm, GPA + SZ_4K, SZ_4K);
	td_prefault_shared(&td, GPA + SZ_4K);
	td_prefault_private(&td, GPA);
	observer_clear(td.o);
	vm_set_shared(td.vm, GPA, SZ_2M);
	expect_td_unmapped(&td, GPA, 1);
	expect_mapped(td.o, GFN + 1, LEVEL_4K, pfn_of(shared_hva(&td, GPA + SZ_4K)));
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 1, "SPTEs that changed");
}

CASE(no_change, "a change to the same attribute does nothing",
	.vm_types = VM_TDX, .observes = OBSERVE_MAPPING | OBSERVE(EV_ATTR_START), .uses_sept = true)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	td_prefault_private(&td, GPA);
	observer_clear(td.o);
	vm_set_private(td.vm, GPA, SLOT_SIZE);
	vm_set_shared(td.vm, ELSEWHERE, SLOT_SIZE);
	expect_eq(observer_count(td.o, EV_ATTR_START, RET_ANY), 0, "changes that KVM began");
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

CASE(other_gfns, "a change of gfns without slot, or with the shared bit, does nothing",
	TD_MAPPING)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	td_prefault_private(&td, GPA);
	observer_clear(td.o);
	vm_set_private(td.vm, ELSEWHERE, SLOT_SIZE);
	vm_set_private(td.vm, GPA | TD_SHARED_BIT, SLOT_SIZE);
	vm_set_shared(td.vm, GPA | TD_SHARED_BIT, SLOT_SIZE);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	td_prefault_private(&td, GPA + SZ_4K);
}

/* Attributes belong to the VM, not to a slot. */
CASE(outlive_slots, "attributes set before the slot exists, and after it is deleted", TD_MAPPING)
{
	struct fixture td = td_fixture(t, 0);

	vm_set_private(td.vm, GPA, SZ_4K);
	td.slot = slot_add_gmem(td.vm, GPA, mem_create(MEM_ANON, SZ_2M, NULL),
				mem_create(MEM_GMEM, SZ_2M, td.vm));
	td_finalize(td.vm);
	td_prefault_private(&td, GPA);
	td_prefault_shared(&td, GPA + SZ_4K);
	slot_delete(td.slot);
	expect_td_unmapped(&td, GPA, 2);
	expect_ok(__slot_set(td.slot), "the slot again");
	td_prefault_private(&td, GPA);
	td_prefault_shared(&td, GPA + SZ_4K);
}

CASE(refused, "invalid size, alignment, wrap, attribute or flag: EINVAL, nothing changes",
	TD_MAPPING)
{
	static const struct kvm_memory_attributes bad[] = {
		{ .address = GPA, .size = 0 },
		{ .address = GPA + 8, .size = SZ_4K },
		{ .address = GPA, .size = SZ_4K + 8 },
		{ .address = GPA, .size = -SZ_4K },
		{ .address = -SZ_4K, .size = SZ_4K },
		{ .address = GPA, .size = SZ_4K, .attributes = PRIVATE | 1 },
		{ .address = GPA, .size = SZ_4K, .attributes = 1 << 1 },
		{ .address = GPA, .size = SZ_4K, .flags = 1 },
	};
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	td_prefault_private(&td, GPA);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kvm_memory_attributes attr = bad[i];

		expect_errno(__vm_ioctl(td.vm, KVM_SET_MEMORY_ATTRIBUTES, &attr), EINVAL,
			     "address 0x%llx, size 0x%llx, attributes 0x%llx, flags 0x%llx",
			     attr.address, attr.size, attr.attributes, attr.flags);
	}
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	td_prefault_private(&td, GPA + SZ_4K);
}

CASE(each_third, "every third page is shared: each in its own tree", TD_MAPPING)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	unsigned int pages = 96;

	prefault(td.vcpu, GPA, pages * SZ_4K);
	mem_touch(td.slot->mem->hva, pages * SZ_4K);
	for (unsigned int i = 0; i < pages; i += 3)
		vm_set_shared(td.vm, GPA + i * SZ_4K, SZ_4K);
	prefault(td.vcpu, GPA, pages * SZ_4K);
	for (unsigned int i = 0; i < pages; i++) {
		u64 gpa = GPA + i * SZ_4K;

		expect_mapped(td.o, gpa >> 12, LEVEL_4K,
			      i % 3 ? PFN_ANY : pfn_of(shared_hva(&td, gpa)));
	}
	expect_sept_free(td.vm, GPA);
	expect_td_mapped(&td, GPA + SZ_4K, 2, SEPT_PENDING);
	expect_sept_free(td.vm, GPA + 93 * SZ_4K);
	expect_td_mapped(&td, GPA + 94 * SZ_4K, 2, SEPT_PENDING);
	measure("pages", pages);
}

/*
 * The huge mapping is removed, and shared pages are mapped at 4K beside the private one;
 * when all are shared again, at 2M.
 */
static void one_private_in_2m(const struct test *t)
{
	u64 page = GPA + t->tc->param * SZ_4K;
	u64 other = page == GPA ? GPA + SZ_4K : GPA;
	struct fixture td = td_fixture(t, 0);
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);

	td.slot = slot_add_gmem(td.vm, GPA, mem, mem_create(MEM_GMEM, SZ_2M, td.vm));
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_mapped(td.o, GFN, LEVEL_2M, pfn_of(mem->hva));

	vm_set_private(td.vm, page, SZ_4K);
	expect_not_mapped(td.o, other >> 12);
	expect_not_mapped(td.o, page >> 12);
	td_prefault_shared(&td, other);
	td_prefault_private(&td, page);

	vm_set_shared(td.vm, page, SZ_4K);
	expect_sept_free(td.vm, page);
	prefault(td.vcpu, page, SZ_4K);
	expect_mapped(td.o, page >> 12, LEVEL_2M, pfn_of(shared_hva(&td, page)));
}

CASES(one_private_in_2m,
	{ "first_private_in_2m", "the first page of a shared 2M becomes private", .param = 0,
	  TD_MAPPING, .hugepages_2m = 1 },
	{ "one_private_in_2m", "a page in the middle of a shared 2M becomes private",
	  .param = 77, TD_MAPPING, .hugepages_2m = 1 },
	{ "last_private_in_2m", "the last page of a shared 2M becomes private", .param = 511,
	  TD_MAPPING, .hugepages_2m = 1 })

TEST_MAIN("private and shared memory of a TD: conversions")
