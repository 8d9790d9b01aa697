// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page behind a private gfn of a TD is one and the same for guest_memfd, in
 * KVM's mirror, in the Secure EPT, and in the TDX module's own books (PAMT); it
 * belongs to one TD at a time, and is the host's again when it leaves.
 *
 * Added pages are copies of their sources, made at the time of the call.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define PAGES	8

/* [gpa, + nr pages): mirror = Secure EPT = a page of this TD, each of its own. */
static void expect_own_pages(const struct fixture *td, u64 gpa, int nr, enum sept_state state)
{
	expect_td_mapped(td, gpa, nr, state);
	for (int i = 0; i < nr; i++) {
		u64 pfn = observer_known(td->o, (gpa >> 12) + i).pfn;

		expect_pamt(td->vm, pfn, PAGE_REGULAR);
		for (int j = 0; j < i; j++)
			expect_true(observer_known(td->o, (gpa >> 12) + j).pfn != pfn,
				    "gfns 0x%llx + %d and + %d have pages of their own",
				    gpa >> 12, i, j);
	}
}

/* What guest_memfd handed out for these gfns, the last time it was asked. */
static void expect_gmem_pages(const struct fixture *td, u64 gpa, int nr)
{
	for (u64 gfn = gpa >> 12; nr--; gfn++)
		expect_eq(observer_mapping(td->o, gfn).pfn, gmem_pfn(td->o, gfn),
			  "pfn of gfn 0x%llx, guest_memfd's and the mirror's",
			  gfn);
}

static void mapped_pfns(const struct fixture *td, u64 gpa, int nr, u64 *pfns)
{
	observer_sync(td->o);
	for (int i = 0; i < nr; i++)
		pfns[i] = observer_known(td->o, (gpa >> 12) + i).pfn;
}

/* The gfns have the pages they had, in their order. */
static void expect_pfns(const struct fixture *td, u64 gpa, int nr, const u64 *pfns)
{
	for (int i = 0; i < nr; i++)
		expect_mapped(td->o, (gpa >> 12) + i, LEVEL_4K, pfns[i]);
}

/* --- one page, four times named --------------------------------------------------------- */

struct place {
	u64 offset, nr;	/* bytes from GPA, pages */
};

static void faulted(const struct test *t)
{
	const struct place *p = t->tc->arg;
	struct fixture td = td_fixture_final(t, 2 * SZ_2M);

	prefault(td.vcpu, GPA + p->offset, p->nr * SZ_4K);
	expect_own_pages(&td, GPA + p->offset, p->nr, SEPT_PENDING);
	expect_gmem_pages(&td, GPA + p->offset, p->nr);
	measure("pages", p->nr);
}

/*
 * What was added is guest_memfd's page, too.  It is not asked by a function that
 * could be seen, but hands out the same page after the slot was made anew.
 */
static void added(const struct test *t)
{
	const struct place *p = t->tc->arg;
	struct fixture td = td_fixture(t, 2 * SZ_2M);
	u64 gpa = GPA + p->offset, pfns[PAGES];

	td_add(td.vcpu, td_source(p->nr, t->seed), gpa, p->nr, 0);
	expect_own_pages(&td, gpa, p->nr, SEPT_MAPPED);
	mapped_pfns(&td, gpa, p->nr, pfns);

	td_finalize(td.vm);
	slot_delete(td.slot);
	expect_ok(__slot_set(td.slot), "the slot again");
	prefault(td.vcpu, gpa, p->nr * SZ_4K);
	expect_gmem_pages(&td, gpa, p->nr);
	expect_pfns(&td, gpa, p->nr, pfns);
	measure("pages", p->nr);
}

static const struct place
	one = { 0, 1 },
	some = { 5 * SZ_4K, PAGES },
	across_2m = { SZ_2M - 3 * SZ_4K, 6 },
	many = { 0, 40 };

