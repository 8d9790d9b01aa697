// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log of a memslot has each page that the guest has written since it was cleared,
 * and no other: with the TDP MMU, the legacy MMU, shadow paging, and EPT, where the CPU
 * logs writes (PML).
 *
 * The level at which logged memory is mapped is in dirty_level_test.
 */
#include <linux/kvm_para.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "dirty_log.h"
#include "each_mmu.h"
#include "testcase.h"

#define MANUAL	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET	KVM_DIRTY_LOG_INITIALLY_SET

/* Without dirty bits there is no PML: KVM protects pages against writes, as under NPT. */
#define WITHOUT_PML(name, text)							\
	{ "no_pml_" name, "EPT without PML: " text, .vm_types = VM_DEFAULT,	\
	  .boot = BOOT_EPT_AD_OFF }

static struct logged small_pages(const struct test *t, u64 manual)
{
	return logged(t, (struct logged_config){
		.kind = MEM_ANON, .pages = 256, .manual = manual });
}

static void get(const struct test *t)
{
	struct logged l = small_pages(t, 0);

	log_on(&l);
	expect_empty_log(&l, "before the guest runs");
	write_page(&l, 3);
	write_page(&l, 64);
	write_page(&l, 255);
	expect_log(&l, "after three writes", 3, 64, 255);
	expect_empty_log(&l, "read again");
	write_page(&l, 64);
	write_page(&l, 65);
	expect_log(&l, "after a second write", 64, 65);
	expect_empty_log(&l, "at the end");
}
CASES(get,
	ON_EACH_MMU("get",
		    "KVM_GET_DIRTY_LOG: pages written since the last one"),
	WITHOUT_PML("get",
		    "KVM_GET_DIRTY_LOG: pages written since the last one"))

static void written_before(const struct test *t)
{
	struct logged l = small_pages(t, 0);

	for (u32 page = 0; page < 256; page += 5)
		write_page(&l, page);
	log_on(&l);
	expect_empty_log(&l, "of pages written before");
	for (u32 page = 0; page < 256; page += 85)
		write_page(&l, page);
	expect_log(&l, "of pages written before and again", 0, 85, 170, 255);
}
CASES(written_before,
	ON_EACH_MMU("written_before",
		    "pages mapped writable before: logged when written again"))

/*
 * KVM may map the page writable for a read.  Then it has to log it at once, since the
 * write does not fault.
 */
static void read_first(const struct test *t)
{
	struct logged l = small_pages(t, 0);
	u64 bitmap[4];

	log_on(&l);
	guest_access(l.vcpu, l.slot->gpa + 7 * SZ_4K, ACCESS_READ, 0);
	write_page(&l, 7);
	expect_log(&l, "after a read and a write", 7);
	guest_access(l.vcpu, l.slot->gpa + 8 * SZ_4K, ACCESS_READ, 0);
	expect_ok(__log_get(&l, bitmap), "KVM_GET_DIRTY_LOG after a read");
	write_page(&l, 8);
	expect_log(&l, "after a read, and a write later", 8);
}
CASES(read_first,
	ON_EACH_MMU("read_first",
		    "a page that is read, then written: logged"))

/* Pages stay mapped while logging is off. */
static void off_and_on(const struct test *t)
{
	struct logged l = small_pages(t, 0);
	u64 word[4];

	log_on(&l);
	write_page(&l, 1);
	log_off(&l);
	expect_errno(__log_get(&l, word), ENOENT, "KVM_GET_DIRTY_LOG while logging is off");
	write_page(&l, 2);
	log_on(&l);
	expect_empty_log(&l, "after logging was switched on again");
	write_page(&l, 1);
	write_page(&l, 2);
	expect_log(&l, "of both pages", 1, 2);
}
CASES(off_and_on,
	ON_EACH_MMU("off_and_on",
		    "logging off and on: the log begins empty"))

/* With manual protection the log keeps a page until it is cleared. */
static void manual(const struct test *t)
{
	struct logged l = small_pages(t, MANUAL);

	log_on(&l);
	write_page(&l, 0);
	write_page(&l, 63);
	write_page(&l, 64);
	expect_log(&l, "read once", 0, 63, 64);
	expect_log(&l, "read twice", 0, 63, 64);
	log_clear_page(&l, 63);
	expect_log(&l, "without page 63", 0, 64);
	write_page(&l, 0);
	expect_log(&l, "of a page that was not cleared, written again", 0, 64);
	write_page(&l, 63);
	expect_log(&l, "of a page that was cleared, written again", 0, 63, 64);
	log_clear_page(&l, 0);
	log_clear_page(&l, 63);
	log_clear_page(&l, 64);
	expect_empty_log(&l, "cleared");
	/* A page that is not writable. */
	log_clear_page(&l, 64);
	write_page(&l, 64);
	expect_log(&l, "of a page that was cleared twice", 64);
}
CASES(manual,
	ON_EACH_MMU("manual",
		    "KVM_CLEAR_DIRTY_LOG clears the pages it names, and no others"))

