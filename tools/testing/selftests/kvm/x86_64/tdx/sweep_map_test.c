// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy fails, one after the other, while memory is mapped: by
 * KVM_PRE_FAULT_MEMORY and by a guest's access; and while the dirty log is read and cleared
 * (sweep.h).  Afterwards the guest reads what the host has written, and the log has what the guest
 * has.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dirty_log.h"
#include "fixture.h"
#include "guest_access.h"
#include "sweep.h"
#include "testcase.h"

#define SLOT_GPA	LOGGED_GPA
#define PAGES		4
#define SIZE		(PAGES * SZ_4K)

static void new_vm(struct stage *s)
{
	s->vm = vm_create(s->t->vm_type);
	s->vcpu = vcpu_create(s->vm);
	guest_access_create(s->vcpu);
}

static void with_slot(struct stage *s, enum mem_kind kind, u64 size)
{
	s->mem = s->mem ?: mem_populated(kind, size, NULL);
	new_vm(s);
	s->slot = slot_add(s->vm, SLOT_GPA, s->mem);
}

static void anon(struct stage *s)
{
	with_slot(s, MEM_ANON, SIZE);
}

/* KVM gets the pages from the process, which does not have them. */
static void untouched(struct stage *s)
{
	anon(s);
	must(!madvise(s->mem->hva, SIZE, MADV_DONTNEED), "MADV_DONTNEED");
}

static void huge(struct stage *s)
{
	with_slot(s, MEM_THP, SZ_2M);
}

static void gmem(struct stage *s)
{
	s->mem = s->mem ?: mem_populated(MEM_ANON, SIZE, NULL);
	new_vm(s);
	s->gmem = mem_create(MEM_GMEM, SIZE, s->vm);
	s->slot = slot_add_gmem(s->vm, SLOT_GPA, s->mem, s->gmem);
	vm_set_private(s->vm, SLOT_GPA, SIZE);
}

/* Once: what is done is in the structure, and done() asks for the rest. */
static int prefault_once(struct stage *s)
{
	struct kvm_pre_fault_memory range = { .gpa = SLOT_GPA, .size = SIZE };

	return __vcpu_prefault(s->vcpu, &range);
}

static u64 leaves(struct stage *s, const char *stat)
{
	return vm_stat(s->vm, stat);
}

static void expect_reads(struct stage *s)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		s->mem->hva[i * SZ_4K] = 0x50 + i;
		expect_eq(guest_access(s->vcpu, SLOT_GPA + i * SZ_4K, ACCESS_READ, 0), 0x50 + i,
			  "byte that the guest reads from page %u", i);
	}
}

/* The host has not touched them: all are zero. */
static void reads_zero(struct stage *s)
{
	for (unsigned int i = 0; i < PAGES; i++)
		expect_eq(guest_access(s->vcpu, SLOT_GPA + i * SZ_4K, ACCESS_READ, 0), 0,
			  "byte that the guest reads from page %u", i);
	expect_reads(s);
}

/* All is mapped, so the guest's accesses map nothing. */
static void is_mapped(struct stage *s)
{
	u64 taken;

	prefault(s->vcpu, SLOT_GPA, SIZE);
	guest_access(s->vcpu, SLOT_GPA, ACCESS_READ, 0);	/* maps the guest's code */
	taken = vcpu_stat(s->vcpu, "pf_fixed");
	expect_reads(s);
	expect_eq(vcpu_stat(s->vcpu, "pf_fixed"), taken, "faults of pages that are prefaulted");
}

static void is_huge(struct stage *s)
{
	is_mapped(s);
	expect_eq(leaves(s, "pages_2m"), 1, "2M SPTEs");
}

static void private_is_mapped(struct stage *s)
{
	u64 before = leaves(s, "pages_4k");

	prefault(s->vcpu, SLOT_GPA, SIZE);
	expect_true(leaves(s, "pages_4k") >= before, "prefaulted pages stay mapped");
	mem_punch_hole(s->gmem, 0, SIZE);
	expect_eq(before >= leaves(s, "pages_4k"), 1, "a hole in guest_memfd unmaps its pages");
}

/* A guest's access. */

static void about_to_read(struct stage *s)
{
	anon(s);
	s->mem->hva[0] = 0x50;
	guest_access_prepare(s->vcpu, SLOT_GPA, ACCESS_READ, 0);
}

static void about_to_read_untouched(struct stage *s)
{
	untouched(s);
	guest_access_prepare(s->vcpu, SLOT_GPA, ACCESS_READ, 0);
}

static void about_to_read_huge(struct stage *s)
{
	huge(s);
	s->mem->hva[0] = 0x50;
	guest_access_prepare(s->vcpu, SLOT_GPA, ACCESS_READ, 0);
}

static int run(struct stage *s)
{
	return ioctl(s->vcpu->fd, KVM_RUN, NULL);
}

