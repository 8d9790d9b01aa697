// SPDX-License-Identifier: GPL-2.0-only
/* TDCALL, the guest's side of the module. */
#include "guest.h"

/* The registers that TDG.VP.VMCALL can share: their number and place in TDH.VP.ENTER's. */
#define SHARE(number, member) { number, offsetof(struct softtdx_regs, member) / sizeof(u64) }
static const struct { u8 number, place; } shareable[] = {
	SHARE(RDX, rdx), SHARE(RBX, rbx), SHARE(RSI, rsi), SHARE(RDI, rdi), SHARE(R8, r8),
	SHARE(R9, r9), SHARE(R10, r10), SHARE(R11, r11), SHARE(R12, r12), SHARE(R13, r13),
	SHARE(R14, r14), SHARE(R15, r15),
};
#define NR_SHAREABLE	(ARRAY_SIZE(shareable))
/* RAX, RCX, RSP, RBP and what is no register. */
#define VMCALL_NEVER	(~0xFFFFFFFFull | 1u << RAX | 1u << RCX | 1u << RSP | 1u << RBP)

static u64 tdg_vp_vmcall(struct call *c)
{
	const u64 *gpr = c->vps->guest.gpr;
	u64 *out = (u64 *)c->out;

	if (RULE(VMCALL_MASK, gpr[RCX] & VMCALL_NEVER))
		return ST(OPERAND_INVALID, OP_RCX);
	td_exit(c, gpr[RCX], 0, 0, 0);
	for (size_t i = 0; i < NR_SHAREABLE; i++)
		if (RULE(VMCALL_SHARES_MASK, gpr[RCX] >> shareable[i].number & 1))
			out[shareable[i].place] = gpr[shareable[i].number];
	c->vps->vmcall_mask = gpr[RCX];
	c->vps->in_vmcall = true;
	return 0;
}

/* The host's answer, at the entry that follows. */
void finish_vmcall(struct call *c)
{
	u64 *gpr = c->vps->guest.gpr;
	const u64 *in = (const u64 *)&c->in;

	for (size_t i = 0; i < NR_SHAREABLE; i++)
		if (c->vps->vmcall_mask >> shareable[i].number & 1)
			gpr[shareable[i].number] = in[shareable[i].place];
	c->vps->in_vmcall = false;
}

static u64 tdg_vp_info(struct call *c)
{
	u64 *gpr = c->vps->guest.gpr;

	gpr[RCX] = c->tdcs->config_flags & CONFIG_GPAW_52 ? 52 : 48;
	gpr[RDX] = c->tdcs->attributes;
	gpr[R8] = c->tdcs->nr_vcpus | (u64)c->tdcs->max_vcpus << 32;
	gpr[R9] = c->vps->index;
	gpr[R10] = 1;
	gpr[R11] = 0;
	return 0;
}

static u64 tdg_vp_veinfo_get(struct call *c)
{
	struct ve_info *ve = &c->vps->ve;
	u64 *gpr = c->vps->guest.gpr;

	gpr[RCX] = gpr[RDX] = gpr[R8] = gpr[R9] = gpr[R10] = 0;
	if (!ve->valid)
		return ST0(NO_VALID_VE_INFO);
	gpr[RCX] = ve->reason;
	gpr[RDX] = ve->qualification;
	gpr[R8] = ve->gla;
	gpr[R9] = ve->gpa;
	gpr[R10] = ve->length | (u64)ve->info << 32;
	ve->valid = false;
	return 0;
}

/* Which CPUIDs are #VE, whatever the module would say: those of the kernel, of user mode. */
static u64 tdg_vp_cpuidve_set(struct call *c)
{
	u64 flags = c->vps->guest.gpr[RCX];

	if (flags & ~3ull)
		return ST(OPERAND_INVALID, OP_RCX);
	c->vps->cpuid_supervisor_ve = flags & 1;
	c->vps->cpuid_user_ve = flags & 2;
	return 0;
}

