// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd as the mapping path uses it: which of its pages a slot may bind, what they
 * contain, and what the host may do with them.
 *
 * That its pages are mapped is in map_pfn_test, that they are unmapped in
 * map_replaced_test.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "hold.h"
#include "testcase.h"
#include "thread.h"
#include "vm_thread.h"

#define PAGES	16

/* Create a slot of [offset, offset + size) of @gmem: the result of the ioctl. */
static int bind_slot(struct vm *vm, struct mem *gmem, u64 offset, u64 size)
{
	return __slot_set(&(struct slot){
		.vm = vm, .id = vm->nr_slots, .flags = KVM_MEM_GUEST_MEMFD,
		.gpa = GPA + SZ_1G, .size = size, .gmem = gmem, .gmem_offset = offset,
	});
}

CASE(bind_past_end, "a slot past the end of guest_memfd: EINVAL",
	.xfail = "G1", .xfail_in_body = true, .vm_types = VM_ALL,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = gmem_of(vm, 2 * SZ_4K);
	int ret;

	expect_errno(bind_slot(vm, gmem, SZ_4K, 2 * SZ_4K), EINVAL,
		     "a slot one page past the end");
	expect_errno(bind_slot(vm, gmem, 2 * SZ_4K, SZ_4K), EINVAL,
		     "a slot that begins at the end");
	/* Its end is negative as a 64-bit signed number. */
	ret = bind_slot(vm, gmem, INT64_MAX - 0xfff, 2 * SZ_4K);
	if (!ret)
		xfail("G1", "a slot across 2^63");
	expect_errno(ret, EINVAL, "a slot across 2^63");
	expect_ok(bind_slot(vm, gmem, SZ_4K, SZ_4K), "a slot of the last page");
}

CASE(bind_twice, "two slots with a page in common: EEXIST or EINVAL", .vm_types = VM_ALL,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = gmem_of(vm, PAGES * SZ_4K);
	int error;

	slot_add_part(vm, GPA, gmem, 4 * SZ_4K, 4 * SZ_4K, 0);
	/* Which one, depends on the kernel: docs/findings.md. */
	error = bind_slot(vm, gmem, 7 * SZ_4K, 2 * SZ_4K) < 0 ? errno : 0;
	expect_true(error == EEXIST || error == EINVAL, "a slot with its last page: %s",
		    errno_text(error));
	expect_errno(bind_slot(vm, gmem, 3 * SZ_4K, 2 * SZ_4K), error,
		     "a slot with its first page");
	expect_errno(bind_slot(vm, gmem, 0, PAGES * SZ_4K), error, "a slot with all its pages");
	expect_ok(bind_slot(vm, gmem, 8 * SZ_4K, 8 * SZ_4K), "a slot of the pages after it");
}

CASE(bind_other_vm, "a slot with another VM's guest_memfd: EINVAL", .vm_types = VM_ALL,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct vm *vm = vm_create(t->vm_type), *other = vm_create(t->vm_type);

	expect_errno(bind_slot(other, gmem_of(vm, SZ_4K), 0, SZ_4K), EINVAL,
		     "a slot with another VM's guest_memfd");
}

CASE(bind_again, "a slot deleted and created again: its pages are mapped again",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING, NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct fixture f = fixture_gmem(t, PAGES * SZ_4K);

	prefault(f.vcpu, GPA, PAGES * SZ_4K);
	slot_delete(f.slot);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs of the deleted slot");
	expect_ok(__slot_set(f.slot), "the same slot again");
	prefault(f.vcpu, GPA, PAGES * SZ_4K);
	expect_eq(observer_leaves(f.o, LEVEL_4K), PAGES, "4K SPTEs");
}

CASE(punch_beyond,
	"a hole that reaches beyond its slot: pages of the next slot stay mapped",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct vm *vm = vm_create(t->vm_type);
	struct vcpu *vcpu = vcpu_create(vm);
	struct mem *first = gmem_of(vm, PAGES * SZ_4K), *second = gmem_of(vm, 4 * SZ_4K);
	struct observer *o;

	slot_add_part(vm, GPA, first, 0, 4 * SZ_4K, 0);
	slot_add(vm, GPA + 4 * SZ_4K, second);
	if (vm->type != KVM_X86_DEFAULT_VM)
		vm_set_private(vm, GPA, 8 * SZ_4K);
	o = observe(vm, t->observes);
	prefault(vcpu, GPA, 8 * SZ_4K);

	mem_punch_hole(first, 0, PAGES * SZ_4K);
	for (u64 i = 0; i < 4; i++)
		expect_not_mapped(o, GFN + i);
	for (u64 i = 4; i < 8; i++)
		expect_mapped(o, GFN + i, LEVEL_4K, PFN_ANY);
}

