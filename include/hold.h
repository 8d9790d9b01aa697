/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Race windows where user space cannot stop KVM: hold a thread of the case at a
 * function of the kernel until the case releases it.  By kmod/kvm_hold.c where it is
 * loaded, else by BPF programs at kprobes.  Cases that use it declare .needs_hold.
 *
 *	struct hold *h = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_RETURN);
 *	struct thread *vcpu = thread_start(map, ...);
 *
 *	hold_await(h);			the window is open
 *	...				act inside
 *	hold_release(h);
 *	thread_join(vcpu, ...);
 *	hold_end(h);			fails if no thread was held, or released too early
 */
#ifndef HOLD_H
#define HOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hold;

enum hold_at { HOLD_COUNT, HOLD_ENTRY, HOLD_RETURN };

struct hold_args {
	const char *function;
	enum hold_at at;	/* HOLD_COUNT: only count the calls */
	pid_t tid;		/* 0: the first thread of the case, or of a child, to reach it */
	unsigned int times;	/* 0: once */
	/*
	 * With a spinning lock held: released by itself, HOLD_GRACE_MS after the
	 * function of this one (HOLD_COUNT) was called.
	 */
	struct hold *until;
};
#define HOLD_GRACE_MS	20

/*
 * Why nothing can be held here, or NULL: a skip reason. @by_module: the module must be
 * there, in which a thread sleeps that may; BPF programs spin, with preemption off.
 */
const char *hold_missing(bool by_module);

/* Skips the case if this kernel has no such function. */
#define hold_arm(...)	hold_arm_((struct hold_args){ __VA_ARGS__ })
struct hold *hold_arm_(struct hold_args args);

/* Wait until a thread is held; the case fails if none reaches it within 5 s. */
void hold_await(struct hold *h);
void hold_release(struct hold *h);
/* Calls of the function by this process so far. */
unsigned long hold_calls(struct hold *h);
/* Wait for that many; the case fails after 5 s, saying @what did not come. */
void hold_await_calls(struct hold *h, unsigned long nr, const char *what);
/* When the last thread was released, on the clock of now(). */
double hold_released(struct hold *h);
/* Disarm.  The case fails if nobody was held; ERROR if one was released by timeout. */
void hold_end(struct hold *h);

#endif /* HOLD_H */
