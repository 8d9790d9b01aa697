// SPDX-License-Identifier: GPL-2.0-only
/*
 * Race windows between the begin of a private page's mapping and the entry in
 * the Secure EPT: KVM_TDX_INIT_MEM_REGION from the populate callback to
 * TDH.MR.EXTEND, and what two vCPUs do to one frozen SPTE.
 *
 * An SPTE of the mirror is frozen while the TDX module is asked, so that no one
 * puts a page below a table, or a second page into an entry, that the module
 * does not know yet: others look again until it is thawed.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hold.h"
#include "kernel.h"
#include "race_cell.h"
#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "vm_thread.h"

/* --- the windows of KVM_TDX_INIT_MEM_REGION --------------------------------------------- */

/* Up to 6.18 the page is mapped by the fault loop first, and then added. */
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

/* Does this kernel come by on its way? */
static bool reachable(int window)
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
#define SLOT_SIZE		(16 * SZ_4K)

struct scene {
	struct fixture td;
	struct mrtd *mrtd;		/* our own account of the measurement */
	const struct test *t;

	int window;			/* now open */
	struct slot *slot;
	u64 gpa;			/* of the page that is being added */
	u8 *source;
	struct hold *hold;
	struct thread *adder;
	int ret, err;			/* of its ioctl */
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
	s->window = window;
	s->slot = td_slot_add(s->td.vm, SLOT_GPA(window), SLOT_SIZE);
	s->gpa = s->slot->gpa + SZ_4K;
	s->source = td_source(1, s->t->seed + window);
	mem_touch(s->slot->mem->hva, SZ_4K);
	observer_clear(s->td.o);
	s->hold = hold_arm(.function = windows[window].function, .at = windows[window].at,
			   .until = until);
	s->adder = thread_start(add_page, s);
	hold_await(s->hold);
}

static void await_end(struct scene *s)
{
	s->ret = thread_join(s->adder, "KVM_TDX_INIT_MEM_REGION after the window");
	s->err = errno;
}

static struct race_cell cell_of(const struct scene *s)
{
	const char *window = windows[s->window].name;

	/* Where the leaf is not frozen, but there since the fault. */
	if (s->window == BEFORE_ADD && by_fault())
		window = "before_add";
	return (struct race_cell){ window, strndup(s->t->tc->name, strcspn(s->t->tc->name, "-")),
			      "init_mem_region.tdx" };
}

/* --- invalidations ---------------------------------------------------------------------- */

struct invalidation {
	int (*act)(struct scene *s);
	const char *lock;	/* for which it waits, asleep; NULL: for none */
	/* It takes mmu_lock: called on its way to it. */
	const char *reaches;
	bool retries;		/* seen by a fault as an invalidation */
	bool removes;		/* the page, in the end */
	bool signal;		/* ends the loop around the mapping: EINTR */
};

#define NOTIFIER	"kvm_mmu_notifier_invalidate_range_start"

static int act_dontneed_shared(struct scene *s)
{
	return madvise(s->slot->mem->hva, SZ_4K, MADV_DONTNEED);
}

static int act_write_source(struct scene *s)
{
	memset(s->source, 0x5a, SZ_4K);
	return 0;
}

static int act_punch(struct scene *s)
{
	mem_punch_hole(s->slot->gmem, s->gpa - s->slot->gpa, SZ_4K);
	return 0;
}

static int act_shared(struct scene *s)
{
	return __vm_set_attributes(s->td.vm, s->gpa, SZ_4K, 0);
}

static int act_delete(struct scene *s)
{
	return __slot_delete(s->slot);
}

static int act_signal(struct scene *s)
{
	thread_signal(s->adder, SIGUSR1);
	return 0;
}

static int act_signal_dontneed(struct scene *s)
{
	return act_signal(s) ?: act_dontneed_shared(s);
}

