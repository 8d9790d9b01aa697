// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pages under the dirty log: they are split when pages are logged one at a
 * time, no sooner and no further than that, and come back when logging ends.
 */
#include "dirty_log.h"
#include "testcase.h"
#include "undo.h"

#define MANUAL	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET	KVM_DIRTY_LOG_INITIALLY_SET
#define IN_2M	512U			/* pages of a 2M page */

/* The parameter is read whenever huge pages may be split. */
static void set_eager(const struct test *t)
{
	const char *value = t->tc->arg;

	must(!set_and_undo("/sys/module/kvm/parameters/eager_page_split", value),
	     "eager_page_split=%s", value);
}

static bool eager(const struct test *t)
{
	return *(const char *)t->tc->arg == 'Y';
}

static struct logged huge(const struct test *t, u32 first, u32 pages, u64 manual)
{
	struct logged l = logged(t, (struct logged_wish){
		.kind = MEM_HUGETLB_2M, .first = first, .pages = pages, .manual = manual });

	for (u32 page = 0; page < pages; page += 16)
		write_page(&l, page);
	return l;
}

/* Logging splits all at once, or each at its first write. */
static void on_splits(const struct test *t)
{
	struct logged l;

	set_eager(t);
	l = huge(t, 0, 2 * IN_2M, 0);
	expect_sptes(&l, 0, 2, "before");
	log_on(&l);
	expect_empty_log(&l, "after logging began");
	if (eager(t))
		expect_sptes(&l, 2 * IN_2M, 0, "after logging began");
	write_page(&l, IN_2M - 1);
	expect_log(&l, "after a write to the first huge page", IN_2M - 1);
	if (!eager(t))
		expect_eq(vm_stat(l.vm, "pages_2m"), 1, "2M SPTEs after a write to one of two");
	write_page(&l, IN_2M);
	write_page(&l, IN_2M - 1);
	expect_log(&l, "after a write to each", IN_2M - 1, IN_2M);
	expect_eq(vm_stat(l.vm, "pages_2m"), 0, "2M SPTEs after a write to each");
}

/* What is dirty anyway need not be split: KVM_CLEAR_DIRTY_LOG does it, where it clears. */
static void clear_splits(const struct test *t)
{
	unsigned long faults;
	struct logged l;

	set_eager(t);
	l = huge(t, 0, 2 * IN_2M, MANUAL | ALL_SET);
	log_on(&l);
	expect_sptes(&l, 0, 2, "after logging began with all pages dirty");
	log_clear_page(&l, 5);
	if (eager(t)) {
		expect_sptes(&l, IN_2M, 1, "after one page of the first huge page was cleared");
		faults = vcpu_stat(l.vcpu, "pf_taken");
		write_page(&l, 6);
		expect_eq(vcpu_stat(l.vcpu, "pf_taken") - faults, 0,
			  "faults of a write to page 6, which was not cleared");
	} else {
		expect_sptes(&l, 0, 2, "after one page was cleared, without eager splitting");
	}
	write_page(&l, 5);
	expect_eq(vm_stat(l.vm, "pages_2m"), 1, "2M SPTEs after a write to page 5");
	for (u32 first = 0; first < 2 * IN_2M; first += 64) {
		u64 word = first ? ~0ULL : ~(1ULL << 5);

		expect_ok(__log_clear(&l, first, 64, &word), "KVM_CLEAR_DIRTY_LOG of page %u on", first);
	}
	expect_log(&l, "of the one page that was written after it was cleared", 5);
	write_page(&l, IN_2M + 5);
	expect_log(&l, "after a write to the second huge page", 5, IN_2M + 5);
	expect_eq(vm_stat(l.vm, "pages_2m"), 0, "2M SPTEs at the end");
}

/* The slot begins 32 pages before a huge page: its word 8 reaches over the border of two. */
#define BORDER	(32 + IN_2M)

/* The pages of the word that are cleared, @last the highest one, then written: all logged. */
static u64 clear_and_write(const struct test *t, u32 last)
{
	const u32 word = BORDER & ~63, first = BORDER - 1;
	u64 bits = 1ULL << (first - word) | 1ULL << (last - word);
	u64 seen[LOGGED_MAX / 64];
	struct logged l;

	set_eager(t);
	l = huge(t, IN_2M - 32, 3 * IN_2M, MANUAL | ALL_SET);
	expect_eq(vm_stat(l.vm, "pages_2m"), 2, "2M SPTEs before, of a slot that begins within one");
	log_on(&l);
	expect_ok(__log_clear(&l, word, 64, &bits), "KVM_CLEAR_DIRTY_LOG of pages %u and %u", first,
		  last);
	write_page(&l, first);
	write_page(&l, last);
	expect_ok(__log_get(&l, seen), "KVM_GET_DIRTY_LOG");
	return seen[word / 64] & bits;
}

/* A word of the log that is about two huge pages write-protects both. */
static void clear_across(const struct test *t)
{
	const u32 word = BORDER & ~63, last = BORDER + 1;

	expect_eq(clear_and_write(t, last), 1ULL << (BORDER - 1 - word) | 1ULL << (last - word),
		  "pages %u and %u, cleared and written, in word %u of the log", BORDER - 1, last,
		  word / 64);
}

