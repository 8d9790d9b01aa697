// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDG.VP.VMCALL by function and argument (GHCI): what KVM answers itself, what it forwards
 * to user space, and what it refuses (handle_tdvmcall() in arch/x86/kvm/vmx/tdx.c).  User
 * space gets only what is valid, with exactly the bytes of the guest.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "guest_vm.h"
#include "testcase.h"

#define ANSWER(status, ...) \
	.arg = &(const struct answer){ .vmcall = { __VA_ARGS__ }, .r10 = status }
#define FORWARD(operand, ...) \
	.arg = &(const struct forward){ .vmcall = { __VA_ARGS__ }, .data0 = operand }

#define MMIO_GPA	(GPA + 64 * SZ_1G)	/* no slot there */
#define MMIO		(MMIO_GPA | TD_SHARED_BIT)
#define TOP		((TD_SHARED_BIT << 1) - 1)	/* the last shared gpa */
#define FEAT_CTL	0x3a
#define MCG_EXT_CTL	0x4d0
#define VALUE		0x8877665544332211ULL

/* One call with R10 to R15; the guest reports all of them afterwards. */
struct vmcall {
	u64 r10, function, r12, r13, r14, r15;
};
static GUEST_DATA struct vmcall asked = { .r10 = 1 };

static GUEST void calls(u64 arg)
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

static struct guest_vm asking(const struct test *t, struct vmcall what)
{
	asked = what;
	return guest_vm_single(t, calls, 0, 0);
}

/* KVM answers without user space. */
struct answer {
	struct vmcall vmcall;
	u64 r10;
};

static void kvm_answers(const struct test *t)
{
	const struct answer *a = t->tc->arg;
	struct guest_vm p = asking(t, a->vmcall);

	expect_eq(guest_wait_value(p.vcpu[0]), a->r10, "R10 after function 0x%llx",
		  a->vmcall.function);
}

CASES(kvm_answers,
	{ "unknown_function", "an unknown function: unsupported",
	  ANSWER(VMCALL_UNSUPPORTED, .function = 0x1ffff), .vm_types = VM_TDX },
	{ "unknown_hypercall", "an unknown hypercall: -KVM_ENOSYS",
	  ANSWER(-1000ULL, .r10 = 0x77), .vm_types = VM_TDX },
	{ "io_of_3_bytes", "I/O of 3 bytes: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_IO, .r12 = 3, .r14 = 0x80),
	  .vm_types = VM_TDX },
	{ "io_neither_in_nor_out", "I/O in no direction: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_IO, .r12 = 1, .r13 = 2),
	  .vm_types = VM_TDX },
	{ "mmio_private", "MMIO at a private gpa: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_MMIO, .r12 = 8, .r13 = 1, .r14 = MMIO_GPA),
	  .vm_types = VM_TDX },
	{ "mmio_of_16_bytes", "MMIO of 16 bytes: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_MMIO, .r12 = 16, .r13 = 1, .r14 = MMIO),
	  .vm_types = VM_TDX },
	{ "rdmsr_unknown", "RDMSR of an unknown MSR: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_RDMSR, .r12 = 0x1234567),
	  .vm_types = VM_TDX },
	{ "wrmsr_unknown", "WRMSR of an unknown MSR: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_WRMSR, .r12 = 0x1234567),
	  .vm_types = VM_TDX },
	{ "rdmsr_mcg_ext_ctl", "RDMSR of IA32_MCG_EXT_CTL without local machine checks: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_RDMSR, .r12 = MCG_EXT_CTL),
	  .vm_types = VM_TDX },
	{ "wrmsr_mcg_ext_ctl", "WRMSR of IA32_MCG_EXT_CTL without local machine checks: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_WRMSR, .r12 = MCG_EXT_CTL, .r13 = 1),
	  .vm_types = VM_TDX },
	{ "wrmsr_feat_ctl", "WRMSR of IA32_FEAT_CTL, which is locked: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_WRMSR, .r12 = FEAT_CTL, .r13 = 1),
	  .vm_types = VM_TDX },
	{ "info_of_base", "GetTdVmCallInfo of the base functions: success",
	  ANSWER(VMCALL_SUCCESS, .function = VMCALL_GET_INFO, .r12 = 0), .vm_types = VM_TDX },
	{ "info_unknown", "GetTdVmCallInfo of an unknown leaf: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_GET_INFO, .r12 = 2),
	  .vm_types = VM_TDX },
	{ "map_gpa_not_enabled", "MapGPA without KVM_CAP_EXIT_HYPERCALL: unsupported",
	  ANSWER(VMCALL_UNSUPPORTED, .function = VMCALL_MAP_GPA, .r12 = GPA, .r13 = SZ_4K),
	  .vm_types = VM_TDX },
	{ "quote_in_private", "GetQuote into private memory: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_GET_QUOTE, .r12 = GPA, .r13 = SZ_4K),
	  .vm_types = VM_TDX },
	{ "notify_by_exception",
	  "SetupEventNotifyInterrupt with an exception's vector: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_SETUP_NOTIFY, .r12 = 31),
	  .vm_types = VM_TDX },
	{ "notify_by_vector_256", "SetupEventNotifyInterrupt with vector 256: invalid operand",
	  ANSWER(VMCALL_INVALID_OPERAND, .function = VMCALL_SETUP_NOTIFY, .r12 = 256),
	  .vm_types = VM_TDX })

