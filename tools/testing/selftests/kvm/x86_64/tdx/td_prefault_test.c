// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY on a TD: a private gpa becomes a pending page of the Secure
 * EPT, one TDH.MEM.PAGE.AUG each, a shared gpa is mapped by the shared tree alone,
 * and what is refused changes nothing (kvm_arch_vcpu_pre_fault_memory() in
 * arch/x86/kvm/mmu/mmu.c; api.rst, 4.143).
 *
 * The gpas of a request never have the shared bit; whether they mean private or
 * shared memory is in the attributes.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "known_issues.h"
#include "seamcall.h"
#include "td_fixture.h"
#include "testcase.h"
#include "vm_thread.h"
#include "window.h"

/* Pages that were given to the TD since the last observer_clear(). */
#define expect_augs(o, nr, ...)	expect_seamcalls_of(o, TDH_MEM_PAGE_AUG, nr, __VA_ARGS__)

static void expect_memory_fault(struct vcpu *vcpu, u64 gpa)
{
	struct kvm_run_memory_fault fault = vcpu_memory_fault(vcpu);

	expect_eq(vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	expect_eq(fault.gpa, gpa, "gpa of the memory-fault exit");
	expect_eq(fault.size, SZ_4K, "size of the memory-fault exit");
	expect_eq(fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE, "flags of the memory-fault exit");
}

/* Refused as a whole: the errno, the range as it was, and no SPTE made, no page taken. */
static void expect_refused(struct fixture *td, struct kvm_pre_fault_memory range, int error)
{
	struct kvm_pre_fault_memory before = range;
	unsigned long had = seamcalls_of(td->o, TDH_MEM_PAGE_AUG), leaves = observer_leaves(td->o, LEVEL_4K);

	expect_errno(__vcpu_prefault(td->vcpu, &range), error,
		     "prefault of gpa 0x%llx, size 0x%llx, flags 0x%llx", before.gpa,
		     before.size, before.flags);
	expect_eq(range.gpa, before.gpa, "gpa after the refusal");
	expect_eq(range.size, before.size, "size after the refusal");
	expect_eq(observer_leaves(td->o, LEVEL_4K), leaves, "4K SPTEs");
	expect_augs(td->o, had, "TDH.MEM.PAGE.AUGs");
}

/* [gpa, size) in one call that must do exactly this much. */
static void expect_progress(struct fixture *td, u64 gpa, u64 size, u64 done)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };

	expect_ok(__vcpu_prefault(td->vcpu, &range), "prefault of gpa 0x%llx, 0x%llx bytes",
		  gpa, size);
	expect_eq(range.gpa, gpa + done, "gpa where the prefault ended");
	expect_eq(range.size, size - done, "bytes left");
}

/* --- before the TD is finalized ------------------------------------------------------- */

static void before_finalize(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	vm_set_shared(td.vm, GPA + 8 * SZ_4K, SZ_4K);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K },
		       EOPNOTSUPP);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA + SZ_4K, .size = SZ_4K },
		       EOPNOTSUPP);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA + 8 * SZ_4K,
							    .size = SZ_4K }, EOPNOTSUPP);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_unmapped(&td, GPA + SZ_4K, 1);

	/* Nothing of it lasts. */
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_PENDING);
}

/* --- private memory --------------------------------------------------------------------- */

struct range {
	u64 gpa, pages;
};

/* Each page is taken once and is pending; its neighbours are free. */
static void pending(const struct test *t)
{
	const struct range *r = t->tc->arg;
	struct fixture td = td_fixture_final(t, 2 * SZ_2M);

	expect_progress(&td, r->gpa, r->pages * SZ_4K, r->pages * SZ_4K);
	expect_augs(td.o, r->pages, "TDH.MEM.PAGE.AUGs");
	expect_eq(observer_leaves(td.o, LEVEL_4K), r->pages, "4K SPTEs");
	expect_eq(vm_stat(td.vm, "pages_4k"), r->pages, "statistic pages_4k");

	expect_td_mapped(&td, r->gpa, 1, SEPT_PENDING);
	expect_td_mapped(&td, r->gpa + (r->pages - 1) * SZ_4K, 1, SEPT_PENDING);
	expect_td_unmapped(&td, r->gpa + r->pages * SZ_4K, 1);
	for (u64 gfn = r->gpa >> 12; gfn < (r->gpa >> 12) + r->pages; gfn++)
		expect_mapping_(__FILE__, __LINE__, observer_known(td.o, gfn), gfn, LEVEL_4K,
				gmem_pfn(td.o, gfn));
	measure("pages", r->pages);
}

