// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY on a TD: a private gpa becomes a pending page of the Secure EPT, by
 * one TDH.MEM.PAGE.AUG each; a shared gpa is mapped in the shared tree alone; a request that
 * is refused changes nothing (kvm_arch_vcpu_pre_fault_memory() in arch/x86/kvm/mmu/mmu.c;
 * api.rst, 4.143).
 *
 * The gpas of a request never have the shared bit; whether they are private or shared is in
 * the attributes.
 */
#include <unistd.h>

#include "seamcall.h"
#include "td_fixture.h"
#include "testcase.h"

/* Pages that the TD was given since the last observer_clear(). */
#define expect_augs(o, nr, ...)	expect_seamcalls_of(o, TDH_MEM_PAGE_AUG, nr, __VA_ARGS__)

/* Refused as a whole: the range does not advance, no SPTE and no page is added. */
static void expect_refused(struct fixture *td, struct kvm_pre_fault_memory range, int error)
{
	struct kvm_pre_fault_memory before = range;
	unsigned long augs = seamcalls_of(td->o, TDH_MEM_PAGE_AUG);
	unsigned long leaves = observer_leaves(td->o, LEVEL_4K);

	expect_errno(__vcpu_prefault(td->vcpu, &range), error,
		     "prefault of gpa 0x%llx, size 0x%llx, flags 0x%llx", before.gpa,
		     before.size, before.flags);
	expect_eq(range.gpa, before.gpa, "gpa after the refusal");
	expect_eq(range.size, before.size, "size after the refusal");
	expect_eq(observer_leaves(td->o, LEVEL_4K), leaves, "4K SPTEs");
	expect_augs(td->o, augs, "TDH.MEM.PAGE.AUGs");
}

/* One call of [gpa, gpa + size) succeeds with exactly @done bytes. */
static void expect_progress(struct fixture *td, u64 gpa, u64 size, u64 done)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };

	expect_ok(__vcpu_prefault(td->vcpu, &range), "prefault of gpa 0x%llx, 0x%llx bytes",
		  gpa, size);
	expect_eq(range.gpa, gpa + done, "gpa where the prefault ended");
	expect_eq(range.size, size - done, "bytes left");
}

CASE(before_finalize, "before finalize: EOPNOTSUPP, nothing changes", TD_SEAMCALLS)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	vm_set_shared(td.vm, GPA + 8 * SZ_4K, SZ_4K);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K },
		       EOPNOTSUPP);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA + SZ_4K, .size = SZ_4K },
		       EOPNOTSUPP);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA + 8 * SZ_4K,
							    .size = SZ_4K }, EOPNOTSUPP);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_unmapped(&td, GPA + SZ_4K, 1);

	/* After finalize it works. */
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_PENDING);
}

struct range {
	u64 gpa, pages;
};

/* Each page is added once and is pending; its neighbours are free. */
static void pending(const struct test *t)
{
	const struct range *r = t->tc->arg;
	struct fixture td = td_fixture_final(t, 2 * SZ_2M);

	expect_progress(&td, r->gpa, r->pages * SZ_4K, r->pages * SZ_4K);
	expect_augs(td.o, r->pages, "TDH.MEM.PAGE.AUGs");
	expect_eq(observer_leaves(td.o, LEVEL_4K), r->pages, "4K SPTEs");
	expect_eq(vm_stat(td.vm, "pages_4k"), r->pages, "statistic pages_4k");

	expect_td_mapped(&td, r->gpa, 1, SEPT_PENDING);
	expect_td_mapped(&td, r->gpa + (r->pages - 1) * SZ_4K, 1, SEPT_PENDING);
	expect_td_unmapped(&td, r->gpa + r->pages * SZ_4K, 1);
	for (u64 gfn = r->gpa >> 12; gfn < (r->gpa >> 12) + r->pages; gfn++)
		expect_mapping_(__FILE__, __LINE__, observer_known(td.o, gfn), gfn, LEVEL_4K,
				gmem_pfn(td.o, gfn));
	measure("pages", r->pages);
}

CASES(pending,
	{ "one_page", "a private page is pending", .arg = &(const struct range){ GPA, 1 },
	  TD_SEAMCALLS },
	{ "odd_range", "three pages inside of a 2M: no others",
	  .arg = &(const struct range){ GPA + 5 * SZ_4K, 3 }, TD_SEAMCALLS },
	{ "across_2m", "five pages across a 2M border",
	  .arg = &(const struct range){ GPA + SZ_2M - 2 * SZ_4K, 5 }, TD_SEAMCALLS },
	{ "many_pages", "63 pages: one TDH.MEM.PAGE.AUG each",
	  .arg = &(const struct range){ GPA + SZ_4K, 63 }, TD_SEAMCALLS })

