// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd as the mapping path uses it: which slots may have which pages of
 * it, what its pages contain, and who may touch them.
 *
 * That its pages are mapped, and unmapped when they go, is in map_pfn_test.
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
#include "vm_thread.h"

#define PAGES	16

/* --- slots -------------------------------------------------------------------- */

/* The result of binding a slot of one or more pages to @gmem at @offset. */
static int bind_slot(struct vm *vm, struct mem *gmem, u64 offset, u64 size)
{
	return __slot_set(&(struct slot){
		.vm = vm, .id = vm->nr_slots, .flags = KVM_MEM_GUEST_MEMFD,
		.gpa = GPA + SZ_1G, .size = size, .gmem = gmem, .gmem_offset = offset,
	});
}

static struct mem *gmem_of(struct vm *vm, size_t size)
{
	return mem_create(vm->type == KVM_X86_DEFAULT_VM ? MEM_GMEM_MMAP : MEM_GMEM, size, vm);
}

static void bind_past_end(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = gmem_of(vm, 2 * SZ_4K);
	int ret;

	expect_errno(bind_slot(vm, gmem, SZ_4K, 2 * SZ_4K), EINVAL, "a slot one page past the end");
	expect_errno(bind_slot(vm, gmem, 2 * SZ_4K, SZ_4K), EINVAL, "a slot behind the end");
	/* In 64 bits with a sign, the end of this one is below zero. */
	ret = bind_slot(vm, gmem, INT64_MAX - 0xfff, 2 * SZ_4K);
	if (!ret)
		xfail("G1", "a slot across 2^63");
	expect_errno(ret, EINVAL, "a slot across 2^63");
	expect_ok(bind_slot(vm, gmem, SZ_4K, SZ_4K), "a slot of the last page");
}

static void bind_twice(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = gmem_of(vm, PAGES * SZ_4K);
	int error;

	slot_add_part(vm, GPA, gmem, 4 * SZ_4K, 4 * SZ_4K, 0);
	/* Two errnos, see docs/findings.md. */
	error = bind_slot(vm, gmem, 7 * SZ_4K, 2 * SZ_4K) < 0 ? errno : 0;
	expect_true(error == EEXIST || error == EINVAL, "a slot with its last page: %s",
		    errno_text(error));
	expect_errno(bind_slot(vm, gmem, 3 * SZ_4K, 2 * SZ_4K), error, "a slot with its first page");
	expect_errno(bind_slot(vm, gmem, 0, PAGES * SZ_4K), error, "a slot around it");
	expect_ok(bind_slot(vm, gmem, 8 * SZ_4K, 8 * SZ_4K), "a slot behind it");
}

static void bind_other_vm(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type), *other = vm_create(t->vm_type);

	expect_errno(bind_slot(other, gmem_of(vm, SZ_4K), 0, SZ_4K), EINVAL,
		     "a slot with another VM's guest_memfd");
}

static void bind_again(const struct test *t)
{
	struct fixture f = fixture_gmem(t, PAGES * SZ_4K);

	prefault(f.vcpu, GPA, PAGES * SZ_4K);
	slot_delete(f.slot);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs of the deleted slot");
	expect_ok(__slot_set(f.slot), "the same slot again");
	prefault(f.vcpu, GPA, PAGES * SZ_4K);
	expect_eq(observer_leaves(f.o, LEVEL_4K), PAGES, "4K SPTEs");
}

/* A hole that reaches beyond a slot takes nothing from the slot that follows. */
static void punch_beyond(const struct test *t)
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

struct request {
	struct fixture f;
	u64 gpa;
};

static int punch_page(void *arg)
{
	struct request *r = arg;

	return fallocate(r->f.slot->gmem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 r->gpa - GPA, SZ_4K);
}

