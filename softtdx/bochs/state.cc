// SPDX-License-Identifier: GPL-2.0-only
/* Registers of a vCPU that no VMCS holds, and those that the host finds changed after a guest. */
#include "seam.h"

/* Members of BX_CPU_C::msr and of BX_CPU_C that guest and host have each their own of. */
#define GUEST_MSRS(X)							\
	X(star) X(lstar) X(cstar) X(fmask) X(kernelgsbase) X(tsc_aux)	\
	X(ia32_cet_control) X(ia32_pl_ssp) X(ia32_interrupt_ssp_table)
#define GUEST_REGISTERS(X)						\
	X(cr2) X(dr) X(dr6) X(pkru) X(pkrs)

/* In the vCPU's memory that is the environment's own; zero at first. */
struct arch {
	bool begun;
	Bit64u ssp;
#define X(name) decltype(bx_regs_msr_t::name) name;
	GUEST_MSRS(X)
#undef X
#define X(name) decltype(BX_CPU_C::name) name;
	GUEST_REGISTERS(X)
#undef X
};
static_assert(sizeof(arch) <= SOFTTDX_ARCH_SIZE, "arch");

/* In the vCPU's page for its extended state. */
struct xstate {
	decltype(BX_CPU_C::the_i387) i387;
	decltype(BX_CPU_C::mxcsr) mxcsr;
	bx_zmm_reg_t vmm[BX_XMM_REGISTERS];
	bx_gen_reg_t opmask[8];
};
static_assert(sizeof(xstate) <= 4096, "xstate");

#define XSS_FEATURES	(1u << 8 | 1u << 10 | 0x1Fu << 11 | 1u << 16)
#define DR6_INIT	0xFFFF0FF0
#define DR7_INIT	0x400
#define FMASK_OF_MODULE	0x20200		/* what the module's own MSR has: IF and ID */

bool has_run(const softtdx_vcpu *vcpu)
{
	return ((const arch *)vcpu->arch)->begun;
}

static void init_xstate(BX_CPU_C *cpu)
{
	cpu->the_i387.init();
	memset((void *)cpu->the_i387.st_space, 0, sizeof(cpu->the_i387.st_space));
	cpu->mxcsr.mxcsr = MXCSR_RESET;
	memset((void *)cpu->vmm, 0, sizeof(cpu->vmm));
	memset((void *)cpu->opmask, 0, sizeof(cpu->opmask));
}

static void load_xstate(BX_CPU_C *cpu, const xstate *x)
{
	cpu->the_i387 = x->i387;
	cpu->mxcsr = x->mxcsr;
	memcpy((void *)cpu->vmm, x->vmm, sizeof(x->vmm));
	memcpy((void *)cpu->opmask, x->opmask, sizeof(x->opmask));
}

/* The registers are left in their initial state: nothing of the guest reaches the host. */
static void save_xstate(BX_CPU_C *cpu, xstate *x)
{
	x->i387 = cpu->the_i387;
	x->mxcsr = cpu->mxcsr;
	memcpy((void *)x->vmm, (const void *)cpu->vmm, sizeof(x->vmm));
	memcpy((void *)x->opmask, (const void *)cpu->opmask, sizeof(x->opmask));
	init_xstate(cpu);
}

void load_registers(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	arch *a = (arch *)vcpu->arch;

	if (a->begun) {
		load_xstate(cpu, (const xstate *)vcpu->xsave);
	} else {
		init_xstate(cpu);
		a->begun = true;
		a->dr6.set32(DR6_INIT);
	}
	if (vcpu->guest->write_cr2)
		a->cr2 = vcpu->guest->cr2;
	vcpu->guest->write_cr2 = false;
	cpu->xcr0.set32(vcpu->guest->xcr0);
	cpu->msr.ia32_xss = vcpu->guest->xss;
	cpu->gen_reg[BX_64BIT_REG_SSP].rrx = a->ssp;
#define X(name) memcpy((void *)&cpu->msr.name, (const void *)&a->name, sizeof(a->name));
	GUEST_MSRS(X)
#undef X
#define X(name) memcpy((void *)&cpu->name, (const void *)&a->name, sizeof(a->name));
	GUEST_REGISTERS(X)
#undef X
}

void save_registers(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	arch *a = (arch *)vcpu->arch;

	save_xstate(cpu, (xstate *)vcpu->xsave);
	a->ssp = cpu->gen_reg[BX_64BIT_REG_SSP].rrx;
#define X(name) memcpy((void *)&a->name, (const void *)&cpu->msr.name, sizeof(a->name));
	GUEST_MSRS(X)
#undef X
#define X(name) memcpy((void *)&a->name, (const void *)&cpu->name, sizeof(a->name));
	GUEST_REGISTERS(X)
#undef X
}

/*
 * The module loads its own values or initial ones, and does not know the host's: KVM must bring
 * back what it needs (tdx_uret_msrs[], tdx_load_host_xsave_state(), hw_breakpoint_restore() and
 * the host's KERNEL_GS_BASE).
 */
void leave_to_host(BX_CPU_C *cpu, const softtdx_vcpu *vcpu)
{
	cpu->msr.star = 0;
	cpu->msr.lstar = 0;
	cpu->msr.cstar = 0;
	cpu->msr.fmask = FMASK_OF_MODULE;
	cpu->msr.kernelgsbase = 0;
	cpu->msr.tsc_aux = 0;
	cpu->msr.ia32_cet_control[1] = 0;
	memset(cpu->msr.ia32_pl_ssp, 0, sizeof(cpu->msr.ia32_pl_ssp));
	memset(cpu->dr, 0, sizeof(cpu->dr));
	cpu->dr6.set32(DR6_INIT);
	cpu->dr7.set32(DR7_INIT);
	cpu->cr2 = 0;
	cpu->xcr0.set32(vcpu->xfam & ~XSS_FEATURES);
	cpu->msr.ia32_xss = vcpu->xfam & XSS_FEATURES;
	cpu->set_PKeys(0, cpu->pkrs);
	cpu->handleCpuContextChange();
}
