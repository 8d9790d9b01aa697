// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of guests of VMs other than TDs, run by the code of the TD tests
 * (guest_vm.h): data of the host, pages that the host drops under one and two vCPUs,
 * private and shared memory of a software-protected VM.
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "flood.h"
#include "guest_vm.h"
#include "thread.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define PAGE(n)		(GPA + (n) * SZ_4K)

static struct guest_vm guest_create(const struct test *t)
{
	return guest_vm_single(t, guest_cmd_loop, 0, SLOT_SIZE);
}

static volatile u64 *host_word(const struct guest_vm *p, u64 gpa)
{
	return (volatile u64 *)(p->slot->mem->hva + (gpa - GPA));
}

/* The guest uses the shared half, which the host maps. */
static struct guest_vm guest_with_shared_memory(const struct test *t)
{
	struct guest_vm p = guest_create(t);

	if (t->vm_type != KVM_X86_DEFAULT_VM)
		vm_set_shared(p.vm, GPA, SLOT_SIZE);
	return p;
}

CASE(reads_and_writes, "host and guest read what the other has written", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING)
{
	struct guest_vm p = guest_with_shared_memory(t);

	for (int i = 0; i < 8; i++) {
		*host_word(&p, PAGE(i)) = 0x100 + i;
		expect_eq(guest_cmd(p.vcpu[0], CMD_READ, PAGE(i), 0), 0x100 + i,
			  "value that the guest reads in page %d", i);
		guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(i), 0x200 + i);
		expect_eq(*host_word(&p, PAGE(i)), 0x200 + i,
			  "value that the host reads in page %d", i);
	}
	for (int i = 0; i < 8; i++)
		expect_mapped(p.o, PAGE(i) >> 12, LEVEL_4K, pfn_of((void *)host_word(&p, PAGE(i))));
}

CASE(executes, "the guest writes code and executes it", .vm_types = VM_ANY)
{
	struct guest_vm p = guest_with_shared_memory(t);

	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 0xc3);	/* RET */
	guest_cmd(p.vcpu[0], CMD_EXECUTE, GPA, 0);
}

CASE(madvise_dontneed, "MADV_DONTNEED: the guest reads the new page", .vm_types = VM_ANY)
{
	struct guest_vm p = guest_with_shared_memory(t);

	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 77);
	must(!madvise(p.slot->mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "value after MADV_DONTNEED");
	*host_word(&p, GPA) = 88;
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 88,
		  "value that the host wrote to the new page");
}

CASE(no_slot, "write outside of any slot: KVM_EXIT_MMIO", .vm_types = VM_ANY)
{
	struct guest_vm p = guest_create(t);

	guest_cmd_queue(p.vcpu[0], CMD_WRITE, GPA + SLOT_SIZE, 0x99);
	expect_ok(__guest_run(p.vcpu[0]), "KVM_RUN");
	expect_eq(p.vcpu[0]->run->exit_reason, KVM_EXIT_MMIO, "exit reason");
	expect_eq(p.vcpu[0]->run->mmio.phys_addr, GPA + SLOT_SIZE, "gpa of the MMIO exit");
	expect_eq(p.vcpu[0]->run->mmio.data[0], 0x99, "first byte of the MMIO exit");
	guest_wait_value(p.vcpu[0]);
}

static GUEST void reads_unmapped(u64 arg)
{
	READ_GUEST(arg);
}

/* Of the harness: bugs of guest code are reported with their address. */
CASE(reports_exceptions, "an exception of the guest is reported: vector, address, CR2",
	.vm_types = VM_DEFAULT)
{
	struct guest_vm p = guest_vm_single(t, reads_unmapped, 1ULL << 45, 0);

	expect_eq(guest_wait_exception(p.vcpu[0]), 14, "vector of the guest's exception");
	expect_eq(guest_wait_value(p.vcpu[0]) >> 12, (uintptr_t)reads_unmapped >> 12,
		  "page of the instruction");
	expect_eq(guest_wait_value(p.vcpu[0]), 1ULL << 45, "CR2");
}

CASE(halves_are_apart, "private and shared memory at one gpa each keep their content",
	.vm_types = VM_SW_PROTECTED)
{
	struct guest_vm p = guest_create(t);

	memset(p.slot->mem->hva, 0, SZ_4K);
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 11);
	expect_eq(*host_word(&p, GPA), 0, "value in the shared half after a private write");
	vm_set_shared(p.vm, GPA, SZ_4K);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0,
		  "value that the guest reads in the shared half");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 22);
	expect_eq(*host_word(&p, GPA), 22, "value in the shared half after a shared write");
	vm_set_private(p.vm, GPA, SZ_4K);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 11,
		  "value that the guest reads in the private half");
}

CASE(punched, "a hole in private memory: the guest reads 0", .vm_types = VM_SW_PROTECTED)
{
	struct guest_vm p = guest_create(t);

	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, 33);
	guest_cmd(p.vcpu[0], CMD_WRITE, PAGE(1), 44);
	mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "value in the page of the hole");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, PAGE(1), 0), 44, "value in the page after it");
}

#define DROPS	200

/* Drop a page that a vCPU has written since it was dropped last. */
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

CASE(drops_under_two_vcpus, "MADV_DONTNEED of 200 pages under two running vCPUs",
	.vm_types = VM_ANY, .cpus = 2)
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

static GUEST void spins(u64 arg)
{
	guest_report(0);
	for (;;)
		WRITE_GUEST(arg, READ_GUEST(arg) + 1);
}

static int run_once(void *arg)
{
	return __guest_run(arg);
}

CASE(signal_kicks, "a signal ends KVM_RUN with EINTR, ten times", .vm_types = VM_ANY,
	.cpus = 2)
{
	struct guest_vm p = guest_vm_single(t, spins, GPA, SLOT_SIZE);

	if (t->vm_type != KVM_X86_DEFAULT_VM)
		vm_set_shared(p.vm, GPA, SLOT_SIZE);
	catch_signal(SIGUSR1);
	guest_wait_value(p.vcpu[0]);
	for (int i = 0; i < 10; i++) {
		u64 turns = *host_word(&p, GPA);
		struct thread *thread = thread_start(run_once, p.vcpu[0]);

		expect_soon(*host_word(&p, GPA) != turns, 5, "the guest runs");
		thread_signal(thread, SIGUSR1);
		expect_errno(thread_join(thread, "KVM_RUN that a signal interrupts"), EINTR,
			     "KVM_RUN after a signal");
	}
}

TEST_MAIN("guests of VMs other than TDs")
