// SPDX-License-Identifier: GPL-2.0-only
/*
 * The initial memory of a TD: what KVM recorded (mirror SPTE), what the TDX module holds
 * (Secure EPT) and what guest_memfd handed out are the same page, and the measurement is
 * that of the ioctls.  Pages that are removed before finalize; the cost of many pages.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "init_mem.h"
#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"

/* .arg of add_pages() and many_pages(): struct pages */
#define TD_BUILD								\
	.vm_types = VM_TDX,							\
	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL), \
	.uses_sept = true, .uses_softtdx = true

struct pages {
	u64 gpa, nr;
	u32 flags;
	unsigned int tables;	/* of the Secure EPT, below the root */
};

/* A TD without a slot, observed and measured. */
struct scene {
	struct fixture td;
	struct mrtd *mrtd;
};

static struct scene scene(const struct test *t)
{
	return (struct scene){ .td = td_fixture(t, 0), .mrtd = mrtd_new() };
}

/* Add pages, to the TD and to the expected measurement. */
static void add(struct scene *s, const u8 *data, u64 gpa, u64 nr_pages,
		u32 flags)
{
	td_add(s->td.vcpu, data, gpa, nr_pages, flags);
	mrtd_add_pages(s->mrtd, gpa, data, nr_pages, flags & MEASURE);
}

static void add_pages(const struct test *t)
{
	const struct pages *p = t->tc->arg;
	u64 slot_gpa = p->gpa & ~(SZ_2M - 1);
	struct scene s = scene(t);
	u8 *data = td_source(p->nr, t->seed);
	double start;

	td_slot_add(s.td.vm, slot_gpa, (p->gpa - slot_gpa + p->nr * SZ_4K + SZ_2M - 1) & ~(SZ_2M - 1));
	start = now();
	add(&s, data, p->gpa, p->nr, p->flags);
	measure("pages", p->nr);
	measure("seconds_a_page", (now() - start) / p->nr);

	expect_td_mapped(&s.td, p->gpa, p->nr, SEPT_MAPPED);
	expect_eq(tables_linked(s.td.o), p->tables, "tables of gpa 0x%llx, %llu pages",
		  p->gpa, p->nr);
	expect_seamcalls_of(s.td.o, TDH_MEM_SEPT_ADD, p->tables, "TDH.MEM.SEPT.ADDs");
	td_finalize(s.td.vm);
	expect_mrtd(s.mrtd);
}

CASES(add_pages,
	{ "one_page", "one page, not measured", .arg = &(const struct pages){ GPA, 1, 0, 3 },
	  TD_BUILD },
	{ "one_page_measured", "one page, measured",
	  .arg = &(const struct pages){ GPA, 1, MEASURE, 3 }, TD_BUILD },
	{ "many_pages", "256 pages, not measured", .arg = &(const struct pages){ GPA, 256, 0, 3 },
	  TD_BUILD },
	{ "many_pages_measured", "32 pages, measured",
	  .arg = &(const struct pages){ GPA, 32, MEASURE, 3 }, TD_BUILD },
	{ "across_4k", "two pages in the middle of a table",
	  .arg = &(const struct pages){ GPA + 7 * SZ_4K, 2, MEASURE, 3 }, TD_BUILD },
	{ "across_2m", "two pages on both sides of 2M: one more table",
	  .arg = &(const struct pages){ GPA + SZ_2M - SZ_4K, 2, MEASURE, 4 }, TD_BUILD },
	{ "across_1g", "two pages on both sides of 1G: two more tables",
	  .arg = &(const struct pages){ GPA + SZ_1G - SZ_4K, 2, MEASURE, 5 }, TD_BUILD },
	{ "across_512g", "two pages on both sides of 512G: three more tables",
	  .arg = &(const struct pages){ 512 * SZ_1G - SZ_4K, 2, MEASURE, 6 }, TD_BUILD },
	{ "lowest_gpa", "the page at gpa 0", .arg = &(const struct pages){ 0, 1, MEASURE, 3 },
	  TD_BUILD },
	{ "highest_gpa", "the last page below the shared bit",
	  .arg = &(const struct pages){ TD_SHARED_BIT - SZ_4K, 1, MEASURE, 3 }, TD_BUILD })

/* For pages that are added and for pages that are prefaulted. */
CASE(same_pfn, "mirror, Secure EPT and guest_memfd have the same pfn", TD_BUILD)
{
	struct scene s = scene(t);

	td_slot_add(s.td.vm, GPA, SZ_2M);
	add(&s, td_source(4, t->seed), GPA, 4, 0);
	td_finalize(s.td.vm);
	prefault(s.td.vcpu, GPA + 8 * SZ_4K, 4 * SZ_4K);
	for (int i = 8; i < 12; i++)
		expect_mapped(s.td.o, GFN + i, LEVEL_4K, gmem_pfn(s.td.o, GFN + i));
	expect_td_mapped(&s.td, GPA, 4, SEPT_MAPPED);
	expect_td_mapped(&s.td, GPA + 8 * SZ_4K, 4, SEPT_PENDING);
	measure("pages", 8);
}

