// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses of a guest: the mapping follows what the guest did, a read, a write or
 * an execution (the error code of the fault), and what memory, slot and attributes
 * allow; the guest gets the very page of the backing; and after a prefault it does
 * not fault at all.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_access.h"
#include "testcase.h"
#include "undo.h"


/* The slot: within the guest's reach. */
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

/* EPT: bit 2 allows execution; NPT: bit 63 forbids it. */
static bool executable(struct fixture *f, u64 gfn)
{
	u64 spte = observer_mapping(f->o, gfn).spte;

	return kvm_tdp() == TDP_EPT ? spte >> 2 & 1 : !(spte >> 63);
}

/* --- nothing is mapped yet ------------------------------------------------------------- */

/* A read of memory that nobody wrote: the zero page, read-only. */
static void read_untouched(const struct test *t)
{
	struct fixture f = with_guest(t, mem_create(MEM_ANON, SZ_2M, NULL), 0);

	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0xff), 0, "byte that the guest reads");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_writable(&f, AT_GFN, false);
	expect_eq(faults_of(f.o, AT_GFN), 1, "faults");
}

static void read_populated(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	f.mem->hva[0] = 0x42;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_not_mapped(f.o, AT_GFN + 1);
}

static void write_untouched(const struct test *t)
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
	expect_eq(guest_access(f.vcpu, AT, ACCESS_EXEC, 0), 0x99, "byte that the code says");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_true(executable(&f, AT_GFN), "gfn 0x%llx is executable", AT_GFN);
	expect_eq(faults_of(f.o, AT_GFN), 1, "faults");
}

/* --- something is --------------------------------------------------------------------------- */

/* Read first: the zero page gives way to a page of the guest's own. */
static void write_after_read(const struct test *t)
{
	bool prefaulted = t->tc->arg;
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

/* What a prefault mapped needs no fault: not to read, to execute, or to write. */
static void prefaulted(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	prefault(f.vcpu, AT, 2 * SZ_4K);
	observer_clear(f.o);
	guest_access_put_code(f.mem->hva, 0x21);
	f.mem->hva[SZ_4K] = 0x43;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_EXEC, 0), 0x21, "byte that the code says");
	expect_eq(guest_access(f.vcpu, AT + SZ_4K, ACCESS_READ, 0), 0x43, "byte read");
	guest_access(f.vcpu, AT + SZ_4K, ACCESS_WRITE, 0x65);
	expect_eq(f.mem->hva[SZ_4K], 0x65, "byte written");
	expect_eq(faults_of(f.o, AT_GFN) + faults_of(f.o, AT_GFN + 1), 0, "faults");
}

/* A huge page that is split, since dirty pages are logged now, stays what it is. */
static void split_by_log(const struct test *t)
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

/* A page shared after a fork stays while it is read, and is copied when it is written. */
static void cow(const struct test *t)
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
	expect_true(pfn_of(f.mem->hva) != pfn, "the write broke the sharing");
	expect_mapped(f.o, AT_GFN, LEVEL_4K, pfn_of(f.mem->hva));
	expect_writable(&f, AT_GFN, true);
}

/* The guest never sees a page that the host took away. */
static void replaced(const struct test *t)
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

/* --- what is not allowed ---------------------------------------------------------------------- */

static void expect_mmio(struct fixture *f, u64 gpa, enum access how)
{
	expect_ok(__guest_access(f->vcpu, gpa, how, 0x17), "KVM_RUN");
	expect_eq(f->vcpu->run->exit_reason, KVM_EXIT_MMIO, "exit reason");
	expect_eq(f->vcpu->run->mmio.phys_addr, gpa, "gpa of the exit");
	expect_eq(f->vcpu->run->mmio.is_write, how == ACCESS_WRITE, "the exit is for a write");
}

