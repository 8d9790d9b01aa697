// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page that KVM maps: the one that backs the gfn, now, with the rights
 * that the host has on it.
 *
 * Contract of the mapping path: "returns the pfn that was mapped", never a
 * stale one.  The expected pfn is that of /proc/self/pagemap, or what
 * guest_memfd handed out (kvm_gmem_get_pfn()).
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "testcase.h"


/* Prefault one page and check that it is mapped onto the page behind its hva. */
static struct mapping map_one(struct fixture *f, u64 gpa, int level)
{
	prefault(f->vcpu, gpa, SZ_4K);
	expect_mapped(f->o, gpa >> 12, level, pfn_of(hva_of(f, gpa)));
	return observer_mapping(f->o, gpa >> 12);
}

/* --- each kind of memory --------------------------------------------------------- */

struct backing {
	enum mem_kind kind;
	size_t size;
	int level;
};

static void backing(const struct test *t)
{
	const struct backing *b = t->tc->arg;
	struct fixture f = fixture(t, b->kind, b->size);

	prefault(f.vcpu, GPA, b->size);
	expect_range_mapped(&f, GPA, b->size, b->level);
	/* Inside of a huge page, each gfn has its own pfn, too. */
	expect_eq(observer_mapping(f.o, GFN + 77).pfn, pfn_of(hva_of(&f, GPA + 77 * SZ_4K)),
		  "pfn of gfn 0x%llx", GFN + 77);
	measure("pages", b->size / LEVEL_SIZE(b->level));
}

static const struct backing anon = { MEM_ANON, SZ_2M, LEVEL_4K };
static const struct backing thp = { MEM_THP, 2 * SZ_2M, LEVEL_2M };
static const struct backing hugetlb_2m = { MEM_HUGETLB_2M, 2 * SZ_2M, LEVEL_2M };
static const struct backing hugetlb_1g = { MEM_HUGETLB_1G, SZ_1G, LEVEL_1G };
static const struct backing memfd = { MEM_MEMFD, SZ_2M, LEVEL_4K };
static const struct backing file = { MEM_FILE, SZ_2M, LEVEL_4K };

/* guest_memfd: the pfn it handed out for each gfn is the one in the SPTE. */
static void gmem(const struct test *t)
{
	struct fixture f = fixture_gmem(t, 64 * SZ_4K);
	const struct event *ev;
	size_t nr, handed_out = 0;

	prefault(f.vcpu, GPA, 64 * SZ_4K);
	ev = observer_events(f.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (ev[i].type != EV_GMEM_PFN)
			continue;
		handed_out++;
		expect_eq(ev[i].ret, 0, "result of kvm_gmem_get_pfn for gfn 0x%llx",
			  ev[i].gfn);
		expect_mapped(f.o, ev[i].gfn, LEVEL_4K, ev[i].new_spte);
	}
	expect_eq(handed_out, 64, "pages handed out by guest_memfd");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 64, "4K SPTEs");
	measure("pages", 64);
}

/* A guest_memfd that the host maps, too: the same page on both sides. */
static void gmem_mmap(const struct test *t)
{
	struct fixture f = fixture_gmem(t, 64 * SZ_4K);

	mem_touch(f.mem->hva, f.mem->size);
	prefault(f.vcpu, GPA, f.mem->size);
	expect_range_mapped(&f, GPA, f.mem->size, LEVEL_4K);
}

/* A prefault is a read fault: untouched memory is the zero page, not writable. */
static void untouched_zero_page(const struct test *t)
{
	struct fixture f = fixture_mem(t, mem_create(MEM_ANON, SZ_2M, NULL));
	struct mapping a, b;

	a = map_one(&f, GPA, LEVEL_4K);
	b = map_one(&f, GPA + SZ_4K, LEVEL_4K);
	expect_eq(b.pfn, a.pfn, "pfn of the zero page at gfn 0x%llx", GFN + 1);
	expect_true(!a.writable, "gfn 0x%llx: the zero page is not writable (SPTE 0x%llx)",
		    GFN, a.spte);
}

