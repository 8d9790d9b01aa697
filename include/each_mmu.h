/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cases of a body that runs in VMs without a TD, with each way in which KVM maps their memory.
 * Those of the legacy MMU, of shadow paging and of EPT have boots of their own; by what the
 * others are mapped, the host's CPU says: NPT in the testbed.
 */
#ifndef EACH_MMU_H
#define EACH_MMU_H

#include "testcase.h"

/* For CASES(): cases "name", "legacy_name", "shadow_name" and "ept_name". */
#define ON_EACH_MMU(name, text)							\
	{ name, text, .vm_types = VM_ANY },					\
	{ "legacy_" name, "legacy MMU: " text, .vm_types = VM_DEFAULT,		\
	  .boot = BOOT_TDP_MMU_OFF },						\
	{ "shadow_" name, "shadow paging: " text, .vm_types = VM_DEFAULT,	\
	  .boot = BOOT_NPT_OFF },						\
	{ "ept_" name, "EPT: " text, .vm_types = VM_DEFAULT, .boot = BOOT_TDX }

#endif /* EACH_MMU_H */