CASE(already_pending, "a page that is mapped already stays", TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	prefault(td.vcpu, GPA, 3 * SZ_4K);
	expect_augs(td.o, 2, "TDH.MEM.PAGE.AUGs around the page that is mapped");
	expect_eq(observer_count(td.o, EV_FAULT, PF_SPURIOUS), 1, "faults found fixed");
	expect_td_mapped(&td, GPA, 3, SEPT_PENDING);
}

CASE(already_added, "a page of the initial memory stays mapped, not pending", TD_SEAMCALLS)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(2, t->seed), GPA, 2, 0);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 3 * SZ_4K);
	expect_augs(td.o, 1, "TDH.MEM.PAGE.AUGs");
	expect_td_mapped(&td, GPA, 2, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + 2 * SZ_4K, 1, SEPT_PENDING);
}

CASE(other_vcpu, "pages prefaulted by another vCPU stay", TD_SEAMCALLS, .cpus = 2)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);

	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	prefault(other, GPA, 3 * SZ_4K);
	expect_augs(td.o, 3, "TDH.MEM.PAGE.AUGs of both vCPUs");
	expect_td_mapped(&td, GPA, 3, SEPT_PENDING);
}

CASE(punched, "a page punched out of guest_memfd: a new pending page", TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, 3 * SZ_4K);
	mem_punch_hole(td.slot->gmem, SZ_4K, SZ_4K);
	expect_td_unmapped(&td, GPA + SZ_4K, 1);
	observer_clear(td.o);
	prefault(td.vcpu, GPA, 3 * SZ_4K);
	expect_td_mapped(&td, GPA, 3, SEPT_PENDING);
	expect_mapped(td.o, GFN + 1, LEVEL_4K, gmem_pfn(td.o, GFN + 1));
	expect_eq(observer_count(td.o, EV_FAULT, PF_FIXED), 1, "faults that mapped a page");
}

/* 6.16-rc1 walked the mirror, and gave the host's page to the TD. */
CASE(shared, "shared pages: in the shared tree, not in the Secure EPT",
	.fixes = "aa2024c01a9a (\"KVM: x86/mmu: Embed direct bits into gpa for KVM_PRE_FAULT_MEMORY\"), 6.16",
	TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;

	vm_set_shared(td.vm, GPA, SZ_2M);
	mem_touch(hva, 4 * SZ_4K);
	observer_clear(td.o);
	expect_progress(&td, GPA, 4 * SZ_4K, 4 * SZ_4K);
	expect_no_seamcalls(td.o);
	for (int i = 0; i < 4; i++) {
		expect_mapped(td.o, GFN + i, LEVEL_4K, pfn_of(hva + i * SZ_4K));
		expect_true(observer_known(td.o, GFN + i).writable,
			    "shared gfn 0x%llx is writable", GFN + i);
		expect_sept_free(td.vm, GPA + i * SZ_4K);
	}
}

CASE(shared_without_gmem, "shared memory of a slot without guest_memfd",
	.fixes = "aa2024c01a9a (\"KVM: x86/mmu: Embed direct bits into gpa for KVM_PRE_FAULT_MEMORY\"), 6.16",
	TD_SEAMCALLS)
{
	struct fixture td = td_fixture(t, 0);
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);

	slot_add(td.vm, GPA, mem);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(mem->hva));
	expect_sept_free(td.vm, GPA);
}

CASE(alternating, "private and shared pages by turns in one call: each in its own tree",
	.fixes = "aa2024c01a9a (\"KVM: x86/mmu: Embed direct bits into gpa for KVM_PRE_FAULT_MEMORY\"), 6.16",
	TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;

	mem_touch(hva, 8 * SZ_4K);
	for (int i = 0; i < 8; i += 2)
		vm_set_shared(td.vm, GPA + i * SZ_4K, SZ_4K);
	expect_progress(&td, GPA, 8 * SZ_4K, 8 * SZ_4K);
	expect_augs(td.o, 4, "TDH.MEM.PAGE.AUGs");
	for (int i = 0; i < 8; i += 2) {
		expect_mapped(td.o, GFN + i, LEVEL_4K, pfn_of(hva + i * SZ_4K));
		expect_sept_free(td.vm, GPA + i * SZ_4K);
		expect_td_mapped(&td, GPA + (i + 1) * SZ_4K, 1, SEPT_PENDING);
	}
}

CASE(bad_requests, "size, alignment, wrap, flag: EINVAL; no slot: ENOENT", TD_SEAMCALLS)
{
	static const struct {
		struct kvm_pre_fault_memory range;
		int error;
	} bad[] = {
		{ { .gpa = GPA, .size = 0 }, EINVAL },
		{ { .gpa = GPA + 8, .size = SZ_4K }, EINVAL },
		{ { .gpa = GPA, .size = SZ_4K - 1 }, EINVAL },
		{ { .gpa = GPA, .size = -SZ_4K }, EINVAL },
		{ { .gpa = -SZ_4K, .size = SZ_4K }, EINVAL },
		{ { .gpa = GPA, .size = SZ_4K, .flags = 1ULL << 63 }, EINVAL },
		{ { .gpa = GPA + SZ_1G, .size = SZ_4K }, ENOENT },
		{ { .gpa = GPA - SZ_4K, .size = 2 * SZ_4K }, ENOENT },
	};
	struct fixture td = td_fixture_final(t, SZ_2M);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_refused(&td, bad[i].range, bad[i].error);
	expect_sept_free(td.vm, GPA);
}