static const struct range
	one = { GPA, 1 },
	odd = { GPA + 5 * SZ_4K, 3 },
	across_2m = { GPA + SZ_2M - 2 * SZ_4K, 5 },
	many = { GPA + SZ_4K, 63 };

static void already_pending(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	prefault(td.vcpu, GPA, 3 * SZ_4K);
	expect_augs(td.o, 2, "TDH.MEM.PAGE.AUGs around a page that is there");
	expect_eq(observer_count(td.o, EV_FAULT, PF_SPURIOUS), 1, "faults found fixed");
	expect_td_mapped(&td, GPA, 3, SEPT_PENDING);
}

/* A page of the initial memory stays what it is: nothing to accept. */
static void already_added(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(2, t->seed), GPA, 2, 0);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 3 * SZ_4K);
	expect_augs(td.o, 1, "TDH.MEM.PAGE.AUGs");
	expect_td_mapped(&td, GPA, 2, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + 2 * SZ_4K, 1, SEPT_PENDING);
}

static void other_vcpu(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);

	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	prefault(other, GPA, 3 * SZ_4K);
	expect_augs(td.o, 3, "TDH.MEM.PAGE.AUGs of both vCPUs");
	expect_td_mapped(&td, GPA, 3, SEPT_PENDING);
}

/* What was punched out comes back as another pending page. */
static void punched(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, 3 * SZ_4K);
	mem_punch_hole(td.slot->gmem, SZ_4K, SZ_4K);
	expect_td_unmapped(&td, GPA + SZ_4K, 1);
	observer_clear(td.o);
	prefault(td.vcpu, GPA, 3 * SZ_4K);
	expect_td_mapped(&td, GPA, 3, SEPT_PENDING);
	expect_mapped(td.o, GFN + 1, LEVEL_4K, gmem_pfn(td.o, GFN + 1));
	expect_eq(observer_count(td.o, EV_FAULT, PF_FIXED), 1, "faults that mapped a page");
}

/* --- shared memory -------------------------------------------------------------------------- */

/*
 * The shared tree, and nothing else: no SEAMCALL for the page, the Secure EPT is
 * empty.  6.16-rc1 walked the mirror, and gave the host's page to the TD.
 */
static void shared(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;

	vm_set_shared(td.vm, GPA, SZ_2M);
	mem_touch(hva, 4 * SZ_4K);
	observer_clear(td.o);
	expect_progress(&td, GPA, 4 * SZ_4K, 4 * SZ_4K);
	expect_no_seamcalls(td.o);
	for (int i = 0; i < 4; i++) {
		expect_mapped(td.o, GFN + i, LEVEL_4K, pfn_of(hva + i * SZ_4K));
		expect_true(observer_known(td.o, GFN + i).writable,
			    "shared gfn 0x%llx is writable", GFN + i);
		expect_sept_free(td.vm, GPA + i * SZ_4K);
	}
}

/* No slot needs guest_memfd for shared memory. */
static void shared_without_gmem(const struct test *t)
{
	struct fixture td = td_fixture(t, 0);
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);

	slot_add(td.vm, GPA, mem);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(mem->hva));
	expect_sept_free(td.vm, GPA);
}

/* Private and shared pages take turns: each in its own tree, in one call. */
static void alternating(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;

	mem_touch(hva, 8 * SZ_4K);
	for (int i = 0; i < 8; i += 2)
		vm_set_shared(td.vm, GPA + i * SZ_4K, SZ_4K);
	expect_progress(&td, GPA, 8 * SZ_4K, 8 * SZ_4K);
	expect_augs(td.o, 4, "TDH.MEM.PAGE.AUGs");
	for (int i = 0; i < 8; i += 2) {
		expect_mapped(td.o, GFN + i, LEVEL_4K, pfn_of(hva + i * SZ_4K));
		expect_sept_free(td.vm, GPA + i * SZ_4K);
		expect_td_mapped(&td, GPA + (i + 1) * SZ_4K, 1, SEPT_PENDING);
	}
}

