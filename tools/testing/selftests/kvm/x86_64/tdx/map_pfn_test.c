// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page that KVM maps: the one that backs the gfn, for each kind of memory.
 *
 * The expected pfn is that of /proc/self/pagemap, or the one that kvm_gmem_get_pfn()
 * returned.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fixture.h"
#include "guest_access.h"
#include "testcase.h"

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
	/* Each gfn has its own pfn, inside of a huge page too. */
	expect_eq(observer_mapping(f.o, GFN + 77).pfn, pfn_of(hva_of(&f, GPA + 77 * SZ_4K)),
		  "pfn of gfn 0x%llx", GFN + 77);
	measure("pages", b->size / LEVEL_SIZE(b->level));
}
CASES(backing,
	{ "anon", "anonymous memory: its page is mapped",
	  .arg = &(const struct backing){ MEM_ANON, SZ_2M, LEVEL_4K }, .vm_types = VM_ALL,
	  .observes = OBSERVE_MAPPING },
	{ "thp", "a THP is mapped",
	  .arg = &(const struct backing){ MEM_THP, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_thp = true },
	{ "hugetlb_2m", "a 2M hugetlb page is mapped",
	  .arg = &(const struct backing){ MEM_HUGETLB_2M, 2 * SZ_2M, LEVEL_2M },
	  .vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .hugepages_2m = 2 },
	{ "hugetlb_1g", "a 1G hugetlb page is mapped",
	  .arg = &(const struct backing){ MEM_HUGETLB_1G, SZ_1G, LEVEL_1G },
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .hugepages_1g = 1 },
	{ "memfd", "a memfd: its page is mapped",
	  .arg = &(const struct backing){ MEM_MEMFD, SZ_2M, LEVEL_4K }, .vm_types = VM_ALL,
	  .observes = OBSERVE_MAPPING },
	{ "file", "a file: the page of the page cache is mapped",
	  .arg = &(const struct backing){ MEM_FILE, SZ_2M, LEVEL_4K }, .vm_types = VM_ALL,
	  .observes = OBSERVE_MAPPING },
)

/* Each SPTE has the pfn that kvm_gmem_get_pfn() returned for its gfn. */
CASE(gmem, "guest_memfd: the page of kvm_gmem_get_pfn() is mapped", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN))
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
	expect_eq(handed_out, 64, "calls of kvm_gmem_get_pfn()");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 64, "4K SPTEs");
	measure("pages", 64);
}

CASE(gmem_mmap, "guest_memfd that the host maps: KVM maps the same page",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN))
{
	struct fixture f = fixture_gmem(t, 64 * SZ_4K);

	mem_touch(f.mem->hva, f.mem->size);
	prefault(f.vcpu, GPA, f.mem->size);
	expect_range_mapped(&f, GPA, f.mem->size, LEVEL_4K);
}

/* A prefault is a read fault. */
CASE(untouched_zero_page, "untouched anonymous memory: the zero page, not writable",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_mem(t, mem_create(MEM_ANON, SZ_2M, NULL));
	struct mapping a, b;

	a = map_page(&f, GPA, LEVEL_4K);
	b = map_page(&f, GPA + SZ_4K, LEVEL_4K);
	expect_eq(b.pfn, a.pfn, "pfn of the zero page at gfn 0x%llx", GFN + 1);
	expect_true(!a.writable, "gfn 0x%llx: the zero page is not writable (SPTE 0x%llx)", GFN,
		    a.spte);
}

/* A write to shared memory needs no copy, hence no second fault. */
CASE(untouched_shared, "untouched shared memory: writable", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_mem(t, mem_create(MEM_MEMFD, SZ_2M, NULL));
	struct mapping m = map_page(&f, GPA, LEVEL_4K);

	expect_true(m.writable, "gfn 0x%llx: a page of a memfd is writable (SPTE 0x%llx)", GFN,
		    m.spte);
}

#define BIOS		0xf0000ULL	/* of each PC, and never written */
#define BIOS_SIZE	(64 * 1024)

/* Page frames of which the kernel has no reference, in a VMA with VM_PFNMAP. */
static struct mem *bios(void)
{
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	struct mem *mem = malloc(sizeof(*mem));

	if (fd < 0)
		test_skip("cannot open /dev/mem (%m): needs CONFIG_DEVMEM, and a kernel that is not locked down");
	*mem = (struct mem){ .kind = MEM_FILE, .size = BIOS_SIZE, .page_size = SZ_4K, .fd = fd };
	mem->hva = mmap(NULL, BIOS_SIZE, PROT_READ, MAP_SHARED, fd, BIOS);
	if (mem->hva == MAP_FAILED)
		test_skip("cannot map the BIOS from /dev/mem: %m");
	return mem;
}

CASE(pfnmap, "memory without struct page (VM_PFNMAP of /dev/mem): its pfn is mapped, not writable",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_part(t, GPA, bios(), 0, BIOS_SIZE, KVM_MEM_READONLY);

	prefault(f.vcpu, GPA, BIOS_SIZE);
	for (u64 page = 0; page < BIOS_SIZE / SZ_4K; page++) {
		expect_mapped(f.o, GFN + page, LEVEL_4K, (BIOS >> 12) + page);
		expect_true(!observer_mapping(f.o, GFN + page).writable,
			    "gfn 0x%llx of read-only memory is not writable (SPTE 0x%llx)", GFN + page,
			    observer_mapping(f.o, GFN + page).spte);
	}
}

/* KVM has the instruction emulated, and leaves the write to user space. */
CASE(pfnmap_write, "a write to memory without struct page that is read-only: KVM_EXIT_MMIO",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_part(t, SZ_1G, bios(), 0, BIOS_SIZE, 0);

	guest_access_create(f.vcpu);
	expect_ok(__guest_access(f.vcpu, SZ_1G, ACCESS_WRITE, 0x17), "KVM_RUN");
	expect_eq(f.vcpu->run->exit_reason, KVM_EXIT_MMIO, "exit of the write");
	expect_eq(f.vcpu->run->mmio.phys_addr, SZ_1G, "its gpa");
	expect_eq(f.vcpu->run->mmio.is_write, 1, "a write");
	expect_not_mapped(f.o, SZ_1G >> 12);
}

TEST_MAIN("pages of the mappings that KVM makes")
