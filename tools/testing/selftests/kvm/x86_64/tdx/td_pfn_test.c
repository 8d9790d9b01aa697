// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page behind a private gfn of a TD is one and the same for guest_memfd, in KVM's
 * mirror, in the Secure EPT, and in the TDX module's PAMT.
 *
 * Added pages are copies of their sources, made at the time of the call; the measurement
 * shows their content.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "td_pages.h"
#include "testcase.h"
#include "thread.h"

#define PAGES	8
#define MEASURE	KVM_TDX_MEASURE_MEMORY_REGION

#define SOURCE_CASE	.vm_types = VM_TDX, .observes = TD_EVENTS, \
			.needs_sept = true, .needs_softtdx = true

struct place {
	u64 offset;	/* bytes from GPA */
	u64 nr;		/* pages */
};

static const struct place
	one = { 0, 1 },
	some = { 5 * SZ_4K, PAGES },
	across_2m = { SZ_2M - 3 * SZ_4K, 6 },
	many = { 0, 40 };

static void faulted(const struct test *t)
{
	const struct place *p = t->tc->arg;
	struct fixture td = td_fixture_final(t, 2 * SZ_2M);

	prefault(td.vcpu, GPA + p->offset, p->nr * SZ_4K);
	expect_td_own_pages(&td, GPA + p->offset, p->nr, SEPT_PENDING);
	expect_td_gmem_pages(&td, GPA + p->offset, p->nr);
	measure("pages", p->nr);
}

CASES(faulted,
	{ "faulted_one", "a page faulted in: the same pfn in all four places", .arg = &one,
	  TD_SEPT },
	{ "faulted_some", "eight pages in the middle of a table", .arg = &some, TD_SEPT },
	{ "faulted_across_2m", "pages on both sides of 2M", .arg = &across_2m, TD_SEPT },
	{ "faulted_many", "40 pages, no two the same", .arg = &many, TD_SEPT })

/*
 * An added page is guest_memfd's page, too.  KVM does not get it by a function that can be
 * observed, but guest_memfd hands out the same page once the slot is deleted and added
 * again.
 */
static void added(const struct test *t)
{
	const struct place *p = t->tc->arg;
	struct fixture td = td_fixture(t, 2 * SZ_2M);
	u64 gpa = GPA + p->offset, pfns[PAGES];

	td_add(td.vcpu, td_source(p->nr, t->seed), gpa, p->nr, 0);
	expect_td_own_pages(&td, gpa, p->nr, SEPT_MAPPED);
	td_pfns(&td, gpa, p->nr, pfns);

	td_finalize(td.vm);
	slot_delete(td.slot);
	expect_ok(__slot_set(td.slot), "the slot again");
	prefault(td.vcpu, gpa, p->nr * SZ_4K);
	expect_td_gmem_pages(&td, gpa, p->nr);
	expect_td_pfns(&td, gpa, p->nr, pfns);
	measure("pages", p->nr);
}

CASES(added,
	{ "added_one", "a page added: the same pfn in all places", .arg = &one, TD_SEPT },
	{ "added_some", "eight added pages in the middle of a table", .arg = &some,
	  TD_SEPT },
	{ "added_across_2m", "added pages on both sides of 2M", .arg = &across_2m,
	  TD_SEPT })

CASE(downwards, "pages faulted in from the last to the first: each its own", TD_SEPT)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	for (int i = PAGES; i--;)
		prefault(td.vcpu, GPA + i * SZ_4K, SZ_4K);
	expect_td_own_pages(&td, GPA, PAGES, SEPT_PENDING);
	expect_td_gmem_pages(&td, GPA, PAGES);
}

CASE(slot_offset, "slots of parts of a guest_memfd: the page follows the offset in the file",
	TD_SEPT)
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
	td_pfns(&td, GPA, 2 * PAGES, pfns);
	slot_delete(&slot);

	slot.gmem_offset = slot.size = PAGES * SZ_4K;
	expect_ok(__slot_set(&slot), "a slot of the second half of the file");
	prefault(td.vcpu, GPA, slot.size);
	expect_td_pfns(&td, GPA, PAGES, pfns + PAGES);
	expect_td_own_pages(&td, GPA, PAGES, SEPT_PENDING);
	for (int i = 0; i < PAGES; i++)
		expect_no_page(td.vm, gmem, pfns[i]);
}

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

CASE(two_vcpus, "two vCPUs fault the same pages in: each is added once", TD_SEPT, .cpus = 2)
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

	expect_td_own_pages(&td, GPA, 32, SEPT_PENDING);
	calls = seamcalls(td.o, &nr);
	for (size_t i = 0; i < nr; i++)
		given += calls[i].leaf == TDH_MEM_PAGE_AUG && !calls[i].status;
	expect_eq(given, 32, "TDH.MEM.PAGE.AUGs that succeeded");
	measure("pages", 32);
}

CASE(page_types, "root page, tables, pages: their types in the PAMT", .vm_types = VM_TDX,
	.observes = TD_EVENTS, .needs_sept = true)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct seamcall *calls;
	size_t nr, tables = 0;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	expect_own_root(td.vm);
	calls = seamcalls(td.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (calls[i].leaf != TDH_MEM_SEPT_ADD)
			continue;
		expect_own_table(td.vm, calls[i].gpa, calls[i].level, calls[i].pfn);
		tables++;
	}
	expect_eq(tables, 3, "tables of the Secure EPT");
	expect_td_own_pages(&td, GPA, 1, SEPT_MAPPED);
}

CASE(shared_and_private, "the shared page of a gfn is the host's, never the private one",
	TD_SEPT)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	u8 *hva = td.slot->mem->hva;
	u64 pfn;

	prefault(td.vcpu, GPA, SZ_4K);
	td_pfns(&td, GPA, 1, &pfn);
	vm_set_shared(td.vm, GPA, SZ_4K);
	mem_touch(hva, SZ_4K);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(hva));
	expect_true(pfn_of(hva) != pfn, "the shared page is another");
	expect_no_page(td.vm, NULL, pfn_of(hva));
	expect_no_page(td.vm, td.slot->gmem, pfn);
}

CASE(source_is_copied, "the source of an added page stays the host's",
	TD_SEPT)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u8 *source = td_source(PAGES, t->seed);

	td_add(td.vcpu, source, GPA, PAGES, 0);
	expect_td_own_pages(&td, GPA, PAGES, SEPT_MAPPED);
	for (int i = 0; i < PAGES; i++) {
		u64 pfn = pfn_of(source + i * SZ_4K);

		expect_true(pfn != observer_known(td.o, GFN + i).pfn,
			    "source and page of gfn 0x%llx differ", GFN + i);
		expect_no_page(td.vm, NULL, pfn);
	}
}

CASE(failed_add, "an add with an unreadable source: EFAULT, no page is taken", TD_SEPT)
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

CASE(source_changes, "the content is that of the source at the time of the add", SOURCE_CASE)
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

/* The source is one page of a file, mapped at each of its addresses. */
CASE(one_source_page, "many pages added from one source page", SOURCE_CASE)
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
	expect_td_own_pages(&td, GPA, PAGES, SEPT_MAPPED);
	td_finalize(td.vm);
	expect_mrtd(mrtd);
}

TEST_MAIN("pages of a TD: guest_memfd, mirror, Secure EPT and PAMT agree")