/* Version 1 of VM.RD also names the next field, or the first one if asked for none. */
static u64 tdg_vm_rd(struct call *c, u64 version)
{
	u64 *gpr = c->vps->guest.gpr, id = gpr[RDX];
	const struct td_field *f;
	u32 element;

	gpr[R8] = 0;
	if (version)
		gpr[RDX] = MD_NO_FIELD;
	if (gpr[RCX])
		return ST(OPERAND_INVALID, OP_RCX);
	if (version && field_id_null(id)) {
		gpr[RDX] = MD_TDCS_ATTRIBUTES;
		return ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT);
	}
	f = td_field_find(id, &element);
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	if (!f->guest)
		return ST0(METADATA_FIELD_NOT_READABLE);
	gpr[R8] = td_field_value(c, f, element) & f->guest;
	if (version)
		gpr[RDX] = td_field_next(f, element);
	return 0;
}

static u64 writable_bits(struct call *c, u64 id)
{
	if (id == MD_TDCS_NOTIFY_ENABLES)
		return 1;
	if (id == MD_TDCS_TD_CTLS)
		return (c->tdcs->config_flags & CONFIG_FLEXIBLE_PENDING_VE ?
			CTLS_PENDING_VE_DISABLE : 0) |
		       (c->tdcs->topology_configured ? CTLS_ENUM_TOPOLOGY : 0);
	return 0;
}

/* A control that may not change may be written with the value that it has. */
static u64 tdg_vm_wr(struct call *c)
{
	u64 *gpr = c->vps->guest.gpr, value = gpr[R8], mask = gpr[R9], *place, old;
	u32 element;
	const struct td_field *f = td_field_find(gpr[RDX], &element);

	gpr[R8] = 0;
	if (gpr[RCX])
		return ST(OPERAND_INVALID, OP_RCX);
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	if (f->id != MD_TDCS_NOTIFY_ENABLES && f->id != MD_TDCS_TD_CTLS)
		return ST0(METADATA_FIELD_NOT_WRITABLE);
	place = td_field_place(c, f, element);
	old = atomic_load(place);
	mask &= f->id == MD_TDCS_TD_CTLS ? CTLS_KNOWN : 1;
	if (!mask)
		return ST0(METADATA_FIELD_NOT_WRITABLE);
	if (RULE(VM_WR_WRITABLE, (value ^ old) & mask & ~writable_bits(c, f->id)))
		return ST0(METADATA_FIELD_VALUE_NOT_VALID);
	gpr[R8] = old;
	atomic_store(place, (old & ~mask) | (value & mask));
	return 0;
}

/* Leaves that always return to the guest. */
static u64 simple_leaf(struct call *c, u64 rax)
{
	switch (rax) {
	case TDCALL_VP_INFO: return tdg_vp_info(c);
	case TDCALL_VP_VEINFO_GET: return tdg_vp_veinfo_get(c);
	case TDCALL_VP_CPUIDVE_SET: return tdg_vp_cpuidve_set(c);
	case TDCALL_VM_RD: return tdg_vm_rd(c, 0);
	case 1 << 16 | TDCALL_VM_RD: return tdg_vm_rd(c, 1);
	case TDCALL_VM_WR: return tdg_vm_wr(c);
	}
	return ST(OPERAND_INVALID, OP_RAX);
}

/* Back to the guest with this in RAX. */
u64 tdcall_done(struct call *c, u64 status)
{
	c->vps->guest.gpr[RAX] = status;
	instruction_done(c);
	return STAY;
}

/*
 * Returns TDH.VP.ENTER's RAX, or STAY. A leaf whose memory is not there leaves the instruction
 * to be executed again.
 */
u64 tdcall(struct call *c)
{
	const u64 *gpr = c->vps->guest.gpr;
	u64 status;

	if (!c->vps->guest.code64)
		return raise_exception(c, VECTOR_GP, true);
	switch (gpr[RAX]) {
	case TDCALL_VP_VMCALL:
		status = tdg_vp_vmcall(c);
		tdcall_done(c, status);
		return status ? STAY : EXIT_TDCALL;
	case TDCALL_MEM_PAGE_ACCEPT:
		status = mem_accept(c, gpr[RCX]);
		if (status >> 32 == TDX_HI_EPT_WALK_FAILED ||
		    status >> 32 == TDX_HI_EPT_ENTRY_STATE_INCORRECT)
			return accept_violation(c, gpr[RCX]);
		return tdcall_done(c, status);
	case TDCALL_MR_REPORT:
		return tdg_mr_report(c);
	case TDCALL_MR_RTMR_EXTEND:
		return tdg_mr_rtmr_extend(c);
	}
	return tdcall_done(c, simple_leaf(c, gpr[RAX]));
}
