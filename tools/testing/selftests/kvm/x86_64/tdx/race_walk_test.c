// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walkers of the TDP MMU that meet: a fault whose page goes when only the check under
 * mmu_lock can see it, an invalidation of a root that is invalid and not yet zapped, and
 * write-protection of a huge page that a vCPU splits.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"
#include "hold.h"
#include "race_cell.h"
#include "testcase.h"
#include "undo.h"
#include "vm_thread.h"

static int drop_page(void *hva)
{
	return madvise(hva, SZ_4K, MADV_DONTNEED);
}

/* The three of the queue have a CPU each: to move one takes as long as the window is open. */
static int drop_page_beside(void *hva)
{
	run_on_nth_cpu(2);
	return drop_page(hva);
}

#define LOG_GPA		(64 * SZ_1G)
#define LOG_SIZE	(16 * SZ_1G)

struct clear_log {
	struct slot *slot;
	void *bitmap;
};

static int clear_dirty_log(void *arg)
{
	struct clear_log *c = arg;
	struct kvm_clear_dirty_log log = {
		.slot = c->slot->id, .num_pages = LOG_SIZE / SZ_4K, .dirty_bitmap = c->bitmap,
	};

	run_on_nth_cpu(1);
	return __vm_ioctl(c->slot->vm, KVM_CLEAR_DIRTY_LOG, &log);
}

/* A slot whose KVM_CLEAR_DIRTY_LOG holds mmu_lock for long. */
static void add_logged_slot(struct vm *vm, struct clear_log *c)
{
	c->bitmap = malloc(LOG_SIZE / SZ_4K / 8);
	memset(c->bitmap, 0xff, LOG_SIZE / SZ_4K / 8);
	must(!set_and_undo("/sys/module/kvm/parameters/eager_page_split", "N"),
	     "eager_page_split=N");
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		      KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	c->slot = slot_add(vm, LOG_GPA, mem_create(MEM_ANON, LOG_SIZE, NULL));
}

/* Did a fault of @gfn pass the lockless checks, and was then found stale? */
static bool stale_under_lock(struct observer *o, u64 gfn)
{
	bool passed = false;
	const struct event *ev;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (ev[i].gfn != gfn)
			continue;
		if (ev[i].type == EV_FAULT && ev[i].ret == PF_RETRY && passed)
			return true;
		passed = ev[i].type == EV_FAULTIN && ev[i].ret == PF_CONTINUE;
	}
	return false;
}

/* One attempt: what is mapped is what is there now, if anything is. */
static void drop_before_lock(struct fixture *f, struct clear_log *clear, u64 gpa)
{
	struct thread *holder, *dropper;
	u64 pfn;

	slot_set_flags(clear->slot, 0);
	slot_set_flags(clear->slot, KVM_MEM_LOG_DIRTY_PAGES);
	observer_clear(f->o);

	holder = thread_start(clear_dirty_log, clear);
	expect_true(observer_wait(f->o, EV_CLEAR_LOG, 5),
		    "KVM_CLEAR_DIRTY_LOG begins within 5 s");
	dropper = thread_start(drop_page_beside, hva_of(f, gpa));
	expect_true(observer_wait(f->o, EV_UNMAP_HVA, 5),
		    "MADV_DONTNEED reaches KVM within 5 s");
	prefault(f->vcpu, gpa, SZ_4K);

	expect_ok(thread_join(holder, "KVM_CLEAR_DIRTY_LOG"), "KVM_CLEAR_DIRTY_LOG");
	expect_ok(thread_join(dropper, "MADV_DONTNEED"), "MADV_DONTNEED");

	pfn = pfn_of(hva_of(f, gpa));
	if (pfn == PFN_NONE)
		expect_not_mapped(f->o, gpa >> 12);
	else
		expect_mapped(f->o, gpa >> 12, LEVEL_4K, pfn);
}

