// SPDX-License-Identifier: GPL-2.0-only
/*
 * Race windows of KVM_TDX_INIT_MEM_REGION, from the populate callback of guest_memfd to
 * TDH.MR.EXTEND: what meets a page while it is added, and what comes of both.
 *
 * The measurement of the TD is computed beside it: it shows which pages were added, and
 * with which content.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "held_call.h"
#include "kernel.h"
#include "mrtd.h"
#include "race_cell.h"
#include "race_fixture.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

/* In 6.18 and earlier the page is mapped by the fault loop first, and then added. */
static bool by_fault(void)
{
	return kernel_has_function("kvm_tdp_map_page");
}

enum { POPULATED, BEFORE_SNAPSHOT, AFTER_SNAPSHOT, AFTER_GUP, BEFORE_LOCK, UNDER_LOCK,
	FROZEN_TABLE, SEPT_ADDED, BEFORE_ADD, BEFORE_EXTEND, NR_WINDOWS };

static const struct window_def {
	const char *name, *function;
	enum hold_at at;
} windows[NR_WINDOWS] = {
	[POPULATED] = { "populated", "tdx_gmem_post_populate", HOLD_ENTRY },
	[BEFORE_SNAPSHOT] = { "before_snapshot", "kvm_mmu_faultin_pfn", HOLD_ENTRY },
	[AFTER_SNAPSHOT] = { "after_snapshot", "kvm_gmem_get_pfn", HOLD_ENTRY },
	[AFTER_GUP] = { "after_gup", "kvm_gmem_get_pfn", HOLD_RETURN },
	[BEFORE_LOCK] = { "before_lock", "kvm_mmu_faultin_pfn", HOLD_RETURN },
	[UNDER_LOCK] = { "under_lock", "kvm_tdp_mmu_map", HOLD_ENTRY },
	[FROZEN_TABLE] = { "frozen_table", "tdh_mem_sept_add", HOLD_ENTRY },
	[SEPT_ADDED] = { "sept_added", "tdp_mmu_link_sp", HOLD_RETURN },
	[BEFORE_ADD] = { "frozen_leaf", "tdh_mem_page_add", HOLD_ENTRY },
	[BEFORE_EXTEND] = { "before_extend", "tdh_mr_extend", HOLD_ENTRY },
};

/* Does this kernel pass through it? */
static bool window_exists(int window)
{
	return by_fault() || window < BEFORE_SNAPSHOT || window > BEFORE_LOCK;
}

/* Is mmu_lock held, for reading, in this window? */
static bool mmu_locked(int window)
{
	return window >= UNDER_LOCK && window <= (by_fault() ? SEPT_ADDED : BEFORE_ADD);
}

/* A slot for each window, in a gigabyte without tables. */
#define SLOT_GPA(window)	(GPA + (1 + (window)) * SZ_1G)

struct scene {
	const struct test *t;
	const struct add_race *race;
	struct fixture td;
	struct mrtd *mrtd;		/* the measurement that the TD must have */

	int window;			/* now open */
	struct slot *slot;
	u64 gpa;			/* of the page that is being added */
	u8 *source;
	struct held_call add;		/* KVM_TDX_INIT_MEM_REGION of that page */
};

/* What meets the page. */
struct add_race {
	int (*act)(struct scene *s);
	const char *lock;	/* for which it waits, asleep; NULL: for none */
	/* It takes mmu_lock: called on its way to it. */
	const char *reaches;
	bool retries;		/* seen by a fault as an invalidation */
	bool removes;		/* the page, in the end */
	bool signal;		/* ends the loop around the mapping: EINTR */
};

static int add_page(void *arg)
{
	struct scene *s = arg;
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)s->source, .gpa = s->gpa, .nr_pages = 1,
	};

	return __td_add(s->td.vcpu, &region, KVM_TDX_MEASURE_MEMORY_REGION);
}

static void open_window(struct scene *s, int window, struct hold *until)
{
	struct hold_args where = {
		.function = windows[window].function, .at = windows[window].at, .until = until,
	};

	s->window = window;
	s->slot = td_slot_add(s->td.vm, SLOT_GPA(window), RACE_SLOT_SIZE);
	s->gpa = s->slot->gpa + SZ_4K;
	s->source = td_source(1, s->t->seed + window);
	mem_touch(s->slot->mem->hva, SZ_4K);
	observer_clear(s->td.o);
	s->add = held_call_open(where, add_page, s);
}

static void close_window(struct scene *s)
{
	held_call_close(&s->add, "KVM_TDX_INIT_MEM_REGION after the window");
}

static struct race_cell cell_of(const struct scene *s)
{
	const char *name = s->t->tc->name;
	const char *window = windows[s->window].name;

	/* Where the leaf is not frozen, but there since the fault. */
	if (s->window == BEFORE_ADD && by_fault())
		window = "before_add";
	return (struct race_cell){ window, strndup(name, strcspn(name, "-")),
				   "init_mem_region.tdx" };
}

static int dontneed_shared(struct scene *s)
{
	return madvise(s->slot->mem->hva, SZ_4K, MADV_DONTNEED);
}

static int write_source(struct scene *s)
{
	memset(s->source, 0x5a, SZ_4K);
	return 0;
}

static int punch(struct scene *s)
{
	mem_punch_hole(s->slot->gmem, s->gpa - s->slot->gpa, SZ_4K);
	return 0;
}

static int make_shared(struct scene *s)
{
	return __vm_set_attributes(s->td.vm, s->gpa, SZ_4K, 0);
}

