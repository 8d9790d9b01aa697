/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/kvm_hold: hold a thread at a function of the kernel.
 *
 * Each open file is a point, and KVM_HOLD_ARM names its function.  From then
 * on threads of the process that armed it are counted there, and one at a time
 * is held: until KVM_HOLD_RELEASE, close(2), or the limit.  poll(2) tells
 * POLLIN while a thread is held.
 */
#ifndef KVM_HOLD_H
#define KVM_HOLD_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum kvm_hold_where {
	KVM_HOLD_COUNT,	/* nobody is held */
	KVM_HOLD_ENTRY,	/* before the function begins */
	KVM_HOLD_RETURN,	/* after it has ended */
};

struct kvm_hold_arm {
	char function[64];
	__u32 where;		/* enum kvm_hold_where */
	__s32 tid;		/* only this thread; 0: any of the process */
	__u32 times;		/* hold so often, then only count; 0: always */
	__u32 limit_ms;		/* held so long, released: "expired" */
	/*
	 * The file of another point, or -1: released @grace_us after some thread
	 * has reached that one.  For threads that are held with a spinning lock:
	 * on two CPUs the one that waits for the lock leaves no CPU to the
	 * thread that would release.
	 */
	__s32 until;
	__u32 grace_us;
};

struct kvm_hold_state {
	__u64 hits;		/* calls of the function */
	__u64 held;		/* of these, how many were held */
	__u64 expired;		/* of these, how many until the limit */
	__u64 released_ns;	/* CLOCK_MONOTONIC: when the last one was released */
};

#define KVM_HOLD_ARM		_IOW('W', 0, struct kvm_hold_arm)
#define KVM_HOLD_RELEASE	_IO('W', 1)
#define KVM_HOLD_STATE	_IOR('W', 2, struct kvm_hold_state)

#endif /* KVM_HOLD_H */
