// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources of KVM_TDX_INIT_MEM_REGION: each kind of memory, and a source that changes
 * while the ioctl waits for one of its pages (userfaultfd).  The TD gets the content that
 * a page has when its turn comes; a signal ends the ioctl between two pages.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init_mem.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define SOURCE_PAGES	4
#define RUBBISH_PAGES	512
#define FAILED_PAGES	8

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

static u8 *kind_source(const struct test *t, enum mem_kind kind, size_t size)
{
	struct mem *mem = mem_populated(kind, size, NULL);

	memcpy(mem->hva, td_source(SOURCE_PAGES, t->seed), SOURCE_PAGES * SZ_4K);
	return mem->hva;
}

static u8 *anon(const struct test *t) { return kind_source(t, MEM_ANON, SZ_2M); }
static u8 *thp(const struct test *t) { return kind_source(t, MEM_THP, SZ_2M); }
static u8 *memfd(const struct test *t) { return kind_source(t, MEM_MEMFD, SZ_2M); }
static u8 *file(const struct test *t) { return kind_source(t, MEM_FILE, SZ_2M); }
static u8 *hugetlb(const struct test *t) { return kind_source(t, MEM_HUGETLB_2M, SZ_2M); }

static u8 *read_only(const struct test *t)
{
	u8 *hva = anon(t);

	must(!mprotect(hva, SZ_2M, PROT_READ), "mprotect");
	return hva;
}

static u8 *untouched(const struct test *t)
{
	(void)t;
	return mem_create(MEM_ANON, SZ_2M, NULL)->hva;
}

static u8 *swapped_out(const struct test *t)
{
	u8 *hva = anon(t);

	for (int i = 0; i < SOURCE_PAGES; i++)
		page_out(hva + i * SZ_4K);
	return hva;
}

/* Private pages of a file, never written: such as program text. */
static u8 *private_file(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_FILE, SZ_2M, NULL);
	u8 *hva;

	memcpy(mem->hva, td_source(SOURCE_PAGES, t->seed), SOURCE_PAGES * SZ_4K);
	hva = mmap(NULL, SZ_2M, PROT_READ | PROT_EXEC, MAP_PRIVATE, mem->fd, 0);
	must(hva != MAP_FAILED, "mmap of a file");
	return hva;
}

/* Pages that a child shares until one of them writes. */
static u8 *shared_with_child(const struct test *t)
{
	u8 *hva = anon(t);
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child)
		for (;;)
			pause();	/* it dies with the case's process group */
	return hva;
}

/* The same page throughout. */
static u8 *one_page_only(const struct test *t)
{
	struct mem *page = mem_populated(MEM_MEMFD, SZ_2M, NULL);
	u8 *hva = mem_create(MEM_ANON, SZ_2M, NULL)->hva;

	memcpy(page->hva, td_source(1, t->seed), SZ_4K);
	for (int i = 0; i < SOURCE_PAGES; i++)
		must(mmap(hva + i * SZ_4K, SZ_4K, PROT_READ, MAP_SHARED | MAP_FIXED, page->fd, 0) !=
		     MAP_FAILED, "mmap");
	return hva;
}

/* The measurement shows that each page has the content of the source. */
static void source_kind(const struct test *t)
{
	u8 *(*make)(const struct test *t) = t->tc->arg;
	struct init_mem_scene s = init_mem_scene(t);

	s.source = make(t);
	s.region.source_addr = (uintptr_t)s.source;
	s.region.nr_pages = SOURCE_PAGES;
	expect_ok(__td_add(s.vcpu, &s.region, MEASURE), "KVM_TDX_INIT_MEM_REGION");
	expect_eq(pages_added(&s), SOURCE_PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, SOURCE_PAGES);
}

