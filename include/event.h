/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of the mapping path that a case can observe (observe.h). */
#ifndef EVENT_H
#define EVENT_H

enum event_type {
	EV_SPTE,		/* an SPTE changed: gfn, level, old, new */
	EV_FAULT_BEGIN,		/* kvm_tdp_page_fault was called: gfn */
	EV_FAULT,		/* kvm_tdp_page_fault returned: gfn, ret (PF_*) */
	EV_FAULTIN,		/* kvm_mmu_faultin_pfn returned: gfn, ret */
	EV_GMEM_PFN,		/* kvm_gmem_get_pfn returned: gfn, new = pfn, ret */
	EV_UNMAP_HVA,		/* an mmu_notifier is about to take mmu_lock */
	EV_ATTR_START,		/* kvm_arch_pre_set_memory_attributes */
	EV_ATTR_END,		/* kvm_arch_post_set_memory_attributes */
	EV_CLEAR_LOG,		/* KVM_CLEAR_DIRTY_LOG works on a slot: first word */
	EV_SEAMCALL,		/* for a TD's memory: call (seamcall.h) */
	EV_NR
};
#define OBSERVE(ev)	(1u << (ev))
/* The usual: the mapping, and the faults that made it. */
#define OBSERVE_MAPPING	(OBSERVE(EV_SPTE) | OBSERVE(EV_FAULT))

#endif /* EVENT_H */
