// SPDX-License-Identifier: GPL-2.0-only
/* The CPUID that a vCPU is given. */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "testcase.h"
#include "vm.h"

#define MAX_ENTRIES	256		/* KVM_MAX_CPUID_ENTRIES of the kernel */

struct kvm_cpuid2 *cpuid_alloc(void)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_ENTRIES * sizeof(cpuid->entries[0]));
	cpuid->nent = MAX_ENTRIES;
	return cpuid;
}

struct kvm_cpuid2 *cpuid_supported(void)
{
	struct kvm_cpuid2 *cpuid = cpuid_alloc();

	expect_ok(ioctl(kvm_dev(), KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	return cpuid;
}

void vcpu_set_cpuid(struct vcpu *vcpu, struct kvm_cpuid2 *cpuid)
{
	expect_ok(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2 of vCPU %u",
		  vcpu->id);
	free(cpuid);
}
