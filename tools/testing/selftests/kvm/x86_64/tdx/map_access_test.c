// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses of a guest: the rights of the mapping follow from the kind of access (read,
 * write, execution) and from memory, slot and attributes; the page is that of the hva or
 * of guest_memfd; and after a prefault the guest does not fault.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_access.h"
#include "testcase.h"
#include "undo.h"

/* gpa of the slot: the guest of guest_access.h accesses memory below 4G. */
#define AT	SZ_1G
#define AT_GFN	(AT >> 12)

static struct fixture with_guest(const struct test *t, struct mem *mem, u32 flags)
{
	struct fixture f = fixture_part(t, AT, mem, 0, mem->size, flags);

	guest_access_create(f.vcpu);
	observer_clear(f.o);
	return f;
}

static unsigned long faults_of(struct observer *o, u64 gfn)
{
	const struct event *ev;
	unsigned long faults = 0;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++)
		faults += ev[i].type == EV_FAULT && ev[i].gfn == gfn;
	return faults;
}

static void expect_writable(struct fixture *f, u64 gfn, bool writable)
{
	struct mapping m = observer_mapping(f->o, gfn);

	expect_eq(m.writable, writable, "gfn 0x%llx: writable (SPTE 0x%llx)",
		  gfn, m.spte);
}

static bool executable(struct fixture *f, u64 gfn)
{
	return spte_executable(observer_mapping(f->o, gfn).spte);
}

static void read_untouched(const struct test *t)
{
	struct fixture f = with_guest(t, mem_create(MEM_ANON, SZ_2M, NULL), 0);

	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0xff), 0, "byte that the guest reads");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_writable(&f, AT_GFN, false);
	expect_eq(faults_of(f.o, AT_GFN), 1, "faults");
}
CASES(read_untouched,
	{ "read_untouched", "read of untouched memory: the zero page, read-only",
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "legacy_read_untouched",
	  "legacy MMU: read of untouched memory: the zero page, read-only",
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF },
)

CASE(read_populated, "read: the page of the hva is mapped, and no other",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	f.mem->hva[0] = 0x42;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_not_mapped(f.o, AT_GFN + 1);
}

CASE(write_untouched, "write to untouched memory: a new page, writable", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_create(MEM_ANON, SZ_2M, NULL), 0);

	guest_access(f.vcpu, AT, ACCESS_WRITE, 0x17);
	expect_eq(f.mem->hva[0], 0x17, "byte that the guest wrote");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_writable(&f, AT_GFN, true);
	expect_eq(faults_of(f.o, AT_GFN), 1, "faults");
}

static void exec(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	guest_access_put_code(f.mem->hva, 0x99);
	expect_eq(guest_access(f.vcpu, AT, ACCESS_EXEC, 0), 0x99, "byte that the code returns");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_true(executable(&f, AT_GFN), "gfn 0x%llx is executable", AT_GFN);
	expect_eq(faults_of(f.o, AT_GFN), 1, "faults");
}
CASES(exec,
	{ "exec", "execution: the page of the hva, executable", .vm_types = VM_ANY,
	  .observes = OBSERVE_MAPPING },
	{ "legacy_exec", "legacy MMU: execution: the page of the hva, executable",
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF },
)

/* .param: the page is prefaulted, not read. */
static void write_after_read(const struct test *t)
{
	bool prefaulted = t->tc->param;
	struct fixture f = with_guest(t, mem_create(MEM_ANON, SZ_2M, NULL), 0);

	if (prefaulted)
		prefault(f.vcpu, AT, SZ_4K);
	else
		guest_access(f.vcpu, AT, ACCESS_READ, 0);
	expect_writable(&f, AT_GFN, false);
	guest_access(f.vcpu, AT, ACCESS_WRITE, 0x17);
	expect_eq(f.mem->hva[0], 0x17, "byte that the guest wrote");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_writable(&f, AT_GFN, true);
}
CASES(write_after_read,
	{ "write_after_read",
	  "write after a read: the zero page is replaced by a writable one",
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "write_after_prefault",
	  "write after a prefault of untouched memory: a writable page", .param = 1,
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "legacy_write_after_prefault",
	  "legacy MMU: write after a prefault of untouched memory: a writable page",
	  .param = 1, .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING,
	  .boot = BOOT_TDP_MMU_OFF },
)

static void prefaulted(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	prefault(f.vcpu, AT, 2 * SZ_4K);
	observer_clear(f.o);
	guest_access_put_code(f.mem->hva, 0x21);
	f.mem->hva[SZ_4K] = 0x43;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_EXEC, 0), 0x21, "byte that the code returns");
	expect_eq(guest_access(f.vcpu, AT + SZ_4K, ACCESS_READ, 0), 0x43, "byte read");
	guest_access(f.vcpu, AT + SZ_4K, ACCESS_WRITE, 0x65);
	expect_eq(f.mem->hva[SZ_4K], 0x65, "byte written");
	expect_eq(faults_of(f.o, AT_GFN) + faults_of(f.o, AT_GFN + 1), 0, "faults");
}
CASES(prefaulted,
	{ "prefaulted", "read, write, execution after a prefault: no fault",
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "legacy_prefaulted",
	  "legacy MMU: read, write, execution after a prefault: no fault",
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF },
)

