/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stop KVM_SET_MEMORY_ATTRIBUTES half-way: a thread of the case is held, with
 * mmu_lock, after KVM has announced the change to its MMU and before it stores the
 * first attribute (on return of kvm_arch_pre_set_memory_attributes(),
 * virt/kvm/kvm_main.c).  Cases that use it declare .needs_hold and two CPUs.
 *
 *	struct attr_change *c = attr_change_begin(vm, gpa, size);
 *	prefault(...);			meets the change, which then goes on
 *	attr_change_end(c);
 */
#ifndef ATTR_CHANGE_H
#define ATTR_CHANGE_H

#include <sys/types.h>

#include "types.h"

struct attr_change;
struct vm;

/*
 * [gpa, gpa + size) becomes private: at least one gfn of it was not, and there is a memslot in
 * it.  Returns when the change is held; it goes on HOLD_GRACE_MS after a fault has begun to look
 * for its page.  The vCPU of that has mapped something before: to make its root takes mmu_lock.
 */
struct attr_change *attr_change_begin(struct vm *vm, u64 gpa, u64 size);

/* Thread id, for signals. */
pid_t attr_change_tid(const struct attr_change *c);

/* Let it go on. Returns what the ioctl did, with errno. Frees @c. */
int attr_change_end(struct attr_change *c);

#endif /* ATTR_CHANGE_H */
