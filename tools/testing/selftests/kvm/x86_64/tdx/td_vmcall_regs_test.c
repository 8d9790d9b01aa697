// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDG.VP.VMCALL and registers: MSRs of the x2APIC one by one, and the general-purpose
 * registers, for every mask of them in RCX.
 */
#include "guest_vm.h"
#include "known_issues.h"
#include "testcase.h"

#define X2APIC		0x800
#define X2APIC_REGS	0x40

/* Reports R10 of each MSR. @arg: VMCALL_RDMSR, or VMCALL_WRMSR (of those that KVM refuses). */
static GUEST void reads_x2apic(u64 arg)
{
	for (u64 i = 0; i < X2APIC_REGS; i++) {
		/* Emulated registers are not written. */
		if (arg == VMCALL_WRMSR && !(i >= 0x10 && i <= 0x27) && i != 0x8 && i != 0xa && i != 0x3f)
			continue;
		guest_report(vmcall4(arg, X2APIC + i, 0, 0, 0));
	}
}

/* MSRs that KVM emulates for a TD; the others are virtualized by the CPU, or do not exist. */
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

CASE(x2apic_read, "RDMSR of x2APIC MSRs: KVM answers for those it emulates, and no other",
	.fixes = "1f3e69af5f93 (\"KVM: TDX: Fix x2APIC MSR handling in tdx_has_emulated_msr()\"), 7.2", .xfail = "X1",
	.xfail_in_body = true, .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, reads_x2apic, VMCALL_RDMSR, 0);

	for (unsigned int reg = 0; reg < X2APIC_REGS; reg++) {
		u64 r10 = guest_wait_value(p.vcpu[0]);

		if (reg == 0x2f)	/* LVT CMCI: depends on KVM's machine checks */
			continue;
		if (!emulated(reg) && r10 == VMCALL_SUCCESS && reg > 0x10 && reg < 0x28)
			xfail("X1", "MSR 0x%x is answered", X2APIC + reg);
		expect_eq(r10, emulated(reg) ? VMCALL_SUCCESS : VMCALL_INVALID_OPERAND,
			  "R10 of a read of MSR 0x%x", X2APIC + reg);
	}
	guest_wait_done(p.vcpu[0]);
	xpass("X1");
}

CASE(x2apic_write, "WRMSR of x2APIC MSRs that the CPU virtualizes: invalid operand",
	.xfail = "X1", .xfail_in_body = true, .vm_types = VM_TDX)
{
	struct guest_vm p = guest_vm_single(t, reads_x2apic, VMCALL_WRMSR, 0);

	for (unsigned int reg = 0; reg < X2APIC_REGS; reg++) {
		bool self_ipi = reg == 0x3f;
		u64 r10;

		if (!(reg >= 0x10 && reg <= 0x27) && reg != 0x8 && reg != 0xa && !self_ipi)
			continue;
		r10 = guest_wait_value(p.vcpu[0]);
		if (r10 == VMCALL_SUCCESS && (self_ipi || (reg > 0x10 && reg < 0x28)))
			xfail("X1", "a write of MSR 0x%x is taken", X2APIC + reg);
		expect_eq(r10, VMCALL_INVALID_OPERAND, "R10 of a write of MSR 0x%x", X2APIC + reg);
	}
	guest_wait_done(p.vcpu[0]);
	xpass("X1");
}

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
 * Each mask once, with an unknown function: R10 has the answer, all others are unchanged,
 * whether the mask exposes them or not.  Reports 0 and the number of calls, or the first
 * register that differs: mask, number, value.
 */
static GUEST void calls_with_masks(u64 arg)
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

CASE(every_mask, "registers are preserved for every mask in RCX",
	.vm_types = VM_TDX, .time_limit_s = 60)
{
	struct guest_vm p = guest_vm_single(t, calls_with_masks, t->seed, 0);
	u64 mask = guest_wait_value(p.vcpu[0]), number = guest_wait_value(p.vcpu[0]);

	if (mask)
		test_failed(__FILE__, __LINE__,
			    strf("register %llu after TDG.VP.VMCALL with mask 0x%llx",
				 number, mask),
			    "unchanged, R10: the answer",
			    strf("0x%llx", guest_wait_value(p.vcpu[0])));
	expect_eq(number, 1ULL << __builtin_popcount(MASK_FREE), "masks");
	measure("attempts", number);
}

TEST_MAIN("x2APIC registers and general-purpose registers of TDG.VP.VMCALL")