/* --- what is refused ----------------------------------------------------------------------- */

/* Requests that are wrong in themselves, or about a gpa where nothing is. */
static void bad_requests(const struct test *t)
{
	static const struct {
		struct kvm_pre_fault_memory range;
		int error;
	} bad[] = {
		{ { .gpa = GPA, .size = 0 }, EINVAL },
		{ { .gpa = GPA + 8, .size = SZ_4K }, EINVAL },
		{ { .gpa = GPA, .size = SZ_4K - 1 }, EINVAL },
		{ { .gpa = GPA, .size = -SZ_4K }, EINVAL },
		{ { .gpa = -SZ_4K, .size = SZ_4K }, EINVAL },
		{ { .gpa = GPA, .size = SZ_4K, .flags = 1ULL << 63 }, EINVAL },
		{ { .gpa = GPA + SZ_1G, .size = SZ_4K }, ENOENT },
		{ { .gpa = GPA - SZ_4K, .size = 2 * SZ_4K }, ENOENT },
	};
	struct fixture td = td_fixture_final(t, SZ_2M);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_refused(&td, bad[i].range, bad[i].error);
	expect_sept_free(td.vm, GPA);
}

/* The shared bit is not for user space to set: EINVAL, whatever the gfn is. */
static void alias(const struct test *t)
{
	bool shared = t->tc->arg;
	struct fixture td = td_fixture_final(t, SZ_2M);

	if (shared)
		vm_set_shared(td.vm, GPA, SZ_2M);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA | TD_SHARED_BIT,
							    .size = SZ_4K }, EINVAL);
	expect_sept_free(td.vm, GPA);
	prefault(td.vcpu, GPA, SZ_4K);		/* the TD lives */
	expect_mapped(td.o, GFN, LEVEL_4K, PFN_ANY);
}

/* The range is all right until it reaches the shared bit. */
static void into_shared_bit(const struct test *t)
{
	u64 gpa = TD_SHARED_BIT - SZ_4K;
	struct fixture td = td_fixture(t, 0);

	td_slot_add(td.vm, TD_SHARED_BIT - SZ_2M, SZ_2M);
	td_finalize(td.vm);
	expect_progress(&td, gpa, 2 * SZ_4K, SZ_4K);
	expect_td_mapped(&td, gpa, 1, SEPT_PENDING);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = TD_SHARED_BIT, .size = SZ_4K },
		       EINVAL);
}

static void past_the_end(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 gpa = GPA + SZ_2M - 2 * SZ_4K;

	expect_progress(&td, gpa, 4 * SZ_4K, 2 * SZ_4K);
	expect_td_mapped(&td, gpa, 2, SEPT_PENDING);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA + SZ_2M,
							    .size = 2 * SZ_4K }, ENOENT);
}

static void private_without_slot(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 gpa = GPA + SZ_1G;

	vm_set_private(td.vm, gpa, SZ_4K);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = gpa, .size = SZ_4K }, EFAULT);
	expect_memory_fault(td.vcpu, gpa);
}

static void private_without_gmem(const struct test *t)
{
	struct fixture td = td_fixture(t, 0);

	slot_add(td.vm, GPA, mem_populated(MEM_ANON, SZ_2M, NULL));
	vm_set_private(td.vm, GPA, SZ_2M);
	td_finalize(td.vm);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_memory_fault(td.vcpu, GPA);
}

static void gmem_closed(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, SZ_4K);
	close(td.slot->gmem->fd);
	expect_td_unmapped(&td, GPA, 1);
	expect_refused(&td, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_memory_fault(td.vcpu, GPA);
}

/*
 * KVM does not ask whether the vCPU was initialised: the TDX module refuses its root,
 * KVM takes that for a bug of its own, and ends the VM (W2 in docs/findings.md).
 */
