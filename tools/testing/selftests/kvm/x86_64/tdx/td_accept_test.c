// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest accepts its memory (TDG.MEM.PAGE.ACCEPT): a page that is not mapped causes an
 * EPT violation, KVM adds it (TDH.MEM.PAGE.AUG), which leaves it pending, and the guest
 * accepts it; tdx_handle_ept_violation() in arch/x86/kvm/vmx/tdx.c.  An access before
 * the accept kills the TD, or raises #VE in the guest, as the TD's SEPT_VE_DISABLE
 * attribute says.
 *
 * These cases need no more than a TDX host; the Secure EPT is an extra check, where the
 * host shows it.
 */
#include <string.h>

#include "guest_vm.h"
#include "observe/spte_map.h"
#include "thread.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define PAGE(n)		(GPA + (n) * SZ_4K)

#define ACCEPT_CASE	.vm_types = VM_TDX, .uses_sept = true, \
			.observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL)

/* A TD that carries out commands; @ve: it gets #VE, and then accepts the page. */
static struct guest_vm cmd_guest(const struct test *t, bool ve)
{
	guest_on_ve = ve ? accept_on_ve : NULL;
	return guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop }, .size = SLOT_SIZE, .ve = ve });
}

#define expect_state(p, gpa, state) \
	expect_sept((p)->vm, gpa, LEVEL_4K, state, PFN_ANY)

/* The guest's accept, one of the CMD_ACCEPTs, ends with @status. */
#define expect_status(p, accept, gpa, status) \
	expect_eq(TDCALL_STATUS(guest_cmd((p)->vcpu[0], accept, gpa, 0)), status, \
		  "status of the accept of gpa 0x%llx", gpa)

#define expect_accepts(p, gpa)							\
	do {									\
		expect_eq(guest_cmd((p)->vcpu[0], CMD_ACCEPT, gpa, 0), 0,		\
			  "status of accepting gpa 0x%llx", (gpa));	\
		expect_state(p, gpa, SEPT_MAPPED);				\
	} while (0)

/* KVM did nothing: the accept is between the guest and the TDX module. */
static void expect_undisturbed(struct observer *o)
{
	expect_eq(observer_faults(o), 0, "faults");
	expect_eq(observer_count(o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_no_seamcalls(o);
}

CASE(untouched, "accept of a page that is not mapped: KVM adds it, once", ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);
	struct fixture td = guest_vm_fixture(&p);

	expect_td_unmapped(&td, GPA, 1);
	expect_accepts(&p, GPA);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_seamcalls_of(p.o, TDH_MEM_PAGE_AUG, 1, "TDH.MEM.PAGE.AUGs");
	expect_eq(observer_count(p.o, EV_FAULT, PF_FIXED), 1, "faults");
	expect_td_unmapped(&td, PAGE(1), 1);
}

CASE(prefaulted, "accept of a pending page: no exit to the host", ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	prefault(p.vcpu[0], GPA, SZ_4K);
	expect_state(&p, GPA, SEPT_PENDING);
	observer_clear(p.o);
	expect_accepts(&p, GPA);
	expect_undisturbed(p.o);
}

CASE(content_is_zero, "an accepted page is zero", ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	expect_accepts(&p, GPA);
	expect_eq(guest_cmd(p.vcpu[0], CMD_SUM, GPA, 0), 0, "sum of the page's words");
}

CASE(is_usable, "an accepted page is written, read and executed", ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	expect_accepts(&p, PAGE(3));
	guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(3), 0x12345678);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, PAGE(3), 0), 0x12345678, "what was written");
	guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(3), 0xc3);	/* RET */
	guest_cmd(p.vcpu[0], CMD_EXECUTE, PAGE(3), 0);
}

CASE(accept_twice, "a second accept: TDX_PAGE_ALREADY_ACCEPTED, the content stays",
	ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	expect_accepts(&p, GPA);
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 77);
	observer_clear(p.o);
	expect_status(&p, CMD_ACCEPT, GPA, TDX_PAGE_ALREADY_ACCEPTED);
	expect_undisturbed(p.o);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 77, "what was written in between");
}

