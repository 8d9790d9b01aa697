// SPDX-License-Identifier: GPL-2.0-only
/*
 * Progress of a fault against invalidations: as many retries as invalidations and not
 * one more, none for what does not concern the gfn, and an end by a signal.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"
#include "hold.h"
#include "race_cell.h"
#include "testcase.h"
#include "vm_thread.h"

#define PROGRESS_CASE	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true, \
			.cpus = 2

static void drop(void *hva)
{
	must(!madvise(hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

/* One prefault of one page, invalidated .param times before it gets mmu_lock. */
static void k_retries(const struct test *t)
{
	const unsigned int k = t->tc->param, batch = 500;
	const u64 gpa = GPA + SZ_4K;
	unsigned long retries = 0;
	struct prefault *map;
	double began, seconds;
	struct fixture f;
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

CASES(k_retries,
	{ "retries_1", "one invalidation: one retry", .param = 1, .needs_hold_module = true,
	  PROGRESS_CASE },
	{ "retries_2", "two invalidations: two retries", .param = 2, .needs_hold_module = true,
	  PROGRESS_CASE },
	{ "retries_1000", "1,000 invalidations: 1,000 retries", .param = 1000,
	  .needs_hold_module = true, PROGRESS_CASE },
	{ "retries_10000", "10,000 invalidations: 10,000 retries", .param = 10000,
	  PROGRESS_CASE, .needs_hold_module = true,
	  .time_limit_s = 120, .nightly = true })

CASE(signal_ends, "ten invalidations and a signal: ten retries, EINTR", PROGRESS_CASE)
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
	expect_retries(f.o, k, " of gfn 0x%llx", GFN + 1);
	expect_not_mapped(f.o, GFN + 1);
	measure("retries", k);
}

/* MADV_DONTNEED that is held between start and end of its invalidation. */
struct invalidation_in_progress {
	u8 *hva;
	size_t size;
	struct hold *hold;
	struct thread *thread;
};

static int drop_range(void *arg)
{
	struct invalidation_in_progress *inv = arg;

	return madvise(inv->hva, inv->size, MADV_DONTNEED);
}

/*
 * In 6.16 and earlier it holds mmap_lock there: threads and memory that the case needs
 * come before begin_invalidation().
 */
static void prepare_invalidation(struct invalidation_in_progress *inv)
{
	inv->thread = thread_prepare(drop_range, inv);
	inv->hold = hold_arm(.function = "kvm_mmu_notifier_invalidate_range_end",
			     .at = HOLD_ENTRY, .tid = thread_tid(inv->thread));
}

static void begin_invalidation(struct invalidation_in_progress *inv)
{
	thread_go(inv->thread);
	hold_await(inv->hold);
}

static void end_invalidation(struct invalidation_in_progress *inv)
{
	hold_release(inv->hold);
	must(!thread_join(inv->thread, "MADV_DONTNEED"), "MADV_DONTNEED");
	hold_end(inv->hold);
}

/* A lookup of the page before the end would only make the invalidation take longer. */
CASE(in_progress, "a fault in a range being invalidated: waits, and does not look up the page",
	PROGRESS_CASE)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;
	struct invalidation_in_progress inv = { .hva = hva_of(&f, gpa), .size = SZ_4K };
	struct hold *faults, *lookups;
	struct prefault *map;

	prefault(f.vcpu, GPA, SZ_4K);
	observer_clear(f.o);
	map = prefault_prepare(f.vcpu, gpa, SZ_4K);
	prepare_invalidation(&inv);
	faults = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_COUNT);
	lookups = hold_arm(.function = "__kvm_faultin_pfn", .at = HOLD_COUNT);
	begin_invalidation(&inv);
	thread_go(map->thread);
	hold_await_calls(faults, 5, "a fault that is retried");
	expect_eq(hold_calls(lookups), 0, "pages looked up while the range is being invalidated");
	expect_true(!thread_ended(map->thread, 0),
		    "the fault does not end before the invalidation of its gfn");
	end_invalidation(&inv);
	prefault_end(map);
	expect_true(observer_retries(f.o) >= 4, "the fault is retried until the invalidation ends");
	expect_mapped(f.o, GFN + 1, LEVEL_4K, pfn_of(inv.hva));
	hold_end(faults);
	hold_end(lookups);
	measure("retries", observer_retries(f.o));
	race_cell_hit((struct race_cell){ "in_progress", "dontneed",
					  strf("prefault_hva%s", strchr(t->name, '.')) },
		      observer_retries(f.o), "new_page");
}

