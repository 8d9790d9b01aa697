// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest accepts its memory (TDG.MEM.PAGE.ACCEPT): what is not mapped becomes
 * an EPT violation, KVM adds the page (TDH.MEM.PAGE.AUG), which is pending,
 * and the guest accepts it; tdx_handle_ept_violation() in
 * arch/x86/kvm/vmx/tdx.c. What a guest touches before it accepted it kills the
 * TD, or tells the guest (#VE), as the TD's SEPT_VE_DISABLE attribute says.
 *
 * Nothing here needs more than a TDX host; the Secure EPT is a witness more, where
 * it is shown.
 */
#include <string.h>

#include "guest_vm.h"
#include "observe/spte_map.h"
#include "thread.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define PAGE(n)		(GPA + (n) * SZ_4K)

static struct guest_vm obeying(const struct test *t, bool ve)
{
	guest_on_ve = ve ? accept_on_ve : NULL;
	return guest_vm_create(t, (struct guest_vm_config){ .fn = { guest_cmd_loop }, .size = SLOT_SIZE, .ve = ve });
}

#define expect_state(p, gpa, state) \
	expect_sept((p)->vm, gpa, LEVEL_4K, state, PFN_ANY)

#define expect_accepts(p, gpa)							\
	do {									\
		expect_eq(guest_cmd((p)->vcpu[0], CMD_ACCEPT, gpa, 0), 0,		\
			  "status of accepting gpa 0x%llx", (gpa));	\
		expect_state(p, gpa, SEPT_MAPPED);				\
	} while (0)

/* The guest and the TDX module did it without the host. */
static void expect_undisturbed(struct observer *o)
{
	expect_eq(observer_faults(o), 0, "faults");
	expect_eq(observer_count(o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_no_seamcalls(o);
}

/* --- accept -------------------------------------------------------------------- */

static void untouched(const struct test *t)
{
	struct guest_vm p = obeying(t, false);
	struct fixture td = guest_vm_fixture(&p);

	expect_td_unmapped(&td, GPA, 1);
	expect_accepts(&p, GPA);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_seamcalls_of(p.o, TDH_MEM_PAGE_AUG, 1, "TDH.MEM.PAGE.AUGs");
	expect_eq(observer_count(p.o, EV_FAULT, PF_FIXED), 1, "faults");
	expect_td_unmapped(&td, PAGE(1), 1);
}

static void prefaulted(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	prefault(p.vcpu[0], GPA, SZ_4K);
	expect_state(&p, GPA, SEPT_PENDING);
	observer_clear(p.o);
	expect_accepts(&p, GPA);
	expect_undisturbed(p.o);
}

static void content_is_zero(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	expect_accepts(&p, GPA);
	expect_eq(guest_cmd(p.vcpu[0], CMD_SUM, GPA, 0), 0, "sum of the page's words");
}

static void is_usable(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	expect_accepts(&p, PAGE(3));
	guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(3), 0x12345678);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, PAGE(3), 0), 0x12345678, "what was written");
	guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(3), 0xc3);	/* RET */
	guest_cmd(p.vcpu[0], CMD_EXECUTE, PAGE(3), 0);
}

static void twice(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	expect_accepts(&p, GPA);
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 77);
	observer_clear(p.o);
	expect_eq(TDCALL_STATUS(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0)), TDX_PAGE_ALREADY_ACCEPTED,
		  "status of the second accept");
	expect_undisturbed(p.o);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 77, "what was written in between");
}

/* Pages of the beginning are accepted already. */
static void added_page(const struct test *t)
{
	u64 *source = (u64 *)td_source(1, t->seed);
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop }, .size = SLOT_SIZE, .added = source, .nr_added = 1 });

	expect_eq(TDCALL_STATUS(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0)), TDX_PAGE_ALREADY_ACCEPTED,
		  "status");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), source[0], "its content");
}

