// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TD runs: it enters and exits, takes interrupts, halts, is kicked, moves between CPUs,
 * and shares a CPU with other VMs.
 *
 * These cases need a TDX host and nothing else, so all of them run on hardware.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest_vm.h"
#include "known_issues.h"
#include "thread.h"
#include "undo.h"

static GUEST void reports_two(u64 arg)
{
	guest_report(arg);
	guest_report(arg + 0x100000001);
}

static void reaches_long_mode(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, reports_two, 0x1234, 0);

	expect_eq(guest_wait_value(p.vcpu[0]), 0x1234, "the first value of the guest");
	expect_eq(guest_wait_value(p.vcpu[0]), 0x100001235, "its second value");
	guest_wait_done(p.vcpu[0]);
}

CASES(reaches_long_mode,
	{ "reaches_long_mode", "a guest starts in 32-bit mode and reaches 64-bit mode",
	  .vm_types = VM_TDX },
	{ "reaches_long_mode_ept4", "the same on a CPU whose EPT has four levels",
	  .vm_types = VM_TDX, .boot = BOOT_TDX_EPT4 })

static GUEST void adds(u64 arg)
{
	guest_report(guest_receive() + arg);
}

CASE(guest_input, "a guest receives a value from the host", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, adds, 1, 0);

	guest_send(p.vcpu[0], 0x41424344);
	expect_eq(guest_wait_value(p.vcpu[0]), 0x41424345, "the value plus one");
	guest_wait_done(p.vcpu[0]);
}

static GUEST void reports_info(u64 arg)
{
	struct tdcall_regs r;

	(void)arg;
	r.rax = TDG_VP_INFO;
	tdcall(&r);
	guest_report(r.rax);
	guest_report(r.rcx & 63);
	guest_report(r.rdx);
	guest_report(r.r8 & 0xffffffff);
	guest_report(r.r9);
}

CASE(vp_info, "TDG.VP.INFO of two vCPUs", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { reports_info, reports_info } });

	for (unsigned int i = 0; i < 2; i++) {
		expect_eq(guest_wait_value(p.vcpu[i]), 0, "TDG.VP.INFO of vCPU %u", i);
		expect_eq(guest_wait_value(p.vcpu[i]), 48, "width of its GPAs");
		expect_eq(guest_wait_value(p.vcpu[i]), 1ULL << 28, "its attributes");
		expect_eq(guest_wait_value(p.vcpu[i]), 2, "its TD's vCPUs");
		expect_eq(guest_wait_value(p.vcpu[i]), i, "its number");
	}
}

static GUEST void makes_bad_tdcalls(u64 arg)
{
	struct tdcall_regs r;

	r.rax = arg;
	r.rcx = 0;
	tdcall(&r);
	guest_report(TDCALL_STATUS(r.rax));
	r.rax = TDG_VP_VMCALL;
	r.rcx = 1 << 1;			/* RCX cannot be shared */
	tdcall(&r);
	guest_report(TDCALL_STATUS(r.rax));
}

CASE(bad_tdcalls, "an unknown TDCALL leaf, an invalid register mask: invalid operand",
	.vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, makes_bad_tdcalls, 0xfff, 0);

	expect_eq(guest_wait_value(p.vcpu[0]), TDX_OPERAND_INVALID, "status of leaf 0xfff");
	expect_eq(guest_wait_value(p.vcpu[0]), TDX_OPERAND_INVALID, "status of a bad mask");
	guest_wait_done(p.vcpu[0]);
}

static GUEST void triple_faults(u64 arg)
{
	struct __attribute__((packed)) { u16 limit; u64 base; } none = { 0, arg };

	asm volatile("lidt %0; ud2" : : "m" (none));
}

CASE(triple_fault, "a triple fault: KVM_EXIT_SHUTDOWN", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, triple_faults, 0, 0);

	expect_exit(p.vcpu[0], KVM_EXIT_SHUTDOWN);
}

