// SPDX-License-Identifier: GPL-2.0-only
/* TDH.VP.ENTER: into the guest, what its exits mean, and out of it. */
#include "guest.h"

/* What no other TD exit is for. A debugger may have asked for it. */
static u64 unexpected_exit(struct call *c)
{
	if (c->tdcs->attributes & ATTR_DEBUG)
		return td_exit(c, c->vps->guest.qualification, 0, 0, 0);
	return td_lost(c, TDX_HI_NON_RECOVERABLE_TD);
}

static u64 exception_or_nmi(struct call *c)
{
	u32 info = c->vps->guest.interruption;

	if (EVENT_TYPE(info) != EVENT_EXCEPTION)
		return td_exit(c, 0, 0, 0, info);
	if (EVENT_VECTOR(info) == VECTOR_MC)
		return td_lost(c, TDX_HI_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	return unexpected_exit(c);
}

static u64 cpuid(struct call *c)
{
	u64 *gpr = c->vps->guest.gpr;
	struct cpuid_value v;

	if (!guest_cpuid(c, (u32)gpr[RAX], (u32)gpr[RCX], &v))
		return raise_ve(c);
	gpr[RAX] = v.eax;
	gpr[RBX] = v.ebx;
	gpr[RCX] = v.ecx;
	gpr[RDX] = v.edx;
	instruction_done(c);
	return STAY;
}

/* What the CPU would fault on, and what XFAM has not. */
static bool xcr0_valid(u64 value, u64 xfam)
{
	if (RULE(XCR0_IN_XFAM, value & ~xfam) || value & XSS_FEATURES || !(value & XCR0_X87))
		return false;
	return xfam_groups_ok(value) && (!(value & XCR0_AVX) || value & XCR0_SSE);
}

static u64 value_to_write(const struct softtdx_guest *g)
{
	return (u32)g->gpr[RAX] | g->gpr[RDX] << 32;
}

static u64 xsetbv(struct call *c)
{
	struct softtdx_guest *g = &c->vps->guest;
	u64 value = value_to_write(g);

	if ((u32)g->gpr[RCX] || !xcr0_valid(value, c->tdcs->xfam))
		return raise_exception(c, VECTOR_GP, true);
	g->xcr0 = value;
	instruction_done(c);
	return STAY;
}

#define CR_NUMBER(qualification)	((qualification) & 15)
#define CR_ACCESS_TYPE(qualification)	((qualification) >> 4 & 3)
#define CR_REGISTER(qualification)	((qualification) >> 8 & 15)
#define CR0_PE		(1ull << 0)
#define CR0_NE		(1ull << 5)
#define CR0_PG		(1ull << 31)
#define CR4_CET		(1ull << 23)
#define CR4_UINTR	(1ull << 25)
#define CR4_PKE		(1ull << 22)
/* What no CPU has, what needs key locker or protection keys for supervisors. */
#define CR4_NEVER	(~0x3FFFFFFull | 1ull << 15 | 1ull << 19 | 1ull << 24)

/* Only what the guest may not have exits: the CPU would refuse it, or the module keeps it. */
static bool cr0_faults(u64 value)
{
	return value >> 32 || !(value & CR0_NE) || (value & CR0_PG && !(value & CR0_PE));
}

static bool cr4_faults(const struct tdcs *tdcs, u64 value)
{
	return value & CR4_NEVER || (value & CR4_PKE && !(tdcs->xfam >> 9 & 1)) ||
	       (value & CR4_CET && !(tdcs->xfam >> 11 & 1)) ||
	       (value & CR4_UINTR && !(tdcs->xfam >> 14 & 1));
}

static u64 cr_access(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;
	u64 value = g->gpr[CR_REGISTER(g->qualification)];
	u32 number = CR_NUMBER(g->qualification);

	if (CR_ACCESS_TYPE(g->qualification) || (number != 0 && number != 4))
		return td_lost(c, TDX_HI_NON_RECOVERABLE_TD);
	if (number == 0 ? cr0_faults(value) : cr4_faults(c->tdcs, value))
		return raise_exception(c, VECTOR_GP, true);
	return raise_ve(c);
}

/* The window was opened for it. */
static u64 nmi_window(struct call *c)
{
	struct tdvps *vps = c->vps;

	vps->guest.nmi_window = false;
	if (vps->pend_nmi && !vps->ve.valid) {
		vps->guest.event = EVENT_VALID | EVENT_NMI << 8 | EVENT_NMI;
		vps->pend_nmi = 0;
	}
	return STAY;
}

static u64 other_smi(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;

	if (g->qualification & MSMI)
		return td_lost(c, TDX_HI_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	return td_exit(c, g->qualification, 0, 0, g->interruption);
}

static u64 ept_misconfiguration(struct call *c)
{
	u64 gpa = c->vps->guest.gpa;

	if (!(gpa & shared_bit(c->tdcs)))
		return td_lost(c, TDX_HI_NON_RECOVERABLE_TD);
	return td_exit(c, 0, 0, gpa & ~(PAGE_4K - 1), 0);
}

/* Returns TDH.VP.ENTER's RAX, or STAY. */
static u64 handle_exit(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;

	switch (g->reason) {
	case EXIT_EXCEPTION_NMI:
		return exception_or_nmi(c);
	case EXIT_INTERRUPT:
		return td_exit(c, 0, 0, 0, g->interruption);
	case EXIT_TRIPLE_FAULT:
		return vcpu_lost(c);
	case EXIT_INIT: case EXIT_TASK_SWITCH: case EXIT_BUS_LOCK:
		return td_exit(c, g->qualification, 0, 0, 0);
	case EXIT_NOTIFY:
		if (g->qualification & NOTIFY_CONTEXT_INVALID)
			return td_lost(c, TDX_HI_NON_RECOVERABLE_TD);
		return td_exit(c, g->qualification, 0, 0, 0);
	case EXIT_OTHER_SMI:
		return other_smi(c);
	case EXIT_NMI_WINDOW:
		return nmi_window(c);
	case EXIT_CPUID:
		return cpuid(c);
	case EXIT_XSETBV:
		return xsetbv(c);
	case EXIT_RDMSR:
		return guest_rdmsr(c);
	case EXIT_WRMSR:
		return guest_wrmsr(c);
	case EXIT_HLT: case EXIT_INVD: case EXIT_VMCALL: case EXIT_IO: case EXIT_MWAIT:
	case EXIT_MONITOR: case EXIT_WBINVD: case EXIT_APIC_WRITE: case EXIT_PCONFIG:
		return raise_ve(c);
	case EXIT_GETSEC: case EXIT_RSM: case EXIT_INVEPT: case EXIT_INVVPID: case EXIT_VMFUNC:
	case EXIT_ENCLS: case EXIT_ENCLV: case EXIT_ENQCMDS: case EXIT_SEAMCALL:
	case EXIT_VMCLEAR ... EXIT_VMXON:
		return raise_exception(c, VECTOR_UD, false);
	case EXIT_RDPMC: case EXIT_ENQCMD:
		return raise_exception(c, VECTOR_GP, true);
	case EXIT_CR_ACCESS:
		return cr_access(c);
	case EXIT_EPT_VIOLATION:
		return ept_violation(c);
	case EXIT_EPT_MISCONFIGURATION:
		return ept_misconfiguration(c);
	case EXIT_TDCALL:
		return tdcall(c);
	case EXIT_ENTRY_FAILED | EXIT_FAILED_BY_MC:
		return td_lost(c, TDX_HI_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	}
	return unexpected_exit(c);
}

/* The host's NMI for the guest, as soon as the guest can take one: after it asked about a #VE. */
static void deliver_nmi(struct tdvps *vps)
{
	struct softtdx_guest *g = &vps->guest;

	if (!vps->pend_nmi)
		return;
	g->nmi_window = g->event & EVENT_VALID || g->nmi_blocked || vps->ve.valid;
	if (g->nmi_window)
		return;
	g->event = EVENT_VALID | EVENT_NMI << 8 | EVENT_NMI;
	vps->pend_nmi = 0;
}

/* Bit 0: an interrupt waits whose class is above that of the processor's priority. */
static void update_state_details(struct call *c)
{
	const u8 *apic = map(c->m, c->vps->pages[TDVPS_APIC_PAGE]);
	u8 priority = apic[0xA0];

	c->vps->state_details = c->vps->guest.rvi >> 4 > priority >> 4;
}

static struct softtdx_vcpu to_run(struct call *c, bool flush_tlb)
{
	const struct tdcs *tdcs = c->tdcs;
	struct tdvps *vps = c->vps;

	return (struct softtdx_vcpu){
		.tdr = c->tdr_pa, .tdvpr = c->vps_pa, .guest = &vps->guest,
		.flush_tlb = flush_tlb, .eptp = ept_root(c),
		.vmcs = vps->pages[TDVPS_VMCS_PAGE], .apic_page = vps->pages[TDVPS_APIC_PAGE],
		.msr_bitmap = c->tdr->tdcx[TDCS_MSR_BITMAP_PAGE],
		.xsave = map(c->m, vps->pages[TDVPS_XSAVE_PAGE]), .xfam = tdcs->xfam,
		.tsc_offset = tdcs->tsc_offset, .tsc_multiplier = tdcs->tsc_multiplier,
		.posted_intr_nv = vps->posted_intr_nv, .pin_based = vps->pin_based,
		.posted_intr_desc = vps->posted_intr_desc & ((1ull << c->m->cfg.phys_bits) - 1),
		.arch = vps->arch,
	};
}

/* Bits of RCX that are neither the vCPU's address nor a flag: L2 and recoverability hints. */
#define VP_ENTER_RESERVED	(~HPA_MASK)

/* Counts the vCPU in under the current epoch. The old epoch decides whether to flush. */
static u64 epoch_enter(struct call *c, u64 *epoch, bool *flush)
{
	if (!lock_try(&c->tdcs->epoch_lock, SHARED))
		return ST(OPERAND_BUSY, OP_TD_EPOCH);
	*epoch = c->tdcs->epoch;
	atomic_add(&c->tdcs->inside[*epoch & 1], 1);
	lock_drop(&c->tdcs->epoch_lock);
	*flush = c->vps->epoch != *epoch;
	c->vps->epoch = *epoch;
	return 0;
}

/* TDVPR and TDR stay locked shared while the vCPU runs, the op-state does not. */
u64 vp_enter(struct call *c)
{
	bool flush_tlb;
	u64 instead;

	if (c->in.rcx & VP_ENTER_RESERVED)
		return ST(OPERAND_INVALID, OP_RCX);
	c->in.rcx &= HPA_MASK;
	TRY(vcpu_ready(c));
	TRY(epoch_enter(c, &c->epoch, &flush_tlb));
	instead = stepping_filter(c);
	if (instead) {
		atomic_sub(&c->tdcs->inside[c->epoch & 1], 1);
		return instead;
	}
	call_unlock(c, &c->tdcs->op_lock);
	atomic_store(&c->vps->inside, true);
	if (c->vps->in_vmcall)
		finish_vmcall(c);
	deliver_nmi(c->vps);
	c->vcpu = to_run(c, flush_tlb);
	return STAY;
}

u64 vp_exited(struct call *c)
{
	u64 rax;

	update_state_details(c);
	stepping_progress(c);
	if (atomic_load(&c->tdr->fatal))
		return td_lost(c, TDX_HI_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	rax = handle_exit(c);
	if (rax == STAY)
		c->vcpu = to_run(c, false);
	return rax;
}

void vp_left(struct call *c)
{
	atomic_store(&c->vps->inside, false);
	atomic_sub(&c->tdcs->inside[c->epoch & 1], 1);
}
