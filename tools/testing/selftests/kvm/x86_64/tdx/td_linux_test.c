// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux as the guest of a TD: a kernel with CONFIG_INTEL_TDX_GUEST, loaded without firmware,
 * boots to user space.  It uses what guests use of KVM and of the TDX module: TDCALLs and
 * #VE, conversions of its own memory, the APIC's timer.
 */
#include "linux_guest.h"
#include "testcase.h"

CASE(boots_to_user_space, "Linux boots in a TD, its init runs and restarts",
	.vm_types = VM_TDX, .needs_guest_kernel = true, .time_limit_s = 60, .nightly = true)
{
	struct linux_guest *g = linux_guest();

	linux_guest_run(g);
	expect_true(linux_guest_said(g, "Memory Encryption Features active: Intel TDX"),
		    "the kernel detects that it runs in a TD");
	expect_true(linux_guest_said(g, "Run /init as init process"), "the kernel starts init");
	expect_true(linux_guest_said(g, "init: user space, CPUID says IntelTDX"), "init runs, in a TD by CPUID");
	expect_true(linux_guest_said(g, "reboot: machine restart"), "init restarts the machine");
	expect_eq(linux_guest_shared(g), 1 << 20, "bytes shared: the bounce buffer");
}

TEST_MAIN("A Linux kernel as the guest of a TD")