/* One page at a time, from the last to the first: each still gets its own. */
static void downwards(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	for (int i = PAGES; i--;)
		prefault(td.vcpu, GPA + i * SZ_4K, SZ_4K);
	expect_own_pages(&td, GPA, PAGES, SEPT_PENDING);
	expect_gmem_pages(&td, GPA, PAGES);
}

/* Slots show parts of one guest_memfd: the page follows the offset in the file. */
static void slot_offset(const struct test *t)
{
	struct fixture td = td_fixture_final(t, 0);
	struct mem *gmem = mem_create(MEM_GMEM, 2 * PAGES * SZ_4K, td.vm);
	struct slot slot = { .vm = td.vm, .flags = KVM_MEM_GUEST_MEMFD, .gpa = GPA,
			     .size = 2 * PAGES * SZ_4K, .gmem = gmem,
			     .mem = mem_create(MEM_ANON, 2 * PAGES * SZ_4K, NULL) };
	u64 pfns[2 * PAGES];

	expect_ok(__slot_set(&slot), "a slot of all of the file");
	vm_set_private(td.vm, GPA, slot.size);
	prefault(td.vcpu, GPA, slot.size);
	mapped_pfns(&td, GPA, 2 * PAGES, pfns);
	slot_delete(&slot);

	slot.gmem_offset = slot.size = PAGES * SZ_4K;
	expect_ok(__slot_set(&slot), "a slot of the second half of the file");
	prefault(td.vcpu, GPA, slot.size);
	expect_pfns(&td, GPA, PAGES, pfns + PAGES);
	expect_own_pages(&td, GPA, PAGES, SEPT_PENDING);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
}

/* Two vCPUs fault the same pages in at once: one page a gfn, given to the TD once. */
struct fault {
	struct vcpu *vcpu;
	int nr;
};

static int fault_in(void *arg)
{
	struct fault *f = arg;

	prefault(f->vcpu, GPA, f->nr * SZ_4K);
	return 0;
}

static void two_vcpus(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct fault faults[] = { { td.vcpu, 32 }, { td_vcpu(td.vm), 32 } };
	struct thread *thread;
	struct seamcall *calls;
	size_t nr, given = 0;

	td_finalize(td.vm);
	thread = thread_start(fault_in, &faults[1]);
	fault_in(&faults[0]);
	expect_ok(thread_join(thread, "the other vCPU"), "the prefault of the other vCPU");

	expect_own_pages(&td, GPA, 32, SEPT_PENDING);
	calls = seamcalls(td.o, &nr);
	for (size_t i = 0; i < nr; i++)
		given += calls[i].leaf == TDH_MEM_PAGE_AUG && !calls[i].status;
	expect_eq(given, 32, "TDH.MEM.PAGE.AUGs that succeeded");
	measure("pages", 32);
}

/* --- what else the TD's books hold --------------------------------------------------------- */

/* The TDX module knows root page, tables and pages of the TD for what they are. */
static void page_types(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct seamcall *calls;
	size_t nr, tables = 0;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	expect_pamt(td.vm, sept_tdr(td.vm) >> 12, PAGE_TDR);
	calls = seamcalls(td.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (calls[i].leaf != TDH_MEM_SEPT_ADD)
			continue;
		expect_pamt(td.vm, calls[i].pfn, PAGE_SEPT);
		tables++;
	}
	expect_eq(tables, 3, "tables of the Secure EPT");
	expect_own_pages(&td, GPA, 1, SEPT_MAPPED);
}

/* The shared page of a gfn is the host's, the private one the TD's: never the same. */
static void shared_and_private(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;
	u64 pfn;

	prefault(td.vcpu, GPA, SZ_4K);
	mapped_pfns(&td, GPA, 1, &pfn);
	vm_set_shared(td.vm, GPA, SZ_4K);
	mem_touch(hva, SZ_4K);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(hva));
	expect_true(pfn_of(hva) != pfn, "the shared page is another");
	expect_pamt(td.vm, pfn_of(hva), PAGE_FREE);
	expect_pamt(td.vm, pfn, PAGE_FREE);
}