/* What is shared can be written without a copy: writable at once, without another fault. */
static void untouched_shared(const struct test *t)
{
	struct fixture f = fixture_mem(t, mem_create(MEM_MEMFD, SZ_2M, NULL));
	struct mapping m = map_one(&f, GPA, LEVEL_4K);

	expect_true(m.writable, "gfn 0x%llx: a page of a memfd is writable (SPTE 0x%llx)", GFN,
		    m.spte);
}

/* --- after the page was replaced ---------------------------------------------------- */

/*
 * A way to take the page at @hva away from under its mapping.  Afterwards the
 * gfn must not be mapped; the next prefault maps what is there then.
 */
struct replacement {
	enum mem_kind kind;
	size_t size;
	int level, level_after;
	void (*replace)(struct fixture *f, u8 *hva);
	bool moved;		/* the old page lives on: the new pfn differs */
};

static void replaced(const struct test *t)
{
	const struct replacement *r = t->tc->arg;
	struct fixture f = fixture(t, r->kind, r->size);
	u64 gpa = GPA + 3 * SZ_4K;
	struct mapping before, after;

	prefault(f.vcpu, GPA, SZ_2M);
	before = map_one(&f, gpa, r->level);

	r->replace(&f, hva_of(&f, gpa));
	expect_not_mapped(f.o, gpa >> 12);

	after = map_one(&f, gpa, r->level_after);
	if (r->moved)
		expect_true(after.pfn != before.pfn, "gfn 0x%llx: another pfn than before",
			    gpa >> 12);
}

