// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's own fault on private memory that meets an invalidation: KVM retries inside
 * of the exit handler, as often as it has to, and returns for a signal, for a slot that
 * is being deleted, and for what user space has to decide
 * (tdx_handle_ept_violation() in arch/x86/kvm/vmx/tdx.c).
 *
 * The guest accepts a page that is not mapped; the thread of its vCPU is held after it
 * looked up the page, before it takes mmu_lock.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flood.h"
#include "guest_vm.h"
#include "held_call.h"
#include "rng.h"
#include "softtdx_ctl.h"
#include "observe/spte_map.h"
#include "vm_thread.h"

#define SLOT_SIZE	(2 * SZ_2M)

struct scene {
	struct guest_vm p;
	struct held_call run;	/* KVM_RUN */
	u64 exits;		/* before the fault */
};

/* The guest's own: interrupts of the host don't count. */
static u64 exits_of(struct vcpu *vcpu)
{
	return vcpu_stat(vcpu, "exits") - vcpu_stat(vcpu, "irq_exits");
}

static int run_vcpu(void *arg)
{
	return __guest_run(arg);
}

/* The guest will accept the page at GPA when it runs. */
static void queue_accept(struct scene *s)
{
	guest_cmd_queue(s->p.vcpu[0], CMD_ACCEPT, GPA, 0);
	s->exits = exits_of(s->p.vcpu[0]);
	observer_clear(s->p.o);
}

static void run_again(struct scene *s)
{
	s->run.ret = __guest_run(s->p.vcpu[0]);
	s->run.err = errno;
}

static struct scene open_window(const struct test *t, struct hold_args where)
{
	struct scene s = { .p = guest_vm_single(t, guest_cmd_loop, 0, SLOT_SIZE) };

	catch_signal(SIGUSR1);
	queue_accept(&s);
	s.run = held_call_open(where, run_vcpu, s.p.vcpu[0]);
	return s;
}

