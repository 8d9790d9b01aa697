// SPDX-License-Identifier: GPL-2.0-only
/*
 * The matrix of race windows of KVM_PRE_FAULT_MEMORY: each invalidation in each
 * window between the start of a fault and its leaf.
 *
 * A fault notes mmu_invalidate_seq, gets the page, and maps it under mmu_lock if
 * nothing was invalidated since (kvm_mmu_faultin_pfn(), is_page_fault_stale()).
 * The thread is held at each of these steps (race_fixture.h) while the page that it
 * is about to map, or something else of the VM, is invalidated.  An invalidation
 * before the snapshot needs no retry; after it, exactly one.  While the fault holds
 * mmu_lock the invalidation waits, and then zaps what was mapped.
 *
 * The window inside of get_user_pages() is userfaultfd's, in map_retry_test.  KSM
 * merges in a kernel thread, which cannot be seen to wait for mmu_lock: that window
 * is not covered for it.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"
#include "invalidate.h"
#include "race_cell.h"
#include "race_fixture.h"
#include "td.h"
#include "testcase.h"

#define GMEM2_GPA	(GPA + SZ_1G)

struct scene {
	struct race_fixture r;
	const struct race *race;
	struct mem *gmem2;	/* another guest_memfd, in a slot of its own */
};

/* What meets the fault, and what comes of it. */
struct race {
	enum mem_kind kind;		/* of the slot */
	const struct invalidation *inv;	/* NULL: none */
	enum { THE_PAGE, NEXT_PAGE, OTHER_PAGE, SHARED_HALF, OTHER_GMEM } of;
	bool signal;			/* one to the vCPU's thread, before that */
	void (*act)(struct scene *s);	/* what else happens; NULL: nothing */
	bool own_slot;			/* each window has one, which is lost in it */
	/* The result of the fault; NULL: the gfn maps the page that its memory has now. */
	void (*expect)(struct scene *s);
	const char *outcome;		/* in a word, unless it is an errno */
	/* The fault returns one RET_PF_RETRY in windows from this one on; 0: AFTER_SNAPSHOT. */
	int retries_from;
};

/* The page that is invalidated in @window of the fault at @gpa: no page twice. */
static struct inv_target target_of(const struct scene *s, enum race_window window, u64 gpa)
{
	const struct fixture *f = &s->r.f;
	struct slot *slot = f->slot;
	struct inv_target target = {
		.vm = f->vm, .gpa = gpa, .mem = slot->gmem ?: f->mem,
		.held = window >= WIN_AFTER_GUP,
	};

	switch (s->race->of) {
	case THE_PAGE:
		break;
	case NEXT_PAGE:
		target.gpa += SZ_4K;
		break;
	case OTHER_PAGE:
		target.gpa = RACE_2M_GPA(window);
		target.held = false;
		break;
	case SHARED_HALF:
		target.gpa = slot->gpa;
		target.mem = f->mem;
		target.held = false;
		break;
	case OTHER_GMEM:
		return (struct inv_target){
			.vm = f->vm, .gpa = GMEM2_GPA + window * SZ_4K,
			.mem = s->gmem2, .offset = window * SZ_4K,
		};
	}
	target.offset = target.gpa - slot->gpa;
	target.hva = target.mem->hva ? target.mem->hva + target.offset : NULL;
	return target;
}

/* Does it leave the gfn mapped when it comes after the fault? */
static bool keeps_mapping(const struct race *race)
{
	return race->of > NEXT_PAGE;
}

static u64 gpa_in(struct scene *s, enum race_window window)
{
	struct fixture *f = &s->r.f;

	/* Not beside the pages of other windows, which are in the same huge page. */
	if (s->race->kind == MEM_THP)
		return RACE_2M_GPA(window) + SZ_4K;
	if (!s->race->own_slot)
		return RACE_GPA(window);
	f->slot = td_slot_add(f->vm, RACE_SLOT_GPA(window), RACE_SLOT_SIZE);
	f->mem = f->slot->mem;
	prefault(f->vcpu, RACE_SLOT_GPA(window), SZ_4K);
	return RACE_SLOT_GPA(window) + SZ_4K;
}

static void open_window(struct scene *s, enum race_window window, struct hold *until)
{
	u64 gpa = gpa_in(s, window);
	struct inv_target target = target_of(s, window, gpa);

	if (s->race->inv && s->race->inv->prepare)
		s->race->inv->prepare(&target);
	race_open(&s->r, window, gpa, until);
}

