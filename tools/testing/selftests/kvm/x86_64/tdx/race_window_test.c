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
 * The window inside of get_user_pages() is userfaultfd's, in map_retry_test.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hold.h"
#include "matrix.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"
#include "undo.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101	/* asm-generic/mman-common.h */
#endif

#define BOTH	(VM_DEFAULT | VM_SW_PROTECTED)

/* --- the windows ------------------------------------------------------------------ */

enum { BEFORE_SNAPSHOT, AFTER_SNAPSHOT, AFTER_GUP, BEFORE_LOCK, UNDER_LOCK, NR_WINDOWS,
       BEFORE_LINK = NR_WINDOWS, BEFORE_SET, NR_ALL };

static const struct window_def {
	const char *name;
	const char *hva, *gmem;		/* the function at which it opens */
	enum hold_at at;
} windows[NR_ALL] = {
	[BEFORE_SNAPSHOT] = { "before_snapshot", "kvm_mmu_faultin_pfn", "kvm_mmu_faultin_pfn",
			      HOLD_ENTRY },
	[AFTER_SNAPSHOT] = { "after_snapshot", "__kvm_faultin_pfn", "kvm_gmem_get_pfn",
			     HOLD_ENTRY },
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
	struct fixture f;
	bool td;
	bool gmem;		/* the gfns are backed by guest_memfd (TD: and private) */
	uint8_t *other;		/* populated memory of a slot, away from the window's */
	struct vcpu *vcpu2;
	bool other_gmem;	/* the invalidation needs ... */
	struct mem *gmem2;	/* a guest_memfd in a slot of its own */
	bool apart;		/* the page is in a 2M of its own, not beside the others' */

	int window;		/* now open */
	uint64_t gpa;		/* of the page that is being mapped */
	uint8_t *hva;
	struct hold *hold;
	struct thread *vcpu;	/* maps it */
	int ret, err;		/* of its ioctl */
};

/* The window's page, and what is invalidated instead of it: never the same twice. */
#define PAGE_GPA(window)	(GPA + (5 + (window)) * SZ_4K)
#define OTHER_GPA(window)	(GPA + (1 + (window)) * SZ_2M)
#define SLOT_SIZE		((1 + NR_ALL) * SZ_2M)
#define GMEM2_GPA		(GPA + SZ_1G)

static int prefault_page(void *arg)
{
	struct scene *s = arg;
	struct kvm_pre_fault_memory range = { .gpa = s->gpa, .size = SZ_4K };

	return __vcpu_prefault(s->f.vcpu, &range);
}

/* Hold the mapping of @gpa, which was never mapped. */
static void open_window_at(struct scene *s, int window, uint64_t gpa, struct hold *until)
{
	const struct window_def *w = &windows[window];

	s->window = window;
	s->gpa = gpa;
	s->hva = hva_of(&s->f, gpa);
	observer_clear(s->f.o);
	s->hold = hold_arm(.function = s->gmem ? w->gmem : w->hva, .at = w->at, .until = until);
	s->vcpu = thread_start(prefault_page, s);
	hold_await(s->hold);
}

static void open_window(struct scene *s, int window, struct hold *until)
{
	s->other = s->gmem ? NULL : hva_of(&s->f, OTHER_GPA(window));
	open_window_at(s, window, s->apart ? OTHER_GPA(window) + SZ_4K : PAGE_GPA(window), until);
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
		     (unsigned long long)s->gpa, windows[s->window].name);
}

/* The case is called INVALIDATION-MEMORY. */
static struct cell cell_of(const struct test *t, const struct scene *s)
{
	size_t length = strcspn(t->tc->name, "-");

	return (struct cell){
		.window = windows[s->window].name,
		.invalidation = strndup(t->tc->name, length),
		.entry = strf("prefault_%s%s", t->tc->name + length + 1, strchr(t->name, '.')),
	};
}

/* --- invalidations ------------------------------------------------------------------ */

