// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a TD's vCPU to its next exit. KVM assumes that a SEAMCALL leaves its VMCS current, and
 * the host's registers as they were but for those that it loads again itself.
 *
 * The VMCS is cleared after each exit: a CPU holds nothing of a vCPU that does not run on it.
 */
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/fpu/xcr.h>
#include <asm/gsseg.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/special_insns.h>

#include "vmx.h"

/* Registers of the guest that no VMCS holds. */
static const u32 swapped_msrs[] = {
	MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_TSC_AUX,
};

#define NR_DEBUGREGS	5

struct arch {
	bool begun;
	u64 cr2;
	u64 debugregs[NR_DEBUGREGS];	/* 0 to 3, 6; the VMCS has 7 */
	u64 msrs[ARRAY_SIZE(swapped_msrs)];
};
static_assert(sizeof(struct arch) <= SOFTTDX_ARCH_SIZE);

/* --- extended state ------------------------------------------------------- */

struct host_xstate {
	u64 xcr0, xss;
};

#define XCOMP_BV	(512 + 8)	/* in the header of an XSAVE area */
#define COMPACTED	(1ull << 63)
#define XSS_BITS	(1ull << 8 | 1ull << 10 | 0x1Full << 11 | 1ull << 16)

static void xsaves(void *area, u64 features)
{
	asm volatile("xsaves64 (%0)" : : "r" (area), "a" ((u32)features), "d" ((u32)(features >> 32))
		     : "memory");
}

static void xrstors(const void *area, u64 features)
{
	asm volatile("xrstors64 (%0)" : : "r" (area), "a" ((u32)features),
		     "d" ((u32)(features >> 32)) : "memory");
}

static void enable_features(u64 xfam)
{
	xsetbv(XCR_XFEATURE_ENABLED_MASK, xfam & ~XSS_BITS);
	wrmsrq(MSR_IA32_XSS, xfam & XSS_BITS);
}

static struct host_xstate load_guest_xstate(const struct softtdx_vcpu *vcpu, bool first)
{
	struct host_xstate host = { .xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) };

	rdmsrq(MSR_IA32_XSS, host.xss);
	enable_features(vcpu->xfam);
	if (first)
		*(u64 *)(vcpu->xsave + XCOMP_BV) = COMPACTED | vcpu->xfam;
	xrstors(vcpu->xsave, vcpu->xfam);
	xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->guest->xcr0);
	wrmsrq(MSR_IA32_XSS, vcpu->guest->xss);
	return host;
}

/* The registers are left in their initial state: nothing of the guest reaches the host. */
static void load_host_xstate(const struct softtdx_vcpu *vcpu, const struct host_xstate *host)
{
	static const u64 initial[128] __aligned(64) = { [XCOMP_BV / 8] = COMPACTED };

	enable_features(vcpu->xfam);
	xsaves(vcpu->xsave, vcpu->xfam);
	xrstors(initial, vcpu->xfam);
	xsetbv(XCR_XFEATURE_ENABLED_MASK, host->xcr0);
	wrmsrq(MSR_IA32_XSS, host->xss);
}

static void swap_msrs(u64 values[])
{
	for (int i = 0; i < ARRAY_SIZE(swapped_msrs); i++) {
		u64 value = values[i];

		rdmsrq(swapped_msrs[i], values[i]);
		wrmsrq(swapped_msrs[i], value);
	}
}

