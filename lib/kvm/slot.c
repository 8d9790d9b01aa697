// SPDX-License-Identifier: GPL-2.0-only
/* Memslots. */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "slot.h"
#include "testcase.h"
#include "timeline.h"

static int set_region(const struct slot *slot)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot->id,
		.flags = slot->flags,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
	};

	if (slot->mem)
		region.userspace_addr = (uintptr_t)slot->mem->hva + slot->offset;
	if (slot->gmem) {
		region.guest_memfd = slot->gmem->fd;
		region.guest_memfd_offset = slot->gmem_offset;
	} else if (!kvm_cap(KVM_CAP_USER_MEMORY2)) {
		/* The older structure is the head of the newer one. */
		return ioctl(slot->vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	}
	return ioctl(slot->vm->fd, KVM_SET_USER_MEMORY_REGION2, &region);
}

int __slot_set(const struct slot *slot)
{
	timeline_begin("KVM_SET_USER_MEMORY_REGION2 slot %u gpa 0x%llx size 0x%llx flags 0x%x",
		       slot->id, slot->gpa, slot->size, slot->flags);
	return timeline_returned(set_region(slot), "KVM_SET_USER_MEMORY_REGION2");
}

static struct slot *slot_new(struct vm *vm, u64 gpa, u64 size,
			     u32 flags)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	slot->vm = vm;
	slot->id = vm->nr_slots++;
	slot->flags = flags;
	slot->gpa = gpa;
	slot->size = size;
	return slot;
}

static struct slot *slot_commit(struct slot *slot)
{
	expect_ok(__slot_set(slot), "KVM_SET_USER_MEMORY_REGION2 of slot %u at gpa 0x%llx",
		  slot->id, slot->gpa);
	return slot;
}

struct slot *slot_add_part(struct vm *vm, u64 gpa, struct mem *mem,
			   u64 offset, u64 size, u32 flags)
{
	struct slot *slot = slot_new(vm, gpa, size, flags);

	if (mem->hva) {
		slot->mem = mem;
		slot->offset = offset;
	}
	if (mem->kind == MEM_GMEM || mem->kind == MEM_GMEM_MMAP) {
		slot->flags |= KVM_MEM_GUEST_MEMFD;
		slot->gmem = mem;
		slot->gmem_offset = offset;
	}
	return slot_commit(slot);
}

struct slot *slot_add(struct vm *vm, u64 gpa, struct mem *mem)
{
	return slot_add_part(vm, gpa, mem, 0, mem->size, 0);
}

struct slot *slot_add_gmem(struct vm *vm, u64 gpa, struct mem *mem,
			   struct mem *gmem)
{
	struct slot *slot = slot_new(vm, gpa, gmem->size, KVM_MEM_GUEST_MEMFD);

	slot->mem = mem;
	slot->gmem = gmem;
	return slot_commit(slot);
}

int __slot_delete(const struct slot *slot)
{
	struct slot gone = *slot;

	gone.size = 0;
	return __slot_set(&gone);
}

void slot_delete(const struct slot *slot)
{
	expect_ok(__slot_delete(slot), "deletion of slot %u at gpa 0x%llx", slot->id,
		  slot->gpa);
}

void slot_set_flags(struct slot *slot, u32 flags)
{
	slot->flags = flags;
	slot_commit(slot);
}
