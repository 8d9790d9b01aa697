/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the model keeps in the pages that the kernel donates: PAMT entries, the TDR, the TDCS
 * (all of it in its page 0), the TDVPS (in the TDVPR), Secure EPT entries.
 */
#ifndef SOFTTDX_LAYOUT_H
#define SOFTTDX_LAYOUT_H

#include "abi.h"
#include "sha384.h"
#include "softtdx.h"

#define PAGE_4K			4096ull
#define LEVEL_SHIFT(level)	(12 + 9 * (level))
#define LEVEL_SIZE(level)	(1ull << LEVEL_SHIFT(level))
#define ENTRIES			512
#define HPA_MASK		0x000FFFFFFFFFF000ull
/* Instead of a page's address: none; with it: the module did not use it. */
#define NO_TABLE		(~0ull)
#define PAGE_NOT_USED		(1ull << 63)

/* One for every page of 4K, of 2M and of 1G; the owner is the page number of a TDR. */
struct pamt_entry {
	u16 lock;
	u8 type;
	u8 owner_high;
	u32 owner_low;
	u64 bepoch;		/* TD epoch at the last block */
};

#define NR_CPUID_LEAVES	64

enum lifecycle { TD_HKID_ASSIGNED = 1, TD_KEYS_CONFIGURED, TD_BLOCKED, TD_TEARDOWN };
enum op_state { OP_UNINIT, OP_INITIALIZED, OP_RUNNABLE };

struct tdr {
	u8 lifecycle;
	u8 fatal;
	u16 keyid;
	u32 packages;		/* with the key configured */
	u32 nr_tdcx;
	u64 tdcx[TDCS_PAGES_MAX];
	u64 chldcnt;		/* pages of all types, in units of 4K */
	u64 pages[PT_EPT + 1];	/* the same by type */
};

struct tdcs {
	u16 op_lock, sept_lock, epoch_lock;
	u8 op_state;
	u8 levels;		/* of the Secure EPT: 4 or 5 */
	u64 epoch;
	u32 inside[2];		/* vCPUs that entered in an even, odd epoch */
	u32 nr_vcpus, nr_assoc;
	u64 attributes, xfam, eptp_controls, config_flags;
	u16 max_vcpus, tsc_frequency;
	u64 tsc_multiplier, tsc_offset;
	struct sha384 measurement;
	u8 mrtd[48], mrconfigid[48], mrowner[48], mrownerconfig[48];
	u16 rtmr_lock;
	u8 rtmr[4][48], servtd_hash[48];
	u64 td_ctls, notify_enables;	/* set by the guest */
	u64 topology_configured;	/* 1: each vCPU was given an x2APIC ID */
	u64 arch_caps;		/* IA32_ARCH_CAPABILITIES */
	struct cpuid_value cpuid[NR_CPUID_LEAVES];	/* by place in cpuid_table.c */
};

enum vcpu_state { VCPU_UNINIT = 0, VCPU_READY = 2, VCPU_DISABLED = 8 };
#define SUSPECTS_MAX		32
#define NO_CPU			(~0u)

/* What the guest gets from TDG.VP.VEINFO.GET, once. */
struct ve_info {
	bool valid;
	u32 reason, length, info;
	u64 qualification, gla, gpa;
};

struct tdvps {
	u32 state;
	u32 assoc_cpu;
	u32 nr_pages;
	u32 index;
	u64 pages[TDVPS_PAGES_MAX];	/* [0]: the TDVPR itself */
	u64 epoch;			/* of the last entry, 0: none since association */
	u64 initial_rcx;
	u32 x2apic_id;
	bool inside;
	u64 debugctl;
	/* Against zero-step attacks: instruction at the entry, its violations, their addresses. */
	u64 entry_rip;
	u32 nr_violations, nr_suspects;
	u64 suspects[SUSPECTS_MAX];
	bool cpuid_supervisor_ve, cpuid_user_ve;	/* TDG.VP.CPUIDVE.SET */
	/* Metadata fields. */
	u64 posted_intr_nv, posted_intr_desc, pin_based, shared_eptp, pend_nmi, state_details;
	struct softtdx_guest guest;
	struct ve_info ve;
	bool in_vmcall;			/* the guest waits for TDG.VP.VMCALL's results */
	u64 vmcall_mask;		/* the registers that it shares */
	u8 arch[SOFTTDX_ARCH_SIZE] __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct pamt_entry) == 16, "PAMT entry");
_Static_assert(sizeof(struct tdr) <= PAGE_4K, "TDR");
_Static_assert(sizeof(struct tdcs) <= PAGE_4K, "TDCS page 0");
_Static_assert(sizeof(struct tdvps) <= PAGE_4K, "TDVPR");

/*
 * Secure EPT entries are what VT-x walks. Hardware owns bits 8 and 9 (accessed, dirty) and
 * ignores bits 11 and 52-56, where the model keeps its own.
 */
#define SEPT_RWX		7ull
#define SEPT_MT_WB		(6ull << 3)
#define SEPT_IPAT		(1ull << 6)
#define SEPT_LEAF		(1ull << 7)
#define SEPT_LOCK		(1ull << 11)
#define SEPT_BLOCKED		(1ull << 55)
#define SEPT_PENDING		(1ull << 56)
#define SEPT_SUPPRESS_VE	(1ull << 63)
#define SEPT_LEAF_BITS		(SEPT_SUPPRESS_VE | SEPT_LEAF | SEPT_IPAT | SEPT_MT_WB)
#define SEPT_FREE_ENTRY		SEPT_SUPPRESS_VE

/* States as a mask, so that a leaf can name those it accepts. */
enum sept_state {
	SEPT_FREE = 1, SEPT_NL_MAPPED = 2, SEPT_NL_BLOCKED = 4, SEPT_MAPPED = 8,
	SEPT_BLOCKED_LEAF = 16, SEPT_PENDING_LEAF = 32, SEPT_PENDING_BLOCKED = 64,
};
#define SEPT_ANY_BLOCKED	(SEPT_NL_BLOCKED | SEPT_BLOCKED_LEAF | SEPT_PENDING_BLOCKED)
#define SEPT_ANY_LEAF		(SEPT_MAPPED | SEPT_BLOCKED_LEAF | SEPT_PENDING_LEAF | \
				 SEPT_PENDING_BLOCKED)
#define SEPT_ANY		(SEPT_ANY_LEAF | SEPT_FREE | SEPT_NL_MAPPED | SEPT_NL_BLOCKED)

#endif
