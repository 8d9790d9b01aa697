/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM and mm uAPI that is newer than the headers of a stable distribution
 * (Debian 12 ships those of Linux 6.1).  Numbers and layouts are those of
 * include/uapi/linux/kvm.h and arch/x86/include/uapi/asm/kvm.h; each group
 * names the kernel that introduced it.  Whatever the system's headers know
 * already is left to them.
 */
#ifndef KVM_UAPI_H
#define KVM_UAPI_H

#include <linux/kvm.h>
#include <linux/types.h>
#include <sys/mman.h>

/* 6.12: memslot quirk. */

#ifndef KVM_X86_QUIRK_SLOT_ZAP_ALL
#define KVM_X86_QUIRK_SLOT_ZAP_ALL		(1 << 7)
#endif

/* 6.8: guest_memfd, memory attributes, VM types. */

#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_USER_MEMORY2			231
#define KVM_CAP_MEMORY_FAULT_INFO		232
#define KVM_CAP_MEMORY_ATTRIBUTES		233
#define KVM_CAP_GUEST_MEMFD			234
#define KVM_CAP_VM_TYPES			235

#define KVM_X86_DEFAULT_VM			0
#define KVM_X86_SW_PROTECTED_VM			1

#define KVM_MEM_GUEST_MEMFD			(1UL << 2)

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)

#define KVM_MEMORY_ATTRIBUTE_PRIVATE		(1ULL << 3)

struct kvm_memory_attributes {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};
#define KVM_SET_MEMORY_ATTRIBUTES \
	_IOW(KVMIO, 0xd2, struct kvm_memory_attributes)

struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};
#define KVM_CREATE_GUEST_MEMFD \
	_IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)

#define KVM_EXIT_MEMORY_FAULT			39
#define KVM_MEMORY_EXIT_FLAG_PRIVATE		(1ULL << 3)
#endif

/* What kvm_run holds after KVM_EXIT_MEMORY_FAULT (6.8), at the exit union. */
struct kvm_run_memory_fault {
	__u64 flags;
	__u64 gpa;
	__u64 size;
};

/* 6.11: KVM_PRE_FAULT_MEMORY. */

#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY		236

struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#define KVM_PRE_FAULT_MEMORY \
	_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

/* 6.16: TDX. */

#ifndef KVM_X86_TDX_VM
#define KVM_X86_TDX_VM				5

/* Sub-commands of KVM_MEMORY_ENCRYPT_OP. VM: 0, 1, 4; vCPU: 2, 3, 5. */
enum kvm_tdx_cmd_id {
	KVM_TDX_CAPABILITIES = 0,
	KVM_TDX_INIT_VM,
	KVM_TDX_INIT_VCPU,
	KVM_TDX_INIT_MEM_REGION,
	KVM_TDX_FINALIZE_VM,
	KVM_TDX_GET_CPUID,
};

struct kvm_tdx_cmd {
	__u32 id;
	__u32 flags;
	__u64 data;
	__u64 hw_error;		/* out: status of the SEAMCALL; 0 on input */
};

struct kvm_tdx_capabilities {
	__u64 supported_attrs;
	__u64 supported_xfam;
	__u64 kernel_tdvmcallinfo_1_r11;
	__u64 user_tdvmcallinfo_1_r11;
	__u64 kernel_tdvmcallinfo_1_r12;
	__u64 user_tdvmcallinfo_1_r12;
	__u64 reserved[250];
	struct kvm_cpuid2 cpuid;
};

struct kvm_tdx_init_vm {
	__u64 attributes;
	__u64 xfam;
	__u64 mrconfigid[6];
	__u64 mrowner[6];
	__u64 mrownerconfig[6];
	__u64 reserved[12];
	struct kvm_cpuid2 cpuid;
};

#define KVM_TDX_MEASURE_MEMORY_REGION		(1U << 0)

struct kvm_tdx_init_mem_region {
	__u64 source_addr;
	__u64 gpa;
	__u64 nr_pages;
};
#endif

/* 6.18: guest_memfd that the host may map. */

#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS		244
#define GUEST_MEMFD_FLAG_MMAP			(1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED		(1ULL << 1)
#endif

/* mm. */

#ifndef MADV_PAGEOUT				/* 5.4 */
#define MADV_PAGEOUT				21
#endif
#ifndef MADV_COLLAPSE				/* 6.1 */
#define MADV_COLLAPSE				25
#endif

/* What kvm_run holds after KVM_EXIT_TDX (6.16), at the exit union. */
#ifndef KVM_EXIT_TDX
#define KVM_EXIT_TDX				40
#endif
struct kvm_run_tdx {
	__u64 flags;
	__u64 nr;
	__u64 ret;		/* goes to the guest's R10 */
	__u64 data[5];
};

#ifndef KVM_SYSTEM_EVENT_TDX_FATAL
#define KVM_SYSTEM_EVENT_TDX_FATAL		7
#endif

#endif /* KVM_UAPI_H */
