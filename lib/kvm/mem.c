// SPDX-License-Identifier: GPL-2.0-only
/* Memory of each kind that a memslot can stand on. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "testcase.h"
#include "timeline.h"
#include "vm.h"

#define PAGEMAP_PRESENT		(1ULL << 63)
#define PAGEMAP_PFN(entry)	((entry) & ((1ULL << 55) - 1))
#define KPF_UPTODATE		3
#define KPF_ANON		12
#define KPF_THP			22	/* include/uapi/linux/kernel-page-flags.h */
#define KPF_COMPOUND		(1ULL << 15 | 1ULL << 16)	/* head or tail */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL		0x0008U		/* include/uapi/linux/memfd.h */
#endif

#define HUGE_2MB		(21U << MAP_HUGE_SHIFT)
#define HUGE_1GB		(30U << MAP_HUGE_SHIFT)

const char *mem_kind_name(enum mem_kind kind)
{
	static const char *const names[MEM_NR] = {
		[MEM_ANON] = "anonymous", [MEM_THP] = "THP",
		[MEM_HUGETLB_2M] = "2M hugetlb", [MEM_HUGETLB_1G] = "1G hugetlb",
		[MEM_MEMFD] = "memfd", [MEM_FILE] = "file",
		[MEM_GMEM] = "guest_memfd", [MEM_GMEM_MMAP] = "mmap-able guest_memfd",
	};

	return names[kind];
}

/* An address range of @size, aligned to @align, that nobody uses. */
static void *reserve(size_t size, size_t align)
{
	u8 *raw = mmap(NULL, size + align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u8 *start;

	must(raw != MAP_FAILED, "mmap of %zu bytes", size + align);
	start = (u8 *)(((uintptr_t)raw + align - 1) & ~(align - 1));
	if (start > raw)
		munmap(raw, start - raw);
	munmap(start + size, raw + size + align - (start + size));
	return start;
}

static int make_file(size_t size)
{
	/* tmpfs would be shmem, which is MEM_MEMFD. */
	static const char *const dirs[] = { "/mnt/file", "/var/tmp", "." };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct statfs fs;
		int fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

		if (fd < 0)
			continue;
		if (!fstatfs(fd, &fs) && fs.f_type != 0x01021994 /* TMPFS_MAGIC */ &&
		    !ftruncate(fd, size))
			return fd;
		close(fd);
	}
	test_skip("needs a file system other than tmpfs with O_TMPFILE at /mnt/file, /var/tmp or here");
}

static int make_gmem(struct vm *vm, size_t size, u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };
	int fd;

	if (vm_check_cap(vm, KVM_CAP_GUEST_MEMFD) <= 0)
		test_skip("this VM type has no guest_memfd on this kernel");
	if (flags && (vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS) & flags) != flags)
		test_skip("this kernel has no guest_memfd flags 0x%llx (6.18 or newer)",
			  flags);
	fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	expect_ok(fd, "KVM_CREATE_GUEST_MEMFD, %zu bytes, flags 0x%llx", size,
		  flags);
	return fd;
}

static void map(struct mem *mem, int flags)
{
	size_t align = mem->page_size > SZ_2M ? mem->page_size : SZ_2M;
	void *at = reserve(mem->size, align);

	mem->hva = mmap(at, mem->size, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
			mem->fd, 0);
	must(mem->hva != MAP_FAILED, "mmap of %zu bytes of %s memory", mem->size,
	     mem_kind_name(mem->kind));
}

