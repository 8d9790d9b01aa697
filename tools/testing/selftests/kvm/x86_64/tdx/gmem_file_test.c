// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd as a file: the arguments that its system calls accept and refuse, the NUMA
 * node of its pages, and what fork(), collapse and migration do to them.
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

CASE(create_args, "KVM_CREATE_GUEST_MEMFD, bad sizes and unknown flags: EINVAL",
	.vm_types = VM_ALL)
{
	struct vm *vm = vm_create(t->vm_type);
	u64 flags = vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS);

	gmem_of(vm, SZ_4K);	/* skips where there is none */
	expect_errno(create(vm, 0, 0), EINVAL, "size 0");
	expect_errno(create(vm, SZ_4K - 1, 0), EINVAL, "size 4095");
	expect_errno(create(vm, SZ_4K + 1, 0), EINVAL, "size 4097");
	expect_errno(create(vm, 1ULL << 63, 0), EINVAL, "size 2^63");
	expect_errno(create(vm, -SZ_4K, 0), EINVAL, "size -4096");
	for (int bit = 0; bit < 64; bit++)
		if (!(flags >> bit & 1))
			expect_errno(create(vm, SZ_4K, 1ULL << bit), EINVAL,
				     "flag bit %d, not among 0x%llx", bit, flags);
	expect_ok(create(vm, (1ULL << 63) - SZ_4K, 0), "size 2^63 - 4096");
}

CASE(no_descriptor, "KVM_CREATE_GUEST_MEMFD without free file descriptors: EMFILE",
	.vm_types = VM_ALL)
{
	struct vm *vm = vm_create(t->vm_type);
	struct rlimit old, none;

	gmem_of(vm, SZ_4K);	/* skips where there is none */
	must(!getrlimit(RLIMIT_NOFILE, &old), "getrlimit");
	none = (struct rlimit){ 0, old.rlim_max };	/* a number below 3 may be free, too */
	must(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
	for (int i = 0; i < 100; i++)
		expect_errno(create(vm, SZ_4K, 0), EMFILE,
			     "KVM_CREATE_GUEST_MEMFD without free descriptors");
	must(!setrlimit(RLIMIT_NOFILE, &old), "setrlimit");
	expect_ok(create(vm, SZ_4K, 0), "KVM_CREATE_GUEST_MEMFD with free descriptors");
}

CASE(size_is_fixed, "ftruncate: EINVAL; read and write fail", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture_gmem(t, SIZE);
	struct stat st;
	int fd = f.slot->gmem->fd;

	prefault(f.vcpu, GPA, SIZE);
	expect_errno(ftruncate(fd, SIZE / 2), EINVAL, "ftruncate to half the size");
	expect_errno(ftruncate(fd, 0), EINVAL, "ftruncate to 0");
	expect_errno(ftruncate(fd, 2 * SIZE), EINVAL, "ftruncate to twice the size");
	expect_ok(fstat(fd, &st), "fstat");
	expect_eq(st.st_size, SIZE, "size of the file");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K, "4K SPTEs");
	expect_true(read(fd, &st, 1) < 0, "read() fails");
	expect_true(write(fd, &st, 1) < 0, "write() fails");
	expect_true(pread(fd, &st, 1, 0) < 0, "pread() fails");
}

CASE(fallocate_args, "fallocate, other modes: EOPNOTSUPP; bad ranges: EINVAL",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING)
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
	expect_errno(fallocate(fd, hole, 0, 0), EINVAL, "a hole of 0 bytes");
	expect_errno(fallocate(fd, hole, -SZ_4K, SZ_4K), EINVAL, "a hole before the file");
	expect_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, SZ_4K / 2, SZ_4K), EINVAL,
		     "allocation at offset 2048");
	expect_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SZ_4K + 1), EINVAL,
		     "allocation of 4097 bytes");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K, "4K SPTEs after the refused calls");
	expect_ok(fallocate(fd, hole, SIZE, SZ_4K), "a hole behind the end of the file");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K,
		  "4K SPTEs after a hole behind the end");
	expect_ok(fallocate(fd, hole, SIZE - SZ_4K, SZ_1G),
		  "a hole from the last page to beyond the end");
	expect_eq(observer_leaves(f.o, LEVEL_4K), SIZE / SZ_4K - 1,
		  "4K SPTEs after a hole over the last page");
	expect_not_mapped(f.o, GFN + SIZE / SZ_4K - 1);
}

CASE(mmap_args, "mmap: MAP_SHARED only, and only with GUEST_MEMFD_FLAG_MMAP",
	.vm_types = VM_DEFAULT)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = mem_create(MEM_GMEM_MMAP, SIZE, vm);
	u8 *again;
	int plain;

	expect_true(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, gmem->fd, 0) ==
		    MAP_FAILED && errno == EINVAL,
		    "mmap with MAP_PRIVATE is EINVAL");
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
	expect_eq(pfn_of(again), pfn_of(gmem->hva), "pfn of the second mapping");
}

CASE(forked, "parent and child share the page after fork, and writes do not copy it",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING)
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

/* The policy is that of the file, for pages that the host or KVM allocates. */
CASE(policy, "mbind: host and KVM allocate pages on that node",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .nodes = 2)
{
	struct fixture f;
	int mode = -1, at;
	unsigned long nodes = 0;

	if (kernel_before("6.19"))
		test_skip("needs NUMA policies of guest_memfd (Linux 6.19)");
	f = fixture_gmem(t, SIZE);
	for (int node = 0; node < 2; node++) {
		u8 *half = f.mem->hva + node * SIZE / 2;

		expect_ok(bind_to(half, SIZE / 2, MPOL_BIND, 1UL << node), "mbind to node %d",
			  node);
		expect_ok(syscall(SYS_get_mempolicy, &mode, &nodes, 8 * sizeof(nodes), half,
				  MPOL_F_ADDR),
			  "get_mempolicy");
		expect_eq(mode, MPOL_BIND, "policy of half %d", node);
		expect_eq(nodes, 1UL << node, "nodes of half %d", node);
	}
	/* The host allocates one page of each half, KVM all others. */
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

CASE(not_collapsed, "MADV_COLLAPSE fails, and the mapped pages stay",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .needs_thp = true)
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
	expect_true(madvise(gmem->hva, SZ_2M, MADV_COLLAPSE) < 0,
		    "MADV_COLLAPSE of guest_memfd fails");
	for (size_t i = 0; i < SZ_2M / SZ_4K; i++) {
		expect_eq(gmem->hva[i * SZ_4K], 0x77, "byte of page %zu", i);
		expect_eq(pfn_of(gmem->hva + i * SZ_4K), pfns[i], "pfn of page %zu", i);
		expect_mapped(o, GFN + i, LEVEL_4K, pfns[i]);
	}
}

CASE(not_migrated, "move_pages and MADV_PAGEOUT leave mapped pages where they are",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .nodes = 2)
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
	/* The attempts may have unmapped it. */
	prefault(f.vcpu, GPA, SIZE);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn);
}

TEST_MAIN("guest_memfd as a file")
