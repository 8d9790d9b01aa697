// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TD runs: it enters and leaves, asks the host by TDG.VP.VMCALL (GHCI; what
 * KVM forwards, refuses and answers itself: handle_tdvmcall() in
 * arch/x86/kvm/vmx/tdx.c), takes interrupts, halts, is kicked, moves between
 * CPUs, and shares a CPU with other VMs.
 *
 * Nothing here needs more than a TDX host: all of it runs on hardware, too.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest_vm.h"
#include "thread.h"
#include "undo.h"

/* The slot-less GPA where the guests do I/O. */
#define MMIO_GPA	(GPA + 64 * SZ_1G)

/* --- in and out ------------------------------------------------------------- */

static GUEST void says(u64 arg)
{
	guest_report(arg);
	guest_report(arg + 0x100000001);
}

static void enters(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, says, 0x1234, 0);

	expect_eq(guest_wait_value(p.vcpu[0]), 0x1234, "what the guest says");
	expect_eq(guest_wait_value(p.vcpu[0]), 0x100001235, "what it says then");
	guest_wait_done(p.vcpu[0]);
}

static GUEST void says_answer(u64 arg)
{
	guest_report(guest_receive() + arg);
}

static void is_answered(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, says_answer, 1, 0);

	guest_send(p.vcpu[0], 0x41424344);
	expect_eq(guest_wait_value(p.vcpu[0]), 0x41424345, "the answer and one");
	guest_wait_done(p.vcpu[0]);
}

static GUEST void says_info(u64 arg)
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

static void info(const struct test *t)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){ .fn = { says_info, says_info } });

	for (unsigned int i = 0; i < 2; i++) {
		expect_eq(guest_wait_value(p.vcpu[i]), 0, "TDG.VP.INFO of vCPU %u", i);
		expect_eq(guest_wait_value(p.vcpu[i]), 48, "width of its GPAs");
		expect_eq(guest_wait_value(p.vcpu[i]), 1ULL << 28, "its attributes");
		expect_eq(guest_wait_value(p.vcpu[i]), 2, "its TD's vCPUs");
		expect_eq(guest_wait_value(p.vcpu[i]), i, "its number");
	}
}

static GUEST void asks_for_nothing(u64 arg)
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

static void bad_tdcalls(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, asks_for_nothing, 0xfff, 0);

	expect_eq(guest_wait_value(p.vcpu[0]), TDX_OPERAND_INVALID, "status of leaf 0xfff");
	expect_eq(guest_wait_value(p.vcpu[0]), TDX_OPERAND_INVALID, "status of a bad mask");
	guest_wait_done(p.vcpu[0]);
}

/* --- what the host is asked ------------------------------------------------- */

/* One TDVMCALL with R10 to R15: says what R10 and R11 are afterwards. */
struct vmcall_case {
	u64 r10, function, r12, r13, r14, r15;
};
static GUEST_DATA struct vmcall_case asked = { .r10 = 1 };

static GUEST void asks(u64 arg)
{
	struct tdcall_regs r;

	(void)arg;
	r.r10 = asked.r10;
	r.r11 = asked.function;
	r.r12 = asked.r12;
	r.r13 = asked.r13;
	r.r14 = asked.r14;
	r.r15 = asked.r15;
	vmcall(&r);
	guest_report(r.r10);
	guest_report(r.r11);
	guest_report(r.r12);
	guest_report(r.r13);
	guest_report(r.r14);
	guest_report(r.r15);
}

static struct guest_vm asking(const struct test *t, struct vmcall_case what)
{
	asked = what;
	return guest_vm_single(t, asks, 0, 0);
}

/* KVM answers without user space; the answer is R10. */
struct answered {
	struct vmcall_case vmcall;
	u64 r10;
};

