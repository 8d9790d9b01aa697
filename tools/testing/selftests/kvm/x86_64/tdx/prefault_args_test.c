// SPDX-License-Identifier: GPL-2.0-only
/*
 * The request itself: what KVM_PRE_FAULT_MEMORY refuses, and with what, how it
 * reports what it has done, and what it leaves alone
 * (kvm_vcpu_pre_fault_memory() in virt/kvm/kvm_main.c; api.rst, 4.143).
 */
#include <sys/ioctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "testcase.h"

#define SLOT	(4 * SZ_4K)		/* bytes in the slot */

/* A request that fails as a whole: its errno, and the range left as it was. */
static void expect_refused(struct fixture *f, struct kvm_pre_fault_memory range, int error)
{
	struct kvm_pre_fault_memory before = range;

	expect_errno(__vcpu_prefault(f->vcpu, &range), error,
		     "prefault of gpa 0x%llx, size 0x%llx, flags 0x%llx",
		     before.gpa, before.size, before.flags);
	expect_eq(range.gpa, before.gpa, "gpa after the refusal");
	expect_eq(range.size, before.size, "size after the refusal");
}

struct refusal {
	struct kvm_pre_fault_memory range;
	int error;
};

static void refused(const struct test *t)
{
	const struct refusal *r = t->tc->arg;
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	expect_refused(&f, r->range, r->error);
	expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "4K SPTEs");
}

static const struct refusal
	zero_size = { { .gpa = GPA, .size = 0 }, EINVAL },
	unaligned_gpa = { { .gpa = GPA + 1, .size = SZ_4K }, EINVAL },
	unaligned_size = { { .gpa = GPA, .size = SZ_4K + 1 }, EINVAL },
	wrap_to_zero = { { .gpa = -SZ_4K, .size = SZ_4K }, EINVAL },
	wrap_beyond = { { .gpa = GPA, .size = -SZ_4K }, EINVAL },
	unknown_flag = { { .gpa = GPA, .size = SZ_4K, .flags = 1 }, EINVAL },
	no_slot = { { .gpa = GPA + SZ_1G, .size = SZ_4K }, ENOENT },
	below_slot = { { .gpa = GPA - SZ_4K, .size = 2 * SZ_4K }, ENOENT },
	/* No CPU has that many guest-physical bits; KVM looks no slot up. */
	beyond_maxphyaddr = { { .gpa = 1ULL << 52, .size = SZ_4K }, ENOENT };

/* --- private memory ---------------------------------------------------------------- */

static void expect_memory_fault(struct fixture *f, u64 gpa, u64 flags)
{
	struct kvm_run_memory_fault fault = vcpu_memory_fault(f->vcpu);

	expect_eq(f->vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT, "exit reason");
	expect_eq(fault.gpa, gpa, "gpa of the memory-fault exit");
	expect_eq(fault.size, SZ_4K, "size of the memory-fault exit");
	expect_eq(fault.flags, flags, "flags of the memory-fault exit");
}

