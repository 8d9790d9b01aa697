// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rights of a mapping: writable exactly where the host may write to the page and
 * need not copy it first.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "testcase.h"

static void expect_writable(struct fixture *f, u64 gpa, bool writable, const char *why)
{
	struct mapping m = map_page(f, gpa, LEVEL_4K);

	expect_eq(m.writable, writable, "gfn 0x%llx writable: %s (SPTE 0x%llx)",
		  gpa >> 12, why, m.spte);
}

CASE(writable, "memory the host has written is mapped writable", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	expect_writable(&f, GPA, true, "the host may write, and has written");
}

CASE(readonly_slot, "a read-only slot is not mapped writable", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING)
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, SZ_2M, KVM_MEM_READONLY);

	expect_writable(&f, GPA, false, "the slot is read-only");
}

CASE(readonly_hva, "memory read-only to the host is not mapped writable",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ), "mprotect");
	expect_writable(&f, GPA, false, "the host's mapping is read-only");
	expect_writable(&f, GPA + SZ_4K, true, "its neighbour's is not");
}

CASE(readonly_later, "memory made read-only: unmapped, then mapped read-only",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	expect_writable(&f, GPA, true, "the host may write");
	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ), "mprotect");
	expect_not_mapped(f.o, GFN);
	expect_writable(&f, GPA, false, "the host's mapping is read-only now");
	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ | PROT_WRITE), "mprotect");
	*(volatile u8 *)f.mem->hva = 2;
	expect_writable(&f, GPA, true, "the host may write again, and has written");
}

/*
 * The guest may write to a page that is mapped writable without another fault: KVM has
 * to log it when it maps it.
 */
CASE(writable_is_logged, "dirty logging: a page mapped writable is in the log",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct mem *mem = mem_populated(MEM_ANON, 64 * SZ_4K, NULL);
	struct fixture f = fixture_part(t, GPA, mem, 0, mem->size, KVM_MEM_LOG_DIRTY_PAGES);
	u64 bitmap = 0;
	struct kvm_dirty_log log = { .slot = f.slot->id, .dirty_bitmap = &bitmap };

	prefault(f.vcpu, GPA, mem->size);
	expect_ok(__vm_ioctl(f.vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	expect_range_mapped(&f, GPA, mem->size, LEVEL_4K);
	for (int i = 0; i < 64; i++) {
		struct mapping m = observer_known(f.o, GFN + i);

		expect_true(!m.writable || bitmap >> i & 1,
			    "gfn 0x%llx, mapped writable, is in the dirty log (0x%llx)",
			    GFN + i, bitmap);
	}
}

/* After fork() parent and child share the page, until the parent writes. */
CASE(fork_cow, "a page shared after fork is not writable, its copy is", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct mapping shared, own;
	pid_t child;

	expect_writable(&f, GPA, true, "before fork");
	child = fork();
	must(child >= 0, "fork");
	if (!child)
		for (;;)
			pause();
	expect_not_mapped(f.o, GFN);
	expect_writable(&f, GPA, false, "shared with the child");
	shared = observer_mapping(f.o, GFN);

	*(volatile u8 *)f.mem->hva = 2;		/* copies */
	expect_writable(&f, GPA, true, "the copy is the parent's own");
	own = observer_mapping(f.o, GFN);
	expect_true(own.pfn != shared.pfn, "gfn 0x%llx: the copy, not the child's page", GFN);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* The aging of pages would take a set accessed bit for an access of the guest. */
CASE(not_accessed, "a prefault does not set the accessed bit", .vm_types = VM_ALL,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct mapping m = map_page(&f, GPA, LEVEL_4K);

	expect_true(!spte_accessed(m.spte), "gfn 0x%llx: not accessed (SPTE 0x%llx)", GFN,
		    m.spte);
}

TEST_MAIN("rights of the mappings that KVM makes")
