// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY of a TD while KVM waits for a shared page (userfaultfd): signals,
 * conversions and the deletion of the slot.  Pages that are done before stay, and the range
 * shows how far the ioctl came.
 */
#include <signal.h>
#include <sys/mman.h>

#include "known_issues.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"
#include "vm_thread.h"
#include "window_fixture.h"

/* Two private pages, then shared pages that are missing: KVM waits for the first of them. */
#define PRIVATE_PAGES	2
#define LATE_GPA	(GPA + PRIVATE_PAGES * SZ_4K)

struct scene {
	struct fixture td;
	struct window *w;
};

static struct scene scene(const struct test *t)
{
	struct scene s = { .td = td_fixture_final(t, SZ_2M) };

	vm_set_shared(s.td.vm, LATE_GPA, SZ_2M / 2);
	s.w = window_create(s.td.vcpu, s.td.slot->mem->hva, SZ_2M);
	return s;
}

/* The private pages before the window are done, and the range says so. */
static void expect_private_pages_done(struct scene *s)
{
	struct kvm_pre_fault_memory range = window_range(s->w);

	expect_eq(range.gpa, LATE_GPA, "gpa of what is left");
	expect_td_mapped(&s->td, GPA, PRIVATE_PAGES, SEPT_PENDING);
	expect_not_mapped(s->td.o, LATE_GPA >> 12);
}

CASE(signal_first, "a signal at the first page: EINTR", TD_MAPPING, .needs_uffd = true)
{
	struct scene s = scene(t);

	window_open(s.w, LATE_GPA, SZ_4K);
	catch_signal(SIGUSR1);
	tid_signal(window_tid(s.w), SIGUSR1);
	expect_errno(window_wait(s.w, 5), EINTR, "prefault interrupted at its first page");
	expect_eq(window_range(s.w).gpa, LATE_GPA, "gpa of what is left");
	expect_not_mapped(s.td.o, LATE_GPA >> 12);
}

CASE(signal_midway, "a signal at the third page: success, two pages done",
	TD_MAPPING, .needs_uffd = true)
{
	struct scene s = scene(t);

	window_open(s.w, GPA, 4 * SZ_4K);
	catch_signal(SIGUSR1);
	tid_signal(window_tid(s.w), SIGUSR1);
	expect_ok(window_wait(s.w, 5), "prefault of four pages, interrupted at the third");
	expect_private_pages_done(&s);
}

CASE(conversion_in_window, "the gfn becomes private while KVM waits for its page: not mapped",
	TD_MAPPING, .needs_uffd = true)
{
	struct scene s = scene(t);

	window_open(s.w, GPA, 3 * SZ_4K);
	vm_set_private(s.td.vm, LATE_GPA, SZ_4K);
	expect_ok(window_close(s.w), "prefault of three pages, the third converted");
	expect_private_pages_done(&s);
	expect_retries(s.td.o, 1);
	expect_sept_free(s.td.vm, LATE_GPA);
	prefault(s.td.vcpu, LATE_GPA, SZ_4K);
	expect_td_mapped(&s.td, LATE_GPA, 1, SEPT_PENDING);
}

/* The deletion waits for the prefault, which meets an invalid slot and gives up. */
CASE(delete_in_window, "the slot is deleted while KVM waits for a page of it: the prefault ends",
	.fixes = "3ccbf6f47098 (\"KVM: x86/mmu: Return -EAGAIN if userspace deletes/moves memslot during prefault\"), 6.18",
	.xfail = "E1", .xfail_in_body = true, TD_MAPPING, .needs_uffd = true)
{
	struct scene s = scene(t);
	struct thread *thread;
	int ret;

	window_open(s.w, GPA, 3 * SZ_4K);
	thread = slot_delete_start(s.td.slot);
	expect_true(tid_sleeps_in(thread_tid(thread), "synchronize_srcu", 5),
		    "the deletion waits for the prefault");
	/* An invalidation makes the fault look again. */
	must(!madvise(s.td.slot->mem->hva + SZ_2M / 2, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	window_resolve(s.w);
	ret = window_wait_or_loop(s.w, s.td.o);
	if (ret == 1) {
		catch_signal(SIGUSR1);
		tid_signal(window_tid(s.w), SIGUSR1);
		xfail("E1", "the prefault retries without end");
	}
	expect_ok(ret, "prefault of three pages, the slot is deleted at the third");
	expect_eq(window_range(s.w).gpa, LATE_GPA, "gpa of what is left");
	expect_ok(thread_join(thread, "the deletion"), "the deletion");
	expect_td_unmapped(&s.td, GPA, PRIVATE_PAGES);
}

/* All of the slot is shared, and KVM waits for its first page. */
static struct scene shared_window(const struct test *t)
{
	struct scene s = { .td = td_fixture_final(t, SZ_2M) };

	vm_set_shared(s.td.vm, GPA, SZ_2M);
	s.w = window_create(s.td.vcpu, s.td.slot->mem->hva, SZ_4K);
	window_open(s.w, GPA, SZ_4K);
	return s;
}

CASE(window_other_page, "another page becomes private while KVM waits: one retry",
	TD_MAPPING, .needs_uffd = true)
{
	struct scene s = shared_window(t);

	vm_set_private(s.td.vm, GPA + SZ_4K, SZ_4K);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", GPA);
	expect_retries(s.td.o, 1, " of gfn 0x%llx", GFN);
	expect_mapped(s.td.o, GFN, LEVEL_4K, pfn_of(s.td.slot->mem->hva));
	td_prefault_private(&s.td, GPA + SZ_4K);
}

CASE(window_there_and_back, "the page becomes private and shared again while KVM waits: one retry",
	TD_MAPPING, .needs_uffd = true)
{
	struct scene s = shared_window(t);

	vm_set_private(s.td.vm, GPA, SZ_4K);
	vm_set_shared(s.td.vm, GPA, SZ_4K);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", GPA);
	expect_retries(s.td.o, 1, " of gfn 0x%llx", GFN);
	expect_mapped(s.td.o, GFN, LEVEL_4K, pfn_of(s.td.slot->mem->hva));
	expect_sept_free(s.td.vm, GPA);
}

TEST_MAIN("KVM_PRE_FAULT_MEMORY on a TD while KVM waits for a shared page")