/* Also if what it clears last is the first page of a huge page. */
static void clear_to_border(const struct test *t)
{
	const u32 word = BORDER & ~63;
	u64 before = 1ULL << (BORDER - 1 - word), behind = before << 1;
	u64 seen = clear_and_write(t, BORDER);

	if (seen == before)
		xfail("L5", "page %u, gpa 0x%llx, was written after it was cleared, and is not in the log",
				 BORDER, LOGGED_GPA + (IN_2M - 32 + BORDER) * SZ_4K);
	expect_eq(seen, before | behind, "pages %u and %u, cleared and written, in word %u of the log",
		  BORDER - 1, BORDER, word / 64);
	if (!eager(t))
		xpass("L5");
}

/* After the end of logging nobody has to touch memory for it to be huge again. */
static void off_recovers(const struct test *t)
{
	struct logged l;

	set_eager(t);
	l = huge(t, 0, 2 * IN_2M, 0);
	log_on(&l);
	write_page(&l, 1);
	write_page(&l, IN_2M + 1);
	expect_eq(vm_stat(l.vm, "pages_2m"), 0, "2M SPTEs while pages are logged");
	log_off(&l);
	expect_true(vm_stat(l.vm, "pages_4k") == 1, "no 4K SPTE stays (%llu, one of them the code's)",
		    vm_stat(l.vm, "pages_4k"));
	write_page(&l, 2);
	write_page(&l, IN_2M + 2);
	expect_sptes(&l, 0, 2, "after a write to each");
	/* They are writable and not logged any more; the next log begins empty. */
	log_on(&l);
	expect_empty_log(&l, "switched on again");
	write_page(&l, 2);
	expect_log(&l, "of the second time", 2);
}

/* A huge page that is not all of it in the slot stays as it is. */
static void off_at_edges(const struct test *t)
{
	struct logged l;

	set_eager(t);
	l = huge(t, IN_2M - 16, 16 + IN_2M + 16, 0);
	expect_eq(vm_stat(l.vm, "pages_2m"), 1, "2M SPTEs before");
	log_on(&l);
	write_page(&l, 0);
	write_page(&l, 16);
	write_page(&l, 16 + IN_2M);
	expect_eq(vm_stat(l.vm, "pages_2m"), 0, "2M SPTEs while pages are logged");
	log_off(&l);
	for (u32 page = 0; page < 16 + IN_2M + 16; page += 16)
		write_page(&l, page);
	expect_eq(vm_stat(l.vm, "pages_2m"), 1, "2M SPTEs after the end of logging");
}

/*
 * A slot without guest_memfd whose gfns are made private while they are logged: the
 * end of logging finds page tables, and asks which level a private gfn may have.
 */
static void off_private(const struct test *t)
{
	struct logged l = logged(t, (struct logged_wish){ .kind = MEM_ANON, .pages = IN_2M });

	log_on(&l);
	write_page(&l, 3);
	vm_set_private(l.vm, l.slot->gpa, l.slot->size);
	log_off(&l);
	vm_set_shared(l.vm, l.slot->gpa, l.slot->size);
	write_page(&l, 3);
}

#define BY(prefix, vm, value, ...)							\
	{ prefix "on_splits", "logging begins: huge pages are split, and logged page by page",	\
	  on_splits, value, .vm_types = vm, .hugepages_2m = 2, CHANGES, __VA_ARGS__ },	\
	{ prefix "clear_splits", "all dirty at first: split where, and when, a page is cleared",	\
	  clear_splits, value, .vm_types = vm, .hugepages_2m = 2, CHANGES, __VA_ARGS__ },	\
	{ prefix "clear_across", "a clear across the border of huge pages is of both",	\
	  clear_across, value, .vm_types = vm, .hugepages_2m = 4, CHANGES, __VA_ARGS__ },	\
	{ prefix "clear_to_border", "a clear that ends with the first page of a huge page",	\
	  clear_to_border, value, .vm_types = vm, .hugepages_2m = 4, CHANGES, __VA_ARGS__ },	\
	{ prefix "off_recovers", "logging ends: 2M again", off_recovers, value,		\
	  .vm_types = vm, .hugepages_2m = 2, CHANGES, __VA_ARGS__ },			\
	{ prefix "off_at_edges", "logging ends: a huge page cut by the slot's edge stays 4K",	\
	  off_at_edges, value, .vm_types = vm, .hugepages_2m = 3, CHANGES, __VA_ARGS__ }
#define CHANGES	.side_effects = "writes kvm.eager_page_split"

static const struct test_case cases[] = {
	BY("eager_", VM_ANY, "Y"),
	BY("lazy_", VM_ANY, "N"),
	{ "off_private", "logging ends on memory that was made private meanwhile", off_private,
	  .vm_types = VM_SW_PROTECTED, .xwarn = "W4" },
	/* The legacy MMU never splits eagerly. */
	BY("legacy_", VM_DEFAULT, "N", .boot = BOOT_TDP_MMU_OFF),
	BY("ept_eager_", VM_DEFAULT, "Y", .boot = BOOT_TDX),
	BY("ept_lazy_", VM_DEFAULT, "N", .boot = BOOT_TDX),
};

TEST_MAIN("huge pages under the dirty log", cases)