/*
 * The last window: between the last lockless check and mmu_lock.  A queue for mmu_lock,
 * which is fair, opens it: KVM_CLEAR_DIRTY_LOG of a large slot holds the lock for long;
 * MADV_DONTNEED queues for writing; the prefault passes its lockless checks and queues
 * behind it.  Then the page goes, exactly between the checks and the lock, and only the
 * check under the lock can see it.
 */
CASE(convoy_stale_pfn, "the page goes between the last lockless check and mmu_lock: one retry",
	.vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING | OBSERVE(EV_FAULTIN) | OBSERVE(EV_UNMAP_HVA) |
		 OBSERVE(EV_CLEAR_LOG),
	.boot = BOOT_CPUS4, .side_effects = "writes kvm.eager_page_split", .cpus = 4,
	.time_limit_s = 60)
{
	const unsigned int wanted = 3, max_attempts = 60;
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	unsigned int hits = 0, attempts = 0;
	unsigned long retries = 0;
	struct clear_log clear;

	run_on_nth_cpu(0);
	add_logged_slot(f.vm, &clear);
	/* A vCPU without a root would queue for mmu_lock too early. */
	prefault(f.vcpu, GPA + SZ_2M - SZ_4K, SZ_4K);
	while (hits < wanted && attempts < max_attempts) {
		u64 gpa = GPA + attempts++ * SZ_4K;

		drop_before_lock(&f, &clear, gpa);
		hits += stale_under_lock(f.o, gpa >> 12);
		retries += observer_retries(f.o);
	}
	measure("attempts", attempts);
	measure("hits", hits);
	measure("retries", retries);
	if (!hits)
		test_skip("window not met in %u attempts: this host drops mmu_lock, or runs threads, too early for it",
			  attempts);
}

/*
 * A slot's deletion invalidates all roots of a default VM, and zaps them later.  A page
 * that goes in between must go from them, too, before it is free.
 */
CASE(invalid_root, "MADV_DONTNEED zaps the page in an invalid root, too",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2)
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
	must(!drop_page(f.mem->hva), "MADV_DONTNEED");
	expect_not_mapped(f.o, GFN);
	hold_release(h);
	expect_ok(thread_join(deleter, "the deletion"), "the deletion of another slot");
	hold_end(h);
	race_cell_hit((struct race_cell){ "invalid_root", "dontneed", "zap_all.default" }, 0,
		      "zapped");
}

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
 * Dirty logging write-protects a huge page that a vCPU splits at that moment: it reads
 * the entry again, and goes on with the table that is there now.
 */
CASE(split_under_log, "a huge page is split while it is write-protected: 4K SPTEs",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING,
	.side_effects = "writes kvm.eager_page_split", .needs_thp = true, .needs_hold = true,
	.cpus = 2)
{
	struct fixture f = fixture(t, MEM_THP, SZ_2M);
	struct slot *twin = slot_add(f.vm, GPA + SZ_1G, mem_populated(MEM_THP, SZ_2M, NULL));
	struct thread *logger;
	unsigned int steps;
	struct hold *h;

	must(!set_and_undo("/sys/module/kvm/parameters/eager_page_split", "N"),
	     "eager_page_split=N");
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_2M, pfn_of(f.mem->hva));
	prefault(f.vcpu, twin->gpa, SZ_4K);
	/* The last step goes on from the entry of the huge page. */
	steps = steps_of_log(twin) - 1;
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
	expect_ok(thread_join(logger, "the start of dirty logging"), "KVM_MEM_LOG_DIRTY_PAGES");
	hold_end(h);
	expect_eq(vm_stat(f.vm, "pages_2m"), 1, "statistic pages_2m, of the other slot");
	expect_eq(vm_stat(f.vm, "pages_4k"), 512, "statistic pages_4k");
	race_cell_hit((struct race_cell){ "walk_read_entry", "split", "log_on.default" }, 0,
		      "split");
}

TEST_MAIN("walkers of the TDP MMU that meet each other")