struct punch {
	struct fixture f;
	u64 gpa;
};

static int punch_page(void *arg)
{
	struct punch *p = arg;

	return fallocate(p->f.slot->gmem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 p->gpa - GPA, SZ_4K);
}

CASE(punch_blocks_prefault, "a page being punched out: a prefault waits until it is gone",
	.vm_types = VM_ALL, .observes = OBSERVE(EV_SPTE), .needs_hold = true,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD), .cpus = 2)
{
	struct punch p = { fixture_gmem(t, PAGES * SZ_4K), GPA + 5 * SZ_4K };
	struct prefault *map;
	struct thread *thread;
	struct hold *h;

	prefault(p.f.vcpu, GPA, PAGES * SZ_4K);
	h = hold_arm(.function = "truncate_inode_pages_range", .at = HOLD_ENTRY);
	thread = thread_start(punch_page, &p);
	hold_await(h);
	expect_not_mapped(p.f.o, GFN + 5);
	map = prefault_start(p.f.vcpu, p.gpa, SZ_4K);
	expect_true(!thread_ended(map->thread, 0.2), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx waits",
		    p.gpa);
	expect_not_mapped(p.f.o, GFN + 5);
	hold_release(h);
	expect_ok(thread_join(thread, "fallocate"), "punching gpa 0x%llx out", p.gpa);
	prefault_end(map);
	hold_end(h);
	expect_mapped(p.f.o, GFN + 5, LEVEL_4K, PFN_ANY);
}

CASE(fallocate_past_end, "fallocate past the end: EINVAL", .vm_types = VM_ALL,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = gmem_of(vm, 2 * SZ_4K);

	expect_ok(fallocate(gmem->fd, FALLOC_FL_KEEP_SIZE, 0, 2 * SZ_4K), "fallocate of all pages");
	expect_errno(fallocate(gmem->fd, FALLOC_FL_KEEP_SIZE, SZ_4K, 2 * SZ_4K), EINVAL,
		     "fallocate of a page past the end");
}

