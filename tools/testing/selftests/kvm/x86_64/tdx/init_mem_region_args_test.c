// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arguments of KVM_TDX_INIT_MEM_REGION: what it refuses, with which errno, and after
 * how many pages.
 *
 * The structure is in and out: it advances page by page, so the same call with the same
 * structure resumes where the last one stopped.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "init_mem.h"
#include "known_issues.h"
#include "td_fixture.h"
#include "testcase.h"

struct refusal {
	void (*corrupt)(struct init_mem_scene *s);
	int error;
	int error_through_6_19;	/* 0: the same */
	int error_or;		/* of some kernels instead; 0: none */
	unsigned int done;	/* pages that are added before */
};

static void unaligned_source(struct init_mem_scene *s) { s->region.source_addr += 8; }
static void unaligned_gpa(struct init_mem_scene *s) { s->region.gpa += 0x800; }
static void no_pages(struct init_mem_scene *s)
{
	s->region.nr_pages = 0;
}

static void wraps(struct init_mem_scene *s) { s->region.gpa = -SZ_4K; s->region.nr_pages = 1; }
static void size_wraps_to_zero(struct init_mem_scene *s) { s->region.nr_pages = 1ULL << 52; }
static void size_2_52_minus_1(struct init_mem_scene *s) { s->region.nr_pages = (1ULL << 52) - 1; }
static void shared_bit(struct init_mem_scene *s) { s->region.gpa |= TD_SHARED_BIT; }
static void into_shared(struct init_mem_scene *s)
{
	td_slot_add(s->vm, TD_SHARED_BIT - INIT_MEM_SIZE, INIT_MEM_SIZE);
	s->region.gpa = TD_SHARED_BIT - SZ_4K;
}
static void above_gpaw(struct init_mem_scene *s) { s->region.gpa = 1ULL << 48; }
static void above_52(struct init_mem_scene *s) { s->region.gpa = 1ULL << 52; }
static void unknown_flag(struct init_mem_scene *s) { s->flags = 1 << 1; }
static void all_flags(struct init_mem_scene *s) { s->flags = ~0U; }

static void no_source(struct init_mem_scene *s)
{
	s->region.source_addr = 0;
}

static void kernel_source(struct init_mem_scene *s) { s->region.source_addr = 0xffff888000000000; }
static void unmapped_source(struct init_mem_scene *s) { munmap(s->source, INIT_MEM_SIZE); }
static void no_access(struct init_mem_scene *s) { mprotect(s->source, INIT_MEM_SIZE, PROT_NONE); }
static void hole_in_source(struct init_mem_scene *s) { munmap(s->source + 5 * SZ_4K, SZ_4K); }
static void guard_at_end(struct init_mem_scene *s)
{
	mprotect(s->source + 15 * SZ_4K, SZ_4K, PROT_NONE);
}

