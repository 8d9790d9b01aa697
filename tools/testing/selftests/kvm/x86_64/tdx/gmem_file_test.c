// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd as a file: what its system calls take and refuse, where its pages
 * lie, and who still has them after fork(), close() and a change of size.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "kernel.h"
#include "testcase.h"

#define SIZE	(16 * SZ_4K)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static int create(struct vm *vm, u64 size, u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return __vm_ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
}

static void create_args(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	u64 flags = vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS);

	mem_create(t->vm_type == KVM_X86_DEFAULT_VM ? MEM_GMEM_MMAP : MEM_GMEM, SZ_4K, vm);
	expect_errno(create(vm, 0, 0), EINVAL, "size 0");
	expect_errno(create(vm, SZ_4K - 1, 0), EINVAL, "size 4095");
	expect_errno(create(vm, SZ_4K + 1, 0), EINVAL, "size 4097");
	expect_errno(create(vm, 1ULL << 63, 0), EINVAL, "size 2^63");
	expect_errno(create(vm, -SZ_4K, 0), EINVAL, "size -4096");
	for (int bit = 0; bit < 64; bit++)
		if (!(flags >> bit & 1))
			expect_errno(create(vm, SZ_4K, 1ULL << bit), EINVAL, "flag bit %d, not among 0x%llx",
				     bit, flags);
	expect_ok(create(vm, (1ULL << 63) - SZ_4K, 0), "the largest size, of which nothing exists yet");
}

/* Without a descriptor to be had, nothing is left of it: the VM can go. */
static void no_descriptor(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct rlimit old, none;

	mem_create(t->vm_type == KVM_X86_DEFAULT_VM ? MEM_GMEM_MMAP : MEM_GMEM, SZ_4K, vm);
	must(!getrlimit(RLIMIT_NOFILE, &old), "getrlimit");
	none = (struct rlimit){ 3, old.rlim_max };
	must(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
	for (int i = 0; i < 100; i++)
		expect_errno(create(vm, SZ_4K, 0), EMFILE, "KVM_CREATE_GUEST_MEMFD with no descriptor left");
	must(!setrlimit(RLIMIT_NOFILE, &old), "setrlimit");
	expect_ok(create(vm, SZ_4K, 0), "KVM_CREATE_GUEST_MEMFD with descriptors");
}

static void size_is_fixed(const struct test *t)
{
	struct fixture f = fixture_gmem(t, SIZE);
	struct stat st;
	int fd = f.slot->gmem->fd;

	prefault(f.vcpu, GPA, SIZE);
	expect_errno(ftruncate(fd, SIZE / 2), EINVAL, "ftruncate to half of it");
	expect_errno(ftruncate(fd, 0), EINVAL, "ftruncate to nothing");
	expect_errno(ftruncate(fd, 2 * SIZE), EINVAL, "ftruncate to twice as much");
	expect_ok(fstat(fd, &st), "fstat");
	expect_eq(st.st_size, SIZE, "size of the file");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K, "4K SPTEs");
	expect_true(read(fd, &st, 1) < 0, "the file cannot be read");
	expect_true(write(fd, &st, 1) < 0, "the file cannot be written");
	expect_true(pread(fd, &st, 1, 0) < 0, "pread() of it fails");
}

