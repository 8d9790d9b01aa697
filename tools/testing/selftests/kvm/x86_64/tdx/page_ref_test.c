// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM takes for a fault it gives back, however the fault ends: references
 * to pages, for each backing, and pages for the tables of a TD; and no
 * translation outlives the walk that took it away, not even while that yields.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "hold.h"
#include "memcg.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "testcase.h"
#include "vm_thread.h"

#define ROUNDS	8

/* --- references to pages ---------------------------------------------------------- */

/* Takes the mapping away and leaves the page where it is. */
static void invalidate(struct fixture *f, u64 gpa)
{
	void *hva = hva_of(f, gpa);

	must(!mprotect(hva, SZ_4K, PROT_READ) && !mprotect(hva, SZ_4K, PROT_READ | PROT_WRITE),
	     "mprotect");
}

/* A page that somebody holds cannot move. */
static void expect_free_to_move(struct fixture *f, u64 gpa, const char *after)
{
	void *hva = hva_of(f, gpa);
	int node = node_of(hva), wanted = node_beside(node);

	expect_eq(move_to_node(hva, wanted), wanted, "node of the page of gpa 0x%llx, moved from node %d, %s",
		  gpa, node, after);
}

/* Prefault gpa, which is invalidated each time but the last that the fault is held in @function. */
static void prefault_retried(struct fixture *f, u64 gpa, const char *function)
{
	struct hold *h = hold_arm(.function = function, .at = HOLD_RETURN, .times = ROUNDS + 1);
	struct prefault *map = prefault_start(f->vcpu, gpa, SZ_4K);

	for (int i = 0; i < ROUNDS; i++) {
		hold_await(h);
		invalidate(f, gpa);
		hold_release(h);
	}
	hold_await(h);
	hold_release(h);
	prefault_end(map);
	hold_end(h);
}

/*
 * The fault has its page and is held; the page is invalidated, and the fault has
 * to look again, @arg the function where it is: before or after its last check
 * without the lock.
 */
static void retried(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;

	prefault(f.vcpu, GPA, SZ_4K);
	observer_clear(f.o);
	prefault_retried(&f, gpa, t->tc->arg);
	expect_eq(observer_retries(f.o), ROUNDS, "RET_PF_RETRYs of gfn 0x%llx", GFN + 1);
	expect_mapped(f.o, GFN + 1, LEVEL_4K, pfn_of(hva_of(&f, gpa)));
	expect_free_to_move(&f, gpa, "after retries");
}

static void on_signal(int sig)
{
	(void)sig;
}

/* The same, and a signal ends it. */
static void interrupted(const struct test *t)
{
	const char *function = t->tc->arg;
	struct sigaction sa = { .sa_handler = on_signal };
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;
	struct prefault *map;
	struct hold *h;

	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
	prefault(f.vcpu, GPA, SZ_4K);
	h = hold_arm(.function = function, .at = HOLD_RETURN);
	map = prefault_start(f.vcpu, gpa, SZ_4K);
	hold_await(h);
	invalidate(&f, gpa);
	syscall(SYS_tgkill, getpid(), thread_tid(map->thread), SIGUSR1);
	hold_release(h);
	expect_errno(thread_join(map->thread, "KVM_PRE_FAULT_MEMORY"), EINTR,
		     "KVM_PRE_FAULT_MEMORY, invalidated and interrupted");
	hold_end(h);
	expect_not_mapped(f.o, GFN + 1);
	expect_free_to_move(&f, gpa, "after a signal");
}

/* Mapped already, or mapped by this fault: either way nothing is held. */
static void mapped(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct vcpu *other = vcpu_create(f.vm);

	for (int i = 0; i < ROUNDS; i++) {
		prefault(f.vcpu, GPA, 4 * SZ_4K);
		prefault(other, GPA, 4 * SZ_4K);
	}
	for (int page = 0; page < 4; page++)
		expect_free_to_move(&f, GPA + page * SZ_4K, "after prefaults by two vCPUs");
}

