// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arguments of KVM_SET_USER_MEMORY_REGION2 at their limits, for each type of VM:
 * flags that exclude each other, and errors found early, and late: after these KVM has
 * to undo what it has done.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "fixture.h"
#include "td.h"
#include "testcase.h"

#define SIZE	(16 * SZ_4K)

static struct vm *vm_of_type(const struct test *t)
{
	return t->vm_type == KVM_X86_TDX_VM ? td_create() : vm_create(t->vm_type);
}

/* Create a slot, and delete it again: 0 or an errno. */
static int try_slot(struct vm *vm, u32 flags, struct mem *mem, struct mem *gmem)
{
	struct slot slot = {
		.vm = vm, .id = 7, .flags = flags, .gpa = GPA, .size = SIZE, .mem = mem,
		.gmem = flags & KVM_MEM_GUEST_MEMFD ? gmem : NULL,
	};

	if (__slot_set(&slot))
		return errno;
	slot_delete(&slot);
	return 0;
}

/* TDs have no read-only memory; guest_memfd is neither read-only nor logged. */
CASE(flags, "each combination of flags: accepted or EINVAL", .vm_types = VM_ANY | VM_TDX)
{
	struct vm *vm = vm_of_type(t);
	struct mem *mem = mem_populated(MEM_ANON, SIZE, NULL), *gmem = gmem_of(vm, SIZE);
	bool readonly = t->vm_type != KVM_X86_TDX_VM;
	const u32 known = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY;

	expect_eq(!!vm_check_cap(vm, KVM_CAP_READONLY_MEM), readonly,
		  "KVM_CAP_READONLY_MEM of the VM");
	for (u32 flags = 0; flags < 16; flags++) {
		int expected = flags & ~known ? EINVAL : 0;

		if (flags & KVM_MEM_READONLY && (!readonly || flags & KVM_MEM_GUEST_MEMFD))
			expected = EINVAL;
		if (flags & KVM_MEM_LOG_DIRTY_PAGES && flags & KVM_MEM_GUEST_MEMFD)
			expected = EINVAL;
		expect_eq(try_slot(vm, flags, mem, gmem), expected,
			  "errno of a slot with flags 0x%x", flags);
	}
	expect_eq(try_slot(vm, 1U << 31, mem, gmem), EINVAL, "errno of a slot with flag bit 31");
}

static int set(struct vm *vm, struct kvm_userspace_memory_region2 region)
{
	return __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

CASE(addresses, "sizes, addresses and slot ids at their limits",
	.vm_types = VM_ANY | VM_TDX)
{
	struct vm *vm = vm_of_type(t);
	struct mem *mem = mem_populated(MEM_ANON, SIZE, NULL);
	const struct kvm_userspace_memory_region2 good = {
		.slot = 3, .guest_phys_addr = GPA, .memory_size = SIZE,
		.userspace_addr = (uintptr_t)mem->hva,
	};
	struct kvm_userspace_memory_region2 bad;
	int slots = vm_check_cap(vm, KVM_CAP_NR_MEMSLOTS);

#define EXPECT_EINVAL(what, ...)								\
	do {										\
		bad = good;								\
		__VA_ARGS__;								\
		expect_errno(set(vm, bad), EINVAL, what);				\
	} while (0)
	EXPECT_EINVAL("size 4097", bad.memory_size = SZ_4K + 1);
	EXPECT_EINVAL("gpa + 1", bad.guest_phys_addr++);
	EXPECT_EINVAL("hva + 1", bad.userspace_addr++);
	EXPECT_EINVAL("an hva of the kernel", bad.userspace_addr = -SZ_2M);
	EXPECT_EINVAL("a non-canonical hva", bad.userspace_addr = 1ULL << 62);
	EXPECT_EINVAL("a range that wraps", bad.guest_phys_addr = -SZ_4K);
	EXPECT_EINVAL("2^31 pages", bad.memory_size = SZ_4K << 31);
	EXPECT_EINVAL("slot id past the last one", bad.slot = slots + 8);
	EXPECT_EINVAL("address space 7", bad.slot |= 7 << 16);
	EXPECT_EINVAL("deletion of a slot that does not exist", bad.memory_size = 0);
	EXPECT_EINVAL("/dev/kvm as guest_memfd", bad.flags = KVM_MEM_GUEST_MEMFD;
		bad.guest_memfd = kvm_dev());
	bad = good;
	bad.flags = KVM_MEM_GUEST_MEMFD;
	bad.guest_memfd = -1U;
	expect_errno(set(vm, bad), vm_check_cap(vm, KVM_CAP_GUEST_MEMFD) ? EBADF : EINVAL,
		     "-1 as guest_memfd");
	expect_ok(set(vm, good), "a valid slot");
	EXPECT_EINVAL("another hva of a slot that exists", bad.userspace_addr += SZ_4K);
	EXPECT_EINVAL("another size of a slot that exists", bad.memory_size -= SZ_4K);
	EXPECT_EINVAL("KVM_MEM_READONLY of a slot that exists", bad.flags = KVM_MEM_READONLY);
	bad = good;
	bad.slot = 4;
	bad.guest_phys_addr += SIZE - SZ_4K;
	expect_errno(set(vm, bad), EEXIST, "a slot over the last page of another");
	bad.guest_phys_addr = GPA - SIZE + SZ_4K;
	expect_errno(set(vm, bad), EEXIST, "a slot over the first page of another");
	bad.guest_phys_addr = GPA + SIZE;
	expect_ok(set(vm, bad), "an adjacent slot");
	expect_ok(set(vm, good), "a slot as it is");
}

/* kvm_arch_prepare_memory_region() refuses it after the old slot is made invalid. */
CASE(move_refused, "a move refused late: the slot can be mapped at its old gpa",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SIZE);
	struct slot to = *f.slot;

	prefault(f.vcpu, GPA, SIZE);
	to.gpa = 1ULL << 62;
	expect_errno(__slot_set(&to), EINVAL, "a move beyond the last gfn");
	prefault(f.vcpu, GPA, SIZE);
	expect_range_mapped(&f, GPA, SIZE, LEVEL_4K);
	to.gpa = GPA + SZ_2M;
	expect_ok(__slot_set(&to), "a valid move");
	f.slot->gpa = to.gpa;
	prefault(f.vcpu, to.gpa, SIZE);
	expect_range_mapped(&f, to.gpa, SIZE, LEVEL_4K);
	expect_not_mapped(f.o, GFN);
}

