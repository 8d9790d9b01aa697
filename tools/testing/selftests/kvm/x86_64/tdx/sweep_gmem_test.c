// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy fails, one after the other, while a guest_memfd is made,
 * allocated, mapped and touched (sweep.h).  Nothing is allocated or copied when it is emptied or
 * closed.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "sept.h"
#include "sweep.h"
#include "td.h"
#include "testcase.h"

#define PAGES	4
#define SIZE	(PAGES * SZ_4K)
#define FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

static bool is_td(const struct stage *s)
{
	return s->t->vm_type == KVM_X86_TDX_VM;
}

static void new_vm(struct stage *s)
{
	s->vm = is_td(s) ? td_create() : vm_create(s->t->vm_type);
	s->vcpu = is_td(s) ? td_vcpu(s->vm) : vcpu_create(s->vm);
	if (is_td(s))
		td_finalize(s->vm);
}

static int create(struct stage *s)
{
	struct kvm_create_guest_memfd args = { .size = SIZE };

	s->fd = ioctl(s->vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	return s->fd;
}

/* A slot of @s->gmem. */
static void add_slot(struct stage *s)
{
	s->mem = s->mem ?: mem_populated(MEM_ANON, SIZE, NULL);
	slot_add_gmem(s->vm, GPA, s->mem, s->gmem);
	vm_set_private(s->vm, GPA, SIZE);
}

static void expect_mapped_pages(struct stage *s)
{
	prefault(s->vcpu, GPA, SIZE);
	expect_eq(vm_stat(s->vm, "pages_4k"), PAGES, "4K SPTEs");
	if (is_td(s))
		expect_sept(s->vm, GPA, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

static void can_be_bound(struct stage *s)
{
	static struct mem made;

	made = (struct mem){ .kind = MEM_GMEM, .size = SIZE, .page_size = SZ_4K, .fd = s->fd };
	s->gmem = &made;
	s->fd = -1;
	add_slot(s);
	expect_mapped_pages(s);
}

static void bound(struct stage *s)
{
	new_vm(s);
	s->gmem = mem_create(MEM_GMEM, SIZE, s->vm);
	add_slot(s);
}

static int allocate(struct stage *s)
{
	return fallocate(s->gmem->fd, FALLOC_FL_KEEP_SIZE, 0, SIZE);
}

/* Mapped into the process. */

static void with_mmap_flag(struct stage *s)
{
	struct kvm_create_guest_memfd args = { .size = SIZE, .flags = FLAGS };

	new_vm(s);
	if ((vm_check_cap(s->vm, KVM_CAP_GUEST_MEMFD_FLAGS) & FLAGS) != FLAGS)
		test_skip("this kernel has no guest_memfd that can be mapped (6.18 or newer)");
	s->fd = ioctl(s->vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
	expect_ok(s->fd, "KVM_CREATE_GUEST_MEMFD");
}

static int map(struct stage *s)
{
	void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);

	if (at == MAP_FAILED)
		return -1;
	s->mapped = at;
	s->mapped_size = SIZE;
	return 0;
}

static void can_be_touched(struct stage *s)
{
	mem_touch(s->mapped, SIZE);
}

static void with_mapping(struct stage *s)
{
	with_mmap_flag(s);
	expect_ok(map(s), "mmap of guest_memfd");
}

/* By a system call: who touches the page itself is never told, the kernel tries again. */
static int touch(struct stage *s)
{
	return madvise(s->mapped, SIZE, MADV_POPULATE_WRITE);
}

#define GMEM_TYPES	(VM_SW_PROTECTED | VM_TDX)

CASES(sweep,
	SWEEP("create", "KVM_CREATE_GUEST_MEMFD", GMEM_TYPES,
	      ROW(.set_up = new_vm, .call = create, .done = can_be_bound)),
	SWEEP("allocate", "fallocate() of guest_memfd", GMEM_TYPES,
	      ROW(.set_up = bound, .call = allocate, .done = expect_mapped_pages)),
	SWEEP("mmap", "mmap() of guest_memfd", VM_DEFAULT,
	      ROW(.set_up = with_mmap_flag, .call = map, .done = can_be_touched)),
	SWEEP("touch", "MADV_POPULATE_WRITE of guest_memfd", VM_DEFAULT,
	      ROW(.set_up = with_mapping, .call = touch, .done = can_be_touched)))

TEST_MAIN("each allocation and copy fails while guest_memfd is made and filled")