static void clear_sparse(const struct test *t)
{
	struct logged l = small_pages(t, MANUAL);
	const u64 bits[4] = { 1ULL << 1, 0, 1ULL << 2 | 1ULL << 62, 1ULL << 63 };
	u32 others[251];
	size_t nr = 0;

	log_on(&l);
	for (u32 page = 0; page < 256; page++)
		write_page(&l, page);
	expect_full_log(&l, "after a write to each page");
	expect_ok(__log_clear(&l, 0, 256, bits), "KVM_CLEAR_DIRTY_LOG of five pages");
	for (u32 page = 0; page < 256; page++)
		if (!(bits[page / 64] >> page % 64 & 1))
			others[nr++] = page;
	expect_log_(__FILE__, __LINE__, &l, "after the clear of five pages", others, nr);
	/* They are writable, too. */
	write_page(&l, 0);
	write_page(&l, 100);
	for (u32 word = 0; word < 4; word++) {
		u64 rest = ~bits[word];

		expect_ok(__log_clear(&l, 64 * word, 64, &rest), "KVM_CLEAR_DIRTY_LOG of the rest");
	}
	expect_empty_log(&l, "cleared in two parts");
	write_page(&l, 1);
	write_page(&l, 190);
	write_page(&l, 255);
	write_page(&l, 100);
	expect_log(&l, "of pages out of both parts", 1, 100, 190, 255);
}
CASES(clear_sparse,
	ON_EACH_MMU("clear_sparse",
		    "five of 256 pages cleared: the others stay dirty"),
	WITHOUT_PML("clear_sparse",
		    "five of 256 pages cleared: the others stay dirty"))

static void initially_set(const struct test *t)
{
	struct logged l = small_pages(t, MANUAL | ALL_SET);
	const u64 all[4] = { ~0ULL, ~0ULL, ~0ULL, ~0ULL };

	for (u32 page = 0; page < 256; page++)
		write_page(&l, page);
	log_on(&l);
	expect_full_log(&l, "at the beginning");
	log_clear_page(&l, 130);
	write_page(&l, 131);
	expect_ok(__log_clear(&l, 0, 128, all), "KVM_CLEAR_DIRTY_LOG of 128 pages");
	write_page(&l, 5);
	write_page(&l, 130);
	expect_ok(__log_clear(&l, 192, 64, all), "KVM_CLEAR_DIRTY_LOG of the last 64 pages");
	for (u32 page = 131; page < 192; page++)
		log_clear_page(&l, page);
	log_clear_page(&l, 128);
	log_clear_page(&l, 129);
	expect_log(&l, "of pages written after they were cleared", 5, 130);
}
CASES(initially_set,
	ON_EACH_MMU("initially_set",
		    "all dirty at first: pages are logged after they are cleared"))

static void moved(const struct test *t)
{
	struct logged l = small_pages(t, 0);

	log_on(&l);
	write_page(&l, 9);
	l.slot->gpa += SZ_2M;
	expect_ok(__slot_set(l.slot), "moving the slot to gpa 0x%llx", l.slot->gpa);
	expect_log(&l, "of the slot that moved", 9);
	write_page(&l, 9);
	write_page(&l, 10);
	expect_log(&l, "of the slot at its new place", 9, 10);
	write_page(&l, 11);
	slot_delete(l.slot);
	expect_ok(__slot_set(l.slot), "creating the slot again");
	expect_empty_log(&l, "of the recreated slot");
	write_page(&l, 11);
	expect_log(&l, "of the recreated slot after a write", 11);
}
CASES(moved,
	ON_EACH_MMU("moved",
		    "a slot that moves keeps its log, a recreated one has an empty log"))

static void other_slot(const struct test *t)
{
	struct logged l = small_pages(t, 0), beside = l;

	beside.mem = mem_populated(MEM_ANON, 64 * SZ_4K, NULL);
	beside.slot = slot_add(l.vm, l.slot->gpa + l.slot->size, beside.mem);
	log_on(&l);
	write_page(&beside, 0);
	write_page(&l, 255);
	expect_log(&l, "of the slot before it", 255);
	log_on(&beside);
	expect_empty_log(&beside, "of the second slot, switched on");
	write_page(&beside, 0);
	expect_log(&beside, "of the second slot after a write", 0);
	expect_empty_log(&l, "of the slot before it, at the end");
}
CASES(other_slot,
	ON_EACH_MMU("other_slot",
		    "two adjacent slots: each has its own log"))

