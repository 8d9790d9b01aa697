// SPDX-License-Identifier: GPL-2.0-only
/* Trust Domains by KVM_MEMORY_ENCRYPT_OP. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/case_run.h"
#include "keyids.h"
#include "td.h"
#include "testcase.h"
#include "timeline.h"

#define MAX_CPUID_ENTRIES	256
#define IOAPIC_PINS		24
#define TD_INIT_PATIENCE_S	1.0
#define GPAW_LEAF		0x80000008	/* in EAX[23:16] */
#define GPAW_MASK		0xff0000U
#define GPAW_48			(48U << 16)

static const char *cmd_name(u32 id)
{
	static const char *const names[] = {
		[KVM_TDX_CAPABILITIES] = "KVM_TDX_CAPABILITIES", [KVM_TDX_INIT_VM] = "KVM_TDX_INIT_VM",
		[KVM_TDX_INIT_VCPU] = "KVM_TDX_INIT_VCPU",
		[KVM_TDX_INIT_MEM_REGION] = "KVM_TDX_INIT_MEM_REGION",
		[KVM_TDX_FINALIZE_VM] = "KVM_TDX_FINALIZE_VM", [KVM_TDX_GET_CPUID] = "KVM_TDX_GET_CPUID",
	};

	return id < ARRAY_SIZE(names) ? names[id] : "KVM_MEMORY_ENCRYPT_OP";
}

int __td_cmd(int fd, u32 id, u32 flags, u64 data, u64 *hw_error)
{
	struct kvm_tdx_cmd cmd = { .id = id, .flags = flags, .data = data };
	int ret;

	timeline_begin("%s flags 0x%x", cmd_name(id), flags);
	ret = timeline_returned(ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd), "%s", cmd_name(id));
	if (hw_error)
		*hw_error = cmd.hw_error;
	return ret;
}

struct kvm_tdx_capabilities *td_capabilities_alloc(unsigned int nr_cpuid)
{
	struct kvm_tdx_capabilities *caps;

	caps = calloc(1, sizeof(*caps) + nr_cpuid * sizeof(caps->cpuid.entries[0]));
	caps->cpuid.nent = nr_cpuid;
	return caps;
}

int __td_capabilities(struct vm *vm, struct kvm_tdx_capabilities *caps)
{
	return __td_cmd(vm->fd, KVM_TDX_CAPABILITIES, 0, (uintptr_t)caps, NULL);
}

struct vm *td_vm(void)
{
	struct vm *vm = vm_create(KVM_X86_TDX_VM);

	vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS);
	return vm;
}

/* Of what KVM supports in a leaf, what the TDX module lets us configure. */
static void configure(struct kvm_cpuid_entry2 *entry, const struct kvm_cpuid2 *supported)
{
	struct kvm_cpuid_entry2 can = *entry;

	/* Without it KVM takes the first entry of the function, whatever the index. */
	entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
	for (u32 i = 0; i < supported->nent; i++) {
		const struct kvm_cpuid_entry2 *s = &supported->entries[i];

		if (s->function != can.function || s->index != can.index)
			continue;
		entry->eax = s->eax & can.eax;
		entry->ebx = s->ebx & can.ebx;
		entry->ecx = s->ecx & can.ecx;
		entry->edx = s->edx & can.edx;
	}
	if (can.function == GPAW_LEAF)
		entry->eax = (entry->eax & ~GPAW_MASK) | GPAW_48;
}

struct kvm_tdx_init_vm *td_params(struct vm *vm)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MAX_CPUID_ENTRIES);
	struct kvm_cpuid2 *supported = cpuid_supported();
	struct kvm_tdx_init_vm *params;

	expect_ok(__td_capabilities(vm, caps), "KVM_TDX_CAPABILITIES");
	params = calloc(1, sizeof(*params) +
			   MAX_CPUID_ENTRIES * sizeof(params->cpuid.entries[0]));
	params->attributes = caps->supported_attrs & (1ULL << 28);	/* SEPT_VE_DISABLE */
	params->xfam = caps->supported_xfam;
	params->cpuid.nent = caps->cpuid.nent;
	for (u32 i = 0; i < caps->cpuid.nent; i++) {
		params->cpuid.entries[i] = caps->cpuid.entries[i];
		configure(&params->cpuid.entries[i], supported);
	}
	free(supported);
	free(caps);
	return params;
}