CASE(punched, "a hole after finalize: out of the mirror and the Secure EPT", TD_BUILD)
{
	struct scene s = scene(t);
	struct slot *slot = td_slot_add(s.td.vm, GPA, SZ_2M);

	add(&s, td_source(4, t->seed), GPA, 4, 0);
	td_finalize(s.td.vm);
	prefault(s.td.vcpu, GPA + 4 * SZ_4K, 4 * SZ_4K);
	mem_punch_hole(slot->gmem, 2 * SZ_4K, 4 * SZ_4K);

	expect_td_mapped(&s.td, GPA, 2, SEPT_MAPPED);
	expect_td_unmapped(&s.td, GPA + 2 * SZ_4K, 4);
	expect_td_mapped(&s.td, GPA + 6 * SZ_4K, 2, SEPT_PENDING);
}

CASE(mrtd_of_nothing, "the measurement of a TD without pages",
	.vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_softtdx = true)
{
	static const char empty[] =	/* SHA-384 of the empty string, FIPS 180-4 */
		"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b";
	struct scene s = scene(t);
	char *ours = mrtd_finish(s.mrtd);

	td_finalize(s.td.vm);
	expect_mrtd_hex(empty);
	if (strcmp(ours, empty))
		test_failed(__FILE__, __LINE__, "the calculated MRTD without pages", empty, ours);
}

/* One unmeasured zero page at gpa 0: by hand, sha384("MEM.PAGE.ADD" and 116 zeroes). */
CASE(mrtd_of_one_page, "the measurement of one page, by hand",
	.vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_softtdx = true)
{
	static const char expected[] =
		"8f3e9a8aca6784eab874f7aa4dda5d49104a88047f1f86695ef2a88f5691a90e34aac48ce45ffa1f5a23c7d62980d570";
	struct scene s = scene(t);

	td_slot_add(s.td.vm, 0, SZ_2M);
	add(&s, td_source(1, t->seed), 0, 1, 0);
	td_finalize(s.td.vm);
	expect_mrtd_hex(expected);
	expect_mrtd(s.mrtd);
}

CASE(mrtd_order, "the measurement follows the order of the calls", TD_BUILD)
{
	struct scene s = scene(t);
	u8 *data = td_source(6, t->seed);

	td_slot_add(s.td.vm, GPA, SZ_2M);
	add(&s, data + 3 * SZ_4K, GPA + 9 * SZ_4K, 1, MEASURE);
	add(&s, data, GPA, 2, 0);
	add(&s, data + 2 * SZ_4K, GPA + 2 * SZ_4K, 1, MEASURE);
	add(&s, data + 4 * SZ_4K, GPA + 5 * SZ_4K, 2, MEASURE);
	td_finalize(s.td.vm);
	expect_mrtd(s.mrtd);
}

struct change {
	void (*fn)(struct fixture *td);
	unsigned int first, nr;		/* pages that are removed */
	void (*repair)(struct fixture *td);	/* so that they can be added again; NULL: they cannot */
	int again_through_6_19;		/* errno of that through 6.19 */
};

/*
 * Pages that are removed between add and finalize leave the mirror and the Secure EPT, the
 * others stay, and finalize succeeds.  Pages that are added again are measured again.
 */
static void changed(const struct test *t)
{
	const struct change *change = t->tc->arg;
	struct fixture td = td_fixture(t, INIT_MEM_SIZE);
	u8 *source = td_source(INIT_MEM_PAGES, t->seed), *part = source + change->first * SZ_4K;
	u64 gpa = GPA + change->first * SZ_4K, end = gpa + change->nr * SZ_4K;
	int error = init_mem_under_gmem_lock() ? change->again_through_6_19 : 0;
	struct kvm_tdx_init_mem_region again = {
		.source_addr = (uintptr_t)part, .gpa = gpa, .nr_pages = change->nr,
	};
	struct mrtd *mrtd = mrtd_new();

	td_add(td.vcpu, source, GPA, INIT_MEM_PAGES, MEASURE);
	mrtd_add_pages(mrtd, GPA, source, INIT_MEM_PAGES, true);
	change->fn(&td);
	expect_td_mapped(&td, GPA, change->first, SEPT_MAPPED);
	expect_td_unmapped(&td, gpa, change->nr);
	expect_td_mapped(&td, end, INIT_MEM_PAGES - change->first - change->nr, SEPT_MAPPED);

	if (change->repair) {
		change->repair(&td);
		expect_errno(__td_add(td.vcpu, &again, MEASURE), error, "adding them again");
		if (!error) {
			expect_td_mapped(&td, GPA, INIT_MEM_PAGES, SEPT_MAPPED);
			mrtd_add_pages(mrtd, gpa, part, change->nr, true);
		}
	}
	expect_ok(__td_finalize(td.vm, NULL), "KVM_TDX_FINALIZE_VM");
	expect_mrtd(mrtd);
}