static void has_read_zero(struct stage *s)
{
	struct kvm_run *r = s->vcpu->run;

	expect_eq(r->exit_reason, KVM_EXIT_IO, "exit after the access");
	expect_eq(*((u8 *)r + r->io.data_offset), 0, "byte that the guest read");
	reads_zero(s);
}

static void has_read(struct stage *s)
{
	struct kvm_run *r = s->vcpu->run;

	expect_eq(r->exit_reason, KVM_EXIT_IO, "exit after the access");
	expect_eq(*((u8 *)r + r->io.data_offset), s->mem->hva[0], "byte that the guest read");
	expect_reads(s);
}

/* The dirty log. */

static struct logged log_of(struct stage *s)
{
	return (struct logged){ .vm = s->vm, .vcpu = s->vcpu, .mem = s->mem, .slot = s->slot };
}

static void logged_writes(struct stage *s, u64 manual)
{
	struct logged l;

	s->mem = s->mem ?: mem_populated(MEM_ANON, SIZE, NULL);
	s->vm = vm_create(s->t->vm_type);
	if (manual)
		vm_enable_cap(s->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, manual);
	s->vcpu = vcpu_create(s->vm);
	guest_access_create(s->vcpu);
	s->slot = slot_add_part(s->vm, SLOT_GPA, s->mem, 0, SIZE, KVM_MEM_LOG_DIRTY_PAGES);
	l = log_of(s);
	write_page(&l, 1);
	write_page(&l, 2);
}

static void logged_pages(struct stage *s)
{
	logged_writes(s, 0);
}

static void logged_pages_manual(struct stage *s)
{
	logged_writes(s, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
}

static int get_log(struct stage *s)
{
	struct logged l = log_of(s);

	return __log_get(&l, &s->note);
}

/* Nothing is lost, also if it was read before, without success. */
static void has_log(struct stage *s)
{
	if (!s->note)
		xfail("D2", "pages 1 and 2 were written to; KVM_GET_DIRTY_LOG failed, and then has 0x%llx", s->note);
	expect_eq(s->note, 1 << 1 | 1 << 2, "the log");
}

/* It was cleared when it was told. */
static void has_new_log(struct stage *s)
{
	struct logged l = log_of(s);

	has_log(s);
	write_page(&l, 3);
	expect_log(&l, "after a write", 3);
}

static int clear_log(struct stage *s)
{
	struct logged l = log_of(s);
	u64 pages = 1 << 1;

	return __log_clear(&l, 0, PAGES, &pages);
}

/* Page 1 is cleared, and logged again when it is written to; page 2 is left. */
static void is_cleared(struct stage *s)
{
	struct logged l = log_of(s);

	expect_log(&l, "after page 1 was cleared", 2);
	write_page(&l, 1);
	expect_log(&l, "after a write to page 1", 1, 2);
}

CASES(sweep,
	SWEEP("prefault", "KVM_PRE_FAULT_MEMORY of anonymous memory", VM_ANY,
	      ROW(.set_up = anon, .call = prefault_once, .done = is_mapped)),
	SWEEP("prefault_untouched", "KVM_PRE_FAULT_MEMORY of memory without pages", VM_DEFAULT,
	      ROW(.set_up = untouched, .call = prefault_once, .done = reads_zero)),
	SWEEP("prefault_huge", "KVM_PRE_FAULT_MEMORY of a huge page", VM_DEFAULT,
	      ROW(.set_up = huge, .call = prefault_once, .done = is_huge), .needs_thp = true),
	SWEEP("prefault_gmem", "KVM_PRE_FAULT_MEMORY of guest_memfd", VM_SW_PROTECTED,
	      ROW(.set_up = gmem, .call = prefault_once, .done = private_is_mapped)),
	SWEEP("run", "a guest's access to memory that is not mapped", VM_ANY,
	      ROW(.set_up = about_to_read, .call = run, .done = has_read)),
	SWEEP("run_untouched", "a guest's access to memory without pages", VM_DEFAULT,
	      ROW(.set_up = about_to_read_untouched, .call = run, .done = has_read_zero)),
	SWEEP("run_huge", "a guest's access to a huge page", VM_DEFAULT,
	      ROW(.set_up = about_to_read_huge, .call = run, .done = has_read),
	      .needs_thp = true),
	SWEEP("log_get", "KVM_GET_DIRTY_LOG", VM_DEFAULT,
	      ROW(.set_up = logged_pages_manual, .call = get_log, .done = has_log)),
	SWEEP("log_get_protects", "KVM_GET_DIRTY_LOG that clears the log", VM_ANY,
	      ROW(.set_up = logged_pages, .call = get_log, .done = has_new_log),
	      .xfail = "D2", .xfail_in_body = true),
	SWEEP("log_clear", "KVM_CLEAR_DIRTY_LOG", VM_DEFAULT,
	      ROW(.set_up = logged_pages_manual, .call = clear_log, .done = is_cleared)))

TEST_MAIN("each allocation and copy fails while memory is mapped, and the dirty log is read")
