// SPDX-License-Identifier: GPL-2.0-only
/*
 * The matrix of race windows of KVM_PRE_FAULT_MEMORY: each invalidation in each
 * window between the begin of a fault and its leaf.
 *
 * A fault notes mmu_invalidate_seq, gets the page, and maps it under mmu_lock if
 * nothing was invalidated since (kvm_mmu_faultin_pfn(), is_page_fault_stale()).
 * The thread is held at each of these steps (hold.h) while the page that it is
 * about to map, or something else of the VM, is taken away.  Before the note is
 * made that is no reason to retry; after it is one, once; and with mmu_lock
 * held it cannot happen: the invalidation waits, and then zaps what was mapped.
 *
 * The window inside of get_user_pages() is userfaultfd's, in map_retry_test.  KSM
 * merges in a kernel thread, which under mmu_lock would be seen by nobody: that it
 * waits there, as all notifiers do, is not shown.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hold.h"
#include "invalidate.h"
#include "kernel.h"
#include "race_cell.h"
#include "td_fixture.h"
#include "testcase.h"
#include "vm_thread.h"


/* --- the windows ------------------------------------------------------------------ */

enum { BEFORE_SNAPSHOT, AFTER_SNAPSHOT, IN_GUP, AFTER_GUP, BEFORE_LOCK, UNDER_LOCK, NR_WINDOWS,
       BEFORE_LINK = NR_WINDOWS, BEFORE_SET, NR_ALL };

static const struct window_def {
	const char *name;
	const char *hva, *gmem;		/* the function at which it opens; NULL: it does not */
	enum hold_at at;
} windows[NR_ALL] = {
	[BEFORE_SNAPSHOT] = { "before_snapshot", "kvm_mmu_faultin_pfn", "kvm_mmu_faultin_pfn",
			      HOLD_ENTRY },
	[AFTER_SNAPSHOT] = { "after_snapshot", "__kvm_faultin_pfn", "kvm_gmem_get_pfn",
			     HOLD_ENTRY },
	/* guest_memfd: with a reference to the file, before the page is looked up. */
	[IN_GUP] = { "in_gup", NULL, "__kvm_gmem_get_pfn", HOLD_ENTRY },
	[AFTER_GUP] = { "after_gup", "__kvm_faultin_pfn", "kvm_gmem_get_pfn", HOLD_RETURN },
	[BEFORE_LOCK] = { "before_lock", "kvm_mmu_faultin_pfn", "kvm_mmu_faultin_pfn",
			  HOLD_RETURN },
	/* mmu_lock is held for reading. */
	[UNDER_LOCK] = { "under_lock", "kvm_tdp_mmu_map", "kvm_tdp_mmu_map", HOLD_ENTRY },
	/* The entry was read, and found empty: before a new table, or the leaf, is put in. */
	[BEFORE_LINK] = { "before_link", "tdp_mmu_link_sp", "tdp_mmu_link_sp", HOLD_ENTRY },
	[BEFORE_SET] = { "before_set", "mmu_try_to_unsync_pages", "mmu_try_to_unsync_pages",
			 HOLD_ENTRY },		/* of make_spte() */
};

/* --- the subject ------------------------------------------------------------------- */

struct scene {
	const struct race *race;
	struct fixture f;
	bool td;
	bool gmem;		/* the gfns are backed by guest_memfd (TD: and private) */
	struct vcpu *vcpu2;
	struct mem *gmem2;	/* another guest_memfd, in a slot of its own */
	bool apart;		/* the page is in a 2M of its own, not beside the others' */

	int window;		/* now open */
	u64 gpa;		/* of the page that is being mapped */
	u8 *hva;
	struct hold *hold;
	struct thread *vcpu;	/* maps it */
	int ret, err;		/* of its ioctl */
};

/* The window's page, and what is invalidated instead of it: never the same twice. */
#define PAGE_GPA(window)	(GPA + (5 + (window)) * SZ_4K)
#define OTHER_GPA(window)	(GPA + (1 + (window)) * SZ_2M)
#define SLOT_SIZE		((1 + NR_ALL) * SZ_2M)
#define GMEM2_GPA		(GPA + SZ_1G)
/* Where the slot must be the window's own. */
#define SLOT_GPA(window)	(GPA + (8 + (window)) * SZ_1G)
#define OWN_SLOT_SIZE		(16 * SZ_4K)

