// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_INIT_MEM_REGION: what it takes and refuses, how far it came when it
 * stops, what it makes of each kind of source, who has to wait for it, and what
 * becomes of a TD whose memory changes between the add and the finalize.
 *
 * The structure is in and out: it advances page by page, so that the same call
 * with the same structure goes on where the last one stopped.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "uffd.h"
#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define MEASURE		KVM_TDX_MEASURE_MEMORY_REGION
#define PAGES		16ULL		/* of the slot at GPA, and of the source */
#define SLOT_SIZE	(PAGES * SZ_4K)
#define ELSEWHERE	(GPA + SZ_1G)	/* a gpa without a slot */
#define LIMIT_S		10.0

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

/*
 * Up to 6.19 the source is got under the lock of guest_memfd, which remembers pages
 * that were added once; by 7.1 neither is so. (6.16 to 6.18 map by a fault first.)
 */
static bool early(void)
{
	return kernel_before("7.0");
}

/* --- a TD with a slot, and the call to make ------------------------------------------- */

struct subject {
	struct vm *vm;
	struct vcpu *vcpu;
	struct slot *slot;
	u8 *source;
	struct kvm_tdx_init_mem_region region;	/* the whole slot */
	u32 flags;
	unsigned int elsewhere;		/* pages that were added beside the slot */
};

static struct subject subject(const struct test *t)
{
	struct subject s = { .vm = td_create(), .source = td_source(PAGES, t->seed) };

	s.vcpu = td_vcpu(s.vm);
	s.slot = td_slot_add(s.vm, GPA, SLOT_SIZE);
	s.region = (struct kvm_tdx_init_mem_region){
		.source_addr = (uintptr_t)s.source, .gpa = GPA, .nr_pages = PAGES,
	};
	return s;
}

/* The structure advanced by @done pages, all of it. */
#define expect_progress(seen, before, done)						\
	do {										\
		expect_eq((seen)->nr_pages, (before)->nr_pages - (done), "nr_pages left"); \
		expect_eq((seen)->gpa, (before)->gpa + (done) * SZ_4K, "gpa of the next page"); \
		expect_eq((seen)->source_addr, (before)->source_addr + (done) * SZ_4K,	\
			  "source of the next page");					\
	} while (0)

/*
 * Pages of the slot that the TD has, by the Secure EPT; where it is not shown, pages
 * that KVM counts for all of the VM.
 */
static unsigned int pages_added(const struct subject *s)
{
	unsigned int nr = 0;

	if (sept_missing())
		return vm_stat(s->vm, "pages_4k") - s->elsewhere;
	for (u64 gpa = GPA; gpa < GPA + SLOT_SIZE; gpa += SZ_4K) {
		struct sept e = sept_walk(s->vm, gpa);

		nr += e.level == LEVEL_4K && e.state == SEPT_MAPPED;
	}
	return nr;
}

/* SEAMCALLs so far that gave a TD a page, and a table, where the module counts them. */
struct adds {
	unsigned long pages, tables;
};

static struct adds adds(void)
{
	if (!softtdx_present())
		return (struct adds){ 0 };
	return (struct adds){ .pages = softtdx_calls(TDH_MEM_PAGE_ADD, 0),
			      .tables = softtdx_calls(TDH_MEM_SEPT_ADD, 0) };
}

static void expect_adds(struct adds before, unsigned long pages, unsigned long tables)
{
	struct adds after = adds();

	if (!softtdx_present())
		return;
	expect_eq(after.pages - before.pages, pages, "calls of TDH.MEM.PAGE.ADD");
	expect_eq(after.tables - before.tables, tables, "calls of TDH.MEM.SEPT.ADD");
}

/* The TD's measurement is that of pages [0, nr) of the source, measured, in order. */
static void expect_measured(const struct subject *s, unsigned int nr)
{
	struct mrtd *mrtd = mrtd_new();

	mrtd_add_pages(mrtd, GPA, s->source, nr, true);
	expect_mrtd(mrtd);
}

/* --- what is refused, and after how many pages -------------------------------------------- */

struct rule {
	void (*corrupt)(struct subject *s);
	int error;
	int error_early;	/* where it differs, else 0 */
	int error_or;		/* what other kernels say, else 0 */
	unsigned int done;
};

static void refused(const struct test *t)
{
	const struct rule *rule = t->tc->arg;
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region before;
	int error = early() && rule->error_early ? rule->error_early : rule->error;
	int ret;

	rule->corrupt(&s);
	before = s.region;
	ret = __td_add(s.vcpu, &s.region, s.flags);
	if (ret && rule->error_or && errno == rule->error_or)
		error = rule->error_or;
	expect_errno(ret, error, "KVM_TDX_INIT_MEM_REGION of gpa 0x%llx, 0x%llx pages from 0x%llx",
		     before.gpa, before.nr_pages, before.source_addr);
	expect_progress(&s.region, &before, rule->done);
	expect_eq(pages_added(&s), rule->done, "pages that were added");
	expect_ok(__td_finalize(s.vm, NULL), "KVM_TDX_FINALIZE_VM afterwards");
}

static void unaligned_source(struct subject *s) { s->region.source_addr += 8; }
static void unaligned_gpa(struct subject *s) { s->region.gpa += 0x800; }
static void no_pages(struct subject *s) { s->region.nr_pages = 0; }
static void wraps(struct subject *s) { s->region.gpa = -SZ_4K; s->region.nr_pages = 1; }
static void all_64_bits(struct subject *s) { s->region.nr_pages = 1ULL << 52; }
static void one_less(struct subject *s) { s->region.nr_pages = (1ULL << 52) - 1; }
static void shared_bit(struct subject *s) { s->region.gpa |= TD_SHARED_BIT; }
static void into_shared(struct subject *s)
{
	td_slot_add(s->vm, TD_SHARED_BIT - SLOT_SIZE, SLOT_SIZE);
	s->region.gpa = TD_SHARED_BIT - SZ_4K;
}
static void above_gpaw(struct subject *s) { s->region.gpa = 1ULL << 48; }
static void above_52(struct subject *s) { s->region.gpa = 1ULL << 52; }
static void flag_1(struct subject *s) { s->flags = 1 << 1; }
static void all_flags(struct subject *s) { s->flags = ~0U; }

