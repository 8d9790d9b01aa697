// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a destroyed TD, and of one whose creation failed, are freed: each control
 * page and each table of the Secure EPT that the TDX module gives back.  One that the
 * module refuses to give back is never freed: the module may still write to it.
 *
 * The pages are the operands of TDH.PHYMEM.PAGE.RECLAIM; the tracepoints of the page
 * allocator show which are freed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tracefs/tracefs.h>

#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"
#include "observe/tracing.h"

#define NR_PAGES	4	/* added, and as many faulted in */

#define RECLAIM_CASE	.vm_types = VM_TDX, .observes = OBSERVE(EV_SEAMCALL), \
			.needs_sept = true, .needs_softtdx = true

/* A tracing instance for the page allocator, not recording yet. */
static struct tracefs_instance *page_trace(void)
{
	struct tracefs_instance *trace = tracing_instance("pages");

	must(!tracefs_trace_off(trace), "tracing off");
	must(!tracefs_event_enable(trace, "kmem", "mm_page_free"), "kmem:mm_page_free");
	return trace;
}

/* All events, as text, in the order of time; ends the recording. */
static const char *recorded(struct tracefs_instance *trace)
{
	unsigned long in_buffer, written;
	const char *text, *counts;

	must(!tracefs_trace_off(trace), "tracing off");
	text = tracefs_instance_file_read(trace, "trace", NULL);
	must(text, "reading the trace");
	counts = strstr(text, "entries-written: ");
	must(counts && sscanf(counts, "entries-written: %lu/%lu", &in_buffer, &written) == 2,
	     "the number of events");
	must(in_buffer == written, "no event lost");
	return text;
}

static bool was_freed(const char *text, u64 pfn)
{
	unsigned long long freed;
	unsigned int order;

	for (const char *at = text; (at = strstr(at, "mm_page_free: ")); at++)
		if (sscanf(at, "mm_page_free: page=%*s pfn=0x%llx order=%u", &freed, &order) == 2 &&
		    freed == pfn && !order)
			return true;
	return false;
}

static struct fixture populated(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(NR_PAGES, t->seed), GPA, NR_PAGES, 0);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA + NR_PAGES * SZ_4K, NR_PAGES * SZ_4K);
	return td;
}

static void destroy(struct fixture *td)
{
	vcpu_close(td->vcpu);
	close(td->slot->gmem->fd);
	vm_close(td->vm);
}

/* The kernel reclaims the root page last. */
static bool root_is_reclaimed(struct fixture *td, u64 root)
{
	size_t nr;
	struct seamcall *calls = seamcalls(td->o, &nr);
	bool reclaimed = false;

	for (size_t i = 0; i < nr; i++)
		reclaimed |= calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM && calls[i].pfn == root;
	free(calls);
	return reclaimed;
}

static void destroy_and_wait(struct fixture *td)
{
	u64 root = sept_tdr(td->vm) >> 12;

	destroy(td);
	expect_soon(root_is_reclaimed(td, root), 5, "the root page of the TD is reclaimed");
}

/*
 * Destroy the TD: pages that the module gave back are freed, others are not.  Returns how
 * many it keeps.
 */
static unsigned int expect_reclaimed(struct fixture *td)
{
	struct tracefs_instance *trace = page_trace();
	unsigned int kept = 0, back = 0;
	struct seamcall *calls;
	const char *text;
	size_t nr;

	observer_clear(td->o);
	must(!tracefs_trace_on(trace), "tracing on");
	destroy_and_wait(td);
	text = recorded(trace);
	calls = seamcalls(td->o, &nr);
	for (size_t i = 0; i < nr; i++) {
		unsigned long long pfn = calls[i].pfn;

		if (calls[i].leaf != TDH_PHYMEM_PAGE_RECLAIM)
			continue;
		expect_true(was_freed(text, pfn) == !calls[i].status,
			    "pfn 0x%llx, which the module %s, is %sfreed", pfn,
			    calls[i].status ? "keeps" : "gave back",
			    calls[i].status ? "not " : "");
		*(calls[i].status ? &kept : &back) += 1;
	}
	measure("pages", back);
	return kept;
}

CASE(all_come_back, "each page that the module gives back is freed", RECLAIM_CASE)
{
	struct fixture td = populated(t);

	expect_eq(expect_reclaimed(&td), 0, "pages that the module keeps");
}

/* The page that the module does not give back. */
enum kept_page { FIRST_PAGE, TABLE_PAGE, ROOT_PAGE };

