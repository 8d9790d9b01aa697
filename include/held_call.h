/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call of another thread that is held in the middle of KVM (hold.h), and what then
 * has to wait for its lock.
 *
 *	struct held_call c = held_call_open((struct hold_args){ .function = "kvm_mmu_faultin_pfn",
 *								.at = HOLD_RETURN }, map, vcpu);
 *	...				the window is open: act inside
 *	held_call_close(&c, "KVM_PRE_FAULT_MEMORY");
 *	errno = c.err;
 *	expect_ok(c.ret, "KVM_PRE_FAULT_MEMORY");
 */
#ifndef HELD_CALL_H
#define HELD_CALL_H

#include "hold.h"
#include "thread.h"

struct held_call {
	struct hold *hold;
	struct thread *thread;
	int ret, err;		/* of the call, once it has ended */
};

/* Arm @where, start fn(arg) in a thread, and wait until it is held. */
struct held_call held_call_open(struct hold_args where, int (*fn)(void *arg), void *arg);

/* Wait for the end of a call that has been released; the case fails after 10 s. */
void held_call_join(struct held_call *c, const char *what);
/* Release the call, wait for its end, and disarm the hold. */
void held_call_close(struct held_call *c, const char *what);

/* Another call, which spins for a lock that the held one has. */
struct lock_waiter {
	int (*fn)(void *arg);
	void *arg;
	struct thread *thread;
	struct hold *reached;	/* counts calls on the way to the lock: for hold_args.until */
	double ended;
};

/*
 * @reaches: the function that fn(arg) calls before it takes the lock.  Comes before the
 * held call is opened, because to create a thread calls mmu_notifiers, too.
 */
void lock_waiter_prepare(struct lock_waiter *w, const char *reaches, int (*fn)(void *arg),
			 void *arg);
/*
 * Run @w while @c is held, until w->reached; expect that @w succeeds, and ends after @c was
 * released.  Disarms both holds.
 */
void lock_waiter_run(struct lock_waiter *w, struct held_call *c, const char *what);

#endif /* HELD_CALL_H */