CASES(source_kind,
	{ "source_anon", "a source of 4K pages", .arg = anon, TD_CONTENT },
	{ "source_thp", "a source in a THP", .arg = thp, TD_CONTENT, .needs_thp = true },
	{ "source_hugetlb", "a source in hugetlb", .arg = hugetlb, TD_CONTENT,
	  .hugepages_2m = 1 },
	{ "source_memfd", "a source in a memfd", .arg = memfd, TD_CONTENT },
	{ "source_file", "a source in a file", .arg = file, TD_CONTENT },
	{ "source_private_file", "a private file mapping, such as program text",
	  .arg = private_file, TD_CONTENT },
	{ "source_read_only", "a read-only source", .arg = read_only, TD_CONTENT },
	{ "source_untouched", "a source that was never written", .arg = untouched, TD_CONTENT },
	{ "source_swapped_out", "a swapped-out source", .arg = swapped_out, TD_CONTENT },
	{ "source_shared_with_child", "a source that a child shares until copy-on-write",
	  .arg = shared_with_child, TD_CONTENT },
	{ "source_one_page_only", "the same page throughout the source", .arg = one_page_only,
	  TD_CONTENT })

/* Whether the ioctl succeeds or fails. */
CASE(source_released, "no reference to the source is kept",
	.vm_types = VM_TDX, .uses_sept = true, .hugepages_2m = 1)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	u64 pfn = pfn_of(mem->hva);
	struct kvm_tdx_init_mem_region again = s.region;

	td_add(s.vcpu, mem->hva, GPA, INIT_MEM_PAGES, 0);
	again.source_addr = (uintptr_t)mem->hva;
	expect_errno(__td_add(s.vcpu, &again, 0), init_mem_twice_error(), "a second time");
	munmap(mem->hva, SZ_2M);
	expect_true(!page_is_anon(pfn), "pfn 0x%llx of the source is free after munmap", pfn);
}

CASE(content, "the content of each page is the source's",
	.vm_types = VM_TDX, .needs_sept = true, .needs_softtdx = true)
{
	struct init_mem_scene s = init_mem_scene(t);

	td_add(s.vcpu, s.source, GPA, INIT_MEM_PAGES, 0);
	for (unsigned int i = 0; i < INIT_MEM_PAGES; i++)
		expect_content(sept_walk(s.vm, GPA + i * SZ_4K).pfn, s.source + i * SZ_4K,
			       "page %u of the TD", i);
}

static void late_source(const struct test *t)
{
	struct blocked_add *b = blocked_add(t, t->tc->param, false);

	expect_eq(pages_added(&b->s), b->page, "pages added while KVM waits for the next");
	expect_ok(blocked_add_resume(b), "KVM_TDX_INIT_MEM_REGION");
	expect_advanced(&b->s.region, &b->before, INIT_MEM_PAGES);
	expect_eq(pages_added(&b->s), INIT_MEM_PAGES, "pages that were added");
	td_finalize(b->s.vm);
	expect_measured(&b->s, INIT_MEM_PAGES);
}

CASES(late_source,
	{ "late_first_page", "KVM waits for the first page of the source", .param = 0,
	  TD_CONTENT, .needs_uffd = true },
	{ "late_middle_page", "KVM waits for a page in the middle of the source", .param = 5,
	  TD_CONTENT, .needs_uffd = true },
	{ "late_last_page", "KVM waits for the last page of the source", .param = 15, TD_CONTENT,
	  .needs_uffd = true })

/* A signal ends the ioctl before the page that it waits for; the same structure resumes it. */
static void interrupted(const struct test *t)
{
	struct blocked_add *b = blocked_add(t, t->tc->param, false);

	catch_signal(SIGUSR1);
	thread_signal(b->thread, SIGUSR1);
	expect_errno(blocked_add_resume(b), EINTR, "the call with a signal pending");
	expect_advanced(&b->s.region, &b->before, b->page);
	expect_eq(pages_added(&b->s), b->page, "pages that were added");

	expect_ok(__td_add(b->s.vcpu, &b->s.region, MEASURE), "the resumed call");
	expect_advanced(&b->s.region, &b->before, INIT_MEM_PAGES);
	expect_eq(pages_added(&b->s), INIT_MEM_PAGES, "pages that were added");
	td_finalize(b->s.vm);
	expect_measured(&b->s, INIT_MEM_PAGES);
}

