// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests of other VMs find in their memory, with the guests of the TD tests
 * (guest_vm.h): content that the host put there or dropped, two vCPUs that fault
 * at once, memory that goes away under them, private and shared memory of a
 * software-protected VM.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flood.h"
#include "guest_vm.h"
#include "thread.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define PAGE(n)		(GPA + (n) * SZ_4K)

static struct guest_vm obeying(const struct test *t)
{
	return guest_vm_single(t, guest_cmd_loop, 0, SLOT_SIZE);
}

static volatile u64 *host_word(const struct guest_vm *p, u64 gpa)
{
	return (volatile u64 *)(p->slot->mem->hva + (gpa - GPA));
}

/* The host's half is what the guest uses. */
static struct guest_vm sharing(const struct test *t)
{
	struct guest_vm p = obeying(t);

	if (t->vm_type != KVM_X86_DEFAULT_VM)
		vm_set_shared(p.vm, GPA, SLOT_SIZE);
	return p;
}

/* --- one vCPU ---------------------------------------------------------------- */

static void reads_and_writes(const struct test *t)
{
	struct guest_vm p = sharing(t);

	for (int i = 0; i < 8; i++) {
		*host_word(&p, PAGE(i)) = 0x100 + i;
		expect_eq(guest_cmd(p.vcpu[0], CMD_READ, PAGE(i), 0), 0x100 + i,
			  "what the guest reads in page %d", i);
		guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(i), 0x200 + i);
		expect_eq(*host_word(&p, PAGE(i)), 0x200 + i, "what the host reads in page %d", i);
	}
	for (int i = 0; i < 8; i++)
		expect_mapped(p.o, PAGE(i) >> 12, LEVEL_4K, pfn_of((void *)host_word(&p, PAGE(i))));
}

static void executes(const struct test *t)
{
	struct guest_vm p = sharing(t);

	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 0xc3);	/* RET */
	guest_cmd(p.vcpu[0], CMD_EXECUTE, GPA, 0);
}

/* The guest's mapping follows the host's page. */
static void dropped(const struct test *t)
{
	struct guest_vm p = sharing(t);

	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 77);
	must(!madvise(p.slot->mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	*host_word(&p, GPA) = 88;
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 88, "what the host wrote");
}

static void no_slot(const struct test *t)
{
	struct guest_vm p = obeying(t);

	guest_cmd_queue(p.vcpu[0], CMD_WRITE, GPA + SLOT_SIZE, 0x99);
	expect_ok(__guest_run(p.vcpu[0]), "KVM_RUN");
	expect_eq(p.vcpu[0]->run->exit_reason, KVM_EXIT_MMIO, "exit reason");
	expect_eq(p.vcpu[0]->run->mmio.phys_addr, GPA + SLOT_SIZE, "gpa");
	expect_eq(p.vcpu[0]->run->mmio.data[0], 0x99, "first byte");
	guest_wait_value(p.vcpu[0]);
}

static GUEST void touches_nothing(u64 arg)
{
	READ_GUEST(arg);
}

/* The bench's own net: what a guest does wrong is told by its address. */
static void reports_exceptions(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, touches_nothing, 1ULL << 45, 0);

	expect_eq(guest_wait_exception(p.vcpu[0]), 14, "vector of the guest's exception");
	expect_eq(guest_wait_value(p.vcpu[0]) >> 12, (uintptr_t)touches_nothing >> 12, "its page");
	expect_eq(guest_wait_value(p.vcpu[0]), 1ULL << 45, "CR2");
}

/* --- private and shared halves -------------------------------------------------- */

static void halves_are_apart(const struct test *t)
{
	struct guest_vm p = obeying(t);

	memset(p.slot->mem->hva, 0, SZ_4K);
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 11);
	expect_eq(*host_word(&p, GPA), 0, "the shared half after a private write");
	vm_set_shared(p.vm, GPA, SZ_4K);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "the shared half");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 22);
	expect_eq(*host_word(&p, GPA), 22, "the shared half after a shared write");
	vm_set_private(p.vm, GPA, SZ_4K);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 11, "the private half kept its content");
}

