// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDG.VP.VMCALL with every class of argument: registers of the x2APIC one by
 * one, port I/O and MMIO with sizes at their borders, and what becomes of
 * registers, for every mask of them in RCX.  User space hears only of what is
 * valid.
 */
#include <string.h>

#include "known_issues.h"
#include "guest_vm.h"
#include "testcase.h"

/* --- registers of the x2APIC ------------------------------------------------------- */

#define X2APIC		0x800
#define X2APIC_REGS	0x40

/* Says R10 of each register. @arg: VMCALL_RDMSR or VMCALL_WRMSR (of what KVM must refuse). */
static GUEST void asks_x2apic(u64 arg)
{
	for (u64 i = 0; i < X2APIC_REGS; i++) {
		/* What a write of 0 would do where it is emulated is no matter of this case. */
		if (arg == VMCALL_WRMSR && !(i >= 0x10 && i <= 0x27) && i != 0x8 && i != 0xa && i != 0x3f)
			continue;
		guest_report(vmcall4(arg, X2APIC + i, 0, 0, 0));
	}
}

/* Registers that KVM emulates for a TD; all others are the CPU's, or do not exist. */
static bool emulated(unsigned int reg)
{
	static const u8 regs[] = {
		0x02, 0x03, 0x0d, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,
		0x39, 0x3e,
	};

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i] == reg)
			return true;
	return false;
}

static void x2apic_read(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, asks_x2apic, VMCALL_RDMSR, 0);

	for (unsigned int reg = 0; reg < X2APIC_REGS; reg++) {
		u64 r10 = guest_wait_value(p.vcpu[0]);

		if (reg == 0x2f)	/* LVT CMCI: where KVM has machine checks */
			continue;
		if (!emulated(reg) && r10 == VMCALL_SUCCESS && reg > 0x10 && reg < 0x28)
			xfail("X1", "MSR 0x%x is answered", X2APIC + reg);
		expect_eq(r10, emulated(reg) ? VMCALL_SUCCESS : VMCALL_INVALID_OPERAND,
			  "R10 of a read of MSR 0x%x", X2APIC + reg);
	}
	guest_wait_done(p.vcpu[0]);
	xpass("X1");
}

static void x2apic_write(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, asks_x2apic, VMCALL_WRMSR, 0);

	for (unsigned int reg = 0; reg < X2APIC_REGS; reg++)
		if ((reg >= 0x10 && reg <= 0x27) || reg == 0x8 || reg == 0xa || reg == 0x3f)
			expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_INVALID_OPERAND,
				  "R10 of a write of MSR 0x%x", X2APIC + reg);
	guest_wait_done(p.vcpu[0]);
}

/* --- invalid arguments ---------------------------------------------------------------- */

struct call {
	u64 function, r12, r13, r14, r15;
};

#define MMIO	(SZ_1G | TD_SHARED_BIT)
#define TOP	((TD_SHARED_BIT << 1) - 1)	/* the last shared gpa */

static GUEST_DATA struct call invalid[] = {
	{ VMCALL_IO, 0, 1, 0x80, 0 },
	{ VMCALL_IO, 3, 0, 0x80, 0 },
	{ VMCALL_IO, 5, 1, 0x80, 0 },
	{ VMCALL_IO, 8, 0, 0x80, 0 },
	{ VMCALL_IO, ~0ULL, 1, 0x80, 0 },
	{ VMCALL_IO, 1ULL << 32 | 1, 1, 0x80, 0 },
	{ VMCALL_IO, 1, 2, 0x80, 0 },
	{ VMCALL_IO, 1, 1ULL << 32, 0x80, 0 },
	{ VMCALL_MMIO, 0, 1, MMIO, 0 },
	{ VMCALL_MMIO, 3, 0, MMIO, 0 },
	{ VMCALL_MMIO, 7, 1, MMIO, 0 },
	{ VMCALL_MMIO, 9, 1, MMIO, 0 },
	{ VMCALL_MMIO, 16, 0, MMIO, 0 },
	{ VMCALL_MMIO, 0x80000000, 0, MMIO, 0 },
	{ VMCALL_MMIO, 4, 2, MMIO, 0 },
	{ VMCALL_MMIO, 4, 0xffffffff, MMIO, 0 },
	{ VMCALL_MMIO, 4, 0, MMIO & ~TD_SHARED_BIT, 0 },
	{ VMCALL_MMIO, 8, 1, TOP - 3, 0 },		/* its second half is beyond */
	{ VMCALL_RDMSR, 0xffffffff, 0, 0, 0 },
	{ VMCALL_WRMSR, 0x1234567, 1, 0, 0 },
};