/* The source of an added page is copied; it stays the host's. */
static void source_is_copied(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u8 *source = td_source(PAGES, t->seed);

	td_add(td.vcpu, source, GPA, PAGES, 0);
	expect_own_pages(&td, GPA, PAGES, SEPT_MAPPED);
	for (int i = 0; i < PAGES; i++) {
		u64 pfn = pfn_of(source + i * SZ_4K);

		expect_true(pfn != observer_known(td.o, GFN + i).pfn,
			    "source and page of gfn 0x%llx differ", GFN + i);
		expect_pamt(td.vm, pfn, PAGE_FREE);
	}
}

/* An add that fails takes no page. */
static void failed_add(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u8 *hole = mmap(NULL, SZ_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)hole, .gpa = GPA, .nr_pages = 1,
	};

	must(hole != MAP_FAILED, "mmap");
	expect_errno(__td_add(td.vcpu, &region, 0), EFAULT, "adding from memory without access");
	expect_td_unmapped(&td, GPA, 1);
	expect_eq(seamcalls_of(td.o, TDH_MEM_PAGE_ADD), 0, "TDH.MEM.PAGE.ADDs");
}

/* --- pages leave, and others come ------------------------------------------------------------ */

static int holding_data(const u64 *pfns)
{
	int nr = 0;

	for (int i = 0; i < PAGES; i++)
		nr += page_holds_data(pfns[i]);
	return nr;
}

/*
 * Pages that leave guest_memfd's file: nobody's in the TDX module's books, free
 * pages of the host (some may have found another use at once).  The gfns get
 * what the file has then.
 */
static void punched_and_refilled(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	mapped_pfns(&td, GPA, PAGES, pfns);
	expect_eq(holding_data(pfns), PAGES, "pages of guest_memfd with content");
	mem_punch_hole(td.slot->gmem, 0, PAGES * SZ_4K);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
	expect_true(holding_data(pfns) < PAGES, "the host has the pages back");
	observer_clear(td.o);
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_own_pages(&td, GPA, PAGES, SEPT_PENDING);
	expect_gmem_pages(&td, GPA, PAGES);
}

/* The TD is not charged for pages that left, and is for those that came. */
static void page_count(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	unsigned long with_tables, empty = softtdx_state().pages;

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	with_tables = softtdx_state().pages;
	expect_eq(with_tables - empty, PAGES + 3, "pages of the TD: these and their tables");
	mem_punch_hole(td.slot->gmem, 0, PAGES * SZ_4K);
	expect_eq(softtdx_state().pages - empty, 3, "pages of the TD after the hole: tables");
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_eq(softtdx_state().pages, with_tables, "pages of the TD, filled again");
}

/* A conversion leaves the file alone: back come the same pages. */
static void converted_and_back(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	mapped_pfns(&td, GPA, PAGES, pfns);
	vm_set_shared(td.vm, GPA, PAGES * SZ_4K);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
	vm_set_private(td.vm, GPA, PAGES * SZ_4K);
	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	expect_pfns(&td, GPA, PAGES, pfns);
	expect_own_pages(&td, GPA, PAGES, SEPT_PENDING);
}

/* The file is closed: the slot is empty, its pages are nobody's. */
static void closed(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };
	u64 pfns[PAGES];

	prefault(td.vcpu, GPA, PAGES * SZ_4K);
	mapped_pfns(&td, GPA, PAGES, pfns);
	close(td.slot->gmem->fd);
	for (int i = 0; i < PAGES; i++)
		expect_pamt(td.vm, pfns[i], PAGE_FREE);
	expect_errno(__vcpu_prefault(td.vcpu, &range), EFAULT, "prefault without guest_memfd");
	expect_td_unmapped(&td, GPA, PAGES);
}

/* --- more than one TD -------------------------------------------------------------------------- */

static struct fixture another_td(u64 size)
{
	struct fixture td = { .vm = td_create() };

	td.vcpu = td_vcpu(td.vm);
	td.slot = td_slot_add(td.vm, GPA, size);
	td_finalize(td.vm);
	return td;
}

