// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUID of a TD, composed once by TDH.MNG.INIT: of this CPU, what the creator configured or
 * allowed, and what follows from XFAM and the other parameters. What changes while the TD runs
 * is added in cpuid.c.
 */
#include "internal.h"

#define XFAM(bit)	(1ull << (bit))

/* Bits that go unless all of some parts of the extended state are the TD's. */
struct xfam_mask {
	u64 xfam;
	u32 leaf, subleaf;
	struct cpuid_value bits;
};

static const struct xfam_mask xfam_masks[] = {
	{ XFAM(2), 1, NO_SUBLEAF, { .ecx = 0x30001000 } },
	{ XFAM(2), 7, 0, { .ebx = 0x20, .ecx = 0x600 } },
	{ XFAM(5) | XFAM(6) | XFAM(7), 7, 0,
	  { .ebx = 0xDC230000, .ecx = 0x5842, .edx = 0x80010C } },
	{ XFAM(8), 7, 0, { .ebx = 0x2000000 } },
	{ XFAM(9), 7, 0, { .ecx = 8 } },
	{ XFAM(11) | XFAM(12), 7, 0, { .ecx = 0x80, .edx = 0x100000 } },
	{ XFAM(14), 7, 0, { .edx = 0x20 } },
	{ XFAM(15), 7, 0, { .edx = 0x80000 } },
	{ XFAM(17) | XFAM(18), 7, 0, { .edx = 0x3400000 } },
	{ XFAM(5) | XFAM(6) | XFAM(7), 7, 1, { .eax = 0x30 } },
	{ XFAM(2), 0xD, 0, { .eax = 4 } },
	{ XFAM(5) | XFAM(6) | XFAM(7), 0xD, 0, { .eax = 0xE0 } },
	{ XFAM(9), 0xD, 0, { .eax = 0x200 } },
	{ XFAM(17) | XFAM(18), 0xD, 0, { .eax = 0x60000 } },
	{ XFAM(8), 0xD, 1, { .ecx = 0x100 } },
	{ XFAM(11) | XFAM(12), 0xD, 1, { .ecx = 0x1800 } },
	{ XFAM(14), 0xD, 1, { .ecx = 0x4000 } },
	{ XFAM(15), 0xD, 1, { .ecx = 0x8000 } },
};

static struct cpuid_value follow_xfam(const struct cpuid_leaf *l, struct cpuid_value v, u64 xfam)
{
	for (size_t i = 0; i < ARRAY_SIZE(xfam_masks); i++) {
		const struct xfam_mask *k = &xfam_masks[i];

		if (k->leaf == l->leaf && k->subleaf == l->subleaf && (xfam & k->xfam) != k->xfam)
			v = cpuid_and(v, cpuid_not(k->bits));
	}
	return v;
}

#define HLE		(1u << 4)
#define RTM		(1u << 11)
#define MONITOR		(1u << 3)
#define LA57		(1u << 16)
#define PKS_OR_KEY_LOCKER	(1u << 31 | 1u << 23)
#define XFD		(1u << 4)

/* Family, model and stepping: 0 stands for the platform's, and no other is possible. */
static u64 check_fms(struct call *c, const struct cpuid_leaf *l, u32 *eax)
{
	u32 platform = c->m->ops->cpuid(c->m->env, 1, 0).eax & ~l->clear.eax;

	if (!*eax)
		*eax = platform;
	if (*eax == platform || !RULE(FMS_OF_PLATFORM, true))
		return 0;
	c->out->rcx = l->leaf | (u64)l->subleaf << 32;
	return ST(OPERAND_INVALID, OP_CPUID_CONFIG);
}

static bool has_perfmon(const struct tdcs *tdcs)
{
	return tdcs->attributes & ATTR_PERFMON;
}

/* Leaves that are there as a whole or not at all. */
static bool is_absent(const struct tdcs *tdcs, const struct cpuid_leaf *l)
{
	u64 amx = XFAM(17) | XFAM(18);

	switch (l->leaf) {
	case 5:
		return !(tdcs->cpuid[0].ecx & MONITOR);
	case 0xA:
		return !has_perfmon(tdcs);
	case 0xD:
		return l->subleaf > 1 && !(tdcs->xfam >> l->subleaf & 1);
	case 0x14:
		return !(tdcs->xfam & XFAM(8));
	case 0x1C:
		return !(tdcs->xfam & XFAM(15));
	case 0x1D:
		return (tdcs->xfam & amx) != amx;
	}
	return false;
}

