// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a TD between private and shared (KVM_SET_MEMORY_ATTRIBUTES).  A gfn is
 * in one tree at most: what becomes shared leaves the Secure EPT, with its content,
 * and what becomes private leaves the shared tree; what is so already, and what is
 * beside the range, stays mapped (kvm_arch_pre_set_memory_attributes() in
 * arch/x86/kvm/mmu/mmu.c).
 *
 * A mapping in the shared tree shows as the host's page in KVM's SPTE and nothing in
 * the Secure EPT.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attr_change.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"
#include "window.h"

#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define SLOT_SIZE	(2 * SZ_2M)
#define SLOT_END	(GPA + SLOT_SIZE)
#define ELSEWHERE	(GPA + 2 * SZ_1G)	/* no slot there */

static u8 *shared_hva(const struct fixture *td, u64 gpa)
{
	return td->slot->mem->hva + (gpa - td->slot->gpa);
}

/* Prefaulted, the page is where its attribute says. */
static void expect_shared(struct fixture *td, u64 gpa)
{
	mem_touch(shared_hva(td, gpa), SZ_4K);
	prefault(td->vcpu, gpa, SZ_4K);
	expect_mapped(td->o, gpa >> 12, LEVEL_4K, pfn_of(shared_hva(td, gpa)));
	expect_sept_free(td->vm, gpa);
}

static void expect_private(struct fixture *td, u64 gpa)
{
	prefault(td->vcpu, gpa, SZ_4K);
	expect_td_mapped(td, gpa, 1, SEPT_PENDING);
}

/* --- ranges there and back ---------------------------------------------------------------- */

struct range {
	u64 gpa, size;
};

/* Pages of the slot to look at: the first and last of the range and their neighbours. */
#define MAX_PROBES	5

static int probes_of(const struct range *r, u64 *probe)
{
	u64 end = r->gpa + r->size;
	u64 first = r->gpa > GPA ? r->gpa : GPA;
	u64 last = (end < SLOT_END ? end : SLOT_END) - SZ_4K;
	int nr = 0;

	if (first > GPA)
		probe[nr++] = first - SZ_4K;
	probe[nr++] = first;
	if (last > first + SZ_4K)
		probe[nr++] = first + ((last - first) / 2 & ~(SZ_4K - 1));
	if (last > first)
		probe[nr++] = last;
	if (last + SZ_4K < SLOT_END)
		probe[nr++] = last + SZ_4K;
	return nr;
}

static bool inside(const struct range *r, u64 gpa)
{
	return gpa >= r->gpa && gpa < r->gpa + r->size;
}

/* After a change of the range, nothing in it is mapped, and beside it all is as before. */
static void expect_only_inside_unmapped(struct fixture *td, const struct range *r,
					const u64 *probe, const u64 *pfn, int nr)
{
	for (int i = 0; i < nr; i++) {
		if (inside(r, probe[i])) {
			expect_td_unmapped(td, probe[i], 1);
		} else {
			expect_mapped(td->o, probe[i] >> 12, LEVEL_4K, pfn[i]);
			expect_sept(td->vm, probe[i], LEVEL_4K, SEPT_PENDING, pfn[i]);
		}
	}
}

static void there_and_back(const struct test *t)
{
	const struct range *r = t->tc->arg;
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	u64 probe[MAX_PROBES], pfn[MAX_PROBES];
	int nr = probes_of(r, probe);

	for (int i = 0; i < nr; i++) {
		expect_private(&td, probe[i]);
		pfn[i] = observer_mapping(td.o, probe[i] >> 12).pfn;
	}
	vm_set_shared(td.vm, r->gpa, r->size);
	expect_only_inside_unmapped(&td, r, probe, pfn, nr);
	for (int i = 0; i < nr; i++)
		if (inside(r, probe[i]))
			expect_shared(&td, probe[i]);

	vm_set_private(td.vm, r->gpa, r->size);
	expect_only_inside_unmapped(&td, r, probe, pfn, nr);
	for (int i = 0; i < nr; i++) {
		expect_private(&td, probe[i]);
		/* guest_memfd kept the page: nobody punched it out. */
		expect_mapped(td.o, probe[i] >> 12, LEVEL_4K, pfn[i]);
	}
	measure("pages", r->size / SZ_4K);
}

