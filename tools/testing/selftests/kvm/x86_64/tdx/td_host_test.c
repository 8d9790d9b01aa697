// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host whose TDX module could not be initialised.  TDH.SYS.CONFIG waits for TDH.SYS.LP.INIT
 * of every CPU of the platform: with one that is offline while Linux boots ("maxcpus=1") there
 * are no TDs, and no CPU that comes later changes that.  KVM has to go on without.
 */
#include <sched.h>
#include <sys/ioctl.h>

#include "fixture.h"
#include "testcase.h"
#include "undo.h"

#define LATE_CPU	"/sys/devices/system/cpu/cpu1/online"

static bool has_tds(struct vm *vm)
{
	return vm_check_cap(vm, KVM_CAP_VM_TYPES) >> KVM_X86_TDX_VM & 1;
}

CASE(cpu_offline_at_init, "a CPU is offline when the module is initialised: no TDs, other VMs",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_LATE_CPU)
{
	struct vm *vm = vm_create(KVM_X86_DEFAULT_VM);
	cpu_set_t late = { 0 };
	struct fixture f;

	expect_true(!has_tds(vm), "KVM_CAP_VM_TYPES has no TDs");
	expect_errno(ioctl(kvm_dev(), KVM_CREATE_VM, KVM_X86_TDX_VM), EINVAL,
		     "KVM_CREATE_VM of a TD");
	must(!set_and_undo(LATE_CPU, "1"), "writing 1 to " LATE_CPU);
	expect_true(!has_tds(vm), "KVM_CAP_VM_TYPES has no TDs once all CPUs are online");

	/* What happens on a CPU that comes after the observer is not traced. */
	f = fixture(t, MEM_ANON, SZ_2M);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
	CPU_SET(1, &late);
	must(!sched_setaffinity(0, sizeof(late), &late), "moving to CPU 1");
	prefault(f.vcpu, GPA + SZ_4K, SZ_4K);
	expect_mapped(f.o, GFN + 1, LEVEL_4K, pfn_of(f.mem->hva + SZ_4K));
}

TEST_MAIN("a host without TDs: its TDX module was not initialised")
