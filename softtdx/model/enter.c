// SPDX-License-Identifier: GPL-2.0-only
/* TDH.VP.ENTER: into the guest, what its exits mean, and out of it. */
#include "guest.h"

/* Leaves the TD: RAX is the exit reason, all registers but these are zero. */
u64 td_exit(struct call *c, u64 rcx, u64 rdx, u64 r8, u64 r9)
{
	*c->out = (struct softtdx_regs){ .rcx = rcx, .rdx = rdx, .r8 = r8, .r9 = r9 };
	return c->vps->guest.reason;
}

/* An exit after which the vCPU cannot run again. */
static u64 vcpu_lost(struct call *c)
{
	c->vps->state = VCPU_DISABLED;
	return td_exit(c, c->vps->guest.qualification, 0, 0, 0) | ST0(NON_RECOVERABLE_VCPU);
}

void instruction_done(struct call *c)
{
	c->vps->guest.skip = c->vps->guest.instruction_length;
}

/* An exception in the delivery of another event is a double fault; error codes are zero. */
u64 raise_exception(struct call *c, u32 vector, bool has_error)
{
	struct softtdx_guest *g = &c->vps->guest;

	if (RULE(DOUBLE_FAULT, g->event & EVENT_VALID)) {
		vector = VECTOR_DF;
		has_error = true;
	}
	g->event = EVENT_VALID | EVENT_EXCEPTION << 8 | (has_error ? EVENT_HAS_ERROR : 0) | vector;
	g->event_error = 0;
	return STAY;
}

/* #VE with what the exit told; a second one before the guest asked about the first is #DF. */
u64 raise_ve(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;
	struct ve_info *ve = &c->vps->ve;

	if (RULE(VE_INFO_VALID, ve->valid))
		return raise_exception(c, VECTOR_DF, true);
	*ve = (struct ve_info){
		.valid = true, .reason = g->reason, .length = g->instruction_length,
		.info = g->instruction_info, .qualification = g->qualification,
		.gla = g->reason == EXIT_EPT_VIOLATION ? g->gla : 0,
		.gpa = g->reason == EXIT_EPT_VIOLATION ? g->gpa : 0,
	};
	return raise_exception(c, VECTOR_VE, false);
}

static u64 exception_or_nmi(struct call *c)
{
	u32 info = c->vps->guest.interruption;

	if (EVENT_TYPE(info) == EVENT_EXCEPTION && EVENT_VECTOR(info) == VECTOR_UD)
		return is_tdcall(c) ? tdcall(c) : raise_exception(c, VECTOR_UD, false);
	return td_exit(c, 0, 0, 0, info);
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

#define MSR_MISC_ENABLE		0x1A0
#define MISC_ENABLE_VALUE	0x1801	/* fast strings; neither BTS nor PEBS */
#define MSR_X2APIC_ID		0x802
#define MSR_XSS			0xDA0

/* MSRs that the module itself answers; for the others the guest asks the host. */
static u64 rdmsr(struct call *c)
{
	struct softtdx_guest *g = &c->vps->guest;
	u64 value;

	switch ((u32)g->gpr[RCX]) {
	case MSR_MISC_ENABLE:
		value = MISC_ENABLE_VALUE;
		break;
	case MSR_X2APIC_ID:
		if (!(c->tdcs->td_ctls & CTLS_ENUM_TOPOLOGY))
			return raise_ve(c);
		value = c->vps->x2apic_id;
		break;
	case MSR_XSS:
		value = g->xss;
		break;
	default:
		return raise_ve(c);
	}
	g->gpr[RAX] = (u32)value;
	g->gpr[RDX] = value >> 32;
	instruction_done(c);
	return STAY;
}

static u64 wrmsr(struct call *c)
{
	struct softtdx_guest *g = &c->vps->guest;
	u64 value = value_to_write(g);

	if ((u32)g->gpr[RCX] != MSR_XSS)
		return raise_ve(c);
	if (RULE(XSS_IN_XFAM, value & ~(c->tdcs->xfam & XSS_FEATURES)))
		return raise_exception(c, VECTOR_GP, true);
	g->xss = value;
	instruction_done(c);
	return STAY;
}

static bool is_vmx_instruction(u32 reason)
{
	return (reason >= EXIT_VMCALL && reason <= EXIT_VMXON) || reason == EXIT_INVEPT ||
	       reason == EXIT_INVVPID;
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
	case EXIT_CPUID:
		return cpuid(c);
	case EXIT_XSETBV:
		return xsetbv(c);
	case EXIT_RDMSR:
		return rdmsr(c);
	case EXIT_WRMSR:
		return wrmsr(c);
	case EXIT_HLT:
	case EXIT_INVD:
	case EXIT_RDPMC:
	case EXIT_IO:
	case EXIT_MWAIT:
	case EXIT_MONITOR:
	case EXIT_WBINVD:
		return raise_ve(c);
	case EXIT_CR_ACCESS:
		return raise_exception(c, VECTOR_GP, true);
	case EXIT_EPT_VIOLATION:
		return ept_violation(c);
	case EXIT_TDCALL:
		return tdcall(c);
	}
	if (is_vmx_instruction(g->reason))
		return raise_exception(c, VECTOR_UD, false);
	return vcpu_lost(c);
}

/* The host's NMI for the guest, as soon as the guest can take one. */
static void deliver_nmi(struct tdvps *vps)
{
	struct softtdx_guest *g = &vps->guest;

	if (!vps->pend_nmi || g->event & EVENT_VALID || g->nmi_blocked)
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

/* TDVPR, TDR and op-state stay locked shared while the vCPU runs, as in the real module. */
u64 vp_enter(struct call *c)
{
	bool flush_tlb;

	TRY(vcpu_ready(c));
	TRY(epoch_enter(c, &c->epoch, &flush_tlb));
	c->vps->inside = true;
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
	rax = handle_exit(c);
	if (rax == STAY)
		c->vcpu = to_run(c, false);
	return rax;
}

void vp_left(struct call *c)
{
	c->vps->inside = false;
	atomic_sub(&c->tdcs->inside[c->epoch & 1], 1);
}