/* Shared memory, whose file is the second owner. */
static void retried_memfd(const struct test *t)
{
	struct fixture f = fixture(t, MEM_MEMFD, SZ_2M);
	const u64 gpa = GPA + SZ_4K;

	prefault(f.vcpu, GPA, SZ_4K);
	prefault_retried(&f, gpa, t->tc->arg);
	expect_free_to_move(&f, gpa, "of a memfd, after retries");
}

/* A huge page goes back to its pool when it is unmapped. */
static void retried_hugetlb(const struct test *t)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 2 * SZ_2M);
	long before = hugetlb_free_pages(SZ_2M);
	struct prefault *map;
	struct hold *h;

	prefault(f.vcpu, GPA + SZ_2M, SZ_4K);
	h = hold_arm(.function = t->tc->arg, .at = HOLD_RETURN, .times = ROUNDS + 1);
	map = prefault_start(f.vcpu, GPA, SZ_4K);
	for (int i = 0; i < ROUNDS; i++) {
		hold_await(h);
		must(!mprotect(f.mem->hva, SZ_2M, PROT_READ) &&
		     !mprotect(f.mem->hva, SZ_2M, PROT_READ | PROT_WRITE), "mprotect");
		hold_release(h);
	}
	hold_await(h);
	hold_release(h);
	prefault_end(map);
	hold_end(h);
	munmap(f.mem->hva, 2 * SZ_2M);
	expect_eq(hugetlb_free_pages(SZ_2M), before + 2, "free huge pages after both were unmapped");
}

/* --- tables of a TD ------------------------------------------------------------------ */

static int prefault_page(void *vcpu)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	return __vcpu_prefault(vcpu, &range);
}

#define BUSY_TIMES	200

/*
 * TDH.MEM.SEPT.ADD is busy so often: each time the tables that were for it are
 * freed. What is charged for them goes with the TD.
 */
static void sept_busy(const struct test *t)
{
	struct memcg *cg = memcg_create();
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct slot *slot;

	(void)t;
	slot = td_slot_add(vm, GPA, SZ_4K);
	td_finalize(vm);
	memcg_limit(cg, 64 << 20);
	softtdx_inject(TDH_MEM_SEPT_ADD, "TDX_OPERAND_BUSY|1", BUSY_TIMES);
	expect_ok(memcg_call(cg, prefault_page, vcpu), "KVM_PRE_FAULT_MEMORY, with SEPT.ADD busy %d times",
		  BUSY_TIMES);
	expect_eq(softtdx_injected(), BUSY_TIMES, "calls that were busy");
	vcpu_close(vcpu);
	vm_close(vm);
	close(slot->gmem->fd);		/* with the page of private memory */
	expect_eq(memcg_pages_left(cg), 0, "pages charged to the TD's tables, when the TD has gone");
}

/* --- flushes in walks that yield -------------------------------------------------------- */

struct walk {
	struct fixture f;
	struct mem *elsewhere;		/* in a slot, and mapped nowhere */
	int (*take)(struct walk *w);
};

static int take_dontneed(struct walk *w)
{
	return madvise(w->f.mem->hva, SZ_2M, MADV_DONTNEED);
}