static GUEST void asks_all(u64 arg)
{
	const struct call *c = (const struct call *)arg;

	for (u64 i = 0; i < ARRAY_SIZE(invalid); i++)
		guest_report(vmcall4(c[i].function, c[i].r12, c[i].r13, c[i].r14, c[i].r15));
}

static void invalid_arguments(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, asks_all, (uintptr_t)invalid, 0);

	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_INVALID_OPERAND,
			  "R10 of function %llu with R12 0x%llx, R13 0x%llx, R14 0x%llx",
			  invalid[i].function, invalid[i].r12,
			  invalid[i].r13, invalid[i].r14);
	guest_wait_done(p.vcpu[0]);
}

/* --- output of each size ------------------------------------------------------------------ */

#define VALUE	0x8877665544332211ULL

static GUEST void writes_each_size(u64 arg)
{
	for (u64 size = 1; size <= (arg == VMCALL_IO ? 4 : 8); size *= 2)
		guest_report(vmcall4(arg, size, 1, arg == VMCALL_IO ? 0x80 : MMIO + 8 * size, VALUE));
}

/* User space gets as many bytes as the guest says, and no other. */
static void out_sizes(const struct test *t)
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

static void mmio_write_sizes(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, writes_each_size, VMCALL_MMIO, 0);
	struct kvm_run *run = p.vcpu[0]->run;

	for (unsigned int size = 1; size <= 8; size *= 2) {
		u64 value = 0;

		expect_ok(__guest_run(p.vcpu[0]), "KVM_RUN");
		expect_eq(run->exit_reason, KVM_EXIT_MMIO, "exit reason of %u bytes", size);
		expect_true(run->mmio.is_write, "a write");
		expect_eq(run->mmio.phys_addr, SZ_1G + 8 * size, "gpa, without the shared bit");
		expect_eq(run->mmio.len, size, "length");
		memcpy(&value, run->mmio.data, size);
		expect_eq(value, size == 8 ? VALUE : VALUE & ((1ULL << 8 * size) - 1),
			  "value of %u bytes", size);
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10 after %u bytes", size);
	}
}

/* --- registers, by RCX's mask ----------------------------------------------------------------- */

/* In the order of the mask's bits: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15. */
static GUEST_DATA u64 regs_in[16], regs_out[16];

/* TDCALL with all registers out of regs_in[], and back into regs_out[]; RSP is left alone. */
static GUEST void tdcall_all(void)
{
	asm volatile("sub $128, %%rsp\n\t"	/* below it the compiler may have variables */
		     "push %%rbx\n\tpush %%rbp\n\t"
		     "mov regs_in(%%rip), %%rax\n\tmov regs_in+8(%%rip), %%rcx\n\t"
		     "mov regs_in+16(%%rip), %%rdx\n\tmov regs_in+24(%%rip), %%rbx\n\t"
		     "mov regs_in+40(%%rip), %%rbp\n\tmov regs_in+48(%%rip), %%rsi\n\t"
		     "mov regs_in+56(%%rip), %%rdi\n\tmov regs_in+64(%%rip), %%r8\n\t"
		     "mov regs_in+72(%%rip), %%r9\n\tmov regs_in+80(%%rip), %%r10\n\t"
		     "mov regs_in+88(%%rip), %%r11\n\tmov regs_in+96(%%rip), %%r12\n\t"
		     "mov regs_in+104(%%rip), %%r13\n\tmov regs_in+112(%%rip), %%r14\n\t"
		     "mov regs_in+120(%%rip), %%r15\n\t"
		     ".byte 0x66, 0x0f, 0x01, 0xcc\n\t"		/* tdcall */
		     "mov %%rax, regs_out(%%rip)\n\tmov %%rcx, regs_out+8(%%rip)\n\t"
		     "mov %%rdx, regs_out+16(%%rip)\n\tmov %%rbx, regs_out+24(%%rip)\n\t"
		     "mov %%rbp, regs_out+40(%%rip)\n\tmov %%rsi, regs_out+48(%%rip)\n\t"
		     "mov %%rdi, regs_out+56(%%rip)\n\tmov %%r8, regs_out+64(%%rip)\n\t"
		     "mov %%r9, regs_out+72(%%rip)\n\tmov %%r10, regs_out+80(%%rip)\n\t"
		     "mov %%r11, regs_out+88(%%rip)\n\tmov %%r12, regs_out+96(%%rip)\n\t"
		     "mov %%r13, regs_out+104(%%rip)\n\tmov %%r14, regs_out+112(%%rip)\n\t"
		     "mov %%r15, regs_out+120(%%rip)\n\t"
		     "pop %%rbp\n\tpop %%rbx\n\tadd $128, %%rsp"
		     : : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		       "r13", "r14", "r15", "memory", "cc");
}

