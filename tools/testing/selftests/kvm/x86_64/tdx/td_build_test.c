// SPDX-License-Identifier: GPL-2.0-only
/*
 * The initial memory of a TD: each page is in three places the same, in what
 * KVM recorded (mirror SPTE), in what the TDX module holds (Secure EPT), and in
 * what guest_memfd handed out; and the measurement is that of the ioctls.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"

#define MEASURE	KVM_TDX_MEASURE_MEMORY_REGION

/* A TD without a slot yet, observed and measured. */
struct build {
	struct fixture td;
	struct mrtd *mrtd;
};

static struct build build(const struct test *t)
{
	return (struct build){ .td = td_fixture(t, 0), .mrtd = mrtd_new() };
}

/* Add pages, and to our own account of the measurement, too. */
static void add(struct build *b, const u8 *data, u64 gpa, u64 nr_pages,
		u32 flags)
{
	td_add(b->td.vcpu, data, gpa, nr_pages, flags);
	mrtd_add_pages(b->mrtd, gpa, data, nr_pages, flags & MEASURE);
}

/* --- the cases --------------------------------------------------------------------------- */

struct pages {
	u64 gpa, nr;
	u32 flags;
	unsigned int sept_pages;	/* tables below the root for it */
};

static void add_pages(const struct test *t)
{
	const struct pages *p = t->tc->arg;
	u64 slot_gpa = p->gpa & ~(SZ_2M - 1);
	struct build b = build(t);
	u8 *data = td_source(p->nr, t->seed);
	double start;

	td_slot_add(b.td.vm, slot_gpa, (p->gpa - slot_gpa + p->nr * SZ_4K + SZ_2M - 1) & ~(SZ_2M - 1));
	start = now();
	add(&b, data, p->gpa, p->nr, p->flags);
	measure("pages", p->nr);
	measure("seconds_a_page", (now() - start) / p->nr);

	expect_td_mapped(&b.td, p->gpa, p->nr, SEPT_MAPPED);
	expect_eq(tables_linked(b.td.o), p->sept_pages, "tables of gpa 0x%llx, %llu pages",
		  p->gpa, p->nr);
	expect_seamcalls_of(b.td.o, TDH_MEM_SEPT_ADD, p->sept_pages, "TDH.MEM.SEPT.ADDs");
	td_finalize(b.td.vm);
	expect_mrtd(b.mrtd);
}

static const struct pages
	one = { GPA, 1, 0, 3 },
	one_measured = { GPA, 1, MEASURE, 3 },
	many = { GPA, 256, 0, 3 },
	many_measured = { GPA, 32, MEASURE, 3 },
	across_4k = { GPA + 7 * SZ_4K, 2, MEASURE, 3 },
	across_2m = { GPA + SZ_2M - SZ_4K, 2, MEASURE, 4 },
	across_1g = { GPA + SZ_1G - SZ_4K, 2, MEASURE, 5 },
	across_512g = { 512 * SZ_1G - SZ_4K, 2, MEASURE, 6 },
	lowest = { 0, 1, MEASURE, 3 },
	highest = { TD_SHARED_BIT - SZ_4K, 1, MEASURE, 3 };

/* mirror SPTE = SEPT = guest_memfd, for pages added and for pages faulted in. */
static void same_pfn(const struct test *t)
{
	struct build b = build(t);

	td_slot_add(b.td.vm, GPA, SZ_2M);
	add(&b, td_source(4, t->seed), GPA, 4, 0);
	td_finalize(b.td.vm);
	prefault(b.td.vcpu, GPA + 8 * SZ_4K, 4 * SZ_4K);
	for (int i = 8; i < 12; i++)
		expect_mapped(b.td.o, GFN + i, LEVEL_4K, gmem_pfn(b.td.o, GFN + i));
	expect_td_mapped(&b.td, GPA, 4, SEPT_MAPPED);
	expect_td_mapped(&b.td, GPA + 8 * SZ_4K, 4, SEPT_PENDING);
	measure("pages", 8);
}

/* No page at all: the hash of nothing. */
static void mrtd_of_nothing(const struct test *t)
{
	static const char empty[] =	/* SHA-384 of the empty string, FIPS 180-4 */
		"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
		"274edebfe76f65fbd51ad2f14898b95b";
	struct build b = build(t);
	char *ours = mrtd_finish(b.mrtd);

	td_finalize(b.td.vm);
	expect_mrtd_hex(empty);
	if (strcmp(ours, empty))
		test_failed(__FILE__, __LINE__, "our own MRTD without pages", empty, ours);
}