CASE(prefault_after_close, "prefault of a closed guest_memfd: EFAULT, memory-fault exit",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING, NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct fixture f = fixture_gmem(t, PAGES * SZ_4K);
	struct kvm_pre_fault_memory range = { .gpa = GPA + SZ_4K, .size = SZ_4K };

	if (f.slot->gmem->hva)
		munmap(f.slot->gmem->hva, f.slot->gmem->size);
	close(f.slot->gmem->fd);
	f.vcpu->run->exit_reason = 0;
	expect_errno(__vcpu_prefault(f.vcpu, &range), EFAULT, "prefault of a closed guest_memfd");
	expect_memory_fault_exit(f.vcpu, GPA + SZ_4K, t->vm_type == KVM_X86_DEFAULT_VM ?
				 0 : KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/* Fill @nr pages with data and free them; @pfns gets their pfns. */
static void make_dirty_pages(struct vm *vm, size_t nr, u64 *pfns)
{
	struct mem *old = mem_create(MEM_GMEM_MMAP, nr * SZ_4K, vm);

	run_on_nth_cpu(0);	/* the allocator reuses pages on the CPU that freed them */
	memset(old->hva, 0xa5, old->size);
	pfns_of(old->hva, nr, pfns);
	munmap(old->hva, old->size);
	close(old->fd);
}

static void expect_zeroed(const struct mem *gmem, const u64 *dirty, size_t nr)
{
	static const u8 zeroes[4096];
	unsigned int used_before = 0;

	for (size_t i = 0; i < nr; i++) {
		u64 pfn;

		expect_true(!memcmp(gmem->hva + i * SZ_4K, zeroes, SZ_4K),
			    "page %zu of a new guest_memfd is zeroed", i);
		pfn = pfn_of(gmem->hva + i * SZ_4K);
		for (size_t j = 0; j < nr; j++)
			used_before += pfn == dirty[j];
	}
	must(used_before, "a page that had other content before");
	measure("pages", used_before);
}

#define DIRTY	1024

CASE(zeroed_for_kvm, "KVM maps a page with old content: zeroed", .vm_types = VM_DEFAULT,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	static u64 dirty[DIRTY];
	struct vm *vm = vm_create(t->vm_type);
	struct vcpu *vcpu = vcpu_create(vm);
	struct mem *gmem;

	make_dirty_pages(vm, DIRTY, dirty);
	gmem = mem_create(MEM_GMEM_MMAP, DIRTY * SZ_4K, vm);
	slot_add(vm, GPA, gmem);
	prefault(vcpu, GPA, DIRTY * SZ_4K);
	expect_zeroed(gmem, dirty, DIRTY);
}

CASE(zeroed_for_mmap, "the host maps a page with old content: zeroed",
	.vm_types = VM_DEFAULT, NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	static u64 dirty[DIRTY];
	struct vm *vm = vm_create(t->vm_type);

	make_dirty_pages(vm, DIRTY, dirty);
	expect_zeroed(mem_create(MEM_GMEM_MMAP, DIRTY * SZ_4K, vm), dirty, DIRTY);
}

/* Fault the page in as a read does: -1 and EFAULT where a read gets SIGBUS. */
static int read_fault(void *hva)
{
	return madvise(hva, SZ_4K, MADV_POPULATE_READ);
}

CASE(touched_past_end, "host read past the end: SIGBUS", .vm_types = VM_DEFAULT,
	NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct mem *gmem = mem_create(MEM_GMEM_MMAP, SZ_4K, vm_create(t->vm_type));
	u8 *hva = mmap(NULL, 2 * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, gmem->fd, 0);

	expect_ok(hva == MAP_FAILED ? -1 : 0, "mmap of one page more than it has");
	expect_ok(read_fault(hva), "read of the last page");
	expect_errno(read_fault(hva + SZ_4K), EFAULT, "read of the page after it");
}

CASE(private_touched, "host read of private memory: SIGBUS",
	.vm_types = VM_DEFAULT, NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct vm *vm = vm_create(t->vm_type);
	struct kvm_create_guest_memfd args = { .size = SZ_4K, .flags = GUEST_MEMFD_FLAG_MMAP };
	u8 *hva;
	int fd;

	if (!(vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_MMAP))
		test_skip("guest_memfd that can be mapped (6.18 or newer)");
	fd = __vm_ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
	expect_ok(fd, "KVM_CREATE_GUEST_MEMFD with GUEST_MEMFD_FLAG_MMAP alone");
	hva = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect_ok(hva == MAP_FAILED ? -1 : 0, "mmap of private guest_memfd");
	expect_errno(read_fault(hva), EFAULT, "read of private memory");
}

/* The hvas of the slot are not those of the file: no mmu_notifier unmaps the page. */
CASE(poisoned, "a poisoned page: unmapped; prefault: EHWPOISON, memory-fault exit",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING,
	.side_effects = "a page of memory is poisoned", NEEDS_CAP(KVM_CAP_GUEST_MEMFD))
{
	struct fixture f = { .vm = vm_create(t->vm_type) };
	struct kvm_pre_fault_memory range = { .gpa = GPA + SZ_4K, .size = SZ_4K };

	f.vcpu = vcpu_create(f.vm);
	f.mem = mem_create(MEM_GMEM_MMAP, PAGES * SZ_4K, f.vm);
	f.slot = slot_add_gmem(f.vm, GPA, mem_create(MEM_ANON, PAGES * SZ_4K, NULL), f.mem);
	f.o = observe(f.vm, t->observes);
	prefault(f.vcpu, GPA, PAGES * SZ_4K);
	catch_signal(SIGBUS);	/* the kernel kills a process that ignores it */
	expect_ok(read_fault(f.mem->hva + SZ_4K), "a read by the host");
	/* EBUSY: guest_memfd keeps the page, so it counts as not recovered. */
	must(!madvise(f.mem->hva + SZ_4K, SZ_4K, MADV_HWPOISON) || errno == EBUSY,
	     "MADV_HWPOISON");

	expect_not_mapped(f.o, GFN + 1);
	expect_eq(observer_leaves(f.o, LEVEL_4K), PAGES - 1, "4K SPTEs");
	f.vcpu->run->exit_reason = 0;
	expect_errno(__vcpu_prefault(f.vcpu, &range), EHWPOISON, "prefault of the poisoned page");
	expect_eq(f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
}

TEST_MAIN("slots, pages and host mappings of guest_memfd")