CASE(create_refused, "a slot refused late: its range of guest_memfd can be bound again",
	.vm_types = VM_ANY | VM_TDX)
{
	struct vm *vm = vm_of_type(t);
	struct mem *gmem = gmem_of(vm, SIZE);
	struct slot slot = {
		.vm = vm, .flags = KVM_MEM_GUEST_MEMFD, .gpa = 1ULL << 62, .size = SIZE, .gmem = gmem,
	};

	expect_errno(__slot_set(&slot), EINVAL, "a slot of guest_memfd beyond the last gfn");
	mem_punch_hole(gmem, 0, SIZE);
	slot.gpa = GPA;
	slot.id = 1;
	expect_ok(__slot_set(&slot), "another slot with the same range of guest_memfd");
	mem_punch_hole(gmem, 0, SIZE);
	slot_delete(&slot);
	expect_ok(__slot_set(&slot), "the same slot again");
}

CASE(first_version, "KVM_SET_USER_MEMORY_REGION: the same for slots without guest_memfd",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SIZE);
	struct kvm_userspace_memory_region region = {
		.slot = f.slot->id, .guest_phys_addr = GPA, .memory_size = SIZE,
		.userspace_addr = (uintptr_t)f.mem->hva,
	};

	prefault(f.vcpu, GPA, SIZE);
	expect_ok(__vm_ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &region),
		  "a slot as it is, by KVM_SET_USER_MEMORY_REGION");
	expect_range_mapped(&f, GPA, SIZE, LEVEL_4K);
	region.flags = KVM_MEM_GUEST_MEMFD;
	region.slot = 9;
	region.guest_phys_addr = GPA + SZ_2M;
	expect_errno(__vm_ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL,
		     "KVM_MEM_GUEST_MEMFD by KVM_SET_USER_MEMORY_REGION");
	region = (struct kvm_userspace_memory_region){ .slot = f.slot->id };
	expect_ok(__vm_ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &region),
		  "deletion by KVM_SET_USER_MEMORY_REGION");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs after the deletion");
}

/* A TD has no PML: KVM write-protects instead. */
CASE(td_dirty_log, "dirty logging of a shared slot of a TD, on and off: no dirty pages",
	.vm_types = VM_TDX)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct mem *mem = mem_populated(MEM_ANON, SIZE, NULL);
	struct slot *slot = slot_add(vm, GPA, mem);
	u64 bitmap = 0;
	struct kvm_dirty_log log = { .slot = slot->id, .dirty_bitmap = &bitmap };

	td_finalize(vm);
	prefault(vcpu, GPA, SIZE);
	slot_set_flags(slot, KVM_MEM_LOG_DIRTY_PAGES);
	expect_ok(__vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log),
		  "KVM_GET_DIRTY_LOG of a shared slot of a TD");
	expect_eq(bitmap, 0, "dirty pages");
	slot_set_flags(slot, 0);
	prefault(vcpu, GPA, SIZE);
	slot_set_flags(slot, KVM_MEM_LOG_DIRTY_PAGES);
	slot_delete(slot);
}

TEST_MAIN("arguments of KVM_SET_USER_MEMORY_REGION2")