/* One unmeasured zero page at gpa 0: by hand, sha384("MEM.PAGE.ADD" and 116 zeroes). */
static void mrtd_of_one_page(const struct test *t)
{
	static const char expected[] = 
		"8f3e9a8aca6784eab874f7aa4dda5d49104a88047f1f86695ef2a88f5691a90e"
		"34aac48ce45ffa1f5a23c7d62980d570";
	struct build b = build(t);

	td_slot_add(b.td.vm, 0, SZ_2M);
	add(&b, td_source(1, t->seed), 0, 1, 0);
	td_finalize(b.td.vm);
	expect_mrtd_hex(expected);
	expect_mrtd(b.mrtd);
}

/* The order counts, and so does what is measured. */
static void mrtd_order(const struct test *t)
{
	struct build b = build(t);
	u8 *data = td_source(6, t->seed);

	td_slot_add(b.td.vm, GPA, SZ_2M);
	add(&b, data + 3 * SZ_4K, GPA + 9 * SZ_4K, 1, MEASURE);
	add(&b, data, GPA, 2, 0);
	add(&b, data + 2 * SZ_4K, GPA + 2 * SZ_4K, 1, MEASURE);
	add(&b, data + 4 * SZ_4K, GPA + 5 * SZ_4K, 2, MEASURE);
	td_finalize(b.td.vm);
	expect_mrtd(b.mrtd);
}

/* After finalize, a hole: out of the mirror and out of the SEPT. */
static void punched(const struct test *t)
{
	struct build b = build(t);
	struct slot *slot = td_slot_add(b.td.vm, GPA, SZ_2M);

	add(&b, td_source(4, t->seed), GPA, 4, 0);
	td_finalize(b.td.vm);
	prefault(b.td.vcpu, GPA + 4 * SZ_4K, 4 * SZ_4K);
	mem_punch_hole(slot->gmem, 2 * SZ_4K, 4 * SZ_4K);

	expect_td_mapped(&b.td, GPA, 2, SEPT_MAPPED);
	expect_td_unmapped(&b.td, GPA + 2 * SZ_4K, 4);
	expect_td_mapped(&b.td, GPA + 6 * SZ_4K, 2, SEPT_PENDING);
}

/* --- the module is busy, or has no entropy ---------------------------------------------------- */

/* BUSY while pages are added: KVM asks again, nobody notices. */
static void busy_add(const struct test *t)
{
	struct build b = build(t);

	if ((uintptr_t)t->tc->arg == TDH_MEM_PAGE_ADD && kernel_has_function("kvm_tdp_map_page"))
		test_skip("needs a kernel that asks a busy module again, 6.19 or later; td_error_test:page_add_busy tells what this one does");
	td_slot_add(b.td.vm, GPA, SZ_2M);
	softtdx_inject((uintptr_t)t->tc->arg, "TDX_OPERAND_BUSY|1", 3);
	add(&b, td_source(2, t->seed), GPA, 2, 0);
	expect_eq(softtdx_injected(), 3, "calls that found the module busy");
	expect_td_mapped(&b.td, GPA, 2, SEPT_MAPPED);
	td_finalize(b.td.vm);
	expect_mrtd(b.mrtd);
	measure("retries", 3);
}

static void busy_aug(const struct test *t)
{
	struct build b = build(t);

	td_slot_add(b.td.vm, GPA, SZ_2M);
	td_finalize(b.td.vm);
	softtdx_inject(TDH_MEM_PAGE_AUG, "TDX_OPERAND_BUSY|1", 3);
	prefault(b.td.vcpu, GPA, SZ_4K);
	expect_eq(softtdx_injected(), 3, "calls that found the module busy");
	expect_eq(observer_retries(b.td.o), 3, "RET_PF_RETRYs of gfn 0x%llx", GFN);
	expect_td_mapped(&b.td, GPA, 1, SEPT_PENDING);
	measure("retries", 3);
}

/* BUSY once while a page is removed: KVM kicks the vCPUs and asks once more. */
static void busy_remove(const struct test *t)
{
	struct build b = build(t);
	struct slot *slot = td_slot_add(b.td.vm, GPA, SZ_2M);

	td_finalize(b.td.vm);
	prefault(b.td.vcpu, GPA, 2 * SZ_4K);
	softtdx_inject((uintptr_t)t->tc->arg, "TDX_OPERAND_BUSY|1", 1);
	mem_punch_hole(slot->gmem, 0, SZ_4K);
	expect_eq(softtdx_injected(), 1, "calls that found the module busy");
	expect_not_mapped(b.td.o, GFN);
	prefault(b.td.vcpu, GPA, SZ_4K);		/* the TD lives */
	expect_td_mapped(&b.td, GPA, 2, SEPT_PENDING);
}

static void busy_finalize(const struct test *t)
{
	struct build b = build(t);
	u64 hw_error;

	softtdx_inject(TDH_MR_FINALIZE, "TDX_OPERAND_BUSY|0x90", 1);
	expect_errno(__td_finalize(b.td.vm, &hw_error), EBUSY, "KVM_TDX_FINALIZE_VM, the module is busy");
	expect_eq(hw_error, 0x8000020000000090, "hw_error");
	expect_ok(__td_finalize(b.td.vm, &hw_error), "KVM_TDX_FINALIZE_VM again");
}

