// SPDX-License-Identifier: GPL-2.0-only
/* TDH.VP.*: a vCPU's pages, its association with a CPU, its fields. */
#include "guest.h"

u64 vp_create(struct call *c)
{
	struct pamt_entry *e;
	struct tdvps *vps;

	TRY(tdr_lock(c, c->in.rdx, OP_RDX, SHARED));
	TRY(td_state(c, true));
	TRY(page_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, PT_NDA, &e));
	zero_page(c->m, c->in.rcx);
	vps = map(c->m, c->in.rcx);
	vps->assoc_cpu = NO_CPU;
	vps->nr_pages = 1;
	vps->pages[0] = c->in.rcx;
	page_gain(c, e, PT_TDVPR, c->in.rcx, 1);
	return 0;
}

u64 vp_addcx(struct call *c)
{
	struct pamt_entry *e;

	TRY(tdvpr_lock(c, c->in.rdx, OP_RDX, EXCLUSIVE, SHARED));
	TRY(td_state(c, true));
	if (c->vps->state != VCPU_UNINIT)
		return ST0(VCPU_STATE_INCORRECT);
	if (c->vps->nr_pages == TDVPS_PAGES_MAX)
		return ST0(TDCX_NUM_INCORRECT);
	TRY(page_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, PT_NDA, &e));
	zero_page(c->m, c->in.rcx);
	c->vps->pages[c->vps->nr_pages++] = c->in.rcx;
	page_gain(c, e, PT_TDCX, c->in.rcx, 1);
	return 0;
}

/* Numbers the vCPUs of a TD; false when it may have no more. */
static bool take_index(struct tdcs *tdcs, u32 *index)
{
	*index = atomic_add(&tdcs->nr_vcpus, 1) - 1;
	if (!RULE(MAX_VCPUS, *index >= tdcs->max_vcpus))
		return true;
	atomic_sub(&tdcs->nr_vcpus, 1);
	return false;
}

/* What the guest's first instruction finds in registers that VMX does not keep. */
static void init_guest(struct call *c)
{
	struct softtdx_guest *g = &c->vps->guest;

	g->gpr[RBX] = c->tdcs->config_flags & CONFIG_GPAW_52 ? 52 : 48;
	g->gpr[RCX] = g->gpr[R8] = c->vps->initial_rcx;
	g->gpr[RDX] = cpuid_native(c->m, 0).eax;	/* whatever is configured */
	g->gpr[RSI] = c->vps->index;
	g->xcr0 = 1;
	g->rip = 0xFFFFFFF0;
}

/* The IDs that the vCPUs were given, by index. */
static u32 *x2apic_ids(struct call *c)
{
	_Static_assert(MAX_VCPUS_PER_TD * sizeof(u32) <= PAGE_4K, "x2APIC IDs");
	return td_page(c->m, c->tdr, TDCS_X2APIC_PAGE);
}

/* The first version of the leaf gives no x2APIC ID: then nobody may ask for the topology. */
static u64 set_x2apic_id(struct call *c)
{
	u32 index = c->vps->index, id = (u32)c->in.r8, *ids = x2apic_ids(c);

	if (!c->version) {
		c->tdcs->topology_configured = 0;
		c->vps->x2apic_id = index;
		return 0;
	}
	if (c->in.r8 >> 32)
		return ST(OPERAND_INVALID, OP_R8);
	for (u32 i = 0; i < index; i++)
		if (RULE(X2APIC_ID_UNIQUE, ids[i] == id))
			return ST(X2APIC_ID_NOT_UNIQUE, id);
	ids[index] = id;
	c->vps->x2apic_id = id;
	return 0;
}

static void init_fields(struct call *c)
{
	c->vps->posted_intr_nv = NO_POSTED_INTR_NV;
	c->vps->posted_intr_desc = NO_POSTED_INTR_DESC;
	c->vps->shared_eptp = c->tdr->tdcx[TDCS_ZERO_PAGE];
}

/*
 * Version 1 has the TD for itself, because it looks at the other vCPUs' IDs. Until FINALIZE a
 * TD's other calls hold it shared, so that they and this one are BUSY to each other.
 */
u64 vp_init(struct call *c)
{
	enum lock_mode tdr_mode = RULE(VP_INIT_TAKES_TDR, c->version) ? EXCLUSIVE : SHARED;
	u64 status;

	TRY(tdvpr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, tdr_mode));
	TRY(td_state(c, true));
	if (RULE(TDVPS_COMPLETE, c->vps->nr_pages < TDVPS_PAGES_MIN))
		return ST0(TDCX_NUM_INCORRECT);
	if (c->vps->state != VCPU_UNINIT)
		return ST(VCPU_STATE_INCORRECT, c->vps->state);
	if (!take_index(c->tdcs, &c->vps->index))
		return ST0(MAX_VCPUS_EXCEEDED);
	status = set_x2apic_id(c);
	if (status) {
		atomic_sub(&c->tdcs->nr_vcpus, 1);
		return status;
	}
	c->vps->initial_rcx = c->in.rdx;
	init_guest(c);
	init_fields(c);
	c->vps->state = VCPU_READY;
	return vcpu_associate(c);
}

