// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUID that KVM is told a TD's vCPU has. The TDX module answers the guest itself: KVM's table
 * serves for what KVM emulates, and for how it builds its page tables. So it is what the module
 * answers, as KVM reads it (Documentation/virt/kvm/x86/intel-tdx.rst), with the guest-physical
 * width of the TD: KVM supports as many bits as the CPU has, and would build page tables with the
 * shared bit where the TD has none.
 */
#include "td.h"
#include "testcase.h"

void td_vcpu_set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = cpuid_alloc();

	expect_ok(__td_cmd(vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)cpuid, NULL),
		  "KVM_TDX_GET_CPUID of vCPU %u", vcpu->id);
	vcpu_set_cpuid(vcpu, cpuid);
}