#define SWAP_DEBUGREG(number, value) do {					\
	u64 before;								\
	asm volatile("mov %%db" #number ", %0" : "=r" (before));		\
	asm volatile("mov %0, %%db" #number : : "r" (value));			\
	(value) = before;							\
} while (0)

static void swap_debugregs(u64 values[NR_DEBUGREGS])
{
	SWAP_DEBUGREG(0, values[0]);
	SWAP_DEBUGREG(1, values[1]);
	SWAP_DEBUGREG(2, values[2]);
	SWAP_DEBUGREG(3, values[3]);
	SWAP_DEBUGREG(6, values[4]);
}

/* --- the host's state around an exit -------------------------------------- */

/* What an exit does not restore. */
struct host_tables {
	struct desc_ptr gdt, idt;
	u16 ds, es, fs, gs, ldt;
	u64 fs_base;
};

static void save_host_tables(struct host_tables *host)
{
	store_gdt(&host->gdt);
	store_idt(&host->idt);
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	savesegment(fs, host->fs);
	savesegment(gs, host->gs);
	store_ldt(host->ldt);
	rdmsrq(MSR_FS_BASE, host->fs_base);
}

static void load_host_tables(const struct host_tables *host)
{
	load_gdt(&host->gdt);
	load_idt(&host->idt);
	invalidate_tss_limit();
	if (host->ldt)
		asm volatile("lldt %w0" : : "q" (host->ldt));
	if (unlikely(host->ds | host->es)) {
		loadsegment(ds, host->ds);
		loadsegment(es, host->es);
	}
	if (unlikely(host->fs)) {
		loadsegment(fs, host->fs);
		wrmsrq(MSR_FS_BASE, host->fs_base);
	}
	if (unlikely(host->gs))
		load_gs_index(host->gs);
}

/* What differs from CPU to CPU and from task to task. */
static void write_host_state(const struct host_tables *host)
{
	static const struct { u32 msr; u16 field; } fields[] = {
		{ MSR_IA32_SYSENTER_CS, HOST_IA32_SYSENTER_CS },
		{ MSR_IA32_SYSENTER_ESP, HOST_IA32_SYSENTER_ESP },
		{ MSR_IA32_SYSENTER_EIP, HOST_IA32_SYSENTER_EIP },
		{ MSR_GS_BASE, HOST_GS_BASE },
	};
	u64 value;

	for (int i = 0; i < ARRAY_SIZE(fields); i++) {
		rdmsrq(fields[i].msr, value);
		vmwrite(fields[i].field, value);
	}
	vmwrite(HOST_FS_BASE, host->fs_base);
	vmwrite(HOST_GDTR_BASE, host->gdt.address);
	vmwrite(HOST_IDTR_BASE, host->idt.address);
	vmwrite(HOST_TR_BASE,
		(unsigned long)&get_cpu_entry_area(raw_smp_processor_id())->tss.x86_tss);
	vmwrite(HOST_CR0, read_cr0());
	vmwrite(HOST_CR3, __read_cr3());
	vmwrite(HOST_CR4, __read_cr4());
}

/* --- what the model and the VMCS tell each other --------------------------- */

/* KVM's descriptor and vector: interrupts reach the guest without an exit. */
static void write_posted_interrupts(const struct softtdx_vcpu *vcpu)
{
	u64 pin = vmread(PIN_BASED_VM_EXEC_CONTROL) & ~(u64)PIN_BASED_POSTED_INTR;

	if (vcpu->pin_based & PIN_BASED_POSTED_INTR)
		pin |= PIN_BASED_POSTED_INTR;
	vmwrite(PIN_BASED_VM_EXEC_CONTROL, pin);
	vmwrite(POSTED_INTR_NV, vcpu->posted_intr_nv);
	vmwrite(POSTED_INTR_DESC_ADDR, vcpu->posted_intr_desc);
}

#define BLOCKED_BY_STI_OR_SS	(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

static void skip_instruction(u64 length)
{
	if (!length)
		return;
	vmwrite(GUEST_RIP, vmread(GUEST_RIP) + length);
	vmwrite(GUEST_INTERRUPTIBILITY_INFO,
		vmread(GUEST_INTERRUPTIBILITY_INFO) & ~(u64)BLOCKED_BY_STI_OR_SS);
}

static void write_guest(const struct softtdx_vcpu *vcpu)
{
	struct softtdx_guest *g = vcpu->guest;

	skip_instruction(g->skip);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, g->event);
	vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, g->event_error);
	vmwrite(VM_ENTRY_INSTRUCTION_LEN, g->event_length);
	g->skip = g->event = 0;
	vmwrite(EPT_POINTER, vcpu->eptp);
	write_posted_interrupts(vcpu);
}

