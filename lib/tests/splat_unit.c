// SPDX-License-Identifier: GPL-2.0-only
/* Kernel messages: which count against the case that runs. */
#include <string.h>

#include "runner/splat.h"
#include "testcase.h"

#define MAX_LINES	16

struct log {
	const char *lines[MAX_LINES];	/* ends with NULL */
	bool testbed;			/* no other program runs */
	int ours, foreign;		/* expected */
	bool checker;			/* expected: a check of the kernel's own is among ours */
};

static const struct log
	none = { .lines = { "kvm_intel: Guest access before accepting 0x40000000 on vCPU 0",
		   "nvme nvme0: I/O tag 5 timeout" } },
	/* As 7.2 prints it. */
	of_kvm = { { "------------[ cut here ]------------",
		     "WARNING: arch/x86/kvm/mmu/tdp_mmu.c:321 at handle_changed_spte+0x1/0x2 [kvm], CPU#1: deleted/512",
		     "Modules linked in: kvm_intel kvm",
		     "---[ end trace 0000000000000000 ]---" }, .ours = 1 },
	/* As 6.12 prints it. */
	of_kvm_old = { { "WARNING: CPU: 1 PID: 512 at arch/x86/kvm/mmu/tdp_mmu.c:321 handle_changed_spte+0x1/0x2 [kvm]",
			 "Modules linked in: kvm_intel kvm",
			 "CPU: 1 UID: 0 PID: 512 Comm: deleted Not tainted 6.12.1 #1",
			 "---[ end trace 0000000000000000 ]---" }, .ours = 1 },
	of_kernel_thread = { { "WARNING: arch/x86/kvm/x86.c:1 at kvm_x+0x1/0x2 [kvm], CPU#1: kworker/1:2/77",
			       "---[ end trace 0000000000000000 ]---" }, .ours = 1 },
	of_mm = { { "WARNING: mm/page_alloc.c:1 at __alloc+0x1/0x2, CPU#1: deleted/512",
		    "---[ end trace 0000000000000000 ]---" }, .ours = 1 },
	of_guest_memfd = { { "WARNING: fs/inode.c:1 at evict+0x1/0x2, CPU#1: deleted/512",
			     "Modules linked in: kvm_intel kvm", "Call Trace:", " kvm_gmem_release+0x1/0x2 [kvm]",
			     "---[ end trace 0000000000000000 ]---" }, .ours = 1 },
	of_driver = { { "WARNING: drivers/net/foo.c:1 at foo_irq+0x1/0x2 [foo], CPU#1: swapper/1/0",
			"Modules linked in: foo kvm_intel kvm", "Hardware name: Foo kvm server",
			"Call Trace:", " foo_irq+0x1/0x2", "---[ end trace 0000000000000000 ]---" },
		      .foreign = 1 },
	of_driver_old = { { "WARNING: CPU: 1 PID: 9 at drivers/net/foo.c:1 foo_irq+0x1/0x2 [foo]",
			    "Modules linked in: foo kvm_intel kvm",
			    "CPU: 1 UID: 0 PID: 9 Comm: kvm-nx-lpage-re Not tainted 6.12.1 #1",
			    "---[ end trace 0000000000000000 ]---" }, .foreign = 1 },
	/* A second run of this suite, another VM's vCPU. */
	of_other_run = { { "WARNING: arch/x86/kvm/vmx/tdx.c:1 at tdx_x+0x1/0x2 [kvm_intel], CPU#1: other_case/700",
			   "---[ end trace 0000000000000000 ]---" }, .foreign = 1 },
	of_other_vm = { { "WARNING: CPU: 1 PID: 700 at arch/x86/kvm/vmx/tdx.c:1 tdx_x+0x1/0x2 [kvm_intel]",
			  "CPU: 1 UID: 0 PID: 700 Comm: qemu-kvm Tainted: G W 6.12.1 #1",
			  "---[ end trace 0000000000000000 ]---" }, .foreign = 1 },
	of_driver_in_testbed = { { "WARNING: drivers/net/foo.c:1 at foo_irq+0x1/0x2 [foo], CPU#1: swapper/1/0" },
				 .testbed = true, .ours = 1 },
	/* After it nothing can be relied on. */
	oops = { { "BUG: unable to handle page fault for address: ffff888000000000",
		   "#PF: supervisor read access in kernel mode", "Oops: Oops: 0000 [#1] SMP",
		   "CPU: 1 UID: 0 PID: 9 Comm: irq/9-foo Not tainted 7.2.0 #1",
		   "---[ end trace 0000000000000000 ]---" }, .ours = 1 },
	/* The second time of a WARN_ONCE: only this is printed. */
	seamcall = { { "kvm_intel: SEAMCALL TDH_MEM_PAGE_ADD failed: 0xc000010000000000, entry 0x0, level_state 0x0" },
		     .ours = 1 },
	/* As SLUB and the page allocator print it. */
	slab = { { "=============================================================================",
		   "BUG kmalloc-64 (Not tainted): Poison overwritten" }, .testbed = true,
		 .ours = 1, .checker = true },
	page = { { "pagealloc: memory corruption" }, .testbed = true, .ours = 1, .checker = true },
	lock_order = { { "WARNING: possible circular locking dependency detected",
			 "deleted/512 is trying to acquire lock:" }, .testbed = true,
		       .ours = 1, .checker = true },
	race = { { "BUG: KCSAN: data-race in kvm_x / kvm_y [kvm]" }, .testbed = true, .ours = 1,
		 .checker = true },
	race_elsewhere = { { "BUG: KCSAN: data-race in tick_x / tick_y",
			     "read to 0xffff888100 of 8 bytes by task 9 on cpu 1:",
			     " tick_x+0x1/0x2", " kvm_vcpu_ioctl+0x1/0x2" },
			   .testbed = true, .foreign = 1 },
	/* The case may expect the first. */
	warning_and_check = { { "WARNING: arch/x86/kvm/x86.c:1 at kvm_x+0x1/0x2 [kvm], CPU#1: deleted/512",
				"---[ end trace 0000000000000000 ]---",
				"BUG: KASAN: slab-use-after-free in kvm_x+0x1/0x2 [kvm]" },
			      .testbed = true, .ours = 2, .checker = true },
	leaked = { { "kvm_intel: tdh_mng_key_freeid() failed. HKID 33 is leaked." }, .ours = 1 },
	two = { { "WARNING: arch/x86/kvm/x86.c:1 at kvm_x+0x1/0x2 [kvm], CPU#1: deleted/512",
		  "---[ end trace 0000000000000000 ]---",
		  "WARNING: drivers/net/foo.c:1 at foo_irq+0x1/0x2 [foo], CPU#1: swapper/1/0",
		  "---[ end trace 0000000000000000 ]---" }, .ours = 1, .foreign = 1 };

