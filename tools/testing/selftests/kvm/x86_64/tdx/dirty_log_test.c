// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the dirty log of a memslot says, with a guest that writes: each page
 * that was written since it was cleared, and no other.  On the TDP MMU, on the
 * legacy MMU, with shadow paging, and with EPT, whose CPUs log by themselves (PML).
 *
 * At which level logged memory is mapped is in dirty_level_test.
 */
#include <linux/kvm_para.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "dirty_log.h"
#include "testcase.h"

#define MANUAL	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET	KVM_DIRTY_LOG_INITIALLY_SET

static struct logged small_pages(const struct test *t, u64 manual)
{
	return logged(t, (struct logged_wish){ .kind = MEM_ANON, .pages = 256, .manual = manual });
}

/* A read of the log clears it: a page that is written again is in it again. */
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

/* What is mapped writable when logging begins is logged from then on. */
static void written_before(const struct test *t)
{
	struct logged l = small_pages(t, 0);

	for (u32 page = 0; page < 256; page += 5)
		write_page(&l, page);
	log_on(&l);
	expect_empty_log(&l, "of what was written before");
	for (u32 page = 0; page < 256; page += 85)
		write_page(&l, page);
	expect_log(&l, "of pages written before and again", 0, 85, 170, 255);
}

/*
 * A read may map the page writable, and then it counts as dirty: KVM would not
 * see the write.  Cleared after that, it is dirty when it is written.
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

/* Off and on: the log begins anew, also for pages that stayed mapped. */
static void off_and_on(const struct test *t)
{
	struct logged l = small_pages(t, 0);
	u64 word[4];

	log_on(&l);
	write_page(&l, 1);
	log_off(&l);
	expect_errno(__log_get(&l, word), ENOENT, "KVM_GET_DIRTY_LOG while pages are not logged");
	write_page(&l, 2);
	log_on(&l);
	expect_empty_log(&l, "switched on again");
	write_page(&l, 1);
	write_page(&l, 2);
	expect_log(&l, "of both pages", 1, 2);
}

/* By hand: the log says it until it is cleared, of what is cleared and no more. */
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
	/* Once more, where nothing is writable. */
	log_clear_page(&l, 64);
	write_page(&l, 64);
	expect_log(&l, "of a page that was cleared twice", 64);
}

/* Many words at once, with gaps: the others stay as they are. */
static void clear_sparse(const struct test *t)
{
	struct logged l = small_pages(t, MANUAL);
	const u64 bits[4] = { 1ULL << 1, 0, 1ULL << 2 | 1ULL << 62, 1ULL << 63 };

	log_on(&l);
	for (u32 page = 0; page < 256; page++)
		write_page(&l, page);
	expect_full_log(&l, "after a write to each page");
	expect_ok(__log_clear(&l, 0, 256, bits), "KVM_CLEAR_DIRTY_LOG of five pages");
	/* The others are dirty still, and writable. */
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

/* All are dirty at first, and writable: only those that were cleared are logged. */
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
	expect_log(&l, "of what was written after it was cleared", 5, 130);
}

/* The log moves with its slot; one that is deleted and made again begins with an empty one. */
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
	expect_ok(__slot_set(l.slot), "the slot again");
	expect_empty_log(&l, "of the slot that was made again");
	write_page(&l, 11);
	expect_log(&l, "of it, later", 11);
}

/* Its neighbour is not logged, and does not show in the log. */
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
	expect_empty_log(&beside, "that begins now");
	write_page(&beside, 0);
	expect_log(&beside, "of its own", 0);
	expect_empty_log(&l, "of the slot before it, at the end");
}

/* KVM itself is a writer, too: MSR_KVM_WALL_CLOCK_NEW has it write to the guest's page. */
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