static const struct invalidation
	i_dontneed_shared = { act_dontneed_shared, NULL, NOTIFIER, true, false, false },
	i_write_source = { act_write_source, NULL, NULL, false, false, false },
	i_punch = { act_punch, "invalidate_lock", NULL, false, true, false },
	i_shared = { act_shared, "slots_lock", NULL, false, true, false },
	i_delete = { act_delete, "slots_lock", NULL, false, true, false },
	i_signal = { act_signal, NULL, NULL, false, false, true },
	i_signal_dontneed = { act_signal_dontneed, NULL, NOTIFIER, true, false, true };

struct act_args {
	struct scene *s;
	double ended;
};

static int act_thread(void *arg)
{
	struct act_args *a = arg;
	const struct invalidation *inv = a->s->t->tc->arg;
	int ret = inv->act(a->s);

	a->ended = now();
	return ret;
}

/* What the page is in the end: added and measured, or gone, or never added. The errno. */
static int expect_outcome(struct scene *s, bool retried)
{
	const struct invalidation *inv = s->t->tc->arg;
	/* The loop begins after this window, and again for each retry. */
	int error = inv->signal && (retried || s->window == POPULATED) ? EINTR : 0;
	u8 *measured = td_source(1, s->t->seed + s->window);

	errno = s->err;
	expect_errno(s->ret, error, "KVM_TDX_INIT_MEM_REGION of gpa 0x%llx, window %s",
		     s->gpa, windows[s->window].name);
	expect_eq(observer_retries(s->td.o), retried, "RET_PF_RETRYs of gfn 0x%llx, window %s",
		  s->gpa >> 12, windows[s->window].name);
	if (inv->removes || error)
		expect_td_unmapped(&s->td, s->gpa, 1);
	else
		expect_td_mapped(&s->td, s->gpa, 1, SEPT_MAPPED);
	if (error)
		return error;
	/* The source is read when the page is added, by then KVM may not have it. */
	if (inv->act == act_write_source && s->window <= BEFORE_ADD)
		memset(measured, 0x5a, SZ_4K);
	mrtd_add_page(s->mrtd, s->gpa, measured, true);
	return 0;
}

/* Nothing keeps it: it is done before the window closes. */
static void goes_on(struct scene *s, int window)
{
	const struct invalidation *inv = s->t->tc->arg;
	bool retried = inv->retries && window >= AFTER_SNAPSHOT && window <= BEFORE_LOCK;

	open_window(s, window, NULL);
	expect_ok(inv->act(s), "the invalidation");
	hold_release(s->hold);
	await_end(s);
	hold_end(s->hold);
	race_cell_hit(cell_of(s), retried, expect_outcome(s, retried) ? "EINTR" : "added");
}

/* It sleeps until KVM_TDX_INIT_MEM_REGION is done. */
static void sleeps(struct scene *s, int window)
{
	const struct invalidation *inv = s->t->tc->arg;
	struct act_args args = { .s = s };
	struct thread *actor;

	open_window(s, window, NULL);
	actor = thread_start(act_thread, &args);
	expect_true(thread_sleeps(actor, 5), "the invalidation waits for %s, window %s",
		    inv->lock, windows[window].name);
	hold_release(s->hold);
	await_end(s);
	expect_ok(thread_join(actor, "the invalidation"), "the invalidation");
	hold_end(s->hold);
	expect_outcome(s, false);
	race_cell_waits(cell_of(s), inv->lock);
}

/* mmu_lock is held: it outlasts the hold. */
static void spins(struct scene *s, int window)
{
	const struct invalidation *inv = s->t->tc->arg;
	struct hold *on_its_way = hold_arm(.function = inv->reaches, .at = HOLD_COUNT);
	struct act_args args = { .s = s };
	/* To make a thread calls the notifiers, too: done before the window. */
	struct thread *actor = thread_prepare(act_thread, &args);

	open_window(s, window, on_its_way);
	thread_go(actor);
	await_end(s);
	expect_ok(thread_join(actor, "the invalidation"), "the invalidation");
	expect_true(args.ended >= hold_released(s->hold),
		    "the invalidation does not end while mmu_lock is held, window %s",
		    windows[window].name);
	hold_end(s->hold);
	hold_end(on_its_way);
	expect_outcome(s, false);
	race_cell_waits(cell_of(s), "mmu_lock");
}

