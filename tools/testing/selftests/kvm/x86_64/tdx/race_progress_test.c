// SPDX-License-Identifier: GPL-2.0-only
/*
 * Progress against invalidations: as many retries as invalidations and not one
 * more, none for what does not concern the gfn, an end by a signal; and the
 * walkers that race with each other under mmu_lock held for reading.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "hold.h"
#include "race_cell.h"
#include "testcase.h"
#include "undo.h"
#include "vm_thread.h"


static void drop(void *hva)
{
	must(!madvise(hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

/* --- k invalidations, k retries ----------------------------------------------------------- */

/* One prefault of one page, invalidated so many times before it gets mmu_lock. */
static void k_retries(const struct test *t)
{
	unsigned int k = (uintptr_t)t->tc->arg, batch = 500;
	struct fixture f;
	const u64 gpa = GPA + SZ_4K;
	unsigned long retries = 0;
	struct prefault *map;
	double began, seconds;
	struct hold *h;

	stay_on_one_cpu();
	f = fixture(t, MEM_ANON, SZ_2M);
	prefault(f.vcpu, GPA, SZ_4K);
	observer_clear(f.o);
	h = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_RETURN, .times = k + 1);
	map = prefault_start(f.vcpu, gpa, SZ_4K);
	began = now();
	for (unsigned int i = 0; i < k; i++) {
		hold_await(h);
		drop(hva_of(&f, gpa));
		/* Read the trace before its buffer is full. */
		if (i % batch == batch - 1) {
			retries += observer_retries(f.o);
			expect_eq(retries, i, "RET_PF_RETRYs before window %u ends", i);
			observer_clear(f.o);
		}
		hold_release(h);
	}
	hold_await(h);
	hold_release(h);
	seconds = now() - began;
	prefault_end(map);
	hold_end(h);
	retries += observer_retries(f.o);
	expect_eq(retries, k, "RET_PF_RETRYs of gfn 0x%llx", GFN + 1);
	expect_eq(observer_count(f.o, EV_FAULT, PF_FIXED), 1, "faults that mapped gfn 0x%llx",
		  GFN + 1);
	expect_mapped(f.o, GFN + 1, LEVEL_4K, pfn_of(hva_of(&f, gpa)));
	measure("attempts", k);
	measure("retries", retries);
	measure("seconds_a_retry", seconds / k);
}

/* The same, and then a signal: no more retry. */
static void signal_ends(const struct test *t)
{
	const unsigned int k = 10;
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;
	struct prefault *map;
	struct hold *h;

	catch_signal(SIGUSR1);
	prefault(f.vcpu, GPA, SZ_4K);
	observer_clear(f.o);
	h = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_RETURN, .times = k + 1);
	map = prefault_start(f.vcpu, gpa, SZ_4K);
	for (unsigned int i = 0; i < k; i++) {
		hold_await(h);
		drop(hva_of(&f, gpa));
		if (i == k - 1)
			thread_signal(map->thread, SIGUSR1);
		hold_release(h);
	}
	expect_errno(thread_join(map->thread, "KVM_PRE_FAULT_MEMORY"), EINTR,
		     "KVM_PRE_FAULT_MEMORY, invalidated and interrupted");
	hold_end(h);
	expect_eq(observer_retries(f.o), k, "RET_PF_RETRYs of gfn 0x%llx", GFN + 1);
	expect_not_mapped(f.o, GFN + 1);
	measure("retries", k);
}

/* --- an invalidation in progress ------------------------------------------------------------- */

struct dropping {
	u8 *hva;
	size_t size;
	struct hold *hold;
	struct thread *thread;
};

static int drop_thread(void *arg)
{
	struct dropping *d = arg;

	return madvise(d->hva, d->size, MADV_DONTNEED);
}

/*
 * MADV_DONTNEED that stops between begin and end of its invalidation.  Before 6.17
 * it holds mmap_lock there: threads and memory that the case needs come first.
 */