static const struct range
	one_page = { GPA + 5 * SZ_4K, SZ_4K },
	first_page = { GPA, SZ_4K },
	last_page = { SLOT_END - SZ_4K, SZ_4K },
	three_pages = { GPA + 9 * SZ_4K, 3 * SZ_4K },
	across_2m = { GPA + SZ_2M - SZ_4K, 2 * SZ_4K },
	first_2m = { GPA, SZ_2M },
	second_2m = { GPA + SZ_2M, SZ_2M },
	odd_2m = { GPA + 7 * SZ_4K, SZ_2M },
	but_one_page = { GPA + SZ_4K, SLOT_SIZE - SZ_4K },
	whole_slot = { GPA, SLOT_SIZE },
	from_below = { GPA - SZ_2M, SZ_2M + 3 * SZ_4K },
	to_above = { SLOT_END - 3 * SZ_4K, SZ_2M },
	around = { GPA - SZ_2M, SLOT_SIZE + 2 * SZ_2M },
	mib_32 = { GPA, 16 * SZ_2M },
	one_gib = { GPA, SZ_1G },
	odd_gib = { GPA - SZ_1G + 11 * SZ_4K, SZ_1G };

/* --- what stays ------------------------------------------------------------------------------ */

/* What is private already keeps its page, and its content, in the Secure EPT. */
static void keeps_private(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	u64 pfn;

	vm_set_shared(td.vm, GPA + SZ_4K, SZ_4K);
	expect_shared(&td, GPA + SZ_4K);
	expect_private(&td, GPA);
	pfn = observer_mapping(td.o, GFN).pfn;
	observer_clear(td.o);
	vm_set_private(td.vm, GPA, SZ_2M);
	expect_td_unmapped(&td, GPA + SZ_4K, 1);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn);
	expect_sept(td.vm, GPA, LEVEL_4K, SEPT_PENDING, pfn);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 1, "SPTEs that changed");
}

static void keeps_shared(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	vm_set_shared(td.vm, GPA + SZ_4K, SZ_4K);
	expect_shared(&td, GPA + SZ_4K);
	expect_private(&td, GPA);
	observer_clear(td.o);
	vm_set_shared(td.vm, GPA, SZ_2M);
	expect_td_unmapped(&td, GPA, 1);
	expect_mapped(td.o, GFN + 1, LEVEL_4K, pfn_of(shared_hva(&td, GPA + SZ_4K)));
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 1, "SPTEs that changed");
}

/* A change to what is so already does nothing at all. */
static void no_change(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	expect_private(&td, GPA);
	observer_clear(td.o);
	vm_set_private(td.vm, GPA, SLOT_SIZE);
	vm_set_shared(td.vm, ELSEWHERE, SLOT_SIZE);
	expect_eq(observer_count(td.o, EV_ATTR_START, RET_ANY), 0, "changes that KVM began");
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

/* Gfns without a slot, and gfns with the shared bit, are other gfns. */
static void elsewhere(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	expect_private(&td, GPA);
	observer_clear(td.o);
	vm_set_private(td.vm, ELSEWHERE, SLOT_SIZE);
	vm_set_private(td.vm, GPA | TD_SHARED_BIT, SLOT_SIZE);
	vm_set_shared(td.vm, GPA | TD_SHARED_BIT, SLOT_SIZE);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_private(&td, GPA + SZ_4K);
}

/* Attributes are of the VM, not of a slot: set before it, and there after it. */
static void outlive_slots(const struct test *t)
{
	struct fixture td = td_fixture(t, 0);

	vm_set_private(td.vm, GPA, SZ_4K);
	td.slot = slot_add_gmem(td.vm, GPA, mem_create(MEM_ANON, SZ_2M, NULL),
				mem_create(MEM_GMEM, SZ_2M, td.vm));
	td_finalize(td.vm);
	expect_private(&td, GPA);
	expect_shared(&td, GPA + SZ_4K);
	slot_delete(td.slot);
	expect_td_unmapped(&td, GPA, 2);
	expect_ok(__slot_set(td.slot), "the slot again");
	expect_private(&td, GPA);
	expect_shared(&td, GPA + SZ_4K);
}

static void refused(const struct test *t)
{
	static const struct kvm_memory_attributes bad[] = {
		{ .address = GPA, .size = 0 },
		{ .address = GPA + 8, .size = SZ_4K },
		{ .address = GPA, .size = SZ_4K + 8 },
		{ .address = GPA, .size = -SZ_4K },
		{ .address = -SZ_4K, .size = SZ_4K },
		{ .address = GPA, .size = SZ_4K, .attributes = PRIVATE | 1 },
		{ .address = GPA, .size = SZ_4K, .attributes = 1 << 1 },
		{ .address = GPA, .size = SZ_4K, .flags = 1 },
	};
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	expect_private(&td, GPA);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kvm_memory_attributes attr = bad[i];

		expect_errno(__vm_ioctl(td.vm, KVM_SET_MEMORY_ATTRIBUTES, &attr), EINVAL,
			     "address 0x%llx, size 0x%llx, attributes 0x%llx, flags 0x%llx",
			     attr.address, attr.size, attr.attributes, attr.flags);
	}
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_private(&td, GPA + SZ_4K);
}