static void add_windows(const struct test *t)
{
	const struct invalidation *inv = t->tc->arg;
	struct scene s = { .td = td_fixture(t, 0), .mrtd = mrtd_new(), .t = t };
	char *mrtd;

	catch_signal(SIGUSR1);
	for (int window = 0; window < NR_WINDOWS; window++) {
		if (!reachable(window))
			continue;
		if (inv->lock)
			sleeps(&s, window);
		else if (inv->reaches && mmu_locked(window))
			spins(&s, window);
		else
			goes_on(&s, window);
	}
	td_finalize(s.td.vm);
	mrtd = mrtd_finish(s.mrtd);
	if (strcmp(mrtd, softtdx_mrtd(softtdx_only_td())))
		test_failed(__FILE__, __LINE__, "MRTD of the TD", mrtd,
			    softtdx_mrtd(softtdx_only_td()));
}

/* --- one frozen SPTE, several vCPUs ------------------------------------------------------- */

struct frozen {
	const char *window, *function;	/* where the first vCPU is held, its SPTE frozen */
	bool same_gfn;			/* of both; else neighbours */
	unsigned int leaf;		/* that must be called for one SPTE only */
};

/*
 * The first vCPU is in the TDX module for an SPTE that the other needs: that
 * looks again and again, and does not go to the module for it.
 */
static void frozen(const struct test *t)
{
	const struct frozen *f = t->tc->arg;
	struct fixture td = td_fixture(t, 2 * SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);
	unsigned long calls, retries = 0;
	struct prefault *first, *loser;
	struct hold *hold, *faults;
	const struct event *ev;
	size_t nr;

	td_finalize(td.vm);
	/* All tables, or all but the last. */
	prefault(td.vcpu, f->same_gfn ? GPA : GPA + SZ_2M, SZ_4K);
	calls = softtdx_calls(f->leaf, 0);
	observer_clear(td.o);

	hold = hold_arm(.function = f->function, .at = HOLD_ENTRY);
	first = prefault_start(td.vcpu, GPA + SZ_4K, SZ_4K);
	hold_await(hold);
	faults = hold_arm(.function = "kvm_tdp_mmu_map", .at = HOLD_COUNT);
	loser = prefault_start(other, GPA + (f->same_gfn ? 1 : 2) * SZ_4K, SZ_4K);
	hold_await_calls(faults, 5, "five looks of the other vCPU");
	hold_release(hold);
	prefault_end(first);
	prefault_end(loser);
	hold_end(hold);
	hold_end(faults);

	expect_eq(softtdx_calls(f->leaf, 0) - calls, 1,
		  "SEAMCALLs for the SPTE that both need");
	ev = observer_events(td.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (ev[i].type != EV_FAULT || ev[i].ret != PF_RETRY)
			continue;
		expect_true(ev[i].pid == thread_tid(loser->thread),
			    "the vCPU that froze the SPTE does not look again");
		retries++;
	}
	expect_true(retries >= 4, "the other one looks again while the SPTE is frozen");
	expect_td_mapped(&td, GPA + SZ_4K, f->same_gfn ? 1 : 2, SEPT_PENDING);
	measure("retries", retries);
	race_cell_hit((struct race_cell){ f->window, t->tc->name, "prefault_private.tdx" }, retries,
		 "one_seamcall");
}

static const struct frozen
	f_leaf = { "frozen_leaf", "tdh_mem_page_aug", true, TDH_MEM_PAGE_AUG },
	f_table = { "frozen_table", "tdh_mem_sept_add", false, TDH_MEM_SEPT_ADD };