/* The page was looked up, mmu_lock is not taken yet. */
#define AFTER_LOOKUP(...)	\
	((struct hold_args){ .function = "kvm_mmu_faultin_pfn", .at = HOLD_RETURN, ##__VA_ARGS__ })

static void close_window(struct scene *s)
{
	held_call_close(&s->run, "KVM_RUN after the window");
}

static void expect_run_errno(const struct scene *s, int error)
{
	errno = s->run.err;
	expect_errno(s->run.ret, error, "KVM_RUN (%s)", exit_text(s->p.vcpu[0]));
}

/* By KVM's mirror of the Secure EPT, and by the calls where the host shows them. */
static void expect_pages_added(struct scene *s, unsigned long pages)
{
	expect_eq(observer_times_set(s->p.o, GPA >> 12, LEVEL_4K), pages,
		  "times that the SPTE of gfn 0x%llx was set", GPA >> 12);
	expect_seamcalls_of(s->p.o, TDH_MEM_PAGE_AUG, pages, "TDH.MEM.PAGE.AUGs");
}

/* KVM_RUN ended with the guest's message: the accept succeeded, and the page is usable. */
static void expect_accepted(struct scene *s)
{
	struct fixture td = guest_vm_fixture(&s->p);

	expect_run_errno(s, 0);
	expect_eq(s->p.vcpu[0]->run->exit_reason, KVM_EXIT_IO, "exit reason");
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	guest_cmd(s->p.vcpu[0], CMD_WRITE, GPA, 5);
	expect_eq(guest_cmd(s->p.vcpu[0], CMD_READ, GPA, 0), 5, "what the guest wrote and reads");
}

/* One for the fault, however often KVM retried it, and one for the message. */
static void expect_two_exits(struct scene *s)
{
	expect_eq(exits_of(s->p.vcpu[0]) - s->exits, 2, "exits of vCPU 0");
}

static void expect_fault_exit(struct scene *s)
{
	errno = s->run.err;
	expect_memory_fault(s->p.vcpu[0], s->run.ret, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

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

#define FAULT_CASE .vm_types = VM_TDX, .observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL), \
		   .needs_hold = true, .uses_sept = true, .cpus = 2

/* One invalidation in the window, .arg, or none: one retry, or none. */
static void invalidated(const struct test *t)
{
	void (*act)(struct guest_vm *p) = t->tc->arg;
	struct scene s = open_window(t, AFTER_LOOKUP());

	mem_touch(s.p.slot->mem->hva, SZ_4K);
	if (act)
		act(&s.p);
	close_window(&s);
	expect_retries(s.p.o, act != NULL);
	expect_two_exits(&s);
	expect_accepted(&s);
	expect_pages_added(&s, 1);
}

CASES(invalidated,
	{ "undisturbed", "no invalidation: no retry", FAULT_CASE },
	{ "punched", "PUNCH_HOLE of the page: one retry", .arg = punch, FAULT_CASE },
	{ "punched_elsewhere", "PUNCH_HOLE of another page: one retry", .arg = punch_other,
	  FAULT_CASE },
	{ "shared_half_dropped", "MADV_DONTNEED of the shared half: one retry",
	  .arg = drop_shared, FAULT_CASE },
	{ "attributes_flipped", "shared and private again: one retry", .arg = flip_attributes,
	  FAULT_CASE })

#define AGAIN	3

CASE(again_and_again, "PUNCH_HOLE at each of three lookups: three retries, no exit", FAULT_CASE)
{
	struct scene s = open_window(t, AFTER_LOOKUP(.times = AGAIN));

	for (unsigned long i = 0; i < AGAIN; i++) {
		expect_soon(observer_retries(s.p.o) >= i, 5, "RET_PF_RETRY %lu comes", i);
		hold_await(s.run.hold);
		punch(&s.p);
		hold_release(s.run.hold);
	}
	held_call_join(&s.run, "KVM_RUN after the windows");
	hold_end(s.run.hold);
	expect_retries(s.p.o, AGAIN);
	expect_two_exits(&s);
	expect_accepted(&s);
}

CASE(becomes_shared, "the page becomes shared: one retry, KVM_EXIT_MEMORY_FAULT", FAULT_CASE)
{
	struct scene s = open_window(t, AFTER_LOOKUP());

	vm_set_shared(s.p.vm, GPA, SZ_4K);
	close_window(&s);
	expect_retries(s.p.o, 1);
	expect_fault_exit(&s);
	vm_set_private(s.p.vm, GPA, SZ_4K);
	run_again(&s);
	expect_accepted(&s);
}

/* The signal ends the loop; the guest executes its instruction again later. */
CASE(signal_and_invalidation, "a signal and PUNCH_HOLE: one retry, EINTR, no page added",
	FAULT_CASE)
{
	struct scene s = open_window(t, AFTER_LOOKUP());

	thread_signal(s.run.thread, SIGUSR1);
	punch(&s.p);
	close_window(&s);
	expect_run_errno(&s, EINTR);
	expect_retries(s.p.o, 1);
	expect_pages_added(&s, 0);
	run_again(&s);
	expect_accepted(&s);
}

CASE(signal_only, "a signal without invalidation: the page is added, then EINTR", FAULT_CASE)
{
	struct scene s = open_window(t, AFTER_LOOKUP());

	thread_signal(s.run.thread, SIGUSR1);
	close_window(&s);
	expect_run_errno(&s, EINTR);
	expect_retries(s.p.o, 0);
	expect_pages_added(&s, 1);
	run_again(&s);
	expect_accepted(&s);
}

/*
 * The deletion waits until the vCPU leaves KVM, which must not go on retrying.  The vCPU is
 * held before the fault looks up its slot.
 */
CASE(slot_goes, "the slot is being deleted: KVM_EXIT_MEMORY_FAULT, so that the deletion ends",
	.xfail = "E2", FAULT_CASE, .xfail_in_body = true)
{
	struct scene s = open_window(t, (struct hold_args){ .function = "kvm_mmu_page_fault",
							    .at = HOLD_ENTRY });
	struct thread *deleter = slot_delete_start(s.p.slot);
	unsigned long before;

	expect_true(tid_sleeps_in(thread_tid(deleter), "srcu", 5),
		    "the deletion waits for the vCPU");
	before = observer_recorded(s.p.o);
	hold_release(s.run.hold);
	while (!thread_ended(s.run.thread, 2) && tid_sleeps_in(thread_tid(deleter), "srcu", 0))
		if (observer_recorded(s.p.o) - before >= LOOP_RECORDS)
			xfail("E2", "KVM_RUN retries without end, and the deletion waits");
	held_call_join(&s.run, "KVM_RUN after the window");
	hold_end(s.run.hold);
	expect_ok(thread_join(deleter, "the deletion"), "the deletion");
	expect_true(observer_retries(s.p.o) > 0, "the fault saw the slot that is being deleted");
	expect_fault_exit(&s);
}

CASE(other_vcpu_maps, "another vCPU maps the page first: it is added once", FAULT_CASE)
{
	struct guest_vm_config config = { .fn = { guest_cmd_loop, guest_cmd_loop },
					  .size = SLOT_SIZE };
	struct scene s = { .p = guest_vm_create(t, config) };

	queue_accept(&s);
	s.run = held_call_open(AFTER_LOOKUP(), run_vcpu, s.p.vcpu[0]);
	prefault(s.p.vcpu[1], GPA, SZ_4K);
	close_window(&s);
	expect_pages_added(&s, 1);
	expect_accepted(&s);
}

/* A SEAMCALL that the TDX module answers with busy: KVM repeats the fault, or the entry. */
struct busy {
	unsigned int leaf;
	const char *status;
	bool retries;			/* a RET_PF_RETRY each */
};

#define BUSY_TIMES	5

static void busy(const struct test *t)
{
	const struct busy *b = t->tc->arg;
	struct scene s = { .p = guest_vm_single(t, guest_cmd_loop, 0, SLOT_SIZE) };

	queue_accept(&s);
	softtdx_inject(b->leaf, b->status, BUSY_TIMES);
	run_again(&s);
	expect_eq(softtdx_injected(), BUSY_TIMES, "calls that were busy");
	expect_retries(s.p.o, b->retries ? BUSY_TIMES : 0);
	if (b->retries)
		expect_two_exits(&s);
	expect_accepted(&s);
}

#define BUSY_CASE .vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_sept = true, \
		  .needs_softtdx = true

CASES(busy,
	{ "busy_aug", "TDH.MEM.PAGE.AUG busy: a retry each",
	  .arg = &(const struct busy){ TDH_MEM_PAGE_AUG, "TDX_OPERAND_BUSY|0x92", true },
	  BUSY_CASE },
	{ "busy_sept_add", "TDH.MEM.SEPT.ADD busy: a retry each",
	  .arg = &(const struct busy){ TDH_MEM_SEPT_ADD, "TDX_OPERAND_BUSY|0x92", true },
	  BUSY_CASE },
	{ "zero_step", "TDH.VP.ENTER busy for the Secure EPT: entered again",
	  .arg = &(const struct busy){ TDH_VP_ENTER, "TDX_OPERAND_BUSY|0x92", false },
	  BUSY_CASE },
	{ "busy_epoch", "TDH.VP.ENTER busy for the epoch: entered again",
	  .arg = &(const struct busy){ TDH_VP_ENTER, "TDX_OPERAND_BUSY|0xa9", false },
	  BUSY_CASE })

static void start_flood(struct flood *f, const struct test *t)
{
	flood_create(f, t);
	vm_set_shared(f->p.vm, FLOOD_STOP_GPA, SZ_4K);
	memset(f->p.slot->mem->hva, 0, FLOOD_SIZE);
	flood_start(f);
}

/* 4K leaves of the mirror that were set, or zapped, since the observer began. */
static unsigned long count_leaves(struct observer *o, bool set)
{
	const struct event *ev;
	unsigned long count = 0;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++) {
		u64 with = set ? ev[i].new_spte : ev[i].old_spte;
		u64 without = set ? ev[i].old_spte : ev[i].new_spte;

		count += ev[i].type == EV_SPTE && ev[i].level == LEVEL_4K &&
			 spte_is_present(with) && !spte_is_present(without);
	}
	return count;
}

#define HOLES	200

CASE(punch_200_holes, "200 holes below two vCPUs that run: most are filled again",
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .cpus = 2, .time_limit_s = 40)
{
	unsigned long added;
	struct flood x;

	start_flood(&x, t);
	for (unsigned long i = 0; i < HOLES; i++) {
		mem_punch_hole(x.p.slot->gmem, i % FLOOD_PAGES * SZ_4K, SZ_4K);
		expect_soon(count_leaves(x.p.o, false) + 4 >= i, 5, "hole %lu meets a page", i);
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
		vm_set_shared(p->vm, GPA + page * SZ_4K, pages * SZ_4K);
}

/* For .param seconds. */
static void flood_for(const struct test *t)
{
	double deadline = now() + t->tc->param;
	unsigned long done = 0;
	u64 state = t->seed;
	struct flood x;

	start_flood(&x, t);
	for (; now() < deadline; done++)
		invalidate_at_random(&x.p, &state);
	flood_stop(&x);
	expect_true(x.f[0].memory_faults + x.f[1].memory_faults > 0,
		    "guests met pages that had become shared");
	measure("invalidations", done);
	measure("memory_faults", x.f[0].memory_faults + x.f[1].memory_faults);
}

CASES(flood_for,
	{ "flood", "10 s of faults and invalidations", .param = 10, .vm_types = VM_TDX,
	  .cpus = 2, .time_limit_s = 40 },
	{ "flood_long", "10 minutes of faults and invalidations", .param = 600,
	  .vm_types = VM_TDX, .cpus = 2, .time_limit_s = 800, .nightly = true })

TEST_MAIN("faults of a TD's guest that meet invalidations")