static void no_source(struct subject *s) { s->region.source_addr = 0; }
static void kernel_source(struct subject *s) { s->region.source_addr = 0xffff888000000000; }
static void unmapped_source(struct subject *s) { munmap(s->source, SLOT_SIZE); }
static void no_access(struct subject *s) { mprotect(s->source, SLOT_SIZE, PROT_NONE); }
static void hole_in_source(struct subject *s) { munmap(s->source + 5 * SZ_4K, SZ_4K); }
static void guard_at_end(struct subject *s)
{
	mprotect(s->source + 15 * SZ_4K, SZ_4K, PROT_NONE);
}

/* The TD's own memory, as far as the host may map it. */
static void gmem_source(struct subject *s)
{
	struct kvm_create_guest_memfd args = { .size = SLOT_SIZE, .flags = GUEST_MEMFD_FLAG_MMAP };
	struct mem gmem = { .kind = MEM_GMEM, .size = SLOT_SIZE };
	void *hva;

	if (!(vm_check_cap(s->vm, KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_MMAP))
		test_skip("this kernel has no guest_memfd that can be mapped (6.18 or newer)");
	gmem.fd = ioctl(s->vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	expect_ok(gmem.fd, "KVM_CREATE_GUEST_MEMFD with GUEST_MEMFD_FLAG_MMAP");
	hva = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem.fd, 0);
	expect_ok(hva == MAP_FAILED ? -1 : 0, "mmap of a guest_memfd");
	slot_delete(s->slot);
	slot_add_gmem(s->vm, GPA, s->slot->mem, &gmem);
	s->region.source_addr = (uintptr_t)hva;
}

static void no_slot(struct subject *s) { s->region.gpa = ELSEWHERE; }
static void slot_deleted(struct subject *s) { slot_delete(s->slot); }
static void below_slot(struct subject *s) { s->region.gpa -= SZ_4K; }
static void past_slot(struct subject *s) { s->region.gpa += 14 * SZ_4K; }
static void slot_without_gmem(struct subject *s)
{
	slot_add(s->vm, ELSEWHERE, mem_create(MEM_ANON, SLOT_SIZE, NULL));
	vm_set_private(s->vm, ELSEWHERE, SLOT_SIZE);
	s->region.gpa = ELSEWHERE;
}
static void gmem_closed(struct subject *s) { close(s->slot->gmem->fd); }
static void all_shared(struct subject *s) { vm_set_shared(s->vm, GPA, SLOT_SIZE); }
static void shared_in_the_middle(struct subject *s) { vm_set_shared(s->vm, GPA + 7 * SZ_4K, SZ_4K); }
static void vcpu_not_initialised(struct subject *s) { s->vcpu = td_vcpu_create(s->vm); }

#define RULE(fn, e, ...) \
	static const struct rule rule_##fn = { .corrupt = fn, .error = e, ##__VA_ARGS__ }
RULE(unaligned_source, EINVAL);
RULE(unaligned_gpa, EINVAL);
RULE(no_pages, EINVAL);
RULE(wraps, EINVAL);
RULE(all_64_bits, EINVAL);
RULE(one_less, EINVAL);
RULE(shared_bit, EINVAL);
RULE(into_shared, EINVAL);
RULE(above_gpaw, EINVAL);
RULE(above_52, EINVAL);
RULE(flag_1, EINVAL);
RULE(all_flags, EINVAL);
/* Up to 7.2 the page's turn must come, later it is a bad argument. */
RULE(no_source, EOPNOTSUPP, .error_early = EFAULT, .error_or = EINVAL);
RULE(kernel_source, EFAULT);
RULE(unmapped_source, EFAULT);
RULE(no_access, EFAULT);
RULE(hole_in_source, EFAULT, .done = 5);
RULE(guard_at_end, EFAULT, .done = 15);
RULE(gmem_source, EFAULT);
RULE(no_slot, EINVAL);
RULE(slot_deleted, EINVAL);
RULE(below_slot, EINVAL);
RULE(past_slot, EINVAL, .done = 2);
RULE(slot_without_gmem, EINVAL);
RULE(gmem_closed, EFAULT);
RULE(all_shared, EINVAL);
RULE(shared_in_the_middle, EINVAL, .done = 7);
RULE(vcpu_not_initialised, EINVAL);

/* nr_pages << 12 is one page, in 64 bits; the loop counts nr_pages. */
static void size_beyond_64_bits(const struct test *t)
{
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region before;

	s.region.nr_pages = (1ULL << 52) + 1;
	before = s.region;
	expect_errno(__td_add(s.vcpu, &s.region, 0), EINVAL, "2^52 + 1 pages");
	if (s.region.nr_pages != before.nr_pages)
		xfail("L3", "2^52 + 1 pages: %llu were added, up to the end of the slot",
				 before.nr_pages - s.region.nr_pages);
	expect_progress(&s.region, &before, 0);
	xpass("L3");
}

static void after_finalize(const struct test *t)
{
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region before = s.region;

	td_finalize(s.vm);
	expect_errno(__td_add(s.vcpu, &s.region, 0), EINVAL, "KVM_TDX_INIT_MEM_REGION");
	expect_progress(&s.region, &before, 0);
	expect_eq(pages_added(&s), 0, "pages that were added");
}

/* Refused in the middle; with the obstacle gone the same structure goes on. */
static void mended(const struct test *t)
{
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region before = s.region;

	shared_in_the_middle(&s);
	expect_errno(__td_add(s.vcpu, &s.region, MEASURE), EINVAL, "a shared page in the middle");
	expect_progress(&s.region, &before, 7);
	vm_set_private(s.vm, GPA, SLOT_SIZE);
	expect_ok(__td_add(s.vcpu, &s.region, MEASURE), "the rest");
	expect_progress(&s.region, &before, PAGES);
	expect_eq(pages_added(&s), PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, PAGES);
}

static void across_slots(const struct test *t)
{
	struct subject s = subject(t);
	u64 border = GPA + SLOT_SIZE;

	td_slot_add(s.vm, border, SLOT_SIZE);
	s.region.gpa = border - 3 * SZ_4K;
	expect_ok(__td_add(s.vcpu, &s.region, 0), "pages of two slots side by side");
	expect_eq(s.region.nr_pages, 0, "nr_pages left");
	expect_eq(vm_stat(s.vm, "pages_4k"), PAGES, "statistic pages_4k");
	if (!sept_missing())
		expect_eq(pages_added(&s), 3, "pages of the first slot");
	expect_sept(s.vm, border, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
}

/* --- the structure itself -------------------------------------------------------------------- */

static void no_structure(const struct test *t)
{
	struct subject s = subject(t);

	expect_errno(__td_cmd(s.vcpu->fd, KVM_TDX_INIT_MEM_REGION, 0, 0, NULL), EFAULT,
		     "a structure at NULL");
	expect_errno(__td_cmd(s.vcpu->fd, KVM_TDX_INIT_MEM_REGION, 0, 0xffff888000000000, NULL),
		     EFAULT, "a structure in the kernel's half");
	expect_eq(pages_added(&s), 0, "pages that were added");
}

static struct kvm_tdx_init_mem_region *page_with(const struct kvm_tdx_init_mem_region *region)
{
	struct kvm_tdx_init_mem_region *page = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(page != MAP_FAILED, "mmap");
	*page = *region;
	return page;
}

/* KVM cannot tell how far it came: EFAULT, and yet the pages are the TD's. */
static void structure_read_only(const struct test *t)
{
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region *page = page_with(&s.region);

	must(!mprotect(page, SZ_4K, PROT_READ), "mprotect");
	expect_errno(__td_add(s.vcpu, page, MEASURE), EFAULT, "a read-only structure");
	expect_progress(page, &s.region, 0);
	expect_eq(pages_added(&s), PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, PAGES);
}

/* --- the same page again ----------------------------------------------------------------------- */

/* Refused: page, mapping and measurement are those of the first time. */
static void same_gfn(const struct test *t)
{
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region again = s.region, before;
	u8 *other = td_source(PAGES, ~t->seed);
	u64 pfn;

	s.region.nr_pages = 1;
	expect_ok(__td_add(s.vcpu, &s.region, MEASURE), "the first time");
	pfn = sept_missing() ? PFN_ANY : sept_walk(s.vm, GPA).pfn;
	again.source_addr = (uintptr_t)other;
	before = again;
	expect_errno(__td_add(s.vcpu, &again, MEASURE), early() ? EEXIST : EIO,
		     "the second time");
	expect_progress(&again, &before, 0);
	expect_sept(s.vm, GPA, LEVEL_4K, SEPT_MAPPED, pfn);
	expect_eq(pages_added(&s), 1, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, 1);
}

/* Pages before it are added, those after it are for another call. */
static void same_gfn_in_the_middle(const struct test *t)
{
	struct subject s = subject(t);
	struct kvm_tdx_init_mem_region before = s.region;

	td_add(s.vcpu, s.source + 4 * SZ_4K, GPA + 4 * SZ_4K, 1, 0);
	expect_errno(__td_add(s.vcpu, &s.region, 0), early() ? EEXIST : EIO,
		     "a page in the middle that is there already");
	expect_progress(&s.region, &before, 4);
	expect_eq(pages_added(&s), 5, "pages that were added");
	td_add(s.vcpu, s.source + 5 * SZ_4K, GPA + 5 * SZ_4K, 11, 0);
	expect_eq(pages_added(&s), PAGES, "pages that were added");
	td_finalize(s.vm);
}

/* Two vCPUs take turns. */
static void second_vcpu(const struct test *t)
{
	struct subject s = subject(t);
	struct vcpu *vcpus[] = { s.vcpu, td_vcpu(s.vm) };

	for (unsigned int i = 0; i < 6; i++)
		td_add(vcpus[i % 2], s.source + i * SZ_4K, GPA + i * SZ_4K, 1, MEASURE);
	expect_eq(pages_added(&s), 6, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, 6);
}

/* --- sources ---------------------------------------------------------------------------------------- */

#define SOURCE_PAGES	4

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

/* Private pages of a file that nobody wrote to, as a program's text. */
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

/* One page, at each page of the range. */
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

/* Each page of the TD has the content of the source, as the measurement tells. */
static void source_kind(const struct test *t)
{
	u8 *(*make)(const struct test *t) = t->tc->arg;
	struct subject s = subject(t);

	s.source = make(t);
	s.region.source_addr = (uintptr_t)s.source;
	s.region.nr_pages = SOURCE_PAGES;
	expect_ok(__td_add(s.vcpu, &s.region, MEASURE), "KVM_TDX_INIT_MEM_REGION");
	expect_eq(pages_added(&s), SOURCE_PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, SOURCE_PAGES);
}

/* No reference to the source is kept, whether the call succeeds or fails. */
static void source_released(const struct test *t)
{
	struct subject s = subject(t);
	long before = hugetlb_free_pages(SZ_2M);
	struct mem *mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	struct kvm_tdx_init_mem_region again = s.region;

	td_add(s.vcpu, mem->hva, GPA, PAGES, 0);
	again.source_addr = (uintptr_t)mem->hva;
	expect_errno(__td_add(s.vcpu, &again, 0), early() ? EEXIST : EIO, "a second time");
	munmap(mem->hva, SZ_2M);
	expect_eq(hugetlb_free_pages(SZ_2M), before, "free hugetlb pages after munmap of the source");
}

/* --- a source that comes late ----------------------------------------------------------------------- */

/* A call in a thread that waits for the source of page @page. */
struct waiting {
	struct subject s;
	struct kvm_tdx_init_mem_region before;
	struct vcpu *other;		/* a second vCPU, or NULL; and a slot ELSEWHERE */
	unsigned int page;
	u8 *content;		/* of that page */
	struct uffd_region late;
	struct thread *thread;
};

static int add_subject(void *arg)
{
	struct subject *s = arg;

	return __td_add(s->vcpu, &s->region, s->flags);
}

static struct waiting *wait_at(const struct test *t, unsigned int page, bool two_vcpus)
{
	struct waiting *w = calloc(1, sizeof(*w));
	u8 *hva;

	w->s = subject(t);
	w->s.flags = MEASURE;
	w->before = w->s.region;
	if (two_vcpus) {
		w->other = td_vcpu(w->s.vm);
		td_slot_add(w->s.vm, ELSEWHERE, SZ_4K);
	}
	w->page = page;
	hva = w->s.source + page * SZ_4K;
	w->content = memcpy(aligned_alloc(SZ_4K, SZ_4K), hva, SZ_4K);
	w->late = uffd_region_create(hva, SZ_4K);
	w->thread = thread_start(add_subject, &w->s);
	expect_true(uffd_wait_fault(&w->late, LIMIT_S) == hva, "KVM asks for page %u of the source, hva %p",
		    page, hva);
	return w;
}

/* Supply the page; what the call returns. */
static int supply(struct waiting *w)
{
	uffd_resolve(&w->late, w->s.source + w->page * SZ_4K, w->content);
	return thread_join(w->thread, "KVM_TDX_INIT_MEM_REGION");
}

static void late_source(const struct test *t)
{
	struct waiting *w = wait_at(t, (uintptr_t)t->tc->arg, false);

	expect_eq(pages_added(&w->s), w->page, "pages added before the one that is late");
	expect_ok(supply(w), "KVM_TDX_INIT_MEM_REGION");
	expect_progress(&w->s.region, &w->before, PAGES);
	expect_eq(pages_added(&w->s), PAGES, "pages that were added");
	td_finalize(w->s.vm);
	expect_measured(&w->s, PAGES);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void send_signal(const struct thread *thread)
{
	must(!syscall(SYS_tgkill, getpid(), thread_tid(thread), SIGUSR1), "tgkill");
}

/* A signal ends the call before the page it is at; the same structure resumes it. */
static void interrupted(const struct test *t)
{
	struct waiting *w = wait_at(t, (uintptr_t)t->tc->arg, false);

	signal(SIGUSR1, on_signal);
	send_signal(w->thread);
	expect_errno(supply(w), EINTR, "the call with a signal pending");
	expect_progress(&w->s.region, &w->before, w->page);
	expect_eq(pages_added(&w->s), w->page, "pages that were added");

	expect_ok(__td_add(w->s.vcpu, &w->s.region, MEASURE), "the resumed call");
	expect_progress(&w->s.region, &w->before, PAGES);
	expect_eq(pages_added(&w->s), PAGES, "pages that were added");
	td_finalize(w->s.vm);
	expect_measured(&w->s, PAGES);
}

/* A signal that is ignored is none. */
static void signal_ignored(const struct test *t)
{
	struct waiting *w = wait_at(t, 5, false);

	signal(SIGUSR1, SIG_IGN);
	send_signal(w->thread);
	expect_ok(supply(w), "the call, with an ignored signal sent");
	expect_progress(&w->s.region, &w->before, PAGES);
}

/* Killed while KVM waits: the source need never come. */
static void killed(const struct test *t)
{
	struct softtdx_state before = softtdx_state(), after;
	int ready[2];
	pid_t child;
	char c;

	must(!pipe2(ready, O_CLOEXEC), "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		wait_at(t, 5, false);
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

/* What is written to the source counts up to the page's turn, and not after it. */
static void source_written(const struct test *t)
{
	struct waiting *w = wait_at(t, 5, false);
	u8 added[SZ_4K];

	memcpy(added, w->s.source, SZ_4K);
	memset(w->s.source, 0x11, SZ_4K);			/* it is the TD's already */
	memset(w->s.source + 6 * SZ_4K, 0x66, SZ_4K);		/* its turn is next */
	expect_ok(supply(w), "KVM_TDX_INIT_MEM_REGION");
	td_finalize(w->s.vm);
	memcpy(w->s.source, added, SZ_4K);
	expect_measured(&w->s, PAGES);
}

/* The next pages of the source move while KVM waits for this one. */
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
	struct waiting *w = wait_at(t, 5, false);

	move(w->s.source + 4 * SZ_4K);
	move(w->s.source + 6 * SZ_4K);
	expect_ok(supply(w), "KVM_TDX_INIT_MEM_REGION");
	td_finalize(w->s.vm);
	expect_measured(&w->s, PAGES);
}

static void swap_out(u8 *hva)
{
	page_out(hva);
}

/* The rest of the source is gone when KVM gets there. */
static void source_unmapped(const struct test *t)
{
	struct waiting *w = wait_at(t, 5, false);

	must(!munmap(w->s.source + 6 * SZ_4K, SZ_4K), "munmap");
	expect_errno(supply(w), EFAULT, "the call whose source ends at page 6");
	expect_progress(&w->s.region, &w->before, 6);
	expect_eq(pages_added(&w->s), 6, "pages that were added");
}

/* --- what others do meanwhile --------------------------------------------------------------------------- */

/* Since 6.19 KVM_TDX_INIT_MEM_REGION holds the locks of all vCPUs and of the VM. */
enum waits { NEVER, ALWAYS, FROM_6_19, UP_TO_6_19 };

static bool waits_here(enum waits waits)
{
	return waits == ALWAYS || (waits == FROM_6_19 && !kernel_has_function("kvm_tdp_map_page")) ||
	       (waits == UP_TO_6_19 && early());
}

struct operation {
	int (*fn)(void *waiting);
	const char *what;
	enum waits waits;
	int error;
	bool two_vcpus;
	unsigned int left, left_early;	/* pages that the TD has in the end */
};

/*
 * An operation while the call waits for page 5: either it waits, too, and then
 * succeeds, or it goes on at once, and whoever supplies the page may rely on that.
 */
static void meanwhile(const struct test *t)
{
	const struct operation *op = t->tc->arg;
	struct waiting *w = wait_at(t, 5, op->two_vcpus);
	struct thread *thread = thread_start(op->fn, w);
	bool waits = waits_here(op->waits);
	int ret;

	if (waits) {
		expect_true(thread_sleeps(thread, LIMIT_S) && !thread_ended(thread, 0),
			    "%s waits for KVM_TDX_INIT_MEM_REGION", op->what);
		expect_ok(supply(w), "KVM_TDX_INIT_MEM_REGION");
	}
	ret = thread_join(thread, op->what);
	expect_errno(ret, op->error, "%s", op->what);
	if (!waits)
		expect_ok(supply(w), "KVM_TDX_INIT_MEM_REGION");
	expect_progress(&w->s.region, &w->before, PAGES);
	expect_eq(pages_added(&w->s), early() ? op->left_early : op->left,
		  "pages that the TD has");
}

static int vcpu_ioctl(void *waiting)
{
	struct waiting *w = waiting;

	return ioctl(w->other->fd, KVM_GET_TSC_KHZ, 0);
}

static int prefault_page(void *waiting)
{
	struct waiting *w = waiting;
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	return __vcpu_prefault(w->other, &range);
}

static int add_elsewhere(void *waiting)
{
	struct waiting *w = waiting;
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)w->content, .gpa = ELSEWHERE, .nr_pages = 1,
	};

	w->s.elsewhere = region.nr_pages;
	return __td_add(w->other, &region, 0);
}

static int init_vcpu_again(void *waiting)
{
	return __td_vcpu_init(((struct waiting *)waiting)->other, 0);
}

static int finalize(void *waiting)
{
	return __td_finalize(((struct waiting *)waiting)->s.vm, NULL);
}

static int set_private(void *waiting)
{
	return __vm_set_attributes(((struct waiting *)waiting)->s.vm, ELSEWHERE, SZ_4K,
				   KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static int set_shared(void *waiting)
{
	return __vm_set_attributes(((struct waiting *)waiting)->s.vm, GPA + 5 * SZ_4K, SZ_4K, 0);
}

static int new_slot(void *waiting)
{
	struct waiting *w = waiting;

	slot_add(w->s.vm, ELSEWHERE, mem_create(MEM_ANON, SZ_4K, NULL));
	return 0;
}

static int delete_slot(void *waiting)
{
	return __slot_delete(((struct waiting *)waiting)->s.slot);
}

static int create_vcpu(void *waiting)
{
	return ioctl(((struct waiting *)waiting)->s.vm->fd, KVM_CREATE_VCPU, 1);
}

static int capabilities(void *waiting)
{
	return __td_capabilities(((struct waiting *)waiting)->s.vm, td_capabilities_alloc(256));
}

static int punch(struct waiting *w, unsigned int page)
{
	return fallocate(w->s.slot->gmem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 page * SZ_4K, SZ_4K);
}

static int punch_added(void *waiting)
{
	return punch(waiting, 3);
}

static int punch_wanted(void *waiting)
{
	return punch(waiting, 5);
}

#define OPERATION(fn, ...)	static const struct operation op_##fn = { fn, __VA_ARGS__ }
OPERATION(vcpu_ioctl, "an ioctl of another vCPU", FROM_6_19, 0, true, PAGES, PAGES);
OPERATION(prefault_page, "KVM_PRE_FAULT_MEMORY", FROM_6_19, EOPNOTSUPP, true, PAGES, PAGES);
OPERATION(add_elsewhere, "KVM_TDX_INIT_MEM_REGION of another vCPU", ALWAYS, 0, true,
	  PAGES, PAGES);
OPERATION(init_vcpu_again, "KVM_TDX_INIT_VCPU", FROM_6_19, EINVAL, true, PAGES, PAGES);
OPERATION(finalize, "KVM_TDX_FINALIZE_VM", ALWAYS, 0, false, PAGES, PAGES);
OPERATION(set_private, "KVM_SET_MEMORY_ATTRIBUTES elsewhere", ALWAYS, 0, false,
	  PAGES, PAGES);
OPERATION(set_shared, "KVM_SET_MEMORY_ATTRIBUTES of the page", ALWAYS, 0, false,
	  PAGES - 1, PAGES - 1);
OPERATION(new_slot, "a new memslot", ALWAYS, 0, false, PAGES, PAGES);
OPERATION(delete_slot, "the deletion of the memslot", ALWAYS, 0, false, 0, 0);
OPERATION(create_vcpu, "KVM_CREATE_VCPU", FROM_6_19, 0, false, PAGES, PAGES);
OPERATION(capabilities, "KVM_TDX_CAPABILITIES", NEVER, 0, false, PAGES, PAGES);
/* Up to 6.19 the source is looked for with guest_memfd's lock held. */
OPERATION(punch_added, "a hole at a page that was added", UP_TO_6_19, 0, false,
	  PAGES - 1, PAGES - 1);
/* Where the hole does not wait, the page comes after it. */
OPERATION(punch_wanted, "a hole at the page that is late", UP_TO_6_19, 0, false,
	  PAGES, PAGES - 1);

/* The last fd of the guest_memfd: the page at hand is added, the next is refused, all go. */
static void close_gmem(const struct test *t)
{
	struct waiting *w = wait_at(t, 5, false);

	must(!close(w->s.slot->gmem->fd), "close");
	expect_eq(pages_added(&w->s), 5, "pages that the TD has while KVM waits");
	expect_errno(supply(w), EFAULT, "KVM_TDX_INIT_MEM_REGION");
	expect_progress(&w->s.region, &w->before, 6);
	expect_eq(pages_added(&w->s), 0, "pages that the TD has");
	expect_ok(__td_finalize(w->s.vm, NULL), "KVM_TDX_FINALIZE_VM");
}

/* --- two vCPUs at once ---------------------------------------------------------------------------------------- */

/* @nr pages from page @first on, by a vCPU of its own in a thread of its own. */
static struct thread *start_add(struct subject *part, const struct subject *s, struct vcpu *vcpu,
				unsigned int first, unsigned int nr)
{
	*part = *s;
	part->vcpu = vcpu;
	part->region.gpa += first * SZ_4K;
	part->region.source_addr += first * SZ_4K;
	part->region.nr_pages = nr;
	return thread_start(add_subject, part);
}

/* Halves of the slot: all pages, each once, and one set of tables for both. */
static void two_halves(const struct test *t)
{
	struct subject s = subject(t), half[2];
	struct vcpu *other = td_vcpu(s.vm);
	struct adds before = adds();
	struct thread *a = start_add(&half[0], &s, s.vcpu, 0, PAGES / 2);
	struct thread *b = start_add(&half[1], &s, other, PAGES / 2, PAGES / 2);

	expect_ok(thread_join(a, "the first half"), "the first half");
	expect_ok(thread_join(b, "the second half"), "the second half");
	expect_eq(pages_added(&s), PAGES, "pages that were added");
	expect_adds(before, PAGES, 3);
	td_finalize(s.vm);
}

/* The same pages by both: one call is there first with all of it, the other gets nothing. */
static void same_pages(const struct test *t)
{
	struct subject s = subject(t), part[2];
	struct vcpu *other = td_vcpu(s.vm);
	struct thread *thread[2];
	unsigned int winner = 0;
	int ret[2], err[2];

	s.flags = MEASURE;
	thread[0] = start_add(&part[0], &s, s.vcpu, 0, PAGES);
	thread[1] = start_add(&part[1], &s, other, 0, PAGES);
	for (int i = 0; i < 2; i++) {
		ret[i] = thread_join(thread[i], "KVM_TDX_INIT_MEM_REGION");
		err[i] = ret[i] ? errno : 0;
	}
	winner = ret[0] != 0;
	expect_eq(err[winner], 0, "errno of one of them");
	expect_eq(err[!winner], early() ? EEXIST : EIO, "errno of the other");
	expect_progress(&part[winner].region, &s.region, PAGES);
	expect_progress(&part[!winner].region, &s.region, 0);
	expect_eq(pages_added(&s), PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, PAGES);
}

/* --- between the add and the finalize --------------------------------------------------------------------------- */

struct change {
	void (*fn)(struct fixture *td);
	unsigned int first, nr;		/* pages that go */
	void (*mend)(struct fixture *td);	/* what it takes to add them again */
	int again_early;		/* errno of that up to 6.19, else 0 */
};

/*
 * Pages that go between add and finalize: out of the mirror and the Secure EPT,
 * the others stay, and finalize does not mind.  They can be added again, and are
 * measured again.
 */
static void changed(const struct test *t)
{
	const struct change *change = t->tc->arg;
	struct fixture td = td_fixture(t, SLOT_SIZE);
	u8 *source = td_source(PAGES, t->seed), *part = source + change->first * SZ_4K;
	u64 gpa = GPA + change->first * SZ_4K, end = gpa + change->nr * SZ_4K;
	int error = early() ? change->again_early : 0;
	struct kvm_tdx_init_mem_region again = {
		.source_addr = (uintptr_t)part, .gpa = gpa, .nr_pages = change->nr,
	};
	struct mrtd *mrtd = mrtd_new();

	td_add(td.vcpu, source, GPA, PAGES, MEASURE);
	mrtd_add_pages(mrtd, GPA, source, PAGES, true);
	change->fn(&td);
	expect_td_mapped(&td, GPA, change->first, SEPT_MAPPED);
	expect_td_unmapped(&td, gpa, change->nr);
	expect_td_mapped(&td, end, PAGES - change->first - change->nr, SEPT_MAPPED);

	if (change->mend) {
		change->mend(&td);
		expect_errno(__td_add(td.vcpu, &again, MEASURE), error, "adding them again");
		if (!error) {
			expect_td_mapped(&td, GPA, PAGES, SEPT_MAPPED);
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
static void private_again(struct fixture *td) { vm_set_private(td->vm, GPA, SLOT_SIZE); }
static void slot_again(struct fixture *td) { expect_ok(__slot_set(td->slot), "the slot again"); }

/* guest_memfd keeps the page in all of them but the hole, and up to 6.19 none is taken twice. */
static const struct change
	punched_and_added = { punch_4, 6, 4, nothing, 0 },
	shared_and_added = { share_4, 6, 4, private_again, EEXIST },
	deleted_and_added = { delete, 0, PAGES, slot_again, EEXIST },
	gmem_closed_between = { close_fd, 0, PAGES, NULL, 0 };

/* --- content --------------------------------------------------------------------------------------------------------- */

/*
 * Let the pages that guest_memfds get next on this CPU be full of rubbish: their
 * pfns.  They come from another guest_memfd: pages of other kinds are kept apart.
 */
#define RUBBISH_PAGES	512

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
 * An add that fails leaves a page in guest_memfd that nobody has cleared yet: it
 * must not count as such, or the next user of the page sees what was in it before.
 * What makes it fail, once it has the page, is a signal.
 */
#define FAILED_PAGES	8

static void failed_add_is_cleared(const struct test *t)
{
	struct subject s = subject(t), part;
	u64 *rubbish = free_rubbish();
	struct uffd_region late = uffd_region_create(s.source, FAILED_PAGES * SZ_4K);
	unsigned int reused = 0;

	signal(SIGUSR1, on_signal);
	for (unsigned int i = 0; i < FAILED_PAGES; i++) {
		struct thread *thread = start_add(&part, &s, s.vcpu, i, 1);

		expect_true(uffd_wait_fault(&late, LIMIT_S), "KVM asks for page %u of the source", i);
		send_signal(thread);
		uffd_resolve(&late, s.source + i * SZ_4K, NULL);
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

/* What the TD has is what the source had. */
static void content(const struct test *t)
{
	struct subject s = subject(t);

	td_add(s.vcpu, s.source, GPA, PAGES, 0);
	for (unsigned int i = 0; i < PAGES; i++)
		expect_content(sept_walk(s.vm, GPA + i * SZ_4K).pfn, s.source + i * SZ_4K,
			       "page %u of the TD", i);
}

/* --- sizes ------------------------------------------------------------------------------------------------------------- */

struct size {
	u64 first, nr;		/* pages, from GPA on */
	u32 flags;
	unsigned int tables;		/* SEPT pages below the root */
};

/* In four calls: a page costs the same in the last as in the first. */
static void many_pages(const struct test *t)
{
	const struct size *size = t->tc->arg;
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct adds before = adds();
	u64 gpa = GPA + size->first * SZ_4K, part = size->nr / 4;
	u8 *source = mem_populated(MEM_ANON, size->nr * SZ_4K, NULL)->hva;
	double start, seconds[4];

	td_slot_add(vm, GPA, (size->first + size->nr) * SZ_4K);
	for (int i = 0; i < 4; i++) {
		u64 nr = i < 3 ? part : size->nr - 3 * part;

		start = now();
		if (nr)
			td_add(vcpu, source + i * part * SZ_4K, gpa + i * part * SZ_4K, nr, size->flags);
		seconds[i] = nr ? (now() - start) / nr : 0;
	}
	measure("pages", size->nr);
	measure("seconds_a_page", seconds[3]);
	measure("seconds_a_page_at_first", part ? seconds[0] : seconds[3]);
	expect_eq(vm_stat(vm, "pages_4k"), size->nr, "statistic pages_4k");
	expect_adds(before, size->nr, size->tables);
	if (size->nr >= 4096)
		expect_true(seconds[3] < 2 * seconds[0],
			    "a page of the last quarter takes less than twice the time of one of the first: %.1f us, %.1f us",
			    seconds[3] * 1e6, seconds[0] * 1e6);
	td_finalize(vm);
}

static const struct size
	pages_1 = { 0, 1, 0, 3 },
	pages_511 = { 0, 511, 0, 3 },
	pages_512 = { 0, 512, 0, 3 },
	pages_513 = { 0, 513, 0, 4 },
	pages_across = { 256, 512, 0, 4 },
	measured_64 = { 0, 64, MEASURE, 3 },
	mib_16 = { 0, 4096, 0, 10 },
	mib_64 = { 0, 16384, 0, 34 },
	measured_4_mib = { 0, 1024, MEASURE, 4 };

/* --- all of them ---------------------------------------------------------------------------------------------------- */

#define TD	.vm_types = VM_TDX
#define SEEN	TD, .uses_sept = true
#define MEASURED	.uses_sept = true, .uses_softtdx = true
#define INSIDE	TD, MEASURED
#define LATE	TD, MEASURED, .needs_uffd = true
#define OBSERVED INSIDE, .observes = OBSERVE_MAPPING
#define REFUSED(fn, summary) { #fn, summary, refused, &rule_##fn, TD }
#define MEANWHILE(fn, summary) { "meanwhile_" #fn, summary, meanwhile, &op_##fn, LATE, .cpus = 2 }
#define PAGE(n)	(void *)(uintptr_t)(n)

static const struct test_case cases[] = {
	REFUSED(unaligned_source, "a source that is not page-aligned: EINVAL"),
	REFUSED(unaligned_gpa, "a gpa that is not page-aligned: EINVAL"),
	REFUSED(no_pages, "no pages: EINVAL"),
	REFUSED(wraps, "up to the end of 64 bits: EINVAL"),
	REFUSED(all_64_bits, "2^52 pages, 0 in bytes: EINVAL"),
	REFUSED(one_less, "2^52 - 1 pages: EINVAL"),
	{ "size_beyond_64_bits", "2^52 + 1 pages, one page in bytes: EINVAL", size_beyond_64_bits,
	  SEEN },
	REFUSED(shared_bit, "the shared bit in the gpa: EINVAL"),
	REFUSED(into_shared, "from the private half into the shared one: EINVAL"),
	REFUSED(above_gpaw, "a gpa above the TD's 48 bits: EINVAL"),
	REFUSED(above_52, "a gpa above 52 bits: EINVAL"),
	REFUSED(flag_1, "an unknown flag: EINVAL"),
	REFUSED(all_flags, "all flags: EINVAL"),
	REFUSED(no_source, "no source: EINVAL, up to 7.2 EOPNOTSUPP, up to 6.18 EFAULT"),
	REFUSED(kernel_source, "a source in the kernel's half: EFAULT"),
	REFUSED(unmapped_source, "a source where nothing is mapped: EFAULT"),
	REFUSED(no_access, "a source with PROT_NONE: EFAULT"),
	REFUSED(hole_in_source, "a hole in the source: EFAULT after what is before it"),
	REFUSED(guard_at_end, "a source that lacks the last page: EFAULT there"),
	REFUSED(gmem_source, "the TD's own guest_memfd as the source: EFAULT"),
	REFUSED(no_slot, "no slot: EINVAL"),
	REFUSED(slot_deleted, "a slot that was deleted: EINVAL"),
	REFUSED(below_slot, "a page before the slot: EINVAL"),
	REFUSED(past_slot, "a range beyond the slot's end: EINVAL there"),
	REFUSED(slot_without_gmem, "a slot without guest_memfd: EINVAL"),
	REFUSED(gmem_closed, "a slot whose guest_memfd was closed: EFAULT"),
	REFUSED(all_shared, "gfns that are shared: EINVAL"),
	REFUSED(shared_in_the_middle, "one shared gfn in the middle: EINVAL there"),
	REFUSED(vcpu_not_initialised, "a second vCPU before its KVM_TDX_INIT_VCPU: EINVAL"),
	{ "after_finalize", "after KVM_TDX_FINALIZE_VM: EINVAL", after_finalize, SEEN },
	{ "no_structure", "no structure: EFAULT", no_structure, SEEN },
	{ "structure_read_only", "a read-only structure: EFAULT, the pages are added",
	  structure_read_only, INSIDE },
	{ "mended", "refused in the middle, mended, resumed: all pages, once", mended, INSIDE },
	{ "across_slots", "pages of two slots in one call", across_slots, SEEN },
	{ "second_vcpu", "two vCPUs take turns", second_vcpu, INSIDE },

	{ "same_gfn", "the same page twice: EIO, up to 6.19 EEXIST; the first stays", same_gfn, INSIDE },
	{ "same_gfn_in_the_middle", "a page in the middle is there already: refused there",
	  same_gfn_in_the_middle, SEEN },

	{ "source_anon", "a source of 4K pages", source_kind, anon, INSIDE },
	{ "source_thp", "a source in a THP", source_kind, thp, TD,
	  MEASURED, .needs_thp = true },
	{ "source_hugetlb", "a source in hugetlb", source_kind, hugetlb, INSIDE, .hugepages_2m = 1 },
	{ "source_memfd", "a source in a memfd", source_kind, memfd, INSIDE },
	{ "source_file", "a source in a file", source_kind, file, INSIDE },
	{ "source_private_file", "a source in a program's text", source_kind, private_file, INSIDE },
	{ "source_read_only", "a source that may only be read", source_kind, read_only, INSIDE },
	{ "source_untouched", "a source that nobody wrote to", source_kind, untouched, INSIDE },
	{ "source_swapped_out", "a source that is swapped out", source_kind, swapped_out, INSIDE },
	{ "source_shared_with_child", "a source before its copy-on-write", source_kind,
	  shared_with_child, INSIDE },
	{ "source_one_page_only", "the same page as the source of each", source_kind, one_page_only,
	  INSIDE },
	{ "source_released", "no reference to the source is kept", source_released, SEEN,
	  .hugepages_2m = 1 },
	{ "content", "the content of each page is the source's", content, TD,
	  .needs_sept = true, .needs_softtdx = true },
	{ "failed_add_is_cleared", "a page whose add failed is zeroed before its next use",
	  failed_add_is_cleared, TD, .needs_sept = true, .needs_softtdx = true, .needs_uffd = true,
	  .fixes = "KVM: guest_memfd: delay folio_mark_uptodate() until after successful preparation (6.11)" },

	{ "late_first_page", "the first page of the source comes late", late_source, PAGE(0), LATE },
	{ "late_middle_page", "a page in the middle of the source comes late", late_source, PAGE(5),
	  LATE },
	{ "late_last_page", "the last page of the source comes late", late_source, PAGE(15), LATE },
	{ "interrupted_at_first", "a signal at the first page: EINTR, nothing done, resumed",
	  interrupted, PAGE(0), LATE },
	{ "interrupted_in_the_middle", "a signal in the middle: EINTR there, resumed", interrupted,
	  PAGE(5), LATE },
	{ "interrupted_at_last", "a signal at the last page: EINTR there, resumed", interrupted,
	  PAGE(15), LATE },
	{ "signal_ignored", "an ignored signal ends nothing", signal_ignored, LATE },
	{ "killed", "killed while KVM waits for the source: nothing is left", killed, TD,
	  .needs_sept = true, .needs_softtdx = true, .needs_uffd = true },
	{ "source_written", "the content is that of the page's turn", source_written, LATE },
	{ "source_migrates", "pages of the source migrate meanwhile", source_moves, soft_offline, LATE,
	  .side_effects = "takes two pages of memory out of service" },
	{ "source_swapped_meanwhile", "pages of the source are swapped out meanwhile", source_moves,
	  swap_out, LATE },
	{ "source_unmapped", "a page of the source is unmapped meanwhile: EFAULT there",
	  source_unmapped, LATE },

	MEANWHILE(vcpu_ioctl, "an ioctl of another vCPU waits (not up to 6.18)"),
	MEANWHILE(prefault_page, "a prefault waits (not up to 6.18): EOPNOTSUPP"),
	MEANWHILE(add_elsewhere, "an add of another vCPU waits"),
	MEANWHILE(init_vcpu_again, "KVM_TDX_INIT_VCPU waits (not up to 6.18)"),
	MEANWHILE(finalize, "KVM_TDX_FINALIZE_VM waits, and finalizes all pages"),
	MEANWHILE(set_private, "a change of attributes elsewhere waits"),
	MEANWHILE(set_shared, "a change of the page's attributes waits; then the page goes"),
	MEANWHILE(new_slot, "a new memslot waits"),
	MEANWHILE(delete_slot, "the deletion of the slot waits; then all pages go"),
	MEANWHILE(create_vcpu, "KVM_CREATE_VCPU waits (not up to 6.18)"),
	MEANWHILE(capabilities, "KVM_TDX_CAPABILITIES does not wait"),
	{ "meanwhile_punch_added", "a hole at an added page does not wait (up to 6.19 it does)",
	  meanwhile, &op_punch_added, LATE, .cpus = 2,
	  .fixes = "KVM: guest_memfd: GUP source pages prior to populating guest memory (7.0)" },
	{ "meanwhile_punch_wanted", "a hole at the page that is late does not wait (ditto)",
	  meanwhile, &op_punch_wanted, LATE, .cpus = 2,
	  .fixes = "KVM: guest_memfd: GUP source pages prior to populating guest memory (7.0)" },
	{ "meanwhile_close_gmem", "close of the guest_memfd: this page still, then EFAULT, and all go",
	  close_gmem, LATE },

	{ "two_halves", "two vCPUs at once, half the pages each: one set of tables", two_halves, INSIDE,
	  .cpus = 2 },
	{ "same_pages", "two vCPUs at once, the same pages: one call gets all", same_pages, INSIDE,
	  .cpus = 2 },

	{ "punched_between", "a hole between add and finalize; added again", changed,
	  &punched_and_added, OBSERVED },
	{ "shared_between", "shared and private again; added again (up to 6.19: EEXIST)", changed,
	  &shared_and_added, OBSERVED },
	{ "deleted_between", "the slot deleted and set again; added again (up to 6.19: EEXIST)", changed,
	  &deleted_and_added, OBSERVED },
	{ "gmem_closed_between", "the guest_memfd closed between add and finalize", changed,
	  &gmem_closed_between, OBSERVED },

	{ "pages_1", "one page", many_pages, &pages_1, INSIDE },
	{ "pages_511", "one page less than a table", many_pages, &pages_511, INSIDE },
	{ "pages_512", "a table full", many_pages, &pages_512, INSIDE },
	{ "pages_513", "one page more", many_pages, &pages_513, INSIDE },
	{ "pages_across", "512 pages of two tables", many_pages, &pages_across, INSIDE },
	{ "measured_64", "64 pages, measured", many_pages, &measured_64, INSIDE },
	{ "mib_16", "16 MiB", many_pages, &mib_16, TD,
	  MEASURED, .nightly = true, .memory_mib = 64, .time_limit_s = 120 },
	{ "mib_64", "64 MiB", many_pages, &mib_64, TD,
	  MEASURED, .nightly = true, .memory_mib = 256, .time_limit_s = 300 },
	{ "measured_4_mib", "4 MiB, measured", many_pages, &measured_4_mib, TD,
	  MEASURED, .nightly = true, .memory_mib = 64, .time_limit_s = 300 },
};

TEST_MAIN("KVM_TDX_INIT_MEM_REGION: arguments, progress, sources, and what happens meanwhile", cases)
