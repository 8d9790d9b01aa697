// SPDX-License-Identifier: GPL-2.0-only
/* A VMCS as TDX wants it: controls, the guest's first state, and what the model says and asks. */
#include "seam.h"

#define PIN_CONTROLS	(VMX_PIN_BASED_VMEXEC_CTRL_EXTERNAL_INTERRUPT_VMEXIT |	\
			 VMX_PIN_BASED_VMEXEC_CTRL_NMI_EXITING |		\
			 VMX_PIN_BASED_VMEXEC_CTRL_VIRTUAL_NMI)
#define CPU_CONTROLS	(VMX_VM_EXEC_CTRL1_TSC_OFFSET | VMX_VM_EXEC_CTRL1_HLT_VMEXIT |	\
			 VMX_VM_EXEC_CTRL1_MWAIT_VMEXIT |			\
			 VMX_VM_EXEC_CTRL1_RDPMC_VMEXIT |			\
			 VMX_VM_EXEC_CTRL1_TPR_SHADOW |				\
			 VMX_VM_EXEC_CTRL1_IO_VMEXIT |				\
			 VMX_VM_EXEC_CTRL1_MSR_BITMAPS |			\
			 VMX_VM_EXEC_CTRL1_MONITOR_VMEXIT |			\
			 VMX_VM_EXEC_CTRL1_SECONDARY_CONTROLS)
#define CPU2_CONTROLS	(VMX_VM_EXEC_CTRL2_EPT_ENABLE | VMX_VM_EXEC_CTRL2_RDTSCP |	\
			 VMX_VM_EXEC_CTRL2_VIRTUALIZE_X2APIC_MODE |		\
			 VMX_VM_EXEC_CTRL2_WBINVD_VMEXIT |			\
			 VMX_VM_EXEC_CTRL2_UNRESTRICTED_GUEST |			\
			 VMX_VM_EXEC_CTRL2_VIRTUALIZE_APIC_REGISTERS |		\
			 VMX_VM_EXEC_CTRL2_VIRTUAL_INT_DELIVERY |		\
			 VMX_VM_EXEC_CTRL2_INVPCID |				\
			 VMX_VM_EXEC_CTRL2_XSAVES_XRSTORS |			\
			 VMX_VM_EXEC_CTRL2_TSC_SCALING)
#define EXIT_CONTROLS	(VMX_VMEXIT_CTRL1_SAVE_DBG_CTRLS |			\
			 VMX_VMEXIT_CTRL1_HOST_ADDR_SPACE_SIZE |		\
			 VMX_VMEXIT_CTRL1_INTA_ON_VMEXIT |			\
			 VMX_VMEXIT_CTRL1_STORE_PAT_MSR |			\
			 VMX_VMEXIT_CTRL1_STORE_EFER_MSR)
#define ENTRY_CONTROLS	(VMX_VMENTRY_CTRL1_LOAD_DBG_CTRLS | VMX_VMENTRY_CTRL1_LOAD_PAT_MSR |	\
			 VMX_VMENTRY_CTRL1_LOAD_EFER_MSR)

/* The guest may not change these bits of its control registers. */
#define CR0_OWNED	(BX_CR0_NE_MASK | BX_CR0_NW_MASK | BX_CR0_CD_MASK)
#define CR4_OWNED	(BX_CR4_MCE_MASK | BX_CR4_VMXE_MASK | BX_CR4_SMXE_MASK)

#define FIRST_RIP	0xFFFFFFF0
#define FIRST_EFER	0x901		/* SCE, LME, NX: long mode begins with paging */
#define FIRST_PAT	BX_CONST64(0x0007040600070406)

#define EFER_LMA	0x400
#define CODE_64		(1u << 13)	/* L of a segment's access rights */
#define DPL(rights)	((rights) >> 5 & 3)
#define EVENT_VALID	(1u << 31)
#define UNDEFINED_BIT	(1u << 12)	/* of the IDT-vectoring information */
#define BLOCKED_BY_STI_OR_SS	BX_CONST64(3)
#define BLOCKED_BY_NMI	8

struct field {
	unsigned int encoding;
	Bit64u value;
};

static void write_fields(BX_CPU_C *cpu, const field *fields, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		cpu->vmwrite(fields[i].encoding, fields[i].value);
}

/* Of the controls wanted those that this CPU has, and those that it must have: the MSR's halves. */
static Bit32u supported(BX_CPU_C *cpu, Bit32u msr, Bit32u wanted)
{
	Bit64u limits = 0;

	cpu->rdmsr(msr, &limits);
	return (wanted | (Bit32u)limits) & limits >> 32;
}

