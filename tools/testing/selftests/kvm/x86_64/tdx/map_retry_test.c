// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidations that meet KVM while it maps a page.
 *
 * KVM snapshots mmu_invalidate_seq, gets the page, and maps it only if nothing
 * was invalidated meanwhile; else the fault returns RET_PF_RETRY, and
 * KVM_PRE_FAULT_MEMORY looks again (kvm_tdp_page_prefault(); in the 2023 TDX
 * series kvm_mmu_map_tdp_page()).  Each case opens the window between snapshot
 * and mmu_lock on purpose, invalidates inside, and counts the retries: a retry
 * too few maps a stale page, one too many is a loop.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "attr_change.h"
#include "fixture.h"
#include "invalidate.h"
#include "known_issues.h"
#include "race_cell.h"
#include "testcase.h"
#include "undo.h"
#include "vm_thread.h"
#include "window.h"


/*
 * The slot: 2M in which windows are opened, then 2M of populated memory whose
 * first page is the one that gets invalidated.
 */
#define WINDOW_GPA	(GPA + 5 * SZ_4K)
#define OTHER_GPA	(GPA + SZ_2M)

struct scene {
	struct fixture f;
	struct window *w;
	u8 *other;			/* hva of OTHER_GPA */
};

static struct scene scene(const struct test *t, enum mem_kind kind)
{
	struct scene s = { .f = fixture_mem(t, mem_create(kind, 2 * SZ_2M, NULL)) };

	s.other = hva_of(&s.f, OTHER_GPA);
	mem_touch(s.other, SZ_2M);
	s.w = window_create(s.f.vcpu, s.f.mem->hva, SZ_2M);
	observer_clear(s.f.o);
	return s;
}

/* --- invalidations inside of the window ---------------------------------------- */

/* What is done in the window, to the other page, and how often KVM then looks again. */
struct meanwhile {
	const struct invalidation *inv;
	unsigned long retries;
	enum mem_kind kind;		/* of the slot */
};

static void invalidate_other(struct scene *s, const struct invalidation *inv)
{
	struct inv_target v = { .vm = s->f.vm, .gpa = OTHER_GPA, .hva = s->other, .mem = s->f.mem,
			    .offset = OTHER_GPA - GPA };

	inv->act(&v);
}

static struct race_cell cell_of(const struct test *t)
{
	return (struct race_cell){ "in_gup", t->tc->name,
			      strf("prefault_hva%s", strchr(t->name, '.')) };
}

/* One window, one invalidation: so many retries, then the right page is mapped. */
static void invalidate(const struct test *t)
{
	const struct meanwhile *m = t->tc->arg;
	struct scene s = scene(t, m->kind);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	invalidate_other(&s, m->inv);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);

	expect_eq(observer_retries(s.f.o), m->retries, "RET_PF_RETRYs of gfn 0x%llx",
		  WINDOW_GPA >> 12);
	expect_eq(observer_faults(s.f.o), m->retries + 1, "faults of gfn 0x%llx",
		  WINDOW_GPA >> 12);
	expect_mapped(s.f.o, WINDOW_GPA >> 12, LEVEL_4K, pfn_of(hva_of(&s.f, WINDOW_GPA)));
	measure("attempts", 1);
	measure("retries", m->retries);
	race_cell_hit(cell_of(t), m->retries, "mapped");
}

static void do_nothing(const struct inv_target *v)
{
	(void)v;
}

