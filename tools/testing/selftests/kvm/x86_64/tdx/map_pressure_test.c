// SPDX-License-Identifier: GPL-2.0-only
/*
 * No memory for a page table, for the caches that KVM keeps of them, or for a page of
 * guest_memfd: the call says ENOMEM, nothing is mapped, nothing is lost, and with
 * memory it succeeds (mmu_topup_memory_caches() in arch/x86/kvm/mmu/mmu.c).
 *
 * The limit of a cgroup grows page by page, so that one allocation after the other
 * is the first that fails.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_access.h"
#include "memcg.h"
#include "td_fixture.h"
#include "testcase.h"

#define MAX_FAILURES	200

/* Call fn(arg) with more and more memory, until it succeeds. */
static void until_it_succeeds(struct memcg *cg, struct observer *o, int (*fn)(void *arg),
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

/* All that was charged for the VM is given back with it. */
static void expect_no_leak(struct memcg *cg, struct vm *vm, struct vcpu *vcpu,
			   const struct slot *slot)
{
	vcpu_close(vcpu);
	if (slot->gmem)
		close(slot->gmem->fd);
	vm_close(vm);
	expect_eq(memcg_pages_left(cg), 0, "pages that stay charged");
}

/* --- KVM_PRE_FAULT_MEMORY ---------------------------------------------------------- */

static int prefault_page(void *vcpu)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	return __vcpu_prefault(vcpu, &range);
}

static void prefaulted(struct fixture *f)
{
	struct memcg *cg = memcg_create();

	until_it_succeeds(cg, f->o, prefault_page, f->vcpu, "KVM_PRE_FAULT_MEMORY");
	expect_mapped(f->o, GFN, LEVEL_4K, PFN_ANY);
	expect_no_leak(cg, f->vm, f->vcpu, f->slot);
}

static void prefault_anon(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefaulted(&f);
}

static void prefault_gmem(const struct test *t)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	f.vcpu = vcpu_create(f.vm);
	f.slot = slot_add_gmem(f.vm, GPA, mem_create(MEM_ANON, SZ_2M, NULL),
			       mem_create(MEM_GMEM, SZ_2M, f.vm));
	vm_set_private(f.vm, GPA, SZ_2M);
	f.o = observe(f.vm, t->observes);
	prefaulted(&f);
}

static void td_prefault(const struct test *t)
{
	bool shared = t->tc->arg;
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct memcg *cg = memcg_create();

	if (shared) {
		vm_set_shared(td.vm, GPA, SZ_2M);
		mem_touch(td.slot->mem->hva, SZ_4K);
	}
	until_it_succeeds(cg, td.o, prefault_page, td.vcpu, "KVM_PRE_FAULT_MEMORY");
	if (shared)
		expect_mapped(td.o, GFN, LEVEL_4K, pfn_of(td.slot->mem->hva));
	else
		expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_no_leak(cg, td.vm, td.vcpu, td.slot);
}

/* --- KVM_TDX_INIT_MEM_REGION -------------------------------------------------------- */

struct addition {
	struct vcpu *vcpu;
	struct kvm_tdx_init_mem_region region;
};

static int add_page(void *arg)
{
	struct addition *a = arg;

	return __td_add(a->vcpu, &a->region, 0);
}

static void td_add_page(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct memcg *cg = memcg_create();
	struct addition a = {
		.vcpu = td.vcpu,
		.region = { (uintptr_t)td_source(1, t->seed), GPA, 1 },
	};

	until_it_succeeds(cg, td.o, add_page, &a, "KVM_TDX_INIT_MEM_REGION");
	expect_eq(a.region.nr_pages, 0, "pages left");
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	td_finalize(td.vm);
	expect_no_leak(cg, td.vm, td.vcpu, td.slot);
}

/* --- a guest's access ----------------------------------------------------------------- */

#define GUEST_GPA	SZ_1G

static int run(void *vcpu)
{
	return ioctl(((struct vcpu *)vcpu)->fd, KVM_RUN, NULL);
}

static void guest_write(const struct test *t)
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	struct fixture f = fixture_part(t, GUEST_GPA, mem, 0, SZ_2M, 0);
	struct memcg *cg = memcg_create();
	unsigned int failures = 0;

	guest_access_create(f.vcpu);
	/* The guest's code is mapped before: leaves of more than this page may exist. */
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

#define MAPS	.observes = OBSERVE_MAPPING
#define TD	.vm_types = VM_TDX, MAPS, .uses_sept = true

static const struct test_case cases[] = {
	{ "prefault", "KVM_PRE_FAULT_MEMORY: ENOMEM, and nothing mapped", prefault_anon,
	  .vm_types = VM_DEFAULT | VM_SW_PROTECTED, MAPS },
	{ "prefault_gmem", "KVM_PRE_FAULT_MEMORY of guest_memfd", prefault_gmem,
	  .vm_types = VM_SW_PROTECTED, MAPS },
	{ "legacy_prefault", "legacy MMU: KVM_PRE_FAULT_MEMORY", prefault_anon,
	  .vm_types = VM_DEFAULT, MAPS, .boot = BOOT_TDP_MMU_OFF },
	{ "guest_write", "KVM_RUN: a guest's write", guest_write,
	  .vm_types = VM_DEFAULT | VM_SW_PROTECTED, MAPS },
	{ "td_prefault", "a TD: KVM_PRE_FAULT_MEMORY of a private page", td_prefault, NULL, TD },
	{ "td_prefault_shared", "a TD: KVM_PRE_FAULT_MEMORY of a shared page", td_prefault,
	  (void *)1, TD },
	{ "td_add", "a TD: KVM_TDX_INIT_MEM_REGION", td_add_page, TD },
};

TEST_MAIN("mapping under memory pressure", cases)