static void private_no_slot(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	u64 gpa = GPA + SZ_1G;

	vm_set_private(f.vm, gpa, SZ_4K);
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = gpa, .size = SZ_4K }, EFAULT);
	expect_memory_fault(&f, gpa, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	expect_eq(observer_count(f.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
}

static void private_no_gmem(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	vm_set_private(f.vm, GPA, SZ_4K);
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_memory_fault(&f, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	expect_not_mapped(f.o, GFN);
}

/* --- the memory behind the slot ------------------------------------------------------ */

static void hva_unmapped(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	must(!munmap(f.mem->hva, SZ_4K), "munmap");
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_not_mapped(f.o, GFN);
}

static void hva_prot_none(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	must(!mprotect(f.mem->hva, SZ_4K, PROT_NONE), "mprotect");
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_not_mapped(f.o, GFN);
}

static void *volatile failed_hva;

static void note_hva(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (info->si_code == BUS_MCEERR_AR)
		failed_hva = info->si_addr;
}

/* The thread gets the signal that a read of its own would get, which ends the ioctl. */
static void hva_poisoned(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct sigaction action = { .sa_sigaction = note_hva, .sa_flags = SA_SIGINFO };

	must(!sigaction(SIGBUS, &action, NULL), "a handler for SIGBUS");
	must(!madvise(f.mem->hva + SZ_4K, SZ_4K, MADV_HWPOISON), "MADV_HWPOISON");
	failed_hva = NULL;
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA + SZ_4K, .size = SZ_4K },
		       EINTR);
	expect_true(failed_hva == f.mem->hva + SZ_4K, "SIGBUS for the poisoned page at hva %p, not %p",
		    f.mem->hva + SZ_4K, failed_hva);
	expect_not_mapped(f.o, GFN + 1);
}

/* --- progress ------------------------------------------------------------------------- */

/* The range runs past the end of the slot: what is there is mapped, the rest told. */
static void past_the_end(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct kvm_pre_fault_memory range = { .gpa = GPA + 2 * SZ_4K, .size = 4 * SZ_4K };

	expect_ok(__vcpu_prefault(f.vcpu, &range), "prefault past the end of the slot");
	expect_eq(range.gpa, GPA + SLOT, "gpa of what is left");
	expect_eq(range.size, 2 * SZ_4K, "bytes left");
	expect_range_mapped(&f, GPA + 2 * SZ_4K, 2 * SZ_4K, LEVEL_4K);
	expect_refused(&f, range, ENOENT);
}

/* Two slots side by side are one range. */
static void across_slots(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct mem *next = mem_populated(MEM_MEMFD, SLOT, NULL);
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = 2 * SLOT };

	slot_add(f.vm, GPA + SLOT, next);
	expect_ok(__vcpu_prefault(f.vcpu, &range), "prefault of two slots");
	expect_eq(range.size, 0, "bytes left");
	expect_range_mapped(&f, GPA, SLOT, LEVEL_4K);
	for (int i = 0; i < 4; i++)
		expect_mapped(f.o, GFN + 4 + i, LEVEL_4K, pfn_of(next->hva + i * SZ_4K));
}

/* The pages are mapped, but the progress cannot be told. */
static void readonly_argument(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct kvm_pre_fault_memory *range;

	range = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(range != MAP_FAILED, "mmap");
	*range = (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SLOT };
	must(!mprotect(range, SZ_4K, PROT_READ), "mprotect");
	expect_errno(__vcpu_prefault(f.vcpu, range), EFAULT, "prefault with a read-only argument");
	expect_range_mapped(&f, GPA, SLOT, LEVEL_4K);
}

static void no_argument(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	expect_errno(__vcpu_prefault(f.vcpu, NULL), EFAULT, "prefault without argument");
	expect_eq(observer_faults(f.o), 0, "faults");
}

/* --- what a prefault is not ------------------------------------------------------------- */

/* No vCPU ran: no exit, no fault statistics. */
static void no_vcpu_entry(const struct test *t)
{
	static const char *const stats[] = { "exits", "pf_taken", "pf_fixed", "pf_emulate",
					     "pf_spurious", "pf_fast", "pf_mmio_spte_created" };
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	prefault(f.vcpu, GPA, SLOT);
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		expect_eq(vcpu_stat(f.vcpu, stats[i]), 0, "statistic %s", stats[i]);
	expect_eq(f.vcpu->run->exit_reason, 0, "exit reason");
}

/* What is mapped stays as it is. */
static void again(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	prefault(f.vcpu, GPA, SLOT);
	observer_clear(f.o);
	prefault(f.vcpu, GPA, SLOT);
	expect_eq(observer_count(f.o, EV_SPTE, RET_ANY), 0, "SPTEs changed by a second prefault");
	expect_eq(observer_count(f.o, EV_FAULT, PF_SPURIOUS), 4, "faults found fixed");
	expect_range_mapped(&f, GPA, SLOT, LEVEL_4K);
}

/* What one vCPU mapped is mapped for the other, too: the tables are the VM's. */
static void other_vcpu(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct vcpu *other = vcpu_create(f.vm);

	prefault(f.vcpu, GPA, SLOT);
	observer_clear(f.o);
	prefault(other, GPA, SLOT);
	expect_eq(observer_count(f.o, EV_FAULT, PF_SPURIOUS), 4, "faults found fixed");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 4, "4K SPTEs");
}

