// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy fails, one after the other, while a memslot is made, moved,
 * deleted or logged, and while the attributes of gfns change (sweep.h).  What was refused has
 * changed nothing; what succeeds maps the memory that it names.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dirty_log.h"
#include "fixture.h"
#include "guest_access.h"
#include "sept.h"
#include "sweep.h"
#include "td.h"
#include "testcase.h"

#define SLOT_GPA	LOGGED_GPA
#define MOVED_GPA	(SLOT_GPA + SZ_1G)
#define PAGES		4
#define SIZE		(PAGES * SZ_4K)
#define GMEM_SIZE	(64 * SZ_4K)	/* the slot begins in its middle: more than one node of the tree */
#define GMEM_OFFSET	(13 * SZ_4K)

static bool is_td(const struct stage *s)
{
	return s->t->vm_type == KVM_X86_TDX_VM;
}

/* A VM that can map memory once it has a slot. */
static void new_vm(struct stage *s)
{
	if (is_td(s)) {
		s->vm = td_create();
		s->vcpu = td_vcpu(s->vm);
		td_finalize(s->vm);
		return;
	}
	s->vm = vm_create(s->t->vm_type);
	s->vcpu = vcpu_create(s->vm);
	guest_access_create(s->vcpu);
}

/* A slot that is not set yet. */
static void new_slot(struct stage *s, u32 flags)
{
	s->slot = calloc(1, sizeof(*s->slot));
	*s->slot = (struct slot){
		.vm = s->vm, .id = s->vm->nr_slots++, .flags = flags, .gpa = SLOT_GPA,
		.size = SIZE, .mem = s->mem, .gmem = s->gmem, .gmem_offset = s->gmem ? GMEM_OFFSET : 0,
	};
}

static void with_memory(struct stage *s, enum mem_kind kind)
{
	s->mem = s->mem ?: mem_populated(kind, kind == MEM_ANON ? SIZE : SZ_2M, NULL);
	new_vm(s);
	new_slot(s, 0);
}

static void with_anon(struct stage *s)
{
	with_memory(s, MEM_ANON);
}

static void with_memfd(struct stage *s)
{
	with_memory(s, MEM_MEMFD);
}

static void with_readonly(struct stage *s)
{
	with_memory(s, MEM_ANON);
	s->slot->flags = KVM_MEM_READONLY;
}

static void with_log(struct stage *s)
{
	with_memory(s, MEM_ANON);
	s->slot->flags = KVM_MEM_LOG_DIRTY_PAGES;
}

static void with_gmem(struct stage *s)
{
	s->mem = s->mem ?: mem_populated(MEM_ANON, SIZE, NULL);
	new_vm(s);
	s->gmem = mem_create(MEM_GMEM, GMEM_SIZE, s->vm);
	new_slot(s, KVM_MEM_GUEST_MEMFD);
}

static int set_slot(struct stage *s)
{
	return __slot_set(s->slot);
}

/* The guest reads what the host has written. */
static void expect_reads(struct stage *s, u64 gpa)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		s->mem->hva[i * SZ_4K] = 0x50 + i;
		expect_eq(guest_access(s->vcpu, gpa + i * SZ_4K, ACCESS_READ, 0), 0x50 + i,
			  "byte that the guest reads from page %u", i);
	}
}

static void reads(struct stage *s)
{
	expect_reads(s, SLOT_GPA);
}