static void prepare_drop(struct dropping *d)
{
	d->thread = thread_prepare(drop_thread, d);
	d->hold = hold_arm(.function = "kvm_mmu_notifier_invalidate_range_end",
			   .at = HOLD_ENTRY, .tid = thread_tid(d->thread));
}

static void begin_drop(struct dropping *d)
{
	thread_go(d->thread);
	hold_await(d->hold);
}

static void end_drop(struct dropping *d)
{
	hold_release(d->hold);
	must(!thread_join(d->thread, "MADV_DONTNEED"), "MADV_DONTNEED");
	hold_end(d->hold);
}

/*
 * A fault in the range waits for the end, and does not even look for the page
 * before it: that could only make the invalidation take longer.
 */
static void in_progress(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;
	struct dropping d = { .hva = hva_of(&f, gpa), .size = SZ_4K };
	struct hold *faults, *lookups;
	struct prefault *map;

	prefault(f.vcpu, GPA, SZ_4K);
	observer_clear(f.o);
	map = prefault_prepare(f.vcpu, gpa, SZ_4K);
	prepare_drop(&d);
	faults = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_COUNT);
	lookups = hold_arm(.function = "__kvm_faultin_pfn", .at = HOLD_COUNT);
	begin_drop(&d);
	thread_go(map->thread);
	hold_await_calls(faults, 5, "a fault that is retried");
	expect_eq(hold_calls(lookups), 0, "pages looked up while the range is being invalidated");
	expect_true(!thread_ended(map->thread, 0),
		    "the fault does not end before the invalidation of its gfn");
	end_drop(&d);
	prefault_end(map);
	expect_true(observer_retries(f.o) >= 4, "the fault is retried until the invalidation ends");
	expect_mapped(f.o, GFN + 1, LEVEL_4K, pfn_of(d.hva));
	hold_end(faults);
	hold_end(lookups);
	measure("retries", observer_retries(f.o));
	race_cell_hit((struct race_cell){ "in_progress", "dontneed",
				strf("prefault_hva%s", strchr(t->name, '.')) },
		 observer_retries(f.o), "new_page");
}

/* It is none of its business outside of the range, wherever that is. */
static void in_progress_elsewhere(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct dropping d = { .hva = hva_of(&f, GPA + 8 * SZ_4K), .size = 8 * SZ_4K };
	static const unsigned int beside[] = { 0, 7, 16, 100 };
	struct prefault *map[ARRAY_SIZE(beside)];

	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		map[i] = prefault_prepare(f.vcpu, GPA + beside[i] * SZ_4K, SZ_4K);
	prepare_drop(&d);
	begin_drop(&d);
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		thread_go(map[i]->thread);
		expect_true(thread_ended(map[i]->thread, 1),
			    "the fault of gfn 0x%llx does not wait", GFN + beside[i]);
		prefault_end(map[i]);
	}
	end_drop(&d);
	expect_eq(observer_retries(f.o), 0, "RET_PF_RETRYs beside the range");
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		expect_mapped(f.o, GFN + beside[i], LEVEL_4K,
			      pfn_of(hva_of(&f, GPA + beside[i] * SZ_4K)));
	race_cell_hit((struct race_cell){ "in_progress", "dontneed_other",
				strf("prefault_hva%s", strchr(t->name, '.')) }, 0, "mapped");
}

