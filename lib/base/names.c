// SPDX-License-Identifier: GPL-2.0-only
/* Names of boots and VM types, and whether this is the emulated host. */
#include <stdlib.h>

#include "base/case_run.h"

const char *const boot_name[BOOT_NR] = {
	[BOOT_DEFAULT]		= "default",
	[BOOT_CPUS1]		= "cpus1",
	[BOOT_CPUS4]		= "cpus4",
	[BOOT_TDP_MMU_OFF]	= "tdp_mmu_off",
	[BOOT_NPT_OFF]		= "npt_off",
	[BOOT_TDX]		= "tdx",
	[BOOT_TDX_ERRORS]	= "tdx_errors",
	[BOOT_TDX_EPT4]		= "tdx_ept4",
	[BOOT_TDX_SPENT]	= "tdx_spent",
	[BOOT_EPT_AD_OFF]	= "ept_ad_off",
	[BOOT_LATE_CPU]		= "late_cpu",
};

bool in_testbed(void)
{
	return getenv("KTS_TESTBED") != NULL;
}

const char *vm_type_name(unsigned int type)
{
	switch (type) {
	case KVM_X86_DEFAULT_VM:	return "default";
	case KVM_X86_SW_PROTECTED_VM:	return "sw_protected";
	case KVM_X86_TDX_VM:		return "tdx";
	default:			return "unknown";
	}
}
