// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM_RUN says when TDH.VP.ENTER ends in a way that no guest asked for: the
 * TDX module refuses, or the vCPU or its TD cannot go on.
 */
#include "guest_vm.h"
#include "softtdx_ctl.h"
#include "testcase.h"

#define TDH_VP_ENTER	0

static GUEST void says_twice(u64 arg)
{
	guest_report(arg);
	guest_report(arg + 1);
}

/* What TDH.VP.ENTER answers, once, and what user space is told. */
struct ending {
	u64 status;
	u32 exit;
};

static void enter(struct vcpu *vcpu, const struct ending *e)
{
	softtdx_inject(TDH_VP_ENTER, strf("0x%llx", e->status), 1);
	vcpu->run->exit_reason = ~0U;
	expect_ok(__guest_run(vcpu), "KVM_RUN, where TDH.VP.ENTER answers 0x%llx",
		  e->status);
	expect_eq(softtdx_injected(), 1, "calls of TDH.VP.ENTER that failed");
	expect_eq(vcpu->run->exit_reason, e->exit, "exit reason");
}

/* The TD goes on: nothing was wrong with it, and KVM holds nothing against it. */
static void ends(const struct test *t)
{
	const struct ending *e = t->tc->arg;
	struct guest_vm p = guest_vm_single(t, says_twice, 7, 0);
	struct kvm_run *run = p.vcpu[0]->run;

	expect_eq(guest_wait_value(p.vcpu[0]), 7, "the first value");
	enter(p.vcpu[0], e);
	if (e->exit == KVM_EXIT_INTERNAL_ERROR) {
		expect_eq(run->internal.suberror, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "suberror");
		expect_true(run->internal.ndata >= 1, "KVM tells the reason");
		expect_eq(run->internal.data[0], e->status, "the status that it tells");
	} else {
		expect_eq(run->fail_entry.hardware_entry_failure_reason, (u32)e->status,
			  "the reason that it tells");
	}
	expect_eq(guest_wait_value(p.vcpu[0]), 8, "the second value");
}

#define ENDS(name, summary, value, reason, ...)						\
	{ name, summary, ends, &(const struct ending){ value, reason }, .vm_types = VM_TDX,	\
	  .needs_softtdx = true, .boot = BOOT_TDX_ERRORS, __VA_ARGS__ }

static const struct test_case cases[] = {
	ENDS("vcpu_lost", "TDX_NON_RECOVERABLE_VCPU: KVM_EXIT_INTERNAL_ERROR", 0x4000000100000000,
	     KVM_EXIT_INTERNAL_ERROR, .xwarn = "W5"),
	ENDS("td_lost", "TDX_NON_RECOVERABLE_TD: KVM_EXIT_INTERNAL_ERROR", 0x4000000200000000,
	     KVM_EXIT_INTERNAL_ERROR, .xwarn = "W5"),
	ENDS("operand_invalid", "TDX_OPERAND_INVALID: KVM_EXIT_INTERNAL_ERROR", 0xc000010000000001,
	     KVM_EXIT_INTERNAL_ERROR, .xwarn = "W5"),
	ENDS("failed_entry", "a VM entry that fails: KVM_EXIT_FAIL_ENTRY", 0x4000000180000021,
	     KVM_EXIT_FAIL_ENTRY),
};

TEST_MAIN("ends of TDH.VP.ENTER that no guest asked for", cases)
