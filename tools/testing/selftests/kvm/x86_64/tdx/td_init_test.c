// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_CAPABILITIES, KVM_TDX_INIT_VM and KVM_TDX_INIT_VCPU: what they return, and every
 * argument that they refuse.  The errnos are those of
 * arch/x86/kvm/vmx/tdx.c; the documentation names few.
 */
#include <cpuid.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "known_issues.h"
#include "td.h"
#include "testcase.h"
#include "thread.h"
#include "undo.h"

#define MANY_CPUID	256		/* KVM_MAX_CPUID_ENTRIES */

CASE(capabilities, "KVM_TDX_CAPABILITIES: attributes, XFAM and CPUID that a TD can have",
	.vm_types = VM_TDX)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MANY_CPUID);
	struct vm *vm = td_vm();
	bool gpaw = false;

	expect_ok(__td_capabilities(vm, caps), "KVM_TDX_CAPABILITIES");
	expect_true(caps->supported_attrs & (1ULL << 28), "SEPT_VE_DISABLE is supported (0x%llx)",
		    caps->supported_attrs);
	expect_eq(caps->supported_xfam & 3, 3, "x87 and SSE in the supported XFAM");
	expect_true(caps->cpuid.nent > 0 && caps->cpuid.nent < MANY_CPUID,
		    "some CPUID leaves are configurable (%u)", caps->cpuid.nent);
	for (u32 i = 0; i < caps->cpuid.nent; i++)
		gpaw |= caps->cpuid.entries[i].function == 0x80000008;
	expect_true(gpaw, "leaf 80000008 (GPAW) is configurable");
	measure("cpuid_leaves", caps->cpuid.nent);
}

CASE(capabilities_no_room, "KVM_TDX_CAPABILITIES with too little room: E2BIG",
	.vm_types = VM_TDX)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(1);

	expect_errno(__td_capabilities(td_vm(), caps), E2BIG, "room for one CPUID entry");
}

CASE(capabilities_flags, "KVM_TDX_CAPABILITIES with a flag: EINVAL", .vm_types = VM_TDX)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MANY_CPUID);

	expect_errno(__td_cmd(td_vm()->fd, KVM_TDX_CAPABILITIES, 1, (uintptr_t)caps, NULL),
		     EINVAL, "a flag");
}

CASE(capabilities_bad_pointer, "KVM_TDX_CAPABILITIES without buffer: EFAULT", .vm_types = VM_TDX)
{
	expect_errno(__td_cmd(td_vm()->fd, KVM_TDX_CAPABILITIES, 0, 0, NULL), EFAULT, "NULL");
}

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_tdx_init_vm *params, u32 leaf)
{
	for (u32 i = 0; i < params->cpuid.nent; i++)
		if (params->cpuid.entries[i].function == leaf)
			return &params->cpuid.entries[i];
	errno = 0;
	harness_error(__FILE__, __LINE__, "CPUID leaf 0x%x is not configurable", leaf);
}

static void bad_attribute(struct kvm_tdx_init_vm *p) { p->attributes |= 1ULL << 62; }
static void bad_xfam(struct kvm_tdx_init_vm *p) { p->xfam |= 1ULL << 63; }
static void bad_reserved(struct kvm_tdx_init_vm *p) { p->reserved[3] = 1; }
static void bad_padding(struct kvm_tdx_init_vm *p) { p->cpuid.padding = 1; }
static void bad_nent(struct kvm_tdx_init_vm *p) { p->cpuid.nent = MANY_CPUID + 1; }
static void no_cpuid(struct kvm_tdx_init_vm *p)
{
	p->cpuid.nent = 0;
}

static void bad_gpaw(struct kvm_tdx_init_vm *p)
{
	find_leaf(p, 0x80000008)->eax = 50 << 16;
}
static void bad_leaf(struct kvm_tdx_init_vm *p)
{
	p->cpuid.entries[p->cpuid.nent++] = (struct kvm_cpuid_entry2){ .function = 0x40000000 };
}
static void bad_cpuid_bit(struct kvm_tdx_init_vm *p) { find_leaf(p, 1)->edx = 1 << 10; }
/* CPUID 1 EAX of another CPU: with this bit changed. */
static void foreign_cpu(struct kvm_tdx_init_vm *p, u32 bit)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	find_leaf(p, 1)->eax = eax ^ bit;
}