static void kvm_answers(const struct test *t)
{
	const struct answered *a = t->tc->arg;
	struct guest_vm p = asking(t, a->vmcall);

	expect_eq(guest_wait_value(p.vcpu[0]), a->r10, "R10 after TDVMCALL 0x%llx",
		  a->vmcall.function);
}

#define ANSWERED(var, status, ...) \
	static const struct answered var = { .vmcall = { __VA_ARGS__ }, .r10 = status }
ANSWERED(unknown_function, VMCALL_UNSUPPORTED, .function = 0x1ffff);
ANSWERED(unknown_hypercall, -1000ULL, .r10 = 0x77);	/* -KVM_ENOSYS */
ANSWERED(io_of_3_bytes, VMCALL_INVALID_OPERAND, .function = VMCALL_IO, .r12 = 3, .r14 = 0x80);
ANSWERED(io_neither_in_nor_out, VMCALL_INVALID_OPERAND, .function = VMCALL_IO, .r12 = 1, .r13 = 2);
ANSWERED(mmio_private, VMCALL_INVALID_OPERAND, .function = VMCALL_MMIO, .r12 = 8, .r13 = 1,
	 .r14 = MMIO_GPA);
ANSWERED(mmio_of_16_bytes, VMCALL_INVALID_OPERAND, .function = VMCALL_MMIO, .r12 = 16, .r13 = 1,
	 .r14 = MMIO_GPA | TD_SHARED_BIT);
ANSWERED(rdmsr_unknown, VMCALL_INVALID_OPERAND, .function = VMCALL_RDMSR, .r12 = 0x1234567);
ANSWERED(wrmsr_unknown, VMCALL_INVALID_OPERAND, .function = VMCALL_WRMSR, .r12 = 0x1234567);
ANSWERED(info_of_base, VMCALL_SUCCESS, .function = VMCALL_GET_INFO, .r12 = 0);
ANSWERED(info_unknown, VMCALL_INVALID_OPERAND, .function = VMCALL_GET_INFO, .r12 = 2);
ANSWERED(map_gpa_not_enabled, VMCALL_UNSUPPORTED, .function = VMCALL_MAP_GPA, .r12 = GPA,
	 .r13 = SZ_4K);
ANSWERED(quote_in_private, VMCALL_INVALID_OPERAND, .function = VMCALL_GET_QUOTE, .r12 = GPA,
	 .r13 = SZ_4K);
ANSWERED(notify_by_exception, VMCALL_INVALID_OPERAND, .function = VMCALL_SETUP_NOTIFY, .r12 = 31);

static void vmcall_cpuid(const struct test *t)
{
	struct guest_vm p = asking(t, (struct vmcall_case){ .function = VMCALL_CPUID });
	u64 regs[4];

	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	guest_wait_value(p.vcpu[0]);
	for (int i = 0; i < 4; i++)
		regs[i] = guest_wait_value(p.vcpu[0]);
	expect_eq(regs[1], 0x756e6547, "EBX of leaf 0: Genu");
	expect_eq(regs[3], 0x49656e69, "EDX: ineI");
	expect_eq(regs[2], 0x6c65746e, "ECX: ntel");
}

static void vmcall_rdmsr(const struct test *t)
{
	struct guest_vm p = asking(t, (struct vmcall_case){ .function = VMCALL_RDMSR,
							   .r12 = 0x1b });

	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	expect_eq(guest_wait_value(p.vcpu[0]), 0xfee00d00, "IA32_APIC_BASE: x2APIC, enabled, BSP");
}

static void expect_exit(struct vcpu *vcpu, u32 reason)
{
	expect_ok(__guest_run(vcpu), "KVM_RUN");
	if (vcpu->run->exit_reason != reason)
		test_failed(__FILE__, __LINE__, "exit of vCPU 0", strf("exit %u", reason),
			    exit_text(vcpu));
}