static void readonly_slot(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), KVM_MEM_READONLY);

	f.mem->hva[0] = 0x42;
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_writable(&f, AT_GFN, false);
	expect_mmio(&f, AT, ACCESS_WRITE);
	expect_eq(f.mem->hva[0], 0x42, "byte in the read-only slot");
	expect_writable(&f, AT_GFN, false);
}

static void readonly_hva(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	f.mem->hva[0] = 0x42;
	must(!mprotect(f.mem->hva, SZ_4K, PROT_READ), "mprotect");
	expect_eq(guest_access(f.vcpu, AT, ACCESS_READ, 0), 0x42, "byte that the guest reads");
	expect_writable(&f, AT_GFN, false);
	expect_errno(__guest_access(f.vcpu, AT, ACCESS_WRITE, 0x17), EFAULT,
		     "KVM_RUN: a write to memory that is read-only to the host");
	expect_eq(f.mem->hva[0], 0x42, "byte in the read-only memory");
}

static void no_slot(const struct test *t)
{
	struct fixture f = with_guest(t, mem_populated(MEM_ANON, SZ_2M, NULL), 0);

	expect_mmio(&f, AT + SZ_1G, ACCESS_READ);
	expect_mmio(&f, AT + SZ_1G, ACCESS_WRITE);
	expect_not_mapped(f.o, AT_GFN + (SZ_1G >> 12));
}

/* --- private memory --------------------------------------------------------------------------- */

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

/* Private and shared are two memories at one gpa. */
static void conversion(const struct test *t)
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
	struct kvm_run_memory_fault fault;

	vm_set_private(f.vm, AT, SZ_4K);
	expect_errno(__guest_access(f.vcpu, AT, (uintptr_t)t->tc->arg, 0), EFAULT,
		     "KVM_RUN: access to a private gfn without guest_memfd");
	expect_eq(f.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	fault = vcpu_memory_fault(f.vcpu);
	expect_eq(fault.gpa, AT, "gpa of the memory-fault exit");
	expect_eq(fault.size, SZ_4K, "size of the memory-fault exit");
	expect_eq(fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE, "flags of the memory-fault exit");
	expect_not_mapped(f.o, AT_GFN);
}

/* --- huge pages, and NX huge pages ----------------------------------------------------------- */

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

/* No workaround: one 2M SPTE serves all. */
static void nx_off(const struct test *t)
{
	struct fixture f = with_huge(t, "off");

	expect_eq(guest_access(f.vcpu, AT, ACCESS_EXEC, 0), 0x21, "byte that the code says");
	expect_range_mapped(&f, AT, SZ_2M, LEVEL_2M);
	expect_true(executable(&f, AT_GFN), "the 2M SPTE is executable");
	observer_clear(f.o);
	guest_access(f.vcpu, AT + 7 * SZ_4K, ACCESS_EXEC, 0);
	guest_access(f.vcpu, AT + 8 * SZ_4K, ACCESS_WRITE, 0x17);
	expect_eq(faults_of(f.o, AT_GFN + 7) + faults_of(f.o, AT_GFN + 8), 0,
		  "faults in a 2M that is mapped");
}

/*
 * The workaround: huge pages can't be executed, executed pages are 4K.  Neither MMU
 * tells how it splits; its statistics do.
 */
static void nx_force(const struct test *t)
{
	struct fixture f = with_huge(t, "force");

	if (t->tc->arg)
		prefault(f.vcpu, AT, SZ_4K);
	else
		guest_access(f.vcpu, AT + 8 * SZ_4K, ACCESS_WRITE, 0x17);
	expect_range_mapped(&f, AT, SZ_2M, LEVEL_2M);
	expect_true(!executable(&f, AT_GFN), "the 2M SPTE is not executable");
	expect_eq(vm_stat(f.vm, "nx_lpage_splits"), 0, "statistic nx_lpage_splits");

	expect_eq(guest_access(f.vcpu, AT + 7 * SZ_4K, ACCESS_EXEC, 0), 0x43,
		  "byte that the code says");
	expect_eq(vm_stat(f.vm, "pages_2m"), 0, "statistic pages_2m");
	expect_eq(vm_stat(f.vm, "nx_lpage_splits"), 1, "statistic nx_lpage_splits");
}