CASE(added_page, "accept of a page of initial memory: TDX_PAGE_ALREADY_ACCEPTED", ACCEPT_CASE)
{
	u64 *source = (u64 *)td_source(1, t->seed);
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop }, .size = SLOT_SIZE, .added = source, .nr_added = 1 });

	expect_status(&p, CMD_ACCEPT, GPA, TDX_PAGE_ALREADY_ACCEPTED);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), source[0], "its content");
}

CASE(large_of_nothing, "2M accept where nothing is mapped: 4K added, TDX_PAGE_SIZE_MISMATCH",
	ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	/* KVM has only small pages: it adds one, and the sizes differ. */
	expect_status(&p, CMD_ACCEPT_2M, GPA, TDX_PAGE_SIZE_MISMATCH);
	expect_state(&p, GPA, SEPT_PENDING);
	expect_accepts(&p, GPA);
}

CASE(large_over_small, "2M accept over an accepted 4K page: TDX_PAGE_SIZE_MISMATCH",
	ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	expect_accepts(&p, PAGE(5));
	observer_clear(p.o);
	expect_status(&p, CMD_ACCEPT_2M, GPA, TDX_PAGE_SIZE_MISMATCH);
	expect_undisturbed(p.o);
	expect_state(&p, PAGE(5), SEPT_MAPPED);
}

/* Operands that the TDX module refuses. */
struct refused {
	enum guest_cmd cmd;
	u64 gpa;
};

static void refused(const struct test *t)
{
	const struct refused *r = t->tc->arg;
	struct guest_vm p = cmd_guest(t, false);

	expect_status(&p, r->cmd, r->gpa, TDX_OPERAND_INVALID);
	expect_sept_free(p.vm, GPA);
}

CASES(refused,
	{ "large_unaligned", "2M accept at an unaligned gpa: TDX_OPERAND_INVALID",
	  .arg = &(const struct refused){ CMD_ACCEPT_2M, GPA + SZ_4K }, ACCEPT_CASE },
	{ "level_2", "1G accept: TDX_OPERAND_INVALID",
	  .arg = &(const struct refused){ CMD_ACCEPT_LEVEL_2, GPA }, ACCEPT_CASE },
	{ "shared_gpa", "accept of a shared gpa: TDX_OPERAND_INVALID",
	  .arg = &(const struct refused){ CMD_ACCEPT_SHARED, GPA }, ACCEPT_CASE })

/* With SEPT_VE_DISABLE. */
static void access_kills(const struct test *t)
{
	struct guest_vm p = cmd_guest(t, false);

	guest_cmd_queue(p.vcpu[0], t->tc->param, GPA, 0);
	expect_errno(__guest_run(p.vcpu[0]), EIO, "KVM_RUN");
	expect_errno(__guest_run(p.vcpu[0]), EIO, "KVM_RUN of the dead TD");
}

CASES(access_kills,
	{ "read_kills", "a read before accept: KVM_RUN fails, the TD is dead",
	  .param = CMD_READ, ACCEPT_CASE },
	{ "write_kills", "a write before accept: KVM_RUN fails, the TD is dead",
	  .param = CMD_WRITE, ACCEPT_CASE })

/* Without it: the guest gets the gpa, accepts the page, and goes on. */
static void access_gets_ve(const struct test *t)
{
	enum guest_cmd access = t->tc->param;
	struct guest_vm p = cmd_guest(t, true);
	u64 seen = guest_cmd(p.vcpu[0], access, PAGE(2), 0);

	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_COUNT, GPA, 0), 1, "#VEs");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_GPA, GPA, 0), PAGE(2), "gpa of the #VE");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_QUALIFICATION, GPA, 0) & 7,
		  access == CMD_WRITE ? 2 : 1, "kind of access (EPT violation's bits 2:0)");
	expect_eq(seen, 0, "what the guest reads");
	expect_state(&p, PAGE(2), SEPT_MAPPED);
}