/* What a fault may come to. */

static void expect_mapped_now(struct scene *s)
{
	expect_race_mapped(&s->r);
}

static void expect_efault(struct scene *s)
{
	expect_race_result(&s->r, EFAULT);
	expect_race_unmapped(&s->r);
}

static void expect_read_only(struct scene *s)
{
	expect_race_mapped(&s->r);
	expect_true(!observer_mapping(s->r.f.o, s->r.gpa >> 12).writable,
		    "gfn 0x%llx is mapped read-only", s->r.gpa >> 12);
}

/* The fault as KVM saw it, whatever the gfn is by now. */
static void expect_reported(struct scene *s)
{
	bool private = s->race->kind == MEM_GMEM && s->r.f.vm->type != KVM_X86_DEFAULT_VM;

	expect_efault(s);
	expect_memory_fault_exit(s->r.f.vcpu, s->r.gpa,
				 private ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0);
}

static void expect_set_once(struct scene *s)
{
	expect_race_mapped(&s->r);
	expect_eq(observer_times_set(s->r.f.o, s->r.gpa >> 12, LEVEL_4K), 1,
		  "times that the SPTE of gfn 0x%llx was set", s->r.gpa >> 12);
}

/* The signal ends the loop around a retry; before the snapshot there is none. */
static void expect_eintr(struct scene *s)
{
	if (s->r.window == WIN_BEFORE_SNAPSHOT) {
		expect_race_mapped(&s->r);
	} else {
		expect_race_result(&s->r, EINTR);
		expect_race_unmapped(&s->r);
	}
}

/* What meets it, besides invalidations. */

static void act_other_vcpu(struct scene *s)
{
	prefault(s->r.vcpu2, s->r.gpa, SZ_4K);
}

static void act_destroy_vcpu(struct scene *s)
{
	vcpu_close(s->r.vcpu2);
	s->r.vcpu2 = vcpu_create(s->r.f.vm);
}

static const struct race
	r_dontneed = { .inv = &inv_dontneed, .outcome = "new_page" },
	r_dontneed_other = { .inv = &inv_dontneed, .of = OTHER_PAGE, .outcome = "mapped" },
	r_munmap = { .inv = &inv_munmap, .expect = expect_efault, .retries_from = WIN_AFTER_GUP },
	r_mremap = { .inv = &inv_mremap, .expect = expect_efault, .retries_from = WIN_AFTER_GUP },
	r_mprotect = { .inv = &inv_mprotect, .expect = expect_read_only, .outcome = "read_only" },
	r_migrate = { .inv = &inv_migrate, .outcome = "page_of_hva" },
	r_numa_balance = { .inv = &inv_numa_balance, .outcome = "page_of_hva" },
	r_pageout = { .inv = &inv_pageout, .outcome = "page_of_hva" },
	r_fork = { .inv = &inv_fork, .expect = expect_read_only, .outcome = "read_only" },
	r_fork_cow = { .inv = &inv_fork_cow, .outcome = "new_page" },
	r_collapse = { .inv = &inv_collapse, .of = OTHER_PAGE, .outcome = "mapped" },
	r_split = { MEM_THP, .inv = &inv_dontneed, .of = NEXT_PAGE, .outcome = "mapped_4k" },
	r_punch_memfd = { MEM_MEMFD, .inv = &inv_punch_memfd, .outcome = "new_page" },
	r_soft_offline = { .inv = &inv_soft_offline, .outcome = "page_of_hva" },
	r_poison = { .inv = &inv_poison, .outcome = "SIGBUS" },
	r_ksm = { .inv = &inv_ksm_merge, .outcome = "page_of_hva" },
	r_ksm_unmerge = { .inv = &inv_ksm_unmerge, .outcome = "new_page" },
	r_private = { .inv = &inv_private, .expect = expect_reported },
	r_private_other = { .inv = &inv_private, .of = OTHER_PAGE, .outcome = "mapped" },
	r_signal_dontneed = { .inv = &inv_dontneed, .signal = true, .expect = expect_eintr,
			      .outcome = "new_page" },

	r_punch = { MEM_GMEM, .inv = &inv_punch_gmem, .outcome = "new_page" },
	r_punch_other = { MEM_GMEM, .inv = &inv_punch_gmem, .of = OTHER_GMEM,
			  .outcome = "mapped" },
	r_shared = { MEM_GMEM, .inv = &inv_shared, .expect = expect_reported },
	r_close = { MEM_GMEM, .inv = &inv_close_gmem, .own_slot = true,
		    .expect = expect_reported, .retries_from = WIN_AFTER_GUP },
	r_dontneed_shared = { MEM_GMEM, .inv = &inv_dontneed, .of = SHARED_HALF,
			      .outcome = "mapped" },
	r_signal_punch = { MEM_GMEM, .inv = &inv_punch_gmem, .signal = true,
			   .expect = expect_eintr, .outcome = "new_page" };

