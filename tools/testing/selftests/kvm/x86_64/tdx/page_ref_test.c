// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fault gives back what it takes, however it ends: references to pages, for each kind
 * of memory, and the pages of page tables.
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "hold.h"
#include "memcg.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "testcase.h"
#include "vm_thread.h"

#define ROUNDS		8
#define BUSY_TIMES	200

/* Where a fault is held, with its page: before it checks for invalidations... */
#define EARLY	"__kvm_faultin_pfn"	/* ...without mmu_lock */
#define LATE	"kvm_mmu_faultin_pfn"	/* ...under mmu_lock */

/* Have [gpa, gpa + size) unmapped; its pages stay. */
static void invalidate(struct fixture *f, u64 gpa, u64 size)
{
	void *hva = hva_of(f, gpa);

	must(!mprotect(hva, size, PROT_READ) && !mprotect(hva, size, PROT_READ | PROT_WRITE),
	     "mprotect");
}

/* A page with a reference too many cannot be migrated. */
static void expect_free_to_move(struct fixture *f, u64 gpa, const char *after)
{
	void *hva = hva_of(f, gpa);
	int node = node_of(hva), wanted = node_beside(node);

	expect_eq(move_to_node(hva, wanted), wanted,
		  "node of the page of gpa 0x%llx, moved from node %d, %s", gpa, node, after);
}

/*
 * Prefault @gpa, held each time that @function returns.  The page at @gpa, of @size bytes,
 * is invalidated there ROUNDS times; then the prefault succeeds.
 */
static void prefault_retried(struct fixture *f, u64 gpa, u64 size, const char *function)
{
	struct hold *h = hold_arm(.function = function, .at = HOLD_RETURN, .times = ROUNDS + 1);
	struct prefault *map = prefault_start(f->vcpu, gpa, SZ_4K);

	for (int i = 0; i < ROUNDS; i++) {
		hold_await(h);
		invalidate(f, gpa, size);
		hold_release(h);
	}
	hold_await(h);
	hold_release(h);
	prefault_end(map);
	hold_end(h);
}

static void retried(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;

	prefault(f.vcpu, GPA, SZ_4K);
	observer_clear(f.o);
	prefault_retried(&f, gpa, SZ_4K, t->tc->arg);
	expect_retries(f.o, ROUNDS, " of gfn 0x%llx", GFN + 1);
	expect_mapped(f.o, GFN + 1, LEVEL_4K, pfn_of(hva_of(&f, gpa)));
	expect_free_to_move(&f, gpa, "after retries");
}
CASES(retried,
	{ "retried_early", "retries before mmu_lock is taken: the page can be migrated",
	  .arg = EARLY, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .cpus = 2, .nodes = 2 },
	{ "retried_late", "retries under mmu_lock: the page can be migrated", .arg = LATE,
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2,
	  .nodes = 2 },
)

static void interrupted(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	const u64 gpa = GPA + SZ_4K;
	struct prefault *map;
	struct hold *h;

	catch_signal(SIGUSR1);
	prefault(f.vcpu, GPA, SZ_4K);
	h = hold_arm(.function = t->tc->arg, .at = HOLD_RETURN);
	map = prefault_start(f.vcpu, gpa, SZ_4K);
	hold_await(h);
	invalidate(&f, gpa, SZ_4K);
	thread_signal(map->thread, SIGUSR1);
	hold_release(h);
	expect_errno(thread_join(map->thread, "KVM_PRE_FAULT_MEMORY"), EINTR,
		     "KVM_PRE_FAULT_MEMORY, invalidated and interrupted");
	hold_end(h);
	expect_not_mapped(f.o, GFN + 1);
	expect_free_to_move(&f, gpa, "after a signal");
}
CASES(interrupted,
	{ "interrupted_early",
	  "a signal ends the retries before mmu_lock is taken: the page can be migrated",
	  .arg = EARLY, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .cpus = 2, .nodes = 2 },
	{ "interrupted_late",
	  "a signal ends the retries under mmu_lock: the page can be migrated", .arg = LATE,
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2,
	  .nodes = 2 },
)

CASE(mapped, "repeated prefaults by two vCPUs: the pages can be migrated",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .nodes = 2)
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

/* The file has a reference, too. */
static void retried_memfd(const struct test *t)
{
	struct fixture f = fixture(t, MEM_MEMFD, SZ_2M);
	const u64 gpa = GPA + SZ_4K;

	prefault(f.vcpu, GPA, SZ_4K);
	prefault_retried(&f, gpa, SZ_4K, t->tc->arg);
	expect_free_to_move(&f, gpa, "of a memfd, after retries");
}
CASES(retried_memfd,
	{ "memfd_early",
	  "memfd, retries before mmu_lock is taken: the page can be migrated", .arg = EARLY,
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2,
	  .nodes = 2 },
	{ "memfd_late", "memfd, retries under mmu_lock: the page can be migrated",
	  .arg = LATE, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .cpus = 2, .nodes = 2 },
)