CASES(interrupted,
	{ "interrupted_at_first", "a signal at the first page: EINTR, nothing done, resumed",
	  .param = 0, TD_CONTENT, .needs_uffd = true },
	{ "interrupted_in_the_middle", "a signal in the middle: EINTR there, resumed",
	  .param = 5, TD_CONTENT, .needs_uffd = true },
	{ "interrupted_at_last", "a signal at the last page: EINTR there, resumed", .param = 15,
	  TD_CONTENT, .needs_uffd = true })

CASE(signal_ignored, "an ignored signal ends nothing", TD_CONTENT, .needs_uffd = true)
{
	struct blocked_add *b = blocked_add(t, 5, false);

	signal(SIGUSR1, SIG_IGN);
	thread_signal(b->thread, SIGUSR1);
	expect_ok(blocked_add_resume(b), "the call, with an ignored signal sent");
	expect_advanced(&b->s.region, &b->before, INIT_MEM_PAGES);
}

CASE(killed, "killed while KVM waits for the source: nothing is left",
	.vm_types = VM_TDX, .needs_uffd = true, .needs_sept = true, .needs_softtdx = true)
{
	struct softtdx_state before = softtdx_state(), after;
	int ready[2];
	pid_t child;
	char c;

	must(!pipe2(ready, O_CLOEXEC), "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		blocked_add(t, 5, false);
		must(write(ready[1], "x", 1) == 1, "write");
		for (;;)
			pause();
	}
	close(ready[1]);
	must(read(ready[0], &c, 1) == 1, "the child");
	kill(child, SIGKILL);
	must(waitpid(child, NULL, 0) == child, "waitpid");
	after = softtdx_settled(&before);
	expect_eq(after.tds, before.tds, "TDs");
	expect_eq(after.pages, before.pages, "pages that belong to TDs");
	expect_eq(after.violations, before.violations, "violations of the module's rules");
}

CASE(source_written, "written while KVM waits: counts for pages still to be added only",
	TD_CONTENT, .needs_uffd = true)
{
	struct blocked_add *b = blocked_add(t, 5, false);
	u8 added[SZ_4K];

	memcpy(added, b->s.source, SZ_4K);
	memset(b->s.source, 0x11, SZ_4K);			/* added already */
	memset(b->s.source + 6 * SZ_4K, 0x66, SZ_4K);		/* added next */
	expect_ok(blocked_add_resume(b), "KVM_TDX_INIT_MEM_REGION");
	td_finalize(b->s.vm);
	memcpy(b->s.source, added, SZ_4K);
	expect_measured(&b->s, INIT_MEM_PAGES);
}

static void soft_offline(u8 *hva)
{
	u64 pfn = pfn_of(hva);

	if (madvise(hva, SZ_4K, MADV_SOFT_OFFLINE) && errno == EINVAL)
		test_skip("needs MADV_SOFT_OFFLINE (CONFIG_MEMORY_FAILURE)");
	expect_true(pfn_of(hva) != pfn, "the page at %p moves away from pfn 0x%llx", hva,
		    pfn);
}

static void source_moves(const struct test *t)
{
	void (*move)(u8 *hva) = t->tc->arg;
	struct blocked_add *b = blocked_add(t, 5, false);

	move(b->s.source + 4 * SZ_4K);
	move(b->s.source + 6 * SZ_4K);
	expect_ok(blocked_add_resume(b), "KVM_TDX_INIT_MEM_REGION");
	td_finalize(b->s.vm);
	expect_measured(&b->s, INIT_MEM_PAGES);
}

