/* SPDX-License-Identifier: GPL-2.0-only */
/* Memslots: thin wrappers of the ioctls (vm.h). */
#ifndef SLOT_H
#define SLOT_H

#include "mem.h"
#include "vm.h"

/* A memslot: [gpa, gpa + size) backed by @mem from @offset on (bytes). */
struct slot {
	struct vm *vm;
	u32 id;
	u32 flags;			/* KVM_MEM_* */
	u64 gpa;
	u64 size;
	struct mem *mem;		/* shared half; NULL: none */
	u64 offset;
	struct mem *gmem;		/* guest_memfd half; NULL: none */
	u64 gmem_offset;
};

/*
 * KVM_SET_USER_MEMORY_REGION2 with the slot as it stands (size 0 deletes);
 * falls back to KVM_SET_USER_MEMORY_REGION for slots without guest_memfd, so
 * that it works before 6.8.
 */
int __slot_set(const struct slot *slot);
/* Fill in a slot over all of @mem and set it. */
struct slot *slot_add(struct vm *vm, u64 gpa, struct mem *mem);
/* The same for [offset, offset + size) of @mem, with KVM_MEM_* flags. */
struct slot *slot_add_part(struct vm *vm, u64 gpa, struct mem *mem,
			   u64 offset, u64 size, u32 flags);
/* A slot with both halves: @mem for shared, @gmem for private gfns. */
struct slot *slot_add_gmem(struct vm *vm, u64 gpa, struct mem *mem,
			   struct mem *gmem);
int __slot_delete(const struct slot *slot);
void slot_delete(const struct slot *slot);
void slot_set_flags(struct slot *slot, u32 flags);

#endif /* SLOT_H */
