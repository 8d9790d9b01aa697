// SPDX-License-Identifier: GPL-2.0-only
/* TDH.SYS.RD: the module's description of itself. */
#include "internal.h"

u64 xfam_fixed0(const struct softtdx *m)
{
	return (m->cfg.xfam & 0x6DBE7) | XFAM_FIXED1;
}

/* Size, increment and context bits of an id are hints; element counts must be those of one. */
bool field_id_valid(u64 id)
{
	return !(id & MD_ID_MUST_BE_ZERO);
}

/* Asks for the first field. */
bool field_id_null(u64 id)
{
	return (id | MD_ID_CONTEXT) == MD_NO_FIELD;
}

struct field {
	u64 id, value;
};

static const struct field fields[] = {
	{ MD_MINOR_VERSION, 0 },		/* of the profile */
	{ MD_MAJOR_VERSION, 0 },
	{ MD_UPDATE_VERSION, 9999 },		/* no real module has it */
	{ MD_FEATURES0, 0 },
	{ MD_MAX_TDMRS, TDMR_MAX },
	{ MD_MAX_RESERVED_PER_TDMR, TDMR_RESERVED_MAX },
	{ MD_PAMT_4K_ENTRY_SIZE, sizeof(struct pamt_entry) },
	{ MD_PAMT_2M_ENTRY_SIZE, sizeof(struct pamt_entry) },
	{ MD_PAMT_1G_ENTRY_SIZE, sizeof(struct pamt_entry) },
	{ MD_PAMT_PAGE_BITMAP_ENTRY_BITS, 1 },	/* exists with dynamic PAMT */
	{ MD_TDR_BASE_SIZE, PAGE_4K },
	{ MD_TDCS_BASE_SIZE, TDCS_PAGES_MIN * PAGE_4K },
	{ MD_TDVPS_BASE_SIZE, TDVPS_PAGES_MIN * PAGE_4K },
	{ MD_ATTRIBUTES_FIXED0, ATTRIBUTES_FIXED0 },
	{ MD_ATTRIBUTES_FIXED1, ATTRIBUTES_FIXED1 },
	{ MD_XFAM_FIXED0, 0 },			/* depends on the CPU */
	{ MD_XFAM_FIXED1, XFAM_FIXED1 },
	{ MD_NUM_CPUID_CONFIG, NR_CPUID_CONFIGS },
	{ MD_MAX_VCPUS_PER_TD, MAX_VCPUS_PER_TD },
	{ MD_MODULE_HV, 1 },
};
#define NR_FIELDS (ARRAY_SIZE(fields))

static u64 plain_value(const struct softtdx *m, const struct field *f)
{
	switch (f->id) {
	case MD_XFAM_FIXED0:
		return xfam_fixed0(m);
	case MD_MAJOR_VERSION:
		return m->cfg.profile->major;
	case MD_MINOR_VERSION:
		return m->cfg.profile->minor;
	case MD_FEATURES0:
		return m->cfg.profile->features;
	}
	return f->value;
}

/* What is the creator's to set, and what of this CPU he may allow. */
static u64 config_half(struct softtdx *m, u32 i, bool high)
{
	const struct cpuid_config *k = cpuid_config(i);
	u32 leaf = (u32)cpuid_find(k->leaf, k->subleaf);
	struct cpuid_value v = cpuid_or(k->direct, cpuid_and(k->allowed, cpuid_native(m, leaf)));

	return high ? v.ecx | (u64)v.edx << 32 : v.eax | (u64)v.ebx << 32;
}

static bool exists(const struct softtdx *m, const struct field *f)
{
	return f->id != MD_PAMT_PAGE_BITMAP_ENTRY_BITS || has_feature(m, FEATURES0_DYNAMIC_PAMT);
}

/* The i-th field in the order in which TDH.SYS.RD enumerates them. */
static bool nth_field(struct softtdx *m, u32 i, struct field *f)
{
	if (i < NR_FIELDS) {
		f->id = fields[i].id;
		f->value = plain_value(m, &fields[i]);
		return true;
	}
	i -= NR_FIELDS;
	if (i < NR_CPUID_CONFIGS) {
		f->id = MD_CPUID_CONFIG_LEAVES + i;
		f->value = cpuid_config(i)->leaf | (u64)cpuid_config(i)->subleaf << 32;
		return true;
	}
	i -= NR_CPUID_CONFIGS;
	if (i >= 2 * NR_CPUID_CONFIGS)
		return false;
	f->id = MD_CPUID_CONFIG_VALUES + i;
	f->value = config_half(m, i / 2, i % 2);
	return true;
}

u64 sys_rd(struct call *c)
{
	u64 id = c->in.rdx;
	struct field f, next;

	c->out->r8 = 0;
	c->out->rdx = MD_NO_FIELD;
	if (!lp_initialized(c))
		return ST0(SYS_LP_INIT_NOT_DONE);
	if (field_id_null(id)) {
		c->out->rdx = fields[0].id;
		return ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT);
	}
	if (!field_id_valid(id))
		return ST0(METADATA_FIELD_ID_INCORRECT);
	for (u32 i = 0; nth_field(c->m, i, &f); i++) {
		if ((f.id ^ id) & MD_ID_MASK || !exists(c->m, &f))
			continue;
		c->out->r8 = f.value;
		while (nth_field(c->m, ++i, &next) && !exists(c->m, &next))
			;
		if (nth_field(c->m, i, &next))
			c->out->rdx = next.id;
		return 0;
	}
	return ST0(METADATA_FIELD_ID_INCORRECT);
}
