// SPDX-License-Identifier: GPL-2.0-only
/*
 * BPF programs that hold the thread which reaches a function of the kernel: it spins, with
 * preemption off, until it is let go.  No BPF program may sleep in functions of KVM.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "hold_bpf.h"

#define ROUNDS	(1 << 23)	/* the most that bpf_loop() takes: some 0.5 s */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HOLD_BPF_POINTS);
	__type(key, __u32);
	__type(value, struct hold_bpf_point);
} points SEC(".maps");

struct wait {
	__u32 point;
	__u32 over;
	__u64 deadline;
	__u64 seen;		/* calls of the other function before the hold */
	__u64 end_of_grace;
};

#define once(x)	(*(volatile typeof(x) *)&(x))

static struct hold_bpf_point *point_of(__u32 index)
{
	return bpf_map_lookup_elem(&points, &index);
}

static bool let_go(struct hold_bpf_point *p, struct wait *w, __u64 now)
{
	struct hold_bpf_point *other;

	if (once(p->release) || once(p->gone))
		return true;
	if (!p->until)
		return false;
	if (w->end_of_grace)
		return now >= w->end_of_grace;
	other = point_of(p->until - 1);
	if (other && once(other->hits) != w->seen)
		w->end_of_grace = now + p->grace_ns;
	return false;
}

static long look(__u32 round, struct wait *w)
{
	struct hold_bpf_point *p = point_of(w->point);
	__u64 now = bpf_ktime_get_ns();

	if (!p)
		return 1;
	if (let_go(p, w, now))
		w->over = 1;
	else if (now >= w->deadline) {
		w->over = 1;
		p->expired++;
	}
	return w->over ? 1 : 0;
}

static long look_often(__u32 round, struct wait *w)
{
	bpf_loop(ROUNDS, look, w, 0);
	return w->over ? 1 : 0;
}

static void hold(struct hold_bpf_point *p, __u32 index)
{
	struct hold_bpf_point *other = p->until ? point_of(p->until - 1) : 0;
	struct wait w = { .point = index, .deadline = bpf_ktime_get_ns() + p->limit_ns };

	if (!__sync_bool_compare_and_swap(&p->busy, 0, 1))
		return;
	if (p->held < p->times && !once(p->gone)) {
		once(p->release) = 0;
		if (other)
			w.seen = once(other->hits);
		__sync_fetch_and_add(&p->is_held, 1);
		bpf_loop(ROUNDS, look_often, &w, 0);
		p->held++;
		p->released_ns = bpf_ktime_get_ns();
		__sync_fetch_and_add(&p->is_held, -1);
	}
	__sync_lock_test_and_set(&p->busy, 0);
}

static int reached(void *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct hold_bpf_point *p = point_of(index);
	struct bpf_pidns_info id;

	if (!p || bpf_get_ns_current_pid_tgid(p->ns_dev, p->ns_ino, &id, sizeof(id)) ||
	    p->tgid != id.tgid || (p->tid && p->tid != id.pid))
		return 0;
	__sync_fetch_and_add(&p->hits, 1);
	if (!p->counts_only)
		hold(p, index);
	return 0;
}

SEC("kprobe")
int at_entry(void *ctx)
{
	return reached(ctx);
}

SEC("kretprobe")
int at_return(void *ctx)
{
	return reached(ctx);
}

char LICENSE[] SEC("license") = "GPL";