CASE(split_by_log, "a huge page split by dirty logging: the same content",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .hugepages_2m = 1)
{
	static const unsigned int pages[] = { 0, 1, 77, 511 };
	struct fixture f = with_guest(t, mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL), 0);

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		f.mem->hva[pages[i] * SZ_4K] = 0x10 + i;
	prefault(f.vcpu, AT, SZ_2M);
	expect_mapped(f.o, AT_GFN, LEVEL_2M, pfn_of(f.mem->hva));
	slot_set_flags(f.slot, KVM_MEM_LOG_DIRTY_PAGES);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		expect_eq(guest_access(f.vcpu, AT + pages[i] * SZ_4K, ACCESS_READ, 0xff), 0x10 + i,
			  "byte that the guest reads of page %u", pages[i]);
}

CASE(cow, "a page shared after fork: mapped by a read, copied by a write",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);
	u64 pfn = pfn_of(f.mem->hva);
	int fds[2];
	pid_t child;

	f.mem->hva[0] = 0x42;
	must(!pipe(fds), "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		char c;

		close(fds[1]);
		(void)!read(fds[0], &c, 1);	/* until the parent ends */
		_exit(0);
	}
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn);
	expect_writable(&f, AT_GFN, false);

	guest_access(f.vcpu, AT, ACCESS_WRITE, 0x17);
	expect_eq(f.mem->hva[0], 0x17, "byte that the guest wrote");
	expect_true(pfn_of(f.mem->hva) != pfn, "gfn 0x%llx: the write copied the page", AT_GFN);
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_writable(&f, AT_GFN, true);
}

CASE(replaced, "MADV_DONTNEED: the guest reads the new page", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	f.mem->hva[0] = 0x42;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	must(!madvise(f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0xff), 0, "byte after MADV_DONTNEED");
	f.mem->hva[0] = 0x43;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x43, "byte of the new page");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
}

static void expect_mmio(struct fixture *f, u64 gpa, enum access how)
{
	expect_ok(__guest_access(f->vcpu, gpa, how, 0x17), "KVM_RUN");
	expect_eq(f->vcpu->run->exit_reason, KVM_EXIT_MMIO, "exit reason");
	expect_eq(f->vcpu->run->mmio.phys_addr, gpa, "gpa of the exit");
	expect_eq(f->vcpu->run->mmio.is_write, how == ACCESS_WRITE, "the exit is for a write");
}

CASE(readonly_slot, "write to a read-only slot: KVM_EXIT_MMIO", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), KVM_MEM_READONLY);

	f.mem->hva[0] = 0x42;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_writable(&f, AT_GFN, false);
	expect_mmio(&f, AT, ACCESS_WRITE);
	expect_eq(f.mem->hva[0], 0x42, "byte in the read-only slot");
	expect_writable(&f, AT_GFN, false);
}

CASE(readonly_hva, "write to memory that the host has read-only: EFAULT",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	f.mem->hva[0] = 0x42;
	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ), "mprotect");
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_writable(&f, AT_GFN, false);
	expect_errno(__guest_access(f.vcpu, AT, ACCESS_WRITE, 0x17), EFAULT,
		     "KVM_RUN, write to memory that the host has read-only");
	expect_eq(f.mem->hva[0], 0x42, "byte in the read-only memory");
}

CASE(no_slot, "access outside of any slot: KVM_EXIT_MMIO", .vm_types = VM_ANY,
	.observes = OBSERVE_MAPPING)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	expect_mmio(&f, AT + SZ_1G, ACCESS_READ);
	expect_mmio(&f, AT + SZ_1G, ACCESS_WRITE);
	expect_not_mapped(f.o, AT_GFN + (SZ_1G >> 12));
}

static struct fixture with_private(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	f.vcpu = vcpu_create(f.vm);
	f.mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	f.slot = slot_add_gmem(f.vm, AT, f.mem, mem_create(MEM_GMEM, SZ_2M, f.vm));
	f.o = observe(f.vm, t->observes);
	guest_access_create(f.vcpu);
	f.mem->hva[0] = 0x42;
	return f;
}

