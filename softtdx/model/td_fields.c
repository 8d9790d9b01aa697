// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TD's metadata: what TDH.MNG.RD shows the host, and TDG.VM.RD and WR the guest. A TD under
 * debug shows the host more.
 */
#include "internal.h"

#define IN(structure, member) (u16)offsetof(struct structure, member)
#define SIZE(structure, member) (u8)sizeof(((struct structure *)0)->member)
#define OF_TDR(id, member, host) \
	{ id, IN(tdr, member), SIZE(tdr, member), 1, true, host, host, 0 }
#define OF_TDCS(id, member, host, guest) \
	{ id, IN(tdcs, member), SIZE(tdcs, member), 1, false, host, ~0ull, guest }
/* 48 bytes in six elements. */
#define DIGEST(id, member, host, guest) \
	{ id, IN(tdcs, member), 8, 6, false, host, ~0ull, guest }
#define EVERY	(~0ull)

static const struct td_field td_fields[] = {
	OF_TDR(0x8010000000000001, fatal, EVERY),
	OF_TDR(0x8010000200000002, nr_tdcx, EVERY),
	OF_TDR(0x8010000300000004, chldcnt, EVERY),
	{ 0x8010000300000010, IN(tdr, tdcx), 8, TDCS_PAGES_MAX, true, EVERY, EVERY, 0 },
	OF_TDR(0x8110000100000001, keyid, EVERY),
	OF_TDR(0x8110000300000002, packages, EVERY),
	OF_TDCS(0x9010000200000001, nr_vcpus, EVERY, EVERY),
	OF_TDCS(0x9010000200000002, nr_assoc, EVERY, 0),
	OF_TDCS(0x9010000200000004, op_state, EVERY, 0),
	OF_TDCS(MD_TDCS_ATTRIBUTES, attributes, EVERY, EVERY),
	OF_TDCS(MD_TDCS_XFAM, xfam, EVERY, EVERY),
	OF_TDCS(0x1110000200000002, max_vcpus, EVERY, EVERY),
	OF_TDCS(MD_TD_TSC_OFFSET, tsc_offset, EVERY, 0),
	OF_TDCS(MD_TD_TSC_MULTIPLIER, tsc_multiplier, EVERY, 0),
	OF_TDCS(0x111000010000000C, tsc_frequency, EVERY, EVERY),
	OF_TDCS(MD_TDCS_NOTIFY_ENABLES, notify_enables, 0, 1),
	OF_TDCS(MD_TDCS_CONFIG_FLAGS, config_flags, EVERY, EVERY),
	OF_TDCS(MD_TDCS_TD_CTLS, td_ctls, 0, EVERY),
	OF_TDCS(MD_TDCS_TOPOLOGY_CONFIGURED, topology_configured, EVERY, EVERY),
	DIGEST(MD_TDCS_MRTD, mrtd, EVERY, EVERY),
	DIGEST(MD_TDCS_MRCONFIGID, mrconfigid, EVERY, EVERY),
	DIGEST(MD_TDCS_MROWNER, mrowner, EVERY, EVERY),
	DIGEST(MD_TDCS_MROWNERCONFIG, mrownerconfig, EVERY, EVERY),
	{ MD_TDCS_RTMR, IN(tdcs, rtmr), 8, 24, false, 0, EVERY, EVERY },
};
#undef IN
#define NR_TD_FIELDS (ARRAY_SIZE(td_fields))

/* The field, and which of its elements the id names. */
const struct td_field *td_field_find(u64 id, u32 *element)
{
	for (size_t i = 0; field_id_valid(id) && i < NR_TD_FIELDS; i++) {
		u64 distance = (id & MD_ID_MASK) - (td_fields[i].id & MD_ID_MASK);

		if (distance >= td_fields[i].elements)
			continue;
		*element = (u32)distance;
		return &td_fields[i];
	}
	return NULL;
}

void *td_field_place(struct call *c, const struct td_field *f, u32 element)
{
	u8 *base = f->in_tdr ? (u8 *)c->tdr : (u8 *)c->tdcs;

	return base + f->offset + element * f->size;
}

u64 td_field_value(struct call *c, const struct td_field *f, u32 element)
{
	u64 value = 0;

	memcpy(&value, td_field_place(c, f, element), f->size);
	return value;
}

/* The element after this one; after the last comes the first CPUID value, MD_NO_FIELD ends. */
u64 td_field_next(const struct td_field *f, u32 element)
{
	if (element + 1 < f->elements)
		return f->id + element + 1;
	if (f + 1 < td_fields + NR_TD_FIELDS)
		return f[1].id;
	return td_cpuid_first_field();
}

static bool is_cpuid_field(u64 id)
{
	return !((id ^ MD_TD_CPUID_VALUES) & MD_ID_MASK & ~0xFFFFFFull);
}

static u64 read_cpuid(struct call *c)
{
	TRY(td_cpuid_field(c->tdcs, c->in.rdx, &c->out->r8));
	if (c->version)
		c->out->rdx = td_cpuid_next_field(c->in.rdx);
	return 0;
}

/* Version 1 also names the next field, or the first one if asked for none. */
u64 mng_rd(struct call *c)
{
	const struct td_field *f;
	u32 element;
	u64 mask;

	c->out->r8 = 0;
	if (c->version)
		c->out->rdx = MD_NO_FIELD;
	if (c->version > 1)
		return ST(OPERAND_INVALID, OP_RAX);
	TRY(tdr_lock(c, c->in.rcx, OP_RCX, SHARED));
	TRY(td_state(c, true));
	if (c->version && field_id_null(c->in.rdx)) {
		c->out->rdx = td_fields[0].id;
		return ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT);
	}
	if (!field_id_valid(c->in.rdx))
		return ST0(METADATA_FIELD_ID_INCORRECT);
	if (is_cpuid_field(c->in.rdx))
		return read_cpuid(c);
	f = td_field_find(c->in.rdx, &element);
	if (!f)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	mask = c->tdcs->attributes & ATTR_DEBUG ? f->debugger : f->host;
	if (!mask)
		return ST0(METADATA_FIELD_NOT_READABLE);
	c->out->r8 = td_field_value(c, f, element) & mask;
	if (c->version)
		c->out->rdx = td_field_next(f, element);
	return 0;
}