static void init_controls(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	const field fields[] = {
		{ VMCS_32BIT_CONTROL_PIN_BASED_EXEC_CONTROLS,
		  supported(cpu, BX_MSR_VMX_TRUE_PINBASED_CTRLS, PIN_CONTROLS) },
		{ VMCS_32BIT_CONTROL_PROCESSOR_BASED_VMEXEC_CONTROLS,
		  supported(cpu, BX_MSR_VMX_TRUE_PROCBASED_CTRLS, CPU_CONTROLS) },
		{ VMCS_32BIT_CONTROL_SECONDARY_VMEXEC_CONTROLS,
		  supported(cpu, BX_MSR_VMX_PROCBASED_CTRLS2, CPU2_CONTROLS) },
		{ VMCS_32BIT_CONTROL_VMEXIT_CONTROLS,
		  supported(cpu, BX_MSR_VMX_TRUE_VMEXIT_CTRLS, EXIT_CONTROLS) },
		{ VMCS_32BIT_CONTROL_VMENTRY_CONTROLS,
		  supported(cpu, BX_MSR_VMX_TRUE_VMENTRY_CTRLS, ENTRY_CONTROLS) },
		{ VMCS_32BIT_CONTROL_EXECUTION_BITMAP, 1u << BX_MC_EXCEPTION },
		{ VMCS_64BIT_CONTROL_MSR_BITMAPS, vcpu->msr_bitmap },
		{ VMCS_64BIT_CONTROL_VIRTUAL_APIC_PAGE_ADDR, vcpu->apic_page },
		{ VMCS_64BIT_CONTROL_TSC_OFFSET, vcpu->tsc_offset },
		{ VMCS_64BIT_CONTROL_TSC_MULTIPLIER, vcpu->tsc_multiplier },
		{ VMCS_64BIT_GUEST_LINK_POINTER, BX_INVALID_VMCSPTR },
	};

	write_fields(cpu, fields, ARRAY_SIZE(fields));
}

static void init_segments(BX_CPU_C *cpu)
{
	enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

	for (int n = ES; n <= TR; n++) {
		Bit32u rights = n == CS ? 0xC09B : n <= GS ? 0xC093 : n == TR ? 0x8B : 0x10082;

		cpu->vmwrite(VMCS_32BIT_GUEST_ES_LIMIT + 2 * n, n <= GS ? 0xFFFFFFFF : 0xFFFF);
		cpu->vmwrite(VMCS_32BIT_GUEST_ES_ACCESS_RIGHTS + 2 * n, rights);
	}
}

/* What is zero at first is so already: it is a new page. */
void vmcs_init(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	static const field fields[] = {
		{ VMCS_32BIT_GUEST_GDTR_LIMIT, 0xFFFF },
		{ VMCS_GUEST_CR0, BX_CR0_PE_MASK | BX_CR0_NE_MASK },
		{ VMCS_GUEST_CR4, BX_CR4_MCE_MASK | BX_CR4_VMXE_MASK },
		{ VMCS_CONTROL_CR0_GUEST_HOST_MASK, CR0_OWNED },
		{ VMCS_CONTROL_CR0_READ_SHADOW, BX_CR0_NE_MASK },
		{ VMCS_CONTROL_CR4_GUEST_HOST_MASK, CR4_OWNED },
		{ VMCS_CONTROL_CR4_READ_SHADOW, BX_CR4_MCE_MASK },
		{ VMCS_GUEST_RIP, FIRST_RIP },
		{ VMCS_GUEST_RFLAGS, 2 },
		{ VMCS_GUEST_DR7, 0x400 },
		{ VMCS_64BIT_GUEST_IA32_EFER, FIRST_EFER },
		{ VMCS_64BIT_GUEST_IA32_PAT, FIRST_PAT },
	};

	init_controls(cpu, vcpu);
	init_segments(cpu);
	write_fields(cpu, fields, ARRAY_SIZE(fields));
}

static void skip_instruction(BX_CPU_C *cpu, Bit64u length)
{
	Bit64u blocked = cpu->vmread(VMCS_32BIT_GUEST_INTERRUPTIBILITY_STATE);

	cpu->vmwrite(VMCS_GUEST_RIP, cpu->vmread(VMCS_GUEST_RIP) + length);
	cpu->vmwrite(VMCS_32BIT_GUEST_INTERRUPTIBILITY_STATE, blocked & ~BLOCKED_BY_STI_OR_SS);
}

