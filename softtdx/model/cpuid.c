// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID as a guest sees it: bits of this CPU, bits that are the same in every TD, what the TD's
 * creator configured, and what follows from XFAM and the vCPU's own state.
 */
#include "guest.h"

#define MAX_BASIC	0x23
#define MAX_EXTENDED	0x80000008

/* Leaves without an entry are zero, up to the maxima. */
struct cpuid_rule {
	u32 leaf, subleaf;
	struct cpuid_value always;	/* bits that are set in every TD */
	struct cpuid_value native;	/* bits that are this CPU's */
};

static const struct cpuid_rule rules[] = {
	/* x2APIC, TSC deadline, hypervisor; no MONITOR, VMX, SMX, performance or debug stores */
	{ 1, NO_SUBLEAF, { .ecx = 0x81200000 },
	  { .ebx = 0x0000FF00, .ecx = 0x76DA3203, .edx = 0x1F8BFBFF } },
	{ 2, NO_SUBLEAF, { 0 }, { ~0u, ~0u, ~0u, ~0u } },
	{ 6, NO_SUBLEAF, { .eax = 4 }, { 0 } },		/* the APIC's timer never stops */
	/* Nothing that needs MSRs which are not the guest's: speculation, CET, TSC adjust. */
	{ 7, 0, { .eax = 2 }, { .ebx = 0x219C27E9, .ecx = 0x1841070C, .edx = 0x00004410 } },
	{ 0x80000001, NO_SUBLEAF, { 0 }, { .ecx = 0x121, .edx = 0x2C100800 } },
	{ 0x80000002, NO_SUBLEAF, { 0 }, { ~0u, ~0u, ~0u, ~0u } },	/* the CPU's name */
	{ 0x80000003, NO_SUBLEAF, { 0 }, { ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000004, NO_SUBLEAF, { 0 }, { ~0u, ~0u, ~0u, ~0u } },
	{ 0x80000006, NO_SUBLEAF, { 0 }, { .ecx = ~0u } },
	{ 0x80000007, NO_SUBLEAF, { .edx = 0x100 }, { 0 } },		/* invariant TSC */
	{ 0x80000008, NO_SUBLEAF, { 0 }, { .eax = 0xFFFF, .ebx = 0x200 } },
};

/* Features that go with a part of the extended state. */
#define AVX_OF_1_ECX	(1u << 12 | 1u << 28 | 1u << 29)
#define AVX_OF_7_EBX	(1u << 5)
#define AVX_OF_7_ECX	(1u << 9 | 1u << 10)
#define PKU_OF_7_ECX	(1u << 3)
#define XFAM_AVX	(1ull << 2)
#define XFAM_PKRU	(1ull << 9)

#define CR4_OSXSAVE	(1ull << 18)
#define CR4_PKE		(1ull << 22)
#define OSXSAVE_OF_1_ECX	(1u << 27)
#define OSPKE_OF_7_ECX		(1u << 4)

static struct cpuid_value on_this_cpu(struct call *c, u32 leaf, u32 subleaf)
{
	return c->m->ops->cpuid(c->m->env, leaf, subleaf);
}

static void leaf_1(struct call *c, struct cpuid_value *v)
{
	v->ebx |= c->vps->x2apic_id << 24;
	if (!(c->tdcs->xfam & XFAM_AVX))
		v->ecx &= ~AVX_OF_1_ECX;
	if (c->vps->guest.cr4 & CR4_OSXSAVE)
		v->ecx |= OSXSAVE_OF_1_ECX;
}

static void leaf_7(struct call *c, struct cpuid_value *v)
{
	if (!(c->tdcs->xfam & XFAM_AVX)) {
		v->ebx &= ~AVX_OF_7_EBX;
		v->ecx &= ~AVX_OF_7_ECX;
	}
	if (!(c->tdcs->xfam & XFAM_PKRU))
		v->ecx &= ~PKU_OF_7_ECX;
	else if (c->vps->guest.cr4 & CR4_PKE)
		v->ecx |= OSPKE_OF_7_ECX;
}

#define LEVEL_THREAD	(1u << 8)
#define LEVEL_CORE	(2u << 8)
#define CORE_BITS	10	/* enough for MAX_VCPUS_PER_TD */

/* One package whose cores, of one thread each, are the vCPUs. */
static void topology(struct call *c, u32 subleaf, struct cpuid_value *v)
{
	if (subleaf == 0)
		*v = (struct cpuid_value){ .ebx = 1, .ecx = LEVEL_THREAD };
	else if (subleaf == 1)
		*v = (struct cpuid_value){ CORE_BITS, c->tdcs->nr_vcpus, LEVEL_CORE, 0 };
	v->ecx |= (u8)subleaf;
	v->edx = c->vps->x2apic_id;
}

#define XSAVE_LEGACY	576u	/* with the header */
#define XSAVE_ALIGNED	2u	/* ECX of a component: begins at 64 bytes in the compacted form */

/* Bytes of an XSAVE area with these features. */
static u32 xsave_size(struct call *c, u64 features, bool compacted)
{
	u32 size = XSAVE_LEGACY;

	for (u32 i = 2; i < 63; i++) {
		struct cpuid_value part;

		if (!(features >> i & 1))
			continue;
		part = on_this_cpu(c, 0xD, i);
		if (compacted && part.ecx & XSAVE_ALIGNED)
			size = (size + 63) & ~63u;
		if (compacted)
			size += part.eax;
		else if (part.ebx + part.eax > size)
			size = part.ebx + part.eax;
	}
	return size;
}

static void leaf_d(struct call *c, u32 subleaf, struct cpuid_value *v)
{
	const struct softtdx_guest *g = &c->vps->guest;
	u64 xfam = c->tdcs->xfam;

	if (subleaf == 0) {
		v->eax = (u32)(xfam & ~XSS_FEATURES);
		v->ebx = xsave_size(c, g->xcr0, false);
		v->ecx = xsave_size(c, xfam & ~XSS_FEATURES, false);
	} else if (subleaf == 1) {
		v->eax = on_this_cpu(c, 0xD, 1).eax & 0xF;
		v->ebx = xsave_size(c, g->xcr0 | g->xss, true);
		v->ecx = (u32)(xfam & XSS_FEATURES);
	} else if (subleaf < 63 && xfam >> subleaf & 1) {
		*v = on_this_cpu(c, 0xD, subleaf);
	}
}

/* The TSC's frequency: a crystal of 25 MHz, times EBX. */
static void leaf_15(struct call *c, struct cpuid_value *v)
{
	*v = (struct cpuid_value){ .eax = 1, .ebx = c->tdcs->tsc_frequency, .ecx = 25000000 };
}

static void leaf_21(u32 subleaf, struct cpuid_value *v)
{
	if (!subleaf)
		*v = (struct cpuid_value){ 0, 0x65746E49, 0x20202020, 0x5844546C };
}

static void follow_state(struct call *c, u32 leaf, u32 subleaf, struct cpuid_value *v)
{
	switch (leaf) {
	case 1: leaf_1(c, v); break;
	case 7: if (!subleaf) leaf_7(c, v); break;
	case 0xB: case 0x1F: topology(c, subleaf, v); break;
	case 0xD: leaf_d(c, subleaf, v); break;
	case 0x15: leaf_15(c, v); break;
	case 0x21: leaf_21(subleaf, v); break;	/* "IntelTDX    " */
	case 0x80000008:
		v->eax |= (c->tdcs->config_flags & CONFIG_GPAW_52 ? 52u : 48u) << 16;
		break;
	}
}

static void add(struct cpuid_value *v, const struct cpuid_value *more)
{
	v->eax |= more->eax;
	v->ebx |= more->ebx;
	v->ecx |= more->ecx;
	v->edx |= more->edx;
}

static void follow_rule(struct call *c, const struct cpuid_rule *r, struct cpuid_value *v)
{
	struct cpuid_value cpu = on_this_cpu(c, r->leaf, r->subleaf == NO_SUBLEAF ? 0 : r->subleaf);

	cpu.eax &= r->native.eax;
	cpu.ebx &= r->native.ebx;
	cpu.ecx &= r->native.ecx;
	cpu.edx &= r->native.edx;
	add(v, &cpu);
	add(v, &r->always);
}

static bool same_leaf(u32 leaf, u32 subleaf, const struct cpuid_rule *r)
{
	return leaf == r->leaf && (r->subleaf == NO_SUBLEAF || r->subleaf == subleaf);
}

/* Neither a hypervisor's leaf nor one that no CPU has; the topology only where it is known. */
static bool is_virtual(const struct tdcs *tdcs, u32 leaf)
{
	if (leaf == 0xB || leaf == 0x1F)
		return tdcs->td_ctls & CTLS_ENUM_TOPOLOGY;
	return leaf <= MAX_BASIC || (leaf >= 0x80000000 && leaf <= MAX_EXTENDED);
}

bool guest_cpuid(struct call *c, u32 leaf, u32 subleaf, struct cpuid_value *v)
{
	const struct cpuid_value *configured = td_cpuid(c->tdcs, leaf, NO_SUBLEAF);

	if (!RULE(CPUID_ASKS_HOST, is_virtual(c->tdcs, leaf)))
		return false;
	if (!configured)
		configured = td_cpuid(c->tdcs, leaf, subleaf);
	*v = configured ? *configured : (struct cpuid_value){ 0 };
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (same_leaf(leaf, subleaf, &rules[i]))
			follow_rule(c, &rules[i], v);
	follow_state(c, leaf, subleaf, v);
	return true;
}