/* vm.memfd_noexec=2 wants the seal; up to 6.2 there is none. */
static int make_memfd(void)
{
	int fd = memfd_create("ktdx", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	return fd < 0 && errno == EINVAL ? memfd_create("ktdx", MFD_CLOEXEC) : fd;
}

struct mem *mem_create(enum mem_kind kind, size_t size, struct vm *vm)
{
	struct mem *mem = calloc(1, sizeof(*mem));

	mem->kind = kind;
	mem->size = size;
	mem->page_size = SZ_4K;
	mem->fd = -1;

	switch (kind) {
	case MEM_ANON:
		map(mem, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
		madvise(mem->hva, size, MADV_NOHUGEPAGE);
		break;
	case MEM_THP:
		must_declare(running_case()->needs_thp, ".needs_thp");
		mem->page_size = SZ_2M;
		map(mem, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
		must(!madvise(mem->hva, size, MADV_HUGEPAGE), "MADV_HUGEPAGE");
		break;
	case MEM_HUGETLB_2M:
		must_declare(running_case()->hugepages_2m, ".hugepages_2m");
		mem->page_size = SZ_2M;
		map(mem, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | HUGE_2MB);
		break;
	case MEM_HUGETLB_1G:
		must_declare(running_case()->hugepages_1g, ".hugepages_1g");
		mem->page_size = SZ_1G;
		map(mem, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | HUGE_1GB);
		break;
	case MEM_MEMFD:
		mem->fd = make_memfd();
		must(mem->fd >= 0 && !ftruncate(mem->fd, size), "memfd of %zu bytes", size);
		map(mem, MAP_SHARED);
		break;
	case MEM_FILE:
		mem->fd = make_file(size);
		map(mem, MAP_SHARED);
		break;
	case MEM_GMEM:
		mem->fd = make_gmem(vm, size, 0);
		break;
	case MEM_GMEM_MMAP:
		mem->fd = make_gmem(vm, size, GUEST_MEMFD_FLAG_MMAP |
					      GUEST_MEMFD_FLAG_INIT_SHARED);
		map(mem, MAP_SHARED);
		break;
	case MEM_NR:
		break;
	}
	return mem;
}

void mem_touch(void *hva, size_t size)
{
	for (size_t off = 0; off < size; off += SZ_4K)
		*(volatile u64 *)((u8 *)hva + off) = 0x7ead0000 + off / SZ_4K;
}

struct mem *mem_populated(enum mem_kind kind, size_t size, struct vm *vm)
{
	struct mem *mem = mem_create(kind, size, vm);

	/* One write makes a whole huge page appear. */
	for (size_t off = 0; off < size; off += mem->page_size)
		mem_touch(mem->hva + off, SZ_4K);
	if (kind == MEM_THP) {
		for (size_t off = 0; off < size; off += SZ_2M)
			must(is_thp(mem->hva + off),
			     "a THP at %p: the host gave none (memory fragmented, or THP disabled)",
			     mem->hva + off);
	}
	return mem;
}

void mem_punch_hole(const struct mem *mem, u64 offset, u64 size)
{
	int ret;

	timeline_begin("hole of %s at 0x%llx size 0x%llx", mem_kind_name(mem->kind), offset, size);
	ret = fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
	expect_ok(timeline_returned(ret, "hole"), "punching [0x%llx, +0x%llx) out of %s memory", offset,
		  size, mem_kind_name(mem->kind));
}

/* What the host knows of a page. */

static u64 read_u64_at(const char *path, u64 index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	u64 entry;

	must(fd >= 0 && pread(fd, &entry, 8, index * 8) == 8, "read of %s", path);
	close(fd);
	return entry;
}

u64 pfn_of(const void *hva)
{
	u64 entry = read_u64_at("/proc/self/pagemap", (uintptr_t)hva >> 12);

	if (!(entry & PAGEMAP_PRESENT))
		return PFN_NONE;
	errno = EPERM;
	must(PAGEMAP_PFN(entry), "pfns in /proc/self/pagemap (CAP_SYS_ADMIN)");
	return PAGEMAP_PFN(entry);
}

void pfns_of(const void *hva, size_t nr, u64 *pfns)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && pread(fd, pfns, nr * 8, ((uintptr_t)hva >> 12) * 8) == (ssize_t)(nr * 8),
	     "read of /proc/self/pagemap");
	close(fd);
	for (size_t i = 0; i < nr; i++)
		pfns[i] = pfns[i] & PAGEMAP_PRESENT ? PAGEMAP_PFN(pfns[i]) : PFN_NONE;
}

bool thp_supported(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK);
}

bool is_thp(const void *hva)
{
	u64 pfn = pfn_of(hva);

	return pfn != PFN_NONE && (read_u64_at("/proc/kpageflags", pfn) >> KPF_THP & 1);
}

bool page_holds_data(u64 pfn)
{
	return read_u64_at("/proc/kpageflags", pfn) >> KPF_UPTODATE & 1;
}