CASE(conversion, "private and shared memory at one gpa each keep their content",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING)
{
	struct fixture f = with_private(t);

	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "shared byte");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));

	vm_set_private(f.vm, AT, SZ_4K);
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0xff), 0, "private byte, never written");
	guest_access(f.vcpu, AT, ACCESS_WRITE, 0x17);
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x17, "private byte, written");
	expect_true(observer_mapping(f.o, AT_GFN).pfn != pfn_of(f.mem->hva),
		    "the private gfn is not mapped onto the shared page");
	expect_eq(f.mem->hva[0], 0x42, "shared byte after a private write");

	vm_set_shared(f.vm, AT, SZ_4K);
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "shared byte again");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
}

static void private_without_gmem(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	vm_set_private(f.vm, AT, SZ_4K);
	expect_errno(__guest_access(f.vcpu, AT, t->tc->param, 0), EFAULT,
		     "KVM_RUN, access to a private gfn without guest_memfd");
	expect_memory_fault_exit(f.vcpu, AT, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	expect_not_mapped(f.o, AT_GFN);
}
CASES(private_without_gmem,
	{ "private_read_without_gmem",
	  "read of a private gfn without guest_memfd: EFAULT, memory-fault exit",
	  .param = ACCESS_READ, .vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING },
	{ "private_write_without_gmem",
	  "write to a private gfn without guest_memfd: EFAULT, memory-fault exit",
	  .param = ACCESS_WRITE, .vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING },
	{ "private_exec_without_gmem",
	  "execution of a private gfn without guest_memfd: EFAULT, memory-fault exit",
	  .param = ACCESS_EXEC, .vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING },
)

static struct fixture with_huge(const struct test *t, const char *nx_huge_pages)
{
	struct mem *mem;

	must(!set_and_undo("/sys/module/kvm/parameters/nx_huge_pages", nx_huge_pages),
	     "nx_huge_pages=%s", nx_huge_pages);
	mem = mem_populated(MEM_HUGETLB_2M, SZ_2M, NULL);
	guest_access_put_code(mem->hva, 0x21);
	guest_access_put_code(mem->hva + 7 * SZ_4K, 0x43);
	return with_guest(t, mem, 0);
}

CASE(nx_off, "nx_huge_pages=off: an executed huge page: 2M, executable",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	.side_effects = "writes kvm.nx_huge_pages", .hugepages_2m = 1)
{
	struct fixture f = with_huge(t, "off");

	expect_eq(guest_access(f.vcpu, AT, ACCESS_EXEC, 0), 0x21, "byte that the code returns");
	expect_range_mapped(&f, AT, SZ_2M, LEVEL_2M);
	expect_true(executable(&f, AT_GFN), "the 2M SPTE is executable");
	observer_clear(f.o);
	guest_access(f.vcpu, AT + 7 * SZ_4K, ACCESS_EXEC, 0);
	guest_access(f.vcpu, AT + 8 * SZ_4K, ACCESS_WRITE, 0x17);
	expect_eq(faults_of(f.o, AT_GFN + 7) + faults_of(f.o, AT_GFN + 8), 0,
		  "faults on gfns of a mapped huge page");
}

/*
 * Huge pages are not executable, executed pages are 4K.  No tracepoint reports the SPTEs
 * of a split, the statistics do.  .param: the huge page is prefaulted, not written.
 */
static void nx_force(const struct test *t)
{
	struct fixture f = with_huge(t, "force");

	if (t->tc->param)
		prefault(f.vcpu, AT, SZ_4K);
	else
		guest_access(f.vcpu, AT + 8 * SZ_4K, ACCESS_WRITE, 0x17);
	expect_range_mapped(&f, AT, SZ_2M, LEVEL_2M);
	expect_true(!executable(&f, AT_GFN), "the 2M SPTE is not executable");
	expect_eq(vm_stat(f.vm, "nx_lpage_splits"), 0, "statistic nx_lpage_splits");

	expect_eq(guest_access(f.vcpu, AT + 7 * SZ_4K, ACCESS_EXEC, 0), 0x43,
		  "byte that the code returns");
	expect_eq(vm_stat(f.vm, "pages_2m"), 0, "statistic pages_2m");
	expect_eq(vm_stat(f.vm, "nx_lpage_splits"), 1, "statistic nx_lpage_splits");
}
CASES(nx_force,
	{ "nx_force", "nx_huge_pages=force: 2M until executed, then 4K",
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	  .side_effects = "writes kvm.nx_huge_pages", .hugepages_2m = 1 },
	{ "nx_force_prefaulted",
	  "nx_huge_pages=force: prefaulted 2M until executed, then 4K", .param = 1,
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING,
	  .side_effects = "writes kvm.nx_huge_pages", .hugepages_2m = 1 },
	{ "legacy_nx_force", "legacy MMU: nx_huge_pages=force: 2M until executed, then 4K",
	  .param = 1, .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING,
	  .boot = BOOT_TDP_MMU_OFF, .side_effects = "writes kvm.nx_huge_pages",
	  .hugepages_2m = 1 },
)

TEST_MAIN("accesses of a guest, and the mappings that they make")
