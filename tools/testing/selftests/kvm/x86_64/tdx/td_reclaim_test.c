// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a TD costs the host ends with it. Each control page and each table of the
 * Secure EPT that the TDX module gives back is freed, and one that the module
 * refuses to give back never is: the module may still write to it.
 *
 * The pages are the operands of TDH.PHYMEM.PAGE.RECLAIM; the tracepoints of the
 * page allocator tell what becomes of them.
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

#define NR_PAGES	4	/* that are added, and again as many that are faulted in */

/* --- what the page allocator is asked -------------------------------------------- */

/* An instance in which nothing is recorded yet. */
static struct tracefs_instance *page_trace(void)
{
	struct tracefs_instance *trace = tracing_instance("pages");

	must(!tracefs_trace_off(trace), "tracing off");
	must(!tracefs_event_enable(trace, "kmem", "mm_page_free"), "kmem:mm_page_free");
	return trace;
}

/* What was recorded, as text in the order of time; all of it. */
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

/* --- destruction ----------------------------------------------------------------- */

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

/* The root page is what the kernel asks for last. */
static bool root_was_asked_for(struct fixture *td, u64 root)
{
	size_t nr;
	struct seamcall *calls = seamcalls(td->o, &nr);
	bool asked = false;

	for (size_t i = 0; i < nr; i++)
		asked |= calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM && calls[i].pfn == root;
	free(calls);
	return asked;
}

static void destroy_and_wait(struct fixture *td)
{
	u64 root = sept_tdr(td->vm) >> 12;
	double deadline = now() + 5;

	destroy(td);
	while (!root_was_asked_for(td, root))
		expect_true(now() < deadline, "the TD is destroyed within 5 s");
}

/* Destroy the TD: pages that were given back are freed, others are not. Returns these. */
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

static void all_come_back(const struct test *t)
{
	struct fixture td = populated(t);

	expect_eq(expect_reclaimed(&td), 0, "pages that the module keeps");
}

/* Which page is not given back, and how many stay: the root page counts the others. */
struct failure {
	enum { FIRST, TABLE, ROOT } what;
	unsigned int kept;
};
static const struct failure first = { FIRST, 2 }, table = { TABLE, 2 }, root = { ROOT, 1 };

/* Which TDH.PHYMEM.PAGE.RECLAIM is that of a table: seen at another TD of the same kind. */
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

static void kept(const struct test *t)
{
	const struct failure *f = t->tc->arg;
	int nth = f->what == TABLE ? nth_of_table(t) : 1;
	struct softtdx_state before = softtdx_state();
	struct fixture td = populated(t);

	if (f->what == ROOT)	/* the last one; guest_memfd's pages are not among them */
		nth = softtdx_state().pages - before.pages - 2 * NR_PAGES + 1;
	softtdx_inject_rule(&(struct softtdx_rule){ .leaf = TDH_PHYMEM_PAGE_RECLAIM, .nth = nth,
						     .status = "TDX_PAGE_METADATA_INCORRECT" });
	expect_splat();
	expect_eq(expect_reclaimed(&td), f->kept, "pages that the module keeps");
	softtdx_reset_tds();
}

/* --- a TD that does not come to be -------------------------------------------------- */

#define ATTEMPTS	8

/* Pages that this thread got and nobody freed. */
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
 * KVM_TDX_INIT_VM fails half-way: neither pages that the module had nor those
 * that it did not get yet are left. The kernel may get a page for something
 * else meanwhile, but not at each attempt.
 */
static void failed_init_vm(const struct test *t)
{
	struct tracefs_instance *trace = page_trace();
	unsigned int least = -1;

	(void)t;
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
	expect_eq(least, 0, "pages that are left of a TD that did not come to be");
}

#define OURS		.vm_types = VM_TDX, .needs_sept = true, .needs_softtdx = true,	\
			.observes = OBSERVE(EV_SEAMCALL)
#define KEPT(name, summary, which)						\
	{ name, summary, kept, &which, OURS, .boot = BOOT_TDX_ERRORS,		\
	  .side_effects = "makes the kernel print a WARNING, and lose a page" }

static const struct test_case cases[] = {
	{ "all_come_back", "each page that the module gives back is freed", all_come_back, NULL,
	  OURS, .boot = BOOT_TDX },
	KEPT("kept_first", "the first page is not given back: never freed", first),
	KEPT("kept_table", "a table of the Secure EPT is not given back: never freed", table),
	KEPT("kept_root", "the root page is not given back: never freed", root),
	{ "failed_init_vm", "KVM_TDX_INIT_VM fails half-way: no page is left", failed_init_vm, NULL,
	  OURS, .boot = BOOT_TDX },
};

TEST_MAIN("the pages of a TD that ends, and of one that never was", cases)
