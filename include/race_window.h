/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/race_window: hold a thread at a function of the kernel.
 *
 * Each open file is a point, and RACE_WINDOW_ARM names its function.  From then
 * on threads of the process that armed it are counted there, and one at a time
 * is held: until RACE_WINDOW_RELEASE, close(2), or the limit.  poll(2) tells
 * POLLIN while a thread is held.
 */
#ifndef RACE_WINDOW_H
#define RACE_WINDOW_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum race_window_where {
	RACE_WINDOW_COUNT,	/* nobody is held */
	RACE_WINDOW_ENTRY,	/* before the function begins */
	RACE_WINDOW_RETURN,	/* after it has ended */
};

struct race_window_arm {
	char function[64];
	__u32 where;		/* enum race_window_where */
	__s32 tid;		/* only this thread; 0: any of the process */
	__u32 times;		/* hold so often, then only count; 0: always */
	__u32 limit_ms;		/* held so long, let go: "expired" */
	/*
	 * The file of another point, or -1: let go @grace_us after some thread
	 * has come by there.  For threads that are held with a spinning lock:
	 * on two CPUs the one that waits for the lock leaves no CPU to the
	 * thread that would release.
	 */
	__s32 until;
	__u32 grace_us;
};

struct race_window_state {
	__u64 hits;		/* calls of the function */
	__u64 held;		/* of these, how many were held */
	__u64 expired;		/* of these, how many until the limit */
	__u64 released_ns;	/* CLOCK_MONOTONIC: when the last one was let go */
};

#define RACE_WINDOW_ARM		_IOW('W', 0, struct race_window_arm)
#define RACE_WINDOW_RELEASE	_IO('W', 1)
#define RACE_WINDOW_STATE	_IOR('W', 2, struct race_window_state)

#endif /* RACE_WINDOW_H */
