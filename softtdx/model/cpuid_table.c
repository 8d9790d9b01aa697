// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the module does with each CPUID leaf of a TD, and which bits its creator may set. Leaves
 * that are not here have no virtual value: the guest asks the host.
 */
#include "internal.h"

#define ALL		0xFFFFFFFFu	/* bits */
#define NONE		0		/* of it is the creator's */
#define ZERO(leaf)	{ leaf, NO_SUBLEAF, NONE, false, { ALL, ALL, ALL, ALL }, { 0 } }
#define STATE_PART(n)	{ 0xD, n, NONE, false, { .edx = ALL }, { 0 } }

/* In the order in which MNG.INIT looks at them: those with a config first, but for two. */
static const struct cpuid_leaf cpuid_leaves[NR_CPUID_LEAVES] = {
	{ 1, NO_SUBLEAF, 1, false, { 0xF000C000, 0xFF0000FF, 0x08010060, 0x40120400 },
	  { .ecx = 0x80200000, .edx = 0x200 } },	/* a hypervisor, x2APIC, APIC */
	{ 4, 0, 2, false, { .eax = 0x3C00, .edx = 4 }, { 0 } },
	{ 4, 1, 3, false, { .eax = 0x3C00, .edx = 4 }, { 0 } },
	{ 4, 2, 4, false, { .eax = 0x3C00, .edx = 4 }, { 0 } },
	{ 4, 3, 5, false, { .eax = 0x3C00, .edx = 0xFFFFFFF8 }, { 0 } },
	{ 7, 0, 6, false, { 0, 0x00404006, 0x643E8010, 0x002298C3 }, { 0 } },
	{ 7, 1, 7, false, { 0xFFFFE2CF, ALL, ALL, ALL }, { 0 } },
	{ 0xA, NO_SUBLEAF, 8, false, { .edx = 0xFFFF6000 }, { 0 } },
	{ 0x1C, NO_SUBLEAF, 9, false, { 0 }, { 0 } },
	{ 0x80000008, NO_SUBLEAF, 10, false, { 0xFFFF0000, 0xFFFFFDFF, ALL, ALL }, { 0 } },
	{ 0, NO_SUBLEAF, NONE, false, { .eax = ALL }, { .eax = MAX_BASIC_LEAF } },
	ZERO(3),
	{ 4, 4, NONE, false, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 6, NO_SUBLEAF, NONE, true, { 0 }, { 0 } },
	{ 7, 2, 11, false, { ALL, ALL, ALL, 0xFFFFFFC0 }, { 0 } },
	ZERO(8),
	{ 0xD, 0, NONE, false, { .eax = 0xFFF9FD18, .ebx = ALL, .edx = ALL }, { 0 } },
	{ 0xD, 1, NONE, false, { 0xFFFFFFE0, ALL, 0xFFFF26FF, ALL }, { 0 } },
	STATE_PART(2), STATE_PART(3), STATE_PART(4), STATE_PART(5), STATE_PART(6),
	STATE_PART(7), STATE_PART(8), STATE_PART(9), STATE_PART(10), STATE_PART(11),
	STATE_PART(12), STATE_PART(13), STATE_PART(14), STATE_PART(15), STATE_PART(16),
	STATE_PART(17), STATE_PART(18),
	ZERO(0xE), ZERO(0x11), ZERO(0x12), ZERO(0x13),
	{ 0x14, 0, NONE, false, { .ebx = 0xFFFFFE00, .ecx = 0x7FFFFFF0, .edx = ALL }, { 0 } },
	{ 0x14, 1, NONE, false, { .eax = 0xFFF8, .ecx = ALL, .edx = ALL }, { 0 } },
	/* The TSC's frequency: a crystal of 25 MHz, times EBX. */
	{ 0x15, NO_SUBLEAF, NONE, false, { ALL, 0, ALL, ALL }, { .eax = 1, .ecx = 25000000 } },
	ZERO(0x19),
	{ 0x1D, 0, NONE, false, { 0 }, { 0 } },
	{ 0x1D, 1, NONE, false, { 0 }, { 0 } },
	{ 0x1E, NO_SUBLEAF, NONE, false, { 0 }, { 0 } },
	{ 0x1F, 0, NONE, true, { 0 }, { 0 } },
	{ 0x1F, 1, NONE, true, { 0 }, { 0 } },
	{ 0x1F, 2, NONE, true, { 0 }, { 0 } },
	{ 0x1F, 3, NONE, true, { 0 }, { 0 } },
	{ 0x1F, 4, NONE, true, { 0 }, { 0 } },
	{ 0x1F, 5, NONE, true, { 0 }, { 0 } },
	ZERO(0x20),
	/* "IntelTDX    " */
	{ 0x21, 0, NONE, false, { ALL, ALL, ALL, ALL },
	  { 0, 0x65746E49, 0x20202020, 0x5844546C } },
	{ 0x80000000, NO_SUBLEAF, NONE, false, { ALL, ALL, ALL, ALL },
	  { .eax = MAX_EXTENDED_LEAF } },
	{ 0x80000001, NO_SUBLEAF, NONE, false, { ALL, ALL, 0xFFFFFEDE, 0xD3EFFFFF }, { 0 } },
	{ 0x80000006, NO_SUBLEAF, NONE, true, { 0 }, { 0 } },
	/* The invariant TSC, which a platform with TDX has. */
	{ 0x80000007, NO_SUBLEAF, NONE, false, { ALL, ALL, ALL, 0xFFFFFEFF }, { .edx = 0x100 } },
	ZERO(0x22),
	{ 0x23, 0, 12, false, { .eax = 0xFFFFFFF0, .ecx = ALL, .edx = ALL }, { 0 } },
	{ 0x23, 1, NONE, false, { .ecx = ALL, .edx = ALL }, { 0 } },
	{ 0x23, 2, NONE, false, { ALL, ALL, ALL, ALL }, { 0 } },
	{ 0x23, 3, NONE, false, { .ebx = ALL, .ecx = ALL, .edx = ALL }, { 0 } },
	{ 5, NO_SUBLEAF, NONE, false, { 0xFFFF0000, 0xFFFF0000, 0xFFFFFFFC, 0 }, { 0 } },
};

