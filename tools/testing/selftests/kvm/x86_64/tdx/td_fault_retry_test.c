// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's own fault on private memory, met by an invalidation: KVM tries again
 * inside of the exit handler, as often as it has to, and leaves it for a signal,
 * for a slot that is going away, and for what user space has to decide
 * (tdx_handle_ept_violation() in arch/x86/kvm/vmx/tdx.c).
 *
 * The guest accepts a page that is not there; the thread of its vCPU is held
 * after it looked for the page, before it takes mmu_lock.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flood.h"
#include "hold.h"
#include "guest_vm.h"
#include "rng.h"
#include "softtdx_ctl.h"
#include "observe/spte_map.h"
#include "vm_thread.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define PAGE(n)		(GPA + (n) * SZ_4K)
#define TDH_VP_ENTER	0

/* --- invalidations in the window ------------------------------------------------- */

struct scene {
	struct guest_vm p;
	struct hold *hold;
	struct thread *runner;
	int ret, err;		/* of KVM_RUN */
	u64 exits;		/* before the fault */
};

/* Of the guest's own doing: interrupts of the host don't count. */
static u64 exits_of(struct vcpu *vcpu)
{
	return vcpu_stat(vcpu, "exits") - vcpu_stat(vcpu, "irq_exits");
}

static int run_vcpu(void *arg)
{
	return __guest_run(arg);
}

static void on_signal(int nr)
{
	(void)nr;
}

/* The guest's fault at GPA, held @times in a row. */
static struct scene open_window(const struct test *t, const char *function, enum hold_at at,
				unsigned int times)
{
	struct scene s = { .p = guest_vm_single(t, guest_cmd_loop, 0, SLOT_SIZE) };

	signal(SIGUSR1, on_signal);
	guest_cmd_queue(s.p.vcpu[0], CMD_ACCEPT, GPA, 0);
	s.exits = exits_of(s.p.vcpu[0]);
	observer_clear(s.p.o);
	s.hold = hold_arm(.function = function, .at = at, .times = times);
	s.runner = thread_start(run_vcpu, s.p.vcpu[0]);
	hold_await(s.hold);
	return s;
}

/* The window has been closed: what the vCPU did then. */
static void await_exit(struct scene *s)
{
	s->ret = thread_join(s->runner, "KVM_RUN after the window");
	s->err = errno;
	hold_end(s->hold);
}

static void close_window(struct scene *s)
{
	hold_release(s->hold);
	await_exit(s);
}

static void expect_retried(struct scene *s, unsigned long retries)
{
	expect_eq(observer_retries(s->p.o), retries, "RET_PF_RETRYs of gfn 0x%llx",
		  GFN);
}

/* The message that KVM_RUN ended with, and those after it: the accept succeeded. */
static void expect_accepted(struct scene *s)
{
	struct fixture td = guest_vm_fixture(&s->p);

	errno = s->err;
	expect_ok(s->ret, "KVM_RUN (%s)", exit_text(s->p.vcpu[0]));
	expect_eq(s->p.vcpu[0]->run->exit_reason, KVM_EXIT_IO, "exit reason");
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	/* It goes on. */
	guest_cmd(s->p.vcpu[0], CMD_WRITE, GPA, 5);
	expect_eq(guest_cmd(s->p.vcpu[0], CMD_READ, GPA, 0), 5, "what the guest wrote and reads");
}

/* One for the fault, however often KVM tried, and one for the message. */
static void expect_no_more_exits(struct scene *s)
{
	expect_eq(exits_of(s->p.vcpu[0]) - s->exits, 2, "exits of vCPU 0");
}

