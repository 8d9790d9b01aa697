/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The windows of KVM_PRE_FAULT_MEMORY at which the thread of a vCPU is held (hold.h), and
 * a VM to open them in.
 *
 *	struct race_fixture r = race_fixture(t, MEM_ANON);
 *
 *	race_open(&r, WIN_BEFORE_LOCK, RACE_GPA(WIN_BEFORE_LOCK), NULL);
 *	...				act inside
 *	race_close(&r);
 *	expect_race_retries(&r, 1);
 *	expect_race_mapped(&r);
 */
#ifndef RACE_FIXTURE_H
#define RACE_FIXTURE_H

#include "fixture.h"
#include "held_call.h"
#include "race_cell.h"
#include "types.h"

/* What a case with a race_fixture declares, by the memory whose mapping is held. */
#define RACE_HVA	.observes = OBSERVE_MAPPING, .needs_hold = true, .cpus = 2
#define RACE_GMEM	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN), \
			.needs_hold = true, .cpus = 2
#define RACE_TD		.vm_types = VM_TDX, .uses_sept = true, RACE_GMEM

/* In the order of a fault: kvm_mmu_faultin_pfn(), then kvm_tdp_mmu_map() under mmu_lock. */
enum race_window {
	WIN_BEFORE_SNAPSHOT,		/* of mmu_invalidate_seq */
	WIN_AFTER_SNAPSHOT,
	WIN_IN_GUP,			/* guest_memfd only: before the page is looked up */
	WIN_AFTER_GUP,
	WIN_BEFORE_LOCK,
	WIN_UNDER_LOCK,			/* mmu_lock is held for reading */
	NR_RACE_WINDOWS,
	/* The entry was read and found empty: before a new table, or the leaf, is set. */
	WIN_BEFORE_LINK = NR_RACE_WINDOWS,
	WIN_BEFORE_SET,
	NR_ALL_WINDOWS
};

struct race_fixture {
	struct fixture f;
	bool td;
	bool gmem;			/* the gfns are backed by guest_memfd; in a TD: private */
	struct vcpu *vcpu2;

	enum race_window window;	/* the last one opened */
	u64 gpa;			/* of the page that is being mapped in it */
	u8 *hva;
	struct held_call call;		/* KVM_PRE_FAULT_MEMORY of that page */
};

/* A page for each window, in the 2M at GPA; a 2M without a table for each; a slot for each. */
#define RACE_GPA(window)	(GPA + (5 + (window)) * SZ_4K)
#define RACE_2M_GPA(window)	(GPA + (1 + (window)) * SZ_2M)
#define RACE_SLOT_GPA(window)	(GPA + (8 + (window)) * SZ_1G)
#define RACE_SLOT_SIZE		(16 * SZ_4K)

/*
 * A VM of the type of @t whose slot at GPA has @kind of memory, with two vCPUs that have
 * roots and the tables of the first 2M; a TD is finalized.
 */
struct race_fixture race_fixture(const struct test *t, enum mem_kind kind);

const char *race_window_name(enum race_window window);
/* Does a fault pass through it in this kernel, for this memory? */
bool race_window_exists(enum race_window window, bool gmem);
struct hold *race_window_arm(enum race_window window, bool gmem, struct hold *until);

/* Hold the mapping of @gpa, which was never mapped, in @window; @until as in hold_args. */
void race_open(struct race_fixture *r, enum race_window window, u64 gpa, struct hold *until);
/* Let the fault go on, to its end. */
void race_close(struct race_fixture *r);

/* The cell of the matrix for a case that is called INVALIDATION-MEMORY. */
struct race_cell race_cell_of(const struct test *t, enum race_window window);

/* The ioctl succeeded (0), or ended with this errno. */
void expect_race_result(const struct race_fixture *r, int error);
void expect_race_retries(const struct race_fixture *r, unsigned long retries);
/* The ioctl succeeded: the gfn maps the page that its memory has now. */
void expect_race_mapped(const struct race_fixture *r);
void expect_race_unmapped(const struct race_fixture *r);

#endif /* RACE_FIXTURE_H */