/* Memory of this process that no slot uses. */
static void drop_outside_slot(const struct inv_target *v)
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);

	(void)v;
	must(!madvise(mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
}

/* Memory of another VM of this process. */
static void drop_of_other_vm(const struct inv_target *v)
{
	struct vm *vm = vm_create(v->vm->type);
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);

	slot_add(vm, GPA, mem);
	prefault(vcpu_create(vm), GPA, SZ_2M);
	must(!madvise(mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
}

static const struct invalidation
	nothing = { .act = do_nothing },
	outside_slot = { .act = drop_outside_slot },
	other_vm = { .act = drop_of_other_vm };

static const struct meanwhile
	m_none = { &nothing, 0, MEM_ANON },
	m_outside = { &outside_slot, 0, MEM_ANON },
	m_other_vm = { &other_vm, 0, MEM_ANON },
	m_dontneed = { &inv_dontneed, 1, MEM_ANON },
	m_munmap = { &inv_munmap, 1, MEM_ANON },
	m_mprotect = { &inv_mprotect, 1, MEM_ANON },
	m_mremap = { &inv_mremap, 1, MEM_ANON },
	m_collapse = { &inv_collapse, 1, MEM_ANON },
	m_migrate = { &inv_migrate, 1, MEM_ANON },
	m_pageout = { &inv_pageout, 1, MEM_ANON },
	m_fork = { &inv_fork, 1, MEM_ANON },
	m_punch = { &inv_punch_memfd, 1, MEM_MEMFD },
	m_ksm = { &inv_ksm_merge, 1, MEM_ANON },
	m_attribute = { &inv_private, 1, MEM_ANON };

/* A hole in the guest_memfd of another slot: the sequence is the VM's. */
static void gmem_punch(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct mem *gmem = mem_create(t->vm_type == KVM_X86_DEFAULT_VM ? MEM_GMEM_MMAP : MEM_GMEM,
				      SZ_2M, s.f.vm);

	slot_add_gmem(s.f.vm, GPA + SZ_1G, gmem->hva ? gmem : NULL, gmem);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	mem_punch_hole(gmem, 0, SZ_4K);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_eq(observer_retries(s.f.o), 1, "RET_PF_RETRYs of gfn 0x%llx", WINDOW_GPA >> 12);
	expect_mapped(s.f.o, WINDOW_GPA >> 12, LEVEL_4K, pfn_of(hva_of(&s.f, WINDOW_GPA)));
	measure("retries", 1);
}

/* The gfn itself becomes private: the access as it began is an error now. */
static void attribute_flip(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct kvm_run_memory_fault fault;

	window_open(s.w, WINDOW_GPA, SZ_4K);
	vm_set_private(s.f.vm, WINDOW_GPA, SZ_4K);
	expect_errno(window_close(s.w), EFAULT, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx",
		     WINDOW_GPA);
	expect_eq(observer_retries(s.f.o), 1, "RET_PF_RETRYs of gfn 0x%llx", WINDOW_GPA >> 12);
	expect_not_mapped(s.f.o, WINDOW_GPA >> 12);

	fault = vcpu_memory_fault(s.f.vcpu);
	expect_eq(s.f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	expect_eq(fault.gpa, WINDOW_GPA, "gpa of the memory-fault exit");
	expect_eq(fault.size, SZ_4K, "size of the memory-fault exit");
	expect_eq(fault.flags, 0, "flags of the memory-fault exit: the access was shared");
	measure("retries", 1);
	race_cell_hit(cell_of(t), 1, "EFAULT");
}

/* --- memslot updates: they wait for whoever is inside of KVM (SRCU) --------------- */

/* Start to delete @slot while the window is open: it must wait for the reader. */
static struct thread *start_deletion(struct slot *slot)
{
	struct thread *deleter = slot_delete_start(slot);

	expect_true(tid_sleeps_in(thread_tid(deleter), "synchronize_srcu", 5),
		    "the deletion of slot %u waits for the prefault (SRCU)", slot->id);
	return deleter;
}

static void delete_other_slot(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct slot *other = slot_add(s.f.vm, GPA + SZ_1G, mem_populated(MEM_ANON, SZ_2M, NULL));
	struct thread *deleter;

	window_open(s.w, WINDOW_GPA, SZ_4K);
	deleter = start_deletion(other);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the other slot");
	expect_eq(observer_retries(s.f.o), 0, "RET_PF_RETRYs of gfn 0x%llx", WINDOW_GPA >> 12);

	prefault(s.f.vcpu, WINDOW_GPA, SZ_4K);
	expect_mapped(s.f.o, WINDOW_GPA >> 12, LEVEL_4K, pfn_of(hva_of(&s.f, WINDOW_GPA)));
}

/* The slot under the fault: the fault finishes first, then the slot goes. */
static void delete_own_slot(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct kvm_pre_fault_memory range = { .gpa = WINDOW_GPA, .size = SZ_4K };
	struct thread *deleter;

	window_open(s.w, WINDOW_GPA, SZ_4K);
	deleter = start_deletion(s.f.slot);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the slot");
	expect_eq(observer_retries(s.f.o), 0, "RET_PF_RETRYs of gfn 0x%llx", WINDOW_GPA >> 12);
	expect_not_mapped(s.f.o, WINDOW_GPA >> 12);
	expect_errno(__vcpu_prefault(s.f.vcpu, &range), ENOENT, "prefault without a slot");
	race_cell_waits(cell_of(t), "srcu");
}

/* End a prefault that would not end, so that the case can. */
static void interrupt_window(struct scene *s)
{
	tid_signal(window_tid(s->w), SIGUSR1);
}

/* Close the window; a prefault that loops is the known issue E1, up to 6.17. */
static int close_or_e1(struct scene *s)
{
	int ret;

	window_resolve(s->w);
	ret = window_wait(s->w, 1);
	if (ret == 1) {
		interrupt_window(s);
		xfail("E1", "the prefault did not end within 1 s");
	}
	return ret;
}

/* A deletion and an invalidation: the second look finds the slot going: EAGAIN. */
static void delete_and_dontneed(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct thread *deleter;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	deleter = start_deletion(s.f.slot);
	invalidate_other(&s, &inv_dontneed);
	expect_errno(close_or_e1(&s), EAGAIN, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the slot");
	expect_eq(observer_retries(s.f.o), 1, "RET_PF_RETRYs of gfn 0x%llx", WINDOW_GPA >> 12);
	expect_not_mapped(s.f.o, WINDOW_GPA >> 12);
	measure("retries", 1);
}

/* Two pages, the slot goes while KVM is at the first: one page of progress. */
static void delete_between_pages(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct thread *deleter;
	struct kvm_pre_fault_memory left;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, 2 * SZ_4K);
	deleter = start_deletion(s.f.slot);
	expect_ok(close_or_e1(&s), "KVM_PRE_FAULT_MEMORY of two pages");
	left = window_range(s.w);
	expect_eq(left.size, SZ_4K, "bytes left");
	expect_eq(left.gpa, WINDOW_GPA + SZ_4K, "gpa of what is left");
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the slot");
	expect_errno(__vcpu_prefault(s.f.vcpu, &left), ENOENT, "prefault of what is left");
}

/* --- signals ----------------------------------------------------------------------- */

static void signal_first_page(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	interrupt_window(&s);
	expect_errno(window_wait(s.w, 5), EINTR, "prefault with a signal, nothing done");
	expect_eq(window_range(s.w).size, SZ_4K, "bytes left");
	expect_not_mapped(s.f.o, WINDOW_GPA >> 12);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	expect_ok(window_close(s.w), "the same prefault again");
	expect_mapped(s.f.o, WINDOW_GPA >> 12, LEVEL_4K, pfn_of(hva_of(&s.f, WINDOW_GPA)));
}

static void signal_second_page(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	struct kvm_pre_fault_memory left;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, 3 * SZ_4K);
	window_resolve(s.w);
	window_next(s.w);
	interrupt_window(&s);
	expect_ok(window_wait(s.w, 5), "prefault with a signal, one page done");
	left = window_range(s.w);
	expect_eq(left.gpa, WINDOW_GPA + SZ_4K, "gpa of what is left");
	expect_eq(left.size, 2 * SZ_4K, "bytes left");

	window_open(s.w, left.gpa, left.size);
	window_resolve(s.w);
	window_next(s.w);
	expect_ok(window_close(s.w), "prefault of what was left");
	expect_eq(window_range(s.w).size, 0, "bytes left");
	for (int i = 0; i < 3; i++)
		expect_mapped(s.f.o, (WINDOW_GPA >> 12) + i, LEVEL_4K,
			      pfn_of(hva_of(&s.f, WINDOW_GPA + i * SZ_4K)));
}

/* A signal in the middle of a long prefault: partial progress, to be resumed. */
static void signal_midway(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, 16 * SZ_2M);
	struct itimerval tick = { .it_value.tv_usec = 2000, .it_interval.tv_usec = 2000 };
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = f.mem->size };
	unsigned long partial = 0;

	catch_signal(SIGALRM);
	must(!setitimer(ITIMER_REAL, &tick, NULL), "setitimer");
	while (range.size) {
		u64 before = range.size;
		int ret = __vcpu_prefault(f.vcpu, &range);

		if (ret) {
			expect_errno(ret, EINTR, "prefault under signals");
			expect_eq(range.size, before, "bytes left after EINTR");
			continue;
		}
		expect_eq(range.gpa + range.size, GPA + f.mem->size,
			  "end of the range after partial progress");
		partial += range.size != 0;
	}
	tick = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &tick, NULL);
	expect_eq(observer_leaves(f.o, LEVEL_4K), f.mem->size / SZ_4K, "4K SPTEs");
	expect_true(partial > 0, "a signal ends the ioctl with partial progress");
	measure("partial", partial);
	measure("pages", f.mem->size / SZ_4K);
}