static void large_of_nothing(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	/* KVM has only small pages: it adds one, and the sizes differ. */
	expect_eq(TDCALL_STATUS(guest_cmd(p.vcpu[0], CMD_ACCEPT_2M, GPA, 0)), TDX_PAGE_SIZE_MISMATCH,
		  "status");
	expect_state(&p, GPA, SEPT_PENDING);
	expect_accepts(&p, GPA);
}

static void large_over_small(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	expect_accepts(&p, PAGE(5));
	observer_clear(p.o);
	expect_eq(TDCALL_STATUS(guest_cmd(p.vcpu[0], CMD_ACCEPT_2M, GPA, 0)), TDX_PAGE_SIZE_MISMATCH,
		  "status");
	expect_undisturbed(p.o);
	expect_state(&p, PAGE(5), SEPT_MAPPED);
}

/* --- operands that the module refuses --------------------------------------------- */

struct refused {
	enum guest_cmd order;
	u64 gpa;
};
static const struct refused large_unaligned = { CMD_ACCEPT_2M, PAGE(1) };
static const struct refused level_2 = { CMD_ACCEPT_LEVEL_2, GPA };
static const struct refused shared_gpa = { CMD_ACCEPT_SHARED, GPA };

static void refused(const struct test *t)
{
	const struct refused *r = t->tc->arg;
	struct guest_vm p = obeying(t, false);

	expect_eq(TDCALL_STATUS(guest_cmd(p.vcpu[0], r->order, r->gpa, 0)), TDX_OPERAND_INVALID,
		  "status");
	expect_sept_free(p.vm, GPA);
}

/* --- access before accept ----------------------------------------------------------- */

/* SEPT_VE_DISABLE: nobody can help the guest. */
static void access_kills(const struct test *t)
{
	const enum guest_cmd *what = t->tc->arg;
	struct guest_vm p = obeying(t, false);

	guest_cmd_queue(p.vcpu[0], *what, GPA, 0);
	expect_errno(__guest_run(p.vcpu[0]), EIO, "KVM_RUN");
	expect_errno(__guest_run(p.vcpu[0]), EIO, "KVM_RUN of the dead TD");
}

/* The guest is told where, accepts, and goes on. */
static void access_tells(const struct test *t)
{
	const enum guest_cmd *what = t->tc->arg;
	struct guest_vm p = obeying(t, true);
	u64 seen = guest_cmd(p.vcpu[0], *what, PAGE(2), 0);

	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_COUNT, GPA, 0), 1, "#VEs");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_GPA, GPA, 0), PAGE(2), "gpa of the #VE");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_QUALIFICATION, GPA, 0) & 7,
		  *what == CMD_WRITE ? 2 : 1, "kind of access (EPT violation's bits 2:0)");
	expect_eq(seen, 0, "what the guest reads");
	expect_state(&p, PAGE(2), SEPT_MAPPED);
}

static const enum guest_cmd read = CMD_READ, write = CMD_WRITE;

/* A hole loses the content: the page comes back pending, and zero. */
static void punched(const struct test *t)
{
	struct guest_vm p = obeying(t, true);

	expect_accepts(&p, GPA);
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 99);
	mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	expect_sept_free(p.vm, GPA);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_COUNT, GPA, 0), 1, "#VEs");
	expect_state(&p, GPA, SEPT_MAPPED);
}

/* --- where nothing can be added ------------------------------------------------------ */

static void no_slot(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_ACCEPT, GPA + SLOT_SIZE, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]),
			    GPA + SLOT_SIZE, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

static void shared_page(const struct test *t)
{
	struct guest_vm p = obeying(t, false);

	vm_set_shared(p.vm, GPA, SZ_4K);
	guest_cmd_queue(p.vcpu[0], CMD_ACCEPT, GPA, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]), GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	/* Made private, it is accepted by the same instruction. */
	vm_set_private(p.vm, GPA, SZ_4K);
	expect_eq(guest_wait_value(p.vcpu[0]), 0, "status");
	expect_state(&p, GPA, SEPT_MAPPED);
}

/* --- two vCPUs, and the host -------------------------------------------------------- */

