// SPDX-License-Identifier: GPL-2.0-only
/* Into a TD's guest and out of it, around what Bochs does at VM entries and exits. */
#include "seam.h"

#define ENTRY_FAILED	(1u << 31)

static void save_host(const BX_CPU_C *cpu, seam_cpu *s)
{
	if (!s->host)
		s->host = (host_state *)calloc(1, sizeof(*s->host));
#define X(name) memcpy((void *)&s->host->name, (const void *)&cpu->name, sizeof(cpu->name));
	HOST_STATE(X)
#undef X
}

/* All but the VMCS, which VMexit() still needs: seam_vmexit() does that. */
static void restore_host(BX_CPU_C *cpu, const seam_cpu *s)
{
	const Bit64u vmcsptr = cpu->vmcsptr;
	const bx_hostpageaddr_t vmcshostptr = cpu->vmcshostptr;
	const VMCS_CACHE vmcs = cpu->vmcs;

#define X(name) memcpy((void *)&cpu->name, (const void *)&s->host->name, sizeof(cpu->name));
	HOST_STATE(X)
#undef X
	cpu->vmcsptr = vmcsptr;
	cpu->vmcshostptr = vmcshostptr;
	cpu->vmcs = vmcs;
	cpu->tsc_offset = 0;
	cpu->prev_rip = cpu->get_rip();
	cpu->inhibit_mask = 0;
	cpu->debug_trap = 0;
	cpu->activity_state = BX_CPU_C::BX_ACTIVITY_STATE_ACTIVE;
	cpu->handleCpuContextChange();
	cpu->monitor.reset_monitor();
}

static void copy_gprs(bx_gen_reg_t *to, const u64 *from)
{
	for (int n = 0; n < 16; n++)
		if (n != BX_64BIT_REG_RSP)
			to[n].rrx = from[n];
}

static void copy_gprs(u64 *to, const bx_gen_reg_t *from)
{
	for (int n = 0; n < 16; n++)
		if (n != BX_64BIT_REG_RSP)
			to[n] = from[n].rrx;
}

/*
 * VMLAUNCH without its checks of what the host could get wrong. An entry that fails is an exit,
 * with VMX's error number where the VMCS itself was refused.
 */
static void launch(BX_CPU_C *cpu)
{
	Bit64u qualification = 0;
	VMX_error_code error = cpu->VMenterLoadCheckVmControls();

	if (error != VMXERR_NO_ERROR)
		cpu->VMexit(VMX_VMEXIT_VMENTRY_FAILURE_GUEST_STATE | ENTRY_FAILED, error);
	if (cpu->VMenterLoadCheckGuestState(&qualification))
		cpu->VMexit(VMX_VMEXIT_VMENTRY_FAILURE_GUEST_STATE | ENTRY_FAILED, qualification);
	/* What they mean depends on CR4. */
	cpu->set_PKeys(cpu->pkru, cpu->pkrs);
	cpu->in_vmx_guest = true;
	cpu->handleInterruptMaskChange();
	cpu->unmask_event(BX_EVENT_INIT);
	cpu->tsc_offset = cpu->VMread64(VMCS_64BIT_CONTROL_TSC_OFFSET);
	cpu->VMenterInjectEvents();
	/*
	 * The event is delivered. An interrupt that waits must find its handler's RIP, which the
	 * loop of several CPUs does not commit before it looks for one.
	 */
	cpu->prev_rip = cpu->get_rip();
	cpu->VMX_TPR_Virtualization();
}

void seam_enter_guest(BX_CPU_C *cpu)
{
	seam_cpu *s = &seam_cpus[cpu->which_cpu()];
	const softtdx_vcpu *vcpu = vcpu_of(s);

	if (s->state != seam_cpu::IN_GUEST)	/* else it has just come back */
		save_host(cpu, s);
	s->state = seam_cpu::IN_GUEST;
	s->entered = true;
	cpu->set_VMCSPTR(vcpu->vmcs);
	if (!has_run(vcpu))
		vmcs_init(cpu, vcpu);
	vmcs_write_guest(cpu, vcpu);
	copy_gprs(cpu->gen_reg, vcpu->guest->gpr);
	load_registers(cpu, vcpu);
	launch(cpu);
}

/* In VMexit(), where the host's state is loaded: false if that comes from the VMCS. */
bool BX_CPU_C::seam_load_host_state(void)
{
	seam_cpu *s = &seam_cpus[BX_CPU_ID];

	if (s->state != seam_cpu::IN_GUEST)
		return false;
	vmcs_read_guest(this, vcpu_of(s)->guest);
	copy_gprs(vcpu_of(s)->guest->gpr, gen_reg);
	save_registers(this, vcpu_of(s));
	restore_host(this, s);
	return true;
}

/* At the end of VMexit(). Returns if the exit was no TD's. */
void BX_CPU_C::seam_vmexit(void)
{
	seam_cpu *s = &seam_cpus[BX_CPU_ID];

	if (s->state != seam_cpu::IN_GUEST)
		return;
	vmcsptr = s->host->vmcsptr;
	vmcshostptr = s->host->vmcshostptr;
	vmcs = s->host->vmcs;
	module_runs_on(this);
	seam_go_on(this, softtdx_exited(&s->call));
	longjmp(jmp_buf_env, 1);
}