/* --- mixed ------------------------------------------------------------------------------------ */

/* Each third page of many is shared, one by one: all in their trees, at 4K. */
static void each_third(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	unsigned int pages = 96;

	prefault(td.vcpu, GPA, pages * SZ_4K);
	mem_touch(td.slot->mem->hva, pages * SZ_4K);
	for (unsigned int i = 0; i < pages; i += 3)
		vm_set_shared(td.vm, GPA + i * SZ_4K, SZ_4K);
	prefault(td.vcpu, GPA, pages * SZ_4K);
	for (unsigned int i = 0; i < pages; i++) {
		u64 gpa = GPA + i * SZ_4K;

		expect_mapped(td.o, gpa >> 12, LEVEL_4K,
			      i % 3 ? PFN_ANY : pfn_of(shared_hva(&td, gpa)));
	}
	expect_sept_free(td.vm, GPA);
	expect_td_mapped(&td, GPA + SZ_4K, 2, SEPT_PENDING);
	expect_sept_free(td.vm, GPA + 93 * SZ_4K);
	expect_td_mapped(&td, GPA + 94 * SZ_4K, 2, SEPT_PENDING);
	measure("pages", pages);
}

/*
 * One private page in 2M of shared memory: the huge mapping goes, what is shared is
 * mapped at 4K beside it; when all is shared again, at 2M.
 */
static void one_private_in_2m(const struct test *t)
{
	u64 page = GPA + (uintptr_t)t->tc->arg * SZ_4K;
	u64 other = page == GPA ? GPA + SZ_4K : GPA;
	struct fixture td = td_fixture(t, 0);
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);

	td.slot = slot_add_gmem(td.vm, GPA, mem, mem_create(MEM_GMEM, SZ_2M, td.vm));
	td_finalize(td.vm);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_mapped(td.o, GFN, LEVEL_2M, pfn_of(mem->hva));

	vm_set_private(td.vm, page, SZ_4K);
	expect_not_mapped(td.o, other >> 12);
	expect_not_mapped(td.o, page >> 12);
	expect_shared(&td, other);
	expect_private(&td, page);

	vm_set_shared(td.vm, page, SZ_4K);
	expect_sept_free(td.vm, page);
	prefault(td.vcpu, page, SZ_4K);
	expect_mapped(td.o, page >> 12, LEVEL_2M, pfn_of(shared_hva(&td, page)));
}

/* --- content ------------------------------------------------------------------------------------ */