static GUEST void counts_interrupts(u64 arg)
{
	guest_irqs_on();
	guest_report(0);
	while (guest_irqs() < arg)
		;
	guest_irqs_off();
	guest_report(guest_irqs());
}

struct runner {
	struct vcpu *vcpu;
	u64 value;
};

static int run_to_value(void *arg)
{
	struct runner *r = arg;

	r->value = guest_wait_value(r->vcpu);
	return 0;
}

#define INTERRUPTS	20

CASE(interrupts, "interrupts to a running vCPU", .vm_types = VM_TDX, .cpus = 2)
{
	struct guest_vm p = guest_vm_single(t, counts_interrupts, INTERRUPTS, 0);
	struct runner r = { p.vcpu[0], 0 };
	struct thread *thread;
	u64 sent = 0;

	guest_wait_value(p.vcpu[0]);
	thread = thread_start(run_to_value, &r);
	for (; sent < INTERRUPTS; sent++) {
		guest_vm_interrupt(&p, 0, GUEST_VECTOR);
		usleep(1000);
	}
	for (; !thread_ended(thread, 0.01); sent++)	/* two that came at once are one */
		guest_vm_interrupt(&p, 0, GUEST_VECTOR);
	thread_join(thread, "the guest");
	/* Another one may arrive between its last check and its CLI. */
	expect_true(r.value >= INTERRUPTS && r.value <= sent,
		    "the guest counted %llu interrupts: at least %d, at most the %llu that were sent",
		    r.value, INTERRUPTS, sent);
}

CASE(interrupt_before_entry, "an interrupt to a vCPU outside of KVM_RUN: taken at the next entry",
	.vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, counts_interrupts, 1, 0);

	guest_wait_value(p.vcpu[0]);
	guest_vm_interrupt(&p, 0, GUEST_VECTOR);
	expect_eq(guest_wait_value(p.vcpu[0]), 1, "interrupts that the guest counted");
}

CASE(nmi, "KVM_NMI: the TD takes an NMI, one", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, reports_two, 7, 0);

	guest_wait_value(p.vcpu[0]);
	expect_ok(ioctl(p.vcpu[0]->fd, KVM_NMI), "KVM_NMI");
	expect_eq(guest_wait_exception(p.vcpu[0]), 2, "vector of the exception that the guest takes");
	expect_eq(vcpu_stat(p.vcpu[0], "nmi_injections"), 1, "statistic nmi_injections");
}

static GUEST void halts(u64 arg)
{
	(void)arg;
	guest_irqs_on();
	guest_report(0);
	while (!guest_irqs())
		vmcall4(VMCALL_HLT, 0, 0, 0, 0);
	guest_irqs_off();
	guest_report(guest_irqs());
}

CASE(halt_and_wake, "a halted vCPU sleeps until an interrupt", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, halts, 0, 0);
	struct runner r = { p.vcpu[0], 0 };
	struct thread *thread;

	guest_wait_value(p.vcpu[0]);
	thread = thread_start(run_to_value, &r);
	expect_true(tid_sleeps_in(thread_tid(thread), "kvm_vcpu", 5), "the halted vCPU sleeps");
	expect_true(!thread_ended(thread, 0.02), "it still sleeps after 20 ms");
	guest_vm_interrupt(&p, 0, GUEST_VECTOR);
	thread_join(thread, "the vCPU that an interrupt wakes");
	expect_eq(r.value, 1, "interrupts that the guest counted");
}

#define X2APIC_LVTT	0x832
#define LVTT_DEADLINE	(2 << 17)
#define TSC_DEADLINE	0x6e0
#define TIMER_CYCLES	500000

static GUEST void sets_timer(u64 arg)
{
	u64 start;

	guest_irqs_on();
	vmcall4(VMCALL_WRMSR, X2APIC_LVTT, LVTT_DEADLINE | GUEST_VECTOR, 0, 0);
	start = __builtin_ia32_rdtsc();
	vmcall4(VMCALL_WRMSR, TSC_DEADLINE, start + arg, 0, 0);
	while (!guest_irqs())
		;
	guest_report(__builtin_ia32_rdtsc() - start);
}