static void fallocate_args(const struct test *t)
{
	static const struct { int mode; int error; } modes[] = {
		{ 0, EOPNOTSUPP }, { FALLOC_FL_PUNCH_HOLE, EOPNOTSUPP },
		{ FALLOC_FL_KEEP_SIZE | FALLOC_FL_COLLAPSE_RANGE, EOPNOTSUPP },
		{ FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, EOPNOTSUPP },
		{ FALLOC_FL_KEEP_SIZE | FALLOC_FL_INSERT_RANGE, EOPNOTSUPP },
		{ FALLOC_FL_KEEP_SIZE | FALLOC_FL_UNSHARE_RANGE, EOPNOTSUPP },
	};
	struct fixture f = fixture_gmem(t, SIZE);
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int fd = f.slot->gmem->fd;

	prefault(f.vcpu, GPA, SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		expect_errno(fallocate(fd, modes[i].mode, 0, SZ_4K), modes[i].error,
			     "fallocate of mode 0x%x", modes[i].mode);
	expect_errno(fallocate(fd, hole, 1, SZ_4K), EINVAL, "a hole at offset 1");
	expect_errno(fallocate(fd, hole, 0, SZ_4K - 1), EINVAL, "a hole of 4095 bytes");
	expect_errno(fallocate(fd, hole, 0, 0), EINVAL, "a hole of nothing");
	expect_errno(fallocate(fd, hole, -SZ_4K, SZ_4K), EINVAL, "a hole before the file");
	expect_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, SZ_4K / 2, SZ_4K), EINVAL,
		     "allocation at offset 2048");
	expect_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SZ_4K + 1), EINVAL,
		     "allocation of 4097 bytes");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K, "4K SPTEs after what was refused");
	expect_ok(fallocate(fd, hole, SIZE, SZ_4K), "a hole behind the file");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K, "4K SPTEs after a hole behind the file");
	/* The last page, and far beyond. */
	expect_ok(fallocate(fd, hole, SIZE - SZ_4K, SZ_1G), "a hole over the end of the file");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K - 1, "4K SPTEs after it");
	expect_not_mapped(f.o, GFN + SIZE / SZ_4K - 1);
}

/* Two mappings of a page are one page, for good: neither copies. */
static void mmap_args(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = mem_create(MEM_GMEM_MMAP, SIZE, vm);
	u8 *again;
	int plain;

	expect_true(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, gmem->fd, 0) == MAP_FAILED &&
		    errno == EINVAL, "mmap with MAP_PRIVATE is EINVAL");
	expect_true(mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, gmem->fd, 0) == MAP_FAILED &&
		    errno == EINVAL, "mmap with MAP_PRIVATE to read is EINVAL");
	plain = create(vm, SIZE, 0);
	expect_ok(plain, "KVM_CREATE_GUEST_MEMFD without flags");
	expect_true(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, plain, 0) == MAP_FAILED &&
		    errno == ENODEV, "mmap of a guest_memfd without the flag is ENODEV");
	again = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, gmem->fd, 0);
	expect_ok(again == MAP_FAILED ? -1 : 0, "a second mapping");
	gmem->hva[5] = 0x5a;
	expect_eq(again[5], 0x5a, "byte in the second mapping");
	expect_eq(pfn_of(again), pfn_of(gmem->hva), "pfn of both");
}

/* A child has the same page, not a copy, and keeps it when the parent is gone. */
static void forked(const struct test *t)
{
	struct fixture f = fixture_gmem(t, SIZE);
	u64 pfn;
	int status;
	pid_t child;

	*f.mem->hva = 1;
	prefault(f.vcpu, GPA, SIZE);
	pfn = pfn_of(f.mem->hva);
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		*f.mem->hva = 2;
		_exit(pfn_of(f.mem->hva) != pfn);
	}
	must(waitpid(child, &status, 0) == child, "waitpid");
	expect_eq(status, 0, "status of a child that wrote to the same page");
	expect_eq(*f.mem->hva, 2, "byte that the child wrote");
	expect_eq(pfn_of(f.mem->hva), pfn, "pfn after the child's write");
	expect_mapped(f.o, GFN, LEVEL_4K, pfn);
	*f.mem->hva = 3;
	expect_eq(pfn_of(f.mem->hva), pfn, "pfn after the parent's write");
}

static long bind_to(void *hva, size_t size, int mode, unsigned long nodes)
{
	return syscall(SYS_mbind, hva, size, mode, &nodes, 8 * sizeof(nodes), 0);
}