/* What a private page had does not come back, and the host's page never gets in. */
static void content_is_fresh(const struct test *t)
{
	struct fixture td = td_fixture(t, SLOT_SIZE);
	u8 *source = td_source(2, t->seed);

	td_add(td.vcpu, source, GPA, 2, 0);
	td_finalize(td.vm);
	expect_td_content(td.vm, GPA, source, "the page as it was added");
	vm_set_shared(td.vm, GPA, SZ_4K);
	expect_shared(&td, GPA);
	vm_set_private(td.vm, GPA, SZ_4K);
	expect_private(&td, GPA);
	expect_td_content(td.vm, GPA, NULL, "the page after its conversion");
	expect_sept(td.vm, GPA + SZ_4K, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
	expect_td_content(td.vm, GPA + SZ_4K, source + SZ_4K, "the page beside it");
}

/* ... and with the page punched out meanwhile, as user space does to save memory. */
static void punched_meanwhile(const struct test *t)
{
	struct fixture td = td_fixture(t, SLOT_SIZE);

	td_add(td.vcpu, td_source(2, t->seed), GPA, 2, 0);
	td_finalize(td.vm);
	vm_set_shared(td.vm, GPA, SZ_4K);
	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	expect_shared(&td, GPA);
	vm_set_private(td.vm, GPA, SZ_4K);
	expect_td_unmapped(&td, GPA, 1);
	expect_private(&td, GPA);
	expect_td_content(td.vm, GPA, NULL, "the new page");
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_MAPPED);
}

/* A hole in guest_memfd under shared memory is nobody's business. */
static void hole_under_shared(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	vm_set_shared(td.vm, GPA, SZ_4K);
	expect_shared(&td, GPA);
	observer_clear(td.o);
	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(shared_hva(&td, GPA)));
}