#define MASK_FIXED	(1U << 10 | 1U << 11)	/* R10, R11: what KVM needs to see */
#define MASK_FREE	0xf3ccU			/* all but these, RAX, RCX, RSP, and RBP: NO_RBP_MOD */
#define UNSUPPORTED	0x4711

/*
 * Each mask once, with a function that does not exist: R10 has the answer, all
 * others are as they were, handed out or not. Says how many calls, and the first
 * register that is not: mask, number, value.
 */
static GUEST void tries_masks(u64 arg)
{
	u64 calls = 0, free = 0;

	do {
		for (int i = 0; i < 16; i++)
			regs_in[i] = 0x1111111111111111ULL * i ^ arg ^ free << 20;
		regs_in[0] = TDG_VP_VMCALL;
		regs_in[1] = MASK_FIXED | free;
		regs_in[10] = 0;
		regs_in[11] = UNSUPPORTED;
		tdcall_all();
		calls++;
		for (int i = 0; i < 16; i++) {
			u64 expected = i == 0 ? 0 : i == 10 ? VMCALL_UNSUPPORTED : regs_in[i];

			if (i == 4 || regs_out[i] == expected)
				continue;
			guest_report(regs_in[1]);
			guest_report(i);
			guest_report(regs_out[i]);
			return;
		}
		free = (free - MASK_FREE) & MASK_FREE;	/* the next one of its subsets */
	} while (free);
	guest_report(0);
	guest_report(calls);
}

static void every_mask(const struct test *t)
{
	struct guest_vm p = guest_vm_single(t, tries_masks, t->seed, 0);
	u64 mask = guest_wait_value(p.vcpu[0]), number = guest_wait_value(p.vcpu[0]);

	if (mask)
		test_failed(__FILE__, __LINE__,
			    strf("register %llu after TDG.VP.VMCALL with mask 0x%llx",
				 number, mask),
			    "as before, R10 the answer",
			    strf("0x%llx", guest_wait_value(p.vcpu[0])));
	expect_eq(number, 1ULL << __builtin_popcount(MASK_FREE), "masks that were tried");
	measure("attempts", number);
}

#define RUN(body, summary, ...)	{ #body, summary, body, .vm_types = VM_TDX, \
					  .boot = BOOT_TDX, __VA_ARGS__ }

static const struct test_case cases[] = {
	RUN(x2apic_read, "reads of the x2APIC: KVM answers for its registers, and for no other",
	    .fixes = "KVM: TDX: Fix x2APIC MSR handling in tdx_has_emulated_msr() (7.2)"),
	RUN(x2apic_write, "writes of x2APIC registers that are the CPU's are refused"),
	RUN(invalid_arguments, "sizes, directions and gpas that are not valid: operand invalid"),
	RUN(out_sizes, "OUT of 1, 2 and 4 bytes: user space gets these"),
	RUN(mmio_write_sizes, "MMIO writes of 1 to 8 bytes: user space gets these"),
	RUN(every_mask, "registers are preserved, for every mask in RCX", .time_limit_s = 60),
};

TEST_MAIN("arguments and registers of TDG.VP.VMCALL", cases)