CASES(access_gets_ve,
	{ "read_gets_ve", "a read before accept: #VE, accepted, zero",
	  .param = CMD_READ, ACCEPT_CASE },
	{ "write_gets_ve", "a write before accept: #VE, accepted",
	  .param = CMD_WRITE, ACCEPT_CASE })

CASE(punched, "PUNCH_HOLE of an accepted page: pending again, and zero", ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, true);

	expect_accepts(&p, GPA);
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 99);
	mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	expect_sept_free(p.vm, GPA);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_COUNT, GPA, 0), 1, "#VEs");
	expect_state(&p, GPA, SEPT_MAPPED);
}

CASE(no_slot, "accept without a memslot: KVM_EXIT_MEMORY_FAULT", ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_ACCEPT, GPA + SLOT_SIZE, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]),
			    GPA + SLOT_SIZE, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

CASE(shared_page, "accept of a shared page: KVM_EXIT_MEMORY_FAULT until it is private",
	ACCEPT_CASE)
{
	struct guest_vm p = cmd_guest(t, false);

	vm_set_shared(p.vm, GPA, SZ_4K);
	guest_cmd_queue(p.vcpu[0], CMD_ACCEPT, GPA, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]), GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	/* Made private, it is accepted by the same instruction. */
	vm_set_private(p.vm, GPA, SZ_4K);
	expect_eq(guest_wait_value(p.vcpu[0]), 0, "status");
	expect_state(&p, GPA, SEPT_MAPPED);
}

#define RACE_PAGES	64

static GUEST_DATA volatile u64 lined_up;

/*
 * Accept all pages, both vCPUs at once; report how many this one accepted, how many the
 * other, and how often the page was locked.
 */
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

CASE(accept_by_two_vcpus, "two vCPUs accept the same pages: each page once", ACCEPT_CASE,
	.cpus = 2)
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
	measure("busy_adds", seamcalls_of(p.o, TDH_MEM_PAGE_AUG) - RACE_PAGES);
}

/* Accept the same page again and again, until the word at @arg is set. */
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

struct accepts {
	struct vcpu *vcpu;
	u64 accepted, status;
};

static int run_accepts(void *arg)
{
	struct accepts *a = arg;

	a->accepted = guest_wait_value(a->vcpu);
	a->status = guest_wait_value(a->vcpu);
	return 0;
}

#define HOLES	50

/* How often KVM mapped @gfn since the observer was cleared. */
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

CASE(while_punched, "accept while the host punches holes: accepted at the end", ACCEPT_CASE,
	.cpus = 2)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { accepts_again }, .arg = { PAGE(1) }, .size = SLOT_SIZE });
	struct accepts accepts = { .vcpu = p.vcpu[0] };
	struct thread *thread;

	vm_set_shared(p.vm, PAGE(1), SZ_4K);
	memset(p.slot->mem->hva + SZ_4K, 0, SZ_4K);
	thread = thread_start(run_accepts, &accepts);
	for (unsigned long i = 0; i < HOLES; i++) {
		/* Each hole meets a page. */
		expect_soon(leaves_made(p.o, GFN) > i, 5, "page %lu is added at gpa 0x%llx", i + 1,
			    GPA);
		mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	}
	p.slot->mem->hva[SZ_4K] = 1;
	thread_join(thread, "the guest that accepts");
	expect_true(accepts.status == 0 || accepts.status == TDX_PAGE_ALREADY_ACCEPTED,
		    "the last accept succeeds (status 0x%llx)", accepts.status);
	expect_true(accepts.accepted >= HOLES / 2, "most of %d holes met an accepted page (%llu)",
		    HOLES, accepts.accepted);
	expect_state(&p, GPA, SEPT_MAPPED);
	measure("attempts", accepts.accepted);
}

TEST_MAIN("TDs accept their memory")