static void expect_fault_exit(struct scene *s)
{
	errno = s->err;
	expect_memory_fault(s->p.vcpu[0], s->ret, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/* What happens in the window, and how often KVM then looks again. */
struct invalidation {
	void (*act)(struct guest_vm *p);
	unsigned long retries;
};

static void punch(struct guest_vm *p)
{
	mem_punch_hole(p->slot->gmem, 0, SZ_4K);
}

static void punch_other(struct guest_vm *p)
{
	mem_punch_hole(p->slot->gmem, SZ_2M, SZ_4K);
}

static void drop_shared(struct guest_vm *p)
{
	must(!madvise(p->slot->mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void flip_attributes(struct guest_vm *p)
{
	vm_set_shared(p->vm, GPA, SZ_4K);
	vm_set_private(p->vm, GPA, SZ_4K);
}

static void nothing(struct guest_vm *p)
{
	(void)p;
}

static const struct invalidation inv_nothing = { nothing, 0 }, inv_punch = { punch, 1 },
	inv_punch_other = { punch_other, 1 }, inv_drop_shared = { drop_shared, 1 },
	inv_flip = { flip_attributes, 1 };

static void invalidated(const struct test *t)
{
	const struct invalidation *inv = t->tc->arg;
	struct scene s = open_window(t, "kvm_mmu_faultin_pfn", HOLD_RETURN, 1);

	mem_touch(s.p.slot->mem->hva, SZ_4K);
	inv->act(&s.p);
	close_window(&s);
	expect_retried(&s, inv->retries);
	expect_no_more_exits(&s);
	expect_accepted(&s);
	expect_eq(seamcalls_of(s.p.o, TDH_MEM_PAGE_AUG), 1, "pages that KVM added");
}

#define AGAIN	3

static void await_retries(struct scene *s, unsigned long retries)
{
	double deadline = now() + 5;

	while (observer_retries(s->p.o) < retries)
		expect_true(now() < deadline, "RET_PF_RETRY %lu comes", retries);
}

/* Each look is met by an invalidation: KVM stays in the handler. */
static void again_and_again(const struct test *t)
{
	struct scene s = open_window(t, "kvm_mmu_faultin_pfn", HOLD_RETURN, AGAIN);

	for (unsigned long i = 0; i < AGAIN; i++) {
		await_retries(&s, i);
		hold_await(s.hold);
		punch(&s.p);
		hold_release(s.hold);
	}
	await_exit(&s);
	expect_retried(&s, AGAIN);
	expect_no_more_exits(&s);
	expect_accepted(&s);
}

static void becomes_shared(const struct test *t)
{
	struct scene s = open_window(t, "kvm_mmu_faultin_pfn", HOLD_RETURN, 1);

	vm_set_shared(s.p.vm, GPA, SZ_4K);
	close_window(&s);
	expect_retried(&s, 1);
	expect_fault_exit(&s);
	vm_set_private(s.p.vm, GPA, SZ_4K);
	s.ret = __guest_run(s.p.vcpu[0]);
	expect_accepted(&s);
}

/* The loop ends for a signal; the guest executes its instruction again later. */
static void signal_and_invalidation(const struct test *t)
{
	struct scene s = open_window(t, "kvm_mmu_faultin_pfn", HOLD_RETURN, 1);

	syscall(SYS_tgkill, getpid(), thread_tid(s.runner), SIGUSR1);
	punch(&s.p);
	close_window(&s);
	errno = s.err;
	expect_errno(s.ret, EINTR, "KVM_RUN");
	expect_retried(&s, 1);
	expect_eq(seamcalls_of(s.p.o, TDH_MEM_PAGE_AUG), 0, "pages that KVM added");
	s.ret = __guest_run(s.p.vcpu[0]);
	expect_accepted(&s);
}

/* Without an invalidation the page is added in spite of the signal. */
static void signal_only(const struct test *t)
{
	struct scene s = open_window(t, "kvm_mmu_faultin_pfn", HOLD_RETURN, 1);

	syscall(SYS_tgkill, getpid(), thread_tid(s.runner), SIGUSR1);
	close_window(&s);
	errno = s.err;
	expect_errno(s.ret, EINTR, "KVM_RUN");
	expect_retried(&s, 0);
	expect_eq(seamcalls_of(s.p.o, TDH_MEM_PAGE_AUG), 1, "pages that KVM added");
	s.ret = __guest_run(s.p.vcpu[0]);
	expect_accepted(&s);
}

/*
 * The deletion waits until the vCPU leaves: KVM must not try again for ever. Held before the
 * fault looks up its slot.
 */
static void slot_goes(const struct test *t)
{
	struct scene s = open_window(t, "kvm_mmu_page_fault", HOLD_ENTRY, 1);
	struct thread *deleter = slot_delete_start(s.p.slot);

	expect_true(tid_sleeps_in(thread_tid(deleter), "srcu", 5),
		    "the deletion waits for the vCPU");
	hold_release(s.hold);
	if (!thread_ended(s.runner, 2) && tid_sleeps_in(thread_tid(deleter), "srcu", 0))
		xfail("E2", "KVM_RUN did not end within 2 s, and the deletion waits");
	await_exit(&s);
	expect_ok(thread_join(deleter, "the deletion"), "the deletion");
	expect_true(observer_retries(s.p.o) > 0, "the fault saw the slot that goes");
	expect_fault_exit(&s);
}

/* Another vCPU is faster: nothing is left to do, and nothing is added twice. */
static void other_vcpu_maps(const struct test *t)
{
	struct scene s = { .p = guest_vm_create(t, (struct guest_vm_config){ .fn = { guest_cmd_loop, guest_cmd_loop },
								  .size = SLOT_SIZE }) };

	guest_cmd_queue(s.p.vcpu[0], CMD_ACCEPT, GPA, 0);
	s.exits = exits_of(s.p.vcpu[0]);
	observer_clear(s.p.o);
	s.hold = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_RETURN);
	s.runner = thread_start(run_vcpu, s.p.vcpu[0]);
	hold_await(s.hold);
	prefault(s.p.vcpu[1], GPA, SZ_4K);
	close_window(&s);
	expect_eq(seamcalls_of(s.p.o, TDH_MEM_PAGE_AUG), 1, "pages that KVM added");
	expect_accepted(&s);
}

/* --- a busy module ----------------------------------------------------------------- */

struct busy {
	unsigned int leaf;
	const char *status;
	unsigned int times;
	unsigned long retries;
};
#define BUSY_TIMES	5
static const struct busy
	busy_aug = { TDH_MEM_PAGE_AUG, "TDX_OPERAND_BUSY|0x92", BUSY_TIMES, BUSY_TIMES },
	busy_sept = { TDH_MEM_SEPT_ADD, "TDX_OPERAND_BUSY|0x92", BUSY_TIMES, BUSY_TIMES },
	zero_step = { TDH_VP_ENTER, "TDX_OPERAND_BUSY|0x92", BUSY_TIMES, 0 },
	busy_epoch = { TDH_VP_ENTER, "TDX_OPERAND_BUSY|0xa9", BUSY_TIMES, 0 };

static void busy(const struct test *t)
{
	const struct busy *b = t->tc->arg;
	struct scene s = { .p = guest_vm_single(t, guest_cmd_loop, 0, SLOT_SIZE) };

	guest_cmd_queue(s.p.vcpu[0], CMD_ACCEPT, GPA, 0);
	s.exits = exits_of(s.p.vcpu[0]);
	observer_clear(s.p.o);
	softtdx_inject(b->leaf, b->status, b->times);
	s.ret = __guest_run(s.p.vcpu[0]);
	s.err = errno;
	expect_eq(softtdx_injected(), b->times, "calls that were busy");
	expect_retried(&s, b->retries);
	if (b->retries)
		expect_no_more_exits(&s);
	expect_accepted(&s);
}

/* --- many ------------------------------------------------------------------------ */

static void start_flood(struct flood *f, const struct test *t)
{
	flood_create(f, t);
	vm_set_shared(f->p.vm, FLOOD_STOP_GPA, SZ_4K);
	memset(f->p.slot->mem->hva, 0, FLOOD_SIZE);
	flood_start(f);
}

#define HOLES	200

/* Pages that were mapped, or unmapped, since the observer began: as the mirror tells. */
static unsigned long count_leaves(struct observer *o, bool mapped)
{
	const struct event *ev;
	unsigned long count = 0;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++) {
		u64 with = mapped ? ev[i].new_spte : ev[i].old_spte;
		u64 without = mapped ? ev[i].old_spte : ev[i].new_spte;

		count += ev[i].type == EV_SPTE && ev[i].level == LEVEL_4K &&
			 spte_is_present(with) && !spte_is_present(without);
	}
	return count;
}

static void holes(const struct test *t)
{
	struct flood x;
	double deadline = now() + 15;
	unsigned long added;

	start_flood(&x, t);
	for (unsigned long i = 0; i < HOLES; i++) {
		mem_punch_hole(x.p.slot->gmem, i % FLOOD_PAGES * SZ_4K, SZ_4K);
		while (count_leaves(x.p.o, false) + 4 < i)
			expect_true(now() < deadline, "hole %lu meets a page", i);
	}
	flood_stop(&x);
	added = count_leaves(x.p.o, true);
	expect_true(added >= HOLES / 2, "most holes were filled again (%lu pages added)", added);
	measure("pages", added);
}

static void invalidate_at_random(struct guest_vm *p, u64 *state)
{
	u64 page = random_below(state, FLOOD_PAGES);
	u64 pages = 1 + random_below(state, 4);

	if (page + pages > FLOOD_PAGES)
		pages = FLOOD_PAGES - page;
	if (random_below(state, 3))
		mem_punch_hole(p->slot->gmem, page * SZ_4K, pages * SZ_4K);
	else
		vm_set_shared(p->vm, PAGE(page), pages * SZ_4K);
}

/* As long as .arg says, in seconds. */
static void flood_for(const struct test *t)
{
	double deadline = now() + *(const double *)t->tc->arg;
	struct flood x;
	u64 state = t->seed;
	unsigned long done = 0;

	start_flood(&x, t);
	for (; now() < deadline; done++)
		invalidate_at_random(&x.p, &state);
	flood_stop(&x);
	expect_true(x.f[0].memory_faults + x.f[1].memory_faults > 0,
		    "guests met pages that had become shared");
	measure("invalidations", done);
	measure("memory_faults", x.f[0].memory_faults + x.f[1].memory_faults);
}
static const double short_flood = 10, long_flood = 600;

#define TD		.vm_types = VM_TDX
#define WINDOW(fn, text, ...)							\
	{ #fn, text, fn, TD, .needs_sept = true, .needs_hold = true, .cpus = 2,		\
	  .observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL), ##__VA_ARGS__ }
#define INVALIDATED(name, text, inv)						\
	{ name, text, invalidated, &inv, TD, .needs_sept = true, .needs_hold = true, .cpus = 2, \
	  .observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL) }
#define BUSY(name, text, arg)							\
	{ name, text, busy, &arg, TD, .needs_sept = true, .needs_softtdx = true,		\
	  .observes = OBSERVE_MAPPING }

static const struct test_case cases[] = {
	INVALIDATED("undisturbed", "no invalidation: no retry", inv_nothing),
	INVALIDATED("punched", "a hole at the page: one retry", inv_punch),
	INVALIDATED("punched_elsewhere", "a hole elsewhere: one retry", inv_punch_other),
	INVALIDATED("shared_half_dropped", "MADV_DONTNEED of the shared half: one retry",
		    inv_drop_shared),
	INVALIDATED("attributes_flipped", "shared and private again: one retry", inv_flip),
	WINDOW(again_and_again, "a hole at each look: as many retries, no exit"),
	WINDOW(becomes_shared, "the page becomes shared: one retry, KVM_EXIT_MEMORY_FAULT"),
	WINDOW(signal_and_invalidation, "a signal ends the loop: EINTR, nothing added"),
	WINDOW(signal_only, "a signal without invalidation: EINTR, the page is added"),
	WINDOW(slot_goes, "the slot is deleted: the vCPU lets it, KVM_EXIT_MEMORY_FAULT"),
	WINDOW(other_vcpu_maps, "another vCPU maps the page: it is added once"),
	BUSY("busy_aug", "PAGE.AUG busy: a retry each", busy_aug),
	BUSY("busy_sept_add", "SEPT.ADD busy: a retry each", busy_sept),
	BUSY("zero_step", "VP.ENTER busy for the Secure EPT: entered again", zero_step),
	BUSY("busy_epoch", "VP.ENTER busy for the epoch: entered again", busy_epoch),
	{ "holes", "200 holes under two vCPUs that run", holes, TD, .cpus = 2,
	  .observes = OBSERVE(EV_SPTE), .time_limit_s = 40 },
	{ "flood", "10 s of faults and invalidations", flood_for, &short_flood, TD, .cpus = 2,
	  .time_limit_s = 40 },
	{ "flood_long", "10 minutes of faults and invalidations", flood_for, &long_flood, TD,
	  .cpus = 2, .nightly = true, .time_limit_s = 800 },
};

TEST_MAIN("Faults of a TD's guest and invalidations", cases)
