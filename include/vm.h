/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM objects: thin wrappers of the ioctls (Documentation/virt/kvm/api.rst).
 *
 * Functions that begin with __ return what the kernel returned, with errno.  The others
 * fail the case unless KVM succeeds.  Objects live as long as the process of the case,
 * which frees them; fds are close-on-exec.
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>

#include "kvm_uapi.h"
#include "types.h"

struct vm {
	int fd;
	unsigned int type;		/* KVM_X86_*_VM */
	u32 nr_slots;		/* next free memslot id */
	u32 nr_vcpus;
	u32 gpaw;			/* guest-physical address bits of a TD; 0: no TD */
};

struct vcpu {
	int fd;
	u32 id;
	struct vm *vm;
	struct kvm_run *run;
	size_t run_size;		/* bytes mapped at @run */
};

/* /dev/kvm, opened once. Returns the fd, or -1 with errno. */
int kvm_dev(void);
/* KVM_CHECK_EXTENSION on /dev/kvm; 0 when there is no /dev/kvm. */
int kvm_cap(int cap);
/* The two-dimensional paging that KVM uses on this host. */
enum tdp { TDP_NONE, TDP_EPT, TDP_NPT };
enum tdp kvm_tdp(void);
/* What a leaf SPTE of it allows, or has recorded. */
bool spte_executable(u64 spte);
bool spte_accessed(u64 spte);
/* Whether the CPU's EPT can have five levels, and guests 52 physical bits, not only four and 48. */
bool cpu_has_5_level_ept(void);
/*
 * A parameter of kvm, kvm_intel or kvm_amd, e.g. ("kvm", "tdp_mmu"): its text
 * without newline in a static buffer, or "" when it does not exist.
 */
const char *kvm_param(const char *module, const char *name);

struct vm *vm_create(unsigned int type);
/* The VM that KVM_CREATE_VM returned @fd for. */
struct vm *vm_of_fd(int fd, unsigned int type);
int __vm_ioctl(struct vm *vm, unsigned long cmd, void *arg);
int vm_check_cap(struct vm *vm, int cap);
void vm_enable_cap(struct vm *vm, u32 cap, u64 arg0);

/* KVM_CREATE_VCPU with the next free id; or with @id, NULL and errno on failure. */
struct vcpu *vcpu_create(struct vm *vm);
struct vcpu *__vcpu_create(struct vm *vm, u32 id);
/* The vCPU that KVM_CREATE_VCPU of @id returned @fd for. */
struct vcpu *vcpu_of_fd(int fd, struct vm *vm, u32 id);

/* Room for as many entries as KVM takes; freed by the caller. */
struct kvm_cpuid2 *cpuid_alloc(void);

/* KVM_GET_SUPPORTED_CPUID; freed by the caller. */
struct kvm_cpuid2 *cpuid_supported(void);

/* KVM_SET_CPUID2; frees @cpuid. */
void vcpu_set_cpuid(struct vcpu *vcpu, struct kvm_cpuid2 *cpuid);

/* KVM frees a VM when the last of its fds and mappings is gone. */
void vcpu_close(struct vcpu *vcpu);
void vm_close(struct vm *vm);

/* KVM has given the VM up (KVM_BUG_ON()): each of its ioctls is EIO. */
bool vm_dead(const struct vm *vm);

/* KVM_SET_MEMORY_ATTRIBUTES; attributes is 0 or KVM_MEMORY_ATTRIBUTE_PRIVATE. */
int __vm_set_attributes(struct vm *vm, u64 gpa, u64 size,
			u64 attributes);
void vm_set_private(struct vm *vm, u64 gpa, u64 size);
void vm_set_shared(struct vm *vm, u64 gpa, u64 size);

/*
 * KVM_PRE_FAULT_MEMORY, once.  range->gpa and range->size advance as the
 * kernel left them; what remains is in them also when -1 is returned.
 */
int __vcpu_prefault(struct vcpu *vcpu, struct kvm_pre_fault_memory *range);
/* Prefault the whole range, resuming after partial progress; expect success. */
void prefault(struct vcpu *vcpu, u64 gpa, u64 size);

/* The memory-fault exit of the last failed ioctl of @vcpu. */
struct kvm_run_memory_fault vcpu_memory_fault(struct vcpu *vcpu);
/* The last failed ioctl of @vcpu left KVM_EXIT_MEMORY_FAULT of the page at @gpa. */
#define expect_memory_fault_exit(vcpu, gpa, flags) \
	expect_memory_fault_exit_(__FILE__, __LINE__, vcpu, gpa, flags)
void expect_memory_fault_exit_(const char *file, int line, struct vcpu *vcpu, u64 gpa,
			       u64 flags);

/*
 * A statistic of KVM_GET_STATS_FD by name ("pages_4k",
 * "remote_tlb_flush_requests", "pf_taken"...).
 */
u64 vm_stat(struct vm *vm, const char *name);
u64 vcpu_stat(struct vcpu *vcpu, const char *name);

#endif /* VM_H */
