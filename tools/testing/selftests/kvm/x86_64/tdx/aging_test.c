// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's memory management asks KVM, by its mmu_notifier, which pages a guest has accessed
 * since it last asked, and makes KVM forget (clear_young, mmu_notifier.h). KVM answers from the
 * accessed bits of SPTEs; where the CPU has none, it makes SPTEs not present, and what they
 * allowed comes back at the next fault.
 */
#include "dirty_log.h"
#include "each_mmu.h"
#include "page_idle.h"
#include "testcase.h"

#define WITHOUT_BITS(name, text)							\
	{ "tracked_" name, "EPT without accessed bits: " text, .vm_types = VM_DEFAULT,	\
	  .boot = BOOT_EPT_AD_OFF }

static struct logged pages(const struct test *t, u32 nr)
{
	page_idle_needed();
	return logged(t, (struct logged_config){ .kind = MEM_ANON, .pages = nr });
}

static u8 *hva_of(const struct logged *l, u32 page)
{
	return l->mem->hva + page * SZ_4K;
}

static void set_idle(const struct logged *l, u32 page)
{
	page_idle_set(hva_of(l, page));
}

#define expect_idle(l, page, idle, what)						\
	expect_eq(page_is_idle(hva_of(l, page)), idle, "page %u, gpa 0x%llx, pfn 0x%llx, idle %s", \
		  page, (l)->slot->gpa + (page) * SZ_4K, pfn_of(hva_of(l, page)), what)

static void read_by_guest(struct logged *l, u32 page)
{
	guest_access(l->vcpu, l->slot->gpa + page * SZ_4K, ACCESS_READ, 0);
}

/* Once forgotten, an access is not told again. */
static void told_once(const struct test *t)
{
	struct logged l = pages(t, 16);

	write_page(&l, 5);
	set_idle(&l, 5);
	expect_idle(&l, 5, true, "when nobody has accessed it since");
	read_by_guest(&l, 5);
	expect_idle(&l, 5, false, "after the guest has read it");
	set_idle(&l, 5);
	expect_idle(&l, 5, true, "marked again");
	write_page(&l, 5);
	expect_idle(&l, 5, false, "after the guest has written it");
}
CASES(told_once,
	ON_EACH_MMU("told_once",
		    "a page that the guest accesses is no longer idle"),
	WITHOUT_BITS("told_once",
		     "a page that the guest accesses is no longer idle"))

/* KVM is asked about one page, and forgets that page's accesses only. */
static void others(const struct test *t)
{
	struct logged l = pages(t, 16);

	for (u32 page = 4; page <= 6; page++) {
		write_page(&l, page);
		set_idle(&l, page);
	}
	read_by_guest(&l, 4);
	read_by_guest(&l, 6);
	expect_idle(&l, 5, true, "between two pages that the guest has read");
	expect_idle(&l, 4, false, "before a page that was asked about");
	expect_idle(&l, 6, false, "behind a page that was asked about");
}
CASES(others,
	ON_EACH_MMU("others",
		    "asking about a page leaves the accesses of its neighbours"),
	WITHOUT_BITS("others",
		     "asking about a page leaves the accesses of its neighbours"))

/* With accessed bits in hardware, to forget costs the guest no fault, nor the right to write. */
static void no_fault(const struct test *t)
{
	struct logged l = pages(t, 16);
	unsigned long faults;

	write_page(&l, 3);
	set_idle(&l, 3);
	faults = vcpu_stat(l.vcpu, "pf_taken");
	write_page(&l, 3);
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - faults, 0,
		  "faults of a write to a page that was marked idle");
	expect_idle(&l, 3, false, "after the write");
}
CASES(no_fault,
	ON_EACH_MMU("no_fault",
		    "a page marked idle stays mapped and writable"))

/* The fault gives back what the SPTE allowed, without a look at the memory or a lock. */
static void fast_fault(const struct test *t)
{
	struct logged l = pages(t, 16);
	unsigned long taken, fast;

	write_page(&l, 3);
	set_idle(&l, 3);
	taken = vcpu_stat(l.vcpu, "pf_taken");
	fast = vcpu_stat(l.vcpu, "pf_fast");
	read_by_guest(&l, 3);
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - taken, 1, "faults of a read, marked idle before");
	expect_eq(vcpu_stat(l.vcpu, "pf_fast") - fast, 1, "of them fixed without mmu_lock");
	write_page(&l, 3);
	write_page(&l, 3);
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - taken, 2,
		  "faults of the read, and of two writes behind it");
	expect_eq(vcpu_stat(l.vcpu, "pf_fast") - fast, 2, "of them fixed without mmu_lock");
}
CASES(fast_fault,
	WITHOUT_BITS("fast_fault",
		     "the next read and the next write cost a fault each, which takes no lock"))

/* What is tracked is still logged, and protected against writes. */
static void logged_too(const struct test *t)
{
	struct logged l = pages(t, 16);

	write_page(&l, 3);
	write_page(&l, 4);
	set_idle(&l, 3);
	log_on(&l);
	read_by_guest(&l, 3);
	expect_empty_log(&l, "after a read of a page that was marked idle");
	write_page(&l, 3);
	set_idle(&l, 4);
	write_page(&l, 4);
	expect_log(&l, "after writes to pages marked idle before and behind the log's beginning", 3, 4);
}
CASES(logged_too,
	ON_EACH_MMU("logged_too",
		    "pages marked idle are in the dirty log when they are written"),
	WITHOUT_BITS("logged_too",
		     "pages marked idle are in the dirty log when they are written"))

TEST_MAIN("aging: which pages a guest has accessed")