static void punched(const struct test *t)
{
	struct guest_vm p = obeying(t);

	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 33);
	guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(1), 44);
	mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "the page of the hole");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, PAGE(1), 0), 44, "the page behind");
}

/* --- two vCPUs ------------------------------------------------------------------ */

#define DROPS	200

/* Each drop finds a page that a guest has touched since the last one. */
static void drop_page(struct guest_vm *p, int page)
{
	volatile u64 *word = host_word(p, PAGE(page));
	double deadline = now() + 5;

	while (!*word) {
		expect_true(now() < deadline, "a guest writes page %d", page);
		sched_yield();
	}
	must(!madvise((void *)word, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void drops_under_two_vcpus(const struct test *t)
{
	struct flood f;

	flood_create(&f, t);
	if (t->vm_type != KVM_X86_DEFAULT_VM)
		vm_set_shared(f.p.vm, GPA, FLOOD_SIZE);
	flood_start(&f);
	for (int i = 0; i < DROPS; i++)
		drop_page(&f.p, i % FLOOD_PAGES);
	flood_stop(&f);
	expect_eq(f.f[0].memory_faults + f.f[1].memory_faults, 0, "exits for private memory");
}

/* --- kicks ------------------------------------------------------------------------ */

static GUEST void spins(u64 arg)
{
	guest_report(0);
	for (;;)
		WRITE_GUEST(arg, READ_GUEST(arg) + 1);
}

static void on_signal(int nr)
{
	(void)nr;
}

static int run_once(void *arg)
{
	return __guest_run(arg);
}

static void signal_kicks(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, spins, GPA, SLOT_SIZE);

	if (t->vm_type != KVM_X86_DEFAULT_VM)
		vm_set_shared(p.vm, GPA, SLOT_SIZE);
	signal(SIGUSR1, on_signal);
	guest_wait_value(p.vcpu[0]);
	for (int i = 0; i < 10; i++) {
		u64 turns = *host_word(&p, GPA);
		struct thread *thread = thread_start(run_once, p.vcpu[0]);
		double deadline = now() + 5;

		while (*host_word(&p, GPA) == turns)
			expect_true(now() < deadline, "the guest counts");
		syscall(SYS_tgkill, getpid(), thread_tid(thread), SIGUSR1);
		expect_errno(thread_join(thread, "KVM_RUN that a signal interrupts"), EINTR,
			     "KVM_RUN, kicked");
	}
}

#define ANY	.vm_types = VM_ANY

static const struct test_case cases[] = {
	{ "reads_and_writes", "the guest and the host see each other's data", reads_and_writes,
	  ANY, .observes = OBSERVE_MAPPING },
	{ "executes", "a page that was written is executed", executes, ANY },
	{ "dropped", "MADV_DONTNEED: the guest sees the new page", dropped, ANY },
	{ "no_slot", "a write where no memory is: KVM_EXIT_MMIO", no_slot, ANY },
	{ "reports_exceptions", "a guest's exception is reported", reports_exceptions,
	  .vm_types = VM_DEFAULT },
	{ "halves_are_apart", "private and shared pages keep their own content",
	  halves_are_apart, .vm_types = VM_SW_PROTECTED },
	{ "punched", "a hole in private memory: zero", punched, .vm_types = VM_SW_PROTECTED },
	{ "drops_under_two_vcpus", "200 pages dropped under two vCPUs that run",
	  drops_under_two_vcpus, ANY, .cpus = 2 },
	{ "signal_kicks", "a signal ends KVM_RUN, ten times", signal_kicks, ANY, .cpus = 2 },
};

TEST_MAIN("Guests of VMs that are no TDs", cases)
