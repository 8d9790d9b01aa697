/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of the model that a test build (-DSOFTTDX_BREAKABLE) can break on purpose, one at a
 * time, to prove that the unit tests notice. In every other build RULE(x, check) is (check).
 */
#ifndef SOFTTDX_RULES_H
#define SOFTTDX_RULES_H

#define SOFTTDX_BREAKS(X)		\
	X(KEYID_FREE)			\
	X(KEYID_PRIVATE)		\
	X(PAGE_IS_FREE)			\
	X(PAGE_IS_TDR)			\
	X(PAGE_HAS_NO_KEYID)		\
	X(OP_STATE)			\
	X(LIFECYCLE_AT_RECLAIM)		\
	X(CHILDREN_AT_TDR_RECLAIM)	\
	X(CHILD_COUNT)		\
	X(FLUSHED_BEFORE_DONE)		\
	X(CACHE_WB_BEFORE_FREEID)	\
	X(KEY_ON_ALL_PACKAGES)		\
	X(ENTRY_FREE_AT_ADD)		\
	X(ENTRY_FREE_AT_AUG)		\
	X(ENTRY_FREE_AT_SEPT_ADD)	\
	X(ALREADY_BLOCKED)		\
	X(BLOCK_BEFORE_REMOVE)		\
	X(TRACK_BEFORE_REMOVE)		\
	X(BEPOCH_AT_BLOCK)		\
	X(TRACK_WAITS_FOR_EPOCH)	\
	X(WALK_STOPS_AT_BLOCKED)	\
	X(GPA_SHARED_BIT)		\
	X(GPA_ALIGNED)			\
	X(MRTD_OF_ADD)			\
	X(MRTD_OF_EXTEND)		\
	X(VCPU_AT_FINALIZE)		\
	X(MAX_VCPUS)			\
	X(VP_ASSOCIATION)		\
	X(VCPU_RUNS)			\
	X(VP_INIT_TAKES_TDR)		\
	X(X2APIC_ID_UNIQUE)		\
	X(POSTED_INTR_ORDER)		\
	X(TDVPS_COMPLETE)		\
	X(ATTRIBUTES_FIXED)		\
	X(XFAM_PAIRS)			\
	X(CPUID_CONFIGURABLE)		\
	X(FMS_OF_PLATFORM)		\
	X(CPUID_VE_WANTED)		\
	X(PAMT_OVERLAP)			\
	X(RESERVED_AREAS)		\
	X(ENTRY_LOCK)			\
	X(TREE_LOCK)			\
	X(TDR_LOCK)			\
	X(PAGE_LOCK)			\
	X(SYS_ORDER)			\
	X(LP_INIT_ONCE)			\
	X(PROMOTE_CONTIGUOUS)		\
	X(ZERO_AT_REMOVE)		\
	X(ZERO_STEP)			\
	X(FATAL_TD)			\
	X(GPA_WIDTH)			\
	X(MSR_NEEDS)			\
	X(ZERO_AT_ACCEPT)		\
	X(DOUBLE_FAULT)			\
	X(VE_INFO_VALID)		\
	X(XCR0_IN_XFAM)			\
	X(XSS_IN_XFAM)			\
	X(CPUID_ASKS_HOST)		\
	X(SEPT_VE_DISABLE)		\
	X(VMCALL_MASK)			\
	X(VMCALL_SHARES_MASK)		\
	X(VM_WR_WRITABLE)		\
	X(INJECTED_OUTPUTS)		\
	X(LOCKS_LINGER)			\
	X(PAMT_PAIR_NEEDED)		\
	X(PAMT_PAIR_ONCE)		\
	X(PAMT_PAIR_EMPTY)		\
	X(PAMT_RANGE_FREE)		\
	X(PAMT_BITMAP)			\
	X(PAMT_HINT)			\
	X(PAMT_ASKED_FOR)		\
	X(DEMOTE_INTERRUPTED)

#define X(id) BREAK_##id,
enum softtdx_break { BREAK_NONE, SOFTTDX_BREAKS(X) };
#undef X

#ifdef SOFTTDX_BREAKABLE
extern enum softtdx_break softtdx_broken_rule;
#define RULE(id, check)		(BREAK_##id != softtdx_broken_rule && (check))
#else
#define RULE(id, check)		(check)
#endif

#endif