#define CODE_64		(1u << 13)	/* L of a segment's access rights */
#define UNDEFINED_BIT	(1u << 12)	/* of the IDT-vectoring information */

static void read_guest(struct softtdx_guest *g)
{
	u64 entry = vmread(VM_ENTRY_CONTROLS) & ~(u64)VM_ENTRY_IA32E_MODE;
	bool long_mode = vmread(GUEST_IA32_EFER) & EFER_LMA;

	g->reason = vmread(VM_EXIT_REASON);
	g->qualification = vmread(EXIT_QUALIFICATION);
	g->interruption = vmread(VM_EXIT_INTR_INFO);
	g->instruction_length = vmread(VM_EXIT_INSTRUCTION_LEN);
	g->instruction_info = vmread(VMX_INSTRUCTION_INFO);
	g->gla = vmread(GUEST_LINEAR_ADDRESS);
	g->gpa = vmread(GUEST_PHYSICAL_ADDRESS);
	g->rip = vmread(GUEST_RIP);
	g->cr3 = vmread(GUEST_CR3);
	g->cr4 = vmread(GUEST_CR4);
	g->code64 = long_mode && vmread(GUEST_CS_AR_BYTES) & CODE_64;
	g->nmi_blocked = vmread(GUEST_INTERRUPTIBILITY_INFO) & GUEST_INTR_STATE_NMI;
	g->rvi = vmread(GUEST_INTR_STATUS);
	g->event = vmread(IDT_VECTORING_INFO_FIELD) & ~UNDEFINED_BIT;
	if (!(g->event & INTR_INFO_VALID_MASK))
		g->event = 0;
	g->event_error = vmread(IDT_VECTORING_ERROR_CODE);
	g->event_length = g->instruction_length;
	vmwrite(VM_ENTRY_CONTROLS, entry | (long_mode ? VM_ENTRY_IA32E_MODE : 0));
}

/* VMLAUNCH itself failed: for the model an entry that failed, with VMX's error number. */
static void report_vmfail(struct softtdx_guest *g)
{
	g->reason = VMX_EXIT_REASONS_FAILED_VMENTRY;
	g->qualification = vmread(VM_INSTRUCTION_ERROR);
}

static void begin_vmcs(const struct softtdx_vcpu *vcpu)
{
	u64 basic;

	rdmsrq(MSR_IA32_VMX_BASIC, basic);
	*(u32 *)__va(vcpu->vmcs) = basic & 0x7FFFFFFF;
	vmclear(vcpu->vmcs);
	vmptrld(vcpu->vmcs);
	softtdx_vmcs_init(vcpu);
}

static void launch(const struct softtdx_vcpu *vcpu, struct arch *arch)
{
	struct host_tables host;
	u64 host_cr2 = native_read_cr2();

	save_host_tables(&host);
	write_host_state(&host);
	write_guest(vcpu);
	if (vcpu->flush_tlb)
		invept_single(vcpu->eptp);
	swap_msrs(arch->msrs);
	swap_debugregs(arch->debugregs);
	native_write_cr2(arch->cr2);
	if (softtdx_vmlaunch(vcpu->guest->gpr))
		report_vmfail(vcpu->guest);
	else
		read_guest(vcpu->guest);
	arch->cr2 = native_read_cr2();
	native_write_cr2(host_cr2);
	swap_debugregs(arch->debugregs);
	swap_msrs(arch->msrs);
	load_host_tables(&host);
}

void softtdx_run(void *env, const struct softtdx_vcpu *vcpu)
{
	struct arch *arch = vcpu->arch;
	u64 kvm_vmcs = vmptrst();
	struct host_xstate host;

	if (arch->begun)
		vmptrld(vcpu->vmcs);
	else
		begin_vmcs(vcpu);
	host = load_guest_xstate(vcpu, !arch->begun);
	arch->begun = true;
	launch(vcpu, arch);
	load_host_xstate(vcpu, &host);
	vmclear(vcpu->vmcs);
	if (kvm_vmcs != ~0ull)
		vmptrld(kvm_vmcs);
}