static void bad_stepping(struct kvm_tdx_init_vm *p) { foreign_cpu(p, 1 << 0); }
static void bad_model(struct kvm_tdx_init_vm *p) { foreign_cpu(p, 1 << 4); }
static void bad_family(struct kvm_tdx_init_vm *p) { foreign_cpu(p, 1 << 8); }
static void bad_extended_model(struct kvm_tdx_init_vm *p) { foreign_cpu(p, 1 << 16); }
static void bad_extended_family(struct kvm_tdx_init_vm *p) { foreign_cpu(p, 1 << 20); }

struct refusal {
	void (*corrupt)(struct kvm_tdx_init_vm *params);
	int error;
	bool by_module;		/* refused by the TDX module: hw_error is set */
};

/* Refused, and the VM is as before: with good parameters it works. */
static void init_vm_refused(const struct test *t)
{
	const struct refusal *r = t->tc->arg;
	struct vm *vm = td_vm();
	struct kvm_tdx_init_vm *params = td_params(vm);
	u64 hw_error;

	r->corrupt(params);
	expect_errno(__td_init(vm, params, &hw_error), r->error, "KVM_TDX_INIT_VM");
	expect_eq(hw_error != 0, r->by_module, "hw_error (0x%llx) is set",
		  hw_error);
	expect_ok(__td_init(vm, td_params(vm), &hw_error), "KVM_TDX_INIT_VM with good parameters");
}

CASES(init_vm_refused,
	{ "init_vm_bad_attribute", "an unsupported attribute: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_attribute, .error = EINVAL } },
	{ "init_vm_bad_xfam", "an unsupported XFAM bit: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_xfam, .error = EINVAL } },
	{ "init_vm_reserved", "a reserved field: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_reserved, .error = EINVAL } },
	{ "init_vm_padding", "CPUID padding: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_padding, .error = EINVAL } },
	{ "init_vm_many_cpuid", "too many CPUID entries: E2BIG", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_nent, .error = E2BIG } },
	{ "init_vm_no_cpuid", "no leaf 80000008: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = no_cpuid, .error = EINVAL } },
	{ "init_vm_bad_gpaw", "a GPAW of 50: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_gpaw, .error = EINVAL } },
	{ "init_vm_bad_leaf", "a leaf that is not configurable: EINVAL", .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_leaf, .error = EINVAL } },
	{ "init_vm_bad_cpuid_bit", "a CPUID bit that is not configurable: EINVAL and hw_error",
	  .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_cpuid_bit, .error = EINVAL, .by_module = true } },
	{ "init_vm_bad_stepping", "another stepping than the host's: EINVAL and hw_error",
	  .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_stepping, .error = EINVAL, .by_module = true } },
	{ "init_vm_bad_model", "another model than the host's: EINVAL and hw_error",
	  .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_model, .error = EINVAL, .by_module = true } },
	{ "init_vm_bad_family", "another family than the host's: EINVAL and hw_error",
	  .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_family, .error = EINVAL, .by_module = true } },
	{ "init_vm_bad_extended_model", "another extended model than the host's: EINVAL and hw_error",
	  .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_extended_model, .error = EINVAL, .by_module = true } },
	{ "init_vm_bad_extended_family", "another extended family than the host's: EINVAL and hw_error",
	  .vm_types = VM_TDX,
	  .arg = &(const struct refusal){ .corrupt = bad_extended_family, .error = EINVAL, .by_module = true } })

CASE(init_vm_flags, "KVM_TDX_INIT_VM with a flag: EINVAL", .vm_types = VM_TDX)
{
	struct vm *vm = td_vm();

	expect_errno(__td_cmd(vm->fd, KVM_TDX_INIT_VM, 1, (uintptr_t)td_params(vm), NULL), EINVAL,
		     "a flag");
}

CASE(init_vm_bad_pointer, "KVM_TDX_INIT_VM without parameters: EFAULT", .vm_types = VM_TDX)
{
	expect_errno(__td_cmd(td_vm()->fd, KVM_TDX_INIT_VM, 0, 0, NULL), EFAULT, "NULL");
}

CASE(init_vm_twice, "a second KVM_TDX_INIT_VM: EINVAL", .vm_types = VM_TDX)
{
	struct vm *vm = td_create();

	expect_errno(__td_init(vm, td_params(vm), NULL), EINVAL, "a second KVM_TDX_INIT_VM");
}

static int create_vcpu(struct vm *vm)
{
	return ioctl(vm->fd, KVM_CREATE_VCPU, vm->nr_vcpus++);
}