static void vmcall_io(const struct test *t)
{
	static const u64 sizes[] = { 1, 2, 4 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct guest_vm p = asking(t, (struct vmcall_case){
			.function = VMCALL_IO, .r12 = sizes[i], .r14 = 0x80 });
		struct kvm_run *run = p.vcpu[0]->run;

		expect_exit(p.vcpu[0], KVM_EXIT_IO);
		expect_eq(run->io.port, 0x80, "port");
		expect_eq(run->io.size, sizes[i], "bytes");
		expect_eq(run->io.direction, KVM_EXIT_IO_IN, "direction");
		memset((u8 *)run + run->io.data_offset, 0x5a, sizes[i]);
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
		expect_eq(guest_wait_value(p.vcpu[0]), 0x5a5a5a5aU >> (32 - 8 * sizes[i]), "R11");
	}
}

static void vmcall_mmio_write(const struct test *t)
{
	struct guest_vm p = asking(t, (struct vmcall_case){
		.function = VMCALL_MMIO, .r12 = 8, .r13 = 1, .r14 = MMIO_GPA | TD_SHARED_BIT,
		.r15 = 0x1122334455667788 });
	struct kvm_run *run = p.vcpu[0]->run;

	expect_exit(p.vcpu[0], KVM_EXIT_MMIO);
	expect_eq(run->mmio.phys_addr, MMIO_GPA, "gpa, without the shared bit");
	expect_eq(run->mmio.len, 8, "bytes");
	expect_eq(run->mmio.is_write, 1, "a write");
	expect_eq(*(u64 *)run->mmio.data, 0x1122334455667788, "value");
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
}

static void vmcall_mmio_read(const struct test *t)
{
	struct guest_vm p = asking(t, (struct vmcall_case){
		.function = VMCALL_MMIO, .r12 = 4, .r14 = MMIO_GPA | TD_SHARED_BIT });
	struct kvm_run *run = p.vcpu[0]->run;

	expect_exit(p.vcpu[0], KVM_EXIT_MMIO);
	expect_eq(run->mmio.phys_addr, MMIO_GPA, "gpa, without the shared bit");
	expect_eq(run->mmio.is_write, 0, "a read");
	*(u32 *)run->mmio.data = 0xd00df00d;
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	expect_eq(guest_wait_value(p.vcpu[0]), 0xd00df00d, "R11");
}

/* What user space is asked to do (KVM_EXIT_TDX): its verdict is R10. */
struct forwarded {
	struct vmcall_case vmcall;
	u64 data0;		/* first operand, as user space sees it */
};
static const struct forwarded get_quote = {
	{ .function = VMCALL_GET_QUOTE, .r12 = GPA | TD_SHARED_BIT, .r13 = SZ_4K }, GPA };
static const struct forwarded setup_notify = {
	{ .function = VMCALL_SETUP_NOTIFY, .r12 = 0x50 }, 0x50 };
static const struct forwarded more_info = {
	{ .function = VMCALL_GET_INFO, .r12 = 1 }, 1 };

static void user_space_answers(const struct test *t)
{
	const struct forwarded *f = t->tc->arg;
	struct guest_vm p = asking(t, f->vmcall);
	struct kvm_run_tdx *exit = (void *)&p.vcpu[0]->run->hw;

	expect_exit(p.vcpu[0], KVM_EXIT_TDX);
	expect_eq(exit->nr, f->vmcall.function, "function");
	expect_eq(exit->data[0], f->data0, "its operand");
	exit->ret = VMCALL_RETRY;
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_RETRY, "R10 is what user space said");
}

static void fatal_error(const struct test *t)
{
	struct guest_vm p = asking(t, (struct vmcall_case){
		.function = VMCALL_FATAL_ERROR, .r12 = 0xdead, .r13 = 13, .r14 = 14, .r15 = 15 });
	struct kvm_run *run = p.vcpu[0]->run;

	expect_exit(p.vcpu[0], KVM_EXIT_SYSTEM_EVENT);
	expect_eq(run->system_event.type, KVM_SYSTEM_EVENT_TDX_FATAL, "type");
	expect_eq(run->system_event.ndata, 16, "registers");
	expect_eq(run->system_event.data[12], 0xdead, "R12");
	expect_eq(run->system_event.data[15], 15, "R15");
}