/* The TDX module rounds the TSC frequency that KVM sets down to a multiple of 25 MHz. */
CASE(timer, "the APIC's deadline timer does not expire early",
	.xfail = "T1", .xfail_in_body = true, .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, sets_timer, TIMER_CYCLES, 0);
	u64 cycles = guest_wait_value(p.vcpu[0]);
	int khz = ioctl(p.vm->fd, KVM_GET_TSC_KHZ, 0);

	expect_ok(khz, "KVM_GET_TSC_KHZ of the VM");
	if (khz % 25000 && cycles < TIMER_CYCLES / 2)
		xfail("T1", "TSC of %d kHz: the timer expired after %llu cycles of %u",
		      khz, cycles, TIMER_CYCLES);
	/* KVM fires the timer some microseconds early, on purpose. */
	expect_true(cycles > TIMER_CYCLES / 10 * 9, "%llu cycles are about the %u asked for",
		    cycles, TIMER_CYCLES);
	if (khz % 25000)
		xpass("T1");
}

static GUEST void spins(u64 arg)
{
	volatile u64 *turns = (volatile u64 *)guest_shared(arg);

	guest_report(0);
	for (;;)
		++*turns;
}

static int run_once(void *arg)
{
	return __guest_run(arg);
}

static u64 turns_of(const struct guest_vm *p)
{
	return *(volatile u64 *)p->slot->mem->hva;
}

/* A guest that counts in shared memory. */
static struct guest_vm spinning(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, spins, GPA, SZ_2M);

	vm_set_shared(p.vm, GPA, SZ_2M);
	guest_wait_value(p.vcpu[0]);
	return p;
}

CASE(signal_kicks, "a signal ends KVM_RUN, ten times", .vm_types = VM_TDX, .cpus = 2)
{
	struct guest_vm p = spinning(t);

	catch_signal(SIGUSR1);
	for (int i = 0; i < 10; i++) {
		u64 turns = turns_of(&p);
		struct thread *thread = thread_start(run_once, p.vcpu[0]);

		expect_soon(turns_of(&p) != turns, 5, "the guest counts");
		thread_signal(thread, SIGUSR1);
		expect_errno(thread_join(thread, "KVM_RUN that a signal interrupts"), EINTR,
			     "KVM_RUN, kicked");
	}
}

CASE(immediate_exit, "immediate_exit: KVM_RUN does not enter", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, reports_two, 7, 0);

	p.vcpu[0]->run->immediate_exit = 1;
	expect_errno(__guest_run(p.vcpu[0]), EINTR, "KVM_RUN");
	p.vcpu[0]->run->immediate_exit = 0;
	expect_eq(guest_wait_value(p.vcpu[0]), 7, "the first value of the guest afterwards");
}

static GUEST_DATA volatile u64 turn;

/* Each waits for the other: they make progress only while both run. */
static GUEST void takes_turns(u64 arg)
{
	for (u64 i = arg; i < 200; i += 2) {
		while (turn != i)
			;
		turn = i + 1;
	}
	guest_report(turn > 198);
}

CASE(two_vcpus, "two vCPUs run at once", .vm_types = VM_TDX, .cpus = 2)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { takes_turns, takes_turns }, .arg = { 0, 1 } });
	struct runner r[2] = { { p.vcpu[0], 0 }, { p.vcpu[1], 0 } };
	struct thread *threads[2];

	for (int i = 0; i < 2; i++)
		threads[i] = thread_start(run_to_value, &r[i]);
	for (int i = 0; i < 2; i++) {
		thread_join(threads[i], "a vCPU");
		expect_eq(r[i].value, 1, "vCPU %d: all turns are taken", i);
	}
}

static GUEST void counts(u64 arg)
{
	for (u64 i = 0; i < arg; i++)
		guest_report(i);
}