/* Two at once: what is protected is the range around both. */
static void in_progress_two(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct dropping low = { .hva = hva_of(&f, GPA + 8 * SZ_4K), .size = SZ_4K };
	struct dropping high = { .hva = hva_of(&f, GPA + 64 * SZ_4K), .size = SZ_4K };
	struct vcpu *vcpu[2] = { f.vcpu, vcpu_create(f.vm) };
	const u64 gpa[2] = { GPA + 8 * SZ_4K, GPA + 64 * SZ_4K };
	struct prefault *map[2];
	struct hold *faults[2];

	for (int i = 0; i < 2; i++) {
		prefault(vcpu[i], GPA, SZ_4K);
		map[i] = prefault_prepare(vcpu[i], gpa[i], SZ_4K);
		faults[i] = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_COUNT,
				     .tid = thread_tid(map[i]->thread));
	}
	prepare_drop(&low);
	prepare_drop(&high);
	begin_drop(&low);
	begin_drop(&high);
	for (int i = 0; i < 2; i++) {
		thread_go(map[i]->thread);
		hold_await_calls(faults[i], 5, "a fault that is retried");
		expect_true(!thread_ended(map[i]->thread, 0),
			    "the fault of gpa 0x%llx waits for the invalidations",
			    gpa[i]);
	}
	end_drop(&low);
	end_drop(&high);
	for (int i = 0; i < 2; i++) {
		prefault_end(map[i]);
		hold_end(faults[i]);
		expect_mapped(f.o, gpa[i] >> 12, LEVEL_4K, pfn_of(hva_of(&f, gpa[i])));
	}
}

/* --- two vCPUs and a third that invalidates ------------------------------------------------------ */

struct dropper {
	u8 *hva;
	size_t size;
	bool stop;
};

static int drop_all_the_time(void *arg)
{
	struct dropper *d = arg;
	unsigned int nr = 0;

	while (!__atomic_load_n(&d->stop, __ATOMIC_RELAXED)) {
		drop(d->hva + nr % (d->size / SZ_4K) * SZ_4K);
		nr++;
	}
	return nr;
}

/*
 * Two vCPUs map the same range, again and again, while its pages are taken away:
 * both come to an end, with what is there at the end.
 */
static void no_livelock(const struct test *t)
{
	const size_t size = 16 * SZ_4K;
	struct fixture f = fixture(t, MEM_ANON, size);
	struct dropper d = { .hva = hva_of(&f, GPA), .size = size };
	struct vcpu *other = vcpu_create(f.vm);
	struct thread *dropping = thread_start(drop_all_the_time, &d);
	unsigned long retries = 0, faults = 0;
	int drops;

	for (int round = 0; round < 20; round++) {
		struct prefault *one = prefault_start(f.vcpu, GPA, size);
		struct prefault *two = prefault_start(other, GPA, size);

		prefault_end(one);
		prefault_end(two);
		retries += observer_retries(f.o);
		faults += observer_faults(f.o);
		observer_clear(f.o);
	}
	d.stop = true;
	drops = thread_join(dropping, "the thread that drops pages");
	prefault(f.vcpu, GPA, size);
	expect_range_mapped(&f, GPA, size, LEVEL_4K);
	measure("attempts", drops);
	measure("faults", faults);
	measure("retries", retries);
}

/* --- roots on their way out ------------------------------------------------------------------------ */

/*
 * A slot's deletion invalidates all roots of a default VM, and zaps them later.
 * A page that goes meanwhile must go from them, too, before it is free.
 */
static void invalid_root(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct slot *other = slot_add(f.vm, GPA + SZ_1G, mem_populated(MEM_ANON, SZ_4K, NULL));
	struct thread *deleter;
	struct hold *h;

	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
	h = hold_arm(.function = "kvm_tdp_mmu_zap_invalidated_roots", .at = HOLD_ENTRY);
	deleter = slot_delete_start(other);
	hold_await(h);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
	drop(f.mem->hva);
	expect_not_mapped(f.o, GFN);
	hold_release(h);
	expect_ok(thread_join(deleter, "the deletion"), "the deletion of another slot");
	hold_end(h);
	race_cell_hit((struct race_cell){ "invalid_root", "dontneed", "zap_all.default" }, 0, "zapped");
}

/* --- two walkers, one entry -------------------------------------------------------------------------- */

static int log_slot(void *slot)
{
	struct slot to = *(struct slot *)slot;

	to.flags |= KVM_MEM_LOG_DIRTY_PAGES;
	return __slot_set(&to);
}