/* --- how a TD ends ----------------------------------------------------------- */

static GUEST void faults_for_ever(u64 arg)
{
	struct __attribute__((packed)) { u16 limit; u64 base; } none = { 0, arg };

	asm volatile("lidt %0; ud2" : : "m" (none));
}

static void triple_fault(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, faults_for_ever, 0, 0);

	expect_exit(p.vcpu[0], KVM_EXIT_SHUTDOWN);
}

/* --- interrupts, halts, kicks ------------------------------------------------ */

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

/* To a vCPU that runs. */
static void interrupts(const struct test *t)
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
	/* One more may come between its last look and its CLI. */
	expect_true(r.value >= INTERRUPTS && r.value <= sent,
		    "the guest counted %llu interrupts, at least %d and at most the %llu that were sent",
		    r.value, INTERRUPTS, sent);
}

/* It waits for the vCPU's next entry. */
static void interrupt_before_entry(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, counts_interrupts, 1, 0);

	guest_wait_value(p.vcpu[0]);
	guest_vm_interrupt(&p, 0, GUEST_VECTOR);
	expect_eq(guest_wait_value(p.vcpu[0]), 1, "interrupts that the guest counted");
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

static void halt_and_wake(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, halts, 0, 0);
	struct runner r = { p.vcpu[0], 0 };
	struct thread *thread;

	guest_wait_value(p.vcpu[0]);
	thread = thread_start(run_to_value, &r);
	expect_true(tid_sleeps_in(thread_tid(thread), "kvm_vcpu", 5), "the halted vCPU sleeps");
	expect_true(!thread_ended(thread, 0.02), "it goes on sleeping");
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

/* The TDX module's unit of TSC frequency is 25 MHz: it rounds down what KVM asks for. */
static void timer(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, sets_timer, TIMER_CYCLES, 0);
	u64 cycles = guest_wait_value(p.vcpu[0]);
	int khz = ioctl(p.vm->fd, KVM_GET_TSC_KHZ, 0);

	expect_ok(khz, "KVM_GET_TSC_KHZ of the VM");
	if (khz % 25000 && cycles < TIMER_CYCLES / 2)
		xfail("T1", "TSC of %d kHz: the timer expired after %llu cycles of %u",
				 khz, cycles, TIMER_CYCLES);
	/* KVM may be some microseconds early, on purpose. */
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

static void on_signal(int nr)
{
	(void)nr;
}

static int run_once(void *arg)
{
	return __guest_run(arg);
}

static u64 turns_of(const struct guest_vm *p)
{
	return *(volatile u64 *)p->slot->mem->hva;
}

/* The guest is inside: its counter in shared memory moves. */
static void await_turns(const struct guest_vm *p, u64 before)
{
	double deadline = now() + 5;

	while (turns_of(p) == before)
		expect_true(now() < deadline, "the guest counts");
}

static struct guest_vm spinning(const struct test *t, guest_fn second)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { spins, second }, .arg = { GPA, GPA }, .size = SZ_2M });

	vm_set_shared(p.vm, GPA, SZ_2M);
	guest_wait_value(p.vcpu[0]);
	return p;
}

static void signal_kicks(const struct test *t)
{
	struct guest_vm p = spinning(t, NULL);

	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 10; i++) {
		u64 turns = turns_of(&p);
		struct thread *thread = thread_start(run_once, p.vcpu[0]);

		await_turns(&p, turns);
		syscall(SYS_tgkill, getpid(), thread_tid(thread), SIGUSR1);
		expect_errno(thread_join(thread, "KVM_RUN that a signal interrupts"), EINTR,
			     "KVM_RUN, kicked");
	}
}