/* A slot of as much memory as @l's, at @gpa, whose pages are written through @l's vCPU. */
static struct logged neighbour(const struct logged *l, u64 gpa)
{
	struct logged beside = *l;

	beside.mem = mem_populated(MEM_ANON, l->slot->size, NULL);
	beside.slot = slot_add(l->vm, gpa, beside.mem);
	return beside;
}

/* Write protection that goes too far costs faults, and is in no log. */
static void borders(const struct test *t)
{
	struct logged l = logged(t, (struct logged_config){
		.kind = MEM_ANON, .first = 64, .pages = 64 });
	struct logged before = neighbour(&l, l.slot->gpa - l.slot->size);
	struct logged behind = neighbour(&l, l.slot->gpa + l.slot->size);
	unsigned long faults;

	write_page(&before, 63);
	write_page(&l, 0);
	write_page(&l, 63);
	write_page(&behind, 0);
	log_on(&l);
	faults = vcpu_stat(l.vcpu, "pf_taken");
	write_page(&before, 63);
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - faults, 0,
		  "faults of a write to gpa 0x%llx, before the slot with the log",
		  before.slot->gpa + 63 * SZ_4K);
	write_page(&behind, 0);
	expect_eq(vcpu_stat(l.vcpu, "pf_taken") - faults, 0,
		  "faults of a write to gpa 0x%llx, behind the slot with the log", behind.slot->gpa);
	write_page(&l, 0);
	write_page(&l, 63);
	expect_log(&l, "of the first and the last page", 0, 63);
}
CASES(borders,
	ON_EACH_MMU("borders",
		    "logging on: pages of adjacent slots stay writable"),
	WITHOUT_PML("borders",
		    "logging on: pages of adjacent slots stay writable"))

/* MSR_KVM_WALL_CLOCK_NEW has KVM write to a page of the guest. */
static void written_by_kvm(const struct test *t)
{
	struct logged l = small_pages(t, 0);
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));

	log_on(&l);
	msrs->nmsrs = 1;
	msrs->entries[0].index = MSR_KVM_WALL_CLOCK_NEW;
	msrs->entries[0].data = l.slot->gpa + 17 * SZ_4K;
	expect_eq(ioctl(l.vcpu->fd, KVM_SET_MSRS, msrs), 1, "MSRs that KVM_SET_MSRS set");
	expect_log(&l, "after KVM wrote the wall clock", 17);
}
CASES(written_by_kvm,
	ON_EACH_MMU("written_by_kvm",
		    "pages that KVM writes for the guest: logged"))

CASE(bad_requests,
	"bad arguments of KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG",
	.vm_types = VM_ANY)
{
	struct logged l = small_pages(t, MANUAL), none = l, empty = l;
	u64 word[4] = { 0 };

	none.slot = &(struct slot){ .vm = l.vm, .id = 40 };
	empty.slot = &(struct slot){ .vm = l.vm, .id = 1 << 15 };
	expect_errno(__log_get(&l, word), ENOENT, "KVM_GET_DIRTY_LOG of a slot that is not logged");
	expect_errno(__log_clear(&l, 0, 64, word), ENOENT,
		     "KVM_CLEAR_DIRTY_LOG of a slot that is not logged");
	log_on(&l);
	expect_errno(__log_get(&none, word), ENOENT,
		     "KVM_GET_DIRTY_LOG of a slot that does not exist");
	expect_errno(__log_get(&empty, word), EINVAL, "KVM_GET_DIRTY_LOG of slot 0x8000");
	expect_errno(__log_clear(&empty, 0, 64, word), EINVAL,
		     "KVM_CLEAR_DIRTY_LOG of slot 0x8000");
	expect_errno(__log_get(&l, (void *)8), EFAULT, "KVM_GET_DIRTY_LOG to address 8");
	expect_errno(__log_clear(&l, 0, 64, (void *)8), EFAULT,
		     "KVM_CLEAR_DIRTY_LOG from address 8");
	expect_errno(__log_clear(&l, 32, 64, word), EINVAL, "KVM_CLEAR_DIRTY_LOG from page 32 on");
	expect_errno(__log_clear(&l, 0, 65, word), EINVAL, "KVM_CLEAR_DIRTY_LOG of 65 pages");
	expect_errno(__log_clear(&l, 256, 64, word), EINVAL, "KVM_CLEAR_DIRTY_LOG behind the end");
	expect_errno(__log_clear(&l, 192, 128, word), EINVAL, "KVM_CLEAR_DIRTY_LOG past the end");
	expect_ok(__log_clear(&l, 192, 64, word), "KVM_CLEAR_DIRTY_LOG of the last 64 pages");
}

TEST_MAIN("dirty log of memslots")
