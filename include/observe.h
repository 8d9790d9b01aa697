/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The observer: every change that KVM makes to the page tables of a VM.
 *
 * It is a tracing instance of its own with the tracepoint
 * kvmmmu:kvm_tdp_mmu_spte_changed (kvmmmu:kvm_mmu_set_spte on the legacy MMU) and
 * probes on the functions of the mapping path.  The tracepoints do not name the VM:
 * probes that have struct kvm as an argument show which VM a task works on, and the
 * observer drops events of other VMs.  A lost event or a missed return probe ends the
 * case with ERROR; it never counts as "nothing happened".
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "mapping.h"
#include "mem.h"
#include "observed_event.h"

struct vm;

struct observer;

/*
 * Why the events of @mask cannot be observed here, or NULL.  The text is a
 * skip reason and names the missing symbol, tracepoint or file system.
 */
const char *observe_missing(unsigned int mask);

/* Start to observe @vm, from now on. NULL if @mask is 0. */
struct observer *observe(struct vm *vm, unsigned int mask);
/* Does it see events of @type? */
bool observer_sees(const struct observer *o, enum event_type type);

/*
 * Observe @vm from now on instead of the VM before, whose mappings are forgotten.
 * Cheaper than a new observer; a child of the case may do it, too, while nobody
 * else reads @o.
 */
void observer_follow(struct observer *o, struct vm *vm);

/* Read what happened until now. (While faults loop, this does not end.) */
void observer_sync(struct observer *o);
/* Wait until an event of @type has come; false after @seconds. */
bool observer_wait(struct observer *o, enum event_type type, double seconds);
/* Forget events and counts; mappings stay known. */
void observer_clear(struct observer *o);

/* The mapping as of the last sync: for many gfns in a row. */
struct mapping observer_known(struct observer *o, u64 gfn);

/* All of these sync first. */
struct mapping observer_mapping(struct observer *o, u64 gfn);
/* Events of @type; with the result @ret, or RET_ANY. */
#define RET_ANY	INT_MAX
unsigned long observer_count(struct observer *o, enum event_type type, int ret);
/* The log since the last clear, in time order. */
const struct event *observer_events(struct observer *o, size_t *nr);
/* How often the SPTE of @gfn at @level, a leaf or a table, was set since the last clear. */
unsigned long observer_times_set(struct observer *o, u64 gfn, int level);
/* Leaf SPTEs present now at @level. */
unsigned long observer_leaves(struct observer *o, int level);

/*
 * Physical address of the TD's root page (TDR), by which SEAMCALLs name the TD; 0 until one
 * was seen (OBSERVE(EV_SEAMCALL)).
 */
u64 observer_tdr(struct observer *o);

/*
 * Records of the case's own tasks and of kernel threads so far, read or not: a number
 * that faults which loop without end drive up, and that needs no reading.
 */
unsigned long observer_recorded(struct observer *o);
/* So many records more, and no end: it loops.  Time alone proves nothing on a busy host. */
#define LOOP_RECORDS	1000

/*
 * For races in numbers that nobody wants to log: an observer that only counts
 * the calls of kvm_tdp_page_fault, on any VM, and those that returned
 * RET_PF_RETRY.  The case declares OBSERVE(EV_FAULT).
 */
struct fault_counts {
	unsigned long faults, retries;
};
struct observer *observe_counts(void);
struct fault_counts observer_counts(struct observer *o);

/* kvm_tdp_page_fault returning RET_PF_RETRY; the faults of any result. */
unsigned long observer_retries(struct observer *o);
unsigned long observer_faults(struct observer *o);

/* What follows @nr says which ones, as for printf(): expect_retries(o, 1, " of gfn 0x%llx", GFN). */
#define expect_retries(o, nr, ...)	expect_eq(observer_retries(o), nr, "RET_PF_RETRYs" __VA_ARGS__)
#define expect_faults(o, nr)							\
	expect_eq(observer_faults(o), nr, "calls of kvm_tdp_page_fault()")

/* The mapping of @gfn as it must be; PFN_ANY: onto whatever page. */
#define expect_mapped(o, gfn, level, pfn) \
	expect_mapping_(__FILE__, __LINE__, observer_mapping(o, gfn), gfn, level, pfn)
#define expect_not_mapped(o, gfn) \
	expect_mapped(o, gfn, LEVEL_NONE, PFN_ANY)
void expect_mapping_(const char *file, int line, struct mapping m, u64 gfn,
		     int level, u64 pfn);

#endif /* OBSERVE_H */
