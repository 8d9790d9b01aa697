// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that map, and threads that invalidate, all at once.
 *
 * The operations of each thread follow from the seed; how they meet does not.
 * So the end is judged by what must be true however they met: each mapped gfn
 * maps the page that is there now; a gfn that was prefaulted after the last
 * operation on it had ended is mapped; one that lost its page after the last
 * prefault of it had ended is not.  During the race faults and retries are
 * counted and not logged; how gfns were mapped is seen from their zaps afterwards.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "rng.h"
#include "observe/spte_map.h"
#include "td.h"
#include "testcase.h"
#include "thread.h"

#define MAX_GFNS	512
#define MAX_WORKERS	8
#define MAX_RANGE	8	/* pages of an operation */

struct profile {
	int vcpus, invalidators;
	u64 gfns;
	double seconds;
};

struct stress;

/* A thread; when it did what to a gfn, by the common clock. */
struct worker {
	struct stress *s;
	int index;
	struct vcpu *vcpu;		/* NULL: an invalidator */
	u64 rng;
	unsigned long ops;
	atomic_ulong begun, ended;	/* prefaults */
	unsigned long mapped[MAX_GFNS];		/* last successful prefault: its start */
	unsigned long prefaulted[MAX_GFNS];	/* last prefault: its end */
	unsigned long zapped[MAX_GFNS];		/* last certain zap: its start */
	unsigned long touched[MAX_GFNS];	/* last possible zap: its end */
};

/*
 * The lower half of the window keeps its slot and its attributes; in the upper
 * half they change, by the first invalidator.
 */
struct stress {
	const struct test *t;
	const struct profile *profile;
	u64 gfns;
	struct vm *vm;
	struct vcpu *vcpu;		/* of the first worker */
	struct mem *mem, *gmem;		/* gmem: NULL in a default VM */
	struct slot slots[2];
	bool private[MAX_GFNS];
	double end;
	atomic_ulong clock;
	atomic_bool upper_gone;		/* keep away from the upper half */
	struct worker workers[MAX_WORKERS];
	int nr_workers;
};

static bool is_td(const struct stress *s)
{
	return s->t->vm_type == KVM_X86_TDX_VM;
}

/* What the threads do. */

struct range {
	u64 first, nr;
};

static struct range random_range(struct worker *w, u64 from, u64 to)
{
	struct range r = { .first = from + random_below(&w->rng, to - from) };

	r.nr = 1 + random_below(&w->rng, MAX_RANGE);
	if (r.first + r.nr > to)
		r.nr = to - r.first;
	return r;
}

static unsigned long tick(struct worker *w)
{
	return atomic_fetch_add(&w->s->clock, 1) + 1;
}

static void stamp(unsigned long *stamps, struct range r, unsigned long at)
{
	for (u64 i = r.first; i < r.first + r.nr; i++)
		stamps[i] = at;
}

/* Errors that a prefault may return while slots and attributes change. */
static bool may_answer(int error)
{
	return error == EAGAIN || error == ENOENT || error == EFAULT;
}

static void prefault_range(struct worker *w, struct range r)
{
	struct range done = r;
	struct kvm_pre_fault_memory range = {
		.gpa = GPA + r.first * SZ_4K, .size = r.nr * SZ_4K,
	};
	unsigned long start = tick(w);
	int ret = __vcpu_prefault(w->vcpu, &range);
	u64 half = w->s->gfns / 2;

	if (ret && (!may_answer(errno) || r.first + r.nr <= half))
		expect_ok(ret, "KVM_PRE_FAULT_MEMORY of gfns GFN + 0x%llx to 0x%llx",
			  r.first, (r.first + r.nr));
	done.nr -= range.size / SZ_4K;
	if (r.first < half)
		expect_true(done.first + done.nr >= half || done.nr == r.nr,
			    "gfns GFN + 0x%llx to 0x%llx are prefaulted as far as nothing changes",
			    r.first, (r.first + r.nr));
	stamp(w->mapped, done, start);
	stamp(w->prefaulted, r, tick(w));
}

static void prefault_some(struct worker *w)
{
	struct range r = random_range(w, 0, w->s->gfns);

	w->begun++;
	if (!w->s->upper_gone || r.first + r.nr <= w->s->gfns / 2)
		prefault_range(w, r);
	w->ended++;
}

