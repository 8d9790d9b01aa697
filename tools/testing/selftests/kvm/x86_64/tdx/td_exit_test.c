// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN when TDH.VP.ENTER fails (softtdx): the TDX module refuses to enter the vCPU, or
 * reports that the vCPU or its TD is lost.  User space gets the status.
 */
#include "guest_vm.h"
#include "softtdx_ctl.h"
#include "testcase.h"

static GUEST void reports_twice(u64 arg)
{
	guest_report(arg);
	guest_report(arg + 1);
}

struct failure {
	u64 status;	/* of TDH.VP.ENTER, once */
	u32 exit;	/* reason that user space gets */
};

static void enter(struct vcpu *vcpu, const struct failure *f)
{
	softtdx_inject(TDH_VP_ENTER, strf("0x%llx", f->status), 1);
	vcpu->run->exit_reason = ~0U;
	expect_ok(__guest_run(vcpu), "KVM_RUN, where TDH.VP.ENTER returns 0x%llx",
		  f->status);
	expect_eq(softtdx_injected(), 1, "calls of TDH.VP.ENTER that failed");
	expect_eq(vcpu->run->exit_reason, f->exit, "exit reason");
}

/* Only the status was injected: the TD works when KVM_RUN is called again. */
static void enter_fails(const struct test *t)
{
	const struct failure *f = t->tc->arg;
	struct guest_vm p = guest_vm_single(t, reports_twice, 7, 0);
	struct kvm_run *run = p.vcpu[0]->run;

	expect_eq(guest_wait_value(p.vcpu[0]), 7, "the first value");
	enter(p.vcpu[0], f);
	if (f->exit == KVM_EXIT_INTERNAL_ERROR) {
		expect_eq(run->internal.suberror, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "suberror");
		expect_true(run->internal.ndata >= 1, "KVM_EXIT_INTERNAL_ERROR has data");
		expect_eq(run->internal.data[0], f->status, "status in its data");
	} else {
		expect_eq(run->fail_entry.hardware_entry_failure_reason, (u32)f->status,
			  "hardware_entry_failure_reason");
	}
	expect_eq(guest_wait_value(p.vcpu[0]), 8, "the second value");
}

CASES(enter_fails,
	{ "vcpu_lost", "TDX_NON_RECOVERABLE_VCPU: KVM_EXIT_INTERNAL_ERROR",
	  .arg = &(const struct failure){ 0x4000000100000000, KVM_EXIT_INTERNAL_ERROR },
	  .xwarn = "W5", .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, .needs_softtdx = true },
	{ "td_lost", "TDX_NON_RECOVERABLE_TD: KVM_EXIT_INTERNAL_ERROR",
	  .arg = &(const struct failure){ 0x4000000200000000, KVM_EXIT_INTERNAL_ERROR },
	  .xwarn = "W5", .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, .needs_softtdx = true },
	{ "operand_invalid", "TDX_OPERAND_INVALID: KVM_EXIT_INTERNAL_ERROR",
	  .arg = &(const struct failure){ 0xc000010000000001, KVM_EXIT_INTERNAL_ERROR },
	  .xwarn = "W5", .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, .needs_softtdx = true },
	{ "failed_entry", "a VM entry that fails: KVM_EXIT_FAIL_ENTRY",
	  .arg = &(const struct failure){ 0x4000000180000021, KVM_EXIT_FAIL_ENTRY },
	  .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, .needs_softtdx = true })

TEST_MAIN("KVM_RUN when TDH.VP.ENTER fails")
