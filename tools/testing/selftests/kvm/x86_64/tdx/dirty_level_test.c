// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge pages of a memslot with a dirty log: KVM splits them when it has to log single
 * pages, not earlier and no others, and maps them at 2M again when logging ends.
 */
#include "dirty_log.h"
#include "testcase.h"
#include "undo.h"

#define MANUAL	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET	KVM_DIRTY_LOG_INITIALLY_SET
#define IN_2M	512U			/* pages of a 2M page */

/* With and without eager_page_split (t->tc->arg); the legacy MMU never splits eagerly. */
#define EAGER_AND_LAZY(name, text, nr_2m, ...)					\
	SPLITTING("eager_" name, "eager: " text, "Y", VM_ANY, nr_2m, ##__VA_ARGS__),	\
	SPLITTING("lazy_" name, "lazy: " text, "N", VM_ANY, nr_2m, ##__VA_ARGS__),	\
	SPLITTING("legacy_" name, "legacy MMU: " text, "N", VM_DEFAULT, nr_2m,		\
		  .boot = BOOT_TDP_MMU_OFF, ##__VA_ARGS__),				\
	SPLITTING("ept_eager_" name, "EPT, eager: " text, "Y", VM_DEFAULT, nr_2m,	\
		  .boot = BOOT_TDX, ##__VA_ARGS__),					\
	SPLITTING("ept_lazy_" name, "EPT, lazy: " text, "N", VM_DEFAULT, nr_2m,	\
		  .boot = BOOT_TDX, ##__VA_ARGS__)
#define SPLITTING(name, text, eager, types, nr_2m, ...)				\
	{ name, text, .arg = eager, .vm_types = types,				\
	  .side_effects = "writes kvm.eager_page_split", .hugepages_2m = nr_2m, ##__VA_ARGS__ }

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
	struct logged l = logged(t, (struct logged_config){
		.kind = MEM_HUGETLB_2M, .first = first, .pages = pages, .manual = manual });

	for (u32 page = 0; page < pages; page += 16)
		write_page(&l, page);
	return l;
}

/* Eagerly all huge pages at once, lazily each at its first write. */
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
CASES(on_splits,
	EAGER_AND_LAZY("on_splits",
		       "logging on: huge pages are split, and logged by 4K page", 2))

/* Pages that are dirty need no write protection, until KVM_CLEAR_DIRTY_LOG clears them. */
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

		expect_ok(__log_clear(&l, first, 64, &word),
			  "KVM_CLEAR_DIRTY_LOG of page %u on", first);
	}
	expect_log(&l, "of the one page written after it was cleared", 5);
	write_page(&l, IN_2M + 5);
	expect_log(&l, "after a write to the second huge page", 5, IN_2M + 5);
	expect_eq(vm_stat(l.vm, "pages_2m"), 0, "2M SPTEs at the end");
}
CASES(clear_splits,
	EAGER_AND_LAZY("clear_splits",
		       "all dirty at first: split where and when a page is cleared", 2))

/* The slot begins 32 pages before a huge page: word 8 of its log is about two of them. */
#define BORDER_PAGE	(32 + IN_2M)

/*
 * Clear the pages BORDER_PAGE - 1 and @last by one word, and write to both: which of them are in
 * the log.
 */
static u64 clear_and_write(const struct test *t, u32 last)
{
	const u32 word = BORDER_PAGE & ~63, first = BORDER_PAGE - 1;
	u64 bits = 1ULL << (first - word) | 1ULL << (last - word);
	u64 seen[LOGGED_MAX / 64];
	struct logged l;

	set_eager(t);
	l = huge(t, IN_2M - 32, 3 * IN_2M, MANUAL | ALL_SET);
	expect_eq(vm_stat(l.vm, "pages_2m"), 2,
		  "2M SPTEs of a slot that begins inside of a huge page");
	log_on(&l);
	expect_ok(__log_clear(&l, word, 64, &bits), "KVM_CLEAR_DIRTY_LOG of pages %u and %u", first,
		  last);
	write_page(&l, first);
	write_page(&l, last);
	expect_ok(__log_get(&l, seen), "KVM_GET_DIRTY_LOG");
	return seen[word / 64] & bits;
}

static void clear_across(const struct test *t)
{
	const u32 word = BORDER_PAGE & ~63, last = BORDER_PAGE + 1;

	expect_eq(clear_and_write(t, last), 1ULL << (BORDER_PAGE - 1 - word) | 1ULL << (last - word),
		  "pages %u and %u, cleared and written, in word %u of the log", BORDER_PAGE - 1, last,
		  word / 64);
}
CASES(clear_across,
	EAGER_AND_LAZY("clear_across",
		       "a clear across two huge pages write-protects both", 4))

static void clear_to_border(const struct test *t)
{
	const u32 word = BORDER_PAGE & ~63;
	u64 before = 1ULL << (BORDER_PAGE - 1 - word), behind = before << 1;
	u64 seen = clear_and_write(t, BORDER_PAGE);

	if (seen == before)
		xfail("L5", "page %u, gpa 0x%llx, written after it was cleared, is not in the log",
		      BORDER_PAGE, LOGGED_GPA + (IN_2M - 32 + BORDER_PAGE) * SZ_4K);
	expect_eq(seen, before | behind,
		  "pages %u and %u, cleared and written, in word %u of the log", BORDER_PAGE - 1,
		  BORDER_PAGE, word / 64);
	if (!eager(t))
		xpass("L5");
}
CASES(clear_to_border,
	EAGER_AND_LAZY("clear_to_border",
		       "a clear that ends with the first page of a huge page", 4,
		       .xfail = "L5", .xfail_in_body = true))

/* The end of logging removes the 4K SPTEs: a write to a page maps 2M. */
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
	expect_eq(vm_stat(l.vm, "pages_4k"), 1, "4K SPTEs, one of them of the guest's code");
	write_page(&l, 2);
	write_page(&l, IN_2M + 2);
	expect_sptes(&l, 0, 2, "after a write to each");
	/* Writes were not logged meanwhile; the next log begins empty. */
	log_on(&l);
	expect_empty_log(&l, "after logging was switched on again");
	write_page(&l, 2);
	expect_log(&l, "after a write, logging again", 2);
}
CASES(off_recovers,
	EAGER_AND_LAZY("off_recovers",
		       "logging off: 2M again", 2))

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
CASES(off_at_edges,
	EAGER_AND_LAZY("off_at_edges",
		       "logging off: a huge page not wholly in the slot stays 4K", 3))

/* The huge page of an adjacent slot, which has no log, is nobody's to split. */
static void borders(const struct test *t)
{
	struct logged l, behind;
	unsigned long faults;

	set_eager(t);
	l = huge(t, 0, IN_2M, 0);
	behind = l;
	behind.mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	behind.slot = slot_add(l.vm, l.slot->gpa + l.slot->size, behind.mem);
	write_page(&behind, 0);
	expect_eq(vm_stat(l.vm, "pages_2m"), 2, "2M SPTEs before");
	log_on(&l);
	write_page(&l, IN_2M - 1);
	expect_eq(vm_stat(l.vm, "pages_2m"), 1, "2M SPTEs while the slot before the other is logged");
	log_off(&l);
	log_on(&behind);
	write_page(&behind, 0);
	write_page(&l, 0);
	expect_eq(vm_stat(l.vm, "pages_2m"), 1, "2M SPTEs while the slot behind the other is logged");
	log_off(&behind);
	faults = vcpu_stat(l.vcpu, "pf_taken");
	write_page(&l, 1);
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - faults, 0,
		  "faults of a write to gpa 0x%llx, before the slot whose logging has ended",
		  l.slot->gpa + SZ_4K);
}
CASES(borders,
	EAGER_AND_LAZY("borders",
		       "logging on: the huge page of an adjacent slot is not split", 2))

/*
 * A slot without guest_memfd: the end of logging finds page tables, and computes the
 * level at which private gfns may be mapped.
 */
CASE(off_private, "logging off after the gfns were made private: no WARNING",
	.xwarn = "W4", .vm_types = VM_SW_PROTECTED)
{
	struct logged l = logged(t, (struct logged_config){ .kind = MEM_ANON, .pages = IN_2M });

	log_on(&l);
	write_page(&l, 3);
	vm_set_private(l.vm, l.slot->gpa, l.slot->size);
	log_off(&l);
	vm_set_shared(l.vm, l.slot->gpa, l.slot->size);
	write_page(&l, 3);
}

TEST_MAIN("huge pages of memslots with a dirty log")