/* Start and end of an operation that takes gfns away, for certain or perhaps. */
static void takes_away(struct worker *w, struct range r, unsigned long start, bool certain)
{
	if (certain)
		stamp(w->zapped, r, start);
	stamp(w->touched, r, tick(w));
}

static void drop(struct worker *w)
{
	struct range r = random_range(w, 0, w->s->gfns);
	unsigned long start = tick(w);

	must(!madvise(w->s->mem->hva + r.first * SZ_4K, r.nr * SZ_4K, MADV_DONTNEED),
	     "MADV_DONTNEED");
	/* Other pages in their place: a stale mapping of the zero page would not show. */
	mem_touch(w->s->mem->hva + r.first * SZ_4K, r.nr * SZ_4K);
	/* It does not concern a TD's private memory. */
	takes_away(w, r, start, !is_td(w->s));
}

static void punch(struct worker *w)
{
	struct stress *s = w->s;
	u64 half = s->gfns / 2;
	bool lower = random_below(&w->rng, 2);
	struct range r = random_range(w, lower ? 0 : half, lower ? half : s->gfns);
	unsigned long start = tick(w);

	mem_punch_hole(s->gmem, r.first * SZ_4K, r.nr * SZ_4K);
	takes_away(w, r, start, lower);
}

static void flip(struct worker *w)
{
	struct stress *s = w->s;
	struct range r = random_range(w, s->gfns / 2, s->gfns);
	bool private = random_below(&w->rng, 2);
	unsigned long start = tick(w);

	expect_ok(__vm_set_attributes(s->vm, GPA + r.first * SZ_4K, r.nr * SZ_4K,
				      private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0),
		  "KVM_SET_MEMORY_ATTRIBUTES");
	for (u64 i = r.first; i < r.first + r.nr; i++)
		s->private[i] = private;
	takes_away(w, r, start, false);
}

/*
 * A prefault that found no slot makes the kernel warn when it meets what another
 * vCPU mapped after the slot came back (W3 in docs/findings.md, and the case
 * slot_made_in_window): let those end that may have found none.
 */
static void await_prefaults(struct stress *s)
{
	for (int i = 0; i < s->profile->vcpus; i++) {
		unsigned long begun = s->workers[i].begun;

		while (s->workers[i].ended < begun)
			sched_yield();
	}
}

static void replace(struct worker *w)
{
	struct stress *s = w->s;
	struct slot none = { .vm = s->vm, .id = s->slots[1].id };
	struct range r = { s->gfns / 2, s->gfns / 2 };
	unsigned long start = tick(w);

	expect_ok(__slot_set(&none), "deletion of the upper slot");
	takes_away(w, r, start, true);
	s->upper_gone = true;
	await_prefaults(s);
	expect_ok(__slot_set(&s->slots[1]), "the upper slot again");
	s->upper_gone = false;
}

static void invalidate_some(struct worker *w)
{
	bool first = w->index == w->s->profile->vcpus;
	int dice = random_below(&w->rng, 100);

	if (first && dice < 4)
		replace(w);
	else if (first && w->s->gmem && dice < 50)
		flip(w);
	else if (w->s->gmem && dice < 80)
		punch(w);
	else
		drop(w);
}

static int work(void *arg)
{
	struct worker *w = arg;

	for (; now() < w->s->end; w->ops++)
		if (w->vcpu)
			prefault_some(w);
		else
			invalidate_some(w);
	return 0;
}

/* A slot for one half of the window. */
static void add_slot(struct stress *s, int half)
{
	u64 size = s->gfns / 2 * SZ_4K;

	s->slots[half] = (struct slot){
		.vm = s->vm, .id = half, .gpa = GPA + half * size, .size = size,
		.mem = s->mem, .offset = half * size,
		.flags = s->gmem ? KVM_MEM_GUEST_MEMFD : 0,
		.gmem = s->gmem, .gmem_offset = half * size,
	};
	expect_ok(__slot_set(&s->slots[half]), "slot %d", half);
}

static struct vcpu *new_vcpu(struct stress *s)
{
	return is_td(s) ? td_vcpu(s->vm) : vcpu_create(s->vm);
}

static struct stress *stress_new(const struct test *t)
{
	struct stress *s = calloc(1, sizeof(*s));
	const struct profile *p = t->tc->arg;