static void bad_requests(const struct test *t)
{
	struct logged l = small_pages(t, MANUAL), none = l, empty = l;
	u64 word[4] = { 0 };

	none.slot = &(struct slot){ .vm = l.vm, .id = 40 };
	empty.slot = &(struct slot){ .vm = l.vm, .id = 1 << 15 };
	expect_errno(__log_get(&l, word), ENOENT, "KVM_GET_DIRTY_LOG of a slot that is not logged");
	expect_errno(__log_clear(&l, 0, 64, word), ENOENT, "KVM_CLEAR_DIRTY_LOG of it");
	log_on(&l);
	expect_errno(__log_get(&none, word), ENOENT, "KVM_GET_DIRTY_LOG of no slot");
	expect_errno(__log_get(&empty, word), EINVAL, "KVM_GET_DIRTY_LOG of slot 0x8000");
	expect_errno(__log_clear(&empty, 0, 64, word), EINVAL, "KVM_CLEAR_DIRTY_LOG of slot 0x8000");
	expect_errno(__log_get(&l, (void *)8), EFAULT, "KVM_GET_DIRTY_LOG to address 8");
	expect_errno(__log_clear(&l, 0, 64, (void *)8), EFAULT, "KVM_CLEAR_DIRTY_LOG from address 8");
	expect_errno(__log_clear(&l, 32, 64, word), EINVAL, "KVM_CLEAR_DIRTY_LOG from page 32 on");
	expect_errno(__log_clear(&l, 0, 65, word), EINVAL, "KVM_CLEAR_DIRTY_LOG of 65 pages");
	expect_errno(__log_clear(&l, 256, 64, word), EINVAL, "KVM_CLEAR_DIRTY_LOG behind the end");
	expect_errno(__log_clear(&l, 192, 128, word), EINVAL, "KVM_CLEAR_DIRTY_LOG past the end");
	expect_ok(__log_clear(&l, 192, 64, word), "KVM_CLEAR_DIRTY_LOG of the last 64 pages");
}

#define ON(prefix, vm, ...)								\
	{ prefix "get", "a read of the log has what was written since the last one", get,	\
	  .vm_types = vm, __VA_ARGS__ },						\
	{ prefix "written_before", "pages mapped writable before: logged when written again",	\
	  written_before, .vm_types = vm, __VA_ARGS__ },				\
	{ prefix "read_first", "a page that is read is not dirty, written then it is",	\
	  read_first, .vm_types = vm, __VA_ARGS__ },					\
	{ prefix "off_and_on", "switched off and on, the log begins anew", off_and_on,	\
	  .vm_types = vm, __VA_ARGS__ },						\
	{ prefix "manual", "KVM_CLEAR_DIRTY_LOG clears what it names, and no other page", manual,	\
	  .vm_types = vm, __VA_ARGS__ },						\
	{ prefix "clear_sparse", "five pages cleared out of 256: the others stay dirty",	\
	  clear_sparse, .vm_types = vm, __VA_ARGS__ },					\
	{ prefix "initially_set", "all dirty at first; logged from the clear on", initially_set,	\
	  .vm_types = vm, __VA_ARGS__ },						\
	{ prefix "moved", "a slot that moves takes its log along, one that is made again has none", moved,	\
	  .vm_types = vm, __VA_ARGS__ },						\
	{ prefix "other_slot", "two slots side by side, each with a log of its own", other_slot,	\
	  .vm_types = vm, __VA_ARGS__ },						\
	{ prefix "written_by_kvm", "what KVM writes for the guest is in the log", written_by_kvm,	\
	  .vm_types = vm, __VA_ARGS__ }

static const struct test_case cases[] = {
	ON("", VM_ANY),
	{ "bad_requests", "wrong arguments of KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG",
	  bad_requests, .vm_types = VM_ANY },
	ON("legacy_", VM_DEFAULT, .boot = BOOT_TDP_MMU_OFF),
	ON("shadow_", VM_DEFAULT, .boot = BOOT_NPT_OFF),
	ON("ept_", VM_DEFAULT, .boot = BOOT_TDX),
};

TEST_MAIN("what the dirty log says", cases)
