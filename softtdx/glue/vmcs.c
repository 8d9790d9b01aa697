// SPDX-License-Identifier: GPL-2.0-only
/* A VMCS as TDX wants it: controls, the guest's first state, what of the host never changes. */
#include <linux/io.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>

#include "vmx.h"

#define PIN_CONTROLS	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS)
#define CPU_CONTROLS	(CPU_BASED_HLT_EXITING | CPU_BASED_UNCOND_IO_EXITING | \
			 CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_TPR_SHADOW | \
			 CPU_BASED_RDPMC_EXITING | CPU_BASED_MONITOR_EXITING | \
			 CPU_BASED_MWAIT_EXITING | CPU_BASED_USE_TSC_OFFSETTING | \
			 CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
#define CPU2_CONTROLS	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_RDTSCP | \
			 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE | SECONDARY_EXEC_WBINVD_EXITING | \
			 SECONDARY_EXEC_UNRESTRICTED_GUEST | SECONDARY_EXEC_APIC_REGISTER_VIRT | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY | SECONDARY_EXEC_ENABLE_INVPCID | \
			 SECONDARY_EXEC_ENABLE_XSAVES | SECONDARY_EXEC_TSC_SCALING)
#define EXIT_CONTROLS	(VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_HOST_ADDR_SPACE_SIZE | \
			 VM_EXIT_ACK_INTR_ON_EXIT | VM_EXIT_SAVE_IA32_PAT | \
			 VM_EXIT_LOAD_IA32_PAT | VM_EXIT_SAVE_IA32_EFER | VM_EXIT_LOAD_IA32_EFER)
#define ENTRY_CONTROLS	(VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_LOAD_IA32_PAT | \
			 VM_ENTRY_LOAD_IA32_EFER)

/* The guest may not change these bits of its control registers. */
#define CR0_OWNED	(X86_CR0_NE | X86_CR0_NW | X86_CR0_CD)
#define CR4_OWNED	(X86_CR4_MCE | X86_CR4_VMXE | X86_CR4_SMXE)

#define FIRST_RIP	0xFFFFFFF0
#define FIRST_EFER	0x901		/* SCE, LME, NX: long mode begins with paging */
#define FIRST_PAT	0x0007040600070406ull

/* Controls that this CPU must and can have set: the MSR's halves. */
static u64 supported(u32 msr, u64 wanted)
{
	u64 limits;

	rdmsrq(msr, limits);
	return (wanted | (u32)limits) & limits >> 32;
}

static void init_controls(const struct softtdx_vcpu *vcpu)
{
	u64 cpu2 = supported(MSR_IA32_VMX_PROCBASED_CTLS2, CPU2_CONTROLS);

	vmwrite(PIN_BASED_VM_EXEC_CONTROL, supported(MSR_IA32_VMX_TRUE_PINBASED_CTLS,
						     PIN_CONTROLS));
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, supported(MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
						     CPU_CONTROLS));
	vmwrite(SECONDARY_VM_EXEC_CONTROL, cpu2);
	vmwrite(VM_EXIT_CONTROLS, supported(MSR_IA32_VMX_TRUE_EXIT_CTLS, EXIT_CONTROLS));
	vmwrite(VM_ENTRY_CONTROLS, supported(MSR_IA32_VMX_TRUE_ENTRY_CTLS, ENTRY_CONTROLS));
	vmwrite(EXCEPTION_BITMAP, BIT(X86_TRAP_UD) | BIT(X86_TRAP_MC));
	vmwrite(MSR_BITMAP, vcpu->msr_bitmap);
	vmwrite(VIRTUAL_APIC_PAGE_ADDR, vcpu->apic_page);
	vmwrite(TSC_OFFSET, vcpu->tsc_offset);
	if (cpu2 & SECONDARY_EXEC_TSC_SCALING)
		vmwrite(TSC_MULTIPLIER, vcpu->tsc_multiplier);
	if (cpu2 & SECONDARY_EXEC_ENABLE_XSAVES)
		vmwrite(XSS_EXIT_BITMAP, 0);
	for (int i = 0; i < 4; i++)
		vmwrite(EOI_EXIT_BITMAP0 + 2 * i, 0);
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(VMCS_LINK_POINTER, ~0ull);
	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmwrite(CR3_TARGET_COUNT, 0);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 0);
}

static void init_segment(int number, u16 selector, u32 limit, u32 access)
{
	vmwrite(GUEST_ES_SELECTOR + 2 * number, selector);
	vmwrite(GUEST_ES_BASE + 2 * number, 0);
	vmwrite(GUEST_ES_LIMIT + 2 * number, limit);
	vmwrite(GUEST_ES_AR_BYTES + 2 * number, access);
}

static void init_guest_state(void)
{
	enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

	for (int i = ES; i <= GS; i++)
		init_segment(i, 0, 0xFFFFFFFF, i == CS ? 0xC09B : 0xC093);
	init_segment(LDTR, 0, 0xFFFF, 0x10082);
	init_segment(TR, 0, 0xFFFF, 0x8B);
	vmwrite(GUEST_GDTR_BASE, 0);
	vmwrite(GUEST_GDTR_LIMIT, 0xFFFF);
	vmwrite(GUEST_IDTR_BASE, 0);
	vmwrite(GUEST_IDTR_LIMIT, 0);
	vmwrite(GUEST_CR0, X86_CR0_PE | X86_CR0_NE);
	vmwrite(GUEST_CR3, 0);
	vmwrite(GUEST_CR4, X86_CR4_MCE | X86_CR4_VMXE);
	vmwrite(CR0_GUEST_HOST_MASK, CR0_OWNED);
	vmwrite(CR0_READ_SHADOW, X86_CR0_NE);
	vmwrite(CR4_GUEST_HOST_MASK, CR4_OWNED);
	vmwrite(CR4_READ_SHADOW, X86_CR4_MCE);
	vmwrite(GUEST_RIP, FIRST_RIP);
	vmwrite(GUEST_RSP, 0);
	vmwrite(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_IA32_EFER, FIRST_EFER);
	vmwrite(GUEST_IA32_PAT, FIRST_PAT);
	vmwrite(GUEST_IA32_DEBUGCTL, 0);
	vmwrite(GUEST_SYSENTER_CS, 0);
	vmwrite(GUEST_SYSENTER_ESP, 0);
	vmwrite(GUEST_SYSENTER_EIP, 0);
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmwrite(GUEST_INTR_STATUS, 0);
}

static void init_host_state(void)
{
	u64 value;

	vmwrite(HOST_CS_SELECTOR, __KERNEL_CS);
	vmwrite(HOST_SS_SELECTOR, __KERNEL_DS);
	vmwrite(HOST_DS_SELECTOR, 0);
	vmwrite(HOST_ES_SELECTOR, 0);
	vmwrite(HOST_FS_SELECTOR, 0);
	vmwrite(HOST_GS_SELECTOR, 0);
	vmwrite(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmwrite(HOST_RIP, (unsigned long)softtdx_vmexit);
	rdmsrq(MSR_EFER, value);
	vmwrite(HOST_IA32_EFER, value);
	rdmsrq(MSR_IA32_CR_PAT, value);
	vmwrite(HOST_IA32_PAT, value);
}

void softtdx_vmcs_init(const struct softtdx_vcpu *vcpu)
{
	init_controls(vcpu);
	init_guest_state();
	init_host_state();
}