CASE(in_progress_elsewhere, "faults outside of a range being invalidated: no waiting",
	PROGRESS_CASE)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct invalidation_in_progress inv = { .hva = hva_of(&f, GPA + 8 * SZ_4K),
						.size = 8 * SZ_4K };
	static const unsigned int beside[] = { 0, 7, 16, 100 };
	struct prefault *map[ARRAY_SIZE(beside)];

	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		map[i] = prefault_prepare(f.vcpu, GPA + beside[i] * SZ_4K, SZ_4K);
	prepare_invalidation(&inv);
	begin_invalidation(&inv);
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		thread_go(map[i]->thread);
		expect_true(thread_ended(map[i]->thread, 1),
			    "the fault of gfn 0x%llx does not wait", GFN + beside[i]);
		prefault_end(map[i]);
	}
	end_invalidation(&inv);
	expect_retries(f.o, 0, " beside the range");
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		expect_mapped(f.o, GFN + beside[i], LEVEL_4K,
			      pfn_of(hva_of(&f, GPA + beside[i] * SZ_4K)));
	race_cell_hit((struct race_cell){ "in_progress", "dontneed_other",
					  strf("prefault_hva%s", strchr(t->name, '.')) },
		      0, "mapped");
}

/* KVM protects the range around both. */
CASE(in_progress_two, "two invalidations at once: faults of both ranges wait",
	.needs_hold_module = true, PROGRESS_CASE)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa[2] = { GPA + 8 * SZ_4K, GPA + 64 * SZ_4K };
	struct invalidation_in_progress inv[2] = {
		{ .hva = hva_of(&f, gpa[0]), .size = SZ_4K },
		{ .hva = hva_of(&f, gpa[1]), .size = SZ_4K },
	};
	struct vcpu *vcpu[2] = { f.vcpu, vcpu_create(f.vm) };
	struct prefault *map[2];
	struct hold *faults[2];

	for (int i = 0; i < 2; i++) {
		prefault(vcpu[i], GPA, SZ_4K);
		map[i] = prefault_prepare(vcpu[i], gpa[i], SZ_4K);
		faults[i] = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_COUNT,
				     .tid = thread_tid(map[i]->thread));
	}
	for (int i = 0; i < 2; i++)
		prepare_invalidation(&inv[i]);
	for (int i = 0; i < 2; i++)
		begin_invalidation(&inv[i]);
	for (int i = 0; i < 2; i++) {
		thread_go(map[i]->thread);
		hold_await_calls(faults[i], 5, "a fault that is retried");
		expect_true(!thread_ended(map[i]->thread, 0),
			    "the fault of gpa 0x%llx waits for the invalidations", gpa[i]);
	}
	for (int i = 0; i < 2; i++)
		end_invalidation(&inv[i]);
	for (int i = 0; i < 2; i++) {
		prefault_end(map[i]);
		hold_end(faults[i]);
		expect_mapped(f.o, gpa[i] >> 12, LEVEL_4K, pfn_of(hva_of(&f, gpa[i])));
	}
}

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

CASE(no_livelock, "two vCPUs map pages that a thread keeps dropping: both make progress",
	.time_limit_s = 60, PROGRESS_CASE)
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

TEST_MAIN("progress of faults against invalidations")