/* What meets the fault, and what comes of it. */
struct race {
	enum mem_kind kind;		/* of the slot */
	const struct invalidation *inv;	/* NULL: none */
	enum { THE_PAGE, NEXT_PAGE, OTHER_PAGE, SHARED_HALF, OTHER_GMEM } of;
	bool signal;			/* one to the vCPU's thread, before that */
	void (*act)(struct scene *s);	/* what else happens; NULL: nothing */
	bool own_slot;			/* which is lost in each window */
	/* What the fault comes to in the end; NULL: a mapping of the page that is there. */
	void (*expect)(struct scene *s);
	const char *outcome;		/* in a word, unless it is an errno */
	/* The fault sees it from this window on, by a RET_PF_RETRY; 0: AFTER_SNAPSHOT. */
	int retries_from;
};

static struct inv_target victim_of(const struct scene *s)
{
	struct slot *slot = s->f.slot;
	struct inv_target v = {
		.vm = s->f.vm, .gpa = s->gpa, .mem = slot->gmem ?: s->f.mem,
		.held = s->window >= AFTER_GUP,
	};

	switch (s->race->of) {
	case THE_PAGE:
		break;
	case NEXT_PAGE:
		v.gpa += SZ_4K;
		break;
	case OTHER_PAGE:
		v.gpa = OTHER_GPA(s->window);
		v.held = false;
		break;
	case SHARED_HALF:
		v.gpa = slot->gpa;
		v.mem = s->f.mem;
		v.held = false;
		break;
	case OTHER_GMEM:
		return (struct inv_target){ .vm = s->f.vm, .gpa = GMEM2_GPA + s->window * SZ_4K,
					.mem = s->gmem2, .offset = s->window * SZ_4K };
	}
	v.offset = v.gpa - slot->gpa;
	v.hva = v.mem->hva ? v.mem->hva + v.offset : NULL;
	return v;
}

/* Does it leave the gfn mapped when it comes after the fault? */
static bool keeps_mapping(const struct race *race)
{
	return race->of > NEXT_PAGE;
}

/* Does a fault come by, in this kernel? */
static bool reachable(const struct scene *s, int window)
{
	const char *function = s->gmem ? windows[window].gmem : windows[window].hva;

	return function && (window != IN_GUP || kernel_has_function(function));
}

/* Hold the mapping of @gpa, which was never mapped. */
static void open_window_at(struct scene *s, int window, u64 gpa, struct hold *until)
{
	const struct window_def *w = &windows[window];
	struct inv_target v;

	s->window = window;
	s->gpa = gpa;
	s->hva = hva_of(&s->f, gpa);
	v = victim_of(s);
	if (s->race->inv && s->race->inv->prepare)
		s->race->inv->prepare(&v);
	observer_clear(s->f.o);
	s->hold = hold_arm(.function = s->gmem ? w->gmem : w->hva, .at = w->at, .until = until);
	s->vcpu = prefault_start(s->f.vcpu, gpa, SZ_4K)->thread;
	hold_await(s->hold);
}

static void open_window(struct scene *s, int window, struct hold *until)
{
	u64 gpa = PAGE_GPA(window);

	if (s->race->own_slot) {
		s->f.slot = td_slot_add(s->f.vm, SLOT_GPA(window), OWN_SLOT_SIZE);
		s->f.mem = s->f.slot->mem;
		prefault(s->f.vcpu, SLOT_GPA(window), SZ_4K);
		gpa = SLOT_GPA(window) + SZ_4K;
	} else if (s->apart) {
		gpa = OTHER_GPA(window) + SZ_4K;
	}
	open_window_at(s, window, gpa, until);
}

static void await_end(struct scene *s)
{
	s->ret = thread_join(s->vcpu, "KVM_PRE_FAULT_MEMORY after the window");
	s->err = errno;
}

/* Let the fault go on, to its end. */
static void close_window(struct scene *s)
{
	hold_release(s->hold);
	await_end(s);
	hold_end(s->hold);
}

/* The ioctl succeeded (0), or ended with this errno. */
static void expect_result(const struct scene *s, int error)
{
	errno = s->err;
	expect_errno(s->ret, error, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx, window %s",
		     s->gpa, windows[s->window].name);
}

/* The case is called INVALIDATION-MEMORY. */
static struct race_cell cell_of(const struct test *t, const struct scene *s)
{
	size_t length = strcspn(t->tc->name, "-");

	return (struct race_cell){
		.window = windows[s->window].name,
		.invalidation = strndup(t->tc->name, length),
		.entry = strf("prefault_%s%s", t->tc->name + length + 1, strchr(t->name, '.')),
	};
}