/*
 * A huge page without references returns to its pool when it is unmapped: it is no memory
 * of a process then.  How many the pool has says less, others use it, too.
 */
static void expect_returned(struct mem *mem)
{
	size_t nr = mem->size / SZ_2M;
	u64 pfns[nr];

	for (size_t i = 0; i < nr; i++)
		pfns[i] = pfn_of(mem->hva + i * SZ_2M);
	munmap(mem->hva, mem->size);
	for (size_t i = 0; i < nr; i++)
		expect_true(!page_is_anon(pfns[i]), "the huge page at pfn 0x%llx is free after munmap",
			    pfns[i]);
}

static void retried_hugetlb(const struct test *t)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 2 * SZ_2M);

	prefault(f.vcpu, GPA + SZ_2M, SZ_4K);
	prefault_retried(&f, GPA, SZ_2M, t->tc->arg);
	expect_returned(f.mem);
}
CASES(retried_hugetlb,
	{ "hugetlb_early",
	  "hugetlb, retries before mmu_lock is taken: the page returns to its pool",
	  .arg = EARLY, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .hugepages_2m = 2, .cpus = 2 },
	{ "hugetlb_late", "hugetlb, retries under mmu_lock: the page returns to its pool",
	  .arg = LATE, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_hold = true,
	  .hugepages_2m = 2, .cpus = 2 },
)

CASE(no_reference, "KVM keeps no reference to a page that it maps: it can be migrated",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .nodes = 2)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	for (int i = 0; i < 100; i++) {
		u8 *hva = hva_of(&f, GPA + i * SZ_4K);
		int wanted = node_beside(node_of(hva)), to;

		prefault(f.vcpu, GPA + i * SZ_4K, SZ_4K);
		to = move_to_node(hva, wanted);
		expect_eq(to, wanted, "node of the page of gfn 0x%llx after move_pages",
			  GFN + i);
	}
	measure("pages", 100);
}

CASE(no_hugetlb_leak, "mapped hugetlb pages return to their pool on munmap",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_2m = 4)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 4 * SZ_2M);

	prefault(f.vcpu, GPA, 4 * SZ_2M);
	expect_returned(f.mem);
	expect_eq(observer_leaves(f.o, LEVEL_2M), 0, "2M SPTEs after munmap");
}

#define NR_TABLES	1024

/* A page of each 2M: each has a table of its own. */
static int prefault_tables(void *vcpu)
{
	for (u64 i = 0; i < NR_TABLES; i++) {
		struct kvm_pre_fault_memory range = { .gpa = GPA + i * SZ_2M, .size = SZ_4K };

		if (__vcpu_prefault(vcpu, &range))
			return -1;
	}
	return 0;
}

/* They are charged to a cgroup that has nothing else. */
CASE(no_page_table_leak, "KVM's page tables are freed with the VM", .vm_types = VM_DEFAULT)
{
	struct memcg *cg = memcg_create();
	struct fixture f = fixture_mem(t, mem_create(MEM_ANON, NR_TABLES * SZ_2M, NULL));

	for (u64 i = 0; i < NR_TABLES; i++)
		mem_touch(f.mem->hva + i * SZ_2M, SZ_4K);
	memcg_limit(cg, 64 << 20);
	expect_ok(memcg_call(cg, prefault_tables, f.vcpu), "KVM_PRE_FAULT_MEMORY of %d pages",
		  NR_TABLES);
	expect_true(memcg_pages(cg) >= NR_TABLES,
		    "%d page tables are charged, of %llu pages in the cgroup", NR_TABLES,
		    memcg_pages(cg));
	vcpu_close(f.vcpu);
	vm_close(f.vm);
	expect_eq(memcg_pages_left(cg), 0, "pages charged to the cgroup of a destroyed VM");
	measure("pages", NR_TABLES);
}

/* Each time that TDH.MEM.SEPT.ADD is busy, KVM has a table that it cannot link. */
CASE(sept_busy, "TDH.MEM.SEPT.ADD busy 200 times: no page table stays charged",
	.vm_types = VM_TDX, .needs_softtdx = true)
{
	struct memcg *cg = memcg_create();
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct slot *slot = td_slot_add(vm, GPA, SZ_4K);

	td_finalize(vm);
	memcg_limit(cg, 64 << 20);
	softtdx_inject(TDH_MEM_SEPT_ADD, "TDX_OPERAND_BUSY|1", BUSY_TIMES);
	expect_ok(memcg_call(cg, prefault_gpa, vcpu),
		  "KVM_PRE_FAULT_MEMORY, with TDH.MEM.SEPT.ADD busy %d times", BUSY_TIMES);
	expect_eq(softtdx_injected(), BUSY_TIMES, "calls of TDH.MEM.SEPT.ADD that were busy");
	vcpu_close(vcpu);
	vm_close(vm);
	close(slot->gmem->fd);		/* with the page of private memory */
	expect_eq(memcg_pages_left(cg), 0, "pages charged to the cgroup of a destroyed TD");
}

TEST_MAIN("references and memory that a fault takes")