/* A vCPU belongs to the process that made its VM. */
static void other_process(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child) {
		struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

		_exit(__vcpu_prefault(f.vcpu, &range) ? errno : 0);
	}
	for (int status; waitpid(child, &status, 0) == child;)
		expect_eq(WEXITSTATUS(status), EIO, "errno of a prefault by another process");
	expect_not_mapped(f.o, GFN);
}

static void capability(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	expect_eq(vm_check_cap(f.vm, KVM_CAP_PRE_FAULT_MEMORY), 1,
		  "KVM_CAP_PRE_FAULT_MEMORY of the VM");
	expect_errno(ioctl(f.vm->fd, KVM_PRE_FAULT_MEMORY, NULL), ENOTTY,
		     "KVM_PRE_FAULT_MEMORY on a VM's fd");
}

#define PREFAULT .cap = KVM_CAP_PRE_FAULT_MEMORY, .cap_name = "KVM_CAP_PRE_FAULT_MEMORY", \
		 .observes = OBSERVE_MAPPING
#define ALL	.vm_types = VM_ANY, PREFAULT
#define LEGACY	.vm_types = VM_DEFAULT, PREFAULT, .boot = BOOT_TDP_MMU_OFF

static const struct test_case cases[] = {
	{ "zero_size", "no bytes: EINVAL", refused, &zero_size, ALL },
	{ "unaligned_gpa", "a gpa inside of a page: EINVAL", refused, &unaligned_gpa, ALL },
	{ "unaligned_size", "part of a page: EINVAL", refused, &unaligned_size, ALL },
	{ "wrap_to_zero", "a range that ends at 2^64: EINVAL", refused, &wrap_to_zero, ALL },
	{ "wrap_beyond", "a range that wraps: EINVAL", refused, &wrap_beyond, ALL },
	{ "unknown_flag", "a flag: EINVAL", refused, &unknown_flag, ALL },
	{ "no_slot", "a gpa without a slot: ENOENT", refused, &no_slot, ALL },
	{ "below_slot", "a range that begins before the slot: ENOENT", refused, &below_slot,
	  ALL },
	{ "beyond_maxphyaddr", "a gpa that no CPU has: ENOENT", refused, &beyond_maxphyaddr,
	  ALL },

	{ "private_no_slot", "a private gfn without a slot: EFAULT, memory-fault exit",
	  private_no_slot, .vm_types = VM_SW_PROTECTED, PREFAULT },
	{ "private_no_gmem", "a private gfn without guest_memfd: EFAULT, memory-fault exit",
	  private_no_gmem, .vm_types = VM_SW_PROTECTED, PREFAULT },
	{ "hva_unmapped", "no mapping at the hva: EFAULT", hva_unmapped, ALL },
	{ "hva_prot_none", "no right at the hva: EFAULT", hva_prot_none, ALL },
	{ "hva_poisoned", "a poisoned page at the hva: SIGBUS, EINTR", hva_poisoned, ALL,
	  .side_effects = "a page of memory is poisoned" },

	{ "past_the_end", "past the end of the slot: progress, then ENOENT", past_the_end,
	  ALL },
	{ "across_slots", "two slots, one range", across_slots, ALL },
	{ "readonly_argument", "a read-only argument: EFAULT, the pages are mapped",
	  readonly_argument, ALL },
	{ "no_argument", "no argument: EFAULT", no_argument, ALL },

	{ "no_vcpu_entry", "no vCPU enters, no fault is counted", no_vcpu_entry, ALL },
	{ "again", "what is mapped stays as it is", again, ALL, .xfail = "E4" },
	{ "other_vcpu", "another vCPU finds it mapped", other_vcpu, ALL,
	  .xfail = "E4" },
	{ "other_process", "another process: EIO", other_process, ALL },
	{ "legacy_past_the_end", "legacy MMU: past the end of the slot: progress, then ENOENT",
	  past_the_end, LEGACY },
	{ "legacy_hva_unmapped", "legacy MMU: no mapping at the hva: EFAULT", hva_unmapped,
	  LEGACY },
	{ "capability", "the capability, and the wrong fd", capability, ALL },
};

TEST_MAIN("requests of KVM_PRE_FAULT_MEMORY", cases)