static void replace_dontneed(struct fixture *f, u8 *hva)
{
	(void)f;
	must(!madvise(hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	*hva = 1;
}

static void replace_mmap(struct fixture *f, u8 *hva)
{
	(void)f;
	must(mmap(hva, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0) == hva, "mmap over the page");
	*hva = 1;
}

static void replace_mremap(struct fixture *f, u8 *hva)
{
	void *elsewhere = mmap(NULL, SZ_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)f;
	must(mremap(hva, SZ_4K, SZ_4K, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere,
	     "mremap of the page");
	must(mmap(hva, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0) == hva, "mmap at the old place");
	*hva = 1;
}

static void replace_migrate(struct fixture *f, u8 *hva)
{
	(void)f;
	migrate(hva);
}

static void replace_punch(struct fixture *f, u8 *hva)
{
	mem_punch_hole(f->mem, hva - f->mem->hva, SZ_4K);
	*hva = 1;
}

static void replace_collapse(struct fixture *f, u8 *hva)
{
	(void)hva;
	must(!madvise(f->mem->hva, SZ_2M, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	expect_ok(madvise(f->mem->hva, SZ_2M, MADV_COLLAPSE), "MADV_COLLAPSE");
	must(is_thp(f->mem->hva), "a THP after MADV_COLLAPSE");
}

/* Dropping another page of the THP splits it. */
static void replace_split(struct fixture *f, u8 *hva)
{
	(void)hva;
	must(!madvise(f->mem->hva + SZ_2M - SZ_4K, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
}

static void replace_pageout(struct fixture *f, u8 *hva)
{
	(void)f;
	page_out(hva);
}

static const struct replacement
	r_dontneed = { MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K, replace_dontneed, false },
	r_mmap = { MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K, replace_mmap, false },
	r_mremap = { MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K, replace_mremap, true },
	r_migrate = { MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K, replace_migrate, true },
	r_migrate_thp = { MEM_THP, SZ_2M, LEVEL_2M, LEVEL_2M, replace_migrate, true },
	r_migrate_memfd = { MEM_MEMFD, SZ_2M, LEVEL_4K, LEVEL_4K, replace_migrate, true },
	r_punch_memfd = { MEM_MEMFD, SZ_2M, LEVEL_4K, LEVEL_4K, replace_punch, false },
	r_collapse = { MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_2M, replace_collapse, true },
	r_split = { MEM_THP, SZ_2M, LEVEL_2M, LEVEL_4K, replace_split, false },
	r_pageout = { MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K, replace_pageout, false };

/* A hole in guest_memfd: the old page is gone, the next prefault gets a new one. */
static void gmem_punch(const struct test *t)
{
	struct fixture f = fixture_gmem(t, 16 * SZ_4K);
	const struct event *ev;
	size_t nr, handed_out = 0;

	prefault(f.vcpu, GPA, 16 * SZ_4K);
	mem_punch_hole(f.slot->gmem, 2 * SZ_4K, SZ_4K);
	expect_not_mapped(f.o, GFN + 2);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 15, "4K SPTEs after the hole");

	observer_clear(f.o);
	prefault(f.vcpu, GPA, 16 * SZ_4K);
	ev = observer_events(f.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (ev[i].type != EV_GMEM_PFN || ev[i].gfn != GFN + 2)
			continue;
		expect_mapped(f.o, GFN + 2, LEVEL_4K, ev[i].new_spte);
		handed_out++;
	}
	expect_eq(handed_out, 1, "pages handed out for gfn 0x%llx", GFN + 2);
}

/* Closing guest_memfd takes its pages out of the page tables. */
static void gmem_close(const struct test *t)
{
	struct fixture f = fixture_gmem(t, 16 * SZ_4K);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	prefault(f.vcpu, GPA, 16 * SZ_4K);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 16, "4K SPTEs");
	if (f.slot->gmem->hva)
		munmap(f.slot->gmem->hva, f.slot->gmem->size);
	close(f.slot->gmem->fd);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs after close");
	expect_errno(__vcpu_prefault(f.vcpu, &range), EFAULT,
		     "prefault of a closed guest_memfd");
}

/* A private gfn has the page of guest_memfd, a shared one that of the hva. */
static void conversion(const struct test *t)
{
	struct fixture f = fixture_gmem(t, 16 * SZ_4K);
	u64 private_pfn;

	prefault(f.vcpu, GPA, SZ_4K);
	private_pfn = observer_mapping(f.o, GFN).pfn;
	expect_true(private_pfn != pfn_of(f.mem->hva), "gfn 0x%llx: not the shared page", GFN);

	vm_set_shared(f.vm, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
	map_one(&f, GPA, LEVEL_4K);

	vm_set_private(f.vm, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, private_pfn);
}

/* A slot deleted and made anew with other memory. */
static void slot_rebacked(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_4K);

	slot_delete(f.slot);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs after the slot is deleted");

	f.mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	f.slot = slot_add(f.vm, GPA, f.mem);
	prefault(f.vcpu, GPA, SZ_2M);
	expect_range_mapped(&f, GPA, SZ_2M, LEVEL_4K);
}

/* A slot moved to another gpa. */
static void slot_moved(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefault(f.vcpu, GPA, SZ_2M);
	f.slot->gpa = GPA + SZ_2M;
	expect_ok(__slot_set(f.slot), "moving the slot");
	expect_not_mapped(f.o, GFN);
	prefault(f.vcpu, GPA + SZ_2M, SZ_2M);
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_4K);
}

/* --- rights ------------------------------------------------------------------------- */

static void expect_writable(struct fixture *f, u64 gpa, bool writable, const char *why)
{
	struct mapping m = map_one(f, gpa, LEVEL_4K);

	expect_eq(m.writable, writable, "gfn 0x%llx writable: %s (SPTE 0x%llx)",
		  gpa >> 12, why, m.spte);
}

static void writable(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	expect_writable(&f, GPA, true, "the host may write, and has written");
}

static void readonly_slot(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M, KVM_MEM_READONLY);

	expect_writable(&f, GPA, false, "the slot is read-only");
}

static void readonly_hva(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ), "mprotect");
	expect_writable(&f, GPA, false, "the host's mapping is read-only");
	expect_writable(&f, GPA + SZ_4K, true, "its neighbour's is not");
}

static void readonly_later(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	expect_writable(&f, GPA, true, "the host may write");
	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ), "mprotect");
	expect_not_mapped(f.o, GFN);
	expect_writable(&f, GPA, false, "the host's mapping is read-only now");
	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ | PROT_WRITE), "mprotect");
	*(volatile u8 *)f.mem->hva = 2;
	expect_writable(&f, GPA, true, "the host may write again, and has written");
}

