// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's MSRs: those that it has for itself, those that the module answers, those that fault,
 * and all others, for which it has to ask the host.
 */
#include "guest.h"

/* What reads or writes do. */
enum access { NATIVE, ASK, FAULT, OWN };

/* When NATIVE or ASK holds, else the access faults. */
enum needs {
	NOTHING, NEVER, WAITPKG, TSX, PT, CET, LBR, USER_INTERRUPTS, DCA, TME, MKTME, TSC_DEADLINE,
};

struct msrs {
	u32 first, last;
	u8 read, write, needs;
};

static const struct msrs msr_table[] = {
	{ 0x10, 0x10, NATIVE, ASK, NOTHING },		/* the TSC */
	{ 0x48, 0x49, NATIVE, NATIVE, NOTHING },	/* speculation control and barrier */
	{ 0x87, 0x87, ASK, ASK, MKTME },
	{ 0x8C, 0x8F, FAULT, FAULT, NOTHING },		/* SGX */
	{ 0x98, 0x9B, FAULT, FAULT, NOTHING },
	{ 0x9E, 0x9E, FAULT, FAULT, NOTHING },
	{ 0xBC, 0xBC, NATIVE, ASK, NOTHING },
	{ 0xBD, 0xBD, OWN, NATIVE, NOTHING },		/* no xAPIC */
	{ 0xC1, 0xC8, NATIVE, NATIVE, NEVER },		/* performance counters */
	{ 0xE1, 0xE1, NATIVE, NATIVE, WAITPKG },
	{ 0x10A, 0x10A, OWN, NATIVE, NOTHING },		/* architectural capabilities */
	{ 0x10B, 0x10B, NATIVE, NATIVE, NOTHING },	/* flush of the L1 data cache */
	{ 0x122, 0x122, NATIVE, NATIVE, TSX },
	{ 0x174, 0x176, NATIVE, NATIVE, NOTHING },	/* SYSENTER */
	{ 0x186, 0x18D, NATIVE, NATIVE, NEVER },
	{ 0x195, 0x195, FAULT, FAULT, NOTHING },
	{ 0x1A0, 0x1A0, OWN, ASK, NOTHING },		/* misc. enables */
	{ 0x1A6, 0x1A7, NATIVE, NATIVE, NEVER },
	{ 0x1C4, 0x1C5, NATIVE, NATIVE, NEVER },	/* XFD */
	{ 0x1D9, 0x1D9, OWN, OWN, NOTHING },		/* debug control */
	{ 0x1F8, 0x1FA, ASK, ASK, DCA },
	{ 0x276, 0x276, FAULT, FAULT, NOTHING },
	{ 0x277, 0x277, NATIVE, NATIVE, NOTHING },	/* PAT */
	{ 0x309, 0x310, NATIVE, NATIVE, NEVER },
	{ 0x329, 0x329, NATIVE, NATIVE, NEVER },
	{ 0x345, 0x345, OWN, FAULT, NOTHING },		/* performance capabilities: none */
	{ 0x38D, 0x392, NATIVE, NATIVE, NEVER },
	{ 0x3F1, 0x3F2, NATIVE, NATIVE, NEVER },
	{ 0x3F6, 0x3F7, NATIVE, NATIVE, NEVER },
	{ 0x480, 0x480, OWN, FAULT, NOTHING },		/* VMX capabilities: none */
	{ 0x481, 0x484, ASK, FAULT, NOTHING },
	{ 0x485, 0x489, OWN, FAULT, NOTHING },
	{ 0x48A, 0x48A, ASK, FAULT, NOTHING },
	{ 0x48B, 0x492, OWN, FAULT, NOTHING },
	{ 0x4C1, 0x4C8, NATIVE, NATIVE, NEVER },
	{ 0x500, 0x500, FAULT, FAULT, NOTHING },
	{ 0x560, 0x561, NATIVE, NATIVE, PT },
	{ 0x570, 0x572, NATIVE, NATIVE, PT },
	{ 0x580, 0x587, NATIVE, NATIVE, PT },
	{ 0x600, 0x600, NATIVE, NATIVE, NOTHING },	/* debug store area */
	{ 0x6A0, 0x6A0, NATIVE, NATIVE, CET },
	{ 0x6A2, 0x6A2, NATIVE, NATIVE, CET },
	{ 0x6A4, 0x6A8, NATIVE, NATIVE, CET },
	{ 0x6E0, 0x6E0, ASK, ASK, TSC_DEADLINE },
	{ 0x6E1, 0x6E1, NATIVE, NATIVE, NEVER },	/* PKS */
	{ 0x800, 0x801, FAULT, FAULT, NOTHING },
	{ 0x802, 0x802, OWN, ASK, NOTHING },		/* x2APIC ID */
	{ 0x804, 0x807, FAULT, FAULT, NOTHING },
	{ 0x808, 0x80C, NATIVE, NATIVE, NOTHING },	/* TPR, PPR, EOI: virtualised by VMX */
	{ 0x80E, 0x80E, NATIVE, NATIVE, NOTHING },
	{ 0x810, 0x827, NATIVE, NATIVE, NOTHING },	/* ISR, TMR, IRR */
	{ 0x829, 0x82E, FAULT, FAULT, NOTHING },
	{ 0x831, 0x831, FAULT, FAULT, NOTHING },
	{ 0x83F, 0x83F, NATIVE, NATIVE, NOTHING },	/* self IPI */
	{ 0x840, 0x8FF, FAULT, FAULT, NOTHING },
	{ 0x981, 0x984, ASK, ASK, TME },
	{ 0x985, 0x98A, NATIVE, NATIVE, USER_INTERRUPTS },
	{ 0xC80, 0xC80, NATIVE, ASK, NOTHING },
	{ 0xD90, 0xD90, FAULT, FAULT, NOTHING },
	{ 0xD93, 0xD93, FAULT, FAULT, NOTHING },
	{ 0xDA0, 0xDA0, NATIVE, OWN, NOTHING },		/* XSS */
	{ 0x1200, 0x12FF, NATIVE, NATIVE, LBR },
	{ 0x14CE, 0x14CF, NATIVE, NATIVE, LBR },
	{ 0x1500, 0x16FF, NATIVE, NATIVE, LBR },
	{ 0x1B01, 0x1B01, NATIVE, NATIVE, NOTHING },
	{ 0xC0000080, 0xC0000080, NATIVE, NATIVE, NOTHING },	/* EFER */
	{ 0xC0000081, 0xC0000082, NATIVE, NATIVE, NOTHING },	/* STAR, LSTAR */
	{ 0xC0000084, 0xC0000084, NATIVE, NATIVE, NOTHING },	/* SYSCALL mask */
	{ 0xC0000100, 0xC0000103, NATIVE, NATIVE, NOTHING },	/* FS, GS, kernel GS, TSC_AUX */
};

