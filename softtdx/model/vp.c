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
	page_gain(c, e, PT_TDVPR, 1);
	return 0;
}

u64 vp_addcx(struct call *c)
{
	struct pamt_entry *e;

	TRY(tdvpr_lock(c, c->in.rdx, OP_RDX, EXCLUSIVE));
	TRY(td_state(c, true));
	if (c->vps->state != VCPU_UNINIT)
		return ST0(VCPU_STATE_INCORRECT);
	if (c->vps->nr_pages == TDVPS_PAGES_MAX)
		return ST0(TDCX_NUM_INCORRECT);
	TRY(page_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE, PT_NDA, &e));
	zero_page(c->m, c->in.rcx);
	c->vps->pages[c->vps->nr_pages++] = c->in.rcx;
	page_gain(c, e, PT_TDCX, 1);
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
}

/* The first version of the leaf gives no x2APIC ID: then nobody may ask for the topology. */
static void set_x2apic_id(struct call *c)
{
	if (!c->vps->index)
		c->tdcs->topology_configured = 1;
	if (!c->version)
		c->tdcs->topology_configured = 0;
	c->vps->x2apic_id = c->version ? (u32)c->in.r8 : c->vps->index;
}

u64 vp_init(struct call *c)
{
	TRY(tdvpr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	TRY(td_state(c, true));
	if (RULE(TDVPS_COMPLETE, c->vps->nr_pages < TDVPS_PAGES_MIN))
		return ST0(TDCX_NUM_INCORRECT);
	if (c->vps->state != VCPU_UNINIT)
		return ST0(VCPU_STATE_INCORRECT);
	if (!take_index(c->tdcs, &c->vps->index))
		return ST0(MAX_VCPUS_EXCEEDED);
	c->vps->initial_rcx = c->in.rdx;
	set_x2apic_id(c);
	init_guest(c);
	c->vps->state = VCPU_READY;
	return vcpu_associate(c);
}

u64 vp_flush(struct call *c)
{
	TRY(tdvpr_lock(c, c->in.rcx, OP_RCX, EXCLUSIVE));
	if (c->tdr->lifecycle != TD_KEYS_CONFIGURED)
		return ST0(TD_KEYS_NOT_CONFIGURED);
	if (c->vps->nr_pages < TDVPS_PAGES_MIN)
		return ST0(TDCX_NUM_INCORRECT);
	if (c->vps->assoc_cpu != c->cpu)
		return ST0(VCPU_NOT_ASSOCIATED);
	c->tdcs = td_page(c->m, c->tdr, 0);
	if (c->m->ops->vp_flush)
		c->m->ops->vp_flush(c->m->env, c->vps_pa);
	atomic_store(&c->vps->assoc_cpu, NO_CPU);
	atomic_sub(&c->tdcs->nr_assoc, 1);
	return 0;
}

struct vp_field {
	u64 id;
	u16 offset;
	u64 writable;
	bool (*valid)(struct softtdx *m, u64 value);
};

static bool valid_posted_desc(struct softtdx *m, u64 value)
{
	return hpa_shared(m, value, 64);
}

static bool valid_eptp(struct softtdx *m, u64 value)
{
	return hpa_shared(m, value, PAGE_4K);
}

static const struct vp_field *find_field(u64 id)
{
#define FIELD(member) (u16)offsetof(struct tdvps, member)
	static const struct vp_field fields[] = {
		{ MD_VP_POSTED_INTR_NV, FIELD(posted_intr_nv), 0xFF, NULL },
		{ MD_VP_POSTED_INTR_DESC, FIELD(posted_intr_desc), ~0ull, valid_posted_desc },
		{ MD_VP_PIN_BASED, FIELD(pin_based), 0x80, NULL },
		{ MD_VP_SHARED_EPTP, FIELD(shared_eptp), ~0ull, valid_eptp },
		{ MD_VP_PEND_NMI, FIELD(pend_nmi), 1, NULL },
		{ MD_VP_STATE_DETAILS, FIELD(state_details), 0, NULL },
	};
#undef FIELD
	if (field_id_valid(id))
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (!((fields[i].id ^ id) & MD_ID_MASK))
				return &fields[i];
	return NULL;
}

/* A vCPU of a TD in the right state, bound to this CPU from here on. */
u64 vcpu_ready(struct call *c)
{
	TRY(tdvpr_lock(c, c->in.rcx, OP_RCX, SHARED));
	TRY(td_state(c, true));
	if (c->vps->nr_pages < TDVPS_PAGES_MIN)
		return ST0(TDCX_NUM_INCORRECT);
	return vcpu_associate(c);
}

u64 vp_rd(struct call *c)
{
	const struct vp_field *f = find_field(c->in.rdx);

	c->out->r8 = 0;
	TRY(vcpu_ready(c));
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	c->out->r8 = *(u64 *)((u8 *)c->vps + f->offset);
	return 0;
}

u64 vp_wr(struct call *c)
{
	const struct vp_field *f = find_field(c->in.rdx);
	u64 *field, mask, value;

	c->out->r8 = 0;
	TRY(vcpu_ready(c));
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	mask = c->in.r9 & f->writable;
	if (!mask)
		return ST0(METADATA_FIELD_NOT_WRITABLE);
	field = (u64 *)((u8 *)c->vps + f->offset);
	value = (*field & ~mask) | (c->in.r8 & mask);
	if (f->valid && !f->valid(c->m, value))
		return ST0(METADATA_FIELD_VALUE_NOT_VALID);
	c->out->r8 = *field;
	*field = value;
	return 0;
}