static u32 gpaw_of(const struct kvm_tdx_init_vm *params)
{
	for (u32 i = 0; i < params->cpuid.nent; i++)
		if (params->cpuid.entries[i].function == GPAW_LEAF)
			return (params->cpuid.entries[i].eax & GPAW_MASK) >> 16;
	return 0;
}

int __td_init(struct vm *vm, struct kvm_tdx_init_vm *params, u64 *hw_error)
{
	int ret = __td_cmd(vm->fd, KVM_TDX_INIT_VM, 0, (uintptr_t)params, hw_error);

	if (!ret)
		vm->gpaw = gpaw_of(params);
	return ret;
}

/* What another try may find better: entropy, or an HKID that somebody gave back. */
static bool may_succeed_later(int error)
{
	return error == EAGAIN || error == ENOSPC || error == EBUSY;
}

void td_init(struct vm *vm, struct kvm_tdx_init_vm *params)
{
	double deadline = now() + TD_INIT_PATIENCE_S;
	u64 hw_error;
	int ret;

	while ((ret = __td_init(vm, params, &hw_error)) && may_succeed_later(errno) &&
	       now() < deadline)
		usleep(10000);		/* nothing tells when */
	/* In the testbed they are all ours: one that is missing was lost. */
	if (ret && errno == ENOSPC && !in_testbed())
		test_skip("%s HKIDs of this host are in use: end other TDs", keyids_text());
	if (ret && errno == EBUSY && !in_testbed())
		test_skip("the misc cgroup of this process allows no more HKIDs (\"tdx\" in misc.max): raise it, or end other TDs");
	expect_ok(ret, "KVM_TDX_INIT_VM (hw_error 0x%llx)", hw_error);
	free(params);
}

struct vm *td_create(void)
{
	struct vm *vm = td_vm();

	td_init(vm, td_params(vm));
	return vm;
}

struct vcpu *td_vcpu_create(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create(vm);

	td_vcpu_set_cpuid(vcpu);
	return vcpu;
}

int __td_vcpu_init(struct vcpu *vcpu, u64 rcx)
{
	return __td_cmd(vcpu->fd, KVM_TDX_INIT_VCPU, 0, rcx, NULL);
}

struct vcpu *td_vcpu(struct vm *vm)
{
	struct vcpu *vcpu = td_vcpu_create(vm);

	expect_ok(__td_vcpu_init(vcpu, 0), "KVM_TDX_INIT_VCPU of vCPU %u", vcpu->id);
	return vcpu;
}

int __td_add(struct vcpu *vcpu, struct kvm_tdx_init_mem_region *region, u32 flags)
{
	return __td_cmd(vcpu->fd, KVM_TDX_INIT_MEM_REGION, flags, (uintptr_t)region, NULL);
}

void td_add(struct vcpu *vcpu, const void *source, u64 gpa, u64 nr_pages,
	    u32 flags)
{
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)source, .gpa = gpa, .nr_pages = nr_pages,
	};

	expect_ok(__td_add(vcpu, &region, flags),
		  "KVM_TDX_INIT_MEM_REGION of gpa 0x%llx (%llu of %llu pages left)",
		  region.gpa, region.nr_pages, nr_pages);
}

int __td_finalize(struct vm *vm, u64 *hw_error)
{
	return __td_cmd(vm->fd, KVM_TDX_FINALIZE_VM, 0, 0, hw_error);
}

void td_finalize(struct vm *vm)
{
	u64 hw_error;

	expect_ok(__td_finalize(vm, &hw_error), "KVM_TDX_FINALIZE_VM (hw_error 0x%llx)",
		  hw_error);
}

struct slot *td_slot_add(struct vm *vm, u64 gpa, u64 size)
{
	struct slot *slot = slot_add_gmem(vm, gpa, mem_create(MEM_ANON, size, NULL),
					  mem_create(MEM_GMEM, size, vm));

	vm_set_private(vm, gpa, size);
	return slot;
}