/* --- what is seen afterwards -------------------------------------------------------- */

static void expect_page(struct scene *s)
{
	u64 gfn = s->gpa >> 12;
	u64 pfn = s->gmem ? gmem_pfn(s->f.o, gfn) : pfn_of(s->hva);

	expect_result(s, 0);
	expect_mapped(s->f.o, gfn, LEVEL_4K, pfn);
	if (s->td && s->gmem)
		expect_sept(s->f.vm, s->gpa, LEVEL_4K, SEPT_PENDING, pfn);
}

static void expect_gone(struct scene *s)
{
	expect_not_mapped(s->f.o, s->gpa >> 12);
	if (s->td && s->gmem)
		expect_sept_free(s->f.vm, s->gpa);
}

static void expect_efault(struct scene *s)
{
	expect_result(s, EFAULT);
	expect_gone(s);
}

static void expect_read_only(struct scene *s)
{
	expect_page(s);
	expect_true(!observer_mapping(s->f.o, s->gpa >> 12).writable,
		    "gfn 0x%llx is mapped read-only", s->gpa >> 12);
}

static void expect_memory_fault(struct scene *s)
{
	struct kvm_run_memory_fault fault;

	expect_efault(s);
	fault = vcpu_memory_fault(s->f.vcpu);
	expect_eq(s->f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	expect_eq(fault.gpa, s->gpa, "gpa of the memory-fault exit");
}

/* Another vCPU maps the same gfn. */
static void act_other_vcpu(struct scene *s)
{
	prefault(s->vcpu2, s->gpa, SZ_4K);
}

static void act_destroy_vcpu(struct scene *s)
{
	vcpu_close(s->vcpu2);
	s->vcpu2 = vcpu_create(s->f.vm);
}

/* How often an SPTE of @level that covers the window's gfn was set. */
static unsigned int times_set(struct scene *s, int level)
{
	const struct event *ev;
	unsigned int nr_set = 0;
	size_t nr;

	ev = observer_events(s->f.o, &nr);
	for (size_t i = 0; i < nr; i++)
		nr_set += ev[i].type == EV_SPTE && ev[i].level == level &&
			  ev[i].gfn == (s->gpa >> 12 & ~(LEVEL_GFNS(level) - 1));
	return nr_set;
}

static void expect_set_once(struct scene *s)
{
	expect_page(s);
	expect_eq(times_set(s, LEVEL_4K), 1, "times that the SPTE of gfn 0x%llx was set",
		  s->gpa >> 12);
}

/* The signal ends the loop; without a retry there is none. */
static void expect_eintr(struct scene *s)
{
	if (s->window == BEFORE_SNAPSHOT) {
		expect_page(s);
	} else {
		expect_result(s, EINTR);
		expect_gone(s);
	}
}

static const struct race
	r_dontneed = { .inv = &inv_dontneed, .outcome = "new_page" },
	r_dontneed_other = { .inv = &inv_dontneed, .of = OTHER_PAGE, .outcome = "mapped" },
	r_munmap = { .inv = &inv_munmap, .expect = expect_efault, .retries_from = AFTER_GUP },
	r_mremap = { .inv = &inv_mremap, .expect = expect_efault, .retries_from = AFTER_GUP },
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
	r_private = { .inv = &inv_private, .expect = expect_memory_fault },
	r_private_other = { .inv = &inv_private, .of = OTHER_PAGE, .outcome = "mapped" },
	r_signal_dontneed = { .inv = &inv_dontneed, .signal = true, .expect = expect_eintr,
			      .outcome = "new_page" },

	r_punch = { MEM_GMEM, .inv = &inv_punch_gmem, .outcome = "new_page" },
	r_punch_other = { MEM_GMEM, .inv = &inv_punch_gmem, .of = OTHER_GMEM,
			  .outcome = "mapped" },
	r_shared = { MEM_GMEM, .inv = &inv_shared, .expect = expect_memory_fault },
	r_close = { MEM_GMEM, .inv = &inv_close_gmem, .own_slot = true,
		    .expect = expect_memory_fault, .retries_from = AFTER_GUP },
	r_dontneed_shared = { MEM_GMEM, .inv = &inv_dontneed, .of = SHARED_HALF,
			      .outcome = "mapped" },
	r_signal_punch = { MEM_GMEM, .inv = &inv_punch_gmem, .signal = true,
			   .expect = expect_eintr, .outcome = "new_page" };

/* No reason to look again. */
static const struct race
	r_signal = { .signal = true, .outcome = "mapped", .retries_from = NR_WINDOWS },
	r_signal_gmem = { MEM_GMEM, .signal = true, .outcome = "mapped",
			  .retries_from = NR_WINDOWS },
	r_other_vcpu = { .act = act_other_vcpu, .expect = expect_set_once,
			 .outcome = "set_once", .retries_from = NR_WINDOWS },
	r_other_vcpu_gmem = { MEM_GMEM, .act = act_other_vcpu, .expect = expect_set_once,
			      .outcome = "set_once", .retries_from = NR_WINDOWS },
	r_destroy_vcpu = { .act = act_destroy_vcpu, .outcome = "mapped",
			   .retries_from = NR_WINDOWS };

/* --- invalidations ------------------------------------------------------------------ */

static void make_vm(struct scene *s, const struct test *t, enum mem_kind kind)
{
	bool gmem_mmap = t->vm_type == KVM_X86_DEFAULT_VM;

	if (s->gmem)
		s->f = fixture_gmem(t, SLOT_SIZE);
	else
		s->f = fixture_mem(t, mem_create(kind, SLOT_SIZE, NULL));
	s->vcpu2 = vcpu_create(s->f.vm);
	if (s->race->of != OTHER_GMEM)	/* a default VM has none before 6.18 */
		return;
	s->gmem2 = mem_create(gmem_mmap ? MEM_GMEM_MMAP : MEM_GMEM, SZ_2M, s->f.vm);
	slot_add_gmem(s->f.vm, GMEM2_GPA, gmem_mmap ? s->gmem2 : NULL, s->gmem2);
}

static void make_td(struct scene *s, const struct test *t, enum mem_kind kind)
{
	struct fixture td = td_fixture(t, s->gmem ? SLOT_SIZE : 0);

	s->f = (struct fixture){ .vm = td.vm, .vcpu = td.vcpu, .slot = td.slot, .o = td.o };
	if (!s->gmem)
		s->f.slot = slot_add(td.vm, GPA, mem_create(kind, SLOT_SIZE, NULL));
	s->f.mem = s->f.slot->mem;
	s->vcpu2 = td_vcpu(td.vm);
	s->gmem2 = td_slot_add(td.vm, GMEM2_GPA, SZ_2M)->gmem;
	td_finalize(td.vm);
}

static struct scene scene(const struct test *t, const struct race *race)
{
	struct scene s = { .race = race, .gmem = race->kind == MEM_GMEM,
			   .apart = race->kind == MEM_THP };

	s.td = t->vm_type == KVM_X86_TDX_VM;
	(s.td ? make_td : make_vm)(&s, t, race->kind);
	for (int window = 0; window < NR_ALL && !s.gmem; window++) {
		mem_touch(hva_of(&s.f, PAGE_GPA(window)), SZ_4K);
		mem_touch(hva_of(&s.f, OTHER_GPA(window)), 2 * SZ_4K);
	}
	/* Roots and tables are there: only the leaf is missing. */
	prefault(s.f.vcpu, GPA, SZ_4K);
	prefault(s.vcpu2, GPA, SZ_4K);
	return s;
}

static void act(struct scene *s)
{
	struct inv_target v = victim_of(s);

	if (s->race->signal)
		thread_signal(s->vcpu, SIGUSR1);
	if (s->race->act)
		s->race->act(s);
	if (s->race->inv)
		s->race->inv->act(&v);
}

/* The invalidation in the open window, and what comes of it. */
static void invalidate_in(const struct test *t, struct scene *s, int window)
{
	bool retries = window >= (s->race->retries_from ?: AFTER_SNAPSHOT);

	open_window(s, window, NULL);
	act(s);
	close_window(s);
	expect_eq(observer_retries(s->f.o), retries, "RET_PF_RETRYs of gfn 0x%llx, window %s",
		  s->gpa >> 12, windows[window].name);
	(s->race->expect ?: expect_page)(s);
	race_cell_hit(cell_of(t, s), retries, s->ret ? strerrorname_np(s->err) : s->race->outcome);
}

struct actor {
	struct scene *s;
	struct thread *thread;
	double ended;
};

static int act_thread(void *arg)
{
	struct actor *a = arg;

	act(a->s);
	a->ended = now();
	return 0;
}

/*
 * mmu_lock is held: the invalidation waits for it, outlasts the hold, and then
 * takes away what was mapped.
 */
static void waits_for_mmu_lock(const struct test *t, struct scene *s)
{
	struct actor a = { .s = s };
	struct hold *on_its_way;

	/* To make a thread calls the notifiers, too: done before it counts. */
	a.thread = thread_prepare(act_thread, &a);
	on_its_way = hold_arm(.function = s->race->inv->reaches, .at = HOLD_COUNT);
	open_window(s, UNDER_LOCK, on_its_way);
	thread_go(a.thread);
	await_end(s);
	expect_result(s, 0);
	thread_join(a.thread, "the invalidation");
	expect_true(a.ended >= hold_released(s->hold),
		    "the invalidation does not end while the fault holds mmu_lock");
	hold_end(s->hold);
	hold_end(on_its_way);
	expect_eq(observer_retries(s->f.o), 0, "RET_PF_RETRYs of gfn 0x%llx, window under_lock",
		  s->gpa >> 12);
	expect_eq(observer_count(s->f.o, EV_FAULT, PF_FIXED), 1, "faults that mapped gfn 0x%llx",
		  s->gpa >> 12);
	if (!keeps_mapping(s->race))
		expect_gone(s);
	race_cell_waits(cell_of(t, s), "mmu_lock");
}

static void invalidate(const struct test *t)
{
	const struct race *race = t->tc->arg;
	struct scene s = scene(t, race);

	catch_signal(SIGUSR1);
	for (int window = 0; window < UNDER_LOCK; window++)
		if (reachable(&s, window))
			invalidate_in(t, &s, window);
	if (race->inv && race->inv->reaches)
		waits_for_mmu_lock(t, &s);
	else if (!race->inv)
		invalidate_in(t, &s, UNDER_LOCK);
}

/* The page fails: the thread gets SIGBUS instead of it, and the signal ends the loop. */
static void poison(const struct test *t)
{
	struct scene s = scene(t, t->tc->arg);

	catch_signal(SIGBUS);
	for (int window = 0; window < UNDER_LOCK; window++) {
		if (!reachable(&s, window))
			continue;
		/* For the look at what is there no more; before it, for the invalidation. */
		unsigned long retries = 1 + (window >= AFTER_GUP);

		open_window(&s, window, NULL);
		act(&s);
		close_window(&s);
		expect_eq(observer_retries(s.f.o), retries, "RET_PF_RETRYs of gfn 0x%llx, window %s",
			  s.gpa >> 12, windows[window].name);
		expect_result(&s, EINTR);
		expect_gone(&s);
		race_cell_hit(cell_of(t, &s), retries, s.race->outcome);
	}
	waits_for_mmu_lock(t, &s);
}

/*
 * The last file descriptor is closed while the fault has a reference to the file: it
 * is the fault that releases the file, on its way out of the kernel.
 */
static void close_while_used(const struct test *t, struct scene *s)
{
	struct hold *released = hold_arm(.function = "kvm_gmem_release", .at = HOLD_COUNT);

	open_window(s, IN_GUP, NULL);
	act(s);
	expect_eq(hold_calls(released), 0, "guest_memfds released while a fault uses it");
	close_window(s);
	expect_eq(hold_calls(released), 1, "guest_memfds released after the fault");
	hold_end(released);
	expect_result(s, 0);
	expect_eq(observer_retries(s->f.o), 0, "RET_PF_RETRYs of gfn 0x%llx, window in_gup",
		  s->gpa >> 12);
	expect_eq(observer_count(s->f.o, EV_FAULT, PF_FIXED), 1, "faults that mapped gfn 0x%llx",
		  s->gpa >> 12);
	expect_gone(s);
	race_cell_waits(cell_of(t, s), "file_reference");
}

static void close_gmem(const struct test *t)
{
	struct scene s = scene(t, t->tc->arg);

	for (int window = 0; window < UNDER_LOCK; window++) {
		if (window != IN_GUP)
			invalidate_in(t, &s, window);
		else if (reachable(&s, window))
			close_while_used(t, &s);
	}
	waits_for_mmu_lock(t, &s);
}

/* --- two vCPUs and one entry ---------------------------------------------------------- */

/* Another vCPU is faster to put in a leaf, or a table: look again, once. */
static void lost_race(const struct test *t)
{
	struct race memory = { .kind = t->vm_type == KVM_X86_TDX_VM ? MEM_GMEM : MEM_ANON };
	int window = (intptr_t)t->tc->arg;
	struct scene s = scene(t, &memory);

	s.apart = window == BEFORE_LINK;	/* where no table is yet */
	open_window(&s, window, NULL);
	prefault(s.vcpu2, s.apart ? OTHER_GPA(window) : s.gpa, SZ_4K);
	close_window(&s);
	expect_eq(observer_retries(s.f.o), 1, "RET_PF_RETRYs of gfn 0x%llx",
		  s.gpa >> 12);
	expect_page(&s);
	expect_eq(times_set(&s, s.apart ? LEVEL_2M : LEVEL_4K), 1,
		  "times that the SPTE was set that both vCPUs need");
	race_cell_hit(cell_of(t, &s), 1, "set_once");
}

/* --- memslots: their changes wait for who is inside (SRCU) ------------------------------- */

struct slot_change {
	enum mem_kind kind;		/* of the slot */
	u32 flags;			/* of the slot, before */
	int (*change)(void *slot);
	void (*expect)(struct scene *s);	/* after both are done */
};

static int change_delete(void *slot)
{
	return __slot_delete(slot);
}

static int change_move(void *slot)
{
	struct slot to = *(struct slot *)slot;

	to.gpa += SZ_1G / 2;
	return __slot_set(&to);
}

static int change_log(void *slot)
{
	struct slot to = *(struct slot *)slot;

	to.flags ^= KVM_MEM_LOG_DIRTY_PAGES;
	return __slot_set(&to);
}

/* Logged by write-protection, or by the CPU (PML). */
static void expect_logged(struct scene *s)
{
	bool pml = kvm_tdp() == TDP_EPT && !strcmp(kvm_param("kvm_intel", "pml"), "Y");

	expect_page(s);
	expect_eq(observer_mapping(s->f.o, s->gpa >> 12).writable, pml,
		  "gfn 0x%llx, now logged, is mapped writable", s->gpa >> 12);
}

static const struct slot_change
	c_delete = { MEM_ANON, 0, change_delete, expect_gone },
	c_delete_gmem = { MEM_GMEM, 0, change_delete, expect_gone },
	c_move = { MEM_ANON, 0, change_move, expect_gone },
	c_log_on = { MEM_ANON, 0, change_log, expect_logged },
	c_log_off = { MEM_ANON, KVM_MEM_LOG_DIRTY_PAGES, change_log, expect_page };

static void slot_changes(const struct test *t)
{
	const struct slot_change *c = t->tc->arg;
	struct race memory = { .kind = c->kind };
	struct scene s = scene(t, &memory);

	for (int window = 0; window < NR_WINDOWS; window++) {
		struct mem *mem = mem_populated(MEM_ANON, OWN_SLOT_SIZE, NULL);
		struct thread *changer;

		if (!reachable(&s, window))
			continue;
		if (c->kind == MEM_GMEM) {
			s.f.slot = td_slot_add(s.f.vm, SLOT_GPA(window), OWN_SLOT_SIZE);
		} else {
			s.f.slot = slot_add_part(s.f.vm, SLOT_GPA(window), mem, 0, mem->size,
						 c->flags);
		}
		s.f.mem = mem;
		prefault(s.f.vcpu, SLOT_GPA(window), SZ_4K);
		open_window_at(&s, window, SLOT_GPA(window) + SZ_4K, NULL);
		changer = thread_start(c->change, s.f.slot);
		expect_true(tid_sleeps_in(thread_tid(changer), "synchronize_srcu", 5),
			    "the change of the slot waits for the fault, window %s",
			    windows[window].name);
		close_window(&s);
		expect_result(&s, 0);
		expect_ok(thread_join(changer, "the change of the slot"), "the change");
		expect_eq(observer_retries(s.f.o), 0, "RET_PF_RETRYs of gfn 0x%llx, window %s",
			  s.gpa >> 12, windows[window].name);
		c->expect(&s);
		race_cell_waits(cell_of(t, &s), "srcu");
	}
}

/* --- the process dies ------------------------------------------------------------------- */

/* The thread that is inside uses the memory of the process: that ends after it. */
static void process_dies(const struct test *t)
{
	struct race memory = { .kind = t->vm_type == KVM_X86_TDX_VM ? MEM_GMEM : MEM_ANON };
	struct scene at = { .gmem = memory.kind == MEM_GMEM };

	for (int window = 0; window < NR_WINDOWS; window++) {
		const struct window_def *w = &windows[window];
		struct hold *hold;
		int ready[2], go[2];
		pid_t child;
		char byte = 0;

		if (!reachable(&at, window))
			continue;
		must(!pipe(ready) && !pipe(go), "pipe");
		child = fork();
		if (!child) {
			struct scene s = scene(t, &memory);

			if (write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1)
				prefault(s.f.vcpu, PAGE_GPA(window), SZ_4K);
			_exit(0);
		}
		must(child > 0 && read(ready[0], &byte, 1) == 1, "a process with a VM");
		hold = hold_arm(.function = at.gmem ? w->gmem : w->hva, .at = w->at);
		must(write(go[1], &byte, 1) == 1, "pipe");
		hold_await(hold);
		must(!kill(child, SIGKILL), "kill");
		expect_eq(waitpid(child, NULL, WNOHANG), 0, "process that ended in window %s",
			  w->name);
		hold_release(hold);
		must(waitpid(child, NULL, 0) == child, "waitpid");
		hold_end(hold);
		at.window = window;
		race_cell_waits(cell_of(t, &at), "mm_users");
	}
}

#define HVA	.needs_hold = true, .cpus = 2, .observes = OBSERVE_MAPPING
#define GMEM	.needs_hold = true, .cpus = 2, .observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN)

#define TD	.needs_hold = true, .needs_sept = true, .cpus = 2, .vm_types = VM_TDX, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN)

static const struct test_case cases[] = {
	{ "dontneed-hva", "MADV_DONTNEED of the page", invalidate, &r_dontneed,
	  .vm_types = VM_ANY, HVA },
	{ "dontneed_other-hva", "MADV_DONTNEED of another page", invalidate, &r_dontneed_other,
	  .vm_types = VM_ANY, HVA },
	{ "munmap-hva", "munmap of the page", invalidate, &r_munmap, .vm_types = VM_ANY, HVA },
	{ "mremap-hva", "the page moves in the address space", invalidate, &r_mremap,
	  .vm_types = VM_ANY, HVA },
	{ "mprotect-hva", "the page becomes read-only", invalidate, &r_mprotect,
	  .vm_types = VM_ANY, HVA },
	{ "migrate-hva", "the page moves to another node", invalidate, &r_migrate,
	  .vm_types = VM_ANY, .nodes = 2, HVA },
	{ "numa_balance-hva", "NUMA balancing unmaps the page", invalidate, &r_numa_balance,
	  .vm_types = VM_ANY, .nodes = 2, .side_effects = "runs NUMA balancing", HVA },
	{ "pageout-hva", "the page is swapped out", invalidate, &r_pageout, .vm_types = VM_ANY,
	  HVA },
	{ "fork-hva", "fork", invalidate, &r_fork, .vm_types = VM_ANY, HVA },
	{ "fork_cow-hva", "fork, and the page is written to", invalidate, &r_fork_cow,
	  .vm_types = VM_ANY, HVA },
	{ "collapse-hva", "another part of the slot becomes a huge page", invalidate,
	  &r_collapse, .vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	  .needs_hold = true, .needs_thp = true, .cpus = 2 },
	{ "punch_memfd-hva", "a hole in the memfd", invalidate, &r_punch_memfd, .vm_types = VM_ANY, HVA },
	{ "attribute-hva", "the gfn becomes private", invalidate, &r_private,
	  .vm_types = VM_SW_PROTECTED, HVA },
	{ "attribute_other-hva", "another gfn becomes private", invalidate, &r_private_other,
	  .vm_types = VM_SW_PROTECTED, HVA },

	{ "split-hva", "a huge page is split", invalidate, &r_split, .vm_types = VM_ANY,
	  .observes = OBSERVE_MAPPING, .needs_hold = true, .needs_thp = true, .cpus = 2 },
	{ "soft_offline-hva", "the page is taken offline", invalidate, &r_soft_offline,
	  .vm_types = VM_DEFAULT, .side_effects = "takes two pages offline", HVA },
	{ "poison-hva", "the page fails in hardware", poison, &r_poison, .vm_types = VM_DEFAULT,
	  .side_effects = "takes five pages offline", HVA },
	{ "ksm-hva", "the page is merged with another", invalidate, &r_ksm, .vm_types = VM_DEFAULT,
	  .side_effects = "runs KSM", HVA },
	{ "ksm_unmerge-hva", "the page was merged, and gets a copy of its own", invalidate,
	  &r_ksm_unmerge, .vm_types = VM_DEFAULT, .side_effects = "runs KSM", HVA },
	{ "other_vcpu-hva", "another vCPU maps the gfn", invalidate, &r_other_vcpu,
	  .xfail = "E4", .vm_types = VM_ANY, HVA },
	{ "other_vcpu-gmem", "another vCPU maps the gfn", invalidate, &r_other_vcpu_gmem,
	  .xfail = "E4", .vm_types = VM_ANY, GMEM },
	{ "same_leaf-hva", "another vCPU maps the gfn, both saw it unmapped", lost_race,
	  (void *)BEFORE_SET, .xfail = "E4", .vm_types = VM_ANY, HVA },
	{ "same_table-hva", "another vCPU puts in the table that both need", lost_race,
	  (void *)BEFORE_LINK, .vm_types = VM_ANY, HVA },
	{ "destroy_vcpu-hva", "another vCPU goes away", invalidate, &r_destroy_vcpu,
	  .vm_types = VM_ANY, HVA },
	{ "signal-hva", "a signal", invalidate, &r_signal, .vm_types = VM_ANY, HVA },
	{ "signal_dontneed-hva", "a signal, and MADV_DONTNEED of the page", invalidate,
	  &r_signal_dontneed, .vm_types = VM_ANY, HVA },
	{ "delete_slot-hva", "the slot is deleted", slot_changes, &c_delete,
	  .xfail = "E3", .vm_types = VM_ANY, HVA },
	{ "move_slot-hva", "the slot moves", slot_changes, &c_move, .xfail = "E3",
	  .vm_types = VM_DEFAULT, HVA },
	{ "log_on-hva", "dirty logging begins", slot_changes, &c_log_on,
	  .vm_types = VM_DEFAULT, HVA },
	{ "log_off-hva", "dirty logging ends", slot_changes, &c_log_off,
	  .vm_types = VM_DEFAULT, HVA },
	{ "exit-hva", "the process is killed", process_dies, .vm_types = VM_ANY, HVA },

	{ "punch-gmem", "a hole in the guest_memfd", invalidate, &r_punch, .vm_types = VM_ANY,
	  GMEM },
	{ "punch_other-gmem", "a hole in another guest_memfd", invalidate, &r_punch_other,
	  .vm_types = VM_ANY, GMEM },
	{ "close-gmem", "the guest_memfd is closed", close_gmem, &r_close,
	  .vm_types = VM_SW_PROTECTED, GMEM },
	{ "attribute-gmem", "the gfn becomes shared", invalidate, &r_shared,
	  .vm_types = VM_SW_PROTECTED, GMEM },
	{ "dontneed_shared-gmem", "MADV_DONTNEED of the shared half", invalidate,
	  &r_dontneed_shared, .vm_types = VM_SW_PROTECTED, GMEM },

	{ "punch-private", "a hole in the guest_memfd", invalidate, &r_punch, TD },
	{ "punch_other-private", "a hole in another guest_memfd", invalidate, &r_punch_other, TD },
	{ "close-private", "the guest_memfd is closed", close_gmem, &r_close, TD },
	{ "attribute-private", "the gfn becomes shared", invalidate, &r_shared, TD },
	{ "dontneed_shared-private", "MADV_DONTNEED of the shared half", invalidate,
	  &r_dontneed_shared, TD },
	{ "other_vcpu-private", "another vCPU maps the gfn", invalidate, &r_other_vcpu_gmem, TD },
	{ "same_leaf-private", "another vCPU maps the gfn, both saw it unmapped", lost_race,
	  (void *)BEFORE_SET, TD },
	{ "same_table-private", "another vCPU puts in the table that both need", lost_race,
	  (void *)BEFORE_LINK, TD },
	{ "signal-private", "a signal", invalidate, &r_signal_gmem, TD },
	{ "signal_punch-private", "a signal, and a hole in the guest_memfd", invalidate,
	  &r_signal_punch, TD },
	{ "delete_slot-private", "the slot is deleted", slot_changes, &c_delete_gmem, TD },
	{ "exit-private", "the process is killed", process_dies, TD },

	{ "dontneed-shared", "MADV_DONTNEED of the page", invalidate, &r_dontneed, TD },
	{ "munmap-shared", "munmap of the page", invalidate, &r_munmap, TD },
	{ "mprotect-shared", "the page becomes read-only", invalidate, &r_mprotect, TD },
	{ "fork_cow-shared", "fork, and the page is written to", invalidate, &r_fork_cow, TD },
	{ "attribute-shared", "the gfn becomes private", invalidate, &r_private, TD },
	{ "other_vcpu-shared", "another vCPU maps the gfn", invalidate, &r_other_vcpu, TD },
	{ "delete_slot-shared", "the slot is deleted", slot_changes, &c_delete, TD },
};

TEST_MAIN("each invalidation in each window of KVM_PRE_FAULT_MEMORY", cases)