/* From the zap of a page until it is gone, nobody maps it again. */
static void punch_holds_back(const struct test *t)
{
	struct request r = { fixture_gmem(t, PAGES * SZ_4K), GPA + 5 * SZ_4K };
	struct prefault *map;
	struct thread *punch;
	struct hold *h;

	prefault(r.f.vcpu, GPA, PAGES * SZ_4K);
	h = hold_arm(.function = "truncate_inode_pages_range", .at = HOLD_ENTRY);
	punch = thread_start(punch_page, &r);
	hold_await(h);
	expect_not_mapped(r.f.o, GFN + 5);
	map = prefault_start(r.f.vcpu, r.gpa, SZ_4K);
	expect_true(!thread_ended(map->thread, 0.2), "a prefault waits for the hole");
	expect_not_mapped(r.f.o, GFN + 5);
	hold_release(h);
	expect_ok(thread_join(punch, "the hole"), "the hole");
	prefault_end(map);
	hold_end(h);
	expect_mapped(r.f.o, GFN + 5, LEVEL_4K, PFN_ANY);
}

static void allocate(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = gmem_of(vm, 2 * SZ_4K);

	expect_ok(fallocate(gmem->fd, FALLOC_FL_KEEP_SIZE, 0, 2 * SZ_4K), "all of it");
	expect_errno(fallocate(gmem->fd, FALLOC_FL_KEEP_SIZE, SZ_4K, 2 * SZ_4K), EINVAL,
		     "a page past the end");
}

/* The vCPU is told which access found no page. */
static void closed(const struct test *t)
{
	struct fixture f = fixture_gmem(t, PAGES * SZ_4K);
	struct kvm_pre_fault_memory range = { .gpa = GPA + SZ_4K, .size = SZ_4K };

	if (f.slot->gmem->hva)
		munmap(f.slot->gmem->hva, f.slot->gmem->size);
	close(f.slot->gmem->fd);
	f.vcpu->run->exit_reason = 0;
	expect_errno(__vcpu_prefault(f.vcpu, &range), EFAULT, "prefault of a closed guest_memfd");
	expect_eq(f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	expect_eq(vcpu_memory_fault(f.vcpu).gpa, GPA + SZ_4K, "gpa of the memory fault");
	expect_eq(vcpu_memory_fault(f.vcpu).flags,
		  t->vm_type == KVM_X86_DEFAULT_VM ? 0 : KVM_MEMORY_EXIT_FLAG_PRIVATE,
		  "flags of the memory fault");
}

/* --- pages -------------------------------------------------------------------- */

/* Pages that some guest_memfd of before has filled, and their pfns. */
static void make_dirty_pages(struct vm *vm, size_t nr, u64 *pfns)
{
	struct mem *old = mem_create(MEM_GMEM_MMAP, nr * SZ_4K, vm);

	run_on_nth_cpu(0);	/* pages come back to the CPU that freed them */
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
			    "page %zu of a fresh guest_memfd is zeroed", i);
		pfn = pfn_of(gmem->hva + i * SZ_4K);
		for (size_t j = 0; j < nr; j++)
			used_before += pfn == dirty[j];
	}
	must(used_before, "pages that were in use before, to see whether they are zeroed");
	measure("pages", used_before);
}

#define DIRTY	1024

static void zeroed_for_kvm(const struct test *t)
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

static void zeroed_for_mmap(const struct test *t)
{
	static u64 dirty[DIRTY];
	struct vm *vm = vm_create(t->vm_type);

	make_dirty_pages(vm, DIRTY, dirty);
	expect_zeroed(mem_create(MEM_GMEM_MMAP, DIRTY * SZ_4K, vm), dirty, DIRTY);
}

/* --- the host's mappings ------------------------------------------------------- */

/* Faults the page in as a read does; -1 and EFAULT where that gets SIGBUS. */
static int read_fault(void *hva)
{
	return madvise(hva, SZ_4K, MADV_POPULATE_READ);
}

static void touched_past_end(const struct test *t)
{
	struct mem *gmem = mem_create(MEM_GMEM_MMAP, SZ_4K, vm_create(t->vm_type));
	u8 *hva = mmap(NULL, 2 * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, gmem->fd, 0);

	expect_ok(hva == MAP_FAILED ? -1 : 0, "mmap of one page more than there are");
	expect_ok(read_fault(hva), "the last page");
	expect_errno(read_fault(hva + SZ_4K), EFAULT, "the page behind it");
}

static void private_touched(const struct test *t)
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
	expect_errno(read_fault(hva), EFAULT, "private memory, by the host");
}

