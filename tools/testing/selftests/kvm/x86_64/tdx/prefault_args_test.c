// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arguments of KVM_PRE_FAULT_MEMORY: which it refuses, and with which errno; the
 * progress that it reports; and what it does not change
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

#define PREFAULT_OBSERVED	NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY), .observes = OBSERVE_MAPPING

/* The call fails with @error, and leaves the range as it was. */
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
CASES(refused,
	{ "zero_size", "size 0: EINVAL",
	  .arg = &(const struct refusal){ { .gpa = GPA, .size = 0 }, EINVAL },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "unaligned_gpa", "gpa not page-aligned: EINVAL",
	  .arg = &(const struct refusal){ { .gpa = GPA + 1, .size = SZ_4K }, EINVAL },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "unaligned_size", "size not page-aligned: EINVAL",
	  .arg = &(const struct refusal){ { .gpa = GPA, .size = SZ_4K + 1 }, EINVAL },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "wrap_to_zero", "gpa + size = 2^64: EINVAL",
	  .arg = &(const struct refusal){ { .gpa = -SZ_4K, .size = SZ_4K }, EINVAL },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "wrap_beyond", "gpa + size beyond 2^64: EINVAL",
	  .arg = &(const struct refusal){ { .gpa = GPA, .size = -SZ_4K }, EINVAL },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "unknown_flag", "unknown flag: EINVAL",
	  .arg = &(const struct refusal){ { .gpa = GPA, .size = SZ_4K, .flags = 1 }, EINVAL },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "no_slot", "gpa outside of any slot: ENOENT",
	  .arg = &(const struct refusal){ { .gpa = GPA + SZ_1G, .size = SZ_4K }, ENOENT },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "below_slot", "range that begins before the slot: ENOENT",
	  .arg = &(const struct refusal){ { .gpa = GPA - SZ_4K, .size = 2 * SZ_4K }, ENOENT },
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "beyond_maxphyaddr", "gpa 2^52, beyond any MAXPHYADDR: ENOENT",
	  .arg = &(const struct refusal){ { .gpa = 1ULL << 52, .size = SZ_4K }, ENOENT },
	  .vm_types = VM_ANY, PREFAULT_OBSERVED },
)

CASE(private_no_slot, "private gfn outside of any slot: EFAULT, memory-fault exit",
	.vm_types = VM_SW_PROTECTED | VM_TDX, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	u64 gpa = GPA + SZ_1G;

	vm_set_private(f.vm, gpa, SZ_4K);
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = gpa, .size = SZ_4K }, EFAULT);
	expect_memory_fault_exit(f.vcpu, gpa, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	expect_eq(observer_count(f.o, EV_SPTE, RET_ANY), 0, "SPTEs that changed");
}

CASE(private_no_gmem, "private gfn without guest_memfd: EFAULT, memory-fault exit",
	.vm_types = VM_SW_PROTECTED | VM_TDX, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	vm_set_private(f.vm, GPA, SZ_4K);
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_memory_fault_exit(f.vcpu, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	expect_not_mapped(f.o, GFN);
}

static void hva_unmapped(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	must(!munmap(f.mem->hva, SZ_4K), "munmap");
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SZ_4K }, EFAULT);
	expect_not_mapped(f.o, GFN);
}
CASES(hva_unmapped,
	{ "hva_unmapped", "nothing mapped at the hva: EFAULT", .vm_types = VM_ALL,
	  PREFAULT_OBSERVED },
	{ "legacy_hva_unmapped", "legacy MMU: nothing mapped at the hva: EFAULT",
	  .vm_types = VM_DEFAULT, .boot = BOOT_TDP_MMU_OFF, PREFAULT_OBSERVED },
)

CASE(hva_prot_none, "PROT_NONE at the hva: EFAULT", .vm_types = VM_ALL, PREFAULT_OBSERVED)
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

/* The thread gets the SIGBUS of a read at the hva; the signal interrupts the ioctl. */
CASE(hva_poisoned, "poisoned page at the hva: SIGBUS, EINTR", .vm_types = VM_ANY,
	.side_effects = "a page of memory is poisoned", PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct sigaction action = { .sa_sigaction = note_hva, .sa_flags = SA_SIGINFO };

	must(!sigaction(SIGBUS, &action, NULL), "a handler for SIGBUS");
	must(!madvise(f.mem->hva + SZ_4K, SZ_4K, MADV_HWPOISON), "MADV_HWPOISON");
	failed_hva = NULL;
	expect_refused(&f, (struct kvm_pre_fault_memory){ .gpa = GPA + SZ_4K, .size = SZ_4K },
		       EINTR);
	expect_true(failed_hva == f.mem->hva + SZ_4K,
		    "SIGBUS for the poisoned page at hva %p, not %p", f.mem->hva + SZ_4K,
		    failed_hva);
	expect_not_mapped(f.o, GFN + 1);
}

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
CASES(past_the_end,
	{ "past_the_end",
	  "range past the end of the slot: its pages are mapped, then ENOENT",
	  .vm_types = VM_ALL, PREFAULT_OBSERVED },
	{ "legacy_past_the_end",
	  "legacy MMU: range past the end of the slot: its pages are mapped, then ENOENT",
	  .vm_types = VM_DEFAULT, .boot = BOOT_TDP_MMU_OFF, PREFAULT_OBSERVED },
)

