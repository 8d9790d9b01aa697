// SPDX-License-Identifier: GPL-2.0-only
/* Memory for memslots, without KVM. */
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"
#include "testcase.h"

#define SIZE	(3 * SZ_2M)

/* Is any page of [hva, hva + size) present? */
static bool touched(const struct mem *mem)
{
	unsigned char resident[SIZE / SZ_4K];

	must(!mincore(mem->hva, mem->size, resident), "mincore");
	return memchr(resident, 1, sizeof(resident));
}

static void created(const struct test *t)
{
	const enum mem_kind kind = t->tc->param;
	struct mem *mem = mem_create(kind, SIZE, NULL);

	expect_eq(mem->kind, kind, "kind");
	expect_eq(mem->size, SIZE, "size");
	expect_eq(mem->page_size, kind == MEM_THP ? SZ_2M : SZ_4K, "page size");
	expect_eq((uintptr_t)mem->hva % SZ_2M, 0, "hva modulo 2M");
	expect_eq(mem->fd >= 0, kind == MEM_MEMFD || kind == MEM_FILE, "has an fd");
	expect_true(!touched(mem), "no page was touched");

	mem_touch(mem->hva, SIZE);
	for (size_t off = 0; off < SIZE; off += SZ_4K)
		expect_eq(*(u64 *)(mem->hva + off), 0x7ead0000 + off / SZ_4K,
			  "pattern at 0x%zx", off);
}
CASES(created,
	{ "create_anonymous", "new anonymous memory: size, alignment, nothing touched",
	  .param = MEM_ANON, .plain = true },
	{ "create_thp", "new memory for THPs: size, alignment, nothing touched",
	  .param = MEM_THP, .needs_thp = true, .plain = true },
	{ "create_memfd", "a new memfd: size, alignment, nothing touched",
	  .param = MEM_MEMFD, .plain = true },
	{ "create_file", "a new file: size, alignment, nothing touched",
	  .param = MEM_FILE, .plain = true },
)

/* Skips where pfns are hidden: no CAP_SYS_ADMIN, or not in this user namespace. */
static void need_pfns(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	u64 entry = 0;

	must(fd >= 0 && pread(fd, &entry, 8, ((uintptr_t)need_pfns >> 12) * 8) == 8,
	     "read of /proc/self/pagemap");
	close(fd);
	if (!(entry << 9))
		test_skip("needs CAP_SYS_ADMIN to see pfns");
}

CASE(pfns, "pfn_of() follows the page of an address", .plain = true)
{
	struct mem *mem = mem_create(MEM_MEMFD, SZ_2M, NULL);
	const u8 *alias;

	need_pfns();
	expect_eq(pfn_of(mem->hva), PFN_NONE, "pfn of a page never touched");
	mem_touch(mem->hva, SZ_2M);
	expect_true(pfn_of(mem->hva) != PFN_NONE, "a touched page has a pfn");
	expect_true(pfn_of(mem->hva) != pfn_of(mem->hva + SZ_4K), "two pages have two pfns");
	expect_eq(pfn_of(mem->hva + 123), pfn_of(mem->hva), "pfn of another byte of the page");
	expect_eq(is_thp(mem->hva), false, "4K page is a THP");

	alias = mmap(NULL, SZ_4K, PROT_READ, MAP_SHARED | MAP_POPULATE, mem->fd, SZ_4K);
	must(alias != MAP_FAILED, "mmap");
	expect_eq(pfn_of(alias), pfn_of(mem->hva + SZ_4K), "pfn of the page mapped elsewhere");

	must(!madvise(mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_eq(pfn_of(mem->hva), PFN_NONE, "pfn after MADV_DONTNEED");
}

CASE(nodes, "NUMA nodes are counted, and pages found on them", .plain = true)
{
	struct mem *mem = mem_create(MEM_ANON, SZ_2M, NULL);
	glob_t found;
	int node;

	/* Nodes without memory exist, too. */
	if (!glob("/sys/devices/system/node/node[0-9]*", 0, NULL, &found))
		expect_true(nr_nodes() <= found.gl_pathc, "%u nodes with memory among %zu",
			    nr_nodes(), found.gl_pathc);
	expect_true(nr_nodes() >= 1, "this machine has memory");

	node = node_of(mem->hva);
	if (node == -ENOSYS || node == -EPERM)
		test_skip("needs move_pages(2): %s", strerror(-node));
	expect_eq(node, -ENOENT, "node of a page never touched");
	mem_touch(mem->hva, SZ_2M);
	node = node_of(mem->hva);
	expect_true(node >= 0, "a touched page is on a node, not on %d", node);
	expect_eq(move_to_node(mem->hva, node), node, "moved to where it is");
}

CASE(counters, "Numbers of /proc/meminfo and of hugetlb pools", .plain = true)
{
	expect_eq(meminfo("MemTotal") >> 10 > 0, true, "there is memory");
	expect_true(meminfo("MemFree") <= meminfo("MemTotal"), "some of it is free");
	expect_eq(meminfo("Mem"), -1, "part of a key");
	expect_eq(meminfo("NoSuchKey"), -1, "unknown key");
	expect_eq(hugetlb_free_pages(SZ_4K), -1, "hugetlb pages of 4K");
}

TEST_MAIN("memory that backs memslots")