/* Both map the same gfns: no page is in both. */
static void two_tds(const struct test *t)
{
	struct fixture a = td_fixture_final(t, SZ_2M), b = another_td(SZ_2M);

	for (int i = 0; i < PAGES; i++) {	/* by turns */
		prefault(a.vcpu, GPA + i * SZ_4K, SZ_4K);
		prefault(b.vcpu, GPA + i * SZ_4K, SZ_4K);
	}
	expect_own_pages(&a, GPA, PAGES, SEPT_PENDING);
	for (int i = 0; i < PAGES; i++) {
		struct sept of_b = sept_walk(b.vm, GPA + i * SZ_4K);

		expect_eq(of_b.state, SEPT_PENDING, "state of gpa 0x%llx in the other TD",
			  GPA + i * SZ_4K);
		expect_pamt(b.vm, of_b.pfn, PAGE_REGULAR);
		expect_eq(pamt_of(a.vm, of_b.pfn).type, PAGE_FOREIGN,
			  "type of pfn 0x%llx, asked for the first TD",
			  of_b.pfn);
	}
}

/* What one TD gave back another may get: then it is the other's alone. */
static void handed_on(const struct test *t)
{
	struct fixture a = td_fixture_final(t, SZ_2M), b = another_td(SZ_2M);
	unsigned int handed = 0;
	u64 pfns[PAGES];

	prefault(a.vcpu, GPA, PAGES * SZ_4K);
	mapped_pfns(&a, GPA, PAGES, pfns);
	mem_punch_hole(a.slot->gmem, 0, PAGES * SZ_4K);
	prefault(b.vcpu, GPA, 2 * PAGES * SZ_4K);
	prefault(a.vcpu, GPA, PAGES * SZ_4K);

	expect_own_pages(&a, GPA, PAGES, SEPT_PENDING);
	for (int i = 0; i < 2 * PAGES; i++) {
		u64 pfn = sept_walk(b.vm, GPA + i * SZ_4K).pfn;

		expect_pamt(b.vm, pfn, PAGE_REGULAR);
		for (int j = 0; j < PAGES; j++)
			handed += pfn == pfns[j];
	}
	measure("pages_handed_on", handed);
}

/* A TD that is gone owns nothing: another one may ask. */
static void dead(const struct test *t)
{
	struct fixture a = td_fixture(t, SZ_2M), b = another_td(SZ_2M);
	u64 pfns[2 * PAGES + 1];

	td_add(a.vcpu, td_source(PAGES, t->seed), GPA, PAGES, 0);
	td_finalize(a.vm);
	prefault(a.vcpu, GPA + PAGES * SZ_4K, PAGES * SZ_4K);
	mapped_pfns(&a, GPA, 2 * PAGES, pfns);
	pfns[2 * PAGES] = sept_tdr(a.vm) >> 12;
	for (int i = 0; i < 2 * PAGES; i++)
		expect_eq(pamt_of(b.vm, pfns[i]).type, PAGE_FOREIGN,
			  "type of pfn 0x%llx, asked for the other TD",
			  pfns[i]);

	vcpu_close(a.vcpu);
	vm_close(a.vm);
	close(a.slot->gmem->fd);
	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++)
		expect_pamt(b.vm, pfns[i], PAGE_FREE);
}

/* --- content: the measurement is that of the TD's pages, and tells what they hold ------------- */

#define MEASURE	KVM_TDX_MEASURE_MEMORY_REGION

/* What the source holds before and after a call is not in the TD. */
static void source_changes(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u8 *source = td_source(PAGES, t->seed);
	struct mrtd *mrtd = mrtd_new();

	for (int i = 0; i < PAGES; i++) {	/* one source page for all */
		memset(source, i, SZ_4K);
		td_add(td.vcpu, source, GPA + i * SZ_4K, 1, MEASURE);
		mrtd_add_page(mrtd, GPA + i * SZ_4K, source, true);
		memset(source, 0xff, SZ_4K);
	}
	td_finalize(td.vm);
	expect_mrtd(mrtd);
}

