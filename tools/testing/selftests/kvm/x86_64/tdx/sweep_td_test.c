// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy fails, one after the other, while a TD is created, gets vCPUs and
 * memory, is finalized and runs (sweep.h).  No page and no KeyID is lost, and the same call
 * succeeds afterwards: the Secure EPT has what was asked for.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest_vm.h"
#include "init_mem.h"
#include "mrtd.h"
#include "sept.h"
#include "sweep.h"
#include "td.h"
#include "td_fixture.h"
#include "testcase.h"

#define PAGES		3
#define SIZE		(PAGES * SZ_4K)
#define NR_CPUID	256

/* What an initialised TD or vCPU, and a final TD, answer to the same ioctl again. */
static int invalid(void)
{
	return EINVAL;
}

/* KVM_TDX_CAPABILITIES and KVM_TDX_INIT_VM. */

static void no_td(struct stage *s)
{
	s->vm = td_vm();
	if (!s->data)
		s->data = td_params(s->vm);
}

static int get_capabilities(struct stage *s)
{
	static struct kvm_tdx_capabilities *caps;

	caps = caps ?: td_capabilities_alloc(NR_CPUID);
	caps->cpuid.nent = NR_CPUID;
	return __td_capabilities(s->vm, caps);
}

static int init_vm(struct stage *s)
{
	return __td_init(s->vm, s->data, NULL);
}

static void td_works(struct stage *s)
{
	s->vm->gpaw = 48;	/* as td_params() asks for, also if the caller was told EFAULT */
	s->vcpu = td_vcpu(s->vm);
	s->gmem = td_slot_add(s->vm, GPA, SIZE)->gmem;
	td_finalize(s->vm);
	prefault(s->vcpu, GPA, SIZE);
	expect_sept(s->vm, GPA, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

static void can_be_created(struct stage *s)
{
	expect_ok(init_vm(s), "KVM_TDX_INIT_VM");
	td_works(s);
}

/* vCPUs. */

static void td_with_vcpu(struct stage *s)
{
	s->vm = td_create();
	s->vcpu = td_vcpu_create(s->vm);
}

static int init_vcpu(struct stage *s)
{
	return __td_vcpu_init(s->vcpu, 0);
}

static void vcpu_works(struct stage *s)
{
	s->gmem = td_slot_add(s->vm, GPA, SIZE)->gmem;
	td_finalize(s->vm);
	prefault(s->vcpu, GPA, SIZE);
	expect_sept(s->vm, GPA, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

static void bare_vcpu(struct stage *s)
{
	s->vm = td_create();
	s->vcpu = vcpu_create(s->vm);
	s->data = s->data ?: cpuid_alloc();
	((struct kvm_cpuid2 *)s->data)->nent = NR_CPUID;
}

static int get_cpuid(struct stage *s)
{
	return __td_cmd(s->vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)s->data, NULL);
}

/* As many leafs as without a failure, which comes first. */
static void has_cpuid(struct stage *s)
{
	static u32 nr;
	struct kvm_cpuid2 *cpuid = s->data;

	nr = nr ?: cpuid->nent;
	expect_eq(cpuid->nent, nr, "entries of KVM_TDX_GET_CPUID");
}

/* Memory. */

static void td_with_slot(struct stage *s)
{
	s->vm = td_create();
	s->vcpu = td_vcpu(s->vm);
	s->slot = td_slot_add(s->vm, GPA, SIZE);
	s->gmem = s->slot->gmem;
	s->data = s->data ?: td_source(PAGES, s->t->seed);
	s->note = 0;
}

/* KVM_TDX_INIT_MEM_REGION is the first that needs a root. */
static void td_to_fill(struct stage *s)
{
	skip_if_issue("M2");
	td_with_slot(s);
}

static int add(struct stage *s, u32 flags)
{
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)s->data + s->note * SZ_4K, .gpa = GPA + s->note * SZ_4K,
		.nr_pages = PAGES - s->note,
	};
	int ret = __td_add(s->vcpu, &region, flags);

	s->note = PAGES - region.nr_pages;
	return ret;
}

static int add_plain(struct stage *s)
{
	return add(s, 0);
}

static int add_measured(struct stage *s)
{
	return add(s, KVM_TDX_MEASURE_MEMORY_REGION);
}

static void is_added(struct stage *s)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		expect_sept(s->vm, GPA + i * SZ_4K, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
		expect_td_content(s->vm, GPA + i * SZ_4K, (u8 *)s->data + i * SZ_4K,
				  "page %u of the TD", i);
	}
	td_finalize(s->vm);
}

static void is_measured(struct stage *s)
{
	struct mrtd *m = mrtd_new();

	is_added(s);
	mrtd_add_pages(m, GPA, s->data, PAGES, true);
	expect_mrtd(m);
}

static int finalize(struct stage *s)
{
	return __td_finalize(s->vm, NULL);
}

static void is_final(struct stage *s)
{
	prefault(s->vcpu, GPA, SIZE);
	for (unsigned int i = 0; i < PAGES; i++)
		expect_sept(s->vm, GPA + i * SZ_4K, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

static void final_td(struct stage *s)
{
	td_with_slot(s);
	td_finalize(s->vm);
}

static int prefault_once(struct stage *s)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SIZE };

	return __vcpu_prefault(s->vcpu, &range);
}

CASES(sweep,
	SWEEP("capabilities", "KVM_TDX_CAPABILITIES", VM_TDX,
	      ROW(.set_up = no_td, .call = get_capabilities, .done = can_be_created)),
	SWEEP("init_vm", "KVM_TDX_INIT_VM", VM_TDX,
	      ROW(.set_up = no_td, .call = init_vm, .done = td_works, .twice_errno = invalid)),
	SWEEP("get_cpuid", "KVM_TDX_GET_CPUID", VM_TDX,
	      ROW(.set_up = bare_vcpu, .call = get_cpuid, .done = has_cpuid)),
	SWEEP("init_vcpu", "KVM_TDX_INIT_VCPU", VM_TDX,
	      ROW(.set_up = td_with_vcpu, .call = init_vcpu, .done = vcpu_works,
		  .twice_errno = invalid)),
	SWEEP("init_mem_region", "KVM_TDX_INIT_MEM_REGION", VM_TDX,
	      ROW(.set_up = td_to_fill, .call = add_plain, .done = is_added,
		  .twice_errno = init_mem_twice_error)),
	SWEEP("init_mem_region_measured", "KVM_TDX_INIT_MEM_REGION with measurement", VM_TDX,
	      ROW(.set_up = td_to_fill, .call = add_measured, .done = is_measured,
		  .twice_errno = init_mem_twice_error)),
	SWEEP("finalize", "KVM_TDX_FINALIZE_VM", VM_TDX,
	      ROW(.set_up = td_with_slot, .call = finalize, .done = is_final,
		  .twice_errno = invalid)),
	SWEEP("prefault", "KVM_PRE_FAULT_MEMORY of private memory", VM_TDX,
	      ROW(.set_up = final_td, .call = prefault_once, .done = is_final)))

TEST_MAIN("each allocation and copy fails while a TD is created, built and filled")
