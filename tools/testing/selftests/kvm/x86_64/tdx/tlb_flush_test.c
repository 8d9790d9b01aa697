// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLB flushes: KVM requests one for each mapping that it removes, and a walk that has
 * removed some requests it before it yields mmu_lock.
 */
#include <sys/mman.h>

#include "fixture.h"
#include "hold.h"
#include "testcase.h"
#include "thread.h"

static u64 flush_requests(struct fixture *f)
{
	return vm_stat(f->vm, "remote_tlb_flush_requests");
}

static void expect_unmapped_and_flushed(struct fixture *f, u64 flushes_before)
{
	expect_not_mapped(f->o, GFN);
	expect_true(flush_requests(f) > flushes_before,
		    "a TLB flush is requested when gfn 0x%llx is unmapped", GFN);
}

CASE(tlb_flush_on_zap, "MADV_DONTNEED: a TLB flush", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	u64 before;

	prefault(f.vcpu, GPA, SZ_2M);
	before = flush_requests(&f);
	must(!madvise(f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_unmapped_and_flushed(&f, before);
}

CASE(tlb_flush_on_gmem_punch, "a hole punched into guest_memfd: a TLB flush",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_gmem(t, SZ_2M);
	u64 before;

	prefault(f.vcpu, GPA, SZ_2M);
	before = flush_requests(&f);
	mem_punch_hole(f.slot->gmem, 0, SZ_4K);
	expect_unmapped_and_flushed(&f, before);
}

CASE(tlb_flush_on_conversion, "a private page is made shared: a TLB flush",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_gmem(t, SZ_2M);
	u64 before;

	prefault(f.vcpu, GPA, SZ_2M);
	before = flush_requests(&f);
	vm_set_shared(f.vm, GPA, SZ_4K);
	expect_unmapped_and_flushed(&f, before);
}

#define STEPS	40	/* of the walk, after which it has zapped pages */

struct walk {
	struct fixture f;
	struct mem *unmapped;		/* in a second slot, no page of it mapped */
	int (*zap)(struct walk *w);	/* unmaps the first slot */
};

static int zap_by_dontneed(struct walk *w)
{
	return madvise(w->f.mem->hva, SZ_2M, MADV_DONTNEED);
}

static int zap_by_conversion(struct walk *w)
{
	return __vm_set_attributes(w->f.vm, GPA, SZ_2M, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static int walker(void *arg)
{
	struct walk *w = arg;

	run_on_nth_cpu(1);		/* while it is held under mmu_lock, it spins */
	return w->zap(w);
}

/* Wants mmu_lock for writing, and finds nothing to zap. */
static int contender(void *arg)
{
	struct walk *w = arg;

	return madvise(w->unmapped->hva, SZ_4K, MADV_DONTNEED);
}

/*
 * A walk yields mmu_lock to a thread that waits for it.  With pages zapped it flushes
 * before: once for each yield, and once at its end.
 */
static void flush_before_yield(const struct test *t)
{
	struct walk w = { .f = fixture(t, MEM_ANON, SZ_2M), .zap = t->tc->arg };
	struct thread *walk, *other;
	struct hold *step, *yields, *arrives;
	u64 before;

	run_on_nth_cpu(0);
	w.unmapped = mem_populated(MEM_ANON, SZ_4K, NULL);
	slot_add(w.f.vm, GPA + SZ_1G, w.unmapped);
	prefault(w.f.vcpu, GPA, SZ_2M);
	walk = thread_prepare(walker, &w);
	other = thread_prepare(contender, &w);
	yields = hold_arm(.function = "__cond_resched_rwlock_write", .at = HOLD_COUNT,
			  .tid = thread_tid(walk));
	arrives = hold_arm(.function = "kvm_mmu_notifier_invalidate_range_start",
			   .at = HOLD_COUNT, .tid = thread_tid(other));
	/* The last hold ends by itself: the contender, waiting for mmu_lock, spins too. */
	step = hold_arm(.function = "tdp_iter_next", .at = HOLD_RETURN, .tid = thread_tid(walk),
			.times = STEPS, .until = arrives);
	before = flush_requests(&w.f);
	thread_go(walk);
	for (int i = 1; i < STEPS; i++) {
		hold_await(step);
		hold_release(step);
	}
	hold_await(step);
	thread_go(other);
	expect_ok(thread_join(walk, "the walk"), "unmapping 2M");
	expect_ok(thread_join(other, "MADV_DONTNEED"), "MADV_DONTNEED");
	hold_end(step);
	expect_eq(observer_leaves(w.f.o, LEVEL_4K), 0, "4K SPTEs");
	expect_true(hold_calls(yields) >= 1,
		    "the walk yields mmu_lock to the thread that waits for it");
	expect_eq(flush_requests(&w.f) - before, hold_calls(yields) + 1,
		  "TLB flushes of a walk that yielded %lu times", hold_calls(yields));
	measure("yields", hold_calls(yields));
	hold_end(yields);
	hold_end(arrives);
}
CASES(flush_before_yield,
	{ "flush_dontneed",
	  "MADV_DONTNEED flushes before it yields mmu_lock",
	  .arg = zap_by_dontneed, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	  .needs_hold = true, .needs_hold_module = true, .cpus = 2 },
	{ "flush_private", "KVM_SET_MEMORY_ATTRIBUTES flushes before it yields mmu_lock",
	  .arg = zap_by_conversion, .vm_types = VM_SW_PROTECTED,
	  .observes = OBSERVE_MAPPING, .needs_hold = true, .needs_hold_module = true, .cpus = 2 },
)

TEST_MAIN("TLB flushes of removed mappings")