/* No entropy: KVM asks ten times, then it is EAGAIN. */
static void no_entropy(const struct test *t)
{
	struct vm *vm = td_vm();

	(void)t;
	softtdx_inject(TDH_MNG_CREATE, "TDX_RND_NO_ENTROPY", 3);
	expect_ok(__td_init(vm, td_params(vm), NULL), "KVM_TDX_INIT_VM, no entropy 3 times");
	expect_eq(softtdx_injected(), 3, "calls without entropy");
}

static void no_entropy_at_all(const struct test *t)
{
	struct vm *vm = td_vm();

	(void)t;
	softtdx_inject(TDH_MNG_CREATE, "TDX_RND_NO_ENTROPY", 100);
	expect_errno(__td_init(vm, td_params(vm), NULL), EAGAIN, "KVM_TDX_INIT_VM without entropy");
	expect_eq(softtdx_injected(), 10, "calls without entropy");
}

#define SEEN	.vm_types = VM_TDX, .uses_sept = true, .uses_softtdx = true, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL)
#define MRTD	.vm_types = VM_TDX, .needs_softtdx = true, \
		.observes = OBSERVE_MAPPING
#define OURS	.vm_types = VM_TDX, .needs_softtdx = true, .needs_sept = true, \
		.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN)
#define LEAF(l)	(void *)(uintptr_t)(l)

static const struct test_case cases[] = {
	{ "one_page", "one page, not measured", add_pages, &one, SEEN },
	{ "one_page_measured", "one page, measured", add_pages, &one_measured, SEEN },
	{ "many_pages", "256 pages, not measured", add_pages, &many, SEEN },
	{ "many_pages_measured", "32 pages, measured", add_pages, &many_measured, SEEN },
	{ "across_4k", "two pages in the middle of a table", add_pages, &across_4k, SEEN },
	{ "across_2m", "two pages on both sides of 2M: one more table", add_pages, &across_2m,
	  SEEN },
	{ "across_1g", "two pages on both sides of 1G: two more tables", add_pages, &across_1g,
	  SEEN },
	{ "across_512g", "two pages on both sides of 512G: three more tables", add_pages,
	  &across_512g, SEEN },
	{ "lowest_gpa", "the page at gpa 0", add_pages, &lowest, SEEN },
	{ "highest_gpa", "the last page below the shared bit", add_pages, &highest, SEEN },
	{ "same_pfn", "mirror, SEPT and guest_memfd name the same page", same_pfn, SEEN },
	{ "punched", "a hole is out of the mirror and the SEPT", punched, SEEN },

	{ "mrtd_of_nothing", "the measurement of a TD without pages", mrtd_of_nothing, MRTD },
	{ "mrtd_of_one_page", "the measurement of one page, by hand", mrtd_of_one_page, MRTD },
	{ "mrtd_order", "the measurement follows the order of the calls", mrtd_order, SEEN },

	{ "busy_page_add", "TDH.MEM.PAGE.ADD busy: retried inside the ioctl", busy_add,
	  LEAF(TDH_MEM_PAGE_ADD), OURS },
	{ "busy_sept_add", "TDH.MEM.SEPT.ADD busy: retried inside the ioctl", busy_add,
	  LEAF(TDH_MEM_SEPT_ADD), OURS },
	{ "busy_page_aug", "TDH.MEM.PAGE.AUG busy: one RET_PF_RETRY each", busy_aug, OURS,
	  .fixes = "KVM: TDX: Retry in TDX when installing TD private/sept pages (6.16)" },
	{ "busy_range_block", "TDH.MEM.RANGE.BLOCK busy once: repeated", busy_remove,
	  LEAF(TDH_MEM_RANGE_BLOCK), OURS },
	{ "busy_track", "TDH.MEM.TRACK busy once: repeated", busy_remove, LEAF(TDH_MEM_TRACK),
	  OURS },
	{ "busy_page_remove", "TDH.MEM.PAGE.REMOVE busy once: repeated", busy_remove,
	  LEAF(TDH_MEM_PAGE_REMOVE), OURS },
	{ "busy_finalize", "TDH.MR.FINALIZE busy: EBUSY, then it works", busy_finalize, OURS },
	{ "no_entropy", "TDH.MNG.CREATE without entropy, 3 times: repeated", no_entropy, OURS },
	{ "no_entropy_at_all", "TDH.MNG.CREATE without entropy: EAGAIN after 10 times",
	  no_entropy_at_all, OURS },
};

TEST_MAIN("the initial memory of a TD: mirror, Secure EPT, measurement", cases)
