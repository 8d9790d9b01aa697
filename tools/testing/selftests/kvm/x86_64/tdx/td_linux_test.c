// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux as a TD: a kernel with CONFIG_INTEL_TDX_GUEST, loaded without firmware, boots to user
 * space. All that such a guest asks of KVM and of the TDX module is in it: TDCALLs and #VE by
 * the kernel that guests really run, conversions of its own memory, the APIC's timer.
 */
#include "linux_guest.h"
#include "testcase.h"

static void boots_to_user_space(const struct test *t)
{
	struct linux_guest *g = linux_guest();

	(void)t;
	linux_guest_run(g);
	expect_true(linux_guest_said(g, "Memory Encryption Features active: Intel TDX"),
		    "the kernel knows that it is in a TD");
	expect_true(linux_guest_said(g, "Run /init as init process"), "the kernel starts init");
	expect_true(linux_guest_said(g, "init: user space, CPUID says IntelTDX"), "init runs");
	expect_true(linux_guest_said(g, "reboot: machine restart"), "init restarts the machine");
	expect_eq(linux_guest_shared(g), 1 << 20, "bytes shared: the bounce buffer");
}

static const struct test_case cases[] = {
	{ "boots_to_user_space", "Linux boots in a TD, its init runs and restarts",
	  boots_to_user_space, .vm_types = VM_TDX,
	  .needs_guest_kernel = true, .nightly = true, .time_limit_s = 60 },
};

TEST_MAIN("A Linux kernel as the guest of a TD", cases)