/* Which TDH.PHYMEM.PAGE.RECLAIM is that of a table: as of another TD of the same kind. */
static int nth_of_table(const struct test *t)
{
	struct fixture twin = populated(t);
	u64 table = PFN_NONE;
	struct seamcall *calls;
	int nth = 0;
	size_t nr;

	destroy_and_wait(&twin);
	calls = seamcalls(twin.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (calls[i].leaf == TDH_MEM_SEPT_ADD)
			table = calls[i].pfn;
		nth += calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM;
		if (calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM && calls[i].pfn == table)
			return nth;
	}
	test_failed(__FILE__, __LINE__, "the page table of a TD that was destroyed",
		    strf("TDH.PHYMEM.PAGE.RECLAIM of pfn 0x%llx", table),
		    strf("%d reclaims, none of it", nth));
}

/* The root page stays, too: it counts the others. */
static void kept(const struct test *t)
{
	enum kept_page page = t->tc->param;
	int nth = page == TABLE_PAGE ? nth_of_table(t) : 1;
	struct softtdx_state before = softtdx_state();
	struct fixture td = populated(t);

	if (page == ROOT_PAGE)	/* the last one; guest_memfd's pages are not among them */
		nth = softtdx_state().pages - before.pages - 2 * NR_PAGES + 1;
	softtdx_inject_rule(&(struct softtdx_rule){ .leaf = TDH_PHYMEM_PAGE_RECLAIM, .nth = nth,
						     .status = "TDX_PAGE_METADATA_INCORRECT" });
	expect_splat();
	expect_eq(expect_reclaimed(&td), page == ROOT_PAGE ? 1 : 2, "pages that the module keeps");
	softtdx_reset_tds();
}

#define KEPT_CASE	RECLAIM_CASE, .boot = BOOT_TDX_ERRORS, \
			.side_effects = "makes the kernel print a WARNING, and lose a page"

CASES(kept,
	{ "kept_first", "the module keeps the first page: never freed", .param = FIRST_PAGE,
	  KEPT_CASE },
	{ "kept_table", "the module keeps a table of the Secure EPT: never freed",
	  .param = TABLE_PAGE, KEPT_CASE },
	{ "kept_root", "the module keeps the root page: never freed", .param = ROOT_PAGE,
	  KEPT_CASE })

#define ATTEMPTS	8

/* Pages that this thread allocated and that were not freed. */
static unsigned int nr_left(const char *text)
{
	unsigned int left = 0;

	for (const char *at = text; (at = strstr(at, "mm_page_alloc: ")); at++) {
		unsigned long long pfn;
		unsigned int order;

		if (sscanf(at, "mm_page_alloc: page=%*s pfn=0x%llx order=%u", &pfn, &order) == 2)
			left += !order && !was_freed(at, pfn);
	}
	return left;
}

/*
 * Neither pages that the module had nor those that it did not get yet are left.  The
 * kernel may allocate a page for something else, but not at each attempt.
 */
CASE(failed_init_vm, "KVM_TDX_INIT_VM fails half-way: no page is left", RECLAIM_CASE)
{
	struct tracefs_instance *trace = page_trace();
	unsigned int least = -1;

	must(tracefs_event_file_write(trace, "kmem", "mm_page_alloc", "filter",
				      strf("common_pid == %d", gettid())) >= 0, "filter");
	must(!tracefs_event_enable(trace, "kmem", "mm_page_alloc"), "kmem:mm_page_alloc");
	for (int i = 0; i < ATTEMPTS; i++) {
		struct vm *vm = td_vm();
		struct kvm_tdx_init_vm *params = td_params(vm);
		unsigned int left;

		softtdx_inject_rule(&(struct softtdx_rule){ .leaf = TDH_MNG_ADDCX, .nth = 2,
				    .status = "TDX_RND_NO_ENTROPY", .times = 10 });
		must(!tracefs_instance_file_clear(trace, "trace"), "an empty trace");
		must(!tracefs_trace_on(trace), "tracing on");
		expect_errno(__td_init(vm, params, NULL), EAGAIN, "KVM_TDX_INIT_VM without entropy");
		vm_close(vm);
		left = nr_left(recorded(trace));
		if (left < least)
			least = left;
	}
	expect_eq(least, 0, "pages left of a TD whose creation failed");
}

TEST_MAIN("the pages of a destroyed TD, and of one whose creation failed")
