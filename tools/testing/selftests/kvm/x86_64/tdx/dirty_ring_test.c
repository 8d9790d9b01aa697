// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty ring (api.rst, 8.29): each vCPU has a ring in which KVM puts the pages that it has
 * written since they were last given back; a ring that is almost full ends KVM_RUN.
 */
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty_log.h"
#include "testcase.h"

/* More than KVM keeps in reserve: 64, and 512 where the CPU logs writes (PML). */
#define ENTRIES		1024
#define RING_BYTES	(ENTRIES * sizeof(struct kvm_dirty_gfn))
#define PAGES		ENTRIES

#define ON_EACH_MMU(name, text)							\
	{ name, text, .vm_types = VM_ANY, NEEDS_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) },	\
	{ "legacy_" name, "legacy MMU: " text, .vm_types = VM_DEFAULT,		\
	  .boot = BOOT_TDP_MMU_OFF, NEEDS_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) },	\
	{ "ept_" name, "EPT: " text, .vm_types = VM_DEFAULT, .boot = BOOT_TDX,	\
	  NEEDS_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) }

struct ring {
	struct logged l;
	struct kvm_dirty_gfn *entries;
	u32 next;			/* to read */
};

static struct ring ring_of(const struct test *t)
{
	struct ring r = { .l = logged(t, (struct logged_config){
		.kind = MEM_ANON, .pages = PAGES, .ring = ENTRIES }) };

	r.entries = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r.l.vcpu->fd,
			 KVM_DIRTY_LOG_PAGE_OFFSET * SZ_4K);
	expect_true(r.entries != MAP_FAILED, "the ring of the vCPU can be mapped: %m");
	log_on(&r.l);
	return r;
}

/* The page in the next entry, which is marked as collected; -1: the ring is empty. */
static long collect(struct ring *r)
{
	struct kvm_dirty_gfn *entry = &r->entries[r->next % ENTRIES];

	if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
		return -1;
	expect_eq(entry->slot, r->l.slot->id, "slot of entry %u", r->next);
	__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	r->next++;
	return entry->offset;
}

/* What was collected is given back: @nr entries. */
static void reset(struct ring *r, int nr)
{
	expect_eq(ioctl(r->l.vm->fd, KVM_RESET_DIRTY_RINGS), nr, "entries that KVM_RESET_DIRTY_RINGS resets");
}

static void expect_ring(struct ring *r, const u32 *pages, size_t nr, const char *when)
{
	for (size_t i = 0; i < nr; i++)
		expect_eq(collect(r), pages[i], "page in entry %zu, %s", i, when);
	expect_eq(collect(r), -1, "page behind the %zu entries, %s", nr, when);
	reset(r, nr);
}
#define expect_pages(r, when, ...)						\
	expect_ring(r, (const u32[]){ __VA_ARGS__ },				\
		    sizeof((const u32[]){ __VA_ARGS__ }) / sizeof(u32), when)

static void pages(const struct test *t)
{
	struct ring r = ring_of(t);

	write_page(&r.l, 700);
	write_page(&r.l, 3);
	write_page(&r.l, 64);
	write_page(&r.l, 3);
	expect_pages(&r, "in the order of the writes", 700, 3, 64);
	write_page(&r.l, 3);
	write_page(&r.l, 65);
	expect_pages(&r, "written since", 3, 65);
	guest_access(r.l.vcpu, r.l.slot->gpa + 65 * SZ_4K, ACCESS_READ, 0);
	expect_eq(collect(&r), -1, "page in the ring after a read");
}
CASES(pages,
	ON_EACH_MMU("pages",
		    "pages are in the ring once, until they are given back and written again"))

/* Entries that user space does not mark as collected stay, and what is behind them, too. */
static void partly(const struct test *t)
{
	struct ring r = ring_of(t);

	for (u32 page = 0; page < 4; page++)
		write_page(&r.l, page);
	expect_eq(collect(&r), 0, "page in the first entry");
	expect_eq(collect(&r), 1, "page in the second entry");
	reset(&r, 2);
	write_page(&r.l, 2);		/* writable still: no entry */
	write_page(&r.l, 1);
	expect_pages(&r, "not collected at first, and one that was written again", 2, 3, 1);
}
CASES(partly,
	ON_EACH_MMU("partly",
		    "two of four entries are given back: the others stay, and stay writable"))

static void full(const struct test *t)
{
	struct ring r = ring_of(t);
	u32 page;
	int nr = 0;

	for (page = 0; page < PAGES; page++) {
		expect_ok(__guest_access(r.l.vcpu, r.l.slot->gpa + page * SZ_4K, ACCESS_WRITE, 1),
			  "KVM_RUN, a write to page %u", page);
		if (r.l.vcpu->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL)
			break;
	}
	expect_true(page > 64 && page < PAGES, "KVM_EXIT_DIRTY_RING_FULL of %d entries came before the write to page %u",
		    ENTRIES, page);
	expect_ok(__guest_access(r.l.vcpu, r.l.slot->gpa, ACCESS_WRITE, 1), "KVM_RUN");
	expect_eq(r.l.vcpu->run->exit_reason, KVM_EXIT_DIRTY_RING_FULL,
		  "exit while the ring is full, once more");
	while (collect(&r) == nr)
		nr++;
	/* The last write has made its entry, and is still to be executed. */
	expect_eq(nr, page + 1, "entries of a full ring, in the order of the writes");
	reset(&r, nr);
	write_page(&r.l, page);
	write_page(&r.l, 0);
	expect_pages(&r, "after the full ring was given back", page, 0);
}
CASES(full,
	ON_EACH_MMU("full",
		    "a ring that is almost full: an exit, until entries are given back"))

CASE(refused, "wrong sizes of a ring, a ring at the wrong time, and a log beside it",
	.vm_types = VM_ANY, NEEDS_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL))
{
	static const struct { u64 size; int error; } wrong[] = {
		{ 0, EINVAL }, { SZ_4K - 16, EINVAL }, { 3 * SZ_4K, EINVAL }, { 2048, EINVAL },
		{ 64 * RING_BYTES * 16, E2BIG },
	};
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL };
	struct vm *vm = vm_create(t->vm_type);
	struct ring r;
	u64 bitmap[PAGES / 64];

	expect_errno(ioctl(vm->fd, KVM_RESET_DIRTY_RINGS), EINVAL, "KVM_RESET_DIRTY_RINGS without a ring");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cap.args[0] = wrong[i].size;
		expect_errno(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), wrong[i].error,
			     "KVM_ENABLE_CAP of a ring of %llu bytes", wrong[i].size);
	}
	vcpu_create(vm);
	cap.args[0] = RING_BYTES;
	expect_errno(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL, "KVM_ENABLE_CAP with a vCPU");
	r = ring_of(t);
	expect_errno(__vm_ioctl(r.l.vm, KVM_ENABLE_CAP, &cap), EINVAL, "KVM_ENABLE_CAP of a second ring");
	expect_errno(__log_get(&r.l, bitmap), ENXIO, "KVM_GET_DIRTY_LOG beside a ring");
	expect_errno(__log_clear(&r.l, 0, 64, bitmap), ENXIO, "KVM_CLEAR_DIRTY_LOG beside a ring");
	expect_true(mmap(NULL, RING_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, r.l.vcpu->fd,
			 KVM_DIRTY_LOG_PAGE_OFFSET * SZ_4K) == MAP_FAILED,
		    "a ring cannot be mapped for execution");
}

TEST_MAIN("the dirty ring")
