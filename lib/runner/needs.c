// SPDX-License-Identifier: GPL-2.0-only
/* What a case needs: check it, say what is missing, fill pools in the testbed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/case_run.h"
#include "fail_nth.h"
#include "hold.h"
#include "linux_guest.h"
#include "observe.h"
#include "observe/tracing.h"
#include "sept.h"
#include "softtdx_ctl.h"
#include "tdx_host.h"
#include "thread.h"
#include "uffd.h"
#include "undo.h"
#include "vm.h"

static void need_kvm(const struct test *t)
{
	int types = kvm_cap(KVM_CAP_VM_TYPES);

	if (kvm_dev() < 0)
		test_skip("needs /dev/kvm: %s; load kvm_intel or kvm_amd, run as root",
			  denial_text(errno));
	if (kvm_tdp() == TDP_NONE && !(t->tc->boot == BOOT_NPT_OFF && in_testbed()))
		test_skip("this host's KVM has no two-dimensional paging (EPT or NPT); run with --on qemu");
	if (t->tc->cap && !kvm_cap(t->tc->cap))
		test_skip("needs %s: a newer kernel, or one built with the feature",
			  t->tc->cap_name);
	if (t->vm_type == KVM_X86_SW_PROTECTED_VM && !(types & VM_SW_PROTECTED))
		test_skip("this KVM has no SW_PROTECTED VMs (KVM_CAP_VM_TYPES 0x%x): build it with CONFIG_KVM_SW_PROTECTED_VM",
			  types);
}

static void need_boot(enum boot boot)
{
	switch (boot) {
	case BOOT_CPUS1:
		if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
			test_skip("needs a host with one CPU (maxcpus=1)");
		break;
	case BOOT_TDP_MMU_OFF:
		if (strcmp(kvm_param("kvm", "tdp_mmu"), "N"))
			test_skip("needs a host booted with kvm.tdp_mmu=0");
		break;
	case BOOT_NPT_OFF:
		if (kvm_tdp() != TDP_NONE)
			test_skip("needs a testbed booted with kvm_amd.npt=0");
		break;
	case BOOT_TDX_EPT4:
		if (cpu_has_5_level_ept())
			test_skip("needs a CPU whose EPT has no five levels");
		break;
	case BOOT_EPT_AD_OFF:
		if (strcmp(kvm_param("kvm_intel", "eptad"), "N"))
			test_skip("needs a host booted with kvm_intel.eptad=0");
		break;
	case BOOT_LATE_CPU:
		if (!in_testbed())
			test_skip("needs a TDX host booted with maxcpus=1: run with --on bochs");
		break;
	default:
		break;
	}
}

static void need_hugepages(size_t page_size, unsigned int wanted)
{
	long have = hugetlb_free_pages(page_size);
	char *pool = strf("/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
			  page_size >> 10);

	if (have >= (long)wanted)
		return;
	if (have < 0)
		test_skip("this host has no hugetlb pages of %zu KiB", page_size >> 10);
	if (in_testbed()) {
		char total[32] = "";
		int fd = open(pool, O_RDONLY | O_CLOEXEC);

		must(fd >= 0 && read(fd, total, sizeof(total) - 1) > 0, "read %s", pool);
		close(fd);
		set_and_undo(pool, strf("%ld", atol(total) + wanted - have));
		have = hugetlb_free_pages(page_size);
	}
	if (have < (long)wanted)
		test_skip("needs %u free hugetlb pages of %zu KiB, %ld are free: raise %s",
			  wanted, page_size >> 10, have, pool);
}

static void need_uffd(void)
{
	const char *denied = uffd_denied();

	if (denied)
		test_skip("needs userfaultfd(2): %s; CONFIG_USERFAULTFD, root", denied);
}

unsigned int all_events_here(const struct test *t)
{
	static const enum event_type more[] = { EV_SPTE, EV_FAULT_BEGIN, EV_FAULT, EV_FAULTIN,
						EV_GMEM_PFN, EV_UNMAP_HVA, EV_ATTR_START, EV_ATTR_END };
	unsigned int mask = t->observes;

	if (!mask)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (!observe_missing(OBSERVE(more[i])))
			mask |= OBSERVE(more[i]);
	if (t->vm_type == KVM_X86_TDX_VM && !observe_missing(OBSERVE(EV_SEAMCALL)))
		mask |= OBSERVE(EV_SEAMCALL);
	return mask;
}

/* missing: what is, in words for the user; NULL: nothing. */
static void skip_if(const char *missing)
{
	if (missing)
		test_skip("%s", missing);
}

