/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trust Domains: the life of a TD in KVM's terms
 * (Documentation/virt/kvm/x86/intel-tdx.rst).  As in vm.h, functions that begin with
 * __ return what the kernel returned; the others fail the case unless it succeeds.
 */
#ifndef TD_H
#define TD_H

#include "slot.h"
#include "testcase.h"
#include "types.h"
#include "vm.h"

/* GPAs of TDs with 48 guest-physical bits: set in a shared gpa. */
#define TD_SHARED_BIT	(1ULL << 47)

/*
 * KVM_MEMORY_ENCRYPT_OP on the fd of a VM or a vCPU.  @hw_error (may be NULL)
 * gets the SEAMCALL status that KVM reports, 0 if none.
 */
int __td_cmd(int fd, u32 id, u32 flags, u64 data, u64 *hw_error);

/* KVM_TDX_CAPABILITIES, with room for @nr_cpuid entries; freed by the caller. */
struct kvm_tdx_capabilities *td_capabilities_alloc(unsigned int nr_cpuid);
int __td_capabilities(struct vm *vm, struct kvm_tdx_capabilities *caps);

/* A VM of type TDX with a split irqchip, no TD yet. */
struct vm *td_vm(void);

/*
 * What KVM_TDX_INIT_VM takes, for an ordinary TD: the attributes and XFAM that
 * are supported, CPUID as configurable as can be, GPAW 48.  Freed by the caller.
 */
struct kvm_tdx_init_vm *td_params(struct vm *vm);
int __td_init(struct vm *vm, struct kvm_tdx_init_vm *params, u64 *hw_error);
/*
 * The same, which must succeed; frees @params.  Waits a moment for an HKID or entropy;
 * on a host of others, skips the case when they have all HKIDs.
 */
void td_init(struct vm *vm, struct kvm_tdx_init_vm *params);

/* td_vm() and td_init() with td_params(). */
struct vm *td_create(void);

/* KVM_SET_CPUID2 of what KVM_TDX_GET_CPUID says, in a TD that is initialized. */
void td_vcpu_set_cpuid(struct vcpu *vcpu);
/* KVM_CREATE_VCPU and that. */
struct vcpu *td_vcpu_create(struct vm *vm);
/* KVM_TDX_INIT_VCPU; @rcx is the guest's initial RCX and R8. */
int __td_vcpu_init(struct vcpu *vcpu, u64 rcx);
/* Both. */
struct vcpu *td_vcpu(struct vm *vm);

/*
 * KVM_TDX_INIT_MEM_REGION; @region advances as far as the kernel came.
 * @flags: KVM_TDX_MEASURE_MEMORY_REGION.
 */
int __td_add(struct vcpu *vcpu, struct kvm_tdx_init_mem_region *region, u32 flags);
/* The same, to the end. @source: page-aligned hva. */
void td_add(struct vcpu *vcpu, const void *source, u64 gpa, u64 nr_pages,
	    u32 flags);

int __td_finalize(struct vm *vm, u64 *hw_error);
void td_finalize(struct vm *vm);

/*
 * A slot of private memory: guest_memfd for the private half, anonymous memory
 * for the shared one (slot->mem), all gfns set private.
 */
struct slot *td_slot_add(struct vm *vm, u64 gpa, u64 size);

#endif /* TD_H */