/* A guest_memfd of the TD that the host may map. */
static void gmem_source(struct init_mem_scene *s)
{
	struct kvm_create_guest_memfd args = { .size = INIT_MEM_SIZE, .flags = GUEST_MEMFD_FLAG_MMAP };
	struct mem gmem = { .kind = MEM_GMEM, .size = INIT_MEM_SIZE };
	void *hva;

	if (!(vm_check_cap(s->vm, KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_MMAP))
		test_skip("this kernel has no guest_memfd that can be mapped (6.18 or newer)");
	gmem.fd = ioctl(s->vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	expect_ok(gmem.fd, "KVM_CREATE_GUEST_MEMFD with GUEST_MEMFD_FLAG_MMAP");
	hva = mmap(NULL, INIT_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem.fd, 0);
	expect_ok(hva == MAP_FAILED ? -1 : 0, "mmap of a guest_memfd");
	slot_delete(s->slot);
	slot_add_gmem(s->vm, GPA, s->slot->mem, &gmem);
	s->region.source_addr = (uintptr_t)hva;
}

static void no_slot(struct init_mem_scene *s) { s->region.gpa = ELSEWHERE; }
static void slot_deleted(struct init_mem_scene *s) { slot_delete(s->slot); }
static void below_slot(struct init_mem_scene *s) { s->region.gpa -= SZ_4K; }
static void past_slot(struct init_mem_scene *s) { s->region.gpa += 14 * SZ_4K; }
static void slot_without_gmem(struct init_mem_scene *s)
{
	slot_add(s->vm, ELSEWHERE, mem_create(MEM_ANON, INIT_MEM_SIZE, NULL));
	vm_set_private(s->vm, ELSEWHERE, INIT_MEM_SIZE);
	s->region.gpa = ELSEWHERE;
}
static void gmem_closed(struct init_mem_scene *s) { close(s->slot->gmem->fd); }
static void all_shared(struct init_mem_scene *s) { vm_set_shared(s->vm, GPA, INIT_MEM_SIZE); }
static void shared_in_the_middle(struct init_mem_scene *s)
{
	vm_set_shared(s->vm, GPA + 7 * SZ_4K, SZ_4K);
}
static void vcpu_not_initialised(struct init_mem_scene *s) { s->vcpu = td_vcpu_create(s->vm); }

static void refused(const struct test *t)
{
	const struct refusal *r = t->tc->arg;
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region before;
	int error = r->error, ret;

	if (init_mem_under_gmem_lock() && r->error_through_6_19)
		error = r->error_through_6_19;
	r->corrupt(&s);
	before = s.region;
	ret = init_mem(&s);
	if (ret && r->error_or && errno == r->error_or)
		error = r->error_or;
	expect_errno(ret, error, "KVM_TDX_INIT_MEM_REGION of gpa 0x%llx, 0x%llx pages from 0x%llx",
		     before.gpa, before.nr_pages, before.source_addr);
	expect_advanced(&s.region, &before, r->done);
	expect_eq(pages_added(&s), r->done, "pages that were added");
	expect_ok(__td_finalize(s.vm, NULL), "KVM_TDX_FINALIZE_VM afterwards");
}

CASES(refused,
	{ "unaligned_source", "a source that is not page-aligned: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = unaligned_source, .error = EINVAL } },
	{ "unaligned_gpa", "a gpa that is not page-aligned: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = unaligned_gpa, .error = EINVAL } },
	{ "no_pages", "no pages: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = no_pages, .error = EINVAL } },
	{ "wraps", "a range up to 2^64: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = wraps, .error = EINVAL } },
	{ "size_wraps_to_zero", "2^52 pages, 0 in bytes: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = size_wraps_to_zero, .error = EINVAL } },
	{ "size_2_52_minus_1", "2^52 - 1 pages: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = size_2_52_minus_1, .error = EINVAL } },
	{ "shared_bit", "the shared bit in the gpa: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = shared_bit, .error = EINVAL } },
	{ "into_shared", "from the private half into the shared one: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = into_shared, .error = EINVAL } },
	{ "above_gpaw", "a gpa above the TD's 48 bits: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = above_gpaw, .error = EINVAL } },
	{ "above_52", "a gpa above 52 bits: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = above_52, .error = EINVAL } },
	{ "unknown_flag", "an unknown flag: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = unknown_flag, .error = EINVAL } },
	{ "all_flags", "all flags: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = all_flags, .error = EINVAL } },
	/* Through 7.2 KVM checks the source page by page; later kernels reject it up front. */
	{ "no_source", "source NULL: EINVAL; through 7.2 EOPNOTSUPP, through 6.19 EFAULT",
	  .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = no_source, .error = EOPNOTSUPP,
		.error_through_6_19 = EFAULT, .error_or = EINVAL } },
	{ "kernel_source", "a source in the kernel's half: EFAULT", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = kernel_source, .error = EFAULT } },
	{ "unmapped_source", "an unmapped source: EFAULT", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = unmapped_source, .error = EFAULT } },
	{ "no_access", "PROT_NONE source: EFAULT", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = no_access, .error = EFAULT } },
	{ "hole_in_source", "a hole in the source: EFAULT after the pages before it",
	  .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = hole_in_source, .error = EFAULT, .done = 5 } },
	{ "guard_at_end", "PROT_NONE in the last page of the source: EFAULT there",
	  .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = guard_at_end, .error = EFAULT, .done = 15 } },
	{ "gmem_source", "the TD's own guest_memfd as the source: EFAULT", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = gmem_source, .error = EFAULT } },
	{ "no_slot", "no slot: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = no_slot, .error = EINVAL } },
	{ "slot_deleted", "a deleted slot: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = slot_deleted, .error = EINVAL } },
	{ "below_slot", "a range that begins below the slot: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = below_slot, .error = EINVAL } },
	{ "past_slot", "a range beyond the slot's end: EINVAL there", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = past_slot, .error = EINVAL, .done = 2 } },
	{ "slot_without_gmem", "a slot without guest_memfd: EINVAL", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = slot_without_gmem, .error = EINVAL } },
	{ "gmem_closed", "a slot whose guest_memfd is closed: EFAULT", .vm_types = VM_TDX,
	  .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = gmem_closed, .error = EFAULT } },
	{ "all_shared", "shared gfns: EINVAL", .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = all_shared, .error = EINVAL } },
	{ "shared_in_the_middle", "one shared gfn in the middle: EINVAL there",
	  .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = shared_in_the_middle, .error = EINVAL, .done = 7 } },
	{ "vcpu_not_initialised", "a second vCPU before its KVM_TDX_INIT_VCPU: EINVAL",
	  .vm_types = VM_TDX, .uses_sept = true,
	  .arg = &(const struct refusal){ .corrupt = vcpu_not_initialised, .error = EINVAL } })

/* nr_pages << 12 is one page, in 64 bits; the loop counts nr_pages. */
CASE(size_beyond_64_bits, "2^52 + 1 pages, one page in bytes: EINVAL",
	.xfail = "L3", .xfail_in_body = true, .vm_types = VM_TDX, .uses_sept = true)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region before;

	s.region.nr_pages = (1ULL << 52) + 1;
	before = s.region;
	expect_errno(__td_add(s.vcpu, &s.region, 0), EINVAL, "2^52 + 1 pages");
	if (s.region.nr_pages != before.nr_pages)
		xfail("L3", "2^52 + 1 pages: %llu were added, up to the end of the slot",
		      before.nr_pages - s.region.nr_pages);
	expect_advanced(&s.region, &before, 0);
	xpass("L3");
}

CASE(after_finalize, "after KVM_TDX_FINALIZE_VM: EINVAL", .vm_types = VM_TDX, .uses_sept = true)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region before = s.region;

	td_finalize(s.vm);
	expect_errno(__td_add(s.vcpu, &s.region, 0), EINVAL, "KVM_TDX_INIT_MEM_REGION");
	expect_advanced(&s.region, &before, 0);
	expect_eq(pages_added(&s), 0, "pages that were added");
}

/* The same structure resumes once the gfn is private again. */
CASE(resume_after_einval, "resumed after EINVAL in the middle: all pages, once", TD_CONTENT)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region before = s.region;

	shared_in_the_middle(&s);
	expect_errno(__td_add(s.vcpu, &s.region, MEASURE), EINVAL, "a shared page in the middle");
	expect_advanced(&s.region, &before, 7);
	vm_set_private(s.vm, GPA, INIT_MEM_SIZE);
	expect_ok(__td_add(s.vcpu, &s.region, MEASURE), "the rest");
	expect_advanced(&s.region, &before, INIT_MEM_PAGES);
	expect_eq(pages_added(&s), INIT_MEM_PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, INIT_MEM_PAGES);
}

CASE(across_slots, "pages of two slots in one call", .vm_types = VM_TDX, .uses_sept = true)
{
	struct init_mem_scene s = init_mem_scene(t);
	u64 border = GPA + INIT_MEM_SIZE;

	td_slot_add(s.vm, border, INIT_MEM_SIZE);
	s.region.gpa = border - 3 * SZ_4K;
	expect_ok(__td_add(s.vcpu, &s.region, 0), "pages of two slots side by side");
	expect_eq(s.region.nr_pages, 0, "nr_pages left");
	expect_eq(vm_stat(s.vm, "pages_4k"), INIT_MEM_PAGES, "statistic pages_4k");
	if (!sept_missing())
		expect_eq(pages_added(&s), 3, "pages of the first slot");
	expect_sept(s.vm, border, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
}

CASE(null_argument, "a structure at NULL, or in the kernel's half: EFAULT",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct init_mem_scene s = init_mem_scene(t);

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

/* KVM cannot write the progress back: EFAULT, but the pages are added. */
CASE(structure_read_only, "a read-only structure: EFAULT, the pages are added", TD_CONTENT)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region *page = page_with(&s.region);

	must(!mprotect(page, SZ_4K, PROT_READ), "mprotect");
	expect_errno(__td_add(s.vcpu, page, MEASURE), EFAULT, "a read-only structure");
	expect_advanced(page, &s.region, 0);
	expect_eq(pages_added(&s), INIT_MEM_PAGES, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, INIT_MEM_PAGES);
}

/* Page, mapping and measurement stay those of the first call. */
CASE(same_gfn, "the same page twice: EIO, through 6.19 EEXIST; the first stays", TD_CONTENT)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region again = s.region, before;
	u8 *other = td_source(INIT_MEM_PAGES, ~t->seed);
	u64 pfn;

	s.region.nr_pages = 1;
	expect_ok(__td_add(s.vcpu, &s.region, MEASURE), "the first time");
	pfn = sept_missing() ? PFN_ANY : sept_walk(s.vm, GPA).pfn;
	again.source_addr = (uintptr_t)other;
	before = again;
	expect_errno(__td_add(s.vcpu, &again, MEASURE), init_mem_twice_error(),
		     "KVM_TDX_INIT_MEM_REGION of gfn 0x%llx, which has been added", GFN);
	expect_advanced(&again, &before, 0);
	expect_sept(s.vm, GPA, LEVEL_4K, SEPT_MAPPED, pfn);
	expect_eq(pages_added(&s), 1, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, 1);
}

/* Pages before it are added; another call adds those after it. */
CASE(same_gfn_in_the_middle, "a page in the middle is already added: refused there",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct kvm_tdx_init_mem_region before = s.region;

	td_add(s.vcpu, s.source + 4 * SZ_4K, GPA + 4 * SZ_4K, 1, 0);
	expect_errno(__td_add(s.vcpu, &s.region, 0), init_mem_twice_error(),
		     "a page in the middle that is already added");
	expect_advanced(&s.region, &before, 4);
	expect_eq(pages_added(&s), 5, "pages that were added");
	td_add(s.vcpu, s.source + 5 * SZ_4K, GPA + 5 * SZ_4K, 11, 0);
	expect_eq(pages_added(&s), INIT_MEM_PAGES, "pages that were added");
	td_finalize(s.vm);
}

CASE(second_vcpu, "two vCPUs take turns", TD_CONTENT)
{
	struct init_mem_scene s = init_mem_scene(t);
	struct vcpu *vcpus[] = { s.vcpu, td_vcpu(s.vm) };

	for (unsigned int i = 0; i < 6; i++)
		td_add(vcpus[i % 2], s.source + i * SZ_4K, GPA + i * SZ_4K, 1, MEASURE);
	expect_eq(pages_added(&s), 6, "pages that were added");
	td_finalize(s.vm);
	expect_measured(&s, 6);
}

TEST_MAIN("arguments of KVM_TDX_INIT_MEM_REGION, and how far it comes")
