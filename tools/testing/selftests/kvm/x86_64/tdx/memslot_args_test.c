// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots at the limits of their arguments, for each type of VM: which flags
 * exclude each other, what is refused early, and what is refused late, after
 * which everything is as it was.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "fixture.h"
#include "td.h"
#include "testcase.h"

#define ALL	(VM_ANY | VM_TDX)
#define SIZE	(16 * SZ_4K)

static struct vm *a_vm(const struct test *t)
{
	return t->vm_type == KVM_X86_TDX_VM ? td_create() : vm_create(t->vm_type);
}

static struct mem *a_gmem(struct vm *vm)
{
	return mem_create(vm->type == KVM_X86_DEFAULT_VM ? MEM_GMEM_MMAP : MEM_GMEM, SIZE, vm);
}

/* What a slot with these flags is answered; one that is made is deleted again. */
static int try(struct vm *vm, u32 flags, struct mem *mem, struct mem *gmem)
{
	struct slot slot = { .vm = vm, .id = 7, .flags = flags, .gpa = GPA, .size = SIZE, .mem = mem,
			     .gmem = flags & KVM_MEM_GUEST_MEMFD ? gmem : NULL };

	if (__slot_set(&slot))
		return errno;
	slot_delete(&slot);
	return 0;
}

/* Read-only memory: no TD may have it, and not with guest_memfd; nor is that logged. */
static void flags(const struct test *t)
{
	struct vm *vm = a_vm(t);
	struct mem *mem = mem_populated(MEM_ANON, SIZE, NULL), *gmem = a_gmem(vm);
	bool readonly = t->vm_type != KVM_X86_TDX_VM;

	expect_eq(!!vm_check_cap(vm, KVM_CAP_READONLY_MEM), readonly, "KVM_CAP_READONLY_MEM of the VM");
	for (u32 flags = 0; flags < 16; flags++) {
		int expected = flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY) ?
			       EINVAL : 0;

		if (flags & KVM_MEM_READONLY && (!readonly || flags & KVM_MEM_GUEST_MEMFD))
			expected = EINVAL;
		if (flags & KVM_MEM_LOG_DIRTY_PAGES && flags & KVM_MEM_GUEST_MEMFD)
			expected = EINVAL;
		expect_eq(try(vm, flags, mem, gmem), expected, "errno of a slot with flags 0x%x", flags);
	}
	expect_eq(try(vm, 1U << 31, mem, gmem), EINVAL, "errno of a slot with flag bit 31");
}

static int set(struct vm *vm, struct kvm_userspace_memory_region2 region)
{
	return __vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region);
}

static void addresses(const struct test *t)
{
	struct vm *vm = a_vm(t);
	struct mem *mem = mem_populated(MEM_ANON, SIZE, NULL);
	const struct kvm_userspace_memory_region2 good = {
		.slot = 3, .guest_phys_addr = GPA, .memory_size = SIZE,
		.userspace_addr = (uintptr_t)mem->hva,
	};
	struct kvm_userspace_memory_region2 bad;
	int slots = vm_check_cap(vm, KVM_CAP_NR_MEMSLOTS);

#define REFUSED(what, ...)								\
	do {										\
		bad = good;								\
		__VA_ARGS__;								\
		expect_errno(set(vm, bad), EINVAL, what);				\
	} while (0)
	REFUSED("a size of 4097", bad.memory_size = SZ_4K + 1);
	REFUSED("gpa + 1", bad.guest_phys_addr++);
	REFUSED("hva + 1", bad.userspace_addr++);
	REFUSED("an hva of the kernel", bad.userspace_addr = -SZ_2M);
	REFUSED("an hva that is not canonical", bad.userspace_addr = 1ULL << 62);
	REFUSED("a range that wraps", bad.guest_phys_addr = -SZ_4K);
	REFUSED("2^31 pages", bad.memory_size = SZ_4K << 31);
	REFUSED("slot past the last one", bad.slot = slots + 8);
	REFUSED("address space 7", bad.slot |= 7 << 16);
	REFUSED("deletion of no slot", bad.memory_size = 0);
	REFUSED("guest_memfd that is /dev/kvm", bad.flags = KVM_MEM_GUEST_MEMFD;
		bad.guest_memfd = kvm_dev());
	bad = good;
	bad.flags = KVM_MEM_GUEST_MEMFD;
	bad.guest_memfd = -1U;
	expect_errno(set(vm, bad), EBADF, "guest_memfd that is no file");
	expect_ok(set(vm, good), "the slot itself");
	REFUSED("another hva of a slot that exists", bad.userspace_addr += SZ_4K);
	REFUSED("another size of it", bad.memory_size -= SZ_4K);
	REFUSED("KVM_MEM_READONLY of it", bad.flags = KVM_MEM_READONLY);
	bad = good;
	bad.slot = 4;
	bad.guest_phys_addr += SIZE - SZ_4K;
	expect_errno(set(vm, bad), EEXIST, "a slot that begins in its last page");
	bad.guest_phys_addr = GPA - SIZE + SZ_4K;
	expect_errno(set(vm, bad), EEXIST, "a slot that ends in its first page");
	bad.guest_phys_addr = GPA + SIZE;
	expect_ok(set(vm, bad), "a slot behind it");
	expect_ok(set(vm, good), "the slot itself, unchanged");
}