/* No reason to retry. */
static const struct race
	r_signal = { .signal = true, .outcome = "mapped", .retries_from = NR_RACE_WINDOWS },
	r_signal_gmem = { MEM_GMEM, .signal = true, .outcome = "mapped",
			  .retries_from = NR_RACE_WINDOWS },
	r_other_vcpu = { .act = act_other_vcpu, .expect = expect_set_once,
			 .outcome = "set_once", .retries_from = NR_RACE_WINDOWS },
	r_other_vcpu_gmem = { MEM_GMEM, .act = act_other_vcpu, .expect = expect_set_once,
			      .outcome = "set_once", .retries_from = NR_RACE_WINDOWS },
	r_destroy_vcpu = { .act = act_destroy_vcpu, .outcome = "mapped",
			   .retries_from = NR_RACE_WINDOWS };

static struct scene scene(const struct test *t)
{
	const struct race *race = t->tc->arg;
	struct scene s = { .r = race_fixture(t, race->kind), .race = race };
	struct vm *vm = s.r.f.vm;

	/* Only then: before 6.18 a default VM has no guest_memfd. */
	if (race->of != OTHER_GMEM)
		return s;
	if (s.r.td) {
		s.gmem2 = td_slot_add(vm, GMEM2_GPA, SZ_2M)->gmem;
	} else if (t->vm_type == KVM_X86_DEFAULT_VM) {
		s.gmem2 = mem_create(MEM_GMEM_MMAP, SZ_2M, vm);
		slot_add_gmem(vm, GMEM2_GPA, s.gmem2, s.gmem2);
	} else {
		s.gmem2 = mem_create(MEM_GMEM, SZ_2M, vm);
		slot_add_gmem(vm, GMEM2_GPA, NULL, s.gmem2);
	}
	return s;
}

static int act(void *arg)
{
	struct scene *s = arg;
	struct inv_target target = target_of(s, s->r.window, s->r.gpa);

	if (s->race->signal)
		thread_signal(s->r.call.thread, SIGUSR1);
	if (s->race->act)
		s->race->act(s);
	if (s->race->inv)
		s->race->inv->act(&target);
	return 0;
}

/* The invalidation in the open window, and what comes of it. */
static void invalidate_in(const struct test *t, struct scene *s, enum race_window window)
{
	const struct race *race = s->race;
	bool retries = (int)window >= (race->retries_from ?: WIN_AFTER_SNAPSHOT);

	open_window(s, window, NULL);
	act(s);
	race_close(&s->r);
	expect_race_retries(&s->r, retries);
	(race->expect ?: expect_mapped_now)(s);
	race_cell_hit(race_cell_of(t, window), retries,
		      s->r.call.ret ? strerrorname_np(s->r.call.err) : race->outcome);
}

static void expect_mapped_by_one_fault(struct scene *s)
{
	expect_race_result(&s->r, 0);
	expect_race_retries(&s->r, 0);
	expect_eq(observer_count(s->r.f.o, EV_FAULT, PF_FIXED), 1,
		  "faults that mapped gfn 0x%llx", s->r.gpa >> 12);
}

/* The fault holds mmu_lock: the invalidation waits for it, and then zaps what was mapped. */
static void waits_for_mmu_lock(const struct test *t, struct scene *s)
{
	struct lock_waiter invalidation;

	lock_waiter_prepare(&invalidation, s->race->inv->reaches, act, s);
	open_window(s, WIN_UNDER_LOCK, invalidation.reached);
	lock_waiter_run(&invalidation, &s->r.call, "the invalidation in window under_lock");
	expect_mapped_by_one_fault(s);
	if (!keeps_mapping(s->race))
		expect_race_unmapped(&s->r);
	race_cell_waits(race_cell_of(t, WIN_UNDER_LOCK), "mmu_lock");
}

static void invalidate(const struct test *t)
{
	const struct race *race = t->tc->arg;
	struct scene s = scene(t);

	catch_signal(SIGUSR1);
	for (int window = 0; window < WIN_UNDER_LOCK; window++)
		if (race_window_exists(window, s.r.gmem))
			invalidate_in(t, &s, window);
	if (race->inv && race->inv->reaches)
		waits_for_mmu_lock(t, &s);
	else if (!race->inv)
		invalidate_in(t, &s, WIN_UNDER_LOCK);
}