/* The table is in, the leaf is not: nobody has to wait for that. */
static void sept_added(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);
	struct prefault *first;
	unsigned long tables;
	struct hold *hold;

	td_finalize(td.vm);
	tables = softtdx_calls(TDH_MEM_SEPT_ADD, 0);
	hold = hold_arm(.function = "tdp_mmu_link_sp", .at = HOLD_RETURN);
	first = prefault_start(td.vcpu, GPA + SZ_4K, SZ_4K);
	hold_await(hold);
	prefault(other, GPA + 2 * SZ_4K, SZ_4K);
	prefault(other, GPA + SZ_4K, SZ_4K);
	hold_release(hold);
	prefault_end(first);
	hold_end(hold);
	expect_eq(observer_retries(td.o), 0, "RET_PF_RETRYs");
	expect_eq(softtdx_calls(TDH_MEM_SEPT_ADD, 0) - tables, 3, "tables of the first 2M of a TD");
	expect_td_mapped(&td, GPA + SZ_4K, 2, SEPT_PENDING);
	race_cell_hit((struct race_cell){ "sept_added", "other_vcpu", "prefault_private.tdx" }, 0, "set_once");
}

static int punch_first_page(void *slot)
{
	mem_punch_hole(((struct slot *)slot)->gmem, 0, SZ_4K);
	return 0;
}

/* Zap against map: the hole waits for mmu_lock, whatever the module is asked for. */
static void zap_waits(const struct test *t)
{
	const struct frozen *f = t->tc->arg;
	struct fixture td = td_fixture_final(t, 2 * SZ_2M);
	const u64 gpa = f->same_gfn ? GPA + SZ_4K : GPA + SZ_2M;
	struct hold *hold, *on_its_way;
	struct prefault *map;
	struct thread *zapper;

	prefault(td.vcpu, GPA, SZ_4K);
	observer_clear(td.o);
	on_its_way = hold_arm(.function = "kvm_gmem_fallocate", .at = HOLD_COUNT);
	hold = hold_arm(.function = f->function, .at = HOLD_ENTRY, .until = on_its_way);
	map = prefault_start(td.vcpu, gpa, SZ_4K);
	hold_await(hold);
	zapper = thread_start(punch_first_page, td.slot);
	prefault_end(map);
	thread_join(zapper, "the hole");
	hold_end(hold);
	hold_end(on_its_way);
	expect_eq(observer_retries(td.o), 0, "RET_PF_RETRYs");
	expect_td_unmapped(&td, GPA, 1);
	expect_td_mapped(&td, gpa, 1, SEPT_PENDING);
	race_cell_waits((struct race_cell){ f->window, "punch_other", "prefault_private.tdx" }, "mmu_lock");
}

#define TD	.vm_types = VM_TDX, .cpus = 2, \
		.needs_softtdx = true, .needs_sept = true, .needs_hold = true, .observes = OBSERVE_MAPPING

static const struct test_case cases[] = {
	{ "dontneed_shared-add", "MADV_DONTNEED of the shared half while a page is added",
	  add_windows, &i_dontneed_shared, TD },
	{ "write_source-add", "the source is written to while the page is added", add_windows,
	  &i_write_source, TD },
	{ "punch-add", "a hole at the page that is being added", add_windows, &i_punch, TD },
	{ "attribute-add", "the gfn that is being added becomes shared", add_windows, &i_shared,
	  TD },
	{ "delete_slot-add", "the slot is deleted while a page is added", add_windows, &i_delete,
	  TD },
	{ "signal-add", "a signal while a page is added", add_windows, &i_signal, TD },
	{ "signal_dontneed-add", "a signal and MADV_DONTNEED while a page is added", add_windows,
	  &i_signal_dontneed, TD },

	{ "same_leaf", "two vCPUs, one gfn: one TDH.MEM.PAGE.AUG", frozen, &f_leaf, TD },
	{ "same_table", "two vCPUs, one new table: one TDH.MEM.SEPT.ADD", frozen, &f_table, TD },
	{ "sept_added", "a vCPU between its table and its leaf keeps nobody", sept_added, TD },
	{ "zap_leaf", "a hole while another leaf is put in", zap_waits, &f_leaf, TD },
	{ "zap_table", "a hole while a table is put in", zap_waits, &f_table, TD },
};

TEST_MAIN("race windows between a private page and the Secure EPT", cases)