static void alias(const struct test *t)
{
	bool shared = t->tc->param;
	struct fixture td = td_fixture_final(t, SZ_2M);

	if (shared)
		vm_set_shared(td.vm, GPA, SZ_2M);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA | TD_SHARED_BIT,
							    .size = SZ_4K }, EINVAL);
	expect_sept_free(td.vm, GPA);
	prefault(td.vcpu, GPA, SZ_4K);		/* the TD goes on */
	expect_mapped(td.o, GFN, LEVEL_4K, PFN_ANY);
}

CASES(alias,
	{ "alias_of_private", "the shared bit in the gpa of a private page: EINVAL",
	  .fixes = "8046d29dde17 (\"KVM: x86/mmu: Reject direct bits in gpa passed to KVM_PRE_FAULT_MEMORY\"), 6.16",
	  TD_SEAMCALLS },
	{ "alias_of_shared", "the shared bit in the gpa of a shared page: EINVAL", .param = 1,
	  .fixes = "8046d29dde17 (\"KVM: x86/mmu: Reject direct bits in gpa passed to KVM_PRE_FAULT_MEMORY\"), 6.16",
	  TD_SEAMCALLS })

CASE(into_shared_bit, "a range that runs into the shared bit: progress, then EINVAL",
	.fixes = "8046d29dde17 (\"KVM: x86/mmu: Reject direct bits in gpa passed to KVM_PRE_FAULT_MEMORY\"), 6.16",
	TD_SEAMCALLS)
{
	u64 gpa = TD_SHARED_BIT - SZ_4K;
	struct fixture td = td_fixture(t, 0);

	td_slot_add(td.vm, TD_SHARED_BIT - SZ_2M, SZ_2M);
	td_finalize(td.vm);
	expect_progress(&td, gpa, 2 * SZ_4K, SZ_4K);
	expect_td_mapped(&td, gpa, 1, SEPT_PENDING);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = TD_SHARED_BIT, .size = SZ_4K },
		       EINVAL);
}

CASE(past_the_end, "past the end of the slot: progress, then ENOENT", TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 gpa = GPA + SZ_2M - 2 * SZ_4K;

	expect_progress(&td, gpa, 4 * SZ_4K, 2 * SZ_4K);
	expect_td_mapped(&td, gpa, 2, SEPT_PENDING);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA + SZ_2M,
							    .size = 2 * SZ_4K }, ENOENT);
}

CASE(private_without_slot, "a private gfn without a slot: EFAULT, memory-fault exit",
	TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 gpa = GPA + SZ_1G;

	vm_set_private(td.vm, gpa, SZ_4K);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = gpa, .size = SZ_4K }, EFAULT);
	expect_memory_fault_exit(td.vcpu, gpa, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

CASE(private_without_gmem, "a private gfn without guest_memfd: EFAULT, memory-fault exit",
	TD_SEAMCALLS)
{
	struct fixture td = td_fixture(t, 0);

	slot_add(td.vm, GPA, mem_populated(MEM_ANON, SZ_2M, NULL));
	vm_set_private(td.vm, GPA, SZ_2M);
	td_finalize(td.vm);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_memory_fault_exit(td.vcpu, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

CASE(gmem_closed, "guest_memfd closed: EFAULT, memory-fault exit", TD_SEAMCALLS)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, SZ_4K);
	close(td.slot->gmem->fd);
	expect_td_unmapped(&td, GPA, 1);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_memory_fault_exit(td.vcpu, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/*
 * KVM does not check that the vCPU is initialised: the TDX module refuses its root, KVM
 * takes that for a bug, and ends the VM (W2 in docs/findings.md).
 */
CASE(vcpu_not_initialised, "a vCPU without KVM_TDX_INIT_VCPU: EIO, the VM is dead",
	.vm_types = VM_TDX, .side_effects = "makes the kernel print WARNINGs", .cpus = 2,
	.expects_splat = true)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm), *other = td_vcpu_create(vm);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	td_slot_add(vm, GPA, SZ_2M);
	td_finalize(vm);
	prefault(vcpu, GPA + SZ_4K, SZ_4K);
	expect_errno(__vcpu_prefault(other, &range), EIO, "prefault by a vCPU without INIT_VCPU");
	expect_errno(__vcpu_prefault(vcpu, &range), EIO, "a prefault of the dead VM");
}

TEST_MAIN("KVM_PRE_FAULT_MEMORY on a TD")