	s->t = t;
	s->profile = p;
	s->gfns = p->gfns;
	s->vm = t->vm_type == KVM_X86_TDX_VM ? td_create() : vm_create(t->vm_type);
	/*
	 * The deletion of a slot must not take all roots with it: a prefault that
	 * meets that does not end (known issue L1).
	 */
	if (t->vm_type == KVM_X86_DEFAULT_VM)
		vm_enable_cap(s->vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_SLOT_ZAP_ALL);
	s->mem = mem_populated(MEM_ANON, s->gfns * SZ_4K, NULL);
	if (t->vm_type != KVM_X86_DEFAULT_VM)
		s->gmem = mem_create(MEM_GMEM, s->gfns * SZ_4K, s->vm);
	add_slot(s, 0);
	add_slot(s, 1);

	s->nr_workers = p->vcpus + p->invalidators;
	for (int i = 0; i < s->nr_workers; i++) {
		struct worker *w = &s->workers[i];

		w->s = s;
		w->index = i;
		w->rng = t->seed + i;
		w->vcpu = i < p->vcpus ? new_vcpu(s) : NULL;
	}
	s->vcpu = s->workers[0].vcpu;
	if (is_td(s))
		td_finalize(s->vm);
	if (s->gmem)
		vm_set_private(s->vm, GPA, s->gfns / 2 * SZ_4K);
	for (u64 i = 0; s->gmem && i < s->gfns / 2; i++)
		s->private[i] = true;
	return s;
}

static unsigned long latest(const struct stress *s, size_t stamps, u64 gfn)
{
	unsigned long max = 0;

	for (int i = 0; i < s->nr_workers; i++) {
		const unsigned long *of = (const void *)((const char *)&s->workers[i] + stamps);

		max = of[gfn] > max ? of[gfn] : max;
	}
	return max;
}

#define LATEST(s, member, gfn)	latest(s, offsetof(struct worker, member), gfn)

/* A gfn after the race. */
struct gfn_end {
	bool was_mapped;	/* when the threads had ended */
	u64 pfn;		/* of its SPTE when it was zapped */
	u64 gmem_pfn;	/* of guest_memfd */
	unsigned int zaps;
};

static void look(struct stress *s, struct gfn_end *ends)
{
	struct observer *o = observe(s->vm, OBSERVE(EV_SPTE) | OBSERVE(EV_GMEM_PFN));
	const struct event *ev;
	size_t nr;

	for (u64 i = 0; i < s->gfns; i++)
		ends[i].was_mapped = true;
	/* Gfns that this maps were not mapped. */
	prefault(s->vcpu, GPA, s->gfns * SZ_4K);
	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++) {
		u64 gfn = ev[i].gfn - GFN;

		if (gfn >= s->gfns)
			continue;
		if (ev[i].type == EV_GMEM_PFN)
			ends[gfn].gmem_pfn = ev[i].new_spte;
		else if (ev[i].level == LEVEL_4K)
			ends[gfn].was_mapped = false;
	}
	/* The zaps of a slot's deletion show the SPTEs that it had. */
	observer_clear(o);
	for (int half = 0; half < 2; half++)
		slot_delete(&s->slots[half]);
	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++) {
		u64 gfn = ev[i].gfn - GFN;

		if (gfn >= s->gfns || ev[i].level != LEVEL_4K || !spte_is_present(ev[i].old_spte))
			continue;
		ends[gfn].pfn = spte_pfn(ev[i].old_spte);
		ends[gfn].zaps++;
	}
}

static void judge_gfn(struct stress *s, u64 gfn, const struct gfn_end *end, u64 hva_pfn)
{
	unsigned long long at = GFN + gfn;

	expect_eq(end->zaps, 1, "SPTEs of gfn 0x%llx that its slot's deletion zaps", at);
	expect_eq(end->pfn, s->private[gfn] ? end->gmem_pfn : hva_pfn,
		  "pfn that gfn 0x%llx (%s) was mapped to, against the page's", at,
		  s->private[gfn] ? "private" : "shared");
	if (LATEST(s, mapped, gfn) > LATEST(s, touched, gfn))
		expect_true(end->was_mapped, "gfn 0x%llx, prefaulted last, is mapped", at);
	if (LATEST(s, zapped, gfn) > LATEST(s, prefaulted, gfn))
		expect_true(!end->was_mapped, "gfn 0x%llx, taken away last, is not mapped", at);
}

