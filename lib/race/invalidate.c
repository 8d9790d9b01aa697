// SPDX-License-Identifier: GPL-2.0-only
/* Invalidations, one function each. */
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "hold.h"
#include "invalidate.h"
#include "testcase.h"
#include "thread.h"
#include "undo.h"
#include "vm.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101	/* asm-generic/mman-common.h */
#endif

/* By system calls of the process. */

static void dontneed(const struct inv_target *v)
{
	must(!madvise(v->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void unmap(const struct inv_target *v)
{
	must(!munmap(v->hva, SZ_4K), "munmap");
}

static void move(const struct inv_target *v)
{
	move_away(v->hva);
}

static void protect(const struct inv_target *v)
{
	must(!mprotect(v->hva, SZ_4K, PROT_READ), "mprotect");
}

static void change_node(const struct inv_target *v)
{
	if (v->held)
		move_to_node(v->hva, node_beside(node_of(v->hva)));
	else
		migrate(v->hva);
}

static void swap_out(const struct inv_target *v)
{
	page_out(v->hva);
}

static void fork_once(const struct inv_target *v)
{
	pid_t child = fork();

	(void)v;
	if (!child)
		_exit(0);
	must(child > 0 && waitpid(child, NULL, 0) == child, "fork");
}

/* The child lives until the parent has written: each then has a page of its own. */
static void fork_and_write(const struct inv_target *v)
{
	int done[2];
	pid_t child;
	char byte;

	must(!pipe(done), "pipe");
	child = fork();
	if (!child) {
		close(done[1]);
		_exit(read(done[0], &byte, 1));
	}
	must(child > 0, "fork");
	*(volatile u64 *)v->hva = 0xc0;
	close(done[1]);
	must(waitpid(child, NULL, 0) == child, "waitpid");
	close(done[0]);
}

static void collapse(const struct inv_target *v)
{
	must(!madvise(v->hva, SZ_2M, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	/* It fails if somebody still holds one of the pages. */
	expect_ok(madvise(v->hva, SZ_2M, MADV_COLLAPSE), "MADV_COLLAPSE of hva %p", v->hva);
}

static void punch(const struct inv_target *v)
{
	mem_punch_hole(v->mem, v->offset, SZ_4K);
}

static void soft_offline(const struct inv_target *v)
{
	u64 pfn = pfn_of(v->hva);
	int ret = madvise(v->hva, SZ_4K, MADV_SOFT_OFFLINE);

	if (v->held)
		return;
	expect_ok(ret, "MADV_SOFT_OFFLINE of hva %p", v->hva);
	expect_true(pfn_of(v->hva) != pfn, "another page takes the place of pfn 0x%llx at hva %p",
		    pfn, v->hva);
}

static void poison(const struct inv_target *v)
{
	must(!madvise(v->hva, SZ_4K, MADV_HWPOISON), "MADV_HWPOISON");
}

static void make_private(const struct inv_target *v)
{
	vm_set_private(v->vm, v->gpa, SZ_4K);
}

static void make_shared(const struct inv_target *v)
{
	vm_set_shared(v->vm, v->gpa, SZ_4K);
}

static void close_file(const struct inv_target *v)
{
	must(!close(v->mem->fd), "close");
}

/* NUMA balancing. */

#define SCAN	"/sys/kernel/debug/sched/numa_balancing/scan_"

/* Without a pause: the kernel scans the memory of tasks that use a CPU. */
static int run_until_called(void *hold)
{
	double deadline = now() + 8 * time_scale();

	while (!hold_calls(hold)) {
		errno = ETIME;
		if (now() > deadline)
			return -1;
	}
	return 0;
}

static void set_policy(void *hva, int mode, unsigned long nodes)
{
	must(!syscall(SYS_mbind, hva, SZ_4K, mode, &nodes, 8 * sizeof(nodes), 0), "mbind");
}

/* The page is one that is unmapped now and then, and stays on its node for all that. */
static void ask_for_balance(const struct inv_target *v)
{
	set_policy(v->hva, MPOL_BIND | MPOL_F_NUMA_BALANCING, 1UL << node_of(v->hva));
}

/*
 * A thread that runs has to unmap such pages: it runs until KVM was told of one.  At
 * once 64M, so each 25 ms of its time.  Nobody unmaps the page again after that.
 */
static void numa_balance(const struct inv_target *v)
{
	const char *balancing = "/proc/sys/kernel/numa_balancing";
	struct hold *told;

	if (access(balancing, W_OK) || access(SCAN "size_mb", W_OK))
		test_skip("needs NUMA balancing (CONFIG_NUMA_BALANCING), and its knobs in debugfs: %s",
			  denial_text(errno));
	must(!set_and_undo(SCAN "delay_ms", "1") && !set_and_undo(SCAN "period_min_ms", "1") &&
	     !set_and_undo(SCAN "size_mb", "64"), SCAN "*");
	told = hold_arm(.function = "kvm_unmap_gfn_range", .at = HOLD_COUNT);
	must(!set_and_undo(balancing, "1"), "kernel.numa_balancing=1");
	must(!thread_join(thread_start(run_until_called, told), "a thread that runs"),
	     "NUMA balancing to unmap the memory of a slot");
	must(!set_and_undo(balancing, "0"), "kernel.numa_balancing=0");
	set_policy(v->hva, MPOL_DEFAULT, 0);
	hold_end(told);
}

/* KSM: a kernel thread merges. */

#define KSM	"/sys/kernel/mm/ksm/"

static bool ksm_runs(void)
{
	return file_number(KSM "run", 0) == 1;
}

static long ksm_scans(void)
{
	long scans = file_number(KSM "full_scans", -1);

	must(scans >= 0, KSM "full_scans");
	return scans;
}

/*
 * The first scan notes the content of pages, the second one finds those that are
 * alike, and unmaps them; then it merges them, unless somebody holds one.
 */
static void ksm_merge(const struct inv_target *v)
{
	u8 *twin = mem_create(MEM_ANON, SZ_4K, NULL)->hva;
	long scans = ksm_scans();

	if (ksm_runs())
		test_skip("KSM works for others on this host, and would be too late: echo 0 >" KSM "run");
	memcpy(twin, v->hva, SZ_4K);
	must(!madvise(twin, SZ_4K, MADV_MERGEABLE) && !madvise(v->hva, SZ_4K, MADV_MERGEABLE),
	     "MADV_MERGEABLE");
	must(!set_and_undo(KSM "sleep_millisecs", "1") && !set_and_undo(KSM "run", "1"),
	     "running KSM");
	/* It does not merge a page that somebody still holds. */
	expect_soon(v->held ? ksm_scans() >= scans + 3 : pfn_of(v->hva) == pfn_of(twin), 15,
		    "KSM merges two pages (scans: %lu)", ksm_scans() - scans);
	/* Waits for the end of the scan. */
	must(!set_and_undo(KSM "run", "0"), "stopping KSM");
}

static void ksm_unmerge(const struct inv_target *v)
{
	u64 pfn = pfn_of(v->hva);

	must(!madvise(v->hva, SZ_4K, MADV_UNMERGEABLE), "MADV_UNMERGEABLE");
	must(pfn_of(v->hva) != pfn, "a page of its own again");
}

/*
 * Most call the notifier.  What first waits for every CPU (lru_add_drain_all()) does
 * not get that far while one holds mmu_lock, and spins.
 */
#define NOTIFIER	"kvm_mmu_notifier_invalidate_range_start"

const struct invalidation
	inv_dontneed = { dontneed, NOTIFIER, NULL },
	inv_munmap = { unmap, NOTIFIER, NULL },
	inv_mremap = { move, NOTIFIER, NULL },
	inv_mprotect = { protect, NOTIFIER, NULL },
	inv_migrate = { change_node, "lru_cache_disable", NULL },
	inv_numa_balance = { numa_balance, "change_prot_numa", ask_for_balance },
	inv_pageout = { swap_out, "lru_cache_disable", NULL },
	inv_fork = { fork_once, NOTIFIER, NULL },
	inv_fork_cow = { fork_and_write, NOTIFIER, NULL },
	inv_collapse = { collapse, "madvise_collapse", NULL },
	inv_punch_memfd = { punch, NOTIFIER, NULL },
	inv_soft_offline = { soft_offline, "soft_offline_page", NULL },
	inv_poison = { poison, "memory_failure", NULL },
	inv_ksm_merge = { ksm_merge, NULL, NULL },
	inv_ksm_unmerge = { ksm_unmerge, NOTIFIER, ksm_merge },
	inv_private = { make_private, "kvm_vm_ioctl", NULL },
	inv_shared = { make_shared, "kvm_vm_ioctl", NULL },
	inv_punch_gmem = { punch, "kvm_gmem_fallocate", NULL },
	inv_close_gmem = { close_file, "kvm_gmem_release", NULL };
