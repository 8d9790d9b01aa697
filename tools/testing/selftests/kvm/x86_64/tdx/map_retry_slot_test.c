// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots that are deleted, and roots that are invalidated, while a prefault waits for
 * its page.
 *
 * Memslot updates wait for SRCU readers, the prefault among them.  A prefault that
 * retries while its slot is being deleted must give up, or neither ends.
 */
#include <signal.h>
#include <string.h>

#include "race_cell.h"
#include "testcase.h"
#include "undo.h"
#include "vm_thread.h"
#include "window_fixture.h"

#define INVALID_SLOT_FIX \
	"3ccbf6f47098 (\"KVM: x86/mmu: Return -EAGAIN if userspace deletes/moves memslot during prefault\"), 6.18"

/* Start to delete @slot while the window is open: it waits for the prefault. */
static struct thread *start_deletion(struct slot *slot)
{
	struct thread *deleter = slot_delete_start(slot);

	expect_true(tid_sleeps_in(thread_tid(deleter), "synchronize_srcu", 5),
		    "the deletion of slot %u waits for the prefault (SRCU)", slot->id);
	return deleter;
}

CASE(delete_other_slot, "deletion of another slot waits for the prefault: no retry",
	.xfail = "E3", .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct slot *other = slot_add(s.f.vm, GPA + SZ_1G, mem_populated(MEM_ANON, SZ_2M, NULL));
	struct thread *deleter;

	window_open(s.w, WINDOW_GPA, SZ_4K);
	deleter = start_deletion(other);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the other slot");
	expect_window_retries(&s, 0);

	prefault(s.f.vcpu, WINDOW_GPA, SZ_4K);
	expect_window_mapped(&s, WINDOW_GPA);
}

CASE(delete_own_slot, "deletion of the slot waits for the prefault: mapped, then zapped",
	.xfail = "E3", .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct kvm_pre_fault_memory range = { .gpa = WINDOW_GPA, .size = SZ_4K };
	struct thread *deleter;

	window_open(s.w, WINDOW_GPA, SZ_4K);
	deleter = start_deletion(s.f.slot);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the slot");
	expect_window_retries(&s, 0);
	expect_not_mapped(s.f.o, WINDOW_GFN);
	expect_errno(__vcpu_prefault(s.f.vcpu, &range), ENOENT, "prefault without a slot");
	race_cell_waits((struct race_cell){ "in_gup", t->tc->name,
					    strf("prefault_hva%s", strchr(t->name, '.')) },
			"srcu");
}

/* Close the window; a prefault that loops is the known issue E1 (6.17 and earlier). */
static int close_or_e1(struct window_fixture *s)
{
	int ret;

	window_resolve(s->w);
	ret = window_wait_or_loop(s->w, s->f.o);
	if (ret == 1) {
		tid_signal(window_tid(s->w), SIGUSR1);	/* so that the case can end */
		xfail("E1", "the prefault retries without end");
	}
	return ret;
}

/* After the invalidation the prefault finds its slot invalid. */
static void delete_and_dontneed(const struct test *t)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct thread *deleter;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	deleter = start_deletion(s.f.slot);
	invalidate_other(&s, &inv_dontneed);
	expect_errno(close_or_e1(&s), EAGAIN, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the slot");
	expect_window_retries(&s, 1);
	expect_not_mapped(s.f.o, WINDOW_GFN);
	measure("retries", 1);
}

CASES(delete_and_dontneed,
	{ "delete_and_dontneed", "deletion and invalidation: one retry, EAGAIN",
	  .fixes = INVALID_SLOT_FIX, .xfail = "E1", .xfail_in_body = true,
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_uffd = true },
	{ "legacy_delete_and_dontneed", "legacy MMU: deletion and invalidation: one retry, EAGAIN",
	  .fixes = INVALID_SLOT_FIX, .xfail = "E1", .xfail_in_body = true,
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF,
	  .needs_uffd = true })

CASE(delete_between_pages, "deletion while KVM maps the first of two pages: one page done",
	.fixes = INVALID_SLOT_FIX, .xfail = "E1", .xfail_in_body = true,
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct kvm_pre_fault_memory left;
	struct thread *deleter;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, 2 * SZ_4K);
	deleter = start_deletion(s.f.slot);
	expect_ok(close_or_e1(&s), "KVM_PRE_FAULT_MEMORY of two pages");
	left = window_range(s.w);
	expect_eq(left.size, SZ_4K, "bytes left");
	expect_eq(left.gpa, WINDOW_GPA + SZ_4K, "gpa of what is left");
	expect_ok(thread_join(deleter, "the deletion"), "deletion of the slot");
	expect_errno(__vcpu_prefault(s.f.vcpu, &left), ENOENT, "prefault of what is left");
}

/*
 * All roots are invalidated while KVM waits for the page: the fault is stale until the
 * vCPU loads a new root.
 */
CASE(roots_invalidated, "all roots are invalidated in the window: mapped in a new root",
	.xfail = "L1", .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING,
	.side_effects = "writes kvm.nx_huge_pages", .xfail_in_body = true, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	const char *param = "/sys/module/kvm/parameters/nx_huge_pages";
	const char *other = strcmp(kvm_param("kvm", "nx_huge_pages"), "force") ? "force" : "off";
	unsigned long before, records;
	int ret;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	must(!set_and_undo(param, other), "nx_huge_pages=%s", other);
	before = observer_recorded(s.f.o);
	window_resolve(s.w);
	ret = window_wait_or_loop(s.w, s.f.o);
	records = observer_recorded(s.f.o) - before;
	measure("records", records);

	if (ret == 1) {
		tid_signal(window_tid(s.w), SIGUSR1);
		expect_errno(window_wait(s.w, 5), EINTR, "the endless prefault ends with a signal");
		xfail("L1", "%lu records of retries, and no end but by a signal", records);
	}
	expect_ok(ret, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_eq(vm_stat(s.f.vm, "pages_4k"), 1, "statistic pages_4k");
	xpass("L1");
}

TEST_MAIN("memslot deletion and invalid roots while KVM maps a page")