static u64 special(struct call *c, const struct cpuid_leaf *l, struct cpuid_value *v)
{
	struct tdcs *tdcs = c->tdcs;

	if (is_absent(tdcs, l))
		*v = (struct cpuid_value){ 0 };
	if (l->leaf == 1)
		return check_fms(c, l, &v->eax);
	if (l->leaf == 7 && l->subleaf == 0) {
		if (!!(v->ebx & HLE) != !!(v->ebx & RTM))
			return ST(OPERAND_INVALID, OP_CPUID_CONFIG);
		v->ecx &= ~PKS_OR_KEY_LOCKER;
	}
	if (l->leaf == 0xD && l->subleaf == 0)
		v->ecx = xsave_size(c->m, tdcs->xfam & ~XSS_FEATURES, false);
	if (l->leaf == 0xD && l->subleaf == 1)
		v->eax &= ~XFD;		/* no part of the state that has it is here */
	if (l->leaf == 0x15)
		v->ebx = tdcs->tsc_frequency;
	if (l->leaf == 0x80000008)
		v->eax = (v->eax & ~0xFF00u) |
			 (tdcs->cpuid[cpuid_find(7, 0)].ecx & LA57 ? 57u : 48u) << 8;
	return 0;
}

/* On an error RCX names the CPUID leaf, if the error is about one bit. */
static u64 configure(struct call *c, const struct cpuid_leaf *l, struct cpuid_value wanted,
		     struct cpuid_value *v)
{
	const struct cpuid_config *k = cpuid_config(l->config - 1u);
	struct cpuid_value other = cpuid_and(wanted, cpuid_not(cpuid_or(k->direct, k->allowed)));

	if (RULE(CPUID_CONFIGURABLE, other.eax | other.ebx | other.ecx | other.edx)) {
		c->out->rcx = l->leaf | (u64)l->subleaf << 32;
		return ST(OPERAND_INVALID, OP_CPUID_CONFIG);
	}
	*v = cpuid_or(cpuid_and(*v, cpuid_not(k->direct)), cpuid_and(wanted, k->direct));
	*v = cpuid_and(*v, cpuid_or(wanted, cpuid_not(k->allowed)));
	return 0;
}

u64 td_cpuid_compose(struct call *c, const struct cpuid_value *wanted)
{
	for (u32 i = 0; i < NR_CPUID_LEAVES; i++) {
		const struct cpuid_leaf *l = cpuid_leaf(i);
		struct cpuid_value v = cpuid_native(c->m, i);

		if (l->config)
			TRY(configure(c, l, wanted[l->config - 1], &v));
		v = follow_xfam(l, v, c->tdcs->xfam);
		TRY(special(c, l, &v));
		c->tdcs->cpuid[i] = v;
	}
	return 0;
}

#define XSAVE_LEGACY	576u	/* with the header */
#define XSAVE_ALIGNED	2u	/* ECX of a component: begins at 64 bytes in the compacted form */

/* Bytes of an XSAVE area with these features. */
u32 xsave_size(struct softtdx *m, u64 features, bool compacted)
{
	u32 size = XSAVE_LEGACY;

	for (u32 i = 2; i < 63; i++) {
		struct cpuid_value part;

		if (!(features >> i & 1))
			continue;
		part = m->ops->cpuid(m->env, 0xD, i);
		if (compacted && part.ecx & XSAVE_ALIGNED)
			size = (size + 63) & ~63u;
		if (compacted)
			size += part.eax;
		else if (part.ebx + part.eax > size)
			size = part.ebx + part.eax;
	}
	return size;
}

/* Field code: [16] extended leaf, [15:9] leaf, [8] no subleaf, [7:1] subleaf, [0] half. */
u64 td_cpuid_field(const struct tdcs *tdcs, u64 field, u64 *value)
{
	u32 leaf = (field >> 9 & 0x7F) | (field & 1 << 16 ? 0x80000000 : 0);
	u32 subleaf = field & 1 << 8 ? NO_SUBLEAF : field >> 1 & 0x7F;
	int i = field & 0xFE0000 ? -1 : cpuid_find(leaf, subleaf);

	if (i < 0)
		return ST0(METADATA_FIELD_ID_INCORRECT);
	if (cpuid_leaf((u32)i)->faults)
		return ST0(METADATA_FIELD_NOT_READABLE);
	*value = field & 1 ? tdcs->cpuid[i].ecx | (u64)tdcs->cpuid[i].edx << 32 :
			     tdcs->cpuid[i].eax | (u64)tdcs->cpuid[i].ebx << 32;
	return 0;
}

static u64 field_of_leaf(u32 i)
{
	const struct cpuid_leaf *l = cpuid_leaf(i);

	return MD_TD_CPUID_VALUES | (l->leaf & 0x7F) << 9 | (u64)(l->leaf >> 31) << 16 |
	       (l->subleaf == NO_SUBLEAF ? 0x1FE : l->subleaf << 1);
}

u64 td_cpuid_first_field(void)
{
	return field_of_leaf(0);
}

/* The field after this one; MD_NO_FIELD: it was the last. */
u64 td_cpuid_next_field(u64 id)
{
	u32 leaf = (id >> 9 & 0x7F) | (id & 1 << 16 ? 0x80000000 : 0);
	u32 subleaf = id & 1 << 8 ? NO_SUBLEAF : id >> 1 & 0x7F;
	u32 i = (u32)cpuid_find(leaf, subleaf) + 1;

	if (!(id & 1))
		return id | 1;
	return i < NR_CPUID_LEAVES ? field_of_leaf(i) : MD_NO_FIELD;
}