/* ... and the shared page may go while the gfn is private. */
static void shared_page_dropped(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	mem_touch(shared_hva(&td, GPA), SZ_4K);
	expect_private(&td, GPA);
	observer_clear(td.o);
	must(!madvise(shared_hva(&td, GPA), SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

/* --- what it costs ------------------------------------------------------------------------------- */

/* Each page that becomes shared is blocked and removed once; one that becomes private, not. */
static void one_removal_each(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);

	prefault(td.vcpu, GPA, 8 * SZ_4K);
	observer_clear(td.o);
	vm_set_shared(td.vm, GPA + 2 * SZ_4K, SZ_2M);
	expect_eq(observer_count(td.o, EV_SPTE, RET_ANY), 6, "SPTEs that changed");
	expect_seamcalls_of(td.o, TDH_MEM_RANGE_BLOCK, 6, "calls of TDH.MEM.RANGE.BLOCK");
	expect_seamcalls_of(td.o, TDH_MEM_PAGE_REMOVE, 6, "calls of TDH.MEM.PAGE.REMOVE");
	expect_shared(&td, GPA + 2 * SZ_4K);
	vm_set_private(td.vm, GPA, SZ_2M);
	expect_seamcalls_of(td.o, TDH_MEM_RANGE_BLOCK, 6, "calls of TDH.MEM.RANGE.BLOCK");
	expect_seamcalls_of(td.o, TDH_MEM_PAGE_REMOVE, 6, "calls of TDH.MEM.PAGE.REMOVE");
	expect_td_mapped(&td, GPA, 2, SEPT_PENDING);
}

/* --- while something else runs ---------------------------------------------------------------------- */

/* Another page becomes private while KVM gets a shared one: it looks again, once. */
static void window_other_page(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct window *w;

	vm_set_shared(td.vm, GPA, SLOT_SIZE);
	w = window_create(td.vcpu, td.slot->mem->hva, SZ_4K);
	window_open(w, GPA, SZ_4K);
	vm_set_private(td.vm, GPA + SZ_4K, SZ_4K);
	expect_ok(window_close(w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", GPA);
	expect_eq(observer_retries(td.o), 1, "RET_PF_RETRYs of gfn 0x%llx", GFN);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(td.slot->mem->hva));
	expect_private(&td, GPA + SZ_4K);
}

/* There and back while KVM gets the page: it is shared again, and mapped so. */
static void window_there_and_back(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct window *w;

	vm_set_shared(td.vm, GPA, SLOT_SIZE);
	w = window_create(td.vcpu, td.slot->mem->hva, SZ_4K);
	window_open(w, GPA, SZ_4K);
	vm_set_private(td.vm, GPA, SZ_4K);
	vm_set_shared(td.vm, GPA, SZ_4K);
	expect_ok(window_close(w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", GPA);
	expect_eq(observer_retries(td.o), 1, "RET_PF_RETRYs of gfn 0x%llx", GFN);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(td.slot->mem->hva));
	expect_sept_free(td.vm, GPA);
}

#define LONG_CHANGE	(SZ_4K << 16)	/* takes a while */

/* Is GFN mapped before the attributes have changed? */
static bool mapped_inside(struct fixture *td)
{
	const struct event *ev;
	size_t nr;

	ev = observer_events(td->o, &nr);
	for (size_t i = 0; i < nr && ev[i].type != EV_ATTR_END; i++)
		if (ev[i].type == EV_SPTE && ev[i].gfn == GFN && ev[i].level == LEVEL_4K)
			return true;
	return false;
}

/* A private page of the range is not mapped before the change is over. */
static void prefault_in_change(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct attr_change *change;

	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	change = attr_change_begin(td.vm, GPA, 2 * SLOT_SIZE);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");
	expect_true(!mapped_inside(&td), "gfn 0x%llx is mapped after the change, not in it", GFN);
	expect_true(observer_retries(td.o) > 0, "the prefault was tried again");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	measure("retries", observer_retries(td.o));
}

/* A page of another slot is not held up. */
static void prefault_beside_change(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct attr_change *change;

	td_slot_add(td.vm, ELSEWHERE, SZ_2M);
	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	change = attr_change_begin(td.vm, ELSEWHERE, LONG_CHANGE);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");
	expect_true(mapped_inside(&td), "gfn 0x%llx is mapped before the change is over", GFN);
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

struct flips {
	struct fixture *td;
	unsigned int nr;
};

#define FLIPPED	4

static int flip(void *arg)
{
	struct flips *f = arg;

	for (unsigned int i = 0; i < f->nr; i++)
		if (__vm_set_attributes(f->td->vm, GPA, FLIPPED * SZ_4K, i % 2 ? PRIVATE : 0))
			return -1;
	return 0;
}

/*
 * Conversions as fast as they go, beside prefaults as fast as they go: a prefault
 * works or meets the other attribute, and in the end all is where it belongs.
 */
static void many_flips(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct flips flips = { &td, 60 };
	unsigned int attempts = 0, refused = 0;
	struct thread *thread;

	mem_touch(td.slot->mem->hva, FLIPPED * SZ_4K);
	thread = thread_start(flip, &flips);
	do {
		struct kvm_pre_fault_memory range = { .gpa = GPA, .size = FLIPPED * SZ_4K };
		int ret = __vcpu_prefault(td.vcpu, &range);

		attempts++;
		if (ret) {
			expect_errno(ret, EFAULT, "a prefault that meets a conversion");
			refused++;
		}
	} while (!thread_ended(thread, 0));
	expect_ok(thread_join(thread, "the conversions"), "KVM_SET_MEMORY_ATTRIBUTES");
	for (unsigned int i = 0; i < FLIPPED; i++)
		expect_private(&td, GPA + i * SZ_4K);
	vm_set_shared(td.vm, GPA, FLIPPED * SZ_4K);
	for (unsigned int i = 0; i < FLIPPED; i++)
		expect_shared(&td, GPA + i * SZ_4K);
	measure("attempts", attempts);
	measure("refused", refused);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* A long change, with a signal pending before the first gfn of 2^16. */
static void interrupted(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct attr_change *change;
	double start;
	int ret;

	signal(SIGUSR1, on_signal);
	change = attr_change_begin(td.vm, GPA, LONG_CHANGE);
	must(!syscall(SYS_tgkill, getpid(), attr_change_tid(change), SIGUSR1), "tgkill");
	start = now();
	ret = attr_change_end(change);
	measure("seconds_after_signal", now() - start);
	if (!ret)
		xfail("L4", "the change of 2^16 gfns went on for %.0f ms after a signal",
				 (now() - start) * 1e3);
	expect_errno(ret, EINTR, "KVM_SET_MEMORY_ATTRIBUTES after a signal");
	xpass("L4");
}

#define TD	.vm_types = VM_TDX
#define SEEN	TD, .uses_sept = true, .observes = OBSERVE_MAPPING
#define LONG	TD, .uses_sept = true, .nightly = true, .observes = OBSERVE_MAPPING, \
		.time_limit_s = 60
#define INSIDE	TD, .uses_sept = true, .uses_softtdx = true, .observes = OBSERVE_MAPPING
#define WINDOW	TD, .uses_sept = true, .needs_uffd = true, .observes = OBSERVE_MAPPING
#define CHANGE	TD, .uses_sept = true, .needs_hold = true, .cpus = 2, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_ATTR_END)
#define RANGE(r, summary) { #r, summary ", to shared and back", there_and_back, &r, SEEN }

static const struct test_case cases[] = {
	RANGE(one_page, "a page"),
	RANGE(first_page, "the first page of the slot"),
	RANGE(last_page, "the last page of the slot"),
	RANGE(three_pages, "three pages"),
	RANGE(across_2m, "two pages on both sides of 2M"),
	RANGE(first_2m, "the first 2M"),
	RANGE(second_2m, "the second 2M"),
	RANGE(odd_2m, "2M that are not aligned"),
	RANGE(but_one_page, "all pages but one"),
	RANGE(whole_slot, "the slot"),
	RANGE(from_below, "a range that begins before the slot"),
	RANGE(to_above, "a range that ends after the slot"),
	RANGE(around, "a range around the slot"),
	RANGE(mib_32, "32M that begin with the slot"),
	{ "one_gib", "1G that begins with the slot, to shared and back", there_and_back, &one_gib,
	  LONG },
	{ "odd_gib", "1G that is not aligned, and ends in the slot, to shared and back",
	  there_and_back, &odd_gib, LONG },

	{ "keeps_private", "private pages of a range that becomes private stay", keeps_private, SEEN },
	{ "keeps_shared", "shared pages of a range that becomes shared stay", keeps_shared, SEEN },
	{ "no_change", "a change to what is so already does nothing", no_change, TD,
	  .uses_sept = true, .observes = OBSERVE_MAPPING | OBSERVE(EV_ATTR_START) },
	{ "other_gfns", "gfns without slot, or with the shared bit, are other gfns", elsewhere, SEEN },
	{ "outlive_slots", "attributes are there before the slot, and after it", outlive_slots, SEEN },
	{ "refused", "size, alignment, wrap, attribute, flag: EINVAL, nothing changes", refused, SEEN },
	{ "each_third", "each third page is shared: each in its tree", each_third, SEEN },
	{ "first_private_in_2m", "the first page of a shared 2M becomes private",
	  one_private_in_2m, (void *)0, SEEN, .hugepages_2m = 1 },
	{ "one_private_in_2m", "a page amid a shared 2M becomes private", one_private_in_2m,
	  (void *)77, SEEN, .hugepages_2m = 1 },
	{ "last_private_in_2m", "the last page of a shared 2M becomes private",
	  one_private_in_2m, (void *)511, SEEN, .hugepages_2m = 1 },
	{ "content_is_fresh", "a page that was shared meanwhile comes back zeroed",
	  content_is_fresh, INSIDE },
	{ "punched_meanwhile", "... and so does a new one, when it was punched out meanwhile",
	  punched_meanwhile, INSIDE },
	{ "hole_under_shared", "a hole in guest_memfd leaves the shared mapping", hole_under_shared,
	  SEEN },
	{ "shared_page_dropped", "the shared page may go while the gfn is private",
	  shared_page_dropped, SEEN },
	{ "one_removal_each", "one block and one removal for each page that becomes shared", one_removal_each,
	  TD, .uses_sept = true, .observes = OBSERVE_MAPPING | OBSERVE(EV_SEAMCALL) },
	{ "window_other_page", "another page is converted while KVM gets a shared one: one retry",
	  window_other_page, WINDOW },
	{ "window_there_and_back", "the page is converted there and back meanwhile: one retry",
	  window_there_and_back, WINDOW },
	{ "prefault_in_change", "a page whose range is changing is mapped afterwards",
	  prefault_in_change, CHANGE },
	{ "prefault_beside_change", "a page beside the range is mapped meanwhile",
	  prefault_beside_change, CHANGE },
	{ "many_flips", "conversions and prefaults at once", many_flips, SEEN, .cpus = 2 },
	{ "long_change_interrupted", "a signal ends a long change", interrupted, CHANGE },
};

TEST_MAIN("private and shared memory of a TD: conversions", cases)
