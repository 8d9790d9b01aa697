// SPDX-License-Identifier: GPL-2.0-only
/* SEAMCALL and TDCALL, the MSR with the KeyIDs, and the CPUID leaf of the control channel. */
#include "seam.h"
extern "C" {
#include "../../include/softtdx_control.h"
}

#define MSR_KEYID_PARTITIONING	0x87
#define P_SEAMLDR		(BX_CONST64(1) << 63)

seam_cpu seam_cpus[BX_MAX_SMP_THREADS_SUPPORTED];

static void set_operands(BX_CPU_C *cpu, softtdx_regs *r)
{
	*r = softtdx_regs();
	r->rcx = cpu->get_reg64(BX_64BIT_REG_RCX);
	r->rdx = cpu->get_reg64(BX_64BIT_REG_RDX);
	r->rbx = cpu->get_reg64(BX_64BIT_REG_RBX);
	r->rsi = cpu->get_reg64(BX_64BIT_REG_RSI);
	r->rdi = cpu->get_reg64(BX_64BIT_REG_RDI);
	r->r8 = cpu->get_reg64(BX_64BIT_REG_R8);
	r->r9 = cpu->get_reg64(BX_64BIT_REG_R9);
	r->r10 = cpu->get_reg64(BX_64BIT_REG_R10);
	r->r11 = cpu->get_reg64(BX_64BIT_REG_R11);
	r->r12 = cpu->get_reg64(BX_64BIT_REG_R12);
	r->r13 = cpu->get_reg64(BX_64BIT_REG_R13);
	r->r14 = cpu->get_reg64(BX_64BIT_REG_R14);
	r->r15 = cpu->get_reg64(BX_64BIT_REG_R15);
}

/* TDH.VP.ENTER gives values in more registers than other leaves. */
static void set_results(BX_CPU_C *cpu, Bit64u status, const softtdx_regs *r, bool all)
{
	cpu->set_reg64(BX_64BIT_REG_RAX, status);
	cpu->set_reg64(BX_64BIT_REG_RCX, r->rcx);
	cpu->set_reg64(BX_64BIT_REG_RDX, r->rdx);
	cpu->set_reg64(BX_64BIT_REG_R8, r->r8);
	cpu->set_reg64(BX_64BIT_REG_R9, r->r9);
	cpu->set_reg64(BX_64BIT_REG_R10, r->r10);
	cpu->set_reg64(BX_64BIT_REG_R11, r->r11);
	if (!all)
		return;
	cpu->set_reg64(BX_64BIT_REG_RBX, r->rbx);
	cpu->set_reg64(BX_64BIT_REG_RSI, r->rsi);
	cpu->set_reg64(BX_64BIT_REG_RDI, r->rdi);
	cpu->set_reg64(BX_64BIT_REG_R12, r->r12);
	cpu->set_reg64(BX_64BIT_REG_R13, r->r13);
	cpu->set_reg64(BX_64BIT_REG_R14, r->r14);
	cpu->set_reg64(BX_64BIT_REG_R15, r->r15);
}

/* The instruction is executed again; neither an interrupt nor an NMI comes in between. */
static void execute_again(BX_CPU_C *cpu)
{
	cpu->gen_reg[BX_64BIT_REG_RIP].rrx = seam_cpus[cpu->which_cpu()].rip;
	cpu->inhibit_mask = BX_INHIBIT_INTERRUPTS_BY_MOVSS;
	cpu->inhibit_icount = cpu->get_icount() + 1;
}

void seam_go_on(BX_CPU_C *cpu, Bit64u status)
{
	seam_cpu *s = &seam_cpus[cpu->which_cpu()];

	switch (status) {
	case SOFTTDX_RUN:
		seam_enter_guest(cpu);
		return;
	case SOFTTDX_WAIT:
		s->state = seam_cpu::WAITS;
		s->until = bx_pc_system.time_usec() + softtdx_call_usecs(&s->call);
		execute_again(cpu);
		return;
	}
	s->state = seam_cpu::NO_CALL;
	if (s->entered)
		leave_to_host(cpu, vcpu_of(s));
	cpu->clearEFlagsOSZAPC();
	set_results(cpu, status, &s->regs, s->entered);
}