CASE(vcpu_before_init_vm, "KVM_CREATE_VCPU before KVM_TDX_INIT_VM: EIO", .vm_types = VM_TDX)
{
	expect_errno(create_vcpu(td_vm()), EIO, "KVM_CREATE_VCPU before KVM_TDX_INIT_VM");
}

CASE(vcpu_without_split_irqchip, "KVM_CREATE_VCPU without split irqchip: EINVAL",
	.vm_types = VM_TDX)
{
	struct vm *vm = vm_create(KVM_X86_TDX_VM);

	expect_ok(__td_init(vm, td_params(vm), NULL), "KVM_TDX_INIT_VM without irqchip");
	expect_errno(create_vcpu(vm), EINVAL, "KVM_CREATE_VCPU without split irqchip");
}

CASE(too_many_vcpus, "one vCPU more than KVM_CAP_MAX_VCPUS: EINVAL", .vm_types = VM_TDX)
{
	struct vm *vm = td_create();
	int max = vm_check_cap(vm, KVM_CAP_MAX_VCPUS);

	expect_true(max > 0 && max <= sysconf(_SC_NPROCESSORS_CONF),
		    "no more vCPUs than CPUs (%d)", max);
	for (int i = 0; i < max; i++)
		td_vcpu(vm);
	expect_errno(create_vcpu(vm), EINVAL, "vCPU %d of %d", max, max);
	measure("vcpus", max);
}

/*
 * A vCPU that is not created leaves the list of TD vCPUs of its CPU: the kernel walks that
 * list when the CPU goes offline ("KVM: TDX: Fix list_add corruption during vcpu_load()",
 * 6.19), and then complains, or dies, over one that is gone.
 */
CASE(same_vcpu_id, "KVM_CREATE_VCPU with an id in use: EEXIST, and the vCPU leaves its CPU",
	.vm_types = VM_TDX,
	.side_effects = "takes a CPU offline: interrupts and cpusets of others leave it for good",
	.cpus = 2)
{
	struct vcpu *first;
	const char *online;
	struct vm *vm;

	skip_if_issue("E5");
	online = strf("/sys/devices/system/cpu/cpu%d/online", nth_cpu(1));
	if (access(online, W_OK))
		test_skip("needs a CPU that can go offline: %s (CONFIG_HOTPLUG_CPU)", online);
	vm = td_create();
	run_on_nth_cpu(1);
	first = td_vcpu_create(vm);
	expect_true(!__vcpu_create(vm, first->id) && errno == EEXIST,
		    "KVM_CREATE_VCPU with an id in use: EEXIST");
	td_vcpu_create(vm);
	run_on_nth_cpu(0);
	must(!set_and_undo(online, "0"), "writing 0 to %s", online);
	must(!set_and_undo(online, "1"), "writing 1 to %s", online);
}

CASE(init_vcpu_flags, "KVM_TDX_INIT_VCPU with a flag: EINVAL", .vm_types = VM_TDX)
{
	struct vcpu *vcpu = td_vcpu_create(td_create());

	expect_errno(__td_cmd(vcpu->fd, KVM_TDX_INIT_VCPU, 1, 0, NULL), EINVAL, "a flag");
	expect_ok(__td_vcpu_init(vcpu, 0), "KVM_TDX_INIT_VCPU afterwards");
}

CASE(init_vcpu_twice, "a second KVM_TDX_INIT_VCPU: EINVAL", .vm_types = VM_TDX)
{
	expect_errno(__td_vcpu_init(td_vcpu(td_create()), 0), EINVAL,
		     "a second KVM_TDX_INIT_VCPU");
}

/* A vCPU without CPUID has no x2APIC, which the module needs. */
CASE(init_vcpu_without_cpuid, "KVM_TDX_INIT_VCPU without x2APIC: EINVAL", .vm_types = VM_TDX)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = vcpu_create(vm);

	expect_errno(__td_vcpu_init(vcpu, 0), EINVAL, "KVM_TDX_INIT_VCPU without x2APIC");
}

CASE(init_vcpu_after_finalize, "KVM_TDX_INIT_VCPU after finalize: EINVAL",
	.vm_types = VM_TDX, .cpus = 2)
{
	struct vcpu *vcpu = td_vcpu(td_create()), *second = td_vcpu_create(vcpu->vm);

	td_finalize(vcpu->vm);
	expect_errno(__td_vcpu_init(second, 0), EINVAL, "KVM_TDX_INIT_VCPU after finalize");
}

TEST_MAIN("creating a TD and its vCPUs: capabilities, parameters")