/* Steps of the walk that write-protects a slot with one huge page. */
static unsigned int steps_of_log(struct slot *slot)
{
	struct hold *h = hold_arm(.function = "tdp_iter_next", .at = HOLD_COUNT);
	unsigned int steps;

	expect_ok(log_slot(slot), "KVM_MEM_LOG_DIRTY_PAGES");
	steps = hold_calls(h);
	hold_end(h);
	return steps;
}

/*
 * Dirty logging write-protects a huge page that a vCPU splits at that moment: it
 * looks at the entry again, and goes on with the table that is there now.
 */
static void split_under_log(const struct test *t)
{
	struct fixture f = fixture(t, MEM_THP, SZ_2M);
	struct slot *like_it = slot_add(f.vm, GPA + SZ_1G, mem_populated(MEM_THP, SZ_2M, NULL));
	struct thread *logger;
	unsigned int steps;
	struct hold *h;

	must(!set_and_undo("/sys/module/kvm/parameters/eager_page_split", "N"),
	     "eager_page_split=N");
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_2M, pfn_of(f.mem->hva));
	prefault(f.vcpu, like_it->gpa, SZ_4K);
	/* The last one goes on from the entry of the huge page. */
	steps = steps_of_log(like_it) - 1;
	h = hold_arm(.function = "tdp_iter_next", .at = HOLD_RETURN, .times = steps);
	logger = thread_start(log_slot, f.slot);
	for (unsigned int step = 1; step < steps; step++) {
		hold_await(h);
		hold_release(h);
	}
	hold_await(h);
	/* A logged slot has no huge pages: the vCPU splits this one. */
	prefault(f.vcpu, GPA, SZ_4K);
	hold_release(h);
	expect_ok(thread_join(logger, "the begin of dirty logging"), "KVM_MEM_LOG_DIRTY_PAGES");
	hold_end(h);
	expect_eq(vm_stat(f.vm, "pages_2m"), 1, "statistic pages_2m, of the other slot");
	expect_eq(vm_stat(f.vm, "pages_4k"), 512, "statistic pages_4k");
	race_cell_hit((struct race_cell){ "walk_read_entry", "split", "log_on.default" }, 0, "split");
}

#define MAPS	.observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2
#define K(k)	(const void *)(uintptr_t)(k)

static const struct test_case cases[] = {
	{ "retries_1", "one invalidation: one retry", k_retries, K(1), .vm_types = VM_ANY, MAPS },
	{ "retries_2", "two invalidations: two retries", k_retries, K(2), .vm_types = VM_ANY, MAPS },
	{ "retries_1000", "1,000 invalidations: 1,000 retries", k_retries, K(1000),
	  .vm_types = VM_ANY, MAPS },
	{ "retries_10000", "10,000 invalidations: 10,000 retries", k_retries, K(10000),
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true, .nightly = true,
	  .cpus = 2, .time_limit_s = 120 },
	{ "signal_ends", "ten invalidations and a signal: ten retries, EINTR", signal_ends,
	  .vm_types = VM_ANY, MAPS },
	{ "in_progress", "while its page is invalidated, a fault waits, and looks up nothing",
	  in_progress, .vm_types = VM_ANY, MAPS },
	{ "in_progress_elsewhere", "an invalidation beside the gfn keeps nobody",
	  in_progress_elsewhere, .vm_types = VM_ANY, MAPS },
	{ "in_progress_two", "two invalidations at once protect the gfns of both",
	  in_progress_two, .vm_types = VM_ANY, MAPS },
	{ "no_livelock", "two vCPUs map what a third thread takes away", no_livelock,
	  .vm_types = VM_ANY, MAPS },
	{ "invalid_root", "a page goes from a root that is invalid, and not zapped yet",
	  invalid_root, .vm_types = VM_DEFAULT, MAPS },
	{ "split_under_log", "a huge page is split while it is write-protected",
	  split_under_log, .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING,
	  .needs_hold = true, .needs_thp = true, .cpus = 2, .side_effects = "writes kvm.eager_page_split" },
};

TEST_MAIN("progress against invalidations", cases)