/* A source of which each page is the same page: of a file, mapped over and over. */
static void one_source_page(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct mem *file = mem_create(MEM_MEMFD, SZ_4K, NULL);
	u8 *source = mmap(NULL, PAGES * SZ_4K, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mrtd *mrtd = mrtd_new();

	must(source != MAP_FAILED, "mmap");
	memcpy(file->hva, td_source(1, t->seed), SZ_4K);
	for (int i = 0; i < PAGES; i++)
		must(mmap(source + i * SZ_4K, SZ_4K, PROT_READ, MAP_SHARED | MAP_FIXED, file->fd,
			  0) != MAP_FAILED, "mmap of the file");
	td_add(td.vcpu, source, GPA, PAGES, MEASURE);
	mrtd_add_pages(mrtd, GPA, source, PAGES, true);
	expect_own_pages(&td, GPA, PAGES, SEPT_MAPPED);
	td_finalize(td.vm);
	expect_mrtd(mrtd);
}

#define TD	.vm_types = VM_TDX
#define OURS	TD, .needs_sept = true, .observes = OBSERVE(EV_SPTE)
#define GMEM	TD, .needs_sept = true, .observes = OBSERVE(EV_SPTE) | OBSERVE(EV_GMEM_PFN)
#define CALLS	TD, .needs_sept = true, .observes = OBSERVE(EV_SPTE) | OBSERVE(EV_SEAMCALL)
#define SOFTTDX	TD, .needs_sept = true, .needs_softtdx = true, .observes = OBSERVE(EV_SPTE)

static const struct test_case cases[] = {
	{ "faulted_one", "a page faulted in: four times the same pfn", faulted, &one, GMEM },
	{ "faulted_some", "eight pages in the middle of a table", faulted, &some, GMEM },
	{ "faulted_across_2m", "pages on both sides of 2M", faulted, &across_2m, GMEM },
	{ "faulted_many", "40 pages, no two the same", faulted, &many, GMEM },
	{ "added_one", "a page added: the same pfn in all places", added, &one, GMEM },
	{ "added_some", "eight added pages in the middle of a table", added, &some, GMEM },
	{ "added_across_2m", "added pages on both sides of 2M", added, &across_2m, GMEM },
	{ "downwards", "pages faulted in from the last to the first", downwards, NULL, GMEM },
	{ "slot_offset", "the page follows the offset in guest_memfd", slot_offset, NULL, OURS },
	{ "two_vcpus", "two vCPUs fault the same pages in: each once", two_vcpus, NULL, CALLS,
	  .cpus = 2 },

	{ "page_types", "root page, tables, pages: the types that the TDX module has for them",
	  page_types, NULL, CALLS },
	{ "shared_and_private", "shared and private page of a gfn", shared_and_private, NULL, OURS },
	{ "source_is_copied", "the source of an added page stays the host's", source_is_copied,
	  NULL, OURS },
	{ "failed_add", "an add without source takes no page", failed_add, NULL, CALLS },

	{ "punched_and_refilled", "punched pages are free, new ones the TD's",
	  punched_and_refilled, NULL, GMEM },
	{ "page_count", "the TDX module's count of pages", page_count, NULL, SOFTTDX },
	{ "converted_and_back", "shared and private again: the same pages", converted_and_back,
	  NULL, OURS },
	{ "closed", "guest_memfd is closed: its pages are free", closed, NULL, OURS },

	{ "two_tds", "two TDs at the same gpas have no page in common", two_tds, NULL, OURS },
	{ "handed_on", "a page that one TD gave back belongs to the next alone", handed_on, NULL,
	  OURS },
	{ "dead", "a TD that is gone owns no page", dead, NULL, OURS },

	{ "source_changes", "the content is that of the source at the time of the add",
	  source_changes, NULL, SOFTTDX },
	{ "one_source_page", "many pages from one source page", one_source_page, NULL, SOFTTDX },
};

TEST_MAIN("the pages of a TD: guest_memfd, mirror, Secure EPT and PAMT agree", cases)