/* The policy is the file's: whoever makes the page, host or KVM, gets it there. */
static void policy(const struct test *t)
{
	struct fixture f;
	int mode = -1, at;
	unsigned long nodes = 0;

	if (kernel_before("6.19"))
		test_skip("guest_memfd has NUMA policies from Linux 6.19 on");
	f = fixture_gmem(t, SIZE);
	for (int node = 0; node < 2; node++) {
		u8 *half = f.mem->hva + node * SIZE / 2;

		expect_ok(bind_to(half, SIZE / 2, MPOL_BIND, 1UL << node), "mbind to node %d", node);
		expect_ok(syscall(SYS_get_mempolicy, &mode, &nodes, 8 * sizeof(nodes), half, MPOL_F_ADDR),
			  "get_mempolicy");
		expect_eq(mode, MPOL_BIND, "the policy of half %d", node);
		expect_eq(nodes, 1UL << node, "its nodes");
	}
	/* One page of each half by the host, all others by KVM. */
	f.mem->hva[0] = 1;
	f.mem->hva[SIZE / 2] = 1;
	prefault(f.vcpu, GPA, SIZE);
	for (size_t page = 0; page < SIZE / SZ_4K; page++) {
		volatile u8 *hva = f.mem->hva + page * SZ_4K;

		(void)*hva;
		at = node_of((void *)hva);
		expect_eq(at, page >= SIZE / SZ_4K / 2, "node of page %zu", page);
	}
}

/* Collapse is refused, or does nothing: pages stay where they are mapped, 4K each. */
static void not_collapsed(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct vcpu *vcpu = vcpu_create(vm);
	struct mem *gmem = mem_create(MEM_GMEM_MMAP, SZ_2M, vm);
	static u64 pfns[SZ_2M / SZ_4K];
	struct observer *o;

	slot_add(vm, GPA, gmem);
	o = observe(vm, t->tc->observes);
	prefault(vcpu, GPA, SZ_2M);
	memset(gmem->hva, 0x77, SZ_2M);
	pfns_of(gmem->hva, SZ_2M / SZ_4K, pfns);
	madvise(gmem->hva, SZ_2M, MADV_HUGEPAGE);
	expect_true(madvise(gmem->hva, SZ_2M, MADV_COLLAPSE) < 0, "MADV_COLLAPSE of guest_memfd fails");
	for (size_t i = 0; i < SZ_2M / SZ_4K; i++) {
		expect_eq(gmem->hva[i * SZ_4K], 0x77, "byte of page %zu", i);
		expect_eq(pfn_of(gmem->hva + i * SZ_4K), pfns[i], "pfn of page %zu", i);
		expect_mapped(o, GFN + i, LEVEL_4K, pfns[i]);
	}
}

/* It cannot move, be swapped out or locked away under the guest. */
static void not_migrated(const struct test *t)
{
	struct fixture f = fixture_gmem(t, SIZE);
	u64 pfn;

	prefault(f.vcpu, GPA, SIZE);
	*f.mem->hva = 1;
	pfn = pfn_of(f.mem->hva);
	expect_true(move_to_node(f.mem->hva, node_beside(node_of(f.mem->hva))) < 0,
		    "move_pages of guest_memfd fails");
	madvise(f.mem->hva, SZ_4K, MADV_PAGEOUT);
	expect_eq(*f.mem->hva, 1, "byte after MADV_PAGEOUT");
	expect_eq(pfn_of(f.mem->hva), pfn, "pfn after both");
	/* KVM was told to let go of it, for nothing. */
	prefault(f.vcpu, GPA, SIZE);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn);
}

#define MMAP	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING

static const struct test_case cases[] = {
	{ "create_args", "sizes and flags of KVM_CREATE_GUEST_MEMFD", create_args, .vm_types = VM_ANY },
	{ "no_descriptor", "no file descriptor left: EMFILE, and nothing is left of it", no_descriptor,
	  .vm_types = VM_ANY },
	{ "size_is_fixed", "ftruncate, read and write are refused", size_is_fixed, .vm_types = VM_ANY,
	  .observes = OBSERVE_MAPPING },
	{ "fallocate_args", "modes and ranges of fallocate", fallocate_args, .vm_types = VM_ANY,
	  .observes = OBSERVE_MAPPING },
	{ "mmap_args", "it is mapped shared, or not at all", mmap_args, .vm_types = VM_DEFAULT },
	{ "forked", "parent and child have the same page", forked, MMAP },
	{ "policy", "mbind says on which node a page is made, by the host or by KVM", policy, MMAP,
	  .nodes = 2 },
	{ "not_collapsed", "no huge page is made of its pages", not_collapsed, MMAP,
	  .needs_thp = true },
	{ "not_migrated", "its pages neither move nor are swapped out", not_migrated, MMAP,
	  .nodes = 2 },
};

TEST_MAIN("guest_memfd as a file", cases)