CASES(source_moves,
	{ "source_migrates", "pages of the source migrate while KVM waits", .arg = soft_offline,
	  TD_CONTENT, .side_effects = "takes two pages of memory out of service",
	  .needs_uffd = true },
	{ "source_swapped_meanwhile", "pages of the source are swapped out while KVM waits",
	  .arg = page_out, TD_CONTENT, .needs_uffd = true })

CASE(source_unmapped, "a page of the source is unmapped while KVM waits: EFAULT there",
	TD_CONTENT, .needs_uffd = true)
{
	struct blocked_add *b = blocked_add(t, 5, false);

	must(!munmap(b->s.source + 6 * SZ_4K, SZ_4K), "munmap");
	expect_errno(blocked_add_resume(b), EFAULT, "the call whose source ends at page 6");
	expect_advanced(&b->s.region, &b->before, 6);
	expect_eq(pages_added(&b->s), 6, "pages that were added");
}

/*
 * Leave pages full of rubbish to the guest_memfds that allocate next on this CPU: their
 * pfns.  They come from another guest_memfd: pages of other kinds have lists of their own.
 */
static u64 *free_rubbish(void)
{
	u64 *pfns = calloc(RUBBISH_PAGES, sizeof(*pfns));
	struct mem *mem = mem_create(MEM_GMEM_MMAP, RUBBISH_PAGES * SZ_4K,
				     vm_create(KVM_X86_DEFAULT_VM));
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	must(!sched_setaffinity(0, sizeof(here), &here), "sched_setaffinity");
	memset(mem->hva, 0x5a, mem->size);
	for (int i = 0; i < RUBBISH_PAGES; i++)
		pfns[i] = pfn_of(mem->hva + i * SZ_4K);
	munmap(mem->hva, mem->size);
	mem_punch_hole(mem, 0, mem->size);
	return pfns;
}

static bool among(const u64 *pfns, u64 pfn)
{
	for (int i = 0; i < RUBBISH_PAGES; i++)
		if (pfns[i] == pfn)
			return true;
	return false;
}

/*
 * An add that fails leaves a page in guest_memfd that is not cleared yet.  If it counted
 * as up to date, its next user would see what was in it before.  Here a signal makes the
 * add fail after it has allocated the page.
 */
CASE(failed_add_is_cleared, "a page whose add failed is zeroed before its next use",
	.fixes = "d04c77d23122 (\"KVM: guest_memfd: delay folio_mark_uptodate() until after successful preparation\"), 6.11",
	.vm_types = VM_TDX, .needs_uffd = true, .needs_sept = true, .needs_softtdx = true)
{
	struct init_mem_scene s = init_mem_scene(t), part;
	u64 *rubbish = free_rubbish();
	struct uffd_region uffd = uffd_region_create(s.source, FAILED_PAGES * SZ_4K);
	unsigned int reused = 0;

	catch_signal(SIGUSR1);
	for (unsigned int i = 0; i < FAILED_PAGES; i++) {
		struct thread *thread = init_mem_start(&part, &s, s.vcpu, i, 1);

		expect_true(uffd_wait_fault(&uffd, BLOCK_LIMIT_S),
			    "KVM waits for page %u of the source", i);
		thread_signal(thread, SIGUSR1);
		uffd_resolve(&uffd, s.source + i * SZ_4K, NULL);
		expect_errno(thread_join(thread, "KVM_TDX_INIT_MEM_REGION"), EINTR,
			     "adding page %u with a signal pending", i);
	}
	td_finalize(s.vm);
	prefault(s.vcpu, GPA, FAILED_PAGES * SZ_4K);
	for (unsigned int i = 0; i < FAILED_PAGES; i++) {
		struct sept e = sept_walk(s.vm, GPA + i * SZ_4K);

		reused += among(rubbish, e.pfn);
		expect_content(e.pfn, NULL, "page %u after an add that failed", i);
	}
	must(reused, "a page that had rubbish in it");
	measure("pages", reused);
}

TEST_MAIN("sources of KVM_TDX_INIT_MEM_REGION")
