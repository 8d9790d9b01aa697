// SPDX-License-Identifier: GPL-2.0-only
/* CPUID as a guest sees it: what TDH.MNG.INIT composed, with what follows from the vCPU's state. */
#include "guest.h"

#define CR4_OSXSAVE	(1ull << 18)
#define CR4_PKE		(1ull << 22)
#define OSXSAVE_OF_1_ECX	(1u << 27)
#define OSPKE_OF_7_ECX		(1u << 4)
#define SYSCALL_OF_EXTENDED_1_EDX	(1u << 11)

#define LEVEL_THREAD	(1u << 8)
#define LEVEL_CORE	(2u << 8)
#define CORE_BITS	10	/* enough for MAX_VCPUS_PER_TD */

/* One package whose cores, of one thread each, are the vCPUs. */
static void topology(struct call *c, u32 subleaf, struct cpuid_value *v)
{
	*v = (struct cpuid_value){ 0 };
	if (subleaf == 0)
		*v = (struct cpuid_value){ .ebx = 1, .ecx = LEVEL_THREAD };
	else if (subleaf == 1)
		*v = (struct cpuid_value){ CORE_BITS, c->tdcs->nr_vcpus, LEVEL_CORE, 0 };
	v->ecx |= (u8)subleaf;
	v->edx = c->vps->x2apic_id;
}

static void follow_state(struct call *c, u32 leaf, u32 subleaf, struct cpuid_value *v)
{
	const struct softtdx_guest *g = &c->vps->guest;

	switch (leaf) {
	case 1:
		v->ebx |= c->vps->x2apic_id << 24;
		v->ecx |= g->cr4 & CR4_OSXSAVE ? OSXSAVE_OF_1_ECX : 0;
		break;
	case 7:
		v->ecx |= !subleaf && g->cr4 & CR4_PKE ? OSPKE_OF_7_ECX : 0;
		break;
	case 0xD:
		if (subleaf == 0)
			v->ebx = xsave_size(c->m, g->xcr0, false);
		else if (subleaf == 1)
			v->ebx = xsave_size(c->m, g->xcr0 | g->xss, true);
		break;
	case 0x80000001:
		v->edx &= ~SYSCALL_OF_EXTENDED_1_EDX;
		v->edx |= g->code64 ? SYSCALL_OF_EXTENDED_1_EDX : 0;
		break;
	}
}

/* Beyond the maxima a leaf is what the highest basic one is; a hypervisor's are not beyond. */
static u32 within_maxima(u32 leaf)
{
	if (leaf >= 0x40000000 && leaf <= 0x4FFFFFFF)
		return leaf;
	if (leaf > MAX_EXTENDED_LEAF || (leaf > MAX_BASIC_LEAF && leaf < 0x80000000))
		return MAX_BASIC_LEAF;
	return leaf;
}

/* The guest may want to be asked about every CPUID, of its kernel or of its user mode. */
static bool wants_ve(const struct tdvps *vps)
{
	return vps->guest.cpl ? vps->cpuid_user_ve : vps->cpuid_supervisor_ve;
}

bool guest_cpuid(struct call *c, u32 leaf, u32 subleaf, struct cpuid_value *v)
{
	int i;

	leaf = within_maxima(leaf);
	i = cpuid_find(leaf, subleaf);
	if (RULE(CPUID_VE_WANTED, wants_ve(c->vps)))
		return false;
	if ((leaf == 0xB || leaf == 0x1F) && c->tdcs->td_ctls & CTLS_ENUM_TOPOLOGY) {
		topology(c, subleaf, v);
		return true;
	}
	if (RULE(CPUID_ASKS_HOST, i < 0 || cpuid_leaf((u32)i)->faults))
		return false;
	*v = i < 0 ? (struct cpuid_value){ 0 } : c->tdcs->cpuid[i];
	follow_state(c, leaf, subleaf, v);
	return true;
}
