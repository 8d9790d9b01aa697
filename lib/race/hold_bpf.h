/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holding threads by BPF: what the programs in the kernel (hold.bpf.c) share with their
 * loader (hold_bpf.c).
 */
#ifndef HOLD_BPF_H
#define HOLD_BPF_H

#include <linux/types.h>

#define HOLD_BPF_POINTS	16

struct hold_bpf_point {
	/* Set before the programs are attached. */
	__u32 counts_only;
	__u32 tgid;
	__u32 tid;		/* 0: any thread of the process */
	__u64 ns_dev;		/* the PID namespace in which they have these numbers */
	__u64 ns_ino;
	__u32 times;		/* hold so often, then only count */
	__u32 until;		/* 1 + index of the point that ends the hold; 0: none */
	__u32 pad;
	__u64 limit_ns;
	__u64 grace_ns;
	/* Set by the loader: let go whom is held; hold nobody ever again. */
	__u32 release;
	__u32 gone;
	/* Set by the held thread. */
	__u32 busy;
	__u32 is_held;
	__u64 hits;
	__u64 held;
	__u64 expired;
	__u64 released_ns;
};

#endif /* HOLD_BPF_H */