CASE(across_slots, "range across two adjacent slots: all mapped", .vm_types = VM_ALL,
	PREFAULT_OBSERVED)
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

/* The pages are mapped, but KVM cannot write the progress. */
CASE(readonly_argument, "argument in read-only memory: EFAULT, pages mapped",
	.vm_types = VM_ALL, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct kvm_pre_fault_memory *range;

	range = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(range != MAP_FAILED, "mmap");
	*range = (struct kvm_pre_fault_memory){ .gpa = GPA, .size = SLOT };
	must(!mprotect(range, SZ_4K, PROT_READ), "mprotect");
	expect_errno(__vcpu_prefault(f.vcpu, range), EFAULT,
		     "prefault with an argument in read-only memory");
	expect_range_mapped(&f, GPA, SLOT, LEVEL_4K);
}

CASE(no_argument, "NULL as argument: EFAULT", .vm_types = VM_ALL, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	expect_errno(__vcpu_prefault(f.vcpu, NULL), EFAULT, "prefault with NULL");
	expect_eq(observer_faults(f.o), 0, "faults");
}

CASE(no_vcpu_entry, "no vCPU runs: no exits, no faults in the statistics",
	.vm_types = VM_ALL, PREFAULT_OBSERVED)
{
	static const char *const stats[] = { "exits", "pf_taken", "pf_fixed", "pf_emulate",
					     "pf_spurious", "pf_fast", "pf_mmio_spte_created" };
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	prefault(f.vcpu, GPA, SLOT);
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		expect_eq(vcpu_stat(f.vcpu, stats[i]), 0, "statistic %s", stats[i]);
	expect_eq(f.vcpu->run->exit_reason, 0, "exit reason");
}

CASE(already_mapped, "mapped pages: spurious faults, no SPTE changes", .xfail = "E4",
	.vm_types = VM_ALL, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	prefault(f.vcpu, GPA, SLOT);
	observer_clear(f.o);
	prefault(f.vcpu, GPA, SLOT);
	expect_eq(observer_count(f.o, EV_SPTE, RET_ANY), 0,
		  "SPTEs that the second prefault changed");
	expect_eq(observer_count(f.o, EV_FAULT, PF_SPURIOUS), 4, "faults with RET_PF_SPURIOUS");
	expect_range_mapped(&f, GPA, SLOT, LEVEL_4K);
}

/* vCPUs share the page tables of the VM. */
CASE(other_vcpu, "pages that another vCPU mapped: spurious faults", .xfail = "E4",
	.vm_types = VM_ANY, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	struct vcpu *other = vcpu_create(f.vm);

	prefault(f.vcpu, GPA, SLOT);
	observer_clear(f.o);
	prefault(other, GPA, SLOT);
	expect_eq(observer_count(f.o, EV_FAULT, PF_SPURIOUS), 4, "faults with RET_PF_SPURIOUS");
	expect_eq(observer_leaves(f.o, LEVEL_4K), 4, "4K SPTEs");
}

CASE(other_process, "another process than the VM's: EIO", .vm_types = VM_ALL,
	PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);
	pid_t child = fork();
	int status;

	must(child >= 0, "fork");
	if (!child) {
		struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

		_exit(__vcpu_prefault(f.vcpu, &range) ? errno : 0);
	}
	must(waitpid(child, &status, 0) == child && WIFEXITED(status), "waitpid");
	expect_eq(WEXITSTATUS(status), EIO, "errno of a prefault by another process");
	expect_not_mapped(f.o, GFN);
}

CASE(capability, "KVM_CAP_PRE_FAULT_MEMORY is 1; the ioctl on a VM fd: ENOTTY",
	.vm_types = VM_ALL, PREFAULT_OBSERVED)
{
	struct fixture f = fixture(t, MEM_ANON, SLOT);

	expect_eq(vm_check_cap(f.vm, KVM_CAP_PRE_FAULT_MEMORY), 1,
		  "KVM_CAP_PRE_FAULT_MEMORY of the VM");
	expect_errno(ioctl(f.vm->fd, KVM_PRE_FAULT_MEMORY, NULL), ENOTTY,
		     "KVM_PRE_FAULT_MEMORY on a VM's fd");
}

TEST_MAIN("requests of KVM_PRE_FAULT_MEMORY")