/* The private pages of the slot can be mapped, and are unmapped with their page of guest_memfd. */
static void expect_private(struct stage *s)
{
	u64 pages = vm_stat(s->vm, "pages_4k");

	for (u64 at = 0; at < SIZE; at += SZ_4K) {
		struct kvm_pre_fault_memory range = { .gpa = SLOT_GPA + at, .size = SZ_4K };

		int ret = __vcpu_prefault(s->vcpu, &range);

		if (ret && errno == EIO) {
			expect_splat();		/* kvm_vcpu_pre_fault_memory() warns of EIO */
			xfail("G2", "KVM_PRE_FAULT_MEMORY of private page %llu of a new slot: EIO",
			      at / SZ_4K);
		}
		expect_ok(ret, "KVM_PRE_FAULT_MEMORY of private page %llu", at / SZ_4K);
		if (is_td(s))
			expect_sept(s->vm, SLOT_GPA + at, LEVEL_4K, SEPT_PENDING, PFN_ANY);
	}
	expect_eq(vm_stat(s->vm, "pages_4k"), pages + PAGES, "4K SPTEs");
	mem_punch_hole(s->gmem, GMEM_OFFSET, SIZE);
	expect_eq(vm_stat(s->vm, "pages_4k"), pages, "4K SPTEs after the pages left guest_memfd");
	if (is_td(s))
		expect_sept_free(s->vm, SLOT_GPA);
}

static void private_works(struct stage *s)
{
	vm_set_private(s->vm, SLOT_GPA, SIZE);
	expect_private(s);
}

/* Slots that exist. */

static void mapped_anon(struct stage *s)
{
	with_anon(s);
	expect_ok(set_slot(s), "KVM_SET_USER_MEMORY_REGION2");
	if (is_td(s))
		prefault(s->vcpu, SLOT_GPA, SIZE);
	else
		reads(s);
}

static void mapped_gmem(struct stage *s)
{
	with_gmem(s);
	expect_ok(set_slot(s), "KVM_SET_USER_MEMORY_REGION2");
	vm_set_private(s->vm, SLOT_GPA, SIZE);
	prefault(s->vcpu, SLOT_GPA, SIZE);
}

static int delete_slot(struct stage *s)
{
	return __slot_delete(s->slot);
}

static void still_mapped(struct stage *s)
{
	prefault(s->vcpu, SLOT_GPA, SIZE);
}

static void is_gone(struct stage *s)
{
	struct kvm_pre_fault_memory range = { .gpa = SLOT_GPA, .size = SZ_4K };

	expect_errno(__vcpu_prefault(s->vcpu, &range), s->gmem ? EFAULT : ENOENT,
		     "KVM_PRE_FAULT_MEMORY where the slot was");
	expect_ok(set_slot(s), "the slot, made again");
	prefault(s->vcpu, SLOT_GPA, SIZE);
}

static int move_slot(struct stage *s)
{
	struct slot moved = *s->slot;

	moved.gpa = MOVED_GPA;
	return __slot_set(&moved);
}

static void has_moved(struct stage *s)
{
	struct kvm_pre_fault_memory range = { .gpa = SLOT_GPA, .size = SZ_4K };

	expect_errno(__vcpu_prefault(s->vcpu, &range), ENOENT,
		     "KVM_PRE_FAULT_MEMORY where the slot was");
	expect_reads(s, MOVED_GPA);
}

/* The dirty log. */

static struct logged log_of(struct stage *s)
{
	return (struct logged){ .vm = s->vm, .vcpu = s->vcpu, .mem = s->mem, .slot = s->slot };
}

/* 512 pages, mapped by the guest's writes: as one of 2M. */
static void mapped_huge(struct stage *s)
{
	struct logged l;

	s->mem = s->mem ?: mem_populated(MEM_THP, SZ_2M, NULL);
	new_vm(s);
	new_slot(s, 0);
	s->slot->size = SZ_2M;
	expect_ok(set_slot(s), "KVM_SET_USER_MEMORY_REGION2");
	l = log_of(s);
	write_page(&l, 0);
	expect_eq(vm_stat(s->vm, "pages_2m"), 1, "2M SPTEs");
	s->slot->flags = KVM_MEM_LOG_DIRTY_PAGES;
}

static void is_logged(struct stage *s)
{
	struct logged l = log_of(s);

	write_page(&l, 7);
	expect_log(&l, "after a write", 7);
}