static void punch_4(struct fixture *td) { mem_punch_hole(td->slot->gmem, 6 * SZ_4K, 4 * SZ_4K); }
static void share_4(struct fixture *td) { vm_set_shared(td->vm, GPA + 6 * SZ_4K, 4 * SZ_4K); }
static void delete(struct fixture *td) { slot_delete(td->slot); }
static void close_fd(struct fixture *td) { close(td->slot->gmem->fd); }
static void nothing(struct fixture *td) { (void)td; }
static void private_again(struct fixture *td) { vm_set_private(td->vm, GPA, INIT_MEM_SIZE); }
static void slot_again(struct fixture *td) { expect_ok(__slot_set(td->slot), "the slot again"); }

/* Through 6.19 guest_memfd takes no page twice; all but the hole keep the page in it. */
CASES(changed,
	{ "punched_between", "a hole between add and finalize; added again",
	  .arg = &(const struct change){ punch_4, 6, 4, nothing, 0 }, TD_MAPPING,
	  .uses_softtdx = true },
	{ "shared_between", "shared and private again; added again (through 6.19: EEXIST)",
	  .arg = &(const struct change){ share_4, 6, 4, private_again, EEXIST }, TD_MAPPING,
	  .uses_softtdx = true },
	{ "deleted_between",
	  "the slot deleted and set again; added again (through 6.19: EEXIST)",
	  .arg = &(const struct change){ delete, 0, INIT_MEM_PAGES, slot_again, EEXIST },
	  TD_MAPPING, .uses_softtdx = true },
	{ "gmem_closed_between", "the guest_memfd closed between add and finalize",
	  .arg = &(const struct change){ close_fd, 0, INIT_MEM_PAGES, NULL, 0 }, TD_MAPPING,
	  .uses_softtdx = true })

/* What the calling thread has used: the machine may have other things to do. */
static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/*
 * In four calls: a page of the last quarter takes as long as one of the first.  It would
 * take seven times as long if KVM looked at all pages before it each time.
 */
static void many_pages(const struct test *t)
{
	const struct pages *p = t->tc->arg;
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct td_adds before = td_adds();
	u64 gpa = p->gpa, part = p->nr / 4;
	u8 *source = mem_populated(MEM_ANON, p->nr * SZ_4K, NULL)->hva;
	double start, seconds[4];

	td_slot_add(vm, GPA, p->gpa - GPA + p->nr * SZ_4K);
	for (int i = 0; i < 4; i++) {
		u64 nr = i < 3 ? part : p->nr - 3 * part;

		start = cpu_seconds();
		if (nr)
			td_add(vcpu, source + i * part * SZ_4K, gpa + i * part * SZ_4K, nr,
			       p->flags);
		seconds[i] = nr ? (cpu_seconds() - start) / nr : 0;
	}
	measure("pages", p->nr);
	measure("seconds_a_page", seconds[3]);
	measure("seconds_a_page_at_first", part ? seconds[0] : seconds[3]);
	expect_eq(vm_stat(vm, "pages_4k"), p->nr, "statistic pages_4k");
	expect_td_adds(before, p->nr, p->tables);
	if (p->nr >= 4096)
		expect_true(seconds[3] < 4 * seconds[0],
			    "a page of the last quarter takes %.1f us of CPU time, less than four times the %.1f us of one of the first",
			    seconds[3] * 1e6, seconds[0] * 1e6);
	td_finalize(vm);
}

CASES(many_pages,
	{ "pages_1", "one page", .arg = &(const struct pages){ GPA, 1, 0, 3 }, TD_CONTENT },
	{ "pages_511", "one page less than a table",
	  .arg = &(const struct pages){ GPA, 511, 0, 3 }, TD_CONTENT },
	{ "pages_512", "a full table", .arg = &(const struct pages){ GPA, 512, 0, 3 },
	  TD_CONTENT },
	{ "pages_513", "one page more than a table",
	  .arg = &(const struct pages){ GPA, 513, 0, 4 }, TD_CONTENT },
	{ "pages_across", "512 pages of two tables",
	  .arg = &(const struct pages){ GPA + SZ_2M / 2, 512, 0, 4 }, TD_CONTENT },
	{ "measured_64", "64 pages, measured",
	  .arg = &(const struct pages){ GPA, 64, MEASURE, 3 }, TD_CONTENT },
	{ "mib_16", "16 MiB", .arg = &(const struct pages){ GPA, 4096, 0, 10 }, TD_CONTENT,
	  .memory_mib = 64, .time_limit_s = 120, .nightly = true },
	{ "mib_64", "64 MiB", .arg = &(const struct pages){ GPA, 16384, 0, 34 }, TD_CONTENT,
	  .memory_mib = 256, .time_limit_s = 300, .nightly = true },
	{ "measured_4_mib", "4 MiB, measured",
	  .arg = &(const struct pages){ GPA, 1024, MEASURE, 4 }, TD_CONTENT, .memory_mib = 64,
	  .time_limit_s = 300, .nightly = true })

TEST_MAIN("the initial memory of a TD: mirror, Secure EPT, measurement")