#define RACE_PAGES	64

static GUEST_DATA volatile u64 lined_up = 0;

/* Accept all pages, start together; say how many were mine, and how many attempts met a lock. */
static GUEST void accepts_all(u64 pages)
{
	u64 mine = 0, others = 0, busy = 0;

	__atomic_add_fetch(&lined_up, 1, __ATOMIC_SEQ_CST);
	while (lined_up < 2)
		;
	for (u64 i = 0; i < pages; i++) {
		u64 status = TDX_OPERAND_BUSY << 32;

		while (TDCALL_STATUS(status) == TDX_OPERAND_BUSY) {
			status = accept_page(GPA + i * SZ_4K, 0);
			busy += TDCALL_STATUS(status) == TDX_OPERAND_BUSY;
		}
		mine += !status;
		others += TDCALL_STATUS(status) == TDX_PAGE_ALREADY_ACCEPTED;
	}
	guest_report(mine);
	guest_report(others);
	guest_report(busy);
}

struct result {
	struct vcpu *vcpu;
	u64 mine, others, busy;
};

static int collect(void *arg)
{
	struct result *r = arg;

	r->mine = guest_wait_value(r->vcpu);
	r->others = guest_wait_value(r->vcpu);
	r->busy = guest_wait_value(r->vcpu);
	return 0;
}

static void race(const struct test *t)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { accepts_all, accepts_all }, .arg = { RACE_PAGES, RACE_PAGES },
		.size = SLOT_SIZE });
	struct result r[2] = { { .vcpu = p.vcpu[0] }, { .vcpu = p.vcpu[1] } };
	struct thread *threads[2];

	for (int i = 0; i < 2; i++)
		threads[i] = thread_start(collect, &r[i]);
	for (int i = 0; i < 2; i++)
		thread_join(threads[i], "a vCPU");
	expect_eq(r[0].mine + r[1].mine, RACE_PAGES, "pages that one of them accepted");
	expect_eq(r[0].others + r[1].others, RACE_PAGES, "pages that the other had accepted");
	expect_eq(observer_count(p.o, EV_SPTE, RET_ANY) - tables_linked(p.o), RACE_PAGES,
		  "leaves that KVM made");
	expect_seamcalls_done(p.o, TDH_MEM_PAGE_AUG, RACE_PAGES, "TDH.MEM.PAGE.AUGs");
	for (int i = 0; i < RACE_PAGES; i++)
		expect_state(&p, PAGE(i), SEPT_MAPPED);
	measure("busy", r[0].busy + r[1].busy);
	if (observer_sees(p.o, EV_SEAMCALL))
		measure("busy_adds", seamcalls_of(p.o, TDH_MEM_PAGE_AUG) - RACE_PAGES);
}

/* Accept the same page again and again, until told to stop. */
static GUEST void accepts_again(u64 arg)
{
	u64 accepted = 0;

	while (!READ_GUEST(guest_shared(arg))) {
		u64 status = accept_page(GPA, 0);

		accepted += !status;
		if (status && TDCALL_STATUS(status) != TDX_PAGE_ALREADY_ACCEPTED &&
		    TDCALL_STATUS(status) != TDX_OPERAND_BUSY)
			break;
	}
	guest_report(accepted);
	guest_report(TDCALL_STATUS(accept_page(GPA, 0)));
}

struct last_words {
	struct vcpu *vcpu;
	u64 accepted, status;
};

static int hear(void *arg)
{
	struct last_words *w = arg;

	w->accepted = guest_wait_value(w->vcpu);
	w->status = guest_wait_value(w->vcpu);
	return 0;
}

#define HOLES	50

static unsigned long leaves_made(struct observer *o, u64 gfn)
{
	const struct event *ev;
	unsigned long made = 0;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++)
		made += ev[i].type == EV_SPTE && ev[i].gfn == gfn &&
			spte_is_leaf(ev[i].new_spte, ev[i].level) &&
			spte_is_present(ev[i].new_spte) && !spte_is_present(ev[i].old_spte);
	return made;
}

