// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy fails, one after the other, while a VM or a vCPU is created and
 * while a VM with mapped memory is destroyed (sweep.h).  The caller is told why, nothing is left
 * behind, and the same call succeeds afterwards.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_access.h"
#include "sweep.h"
#include "td.h"
#include "testcase.h"

#define PAGES	4
#define LOW_GPA	SZ_1G	/* where the smallest guest can access memory */

static bool is_td(const struct stage *s)
{
	return s->t->vm_type == KVM_X86_TDX_VM;
}

/* VMs. */

static int create_vm(struct stage *s)
{
	int fd = ioctl(kvm_dev(), KVM_CREATE_VM, s->t->vm_type);

	if (fd >= 0)
		s->vm = vm_of_fd(fd, s->t->vm_type);
	return fd;
}

/* A guest of the VM reads what the host has written. */
static void expect_guest_reads(struct stage *s)
{
	guest_access_create(s->vcpu);
	slot_add(s->vm, LOW_GPA, s->mem);
	s->mem->hva[0] = 0x5a;
	expect_eq(guest_access(s->vcpu, LOW_GPA, ACCESS_READ, 0), 0x5a, "byte that the guest reads");
}

static void need_memory(struct stage *s)
{
	s->mem = s->mem ?: mem_populated(MEM_ANON, PAGES * SZ_4K, NULL);
}

static void vm_works(struct stage *s)
{
	need_memory(s);
	if (is_td(s)) {
		vm_enable_cap(s->vm, KVM_CAP_SPLIT_IRQCHIP, 24);
		td_init(s->vm, td_params(s->vm));
		s->vcpu = td_vcpu(s->vm);
		td_finalize(s->vm);
		return;
	}
	s->vcpu = vcpu_create(s->vm);
	expect_guest_reads(s);
}

/* vCPUs. */

static void new_vm(struct stage *s)
{
	need_memory(s);
	s->vm = is_td(s) ? td_create() : vm_create(s->t->vm_type);
}

static int create_vcpu(struct stage *s)
{
	s->fd = ioctl(s->vm->fd, KVM_CREATE_VCPU, 0);
	return s->fd;
}

static void vcpu_works(struct stage *s)
{
	s->vcpu = vcpu_of_fd(s->fd, s->vm, 0);
	s->fd = -1;
	if (!is_td(s)) {
		expect_guest_reads(s);
		return;
	}
	td_vcpu_set_cpuid(s->vcpu);
	expect_ok(__td_vcpu_init(s->vcpu, 0), "KVM_TDX_INIT_VCPU");
	td_finalize(s->vm);
}

/* The end of a VM. */

static void vm_with_memory(struct stage *s)
{
	struct slot *slot;

	new_vm(s);
	if (is_td(s)) {
		s->vcpu = td_vcpu(s->vm);
		slot = td_slot_add(s->vm, GPA, PAGES * SZ_4K);
		s->gmem = slot->gmem;
		td_finalize(s->vm);
	} else {
		s->vcpu = vcpu_create(s->vm);
		slot_add(s->vm, GPA, s->mem);
	}
	prefault(s->vcpu, GPA, PAGES * SZ_4K);
	/* Not to be tested: munmap() may be refused, and keeps the vCPU. */
	munmap(s->vcpu->run, s->vcpu->run_size);
}

static int destroy(struct stage *s)
{
	int ret = close(s->vcpu->fd);

	if (s->gmem)
		ret |= close(s->gmem->fd);
	ret |= close(s->vm->fd);
	s->vm = NULL;
	s->vcpu = NULL;
	s->gmem = NULL;
	return ret;
}

CASES(sweep,
	SWEEP("create_vm", "KVM_CREATE_VM", VM_ALL,
	      ROW(.call = create_vm, .done = vm_works)),
	SWEEP("create_vcpu", "KVM_CREATE_VCPU", VM_ALL,
	      ROW(.set_up = new_vm, .call = create_vcpu, .done = vcpu_works)),
	SWEEP("destroy", "the end of a VM with mapped memory", VM_ALL,
	      ROW(.set_up = vm_with_memory, .call = destroy)))

TEST_MAIN("each allocation and copy fails while a VM or a vCPU is created or destroyed")