/* --- the window of another range: no retry, no waiting ------------------------------ */

/*
 * While the attributes of one slot are changing (for long: 2^18 gfns), a prefault
 * of another is not held back.
 */
static void unrelated_range(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct attr_change *change;
	const struct event *ev;
	bool mapped_inside = false;
	size_t nr;

	slot_add(f.vm, GPA + SZ_1G, mem_populated(MEM_ANON, SZ_2M, NULL));
	prefault(f.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(f.o);
	change = attr_change_begin(f.vm, GPA + SZ_1G, SZ_4K << 18);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");

	ev = observer_events(f.o, &nr);
	for (size_t i = 0; i < nr && ev[i].type != EV_ATTR_END; i++)
		mapped_inside |= ev[i].type == EV_FAULT && ev[i].ret == PF_FIXED;
	expect_true(mapped_inside, "gfn 0x%llx is mapped before the change of the other slot ends",
		    GFN);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
}

/* --- many ----------------------------------------------------------------------------- */

/* 10,000 windows, 10,000 invalidations: exactly one retry each. */
static void forced_10000(const struct test *t)
{
	const unsigned int attempts = 10000, batch = 500;
	unsigned long retries = 0, faults = 0;
	struct scene s;
	double start = now(), windows = 0;

	stay_on_one_cpu();
	s = scene(t, MEM_ANON);
	for (unsigned int i = 0; i < attempts; i++) {
		u64 gpa = GPA + i % 512 * SZ_4K;
		double opened = now();

		window_open(s.w, gpa, SZ_4K);
		invalidate_other(&s, &inv_dontneed);
		expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx, attempt %u",
			  gpa, i);
		windows += now() - opened;

		if ((i + 1) % batch)
			continue;
		/* Read the trace before its buffer is full, and begin anew. */
		retries += observer_retries(s.f.o);
		faults += observer_faults(s.f.o);
		expect_eq(retries, i + 1, "RET_PF_RETRYs after %u attempts", i + 1);
		expect_eq(faults, 2 * (i + 1), "faults after %u attempts", i + 1);
		expect_mapped(s.f.o, gpa >> 12, LEVEL_4K, pfn_of(hva_of(&s.f, gpa)));
		must(!madvise(s.f.mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
		observer_clear(s.f.o);
	}
	measure("attempts", attempts);
	measure("retries", retries);
	measure("faults", faults);
	measure("retries_per_second", retries / windows);
	measure("loop_seconds", now() - start);
}

/* --- after the last lockless check ------------------------------------------------------- */

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

	return __vm_ioctl(c->slot->vm, KVM_CLEAR_DIRTY_LOG, &log);
}

static int drop_page(void *hva)
{
	return madvise(hva, SZ_4K, MADV_DONTNEED);
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

/*
 * The last window: between the last lockless check and mmu_lock.  A convoy on
 * mmu_lock, which is fair, opens it: KVM_CLEAR_DIRTY_LOG of a large slot holds
 * the lock for long; MADV_DONTNEED queues for writing; the prefault passes its
 * lockless checks and queues behind.  Then the page goes, exactly between the
 * checks and the lock, and only the check under the lock can see it.
 */
static void convoy_stale_pfn(const struct test *t)
{
	const unsigned int wanted = 3, max_attempts = 60;
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct mem *large = mem_create(MEM_ANON, LOG_SIZE, NULL);
	struct clear_log clear = { .bitmap = malloc(LOG_SIZE / SZ_4K / 8) };
	unsigned int hits = 0, attempts = 0;
	unsigned long retries = 0;

	memset(clear.bitmap, 0xff, LOG_SIZE / SZ_4K / 8);
	must(!set_and_undo("/sys/module/kvm/parameters/eager_page_split", "N"),
	     "eager_page_split=N");
	vm_enable_cap(f.vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		      KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	clear.slot = slot_add(f.vm, LOG_GPA, large);
	/* A vCPU without a root would queue for mmu_lock too early. */
	prefault(f.vcpu, GPA + SZ_2M - SZ_4K, SZ_4K);

	while (hits < wanted && attempts < max_attempts) {
		u64 gpa = GPA + attempts++ * SZ_4K, gfn = gpa >> 12, pfn;
		struct thread *holder, *dropper;

		slot_set_flags(clear.slot, 0);
		slot_set_flags(clear.slot, KVM_MEM_LOG_DIRTY_PAGES);
		observer_clear(f.o);

		holder = thread_start(clear_dirty_log, &clear);
		expect_true(observer_wait(f.o, EV_CLEAR_LOG, 5), "KVM_CLEAR_DIRTY_LOG begins within 5 s");
		dropper = thread_start(drop_page, hva_of(&f, gpa));
		expect_true(observer_wait(f.o, EV_UNMAP_HVA, 5), "MADV_DONTNEED reaches KVM within 5 s");
		prefault(f.vcpu, gpa, SZ_4K);

		expect_ok(thread_join(holder, "KVM_CLEAR_DIRTY_LOG"), "KVM_CLEAR_DIRTY_LOG");
		expect_ok(thread_join(dropper, "MADV_DONTNEED"), "MADV_DONTNEED");

		/* Whether hit or not: what is mapped is what is there now, if anything is. */
		pfn = pfn_of(hva_of(&f, gpa));
		if (pfn == PFN_NONE)
			expect_not_mapped(f.o, gfn);
		else
			expect_mapped(f.o, gfn, LEVEL_4K, pfn);
		hits += stale_under_lock(f.o, gfn);
		retries += observer_retries(f.o);
	}
	measure("attempts", attempts);
	measure("hits", hits);
	measure("retries", retries);
	errno = ETIME;
	must(hits == wanted, "the window to be hit %u times in %u attempts, was %u times",
	     wanted, max_attempts, hits);
}

/* --- invalidated roots --------------------------------------------------------------------- */

/*
 * All roots are invalidated while KVM waits for the page.  The fault is stale
 * for as long as the vCPU does not load a new root.
 */
static void roots_invalidated(const struct test *t)
{
	struct scene s = scene(t, MEM_ANON);
	const char *param = "/sys/module/kvm/parameters/nx_huge_pages";
	const char *other = strcmp(kvm_param("kvm", "nx_huge_pages"), "force") ? "force" : "off";
	unsigned long before, retries;
	int ret;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	must(!set_and_undo(param, other), "nx_huge_pages=%s", other);
	before = observer_fault_calls(s.f.o);
	observer_pause(s.f.o);
	window_resolve(s.w);
	ret = window_wait(s.w, 0.5);
	retries = observer_fault_calls(s.f.o) - before;
	measure("retries", retries);

	if (ret == 1) {
		interrupt_window(&s);
		expect_errno(window_wait(s.w, 5), EINTR, "the endless prefault ends with a signal");
		xfail("L1", "%lu retries in 0.5 s, and no end but by a signal", retries);
	}
	expect_ok(ret, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_eq(vm_stat(s.f.vm, "pages_4k"), 1, "statistic pages_4k");
	xpass("L1");
}

#define MAPS	.observes = OBSERVE_MAPPING
#define WINDOW	.vm_types = VM_ANY, MAPS, .needs_uffd = true
#define LEGACY	.vm_types = VM_DEFAULT, MAPS, .needs_uffd = true, .boot = BOOT_TDP_MMU_OFF
#define WINDOW_SW .vm_types = VM_SW_PROTECTED, MAPS, .needs_uffd = true
#define GUARDS_INVALID_SLOT \
	.fixes = "KVM: x86/mmu: Return -EAGAIN if userspace deletes/moves memslot during prefault (6.18)"

static const struct test_case cases[] = {
	{ "no_invalidation", "a window without invalidation: no retry", invalidate, &m_none,
	  WINDOW },
	{ "outside_slot", "memory of no slot is invalidated: no retry", invalidate, &m_outside,
	  WINDOW },
	{ "other_vm", "another VM's memory is invalidated: no retry", invalidate, &m_other_vm,
	  WINDOW },
	{ "dontneed", "MADV_DONTNEED in the window: one retry", invalidate, &m_dontneed,
	  WINDOW },
	{ "munmap", "munmap in the window: one retry", invalidate, &m_munmap, WINDOW },
	{ "mprotect", "mprotect in the window: one retry", invalidate, &m_mprotect, WINDOW },
	{ "mremap", "mremap in the window: one retry", invalidate, &m_mremap, WINDOW },
	{ "collapse", "MADV_COLLAPSE in the window: one retry", invalidate, &m_collapse,
	  .vm_types = VM_ANY, MAPS, .needs_uffd = true, .needs_thp = true },
	{ "migrate", "move_pages in the window: one retry", invalidate, &m_migrate, WINDOW,
	  .nodes = 2 },
	{ "ksm", "KSM merges a page in the window: one retry", invalidate, &m_ksm,
	  .vm_types = VM_DEFAULT, MAPS, .needs_uffd = true, .side_effects = "runs KSM for all of the host, and stops it" },
	{ "pageout", "swap-out in the window: one retry", invalidate, &m_pageout, WINDOW },
	{ "fork", "fork in the window: one retry", invalidate, &m_fork, WINDOW },
	{ "punch_memfd", "a hole in the memfd in the window: one retry", invalidate, &m_punch,
	  WINDOW },
	{ "punch_gmem", "a hole in another slot's guest_memfd: one retry", gmem_punch, WINDOW },
	{ "attribute_other", "another gfn becomes private in the window: one retry",
	  invalidate, &m_attribute, WINDOW_SW },
	{ "attribute_flip", "the gfn becomes private in the window: one retry, EFAULT",
	  attribute_flip, WINDOW_SW },
	{ "unrelated_range", "another slot's attributes are changing: no waiting",
	  unrelated_range, .vm_types = VM_SW_PROTECTED, .needs_hold = true, .cpus = 2,
	  .observes = OBSERVE_MAPPING | OBSERVE(EV_ATTR_END),
	  .fixes = "KVM: Use gfn instead of hva for mmu_notifier_retry (6.8)" },

	{ "delete_other_slot", "another slot's deletion waits for the prefault: no retry",
	  delete_other_slot, WINDOW, .xfail = "E3" },
	{ "delete_own_slot", "the slot's deletion waits for the prefault: no retry",
	  delete_own_slot, WINDOW, .xfail = "E3" },
	{ "delete_and_dontneed", "deletion and invalidation: one retry, EAGAIN",
	  delete_and_dontneed, WINDOW,
	  GUARDS_INVALID_SLOT },
	{ "delete_between_pages", "deletion between two pages: progress of one page",
	  delete_between_pages, WINDOW,
	  GUARDS_INVALID_SLOT },

	{ "signal_first_page", "a signal, nothing done: EINTR", signal_first_page, WINDOW },
	{ "signal_second_page", "a signal, one page done: progress", signal_second_page,
	  WINDOW },
	{ "signal_midway", "signals during a long prefault: progress each time",
	  signal_midway, .vm_types = VM_DEFAULT, MAPS, .memory_mib = 128 },

	{ "forced_10000", "10,000 forced retries: one each", forced_10000, .vm_types = VM_DEFAULT,
	  MAPS, .needs_uffd = true, .time_limit_s = 120 },
	{ "legacy_dontneed", "legacy MMU: MADV_DONTNEED in the window: one retry", invalidate,
	  &m_dontneed, LEGACY },
	{ "legacy_punch_memfd", "legacy MMU: a hole in the memfd in the window: one retry",
	  invalidate, &m_punch, LEGACY },
	{ "legacy_delete_and_dontneed", "legacy MMU: deletion and invalidation: one retry, EAGAIN",
	  delete_and_dontneed, LEGACY, GUARDS_INVALID_SLOT },

	{ "dontneed_one_cpu", "MADV_DONTNEED in the window, on one CPU: one retry", invalidate,
	  &m_dontneed, .vm_types = VM_DEFAULT, MAPS, .needs_uffd = true, .boot = BOOT_CPUS1 },

	{ "convoy_stale_pfn", "the page goes between the last lockless check and mmu_lock",
	  convoy_stale_pfn, .vm_types = VM_DEFAULT, .cpus = 4, .boot = BOOT_CPUS4,
	  .side_effects = "writes kvm.eager_page_split", .time_limit_s = 60,
	  .observes = OBSERVE_MAPPING | OBSERVE(EV_FAULTIN) | OBSERVE(EV_UNMAP_HVA) |
		      OBSERVE(EV_CLEAR_LOG) },
	{ "roots_invalidated", "all roots are invalidated in the window", roots_invalidated,
	  .vm_types = VM_DEFAULT, MAPS, .needs_uffd = true,
	  .side_effects = "writes kvm.nx_huge_pages" },
};

TEST_MAIN("invalidations while KVM maps a page", cases)