static int delete_slot(struct scene *s)
{
	return __slot_delete(s->slot);
}

static int send_signal(struct scene *s)
{
	thread_signal(s->add.thread, SIGUSR1);
	return 0;
}

static int signal_and_dontneed(struct scene *s)
{
	return send_signal(s) ?: dontneed_shared(s);
}

static int act(void *arg)
{
	struct scene *s = arg;

	return s->race->act(s);
}

/* The page is added and measured, or gone, or was never added. Returns the errno. */
static int expect_outcome(struct scene *s, bool retried)
{
	const struct add_race *race = s->race;
	/* The loop begins after this window, and again for each retry. */
	int error = race->signal && (retried || s->window == POPULATED) ? EINTR : 0;
	u8 *measured = td_source(1, s->t->seed + s->window);

	errno = s->add.err;
	expect_errno(s->add.ret, error, "KVM_TDX_INIT_MEM_REGION of gpa 0x%llx, window %s",
		     s->gpa, windows[s->window].name);
	expect_retries(s->td.o, retried, " of gfn 0x%llx, window %s",
		  s->gpa >> 12, windows[s->window].name);
	if (race->removes || error)
		expect_td_unmapped(&s->td, s->gpa, 1);
	else
		expect_td_mapped(&s->td, s->gpa, 1, SEPT_MAPPED);
	if (error)
		return error;
	/* The source is read when the page is added; KVM may not have read it before. */
	if (race->act == write_source && s->window <= BEFORE_ADD)
		memset(measured, 0x5a, SZ_4K);
	mrtd_add_page(s->mrtd, s->gpa, measured, true);
	return 0;
}

/* It waits for nothing, and is done before the window closes. */
static void ends_in_window(struct scene *s, int window)
{
	bool retried = s->race->retries && window >= AFTER_SNAPSHOT && window <= BEFORE_LOCK;

	open_window(s, window, NULL);
	expect_ok(act(s), "the invalidation");
	close_window(s);
	race_cell_hit(cell_of(s), retried, expect_outcome(s, retried) ? "EINTR" : "added");
}

/* It sleeps until KVM_TDX_INIT_MEM_REGION is done. */
static void sleeps(struct scene *s, int window)
{
	struct thread *actor;

	open_window(s, window, NULL);
	actor = thread_start(act, s);
	expect_true(thread_sleeps(actor, 5), "the invalidation waits for %s, window %s",
		    s->race->lock, windows[window].name);
	close_window(s);
	expect_ok(thread_join(actor, "the invalidation"), "the invalidation");
	expect_outcome(s, false);
	race_cell_waits(cell_of(s), s->race->lock);
}

/* It spins until the window closes: mmu_lock is held. */
static void spins(struct scene *s, int window)
{
	struct lock_waiter invalidation;

	lock_waiter_prepare(&invalidation, s->race->reaches, act, s);
	open_window(s, window, invalidation.reached);
	lock_waiter_run(&invalidation, &s->add,
			strf("the invalidation in window %s", windows[window].name));
	expect_outcome(s, false);
	race_cell_waits(cell_of(s), "mmu_lock");
}

static void add_windows(const struct test *t)
{
	struct scene s = { .t = t, .race = t->tc->arg, .td = td_fixture(t, 0),
			   .mrtd = mrtd_new() };

	catch_signal(SIGUSR1);
	for (int window = 0; window < NR_WINDOWS; window++) {
		if (!window_exists(window))
			continue;
		if (s.race->lock)
			sleeps(&s, window);
		else if (s.race->reaches && mmu_locked(window))
			spins(&s, window);
		else
			ends_in_window(&s, window);
	}
	td_finalize(s.td.vm);
	expect_mrtd(s.mrtd);
}

#define NOTIFIER	"kvm_mmu_notifier_invalidate_range_start"

static const struct add_race
	race_dontneed_shared = { .act = dontneed_shared, .reaches = NOTIFIER, .retries = true },
	race_write_source = { .act = write_source },
	race_punch = { .act = punch, .lock = "invalidate_lock", .removes = true },
	race_shared = { .act = make_shared, .lock = "slots_lock", .removes = true },
	race_delete = { .act = delete_slot, .lock = "slots_lock", .removes = true },
	race_signal = { .act = send_signal, .signal = true },
	race_signal_dontneed = { .act = signal_and_dontneed, .reaches = NOTIFIER,
				 .retries = true, .signal = true };

#define RACE_ADD .vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_hold = true, \
		 .needs_sept = true, .needs_softtdx = true, .cpus = 2

CASES(add_windows,
	{ "dontneed_shared-add", "MADV_DONTNEED of the shared half while a page is added",
	  .arg = &race_dontneed_shared, RACE_ADD },
	{ "write_source-add", "a write to the source while the page is added",
	  .arg = &race_write_source, RACE_ADD },
	{ "punch-add", "PUNCH_HOLE of the page that is being added waits for the end",
	  .arg = &race_punch, RACE_ADD },
	{ "attribute-add", "the gfn of the page becomes shared: waits for the end of the add",
	  .arg = &race_shared, RACE_ADD },
	{ "delete_slot-add", "deletion of the slot waits for the end of the add",
	  .arg = &race_delete, RACE_ADD },
	{ "signal-add", "a signal while a page is added: EINTR before the mapping, else added",
	  .arg = &race_signal, RACE_ADD },
	{ "signal_dontneed-add", "a signal, and MADV_DONTNEED, while a page is added",
	  .arg = &race_signal_dontneed, RACE_ADD })

TEST_MAIN("race windows of KVM_TDX_INIT_MEM_REGION")