struct invalidation {
	enum mem_kind kind;		/* of the slot */
	void (*act)(struct scene *s);
	/* What the fault comes to in the end; NULL: a mapping of the page that is there. */
	void (*expect)(struct scene *s);
	const char *outcome;		/* in a word, unless it is an errno */
	/* Called on its way to mmu_lock, before that is taken; NULL: it does not take it. */
	const char *comes_by;
	/* It does not zap the gfn when it comes after the fault. */
	bool spares_gfn;
	/* The fault sees it from this window on, by a RET_PF_RETRY; 0: AFTER_SNAPSHOT. */
	int retries_from;
};

#define NOTIFIER	"kvm_mmu_notifier_invalidate_range_start"

static void expect_page(struct scene *s)
{
	uint64_t gfn = s->gpa >> 12;
	uint64_t pfn = s->gmem ? gmem_pfn(s->f.o, gfn) : pfn_of(s->hva);

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
		    "gfn 0x%llx is mapped read-only", (unsigned long long)s->gpa >> 12);
}

static void expect_memory_fault(struct scene *s)
{
	struct kvm_run_memory_fault fault;

	expect_efault(s);
	fault = vcpu_memory_fault(s->f.vcpu);
	expect_eq(s->f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	expect_eq(fault.gpa, s->gpa, "gpa of the memory-fault exit");
}

static void on_signal(int sig)
{
	(void)sig;
}

/* No SA_RESTART: the ioctl returns. */
static void catch_signal(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	need(!sigaction(sig, &sa, NULL), "sigaction");
}

static void act_signal(struct scene *s)
{
	syscall(SYS_tgkill, getpid(), thread_tid(s->vcpu), SIGUSR1);
}

static void act_dontneed(struct scene *s)
{
	need(!madvise(s->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void act_dontneed_other(struct scene *s)
{
	need(!madvise(s->other, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void act_remove(struct scene *s)
{
	mem_punch_hole(s->f.mem, s->hva - s->f.mem->hva, SZ_4K);
}

static void act_munmap(struct scene *s)
{
	need(!munmap(s->hva, SZ_4K), "munmap");
}

static void act_mremap(struct scene *s)
{
	move_away(s->hva);
}

static void act_mprotect(struct scene *s)
{
	need(!mprotect(s->hva, SZ_4K, PROT_READ), "mprotect");
}

/* A page that KVM holds does not move, but is unmapped for the attempt. */
static void act_migrate(struct scene *s)
{
	if (s->window >= AFTER_GUP)
		move_to_node(s->hva, !node_of(s->hva));
	else
		migrate(s->hva);
}

static void act_pageout(struct scene *s)
{
	page_out(s->hva);
}

/* Each side gets a page of its own once the parent writes: a new one for us. */
static void act_fork_cow(struct scene *s)
{
	int done[2];
	pid_t child;
	char byte;

	need(!pipe(done), "pipe");
	child = fork();
	if (!child) {
		close(done[1]);
		_exit(read(done[0], &byte, 1));
	}
	need(child > 0, "fork");
	*(volatile uint64_t *)s->hva = 0xc0;
	close(done[1]);
	need(waitpid(child, NULL, 0) == child, "waitpid");
	close(done[0]);
}

static void act_fork(struct scene *s)
{
	pid_t child = fork();

	(void)s;
	if (!child)
		_exit(0);
	need(child > 0 && waitpid(child, NULL, 0) == child, "fork");
}

static void act_collapse(struct scene *s)
{
	need(!madvise(s->other, SZ_2M, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	need(!madvise(s->other, SZ_2M, MADV_COLLAPSE), "MADV_COLLAPSE");
}

static void act_private(struct scene *s)
{
	vm_set_private(s->f.vm, s->gpa, SZ_4K);
}

static void act_shared(struct scene *s)
{
	vm_set_shared(s->f.vm, s->gpa, SZ_4K);
}

static void act_private_other(struct scene *s)
{
	vm_set_private(s->f.vm, OTHER_GPA(s->window), SZ_4K);
}

static void act_punch(struct scene *s)
{
	struct mem *gmem = s->f.slot->gmem ?: s->f.mem;

	mem_punch_hole(gmem, s->gpa - GPA, SZ_4K);
}

static void act_signal_punch(struct scene *s)
{
	act_signal(s);
	act_punch(s);
}

/* Memory of the shared half of the slot. */
static void act_dontneed_shared(struct scene *s)
{
	need(!madvise(s->f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void act_punch_other(struct scene *s)
{
	mem_punch_hole(s->gmem2, s->window * SZ_4K, SZ_4K);
}

static void act_split(struct scene *s)
{
	need(!madvise(s->hva + SZ_4K, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

/* Not while KVM holds the page, but it is unmapped for the attempt. */
static void act_soft_offline(struct scene *s)
{
	uint64_t pfn = pfn_of(s->hva);
	int ret = madvise(s->hva, SZ_4K, MADV_SOFT_OFFLINE);

	need(s->window >= AFTER_GUP || (!ret && pfn_of(s->hva) != pfn), "MADV_SOFT_OFFLINE");
}

/* A kernel thread merges: wait for it, then stop it. */
static void act_ksm(struct scene *s)
{
	const char *run = "/sys/kernel/mm/ksm/run";
	uint8_t *twin = mem_create(MEM_ANON, SZ_4K, NULL)->hva;
	double deadline = now() + 15;

	memcpy(twin, s->hva, SZ_4K);
	need(!madvise(twin, SZ_4K, MADV_MERGEABLE) && !madvise(s->hva, SZ_4K, MADV_MERGEABLE),
	     "MADV_MERGEABLE");
	need(!set_and_undo("/sys/kernel/mm/ksm/sleep_millisecs", "1") && !set_and_undo(run, "1"),
	     "running KSM");
	while (pfn_of(s->hva) != pfn_of(twin))
		need(now() < deadline, "KSM to merge two pages within 15 s");
	need(!set_and_undo(run, "0"), "stopping KSM");
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

static void act_signal_dontneed(struct scene *s)
{
	act_signal(s);
	act_dontneed(s);
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
		  (unsigned long long)s->gpa >> 12);
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

static const struct invalidation
	i_split = { MEM_THP, act_split, NULL, "mapped_4k", NOTIFIER, false, 0 },
	i_soft_offline = { MEM_ANON, act_soft_offline, NULL, "page_of_hva", NOTIFIER, false, 0 },
	i_ksm = { MEM_ANON, act_ksm, NULL, "page_of_hva", NULL, false, 0 },
	i_other_vcpu = { MEM_ANON, act_other_vcpu, expect_set_once, "set_once", NULL, false,
			 NR_WINDOWS },
	i_other_vcpu_gmem = { MEM_GMEM, act_other_vcpu, expect_set_once, "set_once", NULL,
			      false, NR_WINDOWS },
	i_destroy_vcpu = { MEM_ANON, act_destroy_vcpu, NULL, "mapped", NULL, false, NR_WINDOWS },
	i_signal = { MEM_ANON, act_signal, NULL, "mapped", NULL, false, NR_WINDOWS },
	i_signal_punch = { MEM_GMEM, act_signal_punch, expect_eintr, "new_page", NULL, false, 0 },
	i_signal_gmem = { MEM_GMEM, act_signal, NULL, "mapped", NULL, false, NR_WINDOWS },
	i_dontneed_shared = { MEM_GMEM, act_dontneed_shared, NULL, "mapped", NOTIFIER, true, 0 },
	i_signal_dontneed = { MEM_ANON, act_signal_dontneed, expect_eintr, "new_page", NULL, false,
			      0 },
	i_dontneed = { MEM_ANON, act_dontneed, NULL, "new_page", NOTIFIER, false, 0 },
	i_dontneed_other = { MEM_ANON, act_dontneed_other, NULL, "mapped", NOTIFIER, true, 0 },
	i_munmap = { MEM_ANON, act_munmap, expect_efault, NULL, NOTIFIER, false, AFTER_GUP },
	i_mremap = { MEM_ANON, act_mremap, expect_efault, NULL, NOTIFIER, false, AFTER_GUP },
	i_mprotect = { MEM_ANON, act_mprotect, expect_read_only, "read_only", NOTIFIER, false, 0 },
	i_migrate = { MEM_ANON, act_migrate, NULL, "page_of_hva", NOTIFIER, false, 0 },
	i_pageout = { MEM_ANON, act_pageout, NULL, "page_of_hva", NOTIFIER, false, 0 },
	i_fork = { MEM_ANON, act_fork, expect_read_only, "read_only", NOTIFIER, false, 0 },
	i_fork_cow = { MEM_ANON, act_fork_cow, NULL, "new_page", NOTIFIER, false, 0 },
	i_collapse = { MEM_ANON, act_collapse, NULL, "mapped", NOTIFIER, true, 0 },
	i_remove = { MEM_MEMFD, act_remove, NULL, "new_page", NOTIFIER, false, 0 },
	i_private = { MEM_ANON, act_private, expect_memory_fault, NULL, "kvm_vm_ioctl",
		      false, 0 },
	i_private_other = { MEM_ANON, act_private_other, NULL, "mapped", "kvm_vm_ioctl", true, 0 },
	i_shared = { MEM_GMEM, act_shared, expect_memory_fault, NULL, "kvm_vm_ioctl", false, 0 },
	i_punch = { MEM_GMEM, act_punch, NULL, "new_page", "kvm_gmem_fallocate", false, 0 },
	i_punch_other = { MEM_GMEM, act_punch_other, NULL, "mapped",
			  "kvm_gmem_fallocate", true, 0 };

static void make_vm(struct scene *s, const struct test *t, enum mem_kind kind)
{
	bool gmem_mmap = t->vm_type == KVM_X86_DEFAULT_VM;

	if (s->gmem)
		s->f = fixture_gmem(t, SLOT_SIZE);
	else
		s->f = fixture_mem(t, mem_create(kind, SLOT_SIZE, NULL));
	s->vcpu2 = vcpu_create(s->f.vm);
	if (!s->other_gmem)		/* a default VM has none before 6.18 */
		return;
	s->gmem2 = mem_create(gmem_mmap ? MEM_GMEM_MMAP : MEM_GMEM, SZ_2M, s->f.vm);
	slot_add_gmem(s->f.vm, GMEM2_GPA, gmem_mmap ? s->gmem2 : NULL, s->gmem2);
}

static void make_td(struct scene *s, const struct test *t, enum mem_kind kind)
{
	struct td td = td_fixture(t, s->gmem ? SLOT_SIZE : 0);

	s->f = (struct fixture){ .vm = td.vm, .vcpu = td.vcpu, .slot = td.slot, .o = td.o };
	if (!s->gmem)
		s->f.slot = slot_add(td.vm, GPA, mem_create(kind, SLOT_SIZE, NULL));
	s->f.mem = s->f.slot->mem;
	s->vcpu2 = td_vcpu(td.vm);
	s->gmem2 = td_slot_add(td.vm, GMEM2_GPA, SZ_2M)->gmem;
	td_finalize(td.vm);
}

static struct scene scene(const struct test *t, const struct invalidation *inv)
{
	struct scene s = { .gmem = inv->kind == MEM_GMEM, .apart = inv->kind == MEM_THP,
			   .other_gmem = inv->act == act_punch_other };

	s.td = t->vm_type == KVM_X86_TDX_VM;
	(s.td ? make_td : make_vm)(&s, t, inv->kind);
	for (int window = 0; window < NR_ALL && !s.gmem; window++) {
		mem_touch(hva_of(&s.f, PAGE_GPA(window)), SZ_4K);
		mem_touch(hva_of(&s.f, OTHER_GPA(window)), 2 * SZ_4K);
	}
	/* Roots and tables are there: only the leaf is missing. */
	prefault(s.f.vcpu, GPA, SZ_4K);
	prefault(s.vcpu2, GPA, SZ_4K);
	return s;
}

/* The invalidation in the open window, and what comes of it. */
static void invalidate_in(const struct test *t, struct scene *s, int window)
{
	const struct invalidation *inv = t->tc->arg;
	bool retries = window >= (inv->retries_from ?: AFTER_SNAPSHOT);

	open_window(s, window, NULL);
	inv->act(s);
	close_window(s);
	expect_eq(observer_retries(s->f.o), retries, "RET_PF_RETRYs of gfn 0x%llx, window %s",
		  (unsigned long long)s->gpa >> 12, windows[window].name);
	(inv->expect ?: expect_page)(s);
	cell_hit(cell_of(t, s), retries, s->ret ? strerrorname_np(s->err) : inv->outcome);
}

struct act_args {
	struct scene *s;
	const struct invalidation *inv;
	double ended;
};

static int act_thread(void *arg)
{
	struct act_args *a = arg;

	a->inv->act(a->s);
	a->ended = now();
	return 0;
}

/*
 * mmu_lock is held: the invalidation waits for it, outlasts the hold, and then
 * takes away what was mapped.
 */
static void waits_for_mmu_lock(const struct test *t, struct scene *s)
{
	const struct invalidation *inv = t->tc->arg;
	struct hold *on_its_way = hold_arm(.function = inv->comes_by, .at = HOLD_COUNT);
	struct act_args args = { .s = s, .inv = inv };
	struct thread *actor;

	open_window(s, UNDER_LOCK, on_its_way);
	actor = thread_start(act_thread, &args);
	await_end(s);
	expect_result(s, 0);
	thread_join(actor, "the invalidation");
	expect_true(args.ended >= hold_released(s->hold),
		    "the invalidation does not end while the fault holds mmu_lock");
	hold_end(s->hold);
	hold_end(on_its_way);
	expect_eq(observer_retries(s->f.o), 0, "RET_PF_RETRYs of gfn 0x%llx, window under_lock",
		  (unsigned long long)s->gpa >> 12);
	expect_eq(observer_count(s->f.o, EV_FAULT, PF_FIXED), 1, "faults that mapped gfn 0x%llx",
		  (unsigned long long)s->gpa >> 12);
	if (!inv->spares_gfn)
		expect_gone(s);
	cell_waits(cell_of(t, s), "mmu_lock");
}

static void invalidate(const struct test *t)
{
	const struct invalidation *inv = t->tc->arg;
	struct scene s = scene(t, inv);

	catch_signal(SIGUSR1);
	for (int window = 0; window < UNDER_LOCK; window++)
		invalidate_in(t, &s, window);
	if (inv->comes_by)
		waits_for_mmu_lock(t, &s);
	else if (inv->retries_from > UNDER_LOCK)
		invalidate_in(t, &s, UNDER_LOCK);
}

static void act_poison(struct scene *s)
{
	need(!madvise(s->hva, SZ_4K, MADV_HWPOISON), "MADV_HWPOISON");
}

/* The page fails: the thread gets SIGBUS instead of it, and the signal ends the loop. */
static void poison(const struct test *t)
{
	const struct invalidation *inv = t->tc->arg;
	struct scene s = scene(t, inv);

	catch_signal(SIGBUS);
	for (int window = 0; window < UNDER_LOCK; window++) {
		/* For the look at what is there no more; before it, for the invalidation. */
		unsigned long retries = 1 + (window >= AFTER_GUP);

		open_window(&s, window, NULL);
		inv->act(&s);
		close_window(&s);
		expect_eq(observer_retries(s.f.o), retries, "RET_PF_RETRYs of gfn 0x%llx, window %s",
			  (unsigned long long)s.gpa >> 12, windows[window].name);
		expect_result(&s, EINTR);
		expect_gone(&s);
		cell_hit(cell_of(t, &s), retries, inv->outcome);
	}
	waits_for_mmu_lock(t, &s);
}

static const struct invalidation
	i_poison = { MEM_ANON, act_poison, NULL, "SIGBUS", NOTIFIER, false, 0 };

/* Once KVM holds the page, KSM leaves it alone. */
static void ksm(const struct test *t)
{
	struct scene s = scene(t, t->tc->arg);

	for (int window = 0; window < AFTER_GUP; window++)
		invalidate_in(t, &s, window);
}

/* --- two vCPUs and one entry ---------------------------------------------------------- */

/* Another vCPU is faster to put in a leaf, or a table: look again, once. */
static void lost_race(const struct test *t)
{
	struct invalidation memory = { .kind = t->vm_type == KVM_X86_TDX_VM ? MEM_GMEM : MEM_ANON };
	int window = (intptr_t)t->tc->arg;
	struct scene s = scene(t, &memory);

	s.apart = window == BEFORE_LINK;	/* where no table is yet */
	open_window(&s, window, NULL);
	prefault(s.vcpu2, s.apart ? OTHER_GPA(window) : s.gpa, SZ_4K);
	close_window(&s);
	expect_eq(observer_retries(s.f.o), 1, "RET_PF_RETRYs of gfn 0x%llx",
		  (unsigned long long)s.gpa >> 12);
	expect_page(&s);
	expect_eq(times_set(&s, s.apart ? LEVEL_2M : LEVEL_4K), 1,
		  "times that the SPTE was set that both vCPUs need");
	cell_hit(cell_of(t, &s), 1, "set_once");
}

/* --- memslots: their changes wait for who is inside (SRCU) ------------------------------- */

struct slot_change {
	enum mem_kind kind;		/* of the slot */
	uint32_t flags;			/* of the slot, before */
	int (*change)(void *slot);
	void (*expect)(struct scene *s);	/* after both are done */
};

#define SLOT_GPA(window)	(GPA + (8 + (window)) * SZ_1G)

static int change_delete(void *slot)
{
	struct slot to = *(struct slot *)slot;

	to.size = 0;
	return __slot_set(&to);
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
		  "gfn 0x%llx, now logged, is mapped writable", (unsigned long long)s->gpa >> 12);
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
	struct invalidation memory = { .kind = c->kind };
	struct scene s = scene(t, &memory);

	for (int window = 0; window < NR_WINDOWS; window++) {
		struct mem *mem = mem_populated(MEM_ANON, 16 * SZ_4K, NULL);
		struct thread *changer;

		if (c->kind == MEM_GMEM) {
			s.f.slot = td_slot_add(s.f.vm, SLOT_GPA(window), 16 * SZ_4K);
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
			  (unsigned long long)s.gpa >> 12, windows[window].name);
		c->expect(&s);
		cell_waits(cell_of(t, &s), "srcu");
	}
}

/* --- the process dies ------------------------------------------------------------------- */

/* The thread that is inside uses the memory of the process: that ends after it. */
static void process_dies(const struct test *t)
{
	struct invalidation memory = { .kind = t->vm_type == KVM_X86_TDX_VM ? MEM_GMEM : MEM_ANON };

	for (int window = 0; window < NR_WINDOWS; window++) {
		const struct window_def *w = &windows[window];
		struct hold *hold;
		int ready[2], go[2];
		pid_t child;
		char byte = 0;

		need(!pipe(ready) && !pipe(go), "pipe");
		child = fork();
		if (!child) {
			struct scene s = scene(t, &memory);

			s.gpa = PAGE_GPA(window);
			if (write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1)
				prefault_page(&s);
			_exit(0);
		}
		need(child > 0 && read(ready[0], &byte, 1) == 1, "a process with a VM");
		hold = hold_arm(.function = memory.kind == MEM_GMEM ? w->gmem : w->hva,
				.at = w->at);
		need(write(go[1], &byte, 1) == 1, "pipe");
		hold_await(hold);
		need(!kill(child, SIGKILL), "kill");
		expect_eq(waitpid(child, NULL, WNOHANG), 0, "process that ended in window %s",
			  w->name);
		hold_release(hold);
		need(waitpid(child, NULL, 0) == child, "waitpid");
		hold_end(hold);
		cell_waits(cell_of(t, &(struct scene){ .window = window }), "mm_users");
	}
}

#define HVA	.flags = CASE_HOLD, .cpus = 2, .observes = OBSERVE_MAPPING
#define GMEM	.flags = CASE_HOLD, .cpus = 2, .observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN)

#define TD	.flags = CASE_HOLD | CASE_SEPT, .cpus = 2, .vm_types = VM_TDX, .boot = BOOT_TDX, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN)

static const struct test_case cases[] = {
	{ "dontneed-hva", "MADV_DONTNEED of the page", invalidate, &i_dontneed,
	  .vm_types = BOTH, HVA },
	{ "dontneed_other-hva", "MADV_DONTNEED of another page", invalidate, &i_dontneed_other,
	  .vm_types = BOTH, HVA },
	{ "munmap-hva", "munmap of the page", invalidate, &i_munmap, .vm_types = BOTH, HVA },
	{ "mremap-hva", "the page moves in the address space", invalidate, &i_mremap,
	  .vm_types = BOTH, HVA },
	{ "mprotect-hva", "the page becomes read-only", invalidate, &i_mprotect,
	  .vm_types = BOTH, HVA },
	{ "migrate-hva", "the page moves to another node", invalidate, &i_migrate,
	  .vm_types = BOTH, .nodes = 2, HVA },
	{ "pageout-hva", "the page is swapped out", invalidate, &i_pageout, .vm_types = BOTH,
	  HVA },
	{ "fork-hva", "fork", invalidate, &i_fork, .vm_types = BOTH, HVA },
	{ "fork_cow-hva", "fork, and the page is written to", invalidate, &i_fork_cow,
	  .vm_types = BOTH, HVA },
	{ "collapse-hva", "another part of the slot becomes a huge page", invalidate,
	  &i_collapse, .vm_types = BOTH, .observes = OBSERVE_MAPPING,
	  .flags = CASE_HOLD | CASE_THP, .cpus = 2 },
	{ "punch_memfd-hva", "a hole in the memfd", invalidate, &i_remove, .vm_types = BOTH, HVA },
	{ "attribute-hva", "the gfn becomes private", invalidate, &i_private,
	  .vm_types = VM_SW_PROTECTED, HVA },
	{ "attribute_other-hva", "another gfn becomes private", invalidate, &i_private_other,
	  .vm_types = VM_SW_PROTECTED, HVA },

	{ "split-hva", "a huge page is split", invalidate, &i_split, .vm_types = BOTH,
	  .observes = OBSERVE_MAPPING, .flags = CASE_HOLD | CASE_THP, .cpus = 2 },
	{ "soft_offline-hva", "the page is taken offline", invalidate, &i_soft_offline,
	  .vm_types = VM_DEFAULT, .changes = "takes two pages offline", HVA },
	{ "poison-hva", "the page fails in hardware", poison, &i_poison, .vm_types = VM_DEFAULT,
	  .changes = "takes five pages offline", HVA },
	{ "ksm-hva", "the page is merged with another", ksm, &i_ksm, .vm_types = VM_DEFAULT,
	  .changes = "runs KSM", HVA },
	{ "other_vcpu-hva", "another vCPU maps the gfn", invalidate, &i_other_vcpu,
	  .vm_types = BOTH, HVA },
	{ "other_vcpu-gmem", "another vCPU maps the gfn", invalidate, &i_other_vcpu_gmem,
	  .vm_types = BOTH, GMEM },
	{ "same_leaf-hva", "another vCPU maps the gfn, both saw it unmapped", lost_race,
	  (void *)BEFORE_SET, .vm_types = BOTH, HVA },
	{ "same_table-hva", "another vCPU puts in the table that both need", lost_race,
	  (void *)BEFORE_LINK, .vm_types = BOTH, HVA },
	{ "destroy_vcpu-hva", "another vCPU goes away", invalidate, &i_destroy_vcpu,
	  .vm_types = BOTH, HVA },
	{ "signal-hva", "a signal", invalidate, &i_signal, .vm_types = BOTH, HVA },
	{ "signal_dontneed-hva", "a signal, and MADV_DONTNEED of the page", invalidate,
	  &i_signal_dontneed, .vm_types = BOTH, HVA },
	{ "delete_slot-hva", "the slot is deleted", slot_changes, &c_delete, .vm_types = BOTH,
	  HVA },
	{ "move_slot-hva", "the slot moves", slot_changes, &c_move, .vm_types = VM_DEFAULT, HVA },
	{ "log_on-hva", "dirty logging begins", slot_changes, &c_log_on,
	  .vm_types = VM_DEFAULT, HVA },
	{ "log_off-hva", "dirty logging ends", slot_changes, &c_log_off,
	  .vm_types = VM_DEFAULT, HVA },
	{ "exit-hva", "the process is killed", process_dies, .vm_types = BOTH, HVA },

	{ "punch-gmem", "a hole in the guest_memfd", invalidate, &i_punch, .vm_types = BOTH,
	  GMEM },
	{ "punch_other-gmem", "a hole in another guest_memfd", invalidate, &i_punch_other,
	  .vm_types = BOTH, GMEM },
	{ "attribute-gmem", "the gfn becomes shared", invalidate, &i_shared,
	  .vm_types = VM_SW_PROTECTED, GMEM },
	{ "dontneed_shared-gmem", "MADV_DONTNEED of the shared half", invalidate,
	  &i_dontneed_shared, .vm_types = VM_SW_PROTECTED, GMEM },

	{ "punch-private", "a hole in the guest_memfd", invalidate, &i_punch, TD },
	{ "punch_other-private", "a hole in another guest_memfd", invalidate, &i_punch_other, TD },
	{ "attribute-private", "the gfn becomes shared", invalidate, &i_shared, TD },
	{ "dontneed_shared-private", "MADV_DONTNEED of the shared half", invalidate,
	  &i_dontneed_shared, TD },
	{ "other_vcpu-private", "another vCPU maps the gfn", invalidate, &i_other_vcpu_gmem, TD },
	{ "same_leaf-private", "another vCPU maps the gfn, both saw it unmapped", lost_race,
	  (void *)BEFORE_SET, TD },
	{ "same_table-private", "another vCPU puts in the table that both need", lost_race,
	  (void *)BEFORE_LINK, TD },
	{ "signal-private", "a signal", invalidate, &i_signal_gmem, TD },
	{ "signal_punch-private", "a signal, and a hole in the guest_memfd", invalidate,
	  &i_signal_punch, TD },
	{ "delete_slot-private", "the slot is deleted", slot_changes, &c_delete_gmem, TD },
	{ "exit-private", "the process is killed", process_dies, TD },

	{ "dontneed-shared", "MADV_DONTNEED of the page", invalidate, &i_dontneed, TD },
	{ "munmap-shared", "munmap of the page", invalidate, &i_munmap, TD },
	{ "mprotect-shared", "the page becomes read-only", invalidate, &i_mprotect, TD },
	{ "fork_cow-shared", "fork, and the page is written to", invalidate, &i_fork_cow, TD },
	{ "attribute-shared", "the gfn becomes private", invalidate, &i_private, TD },
	{ "other_vcpu-shared", "another vCPU maps the gfn", invalidate, &i_other_vcpu, TD },
	{ "delete_slot-shared", "the slot is deleted", slot_changes, &c_delete, TD },
};

TEST_MAIN("each invalidation in each window of KVM_PRE_FAULT_MEMORY", cases)