CASES(invalidate,
	/* Memory that the process has mapped. */
	{ "dontneed-hva", "MADV_DONTNEED of the page", .arg = &r_dontneed,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "dontneed_other-hva", "MADV_DONTNEED of another page", .arg = &r_dontneed_other,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "munmap-hva", "munmap() of the page", .arg = &r_munmap, .vm_types = VM_ANY, RACE_HVA },
	{ "mremap-hva", "mremap() of the page", .arg = &r_mremap, .vm_types = VM_ANY, RACE_HVA },
	{ "mprotect-hva", "the page becomes read-only", .arg = &r_mprotect,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "migrate-hva", "the page moves to another node", .arg = &r_migrate,
	  .vm_types = VM_ANY, .nodes = 2, .needs_hold_module = true, RACE_HVA },
	{ "numa_balance-hva", "NUMA balancing unmaps the page", .arg = &r_numa_balance,
	  .vm_types = VM_ANY, .side_effects = "runs NUMA balancing", .nodes = 2, RACE_HVA },
	{ "pageout-hva", "the page is swapped out", .arg = &r_pageout,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "fork-hva", "fork()", .arg = &r_fork, .vm_types = VM_ANY, RACE_HVA },
	{ "fork_cow-hva", "fork(), and a write to the page", .arg = &r_fork_cow,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "collapse-hva", "MADV_COLLAPSE of another 2M of the slot", .arg = &r_collapse,
	  .vm_types = VM_ANY, .needs_thp = true, .needs_hold_module = true, RACE_HVA },
	{ "split-hva", "MADV_DONTNEED splits the huge page", .arg = &r_split,
	  .vm_types = VM_ANY, .needs_thp = true, RACE_HVA },
	{ "punch_memfd-hva", "PUNCH_HOLE in the memfd", .arg = &r_punch_memfd,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "attribute-hva", "the gfn becomes private", .arg = &r_private,
	  .vm_types = VM_SW_PROTECTED, RACE_HVA },
	{ "attribute_other-hva", "another gfn becomes private", .arg = &r_private_other,
	  .vm_types = VM_SW_PROTECTED, RACE_HVA },
	{ "soft_offline-hva", "MADV_SOFT_OFFLINE of the page", .arg = &r_soft_offline,
	  .vm_types = VM_DEFAULT, .side_effects = "takes two pages offline",
	  .needs_hold_module = true, RACE_HVA },
	{ "ksm-hva", "KSM merges the page with another", .arg = &r_ksm,
	  .vm_types = VM_DEFAULT, .side_effects = "runs KSM", .needs_hold_module = true, RACE_HVA },
	{ "ksm_unmerge-hva", "a page merged by KSM is copied again", .arg = &r_ksm_unmerge,
	  .vm_types = VM_DEFAULT, .side_effects = "runs KSM", .needs_hold_module = true, RACE_HVA },
	{ "other_vcpu-hva", "another vCPU maps the gfn", .arg = &r_other_vcpu,
	  .xfail = "E4", .vm_types = VM_ANY, RACE_HVA },
	{ "destroy_vcpu-hva", "another vCPU is destroyed", .arg = &r_destroy_vcpu,
	  .vm_types = VM_ANY, RACE_HVA },
	{ "signal-hva", "a signal", .arg = &r_signal, .vm_types = VM_ANY, RACE_HVA },
	{ "signal_dontneed-hva", "a signal, and MADV_DONTNEED of the page",
	  .arg = &r_signal_dontneed, .vm_types = VM_ANY, RACE_HVA },

	/* guest_memfd. */
	{ "punch-gmem", "PUNCH_HOLE in the guest_memfd", .arg = &r_punch,
	  .vm_types = VM_ANY, RACE_GMEM },
	{ "punch_other-gmem", "PUNCH_HOLE in another guest_memfd", .arg = &r_punch_other,
	  .vm_types = VM_ANY, RACE_GMEM },
	{ "attribute-gmem", "the gfn becomes shared", .arg = &r_shared,
	  .vm_types = VM_SW_PROTECTED, RACE_GMEM },
	{ "dontneed_shared-gmem", "MADV_DONTNEED of the shared half", .arg = &r_dontneed_shared,
	  .vm_types = VM_SW_PROTECTED, RACE_GMEM },
	{ "other_vcpu-gmem", "another vCPU maps the gfn", .arg = &r_other_vcpu_gmem,
	  .xfail = "E4", .vm_types = VM_ANY, RACE_GMEM },

	/* Private memory of a TD. */
	{ "punch-private", "PUNCH_HOLE in the guest_memfd", .arg = &r_punch, RACE_TD },
	{ "punch_other-private", "PUNCH_HOLE in another guest_memfd", .arg = &r_punch_other,
	  RACE_TD },
	{ "attribute-private", "the gfn becomes shared", .arg = &r_shared, RACE_TD },
	{ "dontneed_shared-private", "MADV_DONTNEED of the shared half",
	  .arg = &r_dontneed_shared, RACE_TD },
	{ "other_vcpu-private", "another vCPU maps the gfn", .arg = &r_other_vcpu_gmem, RACE_TD },
	{ "signal-private", "a signal", .arg = &r_signal_gmem, RACE_TD },
	{ "signal_punch-private", "a signal, and PUNCH_HOLE in the guest_memfd",
	  .arg = &r_signal_punch, RACE_TD },

	/* Shared memory of a TD. */
	{ "dontneed-shared", "MADV_DONTNEED of the page", .arg = &r_dontneed, RACE_TD },
	{ "munmap-shared", "munmap() of the page", .arg = &r_munmap, RACE_TD },
	{ "mprotect-shared", "the page becomes read-only", .arg = &r_mprotect, RACE_TD },
	{ "fork_cow-shared", "fork(), and a write to the page", .arg = &r_fork_cow, RACE_TD },
	{ "attribute-shared", "the gfn becomes private", .arg = &r_private, RACE_TD },
	{ "other_vcpu-shared", "another vCPU maps the gfn", .arg = &r_other_vcpu, RACE_TD })

