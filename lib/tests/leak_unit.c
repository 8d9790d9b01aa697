// SPDX-License-Identifier: GPL-2.0-only
/* Lost memory, in the words of kmemleak and page_owner. */
#include <string.h>

#include "observe/leak_report.h"
#include "testcase.h"

static const char stacks[] =
	" get_page_from_freelist+0x1/0x2\n __alloc_frozen_pages_noprof+0x1/0x2\n"
	" alloc_pages_noprof+0x1/0x2\n __tdx_td_init+0x1/0x2 [kvm_intel]\n tdx_vm_ioctl+0x1/0x2\n"
	"nr_base_pages: 3\n\n"
	" get_page_from_freelist+0x1/0x2\n __get_free_pages_noprof+0x1/0x2\n"
	" mmu_memory_cache_alloc_obj+0x1/0x2\n kvm_mmu_load+0x1/0x2\nnr_base_pages: 4\n\n"
	/* A slab, and the page cache, though KVM is behind both. */
	" get_page_from_freelist+0x1/0x2\n alloc_slab_page+0x1/0x2\n new_slab+0x1/0x2\n"
	" kvm_dev_ioctl+0x1/0x2\nnr_base_pages: 16\n\n"
	" folio_alloc_noprof+0x1/0x2\n filemap_alloc_folio+0x1/0x2\n kvm_gmem_get_pfn+0x1/0x2\n"
	"nr_base_pages: 32\n\n"
	/* Without a caller. */
	" get_page_from_freelist+0x1/0x2\nnr_base_pages: 64\n\n"
	" vmx_create+0x1/0x2\nnr_base_pages: 1\n\n";

CASE(pages, "pages that KVM asked for", .plain = true)
{
	FILE *f = fmemopen((void *)stacks, strlen(stacks), "r");

	must(f, "fmemopen");
	expect_eq(page_owner_of_kvm(f), 3 + 4 + 1, "pages of KVM");
	fclose(f);
}

static const char objects[] =
	"unreferenced object 0xffff888101 (size 64):\n"
	"  comm \"init_vm.tdx\", pid 71, jiffies 4294\n  hex dump (first 32 bytes):\n"
	"    00 01 02 03\n  backtrace (crc 0):\n    kmalloc_noprof+0x1/0x2\n    tdx_td_init+0x1/0x2\n"
	"unreferenced object 0xffff888102 (size 8):\n"
	"  comm \"swapper/0\", pid 1, jiffies 1\n  backtrace (crc 0):\n    kvm_init+0x1/0x2\n"
	"unreferenced object 0xffff888103 (size 8):\n"
	"  comm \"init_mem_region\", pid 72, jiffies 4294\n  backtrace (crc 0):\n    kvm_x+0x1/0x2\n";

static const struct { const char *name; unsigned int nr; } names[] = {
	{ "init_vm.tdx", 1 }, { "init_mem_region_measured.tdx", 1 }, { "init_vm", 0 },
};

CASE(objects, "objects of a case among those of others", .plain = true)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		FILE *f = fmemopen((void *)objects, strlen(objects), "r");

		must(f, "fmemopen");
		expect_eq(kmemleak_of(f, names[i].name), names[i].nr, "objects of %s", names[i].name);
		fclose(f);
	}
}

TEST_MAIN("memory that is lost")