void BX_CPP_AttrRegparmN(1) BX_CPU_C::SEAMCALL(bxInstruction_c *i)
{
	seam_cpu *s = &seam_cpus[BX_CPU_ID];

	if (!in_vmx || !long64_mode() || s->state == seam_cpu::IN_GUEST)
		exception(BX_UD_EXCEPTION, 0);
	if (CPL != 0)
		exception(BX_GP_EXCEPTION, 0);
	if (in_vmx_guest)
		VMexit(VMX_VMEXIT_SEAMCALL, 0);

	module_runs_on(this);
	if (s->state == seam_cpu::WAITS) {
		if (bx_pc_system.time_usec() < s->until)
			execute_again(this);
		else
			seam_go_on(this, softtdx_waited(&s->call));
	} else if (interrupts_inhibited(BX_INHIBIT_INTERRUPTS_BY_MOVSS)) {
		exception(BX_GP_EXCEPTION, 0);
	} else if (RAX & P_SEAMLDR) {
		/* There is none: VMfailInvalid. */
		clearEFlagsOSZAPC();
		assert_CF();
	} else {
		s->rip = prev_rip;
		s->entered = false;
		set_operands(this, &s->regs);
		seam_go_on(this, softtdx_begin(&softtdx, &s->call, RAX, &s->regs));
	}
	BX_NEXT_TRACE(i);
}

void BX_CPP_AttrRegparmN(1) BX_CPU_C::TDCALL(bxInstruction_c *i)
{
	if (!in_vmx_guest || !long64_mode())
		exception(BX_UD_EXCEPTION, 0);
	if (CPL != 0)
		exception(BX_GP_EXCEPTION, 0);
	VMexit(VMX_VMEXIT_TDCALL, 0);
	BX_NEXT_TRACE(i);
}

bool BX_CPU_C::seam_rdmsr(Bit32u index, Bit64u *value)
{
	if (index != MSR_KEYID_PARTITIONING)
		return false;
	*value = (Bit64u)NR_KEYIDS << 32 | (FIRST_KEYID - 1);
	return true;
}

/* CPUID: is it a request for the module? */
bool BX_CPU_C::seam_control(void)
{
	u64 data[4] = { RBX, RDX, RSI, RDI };

	if (EAX != SOFTTDX_CONTROL_LEAF || !SIM->get_param_bool(BXPN_SOFTTDX_CONTROL)->get())
		return false;
	module_runs_on(this);
	RAX = control_request(ECX, data);
	RBX = data[0];
	RDX = data[1];
	RSI = data[2];
	RDI = data[3];
	return true;
}

/* The machine's reset, CPU after CPU. INIT is no reset for the module. */
void BX_CPU_C::seam_reset(unsigned source)
{
	seam_cpu *s = &seam_cpus[BX_CPU_ID];

	if (source != BX_RESET_HARDWARE)
		return;
	s->state = seam_cpu::NO_CALL;
	if (BX_CPU_ID != 0)
		return;
	module_runs_on(this);
	module_reset();
	control_reset();
}

static bool under_way(const seam_cpu *s)
{
	return s->state != seam_cpu::NO_CALL;
}

extern "C" bool seam_is_busy(void)
{
	for (seam_cpu &s : seam_cpus)
		if (under_way(&s))
			return true;
	return false;
}

extern "C" void seam_let_go(void)
{
	for (seam_cpu &s : seam_cpus)
		if (under_way(&s))
			softtdx_call_let_go(&s.call);
}

extern "C" void seam_take_back(void)
{
	for (seam_cpu &s : seam_cpus)
		if (under_way(&s))
			softtdx_call_take_back(&s.call);
}