static void judge(struct stress *s)
{
	static struct gfn_end ends[MAX_GFNS];
	static u64 pfns[MAX_GFNS];
	unsigned long pages = vm_stat(s->vm, "pages_4k"), mapped = 0, certain = 0;

	look(s, ends);
	pfns_of(s->mem->hva, s->gfns, pfns);
	for (u64 gfn = 0; gfn < s->gfns; gfn++) {
		judge_gfn(s, gfn, &ends[gfn], pfns[gfn]);
		mapped += ends[gfn].was_mapped;
		certain += LATEST(s, mapped, gfn) > LATEST(s, touched, gfn) ||
			   LATEST(s, zapped, gfn) > LATEST(s, prefaulted, gfn);
	}
	expect_eq(pages, mapped, "statistic pages_4k when the threads had ended");
	measure("pages", mapped);
	measure("certain", certain);
}

/* E1 (6.17 and earlier): a prefault does not end while the deletion of a slot waits for it. */
static void expect_ends(struct stress *s, struct thread **threads, int i)
{
	bool ended = thread_ended(threads[i], s->profile->seconds + 10);
	pid_t deleter = thread_tid(threads[s->profile->vcpus]);

	if (!ended && tid_sleeps_in(deleter, "synchronize_srcu", 0))
		xfail("E1", "vCPU %d prefaults, the deletion of a slot waits", i);
	expect_true(ended, "%s %d ends its last call",
		    i < s->profile->vcpus ? "vCPU" : "invalidator", i);
}

static void stress(const struct test *t)
{
	struct stress *s = stress_new(t);
	struct observer *counter = observe_counts();
	struct thread *threads[MAX_WORKERS];
	struct fault_counts counts;
	unsigned long invalidations = 0;
	double start = now(), seconds;

	s->end = start + s->profile->seconds;
	for (int i = 0; i < s->nr_workers; i++)
		threads[i] = thread_start(work, &s->workers[i]);
	for (int i = 0; i < s->nr_workers; i++) {
		expect_ends(s, threads, i);
		thread_join(threads[i], "a thread");
		if (!s->workers[i].vcpu)
			invalidations += s->workers[i].ops;
		expect_true(s->workers[i].ops > 0, "thread %d does something", i);
	}
	seconds = now() - start;
	counts = observer_counts(counter);
	judge(s);

	measure("faults", counts.faults);
	measure("retries", counts.retries);
	measure("invalidations", invalidations);
	measure("faults_per_second", counts.faults / seconds);
	measure("retries_per_second", counts.retries / seconds);
	measure("retry_ratio", counts.faults ? (double)counts.retries / counts.faults : 0);
	expect_true(counts.faults > 0, "some fault was counted");
}

static const struct profile
	quick = { 3, 2, 512, 2 }, quick_td = { 2, 2, 64, 1 },
	nightly = { 3, 3, 512, 180 }, nightly_td = { 2, 2, 256, 60 };

#define STRESS_CASE .xfail = "E1", .xfail_in_body = true, .cpus = 2, \
		    .observes = OBSERVE(EV_SPTE) | OBSERVE(EV_FAULT) | OBSERVE(EV_GMEM_PFN)

CASES(stress,
	{ "stress", "3 vCPUs map, 2 threads invalidate, for 2 s", .arg = &quick,
	  .vm_types = VM_ANY, STRESS_CASE, NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY) },
	{ "stress_td", "2 vCPUs of a TD map, 2 threads invalidate, for 1 s", .arg = &quick_td,
	  .vm_types = VM_TDX, STRESS_CASE },
	{ "long_stress", "3 vCPUs map, 3 threads invalidate, for 3 minutes", .arg = &nightly,
	  .vm_types = VM_ANY, STRESS_CASE, NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY),
	  .time_limit_s = 300, .nightly = true },
	{ "long_stress_td", "2 vCPUs of a TD map, 2 threads invalidate, for a minute",
	  .arg = &nightly_td, .vm_types = VM_TDX, STRESS_CASE, .time_limit_s = 300,
	  .nightly = true })

TEST_MAIN("vCPUs that map against threads that invalidate")