static void logged_huge(struct stage *s)
{
	struct logged l;

	mapped_huge(s);
	expect_ok(set_slot(s), "KVM_MEM_LOG_DIRTY_PAGES");
	l = log_of(s);
	write_page(&l, 3);
	s->slot->flags = 0;
}

static void still_logged(struct stage *s)
{
	struct logged l = log_of(s);

	write_page(&l, 5);
	s->note++;	/* the log has been written to */
}

/* Huge again, by the next write. */
static void is_huge(struct stage *s)
{
	struct logged l = log_of(s);

	write_page(&l, 9);
	expect_eq(vm_stat(s->vm, "pages_2m"), 1, "2M SPTEs after the log ended");
}

/* Attributes. */

static void shared_gmem(struct stage *s)
{
	with_gmem(s);
	expect_ok(set_slot(s), "KVM_SET_USER_MEMORY_REGION2");
}

static int set_private(struct stage *s)
{
	return __vm_set_attributes(s->vm, SLOT_GPA, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static int set_shared(struct stage *s)
{
	return __vm_set_attributes(s->vm, SLOT_GPA, SIZE, 0);
}

/* Prefaulted memory is the host's: the private pages stay out of the tables. */
static void is_shared(struct stage *s)
{
	prefault(s->vcpu, SLOT_GPA, SIZE);
	if (is_td(s))
		expect_sept_free(s->vm, SLOT_GPA);
	else
		reads(s);
}

#define GMEM_TYPES	(VM_SW_PROTECTED | VM_TDX)

CASES(sweep,
	SWEEP("make_anon", "a memslot of anonymous memory", VM_ANY,
	      ROW(.set_up = with_anon, .call = set_slot, .done = reads)),
	SWEEP("make_memfd", "a memslot of a memfd", VM_DEFAULT,
	      ROW(.set_up = with_memfd, .call = set_slot, .done = reads)),
	SWEEP("make_readonly", "a read-only memslot", VM_DEFAULT,
	      ROW(.set_up = with_readonly, .call = set_slot, .done = reads)),
	SWEEP("make_logged", "a memslot with a dirty log", VM_DEFAULT,
	      ROW(.set_up = with_log, .call = set_slot, .done = reads)),
	SWEEP("make_gmem", "a memslot of guest_memfd", GMEM_TYPES,
	      ROW(.set_up = with_gmem, .call = set_slot, .done = private_works),
	      .xfail = "G2", .xfail_in_body = true),
	SWEEP("delete_anon", "the deletion of a memslot that is mapped", VM_ALL,
	      ROW(.set_up = mapped_anon, .call = delete_slot, .refused = still_mapped,
		  .done = is_gone)),
	SWEEP("delete_gmem", "the deletion of a memslot of guest_memfd that is mapped", GMEM_TYPES,
	      ROW(.set_up = mapped_gmem, .call = delete_slot, .refused = still_mapped,
		  .done = is_gone)),
	SWEEP("move", "the move of a memslot that is mapped", VM_DEFAULT,
	      ROW(.set_up = mapped_anon, .call = move_slot, .refused = reads,
		  .done = has_moved)),
	SWEEP("private", "KVM_SET_MEMORY_ATTRIBUTES to private", GMEM_TYPES,
	      ROW(.set_up = shared_gmem, .call = set_private, .refused = is_shared,
		  .done = expect_private)),
	SWEEP("shared", "KVM_SET_MEMORY_ATTRIBUTES to shared", GMEM_TYPES,
	      ROW(.set_up = mapped_gmem, .call = set_shared, .refused = still_mapped,
		  .done = is_shared)),
	SWEEP("log_on", "the log of a huge page is switched on", VM_DEFAULT,
	      ROW(.set_up = mapped_huge, .call = set_slot, .done = is_logged), .needs_thp = true),
	SWEEP("log_off", "the log of a huge page is switched off", VM_DEFAULT,
	      ROW(.set_up = logged_huge, .call = set_slot, .refused = still_logged,
		  .done = is_huge), .needs_thp = true))

TEST_MAIN("each allocation and copy fails while memslots and attributes change")