static void judge(const struct test *t)
{
	const struct log *log = t->tc->arg;
	struct splat_scan scan = { .comm = "deleted", .all_ours = log->testbed,
				   .seamcalls = true };

	for (int i = 0; i < MAX_LINES && log->lines[i]; i++)
		splat_line(&scan, log->lines[i]);
	splat_end(&scan);
	expect_eq(scan.ours, log->ours, "complaints about the case");
	expect_eq(scan.foreign, log->foreign, "complaints about others");
	expect_eq(scan.checker, log->checker, "one of a checker");
}
CASES(judge,
	{ "none", "messages without a WARNING", .arg = &none, .plain = true },
	{ "of_kvm", "KVM warns", .arg = &of_kvm, .plain = true },
	{ "of_kvm_old", "KVM warns, as Linux 6.12 prints it", .arg = &of_kvm_old,
	  .plain = true },
	{ "of_kernel_thread", "KVM warns in a kernel thread", .arg = &of_kernel_thread,
	  .plain = true },
	{ "of_mm", "the memory management warns", .arg = &of_mm, .plain = true },
	{ "of_guest_memfd", "another part warns, called by guest_memfd",
	  .arg = &of_guest_memfd, .plain = true },
	{ "of_driver", "a driver warns, and its splat lists KVM's modules: foreign",
	  .arg = &of_driver, .plain = true },
	{ "of_driver_old", "a driver warns in a task with KVM's name, as 6.12 prints it",
	  .arg = &of_driver_old, .plain = true },
	{ "of_other_run", "KVM warns in a task of another program: foreign", .arg = &of_other_run,
	  .plain = true },
	{ "of_other_vm", "KVM warns in a task of another program, as 6.12 prints it", .arg = &of_other_vm,
	  .plain = true },
	{ "of_driver_in_testbed", "a driver warns in the testbed: counts",
	  .arg = &of_driver_in_testbed, .plain = true },
	{ "oops", "an Oops, whoever caused it", .arg = &oops, .plain = true },
	{ "seamcall", "a failed SEAMCALL without a WARNING", .arg = &seamcall,
	  .plain = true },
	{ "slab", "SLUB finds an object that was written after it was freed", .arg = &slab,
	  .plain = true },
	{ "page", "a free page was written to", .arg = &page, .plain = true },
	{ "lock_order", "lockdep", .arg = &lock_order, .plain = true },
	{ "race", "KCSAN, in KVM", .arg = &race, .plain = true },
	{ "race_elsewhere", "KCSAN, elsewhere, called by KVM: foreign",
	  .arg = &race_elsewhere, .plain = true },
	{ "warning_and_check", "KASAN after a WARNING", .arg = &warning_and_check, .plain = true },
	{ "leaked", "a leaked HKID", .arg = &leaked, .plain = true },
	{ "two", "one of each", .arg = &two, .plain = true },
)

/* Cases that make the TDX module fail check the messages of KVM themselves. */
CASE(seamcalls_optional, "failed SEAMCALLs that the case asked for", .plain = true)
{
	struct splat_scan scan = { .comm = "deleted" };

	splat_line(&scan, seamcall.lines[0]);
	splat_end(&scan);
	expect_eq(scan.ours, 0, "complaints about the case");
}

/* More lines than are kept of a splat, without its end. */
CASE(endless, "a splat without an end counts", .plain = true)
{
	struct splat_scan scan = { .comm = "deleted" };

	splat_line(&scan, of_kvm.lines[1]);
	for (int i = 0; i < 3 * SPLAT_LINES; i++)
		splat_line(&scan, " ? kvm_x+0x1/0x2 [kvm]");
	splat_end(&scan);
	expect_eq(scan.ours, 1, "complaints about the case");
}

TEST_MAIN("kernel messages that count against a case")
