// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery of huge pages that were split because the guest executed them (nx_huge_pages=force):
 * after a while KVM's worker zaps the page table, and the next access maps 2M again. That they
 * are split is in map_access_test.
 */
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "dirty_log.h"
#include "testcase.h"
#include "undo.h"

#define CODE		7		/* page of the slot that the guest executes */
#define IN_2M		512

#define SIDE_EFFECTS	"writes kvm.nx_huge_pages, _recovery_ratio and _recovery_period_ms"
#define ON_EACH_MMU(name, text, huge)						\
	{ name, text, .vm_types = VM_ANY, .hugepages_2m = huge,			\
	  .side_effects = SIDE_EFFECTS },					\
	{ "legacy_" name, "legacy MMU: " text, .vm_types = VM_DEFAULT,		\
	  .boot = BOOT_TDP_MMU_OFF, .hugepages_2m = huge, .side_effects = SIDE_EFFECTS }, \
	{ "ept_" name, "EPT: " text, .vm_types = VM_DEFAULT, .boot = BOOT_TDX,	\
	  .hugepages_2m = huge, .side_effects = SIDE_EFFECTS }

static void set_parameter(const char *name, const char *value)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/module/kvm/parameters/%s", name);
	must(!set_and_undo(path, value), "kvm.%s=%s", name, value);
}

static u8 execute(struct logged *l)
{
	return guest_access(l->vcpu, l->slot->gpa + CODE * SZ_4K, ACCESS_EXEC, 0);
}

static struct logged huge(const struct test *t)
{
	set_parameter("nx_huge_pages", "force");
	return logged(t, (struct logged_config){ .kind = MEM_HUGETLB_2M, .pages = IN_2M });
}

/* The guest executes a page of the slot's huge page, which is 4K from then on. */
static void split(struct logged *l)
{
	u64 splits = vm_stat(l->vm, "nx_lpage_splits");

	guest_access_put_code(l->mem->hva + CODE * SZ_4K, 0x43);
	write_page(l, 8);
	expect_eq(vm_stat(l->vm, "pages_2m"), 1, "2M SPTEs of a huge page that was written");
	execute(l);
	expect_eq(vm_stat(l->vm, "pages_2m"), 0, "2M SPTEs of a huge page that was executed");
	expect_eq(vm_stat(l->vm, "nx_lpage_splits"), splits + 1, "statistic nx_lpage_splits");
}

/*
 * Until a write maps 2M, since KVM's worker has zapped the page table: it deals with all pages
 * at once, twenty times a second.
 */
static void await_recovery(struct logged *l)
{
	struct timespec start, now;

	set_parameter("nx_huge_pages_recovery_ratio", "1");
	set_parameter("nx_huge_pages_recovery_period_ms", "50");
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		write_page(l, 9);
		if (vm_stat(l->vm, "pages_2m"))
			return;
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < start.tv_sec + 10);
	expect_eq(vm_stat(l->vm, "pages_2m"), 1,
		  "2M SPTEs after 10 s of a recovery each 50 ms, and a write to gpa 0x%llx",
		  l->slot->gpa + 9 * SZ_4K);
}

static void recovered(const struct test *t)
{
	struct logged l = huge(t);

	split(&l);
	await_recovery(&l);
	expect_eq(vm_stat(l.vm, "nx_lpage_splits"), 0, "statistic nx_lpage_splits after recovery");
	expect_eq(execute(&l), 0x43, "byte that the code returns, executed after recovery");
	expect_eq(vm_stat(l.vm, "pages_2m"), 0, "2M SPTEs, executed after recovery");
	expect_eq(vm_stat(l.vm, "nx_lpage_splits"), 1, "statistic nx_lpage_splits, executed again");
}
CASES(recovered,
	ON_EACH_MMU("recovered",
		    "what was split is mapped at 2M again, until it is executed again", 1))

/*
 * Logged pages are 4K anyway: to zap them costs faults and gains nothing.  The worker takes what
 * was split first; so when the other is recovered, it has been there.
 */
static void logged_stays(const struct test *t)
{
	struct logged l = huge(t), other = l;
	unsigned long faults;

	split(&l);
	other.mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	other.slot = slot_add(l.vm, l.slot->gpa + SZ_2M, other.mem);
	split(&other);
	log_on(&l);
	await_recovery(&other);
	faults = vcpu_stat(l.vcpu, "pf_taken");
	expect_eq(execute(&l), 0x43, "byte that the code returns");
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - faults, 0,
		  "faults of an execution at gpa 0x%llx, after recovery in a slot with a dirty log",
		  l.slot->gpa + CODE * SZ_4K);
}
CASES(logged_stays,
	ON_EACH_MMU("logged_stays",
		    "what was split in a slot with a dirty log stays mapped", 2))

TEST_MAIN("recovery of huge pages that were split to be executed")