static void need_cpus(const struct test_case *tc)
{
	if (tc->cpus && nr_cpus() < tc->cpus)
		test_skip("needs %u CPUs, this process may use %u (taskset, cpuset)", tc->cpus,
			  nr_cpus());
}

void check_needs(const struct test *t, bool allow_host_wide)
{
	const struct test_case *tc = t->tc;

	if (tc->plain) {
		need_cpus(tc);
		return;
	}
	if (geteuid())
		test_skip("needs root");
	skip_if(kmsg_missing());
	if (t->vm_type == KVM_X86_TDX_VM)
		skip_if(tdx_host_missing());
	need_kvm(t);
	need_boot(tc->boot);
	if (tc->side_effects && !in_testbed() && !allow_host_wide)
		test_skip("host-wide: %s; run with --on qemu, or allow it with --allow-host-wide",
			  tc->side_effects);
	if (tc->expects_splat && !kmsg_warnings_armed())
		test_skip("must see a WARNING, and this boot has had one (taint W): --allow-host-wide makes it come again by debugfs, where that is writable; else reboot");
	need_cpus(tc);
	if (nr_nodes() < tc->nodes)
		test_skip("needs %u NUMA nodes with memory that this process may use (cpuset.mems), it has %u (numa=fake=%u)",
			  tc->nodes, nr_nodes(), tc->nodes);
	if (meminfo("MemAvailable") < (long)tc->memory_mib << 10)
		test_skip("needs %u MiB of free memory, %ld are available",
			  tc->memory_mib, meminfo("MemAvailable") >> 10);
	if (tc->needs_thp && !thp_supported())
		test_skip("needs transparent hugepages (CONFIG_TRANSPARENT_HUGEPAGE)");
	if (tc->needs_softtdx && !softtdx_present())
		test_skip("needs the software TDX module: it looks inside; run with --on bochs");
	if (tc->needs_sept)
		skip_if(sept_missing());
	if (tc->needs_hold)
		skip_if(hold_missing(tc->needs_hold_module));
	if (tc->needs_fail_nth)
		skip_if(fail_nth_missing());
	if (tc->needs_guest_kernel)
		skip_if(linux_guest_missing());
	if (tc->uses_sept && sept_missing())
		diag("without " SEPT_DEVICE ": the Secure EPT is not among the witnesses");
	if (tc->uses_softtdx && !softtdx_present())
		diag("without the software TDX module: measurement and content are not among the witnesses");
	if (tc->needs_uffd)
		need_uffd();
	skip_if(observe_missing(t->observes));
	/* Before the case changes anything of its own: this outlives it. */
	tracing_provide(t->observes);
	if (tc->hugepages_2m)
		need_hugepages(SZ_2M, tc->hugepages_2m);
	if (tc->hugepages_1g)
		need_hugepages(SZ_1G, tc->hugepages_1g);
}

void print_changes(const struct test *t)
{
	const struct test_case *tc = t->tc;

	printf("%s:", t->name);
	if (tc->observes)
		printf(" a tracing instance and probes ktdx_PID/*, removed afterwards, which other VMs pass, too;");
	if (tc->needs_hold)
		printf(" a thread of its own is held in KVM for a moment; without kmod/kvm_hold it keeps its CPU to itself meanwhile;");
	if (tc->vm_types & VM_TDX)
		printf(" TDs, each of which holds an HKID, and makes each package write its caches back when it ends;");
	if (tc->side_effects)
		printf(" host-wide, only on --allow-host-wide: %s;", tc->side_effects);
	if (!tc->observes && !tc->side_effects && !(tc->vm_types & VM_TDX))
		printf(" nothing outside of its own process");
	printf("\n");
}
