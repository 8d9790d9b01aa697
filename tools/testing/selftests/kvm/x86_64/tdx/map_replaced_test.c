// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page that is replaced: KVM unmaps it, and the next prefault maps the page that
 * backs the gfn then.
 *
 * The mapping path returns the pfn that was mapped, never a stale one.  The expected
 * pfn is that of /proc/self/pagemap, or the one that kvm_gmem_get_pfn() returned.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "testcase.h"

struct replacement {
	enum mem_kind kind;
	size_t size;			/* bytes */
	int level, level_after;		/* before and after replace() */
	void (*replace)(struct fixture *f, u8 *hva);	/* replaces the page at @hva */
	bool moved;			/* the old page stays in use: the new pfn differs */
};

/* A new page at @hva, over what is mapped there. */
static void map_new_page(u8 *hva)
{
	must(mmap(hva, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0) == hva, "mmap of a new page");
	*hva = 1;
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
	map_new_page(hva);
}

static void replace_mremap(struct fixture *f, u8 *hva)
{
	(void)f;
	move_away(hva);
	map_new_page(hva);
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

/* MADV_DONTNEED of another page splits the THP. */
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

/* The replaced page is unmapped at once; the next prefault maps the new one. */
static void replaced(const struct test *t)
{
	const struct replacement *r = t->tc->arg;
	struct fixture f = fixture(t, r->kind, r->size);
	u64 gpa = GPA + 3 * SZ_4K;
	struct mapping before, after;

	prefault(f.vcpu, GPA, SZ_2M);
	before = map_page(&f, gpa, r->level);

	r->replace(&f, hva_of(&f, gpa));
	expect_not_mapped(f.o, gpa >> 12);

	after = map_page(&f, gpa, r->level_after);
	if (r->moved)
		expect_true(after.pfn != before.pfn, "gfn 0x%llx: another pfn than before",
			    gpa >> 12);
}
CASES(replaced,
	{ "dontneed", "MADV_DONTNEED, touched again",
	  .arg = &(const struct replacement){ MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_dontneed, false },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING },
	{ "mmap_over", "another page mapped over it",
	  .arg = &(const struct replacement){ MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_mmap, false },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING },
	{ "mremap_away", "moved away with mremap",
	  .arg = &(const struct replacement){ MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_mremap, true },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING },
	{ "migrate", "migrated to the other node",
	  .arg = &(const struct replacement){ MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_migrate, true },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .nodes = 2 },
	{ "migrate_thp", "a THP migrated to the other node",
	  .arg = &(const struct replacement){ MEM_THP, SZ_2M, LEVEL_2M, LEVEL_2M,
					      replace_migrate, true },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_thp = true, .nodes = 2 },
	{ "migrate_memfd", "a memfd's page migrated to the other node",
	  .arg = &(const struct replacement){ MEM_MEMFD, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_migrate, true },
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .nodes = 2 },
	{ "punch_memfd", "a hole punched into a memfd",
	  .arg = &(const struct replacement){ MEM_MEMFD, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_punch, false },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING },
	{ "collapse", "4K pages collapsed to a THP",
	  .arg = &(const struct replacement){ MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_2M,
					      replace_collapse, true },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_thp = true },
	{ "split", "a THP split into 4K pages",
	  .arg = &(const struct replacement){ MEM_THP, SZ_2M, LEVEL_2M, LEVEL_4K,
					      replace_split, false },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_thp = true },
	{ "pageout", "swapped out and in again",
	  .arg = &(const struct replacement){ MEM_ANON, SZ_2M, LEVEL_4K, LEVEL_4K,
					      replace_pageout, false },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING },
)

CASE(gmem_punch, "a hole punched into guest_memfd: a new page is mapped",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN))
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
	expect_eq(handed_out, 1, "calls of kvm_gmem_get_pfn() for gfn 0x%llx", GFN + 2);
}

CASE(gmem_close, "guest_memfd closed: its pages are unmapped", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
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

CASE(conversion, "a private gfn: the page of guest_memfd; a shared one: that of the hva",
	.vm_types = VM_SW_PROTECTED | VM_TDX, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_gmem(t, 16 * SZ_4K);
	u64 private_pfn;

	prefault(f.vcpu, GPA, SZ_4K);
	private_pfn = observer_mapping(f.o, GFN).pfn;
	expect_true(private_pfn != pfn_of(f.mem->hva), "gfn 0x%llx: not the shared page", GFN);

	vm_set_shared(f.vm, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
	map_page(&f, GPA, LEVEL_4K);

	vm_set_private(f.vm, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, private_pfn);
}

CASE(slot_rebacked, "a slot deleted and created again with other memory",
	.fixes = "20a6cff3b283 (\"KVM: x86/mmu: Check and free obsolete roots in kvm_mmu_reload()\"), 6.15",
	.xfail = "E3", .vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
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

CASE(slot_moved, "a slot moved to another gpa", .xfail = "E3", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefault(f.vcpu, GPA, SZ_2M);
	f.slot->gpa = GPA + SZ_2M;
	expect_ok(__slot_set(f.slot), "moving the slot");
	expect_not_mapped(f.o, GFN);
	prefault(f.vcpu, GPA + SZ_2M, SZ_2M);
	expect_range_mapped(&f, GPA + SZ_2M, SZ_2M, LEVEL_4K);
}

TEST_MAIN("mappings of pages that are replaced")