CASE(changes_cpu, "a vCPU moves between two CPUs", .vm_types = VM_TDX, .cpus = 2)
{
	struct guest_vm p = guest_vm_single(t, counts, 20, 0);

	for (int i = 0; i < 20; i++) {
		run_on_nth_cpu(i / 2 % 2);
		expect_eq(guest_wait_value(p.vcpu[0]), i, "what the guest counts on CPU %d",
			  i / 2 % 2);
	}
	guest_wait_done(p.vcpu[0]);
}

CASE(cpu_goes_offline, "the CPU of a vCPU goes offline and comes back",
	.vm_types = VM_TDX,
	.side_effects = "takes a CPU offline: interrupts and cpusets of others leave it for good",
	.cpus = 2)
{
	const char *online = strf("/sys/devices/system/cpu/cpu%d/online", nth_cpu(1));
	struct guest_vm p = guest_vm_single(t, counts, 3, 0);

	run_on_nth_cpu(1);
	expect_eq(guest_wait_value(p.vcpu[0]), 0, "what the guest counts on CPU 1");
	run_on_nth_cpu(0);
	must(!set_and_undo(online, "0"), "writing 0 to %s", online);
	expect_eq(guest_wait_value(p.vcpu[0]), 1, "what it counts with CPU 1 offline");
	must(!set_and_undo(online, "1"), "writing 1 to %s", online);
	run_on_nth_cpu(1);
	expect_eq(guest_wait_value(p.vcpu[0]), 2, "what it counts on CPU 1 again");
	guest_wait_done(p.vcpu[0]);
}

CASE(beside_default_vm, "a TD and a default VM take turns on a CPU", .vm_types = VM_TDX)
{
	struct test other_type = *t;
	struct guest_vm p = guest_vm_single(t, counts, 20, 0), other;

	other_type.vm_type = KVM_X86_DEFAULT_VM;
	other = guest_vm_single(&other_type, counts, 20, 0);
	run_on_nth_cpu(0);
	for (int i = 0; i < 20; i++) {
		expect_eq(guest_wait_value(p.vcpu[0]), i, "what the TD counts");
		expect_eq(guest_wait_value(other.vcpu[0]), i, "what the other VM counts");
	}
}

CASE(beside_td, "two TDs take turns on a CPU", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, counts, 20, 0);
	struct guest_vm other = guest_vm_single(t, counts, 20, 0);

	run_on_nth_cpu(0);
	for (int i = 0; i < 20; i++) {
		expect_eq(guest_wait_value(p.vcpu[0]), i, "what the TD counts");
		expect_eq(guest_wait_value(other.vcpu[0]), i, "what the other TD counts");
	}
}

/* Guest and host each keep their own registers over an exit. */
static GUEST void keeps_xmm(u64 arg)
{
	u64 seen, cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	asm volatile("mov %0, %%cr4" : : "r" (cr4 | 1 << 9));	/* OSFXSR */
	asm volatile("movq %0, %%xmm7" : : "r" (arg));
	guest_report(0);
	asm volatile("movq %%xmm7, %0" : "=r" (seen));
	guest_report(seen);
}

CASE(extended_state, "XMM registers of guest and host survive an exit", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, keeps_xmm, 0x1234567890abcdef, 0);
	u64 mine = 0xfedcba0987654321, seen;
	int ret;

	/* One exit between two accesses to XMM7: no compiler code in between. */
	asm volatile("movq %2, %%xmm7\n\t"
		     "syscall\n\t"
		     "movq %%xmm7, %1"
		     : "=a" (ret), "=&r" (seen)
		     : "r" (mine), "0" (SYS_ioctl), "D" (p.vcpu[0]->fd), "S" (KVM_RUN), "d" (0)
		     : "rcx", "r11", "xmm7", "memory");
	expect_eq(ret, 0, "KVM_RUN");
	expect_eq(seen, mine, "the host's XMM7");
	expect_eq(guest_wait_value(p.vcpu[0]), 0x1234567890abcdef, "the guest's");
}

TEST_MAIN("TDs run: interrupts, halts, kicks, several CPUs and VMs")