#define CACHE_SHAPE	{ 0xFFFFC3FF, 0xFFFFF000, 0xFFFFFFFF, 0xFFFFFFFB }

static const struct cpuid_config cpuid_configs[NR_CPUID_CONFIGS] = {
	{ 1, NO_SUBLEAF, { .eax = 0x0FFF3FFF, .ebx = 0x00FF0000 },
	  { .ecx = 0x31044D88, .edx = 0xB8440000 } },
	{ 4, 0, CACHE_SHAPE, { 0 } },
	{ 4, 1, CACHE_SHAPE, { 0 } },
	{ 4, 2, CACHE_SHAPE, { 0 } },
	{ 4, 3, { 0xFFFFC3FF, 0xFFFFF000, 0xFFFFFFFF, 7 }, { 0 } },
	{ 7, 0, { 0 }, { .ebx = 0xDC2B9B18, .ecx = 0x02417F65, .edx = 0x0005411C } },
	{ 7, 1, { 0 }, { .eax = 0x1D30 } },
	{ 0xA, NO_SUBLEAF, { 0 }, { 0 } },
	{ 0x1C, NO_SUBLEAF, { 0 }, { .eax = 0xFF } },
	{ 0x80000008, NO_SUBLEAF, { 0 }, { .ebx = 0x200 } },
	{ 7, 2, { 0 }, { .edx = 0x28 } },
	{ 0x23, 0, { 0 }, { .eax = 0xF } },
};

const struct cpuid_leaf *cpuid_leaf(u32 i)
{
	return &cpuid_leaves[i];
}

const struct cpuid_config *cpuid_config(u32 i)
{
	return &cpuid_configs[i];
}

/* A leaf without sub-leaves has the same values for all of them. */
int cpuid_find(u32 leaf, u32 subleaf)
{
	for (int i = 0; i < NR_CPUID_LEAVES; i++)
		if (cpuid_leaves[i].leaf == leaf &&
		    (cpuid_leaves[i].subleaf == NO_SUBLEAF || cpuid_leaves[i].subleaf == subleaf))
			return i;
	return -1;
}

/* Of this CPU, without what the module keeps from a TD and with what it adds. */
struct cpuid_value cpuid_native(struct softtdx *m, u32 i)
{
	const struct cpuid_leaf *l = &cpuid_leaves[i];
	struct cpuid_value v = m->ops->cpuid(m->env, l->leaf,
					     l->subleaf == NO_SUBLEAF ? 0 : l->subleaf);

	return (struct cpuid_value){
		(v.eax & ~l->clear.eax) | l->set.eax, (v.ebx & ~l->clear.ebx) | l->set.ebx,
		(v.ecx & ~l->clear.ecx) | l->set.ecx, (v.edx & ~l->clear.edx) | l->set.edx,
	};
}

struct cpuid_value cpuid_and(struct cpuid_value a, struct cpuid_value b)
{
	return (struct cpuid_value){ a.eax & b.eax, a.ebx & b.ebx, a.ecx & b.ecx, a.edx & b.edx };
}

struct cpuid_value cpuid_or(struct cpuid_value a, struct cpuid_value b)
{
	return (struct cpuid_value){ a.eax | b.eax, a.ebx | b.ebx, a.ecx | b.ecx, a.edx | b.edx };
}

struct cpuid_value cpuid_not(struct cpuid_value a)
{
	return (struct cpuid_value){ ~a.eax, ~a.ebx, ~a.ecx, ~a.edx };
}