/*
 * The architecture refuses it when the old slot is invalid already: the move is
 * undone, and what was mapped there can be mapped again.
 */
static void move_refused(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SIZE);
	struct slot to = *f.slot;

	prefault(f.vcpu, GPA, SIZE);
	to.gpa = 1ULL << 62;
	expect_errno(__slot_set(&to), EINVAL, "a move beyond the last gfn");
	prefault(f.vcpu, GPA, SIZE);
	expect_range_mapped(&f, GPA, SIZE, LEVEL_4K);
	to.gpa = GPA + SZ_2M;
	expect_ok(__slot_set(&to), "a move to where it may be");
	f.slot->gpa = to.gpa;
	prefault(f.vcpu, to.gpa, SIZE);
	expect_range_mapped(&f, to.gpa, SIZE, LEVEL_4K);
	expect_not_mapped(f.o, GFN);
}

/* The range of guest_memfd is free again, and a hole in it concerns no slot. */
static void create_refused(const struct test *t)
{
	struct vm *vm = a_vm(t);
	struct mem *gmem = a_gmem(vm);
	struct slot slot = { .vm = vm, .flags = KVM_MEM_GUEST_MEMFD, .gpa = 1ULL << 62, .size = SIZE,
			     .gmem = gmem };

	expect_errno(__slot_set(&slot), EINVAL, "a slot of guest_memfd beyond the last gfn");
	mem_punch_hole(gmem, 0, SIZE);
	slot.gpa = GPA;
	slot.id = 1;
	expect_ok(__slot_set(&slot), "another slot with the same range of guest_memfd");
	mem_punch_hole(gmem, 0, SIZE);
	slot_delete(&slot);
	expect_ok(__slot_set(&slot), "the same slot again");
}

/* The first version of the ioctl; slots without guest_memfd are the same by both. */
static void first_version(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SIZE);
	struct kvm_userspace_memory_region region = {
		.slot = f.slot->id, .guest_phys_addr = GPA, .memory_size = SIZE,
		.userspace_addr = (uintptr_t)f.mem->hva,
	};

	prefault(f.vcpu, GPA, SIZE);
	expect_ok(__vm_ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &region), "the same slot");
	expect_range_mapped(&f, GPA, SIZE, LEVEL_4K);
	region.flags = KVM_MEM_GUEST_MEMFD;
	region.slot = 9;
	region.guest_phys_addr = GPA + SZ_2M;
	expect_errno(__vm_ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL,
		     "KVM_MEM_GUEST_MEMFD, which it has no member for");
	region = (struct kvm_userspace_memory_region){ .slot = f.slot->id };
	expect_ok(__vm_ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &region), "deletion");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs after it");
}

/* --- a TD's shared memory is logged like any other ------------------------------------- */

/* No PML for a TD, on any CPU: KVM write-protects, and has nothing to switch. */
static void td_dirty_log(const struct test *t)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct mem *mem = mem_populated(MEM_ANON, SIZE, NULL);
	struct slot *slot = slot_add(vm, GPA, mem);
	u64 bitmap = 0;
	struct kvm_dirty_log log = { .slot = slot->id, .dirty_bitmap = &bitmap };

	(void)t;
	td_finalize(vm);
	prefault(vcpu, GPA, SIZE);
	slot_set_flags(slot, KVM_MEM_LOG_DIRTY_PAGES);
	expect_ok(__vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG of a TD's shared slot");
	expect_eq(bitmap, 0, "its dirty pages");
	slot_set_flags(slot, 0);
	prefault(vcpu, GPA, SIZE);
	slot_set_flags(slot, KVM_MEM_LOG_DIRTY_PAGES);
	slot_delete(slot);
}

static const struct test_case cases[] = {
	{ "flags", "each combination of flags: accepted, or EINVAL", flags, .vm_types = ALL },
	{ "addresses", "sizes, addresses and numbers at their limits", addresses, .vm_types = ALL },
	{ "move_refused", "a move that is refused late is undone", move_refused, .vm_types = VM_ANY,
	  .observes = OBSERVE_MAPPING },
	{ "create_refused", "a slot that is refused late lets go of its guest_memfd", create_refused,
	  .vm_types = ALL },
	{ "first_version", "KVM_SET_USER_MEMORY_REGION does the same", first_version, .vm_types = VM_ANY,
	  .observes = OBSERVE_MAPPING },
	{ "td_dirty_log", "dirty logging of a TD's shared slot, on and off", td_dirty_log,
	  .vm_types = VM_TDX },
};

TEST_MAIN("memslots at the limits of their arguments", cases)
