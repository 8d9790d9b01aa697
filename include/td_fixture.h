/* SPDX-License-Identifier: GPL-2.0-only */
/* The usual fixture for TDs: a TD with a vCPU, private memory and an observer. */
#ifndef TD_FIXTURE_H
#define TD_FIXTURE_H

#include "fixture.h"
#include "seamcall_log.h"
#include "sept.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "types.h"

/* The same mask for all cases of a program: to arm probes takes longer than most of them. */
#define TD_EVENTS (OBSERVE(EV_SPTE) | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL))

/*
 * Declares a case about a TD's SPTEs and the SEAMCALLs for its Secure EPT, which it looks at
 * where the host shows it.
 */
#define TD_SEPT	.vm_types = VM_TDX, .observes = TD_EVENTS, .uses_sept = true

/* For cases that check the mirror and, where the host shows it, the Secure EPT. */
#define TD_MAPPING	.vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .uses_sept = true
/* The same for cases that count SEAMCALLs, or compare with the pages of guest_memfd. */
#define TD_SEAMCALLS \
	.vm_types = VM_TDX, .uses_sept = true, \
	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL)
/* For cases that check the Secure EPT, and a TD's content or measurement, where shown. */
#define TD_CONTENT	.vm_types = VM_TDX, .uses_sept = true, .uses_softtdx = true

/*
 * A TD with a vCPU, not finalized, nothing added. @size: bytes of private memory at
 * GPA; 0: no slot. (fixture.mem is NULL.)
 */
struct fixture td_fixture(const struct test *t, u64 size);
/* The same, finalized: nothing measured. */
struct fixture td_fixture_final(const struct test *t, u64 size);

/* Page-aligned source memory whose content tells page and seed apart. */
u8 *td_source(u64 nr_pages, u64 seed);

/* The pfn that kvm_gmem_get_pfn() handed out last for @gfn (OBSERVE(EV_GMEM_PFN)). */
u64 gmem_pfn(struct observer *o, u64 gfn);

/*
 * Each page of [gpa, gpa + nr_pages) is a 4K leaf in the mirror, and the Secure EPT,
 * where the host shows it, has the same pfn in @state.
 */
#define expect_td_mapped(td, gpa, nr_pages, state) \
	expect_td_mapped_(__FILE__, __LINE__, td, gpa, nr_pages, state)
void expect_td_mapped_(const char *file, int line, const struct fixture *td, u64 gpa,
		       u64 nr_pages, enum sept_state state);
/* Each of them is in neither. */
#define expect_td_unmapped(td, gpa, nr_pages) \
	expect_td_unmapped_(__FILE__, __LINE__, td, gpa, nr_pages)
void expect_td_unmapped_(const char *file, int line, const struct fixture *td, u64 gpa,
			 u64 nr_pages);

/* The host's page for @gpa of the fixture's slot, used while the gfn is shared. */
u8 *shared_hva(const struct fixture *td, u64 gpa);

/*
 * Prefault the page at @gpa, which must be mapped where its attribute says: the host's page
 * in the shared tree alone; a pending page in the mirror and the Secure EPT.
 */
void td_prefault_shared(const struct fixture *td, u64 gpa);
void td_prefault_private(const struct fixture *td, u64 gpa);

/*
 * Tables that KVM linked, into the mirror or the shared tree, since the last
 * observer_clear() (OBSERVE(EV_SPTE)).
 */
unsigned long tables_linked(struct observer *o);

/* The TD's page at @gpa has the 4096 bytes of @data, NULL: all zero; where that can be seen. */
#define expect_td_content(vm, gpa, data, ...) \
	do {									\
		if (softtdx_present() && !sept_missing())			\
			expect_content(sept_walk(vm, gpa).pfn, data, __VA_ARGS__); \
	} while (0)
/* The 4096 bytes of page @pfn are those of @data, NULL: all zero. (.needs_softtdx) */
#define expect_content(pfn, data, ...) \
	expect_content_(__FILE__, __LINE__, pfn, data, strf(__VA_ARGS__))
void expect_content_(const char *file, int line, u64 pfn, const u8 *data,
		     const char *what);

#endif /* TD_FIXTURE_H */