CASE(vmcall_cpuid, "CPUID: KVM answers", .vm_types = VM_TDX)
{
	struct guest_vm p = asking(t, (struct vmcall){ .function = VMCALL_CPUID });
	u64 regs[4];

	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	guest_wait_value(p.vcpu[0]);
	for (int i = 0; i < 4; i++)
		regs[i] = guest_wait_value(p.vcpu[0]);
	expect_eq(regs[1], 0x756e6547, "EBX of leaf 0: Genu");
	expect_eq(regs[3], 0x49656e69, "EDX: ineI");
	expect_eq(regs[2], 0x6c65746e, "ECX: ntel");
}

CASE(vmcall_rdmsr, "RDMSR: KVM answers", .vm_types = VM_TDX)
{
	struct guest_vm p = asking(t, (struct vmcall){ .function = VMCALL_RDMSR,
							   .r12 = 0x1b });

	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	expect_eq(guest_wait_value(p.vcpu[0]), 0xfee00d00, "IA32_APIC_BASE: x2APIC, enabled, BSP");
}

CASE(vmcall_rdmsr_feat_ctl, "RDMSR of IA32_FEAT_CTL: locked, and nothing else", .vm_types = VM_TDX)
{
	struct guest_vm p = asking(t, (struct vmcall){ .function = VMCALL_RDMSR, .r12 = FEAT_CTL });

	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	expect_eq(guest_wait_value(p.vcpu[0]), 1, "IA32_FEAT_CTL: locked");
}

#define MCG_LMCE_P	(1ULL << 27)	/* of what KVM_X86_SETUP_MCE takes */

static GUEST void uses_local_mce(u64 arg)
{
	struct tdcall_regs r = { .r10 = 0, .r11 = VMCALL_RDMSR, .r12 = FEAT_CTL };

	guest_report(vmcall4(VMCALL_WRMSR, MCG_EXT_CTL, 1, 0, 0));
	guest_report(vmcall4(VMCALL_WRMSR, MCG_EXT_CTL, 2, 0, 0));
	vmcall(&r);
	guest_report(r.r11);
	r = (struct tdcall_regs){ .r10 = arg, .r11 = VMCALL_RDMSR, .r12 = MCG_EXT_CTL };
	vmcall(&r);
	guest_report(r.r11);
}

CASE(local_mce, "with local machine checks: IA32_MCG_EXT_CTL keeps what it may, IA32_FEAT_CTL says so",
	.vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, uses_local_mce, 0, 0);
	u64 supported = 0, wanted = MCG_LMCE_P | 10;

	expect_ok(ioctl(kvm_dev(), KVM_X86_GET_MCE_CAP_SUPPORTED, &supported),
		  "KVM_X86_GET_MCE_CAP_SUPPORTED");
	if (!(supported & MCG_LMCE_P))
		test_skip("needs local machine checks: this KVM supports 0x%llx", supported);
	expect_ok(ioctl(p.vcpu[0]->fd, KVM_X86_SETUP_MCE, &wanted), "KVM_X86_SETUP_MCE of 0x%llx", wanted);
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10 of WRMSR of 1");
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_INVALID_OPERAND, "R10 of WRMSR of 2");
	expect_eq(guest_wait_value(p.vcpu[0]), 1ULL | 1ULL << 20, "IA32_FEAT_CTL: locked, LMCE on");
	expect_eq(guest_wait_value(p.vcpu[0]), 1, "IA32_MCG_EXT_CTL");
}