/* KVM's descriptor and vector: interrupts reach the guest without an exit. */
static void write_posted_interrupts(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	const Bit64u posted = VMX_PIN_BASED_VMEXEC_CTRL_PROCESS_POSTED_INTERRUPTS;
	Bit64u pin = cpu->vmread(VMCS_32BIT_CONTROL_PIN_BASED_EXEC_CONTROLS) & ~posted;

	cpu->vmwrite(VMCS_32BIT_CONTROL_PIN_BASED_EXEC_CONTROLS, pin | (vcpu->pin_based & posted));
	cpu->vmwrite(VMCS_16BIT_CONTROL_POSTED_INTERRUPT_VECTOR, vcpu->posted_intr_nv);
	cpu->vmwrite(VMCS_64BIT_CONTROL_POSTED_INTERRUPT_DESC_ADDR, vcpu->posted_intr_desc);
}

static void write_nmi_window(BX_CPU_C *cpu, bool wanted)
{
	const Bit64u window = VMX_VM_EXEC_CTRL1_NMI_WINDOW_EXITING;
	Bit64u controls = cpu->vmread(VMCS_32BIT_CONTROL_PROCESSOR_BASED_VMEXEC_CONTROLS) & ~window;

	cpu->vmwrite(VMCS_32BIT_CONTROL_PROCESSOR_BASED_VMEXEC_CONTROLS,
		     controls | (wanted ? window : 0));
}

void vmcs_write_guest(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	softtdx_guest *g = vcpu->guest;

	if (g->skip)
		skip_instruction(cpu, g->skip);
	cpu->vmwrite(VMCS_32BIT_CONTROL_VMENTRY_INTERRUPTION_INFO, g->event);
	cpu->vmwrite(VMCS_32BIT_CONTROL_VMENTRY_EXCEPTION_ERR_CODE, g->event_error);
	cpu->vmwrite(VMCS_32BIT_CONTROL_VMENTRY_INSTRUCTION_LENGTH, g->event_length);
	write_nmi_window(cpu, g->nmi_window);
	g->skip = g->event = 0;
	cpu->vmwrite(VMCS_64BIT_CONTROL_EPTPTR, vcpu->eptp);
	write_posted_interrupts(cpu, vcpu);
}

void vmcs_read_guest(BX_CPU_C *cpu, softtdx_guest *g)
{
	const Bit64u ia32e = VMX_VMENTRY_CTRL1_X86_64_GUEST;
	Bit64u entry = cpu->vmread(VMCS_32BIT_CONTROL_VMENTRY_CONTROLS) & ~ia32e;
	bool long_mode = cpu->vmread(VMCS_64BIT_GUEST_IA32_EFER) & EFER_LMA;

	g->reason = cpu->vmread(VMCS_32BIT_VMEXIT_REASON);
	g->qualification = cpu->vmread(VMCS_VMEXIT_QUALIFICATION);
	g->interruption = cpu->vmread(VMCS_32BIT_VMEXIT_INTERRUPTION_INFO);
	g->instruction_length = cpu->vmread(VMCS_32BIT_VMEXIT_INSTRUCTION_LENGTH);
	g->instruction_info = cpu->vmread(VMCS_32BIT_VMEXIT_INSTRUCTION_INFO);
	g->gla = cpu->vmread(VMCS_GUEST_LINEAR_ADDR);
	g->gpa = cpu->vmread(VMCS_64BIT_GUEST_PHYSICAL_ADDR);
	g->rip = cpu->vmread(VMCS_GUEST_RIP);
	g->cr4 = cpu->vmread(VMCS_GUEST_CR4);
	g->code64 = long_mode && cpu->vmread(VMCS_32BIT_GUEST_CS_ACCESS_RIGHTS) & CODE_64;
	g->cpl = DPL(cpu->vmread(VMCS_32BIT_GUEST_SS_ACCESS_RIGHTS));
	g->nmi_blocked = cpu->vmread(VMCS_32BIT_GUEST_INTERRUPTIBILITY_STATE) & BLOCKED_BY_NMI;
	g->rvi = cpu->vmread(VMCS_16BIT_GUEST_INTERRUPT_STATUS);
	g->event = cpu->vmread(VMCS_32BIT_IDT_VECTORING_INFO) & ~UNDEFINED_BIT;
	if (!(g->event & EVENT_VALID))
		g->event = 0;
	g->event_error = cpu->vmread(VMCS_32BIT_IDT_VECTORING_ERR_CODE);
	g->event_length = g->instruction_length;
	cpu->vmwrite(VMCS_32BIT_CONTROL_VMENTRY_CONTROLS, entry | (long_mode ? ia32e : 0));
}