/* --- a page that fails --------------------------------------------------------- */

static void ignore(int signal)
{
	(void)signal;	/* SIG_IGN would not do: the kernel insists */
}

/* The slot's addresses are not where the host has the file: no mmu_notifier helps. */
static void poisoned(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };
	struct kvm_pre_fault_memory range = { .gpa = GPA + SZ_4K, .size = SZ_4K };

	f.vcpu = vcpu_create(f.vm);
	f.mem = mem_create(MEM_GMEM_MMAP, PAGES * SZ_4K, f.vm);
	f.slot = slot_add_gmem(f.vm, GPA, mem_create(MEM_ANON, PAGES * SZ_4K, NULL), f.mem);
	f.o = observe(f.vm, t->observes);
	prefault(f.vcpu, GPA, PAGES * SZ_4K);
	signal(SIGBUS, ignore);
	expect_ok(read_fault(f.mem->hva + SZ_4K), "a read of the host's mapping of guest_memfd");
	/* EBUSY: guest_memfd keeps the poisoned page, which counts as not recovered. */
	must(!madvise(f.mem->hva + SZ_4K, SZ_4K, MADV_HWPOISON) || errno == EBUSY,
	     "MADV_HWPOISON");

	expect_not_mapped(f.o, GFN + 1);
	expect_eq(observer_leaves(f.o, LEVEL_4K), PAGES - 1, "4K SPTEs");
	f.vcpu->run->exit_reason = 0;
	expect_errno(__vcpu_prefault(f.vcpu, &range), EHWPOISON, "prefault of the poisoned page");
	expect_eq(f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
}

#define MAPS	.observes = OBSERVE_MAPPING
#define GMEM	.cap = KVM_CAP_GUEST_MEMFD, .cap_name = "KVM_CAP_GUEST_MEMFD"

static const struct test_case cases[] = {
	{ "bind_past_end", "a slot past the end of a guest_memfd: EINVAL", bind_past_end,
	  .vm_types = VM_ANY, GMEM },
	{ "bind_twice", "two slots with a page in common: EEXIST", bind_twice, .vm_types = VM_ANY,
	  GMEM },
	{ "bind_other_vm", "a slot with another VM's guest_memfd: EINVAL", bind_other_vm,
	  .vm_types = VM_ANY, GMEM },
	{ "bind_again", "a slot deleted and made again has its pages", bind_again,
	  .vm_types = VM_ANY, MAPS, GMEM },
	{ "punch_beyond", "a hole beyond a slot leaves the next slot alone", punch_beyond,
	  .vm_types = VM_ANY, MAPS, GMEM },
	{ "punch_holds_back", "a page that is being punched out is not mapped before it is gone",
	  punch_holds_back, .vm_types = VM_ANY, .observes = OBSERVE(EV_SPTE), GMEM,
	  .needs_hold = true, .cpus = 2 },
	{ "allocate", "fallocate past the end: EINVAL", allocate, .vm_types = VM_ANY, GMEM },
	{ "closed", "a closed guest_memfd: EFAULT, memory-fault exit", closed, .vm_types = VM_ANY,
	  MAPS, GMEM },
	{ "zeroed_for_kvm", "a page is zeroed before KVM maps it", zeroed_for_kvm,
	  .vm_types = VM_DEFAULT, GMEM },
	{ "zeroed_for_mmap", "a page is zeroed before the host maps it", zeroed_for_mmap,
	  .vm_types = VM_DEFAULT, GMEM },
	{ "touched_past_end", "a mapping past the end: SIGBUS", touched_past_end,
	  .vm_types = VM_DEFAULT, GMEM },
	{ "private_touched", "private memory is not the host's to touch: SIGBUS",
	  private_touched, .vm_types = VM_DEFAULT, GMEM },
	{ "poisoned", "a poisoned page is unmapped; EHWPOISON, memory-fault exit", poisoned,
	  .vm_types = VM_DEFAULT, MAPS, GMEM, .side_effects = "a page of memory is poisoned" },
};

TEST_MAIN("Which pages of guest_memfd slots have, what they contain, who touches them", cases)
