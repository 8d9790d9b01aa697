// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations that fail, of page tables, of the caches that KVM has of them, and of pages
 * of guest_memfd: the call fails with ENOMEM, nothing is mapped, nothing leaks, and with
 * memory it succeeds (mmu_topup_memory_caches() in arch/x86/kvm/mmu/mmu.c).
 *
 * The memory limit of a cgroup grows by one page at a time, so that each allocation is
 * once the first to fail.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_access.h"
#include "memcg.h"
#include "td_fixture.h"
#include "testcase.h"

#define MAX_FAILURES	200

/* Call fn(arg) with one page more each time, until it succeeds. */
static void call_until_success(struct memcg *cg, struct observer *o, int (*fn)(void *arg),
			       void *arg, const char *what)
{
	unsigned int failures = 0;

	for (;;) {
		memcg_limit(cg, failures * SZ_4K);
		if (!memcg_call(cg, fn, arg))
			break;
		expect_errno(-1, ENOMEM, "%s with %u pages of memory", what, failures);
		expect_eq(observer_leaves(o, LEVEL_4K), 0, "4K SPTEs after a failure");
		expect_true(++failures < MAX_FAILURES, "%s succeeds with %u pages of memory",
			    what, failures);
	}
	expect_true(failures, "the memory limit makes the call fail with ENOMEM");
	measure("failures", failures);
}

/* Destroy the VM: nothing stays charged to the cgroup. */
static void expect_no_leak(struct memcg *cg, struct vm *vm, struct vcpu *vcpu,
			   const struct slot *slot)
{
	vcpu_close(vcpu);
	if (slot->gmem)
		close(slot->gmem->fd);
	vm_close(vm);
	expect_eq(memcg_pages_left(cg), 0, "pages charged to the cgroup of a destroyed VM");
}

static void prefault_under_pressure(struct fixture *f)
{
	struct memcg *cg = memcg_create();

	call_until_success(cg, f->o, prefault_gpa, f->vcpu, "KVM_PRE_FAULT_MEMORY");
	expect_mapped(f->o, GFN, LEVEL_4K, PFN_ANY);
	expect_no_leak(cg, f->vm, f->vcpu, f->slot);
}

static void prefault_anon(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefault_under_pressure(&f);
}
CASES(prefault_anon,
	{ "prefault", "KVM_PRE_FAULT_MEMORY: ENOMEM, nothing mapped, nothing leaked",
	  .vm_types = VM_ANY, .observes = OBSERVE_MAPPING },
	{ "legacy_prefault",
	  "legacy MMU: KVM_PRE_FAULT_MEMORY: ENOMEM, nothing mapped, nothing leaked",
	  .vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .boot = BOOT_TDP_MMU_OFF },
)

CASE(prefault_gmem,
	"KVM_PRE_FAULT_MEMORY of guest_memfd: ENOMEM, nothing mapped, nothing leaked",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	f.vcpu = vcpu_create(f.vm);
	f.slot = slot_add_gmem(f.vm, GPA, mem_create(MEM_ANON, SZ_2M, NULL),
			       mem_create(MEM_GMEM, SZ_2M, f.vm));
	vm_set_private(f.vm, GPA, SZ_2M);
	f.o = observe(f.vm, t->observes);
	prefault_under_pressure(&f);
}

static void td_prefault(const struct test *t)
{
	bool shared = t->tc->param;
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct memcg *cg = memcg_create();

	if (shared) {
		vm_set_shared(td.vm, GPA, SZ_2M);
		mem_touch(td.slot->mem->hva, SZ_4K);
	}
	call_until_success(cg, td.o, prefault_gpa, td.vcpu, "KVM_PRE_FAULT_MEMORY");
	if (shared)
		expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(td.slot->mem->hva));
	else
		expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_no_leak(cg, td.vm, td.vcpu, td.slot);
}
CASES(td_prefault,
	{ "td_prefault",
	  "TD: KVM_PRE_FAULT_MEMORY of a private page: ENOMEM, nothing mapped",
	  .vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .uses_sept = true },
	{ "td_prefault_shared",
	  "TD: KVM_PRE_FAULT_MEMORY of a shared page: ENOMEM, nothing mapped", .param = 1,
	  .vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .uses_sept = true },
)

struct addition {
	struct vcpu *vcpu;
	struct kvm_tdx_init_mem_region region;
};

static int add_page(void *arg)
{
	struct addition *a = arg;

	return __td_add(a->vcpu, &a->region, 0);
}

CASE(td_add, "TD: KVM_TDX_INIT_MEM_REGION: ENOMEM, nothing mapped", .vm_types = VM_TDX,
	.observes = OBSERVE_MAPPING, .uses_sept = true)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct memcg *cg = memcg_create();
	struct addition a = {
		.vcpu = td.vcpu,
		.region = { (uintptr_t)td_source(1, t->seed), GPA, 1 },
	};

	call_until_success(cg, td.o, add_page, &a, "KVM_TDX_INIT_MEM_REGION");
	expect_eq(a.region.nr_pages, 0, "pages left");
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	td_finalize(td.vm);
	expect_no_leak(cg, td.vm, td.vcpu, td.slot);
}

#define GUEST_GPA	SZ_1G

static int run(void *vcpu)
{
	return ioctl(((struct vcpu *)vcpu)->fd, KVM_RUN, NULL);
}

CASE(guest_write, "KVM_RUN, write of the guest: ENOMEM, nothing mapped, nothing leaked",
	.vm_types = VM_ANY, .observes = OBSERVE_MAPPING)
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GUEST_GPA, mem, 0, SZ_2M, 0);
	struct memcg *cg = memcg_create();
	unsigned int failures = 0;

	guest_access_create(f.vcpu);
	/* Not call_until_success(): the page of the guest's code is mapped. */
	for (;; failures++) {
		memcg_limit(cg, failures * SZ_4K);
		guest_access_prepare(f.vcpu, GUEST_GPA, ACCESS_WRITE, 0x17);
		if (!memcg_call(cg, run, f.vcpu))
			break;
		expect_errno(-1, ENOMEM, "KVM_RUN with %u pages of memory", failures);
		expect_not_mapped(f.o, GUEST_GPA >> 12);
		expect_true(failures < MAX_FAILURES, "KVM_RUN succeeds with memory");
	}
	expect_true(failures, "the memory limit makes the call fail with ENOMEM");
	expect_eq(f.vcpu->run->exit_reason, KVM_EXIT_IO, "exit reason");
	expect_eq(mem->hva[0], 0x17, "byte that the guest wrote");
	expect_mapped(f.o, GUEST_GPA >> 12, LEVEL_4K, pfn_of(mem->hva));
	measure("failures", failures);
	expect_no_leak(cg, f.vm, f.vcpu, f.slot);
}

TEST_MAIN("mapping under memory pressure")