/* KVM has mapped the page at GPA as many times since the case began. */
static void await_pages(struct guest_vm *p, unsigned long pages)
{
	double deadline = now() + 5;

	while (leaves_made(p->o, GFN) < pages)
		expect_true(now() < deadline, "page %lu is added", pages);
}

static void while_punched(const struct test *t)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { accepts_again }, .arg = { PAGE(1) }, .size = SLOT_SIZE });
	struct last_words words = { .vcpu = p.vcpu[0] };
	struct thread *thread;

	vm_set_shared(p.vm, PAGE(1), SZ_4K);
	memset(p.slot->mem->hva + SZ_4K, 0, SZ_4K);
	thread = thread_start(hear, &words);
	for (unsigned long i = 0; i < HOLES; i++) {
		await_pages(&p, i + 1);		/* each hole meets a page */
		mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	}
	p.slot->mem->hva[SZ_4K] = 1;
	thread_join(thread, "the guest that accepts");
	expect_true(words.status == 0 || words.status == TDX_PAGE_ALREADY_ACCEPTED,
		    "the last accept succeeds (status 0x%llx)", words.status);
	expect_true(words.accepted >= HOLES / 2, "most of %d holes met an accepted page (%llu)",
		    HOLES, words.accepted);
	expect_state(&p, GPA, SEPT_MAPPED);
	measure("attempts", words.accepted);
}

#define ACCEPT_CASE(fn, text, ...)						\
	{ #fn, text, fn, .vm_types = VM_TDX, .uses_sept = true, ##__VA_ARGS__ }
#define WITH_ARG(name, text, fn, arg)						\
	{ name, text, fn, arg, .vm_types = VM_TDX, .uses_sept = true }
#define CALLS	.observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL)

static const struct test_case cases[] = {
	ACCEPT_CASE(untouched, "accept, EPT violation, page added, accepted",
		    CALLS),
	ACCEPT_CASE(prefaulted, "a page that is pending is accepted without the host", CALLS),
	ACCEPT_CASE(content_is_zero, "an accepted page is zero"),
	ACCEPT_CASE(is_usable, "an accepted page is written, read and executed"),
	ACCEPT_CASE(twice, "a page accepted twice: told so, content stays", CALLS),
	ACCEPT_CASE(added_page, "a page of the beginning is accepted already"),
	ACCEPT_CASE(large_of_nothing, "2M where nothing is: KVM adds 4K, sizes differ"),
	ACCEPT_CASE(large_over_small, "2M over an accepted 4K page: sizes differ", CALLS),
	WITH_ARG("large_unaligned", "2M at an unaligned gpa is refused", refused,
		 &large_unaligned),
	WITH_ARG("level_2", "1G is refused", refused, &level_2),
	WITH_ARG("shared_gpa", "a shared gpa is refused", refused, &shared_gpa),
	WITH_ARG("read_kills", "a read before accept: KVM_RUN fails, the TD is dead",
		 access_kills, &read),
	WITH_ARG("write_kills", "a write before accept: KVM_RUN fails, the TD is dead",
		 access_kills, &write),
	WITH_ARG("read_tells", "a read before accept: #VE, accepted, zero", access_tells, &read),
	WITH_ARG("write_tells", "a write before accept: #VE, accepted", access_tells, &write),
	ACCEPT_CASE(punched, "a hole in an accepted page: pending again, and zero"),
	ACCEPT_CASE(no_slot, "accept where no memory is: KVM_EXIT_MEMORY_FAULT"),
	ACCEPT_CASE(shared_page, "accept of a shared page: KVM_EXIT_MEMORY_FAULT, then private"),
	ACCEPT_CASE(race, "two vCPUs accept the same pages: each page once", .cpus = 2, CALLS),
	ACCEPT_CASE(while_punched, "accept while the host punches holes", .cpus = 2, CALLS),
};

TEST_MAIN("TDs accept their memory", cases)