/* A page mapped writable while dirty pages are logged may be written unseen: it
 * is logged when it is mapped. */
static void writable_is_logged(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_ANON, 64 * SZ_4K, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, mem->size, KVM_MEM_LOG_DIRTY_PAGES);
	u64 bitmap = 0;
	struct kvm_dirty_log log = { .slot = f.slot->id, .dirty_bitmap = &bitmap };

	prefault(f.vcpu, GPA, mem->size);
	expect_ok(__vm_ioctl(f.vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	for (int i = 0; i < 64; i++) {
		struct mapping m = observer_mapping(f.o, GFN + i);

		expect_true(!m.writable || bitmap >> i & 1,
			    "gfn 0x%llx, mapped writable, is in the dirty log (0x%llx)",
			    GFN + i, bitmap);
	}
}

/* After fork() the page is shared with the child, until the parent writes. */
static void fork_cow(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct mapping shared, own;
	pid_t child;

	expect_writable(&f, GPA, true, "before fork");
	child = fork();
	must(child >= 0, "fork");
	if (!child)
		for (;;)
			pause();
	expect_not_mapped(f.o, GFN);
	expect_writable(&f, GPA, false, "shared with the child");
	shared = observer_mapping(f.o, GFN);

	*(volatile u8 *)f.mem->hva = 2;		/* copies */
	expect_writable(&f, GPA, true, "the copy is the parent's own");
	own = observer_mapping(f.o, GFN);
	expect_true(own.pfn != shared.pfn, "gfn 0x%llx: the copy, not the child's page", GFN);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* --- what a mapping costs: no page reference, a TLB flush when it goes ---------------- */

/* KVM drops its reference once the page is mapped: the page can move. */
static void no_reference(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	for (int i = 0; i < 100; i++) {
		u8 *hva = hva_of(&f, GPA + i * SZ_4K);
		int wanted = node_beside(node_of(hva)), to;

		prefault(f.vcpu, GPA + i * SZ_4K, SZ_4K);
		to = move_to_node(hva, wanted);
		expect_eq(to, wanted, "node of the page of gfn 0x%llx after move_pages",
			  GFN + i);
	}
	measure("pages", 100);
}

/* hugetlb pages come back to the pool when the slot and the mapping are gone. */
static void no_hugetlb_leak(const struct test *t)
{
	long before = hugetlb_free_pages(SZ_2M);
	struct fixture f = fixture(t, MEM_HUGETLB_2M, 4 * SZ_2M);

	prefault(f.vcpu, GPA, 4 * SZ_2M);
	expect_eq(hugetlb_free_pages(SZ_2M), before - 4, "free hugetlb pages while mapped");
	munmap(f.mem->hva, f.mem->size);
	expect_eq(observer_leaves(f.o, LEVEL_2M), 0, "2M SPTEs after munmap");
	expect_eq(hugetlb_free_pages(SZ_2M), before, "free hugetlb pages after munmap");
}

/*
 * KVM's page tables are freed with the VM.  1,024 of them, one a page that is
 * touched, because the counter lags behind by some pages a CPU.
 */
static void no_page_table_leak(const struct test *t)
{
	const long nr = 1024, kib = nr * 4, slack = kib / 8;
	long before = meminfo("SecPageTables"), with;
	struct fixture f = fixture_mem(t, mem_create(MEM_ANON, nr * SZ_2M, NULL));
	double deadline;

	must(before >= 0, "SecPageTables in /proc/meminfo");
	for (long i = 0; i < nr; i++)
		prefault(f.vcpu, GPA + i * SZ_2M, SZ_4K);
	with = meminfo("SecPageTables");
	expect_true(with >= before + kib - slack, "%ld page tables are accounted (%ld KiB, %ld before)",
		    nr, with, before);
	vcpu_close(f.vcpu);
	vm_close(f.vm);
	/* They are freed after a grace period of RCU. */
	deadline = now() + 5;
	while (meminfo("SecPageTables") > before + slack && now() < deadline)
		usleep(1000);
	with = meminfo("SecPageTables");
	expect_true(with <= before + slack, "the page tables are freed (%ld KiB, %ld before)",
		    with, before);
	measure("pages", nr);
}

static void tlb_flush_on_zap(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	u64 before;

	prefault(f.vcpu, GPA, SZ_2M);
	before = vm_stat(f.vm, "remote_tlb_flush_requests");
	must(!madvise(f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_not_mapped(f.o, GFN);
	expect_true(vm_stat(f.vm, "remote_tlb_flush_requests") > before,
		    "a TLB flush is requested when gfn 0x%llx is zapped", GFN);
}

static void tlb_flush_on_gmem_punch(const struct test *t)
{
	struct fixture f = fixture_gmem(t, SZ_2M);
	u64 before;

	prefault(f.vcpu, GPA, SZ_2M);
	before = vm_stat(f.vm, "remote_tlb_flush_requests");
	mem_punch_hole(f.slot->gmem, 0, SZ_4K);
	expect_not_mapped(f.o, GFN);
	expect_true(vm_stat(f.vm, "remote_tlb_flush_requests") > before,
		    "a TLB flush is requested when gfn 0x%llx is zapped", GFN);
}

static void tlb_flush_on_conversion(const struct test *t)
{
	struct fixture f = fixture_gmem(t, SZ_2M);
	u64 before;

	prefault(f.vcpu, GPA, SZ_2M);
	before = vm_stat(f.vm, "remote_tlb_flush_requests");
	vm_set_shared(f.vm, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
	expect_true(vm_stat(f.vm, "remote_tlb_flush_requests") > before,
		    "a TLB flush is requested when gfn 0x%llx is converted", GFN);
}

/* A prefault is no access of the guest: who ages pages would take it for one. */
static void not_accessed(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	u64 accessed = kvm_tdp() == TDP_EPT ? 1 << 8 : 1 << 5;
	struct mapping m = map_one(&f, GPA, LEVEL_4K);

	expect_true(!(m.spte & accessed), "gfn 0x%llx: not accessed yet (SPTE 0x%llx)", GFN,
		    m.spte);
}

#define MAPS	.observes = OBSERVE_MAPPING
#define GMEM	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN)
#define SMALL	.vm_types = VM_ANY, MAPS

static const struct test_case cases[] = {
	{ "anon", "the page of anonymous memory is mapped", backing, &anon, SMALL },
	{ "thp", "the THP is mapped", backing, &thp, SMALL, .needs_thp = true },
	{ "hugetlb_2m", "the 2M hugetlb page is mapped", backing, &hugetlb_2m, SMALL,
	  .hugepages_2m = 2 },
	{ "hugetlb_1g", "the 1G hugetlb page is mapped", backing, &hugetlb_1g,
	  .vm_types = VM_DEFAULT, MAPS, .hugepages_1g = 1 },
	{ "memfd", "the page of a memfd is mapped", backing, &memfd, SMALL },
	{ "file", "the page cache's page of a file is mapped", backing, &file, SMALL },
	{ "gmem", "the page that guest_memfd hands out is mapped", gmem, .vm_types = VM_ANY,
	  GMEM },
	{ "gmem_mmap", "guest_memfd mapped by the host: the same page on both sides",
	  gmem_mmap, .vm_types = VM_DEFAULT, GMEM },
	{ "untouched_zero_page", "untouched memory: the zero page, not writable",
	  untouched_zero_page, SMALL },
	{ "untouched_shared", "untouched shared memory: writable at once", untouched_shared, SMALL },

	{ "dontneed", "MADV_DONTNEED, touched again", replaced, &r_dontneed, SMALL },
	{ "mmap_over", "another page mapped over it", replaced, &r_mmap, SMALL },
	{ "mremap_away", "moved away with mremap", replaced, &r_mremap, SMALL },
	{ "migrate", "migrated to the other node", replaced, &r_migrate, SMALL, .nodes = 2 },
	{ "migrate_thp", "a THP migrated to the other node", replaced, &r_migrate_thp, SMALL,
	  .nodes = 2, .needs_thp = true },
	{ "migrate_memfd", "a memfd's page migrated to the other node", replaced,
	  &r_migrate_memfd, SMALL, .nodes = 2 },
	{ "punch_memfd", "a hole punched into the memfd", replaced, &r_punch_memfd, SMALL },
	{ "collapse", "4K pages collapsed to a THP", replaced, &r_collapse, SMALL,
	  .needs_thp = true },
	{ "split", "a THP split into 4K pages", replaced, &r_split, SMALL, .needs_thp = true },
	{ "pageout", "swapped out and in again", replaced, &r_pageout, SMALL },
	{ "gmem_punch", "a hole punched into guest_memfd", gmem_punch, .vm_types = VM_ANY, GMEM },
	{ "gmem_close", "guest_memfd closed", gmem_close, .vm_types = VM_ANY, MAPS },
	{ "conversion", "private and shared gfns have pages of their own", conversion,
	  .vm_types = VM_SW_PROTECTED, MAPS },
	{ "slot_rebacked", "a slot deleted and made anew with other memory", slot_rebacked,
	  SMALL, .xfail = "E3",
	  .fixes = "KVM: x86/mmu: Check and free obsolete roots in kvm_mmu_reload() (6.15)" },
	{ "slot_moved", "a slot moved to another gpa", slot_moved, .vm_types = VM_DEFAULT,
	  .xfail = "E3",
	  MAPS },

	{ "writable", "memory the host has written is mapped writable", writable, SMALL },
	{ "readonly_slot", "a read-only slot is not mapped writable", readonly_slot,
	  .vm_types = VM_DEFAULT, MAPS },
	{ "readonly_hva", "memory read-only to the host is not mapped writable",
	  readonly_hva, SMALL },
	{ "readonly_later", "memory made read-only is unmapped, and not writable again",
	  readonly_later, SMALL },
	{ "writable_is_logged", "a page mapped writable is in the dirty log",
	  writable_is_logged, SMALL },
	{ "fork_cow", "a page shared after fork is not writable, its copy is", fork_cow,
	  SMALL },

	{ "no_reference", "a mapped page can be migrated: KVM keeps no reference",
	  no_reference, SMALL, .nodes = 2 },
	{ "no_hugetlb_leak", "hugetlb pages return to the pool", no_hugetlb_leak, SMALL,
	  .hugepages_2m = 4 },
	{ "no_page_table_leak", "KVM's page tables are freed with the VM",
	  no_page_table_leak, .vm_types = VM_DEFAULT, MAPS },
	{ "tlb_flush_on_zap", "an unmapped page is flushed from TLBs", tlb_flush_on_zap,
	  SMALL },
	{ "tlb_flush_on_gmem_punch", "a page punched out of guest_memfd is flushed from TLBs",
	  tlb_flush_on_gmem_punch, .vm_types = VM_ANY, MAPS },
	{ "tlb_flush_on_conversion", "a page that becomes shared is flushed from TLBs",
	  tlb_flush_on_conversion, .vm_types = VM_SW_PROTECTED, MAPS },
	{ "not_accessed", "a prefaulted page does not count as accessed", not_accessed, SMALL },
};

TEST_MAIN("pages and rights of the mappings that KVM makes", cases)