CASE(vmcall_io, "IN of 1, 2 and 4 bytes: KVM_EXIT_IO", .vm_types = VM_TDX)
{
	static const u64 sizes[] = { 1, 2, 4 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct guest_vm p = asking(t, (struct vmcall){
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

CASE(vmcall_mmio_write, "an MMIO write of 8 bytes: KVM_EXIT_MMIO", .vm_types = VM_TDX)
{
	struct guest_vm p = asking(t, (struct vmcall){
		.function = VMCALL_MMIO, .r12 = 8, .r13 = 1, .r14 = MMIO,
		.r15 = 0x1122334455667788 });
	struct kvm_run *run = p.vcpu[0]->run;

	expect_exit(p.vcpu[0], KVM_EXIT_MMIO);
	expect_eq(run->mmio.phys_addr, MMIO_GPA, "gpa, without the shared bit");
	expect_eq(run->mmio.len, 8, "bytes");
	expect_eq(run->mmio.is_write, 1, "a write");
	expect_eq(*(u64 *)run->mmio.data, 0x1122334455667788, "value");
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
}

CASE(vmcall_mmio_read, "an MMIO read of 4 bytes: KVM_EXIT_MMIO", .vm_types = VM_TDX)
{
	struct guest_vm p = asking(t, (struct vmcall){
		.function = VMCALL_MMIO, .r12 = 4, .r14 = MMIO });
	struct kvm_run *run = p.vcpu[0]->run;

	expect_exit(p.vcpu[0], KVM_EXIT_MMIO);
	expect_eq(run->mmio.phys_addr, MMIO_GPA, "gpa, without the shared bit");
	expect_eq(run->mmio.is_write, 0, "a read");
	*(u32 *)run->mmio.data = 0xd00df00d;
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
	expect_eq(guest_wait_value(p.vcpu[0]), 0xd00df00d, "R11");
}

/* User space answers KVM_EXIT_TDX; its answer is R10. */
struct forward {
	struct vmcall vmcall;
	u64 data0;		/* first operand, as user space gets it */
};

static void user_space_answers(const struct test *t)
{
	const struct forward *f = t->tc->arg;
	struct guest_vm p = asking(t, f->vmcall);
	struct kvm_run_tdx *exit = (void *)&p.vcpu[0]->run->hw;

	expect_exit(p.vcpu[0], KVM_EXIT_TDX);
	expect_eq(exit->nr, f->vmcall.function, "function");
	expect_eq(exit->data[0], f->data0, "its operand");
	exit->ret = VMCALL_RETRY;
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_RETRY, "R10: the answer of user space");
}

CASES(user_space_answers,
	{ "get_quote", "GetQuote: user space answers",
	  FORWARD(GPA, .function = VMCALL_GET_QUOTE, .r12 = GPA | TD_SHARED_BIT, .r13 = SZ_4K),
	  .vm_types = VM_TDX },
	{ "setup_notify", "SetupEventNotifyInterrupt: user space answers",
	  FORWARD(0x50, .function = VMCALL_SETUP_NOTIFY, .r12 = 0x50), .vm_types = VM_TDX },
	{ "more_info", "GetTdVmCallInfo of optional functions: user space answers",
	  FORWARD(1, .function = VMCALL_GET_INFO, .r12 = 1), .vm_types = VM_TDX })

CASE(fatal_error, "ReportFatalError: KVM_EXIT_SYSTEM_EVENT with all registers",
	.vm_types = VM_TDX)
{
	struct guest_vm p = asking(t, (struct vmcall){
		.function = VMCALL_FATAL_ERROR, .r12 = 0xdead, .r13 = 13, .r14 = 14, .r15 = 15 });
	struct kvm_run *run = p.vcpu[0]->run;

	expect_exit(p.vcpu[0], KVM_EXIT_SYSTEM_EVENT);
	expect_eq(run->system_event.type, KVM_SYSTEM_EVENT_TDX_FATAL, "type");
	expect_eq(run->system_event.ndata, 16, "registers");
	expect_eq(run->system_event.data[12], 0xdead, "R12");
	expect_eq(run->system_event.data[15], 15, "R15");
}

static GUEST_DATA struct vmcall invalid[] = {
	{ 0, VMCALL_IO, 0, 1, 0x80, 0 },
	{ 0, VMCALL_IO, 3, 0, 0x80, 0 },
	{ 0, VMCALL_IO, 5, 1, 0x80, 0 },
	{ 0, VMCALL_IO, 8, 0, 0x80, 0 },
	{ 0, VMCALL_IO, ~0ULL, 1, 0x80, 0 },
	{ 0, VMCALL_IO, 1ULL << 32 | 1, 1, 0x80, 0 },
	{ 0, VMCALL_IO, 1, 2, 0x80, 0 },
	{ 0, VMCALL_IO, 1, 1ULL << 32, 0x80, 0 },
	{ 0, VMCALL_MMIO, 0, 1, MMIO, 0 },
	{ 0, VMCALL_MMIO, 3, 0, MMIO, 0 },
	{ 0, VMCALL_MMIO, 7, 1, MMIO, 0 },
	{ 0, VMCALL_MMIO, 9, 1, MMIO, 0 },
	{ 0, VMCALL_MMIO, 16, 0, MMIO, 0 },
	{ 0, VMCALL_MMIO, 0x80000000, 0, MMIO, 0 },
	{ 0, VMCALL_MMIO, 4, 2, MMIO, 0 },
	{ 0, VMCALL_MMIO, 4, 0xffffffff, MMIO, 0 },
	{ 0, VMCALL_MMIO, 4, 0, MMIO & ~TD_SHARED_BIT, 0 },
	{ 0, VMCALL_MMIO, 8, 1, TOP - 3, 0 },		/* its second half is above */
	{ 0, VMCALL_RDMSR, 0xffffffff, 0, 0, 0 },
	{ 0, VMCALL_WRMSR, 0x1234567, 1, 0, 0 },
};

static GUEST void calls_all(u64 arg)
{
	const struct vmcall *c = (const struct vmcall *)arg;

	for (u64 i = 0; i < ARRAY_SIZE(invalid); i++)
		guest_report(vmcall4(c[i].function, c[i].r12, c[i].r13, c[i].r14, c[i].r15));
}

CASE(invalid_arguments, "invalid sizes, directions and gpas: invalid operand",
	.vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, calls_all, (uintptr_t)invalid, 0);

	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_INVALID_OPERAND,
			  "R10 of function %llu with R12 0x%llx, R13 0x%llx, R14 0x%llx",
			  invalid[i].function, invalid[i].r12,
			  invalid[i].r13, invalid[i].r14);
	guest_wait_done(p.vcpu[0]);
}

static GUEST void writes_each_size(u64 arg)
{
	for (u64 size = 1; size <= (arg == VMCALL_IO ? 4 : 8); size *= 2)
		guest_report(vmcall4(arg, size, 1, arg == VMCALL_IO ? 0x80 : MMIO + 8 * size, VALUE));
}

CASE(out_sizes, "OUT of 1, 2 and 4 bytes: user space gets exactly these", .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, writes_each_size, VMCALL_IO, 0);
	struct kvm_run *run = p.vcpu[0]->run;

	for (unsigned int size = 1; size <= 4; size *= 2) {
		u64 value = 0;

		expect_ok(__guest_run(p.vcpu[0]), "KVM_RUN");
		expect_eq(run->exit_reason, KVM_EXIT_IO, "exit reason of %u bytes", size);
		expect_eq(run->io.direction, KVM_EXIT_IO_OUT, "direction");
		expect_eq(run->io.port, 0x80, "port");
		expect_eq(run->io.size, size, "size");
		expect_eq(run->io.count, 1, "count");
		memcpy(&value, (u8 *)run + run->io.data_offset, size);
		expect_eq(value, VALUE & ((1ULL << 8 * size) - 1), "value of %u bytes", size);
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10 after %u bytes", size);
	}
}

CASE(mmio_write_sizes, "MMIO writes of 1 to 8 bytes: user space gets exactly these",
	.vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, writes_each_size, VMCALL_MMIO, 0);
	struct kvm_run *run = p.vcpu[0]->run;

	for (unsigned int size = 1; size <= 8; size *= 2) {
		u64 value = 0;

		expect_ok(__guest_run(p.vcpu[0]), "KVM_RUN");
		expect_eq(run->exit_reason, KVM_EXIT_MMIO, "exit reason of %u bytes", size);
		expect_true(run->mmio.is_write, "a write");
		expect_eq(run->mmio.phys_addr, MMIO_GPA + 8 * size, "gpa, without the shared bit");
		expect_eq(run->mmio.len, size, "length");
		memcpy(&value, run->mmio.data, size);
		expect_eq(value, size == 8 ? VALUE : VALUE & ((1ULL << 8 * size) - 1),
			  "value of %u bytes", size);
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10 after %u bytes", size);
	}
}

TEST_MAIN("TDG.VP.VMCALL: who answers it, and which arguments are refused")