#define MAPS	.observes = OBSERVE_MAPPING
#define SMALL	.vm_types = VM_ANY, MAPS
#define PRIVATE	.vm_types = VM_SW_PROTECTED, MAPS
#define LEGACY	.vm_types = VM_DEFAULT, MAPS, .boot = BOOT_TDP_MMU_OFF
#define NX	.vm_types = VM_ANY, MAPS, .hugepages_2m = 1, .side_effects = "writes kvm.nx_huge_pages"

static const struct test_case cases[] = {
	{ "read_untouched", "a read of untouched memory: the zero page, read-only",
	  read_untouched, SMALL },
	{ "read_populated", "a read: the page of the hva, one page", read_populated, SMALL },
	{ "write_untouched", "a write to untouched memory: a page, writable", write_untouched,
	  SMALL },
	{ "exec", "an execution: the page of the hva, executable", exec, SMALL },

	{ "write_after_read", "a write after a read: a page of its own, writable",
	  write_after_read, NULL, SMALL },
	{ "write_after_prefault", "a write after a prefault of untouched memory: the same",
	  write_after_read, (void *)1, SMALL },
	{ "prefaulted", "read, write, execution after a prefault: no fault", prefaulted, SMALL },
	{ "cow", "a page shared after fork: read as it is, copied by a write", cow, SMALL },
	{ "replaced", "a page that the host took away is not seen again", replaced, SMALL },

	{ "readonly_slot", "a write to a read-only slot: an MMIO exit", readonly_slot,
	  .vm_types = VM_DEFAULT, MAPS },
	{ "readonly_hva", "a write to memory read-only to the host: EFAULT", readonly_hva, SMALL },
	{ "no_slot", "an access without a slot: an MMIO exit", no_slot, SMALL },

	{ "split_by_log", "a huge page split by dirty logging: each page as before", split_by_log,
	  .vm_types = VM_ANY, MAPS, .hugepages_2m = 1 },
	{ "conversion", "private and shared memory of one gpa, as the guest sees them",
	  conversion, PRIVATE },
	{ "private_read_without_gmem", "a private read without guest_memfd: EFAULT, exit",
	  private_without_gmem, (void *)ACCESS_READ, PRIVATE },
	{ "private_write_without_gmem", "a private write without guest_memfd: EFAULT, exit",
	  private_without_gmem, (void *)ACCESS_WRITE, PRIVATE },
	{ "private_exec_without_gmem", "private code without guest_memfd: EFAULT, exit",
	  private_without_gmem, (void *)ACCESS_EXEC, PRIVATE },

	{ "nx_off", "nx_huge_pages=off: an executed huge page is 2M and executable", nx_off, NX },
	{ "nx_force", "nx_huge_pages=force: 2M until it is executed, then 4K", nx_force, NULL,
	  NX },
	{ "nx_force_prefaulted", "the same after a prefault", nx_force, (void *)1, NX },

	{ "legacy_read_untouched", "legacy MMU: a read of untouched memory", read_untouched,
	  LEGACY },
	{ "legacy_write_after_prefault", "legacy MMU: a write after a prefault",
	  write_after_read, (void *)1, LEGACY },
	{ "legacy_exec", "legacy MMU: an execution", exec, LEGACY },
	{ "legacy_prefaulted", "legacy MMU: no fault after a prefault", prefaulted, LEGACY },
	{ "legacy_nx_force", "legacy MMU: nx_huge_pages=force: 2M until it is executed",
	  nx_force, (void *)1, LEGACY, .hugepages_2m = 1, .side_effects = "writes kvm.nx_huge_pages" },
};

TEST_MAIN("accesses of a guest, and the mappings that they make", cases)