static void immediate_exit(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, says, 7, 0);

	p.vcpu[0]->run->immediate_exit = 1;
	expect_errno(__guest_run(p.vcpu[0]), EINTR, "KVM_RUN");
	p.vcpu[0]->run->immediate_exit = 0;
	expect_eq(guest_wait_value(p.vcpu[0]), 7, "what the guest says afterwards");
}

/* --- several vCPUs, several CPUs, several VMs --------------------------------- */

static GUEST_DATA volatile u64 turn = 0;

/* Each waits for the other's turn: they make progress only when both run. */
static GUEST void takes_turns(u64 arg)
{
	for (u64 i = arg; i < 200; i += 2) {
		while (turn != i)
			;
		turn = i + 1;
	}
	guest_report(turn > 198);
}

static void two_vcpus(const struct test *t)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { takes_turns, takes_turns }, .arg = { 0, 1 } });
	struct runner r[2] = { { p.vcpu[0], 0 }, { p.vcpu[1], 0 } };
	struct thread *threads[2];

	for (int i = 0; i < 2; i++)
		threads[i] = thread_start(run_to_value, &r[i]);
	for (int i = 0; i < 2; i++) {
		thread_join(threads[i], "a vCPU");
		expect_eq(r[i].value, 1, "vCPU %d took all of its turns", i);
	}
}

static GUEST void counts(u64 arg)
{
	for (u64 i = 0; i < arg; i++)
		guest_report(i);
}

static void changes_cpu(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, counts, 20, 0);

	for (int i = 0; i < 20; i++) {
		run_on_nth_cpu(i / 2 % 2);
		expect_eq(guest_wait_value(p.vcpu[0]), i, "what the guest counts on CPU %d", i / 2 % 2);
	}
	guest_wait_done(p.vcpu[0]);
}

static void cpu_goes_offline(const struct test *t)
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

static void beside_default_vm(const struct test *t)
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

static void beside_td(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, counts, 20, 0);
	struct guest_vm other = guest_vm_single(t, counts, 20, 0);

	run_on_nth_cpu(0);
	for (int i = 0; i < 20; i++) {
		expect_eq(guest_wait_value(p.vcpu[0]), i, "what the TD counts");
		expect_eq(guest_wait_value(other.vcpu[0]), i, "what the other TD counts");
	}
}

/* --- registers ---------------------------------------------------------------- */

/* Each side has its own: the guest's survive the exit, the host's do, too. */
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

static void extended_state(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, keeps_xmm, 0x1234567890abcdef, 0);
	u64 mine = 0xfedcba0987654321, seen;
	int ret;

	/* The message is half of a value: one exit, and the registers in one piece of code. */
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

#define VMCALL_CASE(case_name, text, body_, arg_) \
	{ case_name, text, body_, arg_, .vm_types = VM_TDX }