/* The thread gets SIGBUS instead of the page, and the signal ends the loop of retries. */
static void poison(const struct test *t)
{
	struct scene s = scene(t);

	catch_signal(SIGBUS);
	for (int window = 0; window < WIN_UNDER_LOCK; window++) {
		/* One for the poisoned page; after the lookup also one for the invalidation. */
		unsigned long retries = 1 + (window >= WIN_AFTER_GUP);

		if (!race_window_exists(window, s.r.gmem))
			continue;
		open_window(&s, window, NULL);
		act(&s);
		race_close(&s.r);
		expect_race_retries(&s.r, retries);
		expect_race_result(&s.r, EINTR);
		expect_race_unmapped(&s.r);
		race_cell_hit(race_cell_of(t, window), retries, s.race->outcome);
	}
	waits_for_mmu_lock(t, &s);
}

CASES(poison,
	{ "poison-hva", "hardware poison of the page: EINTR", .arg = &r_poison,
	  .vm_types = VM_DEFAULT, .side_effects = "takes five pages offline",
	  .needs_hold_module = true, RACE_HVA })

/*
 * The last file descriptor is closed while the fault has a reference to the file: the
 * fault releases the file, on its way out of the kernel.
 */
static void close_while_used(const struct test *t, struct scene *s)
{
	struct hold *released = hold_arm(.function = "kvm_gmem_release", .at = HOLD_COUNT);

	open_window(s, WIN_IN_GUP, NULL);
	act(s);
	expect_eq(hold_calls(released), 0, "guest_memfds released while a fault uses it");
	race_close(&s->r);
	expect_eq(hold_calls(released), 1, "guest_memfds released after the fault");
	hold_end(released);
	expect_mapped_by_one_fault(s);
	expect_race_unmapped(&s->r);
	race_cell_waits(race_cell_of(t, WIN_IN_GUP), "file_reference");
}

static void close_gmem(const struct test *t)
{
	struct scene s = scene(t);

	for (int window = 0; window < WIN_UNDER_LOCK; window++) {
		if (window != WIN_IN_GUP)
			invalidate_in(t, &s, window);
		else if (race_window_exists(window, s.r.gmem))
			close_while_used(t, &s);
	}
	waits_for_mmu_lock(t, &s);
}

CASES(close_gmem,
	{ "close-gmem", "close() of the guest_memfd", .arg = &r_close,
	  .vm_types = VM_SW_PROTECTED, RACE_GMEM },
	{ "close-private", "close() of the guest_memfd", .arg = &r_close, RACE_TD })

TEST_MAIN("each invalidation in each window of KVM_PRE_FAULT_MEMORY")