static bool is_met(const struct tdcs *tdcs, enum needs needs)
{
	const struct cpuid_value *leaf_1 = &tdcs->cpuid[cpuid_find(1, 0)];
	const struct cpuid_value *leaf_7 = &tdcs->cpuid[cpuid_find(7, 0)];

	switch (needs) {
	case NOTHING: return true;
	case NEVER: return false;
	case WAITPKG: return leaf_7->ecx >> 5 & 1;
	case TSX: return leaf_7->ebx >> 11 & 1;
	case PT: return tdcs->xfam >> 8 & 1;
	case CET: return tdcs->xfam >> 11 & 1;
	case LBR: return tdcs->xfam >> 15 & 1;
	case USER_INTERRUPTS: return tdcs->xfam >> 14 & 1;
	case DCA: return leaf_1->ecx >> 18 & 1;
	case TME: return leaf_7->ecx >> 13 & 1;
	case MKTME: return leaf_7->edx >> 18 & 1;
	case TSC_DEADLINE: return leaf_1->ecx >> 24 & 1;
	}
	return false;
}

static enum access access_of(const struct tdcs *tdcs, u32 msr, bool write)
{
	for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++) {
		const struct msrs *m = &msr_table[i];

		if (msr < m->first || msr > m->last)
			continue;
		if (RULE(MSR_NEEDS, !is_met(tdcs, (enum needs)m->needs)))
			return FAULT;
		return (enum access)(write ? m->write : m->read);
	}
	return ASK;
}