#define RUN_CASE(fn, text, ...) \
	{ #fn, text, fn, .vm_types = VM_TDX, ##__VA_ARGS__ }

static const struct test_case cases[] = {
	RUN_CASE(enters, "a guest starts in 32-bit mode, reaches 64-bit mode and speaks"),
	{ "enters_ept4", "enters, on a CPU whose EPT has four levels", enters,
	  .vm_types = VM_TDX, .boot = BOOT_TDX_EPT4 },
	RUN_CASE(is_answered, "a guest asks and gets its answer"),
	RUN_CASE(info, "TDG.VP.INFO of two vCPUs"),
	RUN_CASE(bad_tdcalls, "a TDCALL that does not exist, a mask that cannot be"),
	RUN_CASE(vmcall_cpuid, "CPUID by TDVMCALL: KVM answers"),
	RUN_CASE(vmcall_rdmsr, "RDMSR by TDVMCALL: KVM answers"),
	RUN_CASE(vmcall_io, "I/O by TDVMCALL: 1, 2 and 4 bytes in"),
	RUN_CASE(vmcall_mmio_write, "MMIO by TDVMCALL: 8 bytes out"),
	RUN_CASE(vmcall_mmio_read, "MMIO by TDVMCALL: 4 bytes in"),
	VMCALL_CASE("unknown_function", "a TDVMCALL that does not exist", kvm_answers,
		    &unknown_function),
	VMCALL_CASE("unknown_hypercall", "a hypercall that does not exist", kvm_answers,
		    &unknown_hypercall),
	VMCALL_CASE("io_of_3_bytes", "I/O of 3 bytes is refused", kvm_answers, &io_of_3_bytes),
	VMCALL_CASE("io_neither_in_nor_out", "I/O in no direction is refused", kvm_answers,
		    &io_neither_in_nor_out),
	VMCALL_CASE("mmio_private", "MMIO at a private gpa is refused", kvm_answers,
		    &mmio_private),
	VMCALL_CASE("mmio_of_16_bytes", "MMIO of 16 bytes is refused", kvm_answers,
		    &mmio_of_16_bytes),
	VMCALL_CASE("rdmsr_unknown", "an MSR that does not exist", kvm_answers, &rdmsr_unknown),
	VMCALL_CASE("wrmsr_unknown", "a write to an MSR that does not exist", kvm_answers,
		    &wrmsr_unknown),
	VMCALL_CASE("info_of_base", "GetTdVmCallInfo of the base functions", kvm_answers,
		    &info_of_base),
	VMCALL_CASE("info_unknown", "GetTdVmCallInfo of what does not exist", kvm_answers,
		    &info_unknown),
	VMCALL_CASE("map_gpa_not_enabled", "MapGPA that user space did not enable", kvm_answers,
		    &map_gpa_not_enabled),
	VMCALL_CASE("quote_in_private", "GetQuote into private memory", kvm_answers,
		    &quote_in_private),
	VMCALL_CASE("notify_by_exception", "notification by an exception's vector", kvm_answers,
		    &notify_by_exception),
	VMCALL_CASE("get_quote", "GetQuote: user space answers", user_space_answers, &get_quote),
	VMCALL_CASE("setup_notify", "SetupEventNotifyInterrupt: user space answers",
		    user_space_answers, &setup_notify),
	VMCALL_CASE("more_info", "GetTdVmCallInfo of more: user space answers",
		    user_space_answers, &more_info),
	RUN_CASE(fatal_error, "ReportFatalError: an event with all registers"),
	RUN_CASE(triple_fault, "a triple fault: KVM_EXIT_SHUTDOWN"),
	RUN_CASE(interrupts, "interrupts of a vCPU that runs", .cpus = 2),
	RUN_CASE(interrupt_before_entry, "an interrupt of a vCPU that does not run"),
	RUN_CASE(halt_and_wake, "a halted vCPU sleeps until an interrupt"),
	RUN_CASE(timer, "the APIC's deadline timer: not before its time"),
	RUN_CASE(signal_kicks, "a signal ends KVM_RUN, ten times", .cpus = 2),
	RUN_CASE(immediate_exit, "immediate_exit: KVM_RUN does not enter"),
	RUN_CASE(two_vcpus, "two vCPUs run at once", .cpus = 2),
	RUN_CASE(changes_cpu, "a vCPU goes from CPU to CPU", .cpus = 2),
	RUN_CASE(cpu_goes_offline, "the CPU of a vCPU goes offline and comes back", .cpus = 2,
		 .side_effects = "takes a CPU offline: interrupts and cpusets of others leave it for good"),
	RUN_CASE(beside_default_vm, "a TD and a default VM take turns on a CPU"),
	RUN_CASE(beside_td, "two TDs take turns on a CPU"),
	RUN_CASE(extended_state, "XMM registers of the guest and of the host"),
};

TEST_MAIN("TDs run: exits, TDVMCALLs, interrupts, CPUs", cases)
