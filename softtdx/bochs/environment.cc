// SPDX-License-Identifier: GPL-2.0-only
/* What the model asks of its environment: memory, the CPU that called, its CPUID, the time. */
#include <stdlib.h>

#include "seam.h"

extern "C" struct softtdx softtdx;
struct softtdx softtdx;

static BX_CPU_C *current;

void module_runs_on(BX_CPU_C *cpu)
{
	current = cpu;
}

static bool is_memory(u64 hpa)
{
	return hpa < BX_MEM(0)->get_memory_len() && (hpa < 0xA0000 || hpa >= 0x100000);
}

/*
 * Bochs gives no pointer for a page that an idle CPU watches (MONITOR); it is memory all the
 * same. What lies there may have been code that a CPU has decoded, and the model may write.
 */
static void *map_page(void *, u64 hpa)
{
	Bit8u *p = BX_MEM(0)->getHostMemAddr(NULL, hpa, BX_RW);

	if (!p && is_memory(hpa))
		p = BX_MEM(0)->get_vector(hpa);
	if (p)
		pageWriteStampTable.decWriteStamp(hpa);
	return p;
}

static u32 this_cpu(void *)
{
	return current->which_cpu();
}

static u32 this_package(void *)
{
	return 0;
}

static u64 tsc(void *)
{
	return current->get_TSC();
}

static struct cpuid_value host_cpuid(void *, u32 leaf, u32 subleaf)
{
	struct cpuid_function_t f;

	current->cpuid->get_cpuid_leaf(leaf, subleaf, &f);
	return { f.eax, f.ebx, f.ecx, f.edx };
}

static struct softtdx_ops make_ops(void)
{
	struct softtdx_ops ops = {};

	ops.map = map_page;
	ops.cpu = this_cpu;
	ops.package = this_package;
	ops.tsc = tsc;
	ops.cpuid = host_cpuid;
	ops.report = softtdx_report;
	ops.held = private_memory_held;
	return ops;
}

/* AMX's tiles, which do not fit into a vCPU's page for its extended state. */
#define XFEATURES_TOO_LARGE	(BX_CONST64(3) << 17)

/* What XCR0 and IA32_XSS may hold. */
static u64 xsave_features(void)
{
	return (current->get_xcr0_allow_mask() | current->get_ia32_xss_allow_mask()) &
	       ~XFEATURES_TOO_LARGE;
}

/* The module to be: its name is in the emulator's environment. */
static const struct softtdx_profile *wanted_profile(void)
{
	const char *name = getenv("SOFTTDX_MODULE");
	const struct softtdx_profile *profile = softtdx_profile(name ? name : "");

	if (!profile)
		current->panic("softtdx: SOFTTDX_MODULE=%s is no module (docs/softtdx.md)", name);
	return profile;
}

void module_reset(void)
{
	static const struct softtdx_ops ops = make_ops();
	struct softtdx_config config = {};

	config.nr_cpus = BX_SMP_PROCESSORS;
	config.nr_packages = 1;
	config.phys_bits = BX_PHY_ADDRESS_WIDTH - KEYID_BITS;
	config.first_keyid = FIRST_KEYID;
	config.nr_keyids = NR_KEYIDS;
	config.xfam = xsave_features();
	config.tsc_khz = SIM->get_param_num(BXPN_IPS)->get() / 1000;
	config.profile = wanted_profile();
	current->rdmsr(BX_MSR_IA32_ARCH_CAPABILITIES, &config.arch_caps);	/* or it stays 0 */
	private_memory_reset();
	if (!softtdx_init(&softtdx, &config, &ops, NULL))
		current->panic("softtdx: impossible configuration");
}
