// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUID that KVM is told a TD's vCPU has. The TDX module answers the guest itself: KVM's table
 * serves for what KVM emulates, and for how it builds its page tables.
 */
#include <linux/kvm_para.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "td.h"
#include "testcase.h"

#define MAX_ENTRIES	256		/* KVM_MAX_CPUID_ENTRIES of the kernel */
#define ADDRESS_LEAF	0x80000008	/* EAX[23:16]: guest-physical address bits */

struct kvm_cpuid2 *td_supported_cpuid(void)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	cpuid->nent = MAX_ENTRIES;
	expect_ok(ioctl(kvm_dev(), KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	return cpuid;
}

/*
 * KVM's own features work by memory and MSRs that it cannot reach in a TD. The guest-physical
 * width is the TD's: KVM supports as many bits as the CPU has, and would build page tables with
 * the shared bit where the TD has none.
 */
static void fit(struct kvm_cpuid2 *cpuid, u32 gpaw)
{
	for (u32 i = 0; i < cpuid->nent; i++) {
		u32 *eax = &cpuid->entries[i].eax;

		if (cpuid->entries[i].function == KVM_CPUID_FEATURES)
			*eax = 0;
		else if (cpuid->entries[i].function == ADDRESS_LEAF)
			*eax = (*eax & ~0xff0000U) | gpaw << 16;
	}
}

void td_vcpu_set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = td_supported_cpuid();

	fit(cpuid, vcpu->vm->gpaw);
	expect_ok(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2 of vCPU %u",
		  vcpu->id);
	free(cpuid);
}
