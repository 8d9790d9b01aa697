// SPDX-License-Identifier: GPL-2.0-only
/* TD_PARAMS: the checks of TDH.MNG.INIT, and the CPUID and TSC that follow from them. */
#include "internal.h"

static bool all_zero(const void *data, size_t length)
{
	const u8 *p = data;

	while (length--)
		if (*p++)
			return false;
	return true;
}

static bool fixed_bits_ok(u64 value, u64 fixed0, u64 fixed1)
{
	return !(value & ~fixed0) && (value & fixed1) == fixed1;
}

/* XSAVE components that only come together: AVX-512 (with AVX), CET, AMX. */
bool xfam_groups_ok(u64 xfam)
{
	static const u64 groups[] = { 7ull << 5, 3ull << 11, 3ull << 17 };

	for (int i = 0; i < 3; i++)
		if (xfam & groups[i] && (xfam & groups[i]) != groups[i])
			return false;
	return !(xfam & groups[0]) || xfam & 4;
}

/* In the order in which the module looks at them. */
static u64 check_controls(const struct softtdx *m, const struct td_params *p)
{
	if (RULE(ATTRIBUTES_FIXED, !fixed_bits_ok(p->attributes, ATTRIBUTES_FIXED0,
						  ATTRIBUTES_FIXED1)))
		return ST(OPERAND_INVALID, OP_ATTRIBUTES);
	if (!fixed_bits_ok(p->xfam, xfam_fixed0(m), XFAM_FIXED1) ||
	    RULE(XFAM_PAIRS, !xfam_groups_ok(p->xfam)))
		return ST(OPERAND_INVALID, OP_XFAM);
	if (!p->max_vcpus || p->max_vcpus > MAX_VCPUS_PER_TD)
		return ST(OPERAND_INVALID, OP_MAX_VCPUS);
	if (p->num_l2_vms)
		return ST(OPERAND_INVALID, OP_NUM_L2_VMS);
	if (!all_zero(p->reserved0, sizeof(p->reserved0)))
		return ST(OPERAND_INVALID, OP_RDX);
	if (p->config_flags & ~CONFIG_FLAGS_ALLOWED)
		return ST(OPERAND_INVALID, OP_EXEC_CONTROLS);
	if (p->eptp_controls != EPTP_5_LEVEL &&
	    (p->eptp_controls != EPTP_4_LEVEL || p->config_flags & CONFIG_GPAW_52))
		return ST(OPERAND_INVALID, OP_EPTP_CONTROLS);
	if (p->tsc_frequency < 4 || p->tsc_frequency > 400)
		return ST(OPERAND_INVALID, OP_TSC_FREQUENCY);
	if (!all_zero(p->reserved1, sizeof(p->reserved1)) ||
	    p->msr_config & ~MSR_CONFIG_ARCH_CAPS ||
	    !all_zero(p->reserved2, sizeof(p->reserved2)))
		return ST(OPERAND_INVALID, OP_RDX);
	return 0;
}

/*
 * IA32_ARCH_CAPABILITIES: of this CPU, but for what the module does not give on; three bits only
 * if the creator allows them, one also if he forces it.
 */
#define ARCH_CAPS_ALLOWED	(1ull << 4 | 1ull << 20 | 1ull << 24)
#define ARCH_CAPS_FORCED	(1ull << 19)
#define ARCH_CAPS_NEVER		(7ull << 9 | 7ull << 16 | 7ull << 21)
#define ARCH_CAPS_TSX_CTRL	(1ull << 7)
#define ARCH_CAPS_KNOWN		((1ull << 27) - 1)

static u64 set_arch_caps(struct call *c, const struct td_params *p)
{
	u64 wanted = p->arch_caps;

	if (wanted && !(p->msr_config & MSR_CONFIG_ARCH_CAPS))
		return ST(OPERAND_INVALID, OP_ARCH_CAPS);
	if (wanted & ~(ARCH_CAPS_ALLOWED | ARCH_CAPS_FORCED))
		return ST(OPERAND_INVALID, OP_ARCH_CAPS);
	c->tdcs->arch_caps = c->m->cfg.arch_caps & ARCH_CAPS_KNOWN;
	c->tdcs->arch_caps &= ~(ARCH_CAPS_NEVER | ARCH_CAPS_TSX_CTRL | (ARCH_CAPS_ALLOWED & ~wanted));
	c->tdcs->arch_caps |= wanted & ARCH_CAPS_FORCED;
	return 0;
}

/* Guest over host TSC frequency with 48 fraction bits, by long division. */
static u64 tsc_multiplier(u64 guest_khz, u64 host_khz)
{
	u64 quotient = guest_khz / host_khz, rest = guest_khz % host_khz;

	for (int i = 0; i < 48; i++) {
		rest <<= 1;
		quotient = quotient << 1 | (rest >= host_khz);
		if (rest >= host_khz)
			rest -= host_khz;
	}
	return quotient;
}

/* The guest's TSC starts at zero. Where the CPU cannot scale, it is the host's. */
static void set_tsc(struct call *c)
{
	struct tdcs *tdcs = c->tdcs;

	tdcs->tsc_multiplier = 1ull << 48;
	tdcs->tsc_offset = 0;
	if (!c->m->cfg.tsc_khz)
		return;
	tdcs->tsc_multiplier = tsc_multiplier(tdcs->tsc_frequency * 25000ull, c->m->cfg.tsc_khz);
	tdcs->tsc_offset = -(u64)((__uint128_t)c->m->ops->tsc(c->m->env) *
				  tdcs->tsc_multiplier >> 48);
}

u64 td_params_apply(struct call *c, const struct td_params *p)
{
	struct tdcs *tdcs = c->tdcs;

	TRY(check_controls(c->m, p));
	tdcs->attributes = p->attributes;
	tdcs->td_ctls = p->attributes & ATTR_SEPT_VE_DISABLE ? CTLS_PENDING_VE_DISABLE : 0;
	tdcs->xfam = p->xfam;
	tdcs->max_vcpus = p->max_vcpus;
	tdcs->config_flags = p->config_flags;
	tdcs->eptp_controls = p->eptp_controls;
	tdcs->levels = p->eptp_controls == EPTP_5_LEVEL ? 5 : 4;
	tdcs->tsc_frequency = p->tsc_frequency;
	memcpy(tdcs->mrconfigid, p->mrconfigid, sizeof(tdcs->mrconfigid));
	memcpy(tdcs->mrowner, p->mrowner, sizeof(tdcs->mrowner));
	memcpy(tdcs->mrownerconfig, p->mrownerconfig, sizeof(tdcs->mrownerconfig));
	set_tsc(c);
	TRY(td_cpuid_compose(c, p->cpuid));
	if (!all_zero(&p->cpuid[NR_CPUID_CONFIGS],
		      (CPUID_CONFIGS_MAX - NR_CPUID_CONFIGS) * sizeof(p->cpuid[0])))
		return ST(OPERAND_INVALID, OP_RDX);
	return set_arch_caps(c, p);
}
