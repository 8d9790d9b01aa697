/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM ioctls that may block, each in a thread of its own. */
#ifndef VM_THREAD_H
#define VM_THREAD_H

#include "slot.h"
#include "thread.h"
#include "types.h"
#include "vm.h"

/* Stays as long as the case's process. */
struct prefault {
	struct thread *thread;	/* its result: 0, or -1 with errno */
	struct vcpu *vcpu;
	struct kvm_pre_fault_memory range;	/* what is left of it */
};

/*
 * KVM_PRE_FAULT_MEMORY of @size bytes from @gpa, resumed after partial progress
 * until all is done or a call fails.
 */
struct prefault *prefault_start(struct vcpu *vcpu, u64 gpa, u64 size);
/* In two steps: it begins with thread_go(). */
struct prefault *prefault_prepare(struct vcpu *vcpu, u64 gpa, u64 size);
/* Wait for it, at most 10 s; expect that it succeeded. */
void prefault_end(struct prefault *p);

/* KVM_SET_USER_MEMORY_REGION2 that deletes @slot. */
struct thread *slot_delete_start(struct slot *slot);

#endif /* VM_THREAD_H */