static int take_private(struct walk *w)
{
	return __vm_set_attributes(w->f.vm, GPA, SZ_2M, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static int walker(void *arg)
{
	struct walk *w = arg;

	run_on_nth_cpu(1);		/* held with mmu_lock it spins: nobody else gets this CPU */
	return w->take(w);
}

/* Wants mmu_lock for writing, and finds nothing to zap. */
static int contender(void *arg)
{
	struct walk *w = arg;

	return madvise(w->elsewhere->hva, SZ_4K, MADV_DONTNEED);
}

#define STEPS	40	/* of the walk: some pages are zapped by then */

/*
 * A walk that has zapped pages yields mmu_lock to somebody who waits for it: it
 * flushes before, once each time, and once at its end.
 */
static void flush_before_yield(const struct test *t)
{
	struct walk w = { .f = fixture(t, MEM_ANON, SZ_2M), .take = t->tc->arg };
	struct thread *walk, *other;
	struct hold *step, *yields, *comes;
	u64 before;

	run_on_nth_cpu(0);
	w.elsewhere = mem_populated(MEM_ANON, SZ_4K, NULL);
	slot_add(w.f.vm, GPA + SZ_1G, w.elsewhere);
	prefault(w.f.vcpu, GPA, SZ_2M);
	walk = thread_prepare(walker, &w);
	other = thread_prepare(contender, &w);
	yields = hold_arm(.function = "__cond_resched_rwlock_write", .at = HOLD_COUNT,
			  .tid = thread_tid(walk));
	comes = hold_arm(.function = "kvm_mmu_notifier_invalidate_range_start", .at = HOLD_COUNT,
			 .tid = thread_tid(other));
	/* At its last step it goes on by itself: who waits for mmu_lock spins, too. */
	step = hold_arm(.function = "tdp_iter_next", .at = HOLD_RETURN, .tid = thread_tid(walk),
			.times = STEPS, .until = comes);
	before = vm_stat(w.f.vm, "remote_tlb_flush_requests");
	thread_go(walk);
	for (int i = 1; i < STEPS; i++) {
		hold_await(step);
		hold_release(step);
	}
	hold_await(step);
	thread_go(other);
	expect_ok(thread_join(walk, "the walk"), "what takes the pages away");
	expect_ok(thread_join(other, "MADV_DONTNEED"), "MADV_DONTNEED");
	hold_end(step);
	expect_eq(observer_leaves(w.f.o, LEVEL_4K), 0, "4K SPTEs");
	expect_true(hold_calls(yields) >= 1, "the walk yields to whom waits for mmu_lock");
	expect_eq(vm_stat(w.f.vm, "remote_tlb_flush_requests") - before, hold_calls(yields) + 1,
		  "TLB flushes of a walk that yielded %lu times", hold_calls(yields));
	measure("yields", hold_calls(yields));
	hold_end(yields);
	hold_end(comes);
}

#define EARLY	"__kvm_faultin_pfn"	/* it has its page, and looks once more without the lock */
#define LATE	"kvm_mmu_faultin_pfn"	/* and then under the lock */
#define HELD(n)	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2, .nodes = n

static const struct test_case cases[] = {
	{ "retried_early", "retries before mmu_lock is taken: the page is free to move", retried, EARLY,
	  HELD(2) },
	{ "retried_late", "retries under mmu_lock: the page is free to move", retried, LATE, HELD(2) },
	{ "interrupted_early", "a retry that a signal ends, before mmu_lock", interrupted, EARLY, HELD(2) },
	{ "interrupted_late", "a retry that a signal ends, under mmu_lock", interrupted, LATE, HELD(2) },
	{ "mapped", "prefaults of what is mapped: the pages are free to move", mapped, HELD(2) },
	{ "memfd_early", "the same with a memfd, before mmu_lock", retried_memfd, EARLY, HELD(2) },
	{ "memfd_late", "the same with a memfd, under mmu_lock", retried_memfd, LATE, HELD(2) },
	{ "hugetlb_early", "retries on a huge page, before mmu_lock: it goes back to its pool",
	  retried_hugetlb, EARLY, HELD(1), .hugepages_2m = 2 },
	{ "hugetlb_late", "retries on a huge page, under mmu_lock", retried_hugetlb, LATE, HELD(1),
	  .hugepages_2m = 2 },
	{ "sept_busy", "tables of a TD that could not be linked are freed", sept_busy,
	  .vm_types = VM_TDX, .needs_softtdx = true },
	{ "flush_dontneed", "MADV_DONTNEED yields mmu_lock: what it has zapped is flushed before",
	  flush_before_yield, take_dontneed, HELD(1) },
	{ "flush_private", "attributes that change yield mmu_lock: flushed before", flush_before_yield,
	  take_private, .vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .cpus = 2 },
};

TEST_MAIN("what a fault takes, it gives back", cases)