bool page_is_anon(u64 pfn)
{
	return read_u64_at("/proc/kpageflags", pfn) >> KPF_ANON & 1;
}

int page_level(u64 pfn)
{
	return read_u64_at("/proc/kpageflags", pfn) & KPF_COMPOUND ? LEVEL_2M : LEVEL_4K;
}

static int move_page(void *hva, const int *node)
{
	int status = -1;
	long ret = syscall(SYS_move_pages, 0, 1UL, &hva, node, &status,
			   node ? MPOL_MF_MOVE : 0);

	return ret < 0 ? -errno : status;
}

int node_of(const void *hva)
{
	return move_page((void *)hva, NULL);
}

int move_to_node(void *hva, int node)
{
	return move_page(hva, &node);
}

#define MAX_NODES	1024

/* Nodes that have memory which this process may use: they need be neither 0 nor 1. */
struct nodes {
	unsigned long mask[MAX_NODES / 64];
};

static bool has_node(const struct nodes *n, unsigned int node)
{
	return node < MAX_NODES && n->mask[node / 64] >> node % 64 & 1;
}

/* "0-1,4": as sysfs lists nodes. */
static struct nodes parse_nodes(const char *list)
{
	struct nodes nodes = { 0 };
	unsigned int first, last;
	int used;

	while (sscanf(list, "%u%n", &first, &used) == 1) {
		list += used;
		last = first;
		if (*list == '-' && sscanf(list, "-%u%n", &last, &used) == 1)
			list += used;
		for (; first <= last && first < MAX_NODES; first++)
			nodes.mask[first / 64] |= 1UL << first % 64;
		list += *list == ',';
	}
	return nodes;
}

static struct nodes usable_nodes(void)
{
	struct nodes nodes = { 0 }, allowed;
	char *list = file_line("/sys/devices/system/node/has_memory");

	nodes = parse_nodes(list ?: "0");
	free(list);
	if (!syscall(SYS_get_mempolicy, NULL, allowed.mask, (unsigned long)MAX_NODES, NULL,
		     MPOL_F_MEMS_ALLOWED))
		for (size_t i = 0; i < ARRAY_SIZE(nodes.mask); i++)
			nodes.mask[i] &= allowed.mask[i];
	return nodes;
}

unsigned int nr_nodes(void)
{
	struct nodes nodes = usable_nodes();
	unsigned int nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(nodes.mask); i++)
		nr += __builtin_popcountl(nodes.mask[i]);
	return nr;
}

int node_beside(int node)
{
	struct nodes nodes = usable_nodes();

	for (int other = 0; other < MAX_NODES; other++)
		if (other != node && has_node(&nodes, other))
			return other;
	return -1;
}

void page_out(void *hva)
{
	if (meminfo("SwapTotal") <= 0)
		test_skip("needs swap");
	/*
	 * A page that another CPU keeps in its batch, on the way to the LRU list, is
	 * not swapped out; move_pages(2), to wherever, empties the batches of all.
	 */
	move_to_node(hva, node_of(hva));
	expect_ok(madvise(hva, SZ_4K, MADV_PAGEOUT), "MADV_PAGEOUT");
	/* A page that KVM still holds stays. */
	expect_eq(pfn_of(hva), PFN_NONE, "pfn at hva %p, whose page is swapped out", hva);
}

void move_away(void *hva)
{
	void *elsewhere = mmap(NULL, SZ_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(mremap(hva, SZ_4K, SZ_4K, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere,
	     "mremap");
}

void migrate(void *hva)
{
	int from = node_of(hva), wanted = node_beside(from), to;

	must(from >= 0 && wanted >= 0, "the page's node, and another one");
	to = move_to_node(hva, wanted);
	/* A page that KVM still holds cannot move (-EAGAIN). */
	expect_eq(to, wanted, "node of the page at hva %p after move_pages from node %d", hva,
		  from);
}

long meminfo(const char *key)
{
	char *text = file_after("/proc/meminfo", strf("%s:", key));
	long value = text ? atol(text) : -1;

	free(text);
	return value;
}

long hugetlb_free_pages(size_t page_size)
{
	return file_number(strf("/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages",
				page_size >> 10), -1);
}
