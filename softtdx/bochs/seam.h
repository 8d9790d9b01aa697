/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SEAMCALL and TDCALL of Bochs' CPUs: what the C++ files share.
 *
 * A SEAMCALL is one instruction, and Bochs has one thread: no CPU executes anything while the
 * model works. A call that waits is the instruction executed again and again until it may go on;
 * TDH.VP.ENTER enters VMX non-root mode and ends with the guest's exit for the host.
 */
#ifndef SEAM_H
#define SEAM_H

#define NEED_CPU_REG_SHORTCUTS 1
#include "bochs.h"
#include "cpu.h"
#include "cpuid.h"
#include "msr.h"
#include "apic.h"
#include "gui/siminterface.h"
#include "memory/memory-bochs.h"
#include "param_names.h"
#include "pc_system.h"

/* Bochs' names for parts of an MMX register. */
#undef u16
#undef u32
#undef u64
#define _Static_assert static_assert
extern "C" {
#include "module.h"
}

/* KeyIDs: 0 is for everyone, 1 is left to MKTME, these are TDX's. */
#define KEYID_BITS	6	/* of a physical address; as testbed/make/bochs_edits/tme.py has it */
#define FIRST_KEYID	2
#define NR_KEYIDS	32

/*
 * The members of BX_CPU_C that a SEAMCALL leaves as they were, whatever its guest did; but see
 * leave_to_host().
 */
#define HOST_STATE(X)							\
	X(gen_reg) X(eflags) X(oszapc) X(sregs) X(gdtr) X(idtr) X(ldtr) X(tr)	\
	X(dr) X(dr6) X(dr7) X(cr0) X(cr2) X(cr3) X(cr4) X(efer) X(xcr0)	\
	X(linaddr_width) X(pkru) X(pkrs) X(msr)				\
	X(vmcsptr) X(vmcshostptr) X(vmcs)

struct host_state {
#define X(name) decltype(BX_CPU_C::name) name;
	HOST_STATE(X)
#undef X
};

/* A CPU's SEAMCALL that has not ended. */
struct seam_cpu {
	enum { NO_CALL, WAITS, IN_GUEST } state;
	Bit64u until;		/* WAITS: bx_pc_system.time_usec() at which it goes on */
	bx_address rip;		/* of the SEAMCALL */
	bool entered;		/* its guest has run */
	softtdx_call call;
	softtdx_regs regs;
	host_state *host;	/* IN_GUEST: what comes back at the exit */
};

extern seam_cpu seam_cpus[BX_MAX_SMP_THREADS_SUPPORTED];

static inline const softtdx_vcpu *vcpu_of(const seam_cpu *s)
{
	return softtdx_call_vcpu(&s->call);
}

/* seam.cc: the call has got so far; RAX and the other results, or what comes next. */
void seam_go_on(BX_CPU_C *cpu, Bit64u status);

/* guest.cc: as VMLAUNCH does. The guest runs when the instruction has been executed. */
void seam_enter_guest(BX_CPU_C *cpu);

/* vmcs.cc, of the current VMCS: a vCPU's first state, what the model says, what it is told. */
void vmcs_init(BX_CPU_C *cpu, const softtdx_vcpu *vcpu);
void vmcs_write_guest(BX_CPU_C *cpu, const softtdx_vcpu *vcpu);
void vmcs_read_guest(BX_CPU_C *cpu, softtdx_guest *guest);

/* state.cc: registers of the guest that no VMCS holds. */
bool has_run(const softtdx_vcpu *vcpu);
void load_registers(BX_CPU_C *cpu, const softtdx_vcpu *vcpu);
void save_registers(BX_CPU_C *cpu, const softtdx_vcpu *vcpu);
/* What of the host's state TDH.VP.ENTER does not bring back. */
void leave_to_host(BX_CPU_C *cpu, const softtdx_vcpu *vcpu);

/* environment.cc: the module as after a reset of the machine. */
void module_reset(void);
/* The CPU that the model works for: what it asks for is this one's. */
void module_runs_on(BX_CPU_C *cpu);

#endif
