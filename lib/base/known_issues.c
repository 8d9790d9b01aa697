// SPDX-License-Identifier: GPL-2.0-only
/* The list of known issues; docs/findings.md tells their stories. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "known_issues.h"
#include "testcase.h"

static const struct known_issue issues[] = {
	{ "L1", "6.11", "7.4",
	  "KVM_PRE_FAULT_MEMORY never reloads an invalidated root: the fault is stale for ever" },
	{ "L3", "6.16", "7.4",
	  "KVM_TDX_INIT_MEM_REGION takes 2^52 + n pages for n pages: their bytes overflow 64 bits" },
	{ "L4", "6.8", NULL,
	  "KVM_SET_MEMORY_ATTRIBUTES takes ranges of any size, and no signal ends it" },
	{ "L5", "5.13", NULL,
	  "KVM_CLEAR_DIRTY_LOG leaves a huge page writable whose first page is the last one that it clears: its writes are lost" },
	{ "C1", "6.16", NULL,
	  "a TD that the misc cgroup refuses is uncharged all the same: after some, the host makes no TDs until it is booted again" },
	{ "V2", "6.16", NULL,
	  "KVM_TDX_GET_CPUID leaves out what the TDX module did not answer, KVM_TDX_INIT_VM takes zero for it, and both succeed" },
	{ "M1", "6.19", "7.4",
	  "KVM_TDX_INIT_MEM_REGION runs out of preallocated tables when the TDX module is busy for long (fixed by: Top-up memory caches when retrying 'map private PFN')" },
	{ "M2", "6.16", "6.19",
	  "KVM_TDX_INIT_MEM_REGION goes on where there was no memory for a root: an Oops that holds mmu_lock" },
	{ "V1", "6.16", NULL,
	  "a vCPU that moves between TDH.VP.INIT and the end of KVM_TDX_INIT_VCPU is not flushed: the VM is dead, its KeyID lost" },
	{ "D2", "4.0", NULL,
	  "KVM_GET_DIRTY_LOG clears the log also where it fails, since the bitmap could not be copied: writes are lost" },
	{ "V3", "6.16", "6.19",
	  "KVM_TDX_INIT_VCPU takes no lock: the TDR is busy for those who add and zap the TD's memory (fixed by: Take MMU lock around tdh_vp_init(); Guard VM state transitions with \"all\" the locks)" },
	{ "W4", "6.18", NULL,
	  "dirty logging that ends on a private gfn makes KVM warn: \"Get pfn+order from guest_memfd\"" },
	{ "W5", "6.19", NULL,
	  "an unexpected exit of a TD makes KVM warn: it asks for the guest's RIP" },
	{ "P1", "6.19", NULL,
	  "a page that the TDX module does not give back goes to the page allocator all the same: others write to a TD's memory" },
	{ "F1", "6.16", NULL,
	  "a hole beside KVM_TDX_FINALIZE_VM is not tracked (TDH.MEM.TRACK): the VM is dead, a page of it lost" },
	{ "A1", "6.19", "7.2",
	  "KVM_TDX_INIT_VM reads cpuid.nent twice, and takes the second for the number of entries that it has: a read behind them" },
	{ "X1", "6.16", "7.2",
	  "registers of a TD's x2APIC that KVM does not have are answered (fixed by: Fix x2APIC MSR handling in tdx_has_emulated_msr())" },
	{ "E1", "6.11", "6.18",
	  "a memslot deleted during a prefault is retried for ever (fixed by: Return -EAGAIN if userspace deletes/moves memslot during prefault)" },
	{ "E2", "6.16", "6.18",
	  "a TD's fault on a memslot that is being deleted is retried for ever (fixed by: Do not retry locally when the retry is caused by invalid memslot)" },
	{ "E3", "6.11", "6.15",
	  "a prefault keeps a root that was invalidated before it, and is stale for ever (fixed by: Check and free obsolete roots in kvm_mmu_reload())" },
	{ "E4", "6.11", "6.13",
	  "a prefault writes SPTEs that are there already (fixed by: Don't overwrite shadow-present MMU SPTEs when prefaulting)" },
	{ "E5", "6.16", "6.19",
	  "a vCPU of a TD that could not be created stays in its CPU's list (fixed by: Fix list_add corruption during vcpu_load())" },
	{ "S1", "6.8", "6.19",
	  "a memslot may lose its guest_memfd while it exists (fixed by: Disallow toggling KVM_MEM_GUEST_MEMFD on an existing memslot)" },
	{ "G1", "6.8", "7.2",
	  "the end of a range of guest_memfd overflows 63 bits: a slot far beyond the file is taken (fixed by: Treat memslot binding offset+size as unsigned values)" },
	{ "G2", "6.8", "7.4",
	  "a memslot is made although guest_memfd had no memory to note it: its pages are EIO (fixed by: Gracefully handle xarray errors when binding a memslot)" },
	{ "T1", "6.16", NULL,
	  "KVM forgets the TSC multiplier of a TD when a vCPU is created: deadlines are long past" },
	{ "N1", "6.16", NULL,
	  "a SEAMCALL without entropy is repeated with the results of the first try for its operands" },
};

const struct known_issue *known_issue(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(issues); i++)
		if (!strcmp(issues[i].id, id))
			return &issues[i];
	fprintf(stderr, "no known issue %s: add it to lib/base/known_issues.c\n", id);
	abort();
}

bool known_issue_affects(const struct known_issue *issue, const char *release)
{
	unsigned int code = kernel_version_code(release);

	return code >= kernel_version_code(issue->first) &&
	       (!issue->fixed || code < kernel_version_code(issue->fixed));
}

/* In the environment: "E1,S1". */
static bool said_to_be_fixed(const struct known_issue *issue)
{
	const char *list = getenv("KTS_FIXED") ?: "";
	size_t length = strlen(issue->id);

	for (; *list; list += strspn(list, ", ")) {
		size_t word = strcspn(list, ", ");

		if (word == length && !strncmp(list, issue->id, length))
			return true;
		list += word;
	}
	return false;
}

bool known_issue_here(const struct known_issue *issue)
{
	return !said_to_be_fixed(issue) && known_issue_affects(issue, kernel_kvm_version());
}

const char *known_issue_absent(const struct known_issue *issue)
{
	if (said_to_be_fixed(issue))
		return strf("known issue %s is fixed here, KTS_FIXED says", issue->id);
	return strf("known issue %s is not known of KVM of Linux %s (docs/hardware.md: kernels with backports)",
		    issue->id, kernel_kvm_version());
}