/* A quarter of the page each: reads of low and high MSRs, then writes. A bit set is an exit. */
void fill_msr_bitmap(struct call *c)
{
	u8 *page = td_page(c->m, c->tdr, TDCS_MSR_BITMAP_PAGE);

	for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++)
		for (u32 msr = msr_table[i].first; msr <= msr_table[i].last; msr++) {
			u32 bit = (msr & 0x1FFF) + (msr >= 0xC0000000 ? 0x2000 : 0);

			if (access_of(c->tdcs, msr, false) == NATIVE)
				page[bit / 8] &= (u8)~(1u << bit % 8);
			if (access_of(c->tdcs, msr, true) == NATIVE)
				page[0x800 + bit / 8] &= (u8)~(1u << bit % 8);
		}
}

#define MSR_XAPIC_DISABLE_STATUS	0xBD
#define MSR_ARCH_CAPABILITIES		0x10A
#define MSR_MISC_ENABLE			0x1A0
#define MISC_ENABLE_VALUE		0x1801	/* fast strings; neither BTS nor PEBS */
#define MSR_DEBUGCTL			0x1D9
#define DEBUGCTL_RESERVED		(~0xFFC3ull)
#define DEBUGCTL_TR			(1ull << 6)
#define DEBUGCTL_BTS			(1ull << 7)
#define DEBUGCTL_UNCORE_PMI		(1ull << 13)
#define MSR_X2APIC_ID			0x802
#define MSR_XSS				0xDA0

static u64 own_value(struct call *c, u32 msr)
{
	switch (msr) {
	case MSR_XAPIC_DISABLE_STATUS: return 1;
	case MSR_ARCH_CAPABILITIES: return c->tdcs->arch_caps;
	case MSR_MISC_ENABLE: return MISC_ENABLE_VALUE;
	case MSR_DEBUGCTL: return c->vps->debugctl;
	case MSR_X2APIC_ID: return c->vps->x2apic_id;
	}
	return 0;
}

/* An exit that the bitmap does not ask for is the guest's own MSR: XSS is known here. */
static u64 native_value(struct call *c, u32 msr)
{
	return msr == MSR_XSS ? c->vps->guest.xss : 0;
}

u64 guest_rdmsr(struct call *c)
{
	struct softtdx_guest *g = &c->vps->guest;
	u32 msr = (u32)g->gpr[RCX];
	enum access access = access_of(c->tdcs, msr, false);
	u64 value;

	if (access == FAULT)
		return raise_exception(c, VECTOR_GP, true);
	if (access == ASK || (msr == MSR_X2APIC_ID && !(c->tdcs->td_ctls & CTLS_ENUM_TOPOLOGY)))
		return raise_ve(c);
	value = access == OWN ? own_value(c, msr) : native_value(c, msr);
	g->gpr[RAX] = (u32)value;
	g->gpr[RDX] = value >> 32;
	instruction_done(c);
	return STAY;
}

static u64 write_xss(struct call *c, u64 value)
{
	if (RULE(XSS_IN_XFAM, value & ~(c->tdcs->xfam & XSS_FEATURES)))
		return raise_exception(c, VECTOR_GP, true);
	c->vps->guest.xss = value;
	instruction_done(c);
	return STAY;
}

/* Kept, but without effect. */
static u64 write_debugctl(struct call *c, u64 value)
{
	if (value & DEBUGCTL_RESERVED)
		return raise_exception(c, VECTOR_GP, true);
	if (value & DEBUGCTL_TR && !(value & DEBUGCTL_BTS))
		return raise_ve(c);
	c->vps->debugctl = value & ~DEBUGCTL_UNCORE_PMI;
	instruction_done(c);
	return STAY;
}

u64 guest_wrmsr(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;
	u32 msr = (u32)g->gpr[RCX];
	u64 value = (u32)g->gpr[RAX] | g->gpr[RDX] << 32;

	if (access_of(c->tdcs, msr, true) == FAULT)
		return raise_exception(c, VECTOR_GP, true);
	if (msr == MSR_XSS)
		return write_xss(c, value);
	if (msr == MSR_DEBUGCTL)
		return write_debugctl(c, value);
	return raise_ve(c);
}