static void vcpu_not_initialised(const struct test *t)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm), *other = td_vcpu_create(vm);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	(void)t;
	td_slot_add(vm, GPA, SZ_2M);
	td_finalize(vm);
	prefault(vcpu, GPA + SZ_4K, SZ_4K);
	expect_errno(__vcpu_prefault(other, &range), EIO, "prefault by a vCPU without INIT_VCPU");
	expect_errno(__vcpu_prefault(vcpu, &range), EIO, "the VM is dead");
}

/* --- KVM waits for a shared page ----------------------------------------------------------- */

/*
 * Two private pages, then two shared ones that are not there yet: KVM sleeps in
 * get_user_pages for the first of them.
 */
#define PRIVATE_PAGES	2
#define WINDOW_GPA	(GPA + PRIVATE_PAGES * SZ_4K)

struct scene {
	struct fixture td;
	struct window *w;
};

static struct scene scene(const struct test *t)
{
	struct scene s = { .td = td_fixture_final(t, SZ_2M) };

	vm_set_shared(s.td.vm, WINDOW_GPA, SZ_2M / 2);
	s.w = window_create(s.td.vcpu, s.td.slot->mem->hva, SZ_2M);
	return s;
}

/* What was done until the window opened stays, and is told. */
static void expect_private_pages_done(struct scene *s)
{
	struct kvm_pre_fault_memory range = window_range(s->w);

	expect_eq(range.gpa, WINDOW_GPA, "gpa of what is left");
	expect_td_mapped(&s->td, GPA, PRIVATE_PAGES, SEPT_PENDING);
	expect_not_mapped(s->td.o, WINDOW_GPA >> 12);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void interrupt(const struct window *w)
{
	struct sigaction sa = { .sa_handler = on_signal };

	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
	must(!syscall(SYS_tgkill, getpid(), window_tid(w), SIGUSR1), "tgkill");
}

/* A signal, and pages were done: progress, no error. */
static void signal_midway(const struct test *t)
{
	struct scene s = scene(t);

	window_open(s.w, GPA, 4 * SZ_4K);
	interrupt(s.w);
	expect_ok(window_wait(s.w, 5), "prefault of four pages, interrupted at the third");
	expect_private_pages_done(&s);
}

static void signal_first(const struct test *t)
{
	struct scene s = scene(t);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	interrupt(s.w);
	expect_errno(window_wait(s.w, 5), EINTR, "prefault interrupted at its first page");
	expect_eq(window_range(s.w).gpa, WINDOW_GPA, "gpa of what is left");
	expect_not_mapped(s.td.o, WINDOW_GPA >> 12);
}

/* The gfn becomes private while KVM waits for its shared page: that page is not mapped. */
static void conversion_in_window(const struct test *t)
{
	struct scene s = scene(t);

	window_open(s.w, GPA, 3 * SZ_4K);
	vm_set_private(s.td.vm, WINDOW_GPA, SZ_4K);
	expect_ok(window_close(s.w), "prefault of three pages, the third converted");
	expect_private_pages_done(&s);
	expect_eq(observer_retries(s.td.o), 1, "RET_PF_RETRYs");
	expect_sept_free(s.td.vm, WINDOW_GPA);
	prefault(s.td.vcpu, WINDOW_GPA, SZ_4K);
	expect_td_mapped(&s.td, WINDOW_GPA, 1, SEPT_PENDING);
}

/*
 * The slot is deleted while KVM waits for a page of it: the deletion waits for the
 * prefault, which meets a slot that is going, and gives up.
 */
static void delete_in_window(const struct test *t)
{
	struct scene s = scene(t);
	struct thread *thread;
	int ret;

	window_open(s.w, GPA, 3 * SZ_4K);
	thread = slot_delete_start(s.td.slot);
	expect_true(tid_sleeps_in(thread_tid(thread), "synchronize_srcu", 5),
		    "the deletion waits for the prefault");
	/* An invalidation makes the fault look again. */
	must(!madvise(s.td.slot->mem->hva + SZ_2M / 2, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	window_resolve(s.w);
	ret = window_wait(s.w, 1);
	if (ret == 1) {
		interrupt(s.w);
		xfail("E1", "the prefault did not end within 1 s");
	}
	expect_ok(ret, "prefault of three pages, the slot is deleted at the third");
	expect_eq(window_range(s.w).gpa, WINDOW_GPA, "gpa of what is left");
	expect_ok(thread_join(thread, "the deletion"), "the deletion");
	expect_td_unmapped(&s.td, GPA, PRIVATE_PAGES);
}

#define TD	.vm_types = VM_TDX, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL)
#define LOOKS	TD, .uses_sept = true
#define WINDOW	TD, .uses_sept = true, .needs_uffd = true
#define GMEM	.vm_types = VM_TDX, .uses_sept = true, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL)
#define GUARDS_TREE \
	.fixes = "KVM: x86/mmu: Embed direct bits into gpa for KVM_PRE_FAULT_MEMORY (6.16)"
#define GUARDS_ALIAS \
	.fixes = "KVM: x86/mmu: Reject direct bits in gpa passed to KVM_PRE_FAULT_MEMORY (6.16)"

static const struct test_case cases[] = {
	{ "before_finalize", "before finalize: EOPNOTSUPP, nothing changes", before_finalize,
	  LOOKS },

	{ "one_page", "a private page is pending", pending, &one, GMEM },
	{ "odd_range", "three pages inside of a 2M: these, no others", pending, &odd, GMEM },
	{ "across_2m", "five pages across a 2M border", pending, &across_2m, GMEM },
	{ "many_pages", "63 pages: one TDH.MEM.PAGE.AUG each", pending, &many, GMEM },
	{ "already_pending", "a page that is there is left alone", already_pending, LOOKS },
	{ "already_added", "a page of the initial memory stays accepted", already_added, LOOKS },
	{ "other_vcpu", "another vCPU finds the pages", other_vcpu, LOOKS, .cpus = 2 },
	{ "punched", "a page that was punched out is pending anew", punched, GMEM },

	{ "shared", "shared pages: in the shared tree, not in the Secure EPT", shared, LOOKS, GUARDS_TREE },
	{ "shared_without_gmem", "shared memory of a slot without guest_memfd",
	  shared_without_gmem, LOOKS, GUARDS_TREE },
	{ "alternating", "private and shared pages take turns: one call", alternating, LOOKS, GUARDS_TREE },

	{ "alias_of_private", "the shared bit in the gpa of a private page: EINVAL", alias, NULL,
	  LOOKS, GUARDS_ALIAS },
	{ "alias_of_shared", "the shared bit in the gpa of a shared page: EINVAL", alias,
	  (void *)1, LOOKS, GUARDS_ALIAS },
	{ "into_shared_bit", "a range that runs into the shared bit: progress, then EINVAL",
	  into_shared_bit, LOOKS, GUARDS_ALIAS },
	{ "bad_requests", "size, alignment, wrap, flag: EINVAL; no slot: ENOENT", bad_requests,
	  LOOKS },
	{ "past_the_end", "past the end of the slot: progress, then ENOENT", past_the_end,
	  LOOKS },
	{ "private_without_slot", "a private gfn without a slot: EFAULT, memory-fault exit",
	  private_without_slot, LOOKS },
	{ "private_without_gmem", "a private gfn without guest_memfd: EFAULT, memory-fault exit",
	  private_without_gmem, LOOKS },
	{ "gmem_closed", "guest_memfd closed: EFAULT, memory-fault exit", gmem_closed, LOOKS },

	{ "vcpu_not_initialised", "a vCPU without KVM_TDX_INIT_VCPU: EIO, the VM is dead",
	  vcpu_not_initialised, .vm_types = VM_TDX, .cpus = 2,
	  .expects_splat = true, .side_effects = "makes the kernel print WARNINGs" },

	{ "signal_first", "a signal at the first page: EINTR", signal_first, WINDOW },
	{ "signal_midway", "a signal at the third page: progress of two", signal_midway, WINDOW },
	{ "conversion_in_window", "a shared gfn becomes private while KVM gets its page",
	  conversion_in_window, WINDOW },
	{ "delete_in_window", "the slot is deleted while KVM gets a page of it",
	  delete_in_window, WINDOW,
	  .fixes = "KVM: x86/mmu: Return -EAGAIN if userspace deletes/moves memslot during prefault (6.18)" },
};

TEST_MAIN("KVM_PRE_FAULT_MEMORY on a TD", cases)