u64 vp_flush(struct call *c)
{
	TRY(tdvpr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, SHARED));
	if (c->tdr->lifecycle != TD_KEYS_CONFIGURED)
		return ST0(TD_KEYS_NOT_CONFIGURED);
	if (c->vps->nr_pages < TDVPS_PAGES_MIN)
		return ST0(TDCX_NUM_INCORRECT);
	if (c->vps->assoc_cpu != c->cpu)
		return ST0(VCPU_NOT_ASSOCIATED);
	c->tdcs = td_page(c->m, c->tdr, 0);
	atomic_store(&c->vps->assoc_cpu, NO_CPU);
	atomic_sub(&c->tdcs->nr_assoc, 1);
	return 0;
}

struct vp_field {
	u64 id;
	u16 offset;
	u64 writable, kept;	/* bits that the host may change, bits of them that are kept */
	bool whole;		/* all of it at once */
	u64 (*check)(struct call *c, u64 value);
};

static u64 check_posted_nv(struct call *c, u64 value)
{
	(void)c;
	return value <= 0xFF ? 0 : ST0(METADATA_FIELD_VALUE_NOT_VALID);
}

static u64 check_posted_desc(struct call *c, u64 value)
{
	return hpa_shared(c->m, value, 64) ? 0 : ST0(METADATA_FIELD_VALUE_NOT_VALID);
}

/* Posted interrupts need their vector and their descriptor first. */
static u64 check_pin_based(struct call *c, u64 value)
{
	if (!RULE(POSTED_INTR_ORDER, value & VP_PIN_POSTED_INTR))
		return 0;
	if (c->vps->posted_intr_nv == NO_POSTED_INTR_NV)
		return ST(TD_VMCS_FIELD_NOT_INITIALIZED, MD_VP_POSTED_INTR_NV);
	if (c->vps->posted_intr_desc == NO_POSTED_INTR_DESC)
		return ST(TD_VMCS_FIELD_NOT_INITIALIZED, MD_VP_POSTED_INTR_DESC);
	return 0;
}

static u64 check_eptp(struct call *c, u64 value)
{
	return hpa_shared(c->m, value, PAGE_4K) ? 0 : ST0(METADATA_FIELD_VALUE_NOT_VALID);
}

static const struct vp_field *find_vp_field(u64 id)
{
#define FIELD(member) (u16)offsetof(struct tdvps, member)
	static const struct vp_field fields[] = {
		{ MD_VP_POSTED_INTR_NV, FIELD(posted_intr_nv), 0xFFFF, ~0ull, false,
		  check_posted_nv },
		{ MD_VP_POSTED_INTR_DESC, FIELD(posted_intr_desc), ~0ull, ~0ull, true,
		  check_posted_desc },
		{ MD_VP_PIN_BASED, FIELD(pin_based), VP_PIN_POSTED_INTR, ~0ull, false,
		  check_pin_based },
		{ MD_VP_SHARED_EPTP, FIELD(shared_eptp), ~0ull, ~0ull, true, check_eptp },
		{ MD_VP_PEND_NMI, FIELD(pend_nmi), 0xFF, 1, false, NULL },
		{ MD_VP_STATE_DETAILS, FIELD(state_details), 0, 0, false, NULL },
	};
#undef FIELD
	if (field_id_valid(id))
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (!((fields[i].id ^ id) & MD_ID_MASK))
				return &fields[i];
	return NULL;
}

/* A vCPU of a TD in the right state, bound to this CPU from here on. */
u64 vcpu_ready(struct call *c)
{
	TRY(tdvpr_lock(c, c->in.rcx, OP_RCX, SHARED, SHARED));
	TRY(td_state(c, true));
	if (c->vps->nr_pages < TDVPS_PAGES_MIN)
		return ST0(TDCX_NUM_INCORRECT);
	return vcpu_associate(c);
}

/* Version 1 also names the next field, or the first one if asked for none. */
u64 vp_rd(struct call *c)
{
	const struct vp_field *f = find_vp_field(c->in.rdx);

	c->out->r8 = 0;
	if (c->version)
		c->out->rdx = MD_NO_FIELD;
	if (c->version > 1)
		return ST(OPERAND_INVALID, OP_RAX);
	TRY(vcpu_ready(c));
	if (c->version && field_id_null(c->in.rdx)) {
		c->out->rdx = find_vp_field(MD_VP_POSTED_INTR_NV)->id;
		return ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT);
	}
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	c->out->r8 = *(u64 *)((u8 *)c->vps + f->offset);
	if (c->version && f->id != MD_VP_STATE_DETAILS)
		c->out->rdx = f[1].id;
	return 0;
}

u64 vp_wr(struct call *c)
{
	const struct vp_field *f = find_vp_field(c->in.rdx);
	u64 *field, mask, value;

	c->out->r8 = 0;
	TRY(vcpu_ready(c));
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	mask = c->in.r9 & f->writable;
	if (!mask || (f->whole && mask != f->writable))
		return ST0(METADATA_FIELD_NOT_WRITABLE);
	field = (u64 *)((u8 *)c->vps + f->offset);
	value = (*field & ~mask) | (c->in.r8 & mask);
	if (f->check)
		TRY(f->check(c, value));
	c->out->r8 = *field;
	*field = value & f->kept;
	return 0;
}
