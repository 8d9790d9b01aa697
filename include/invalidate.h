/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ways to invalidate a page or a gfn's attributes: the rows of the matrix of race
 * windows.  The tests choose the moment and the page.
 */
#ifndef INVALIDATE_H
#define INVALIDATE_H

#include <stdbool.h>

#include "mem.h"
#include "types.h"

struct vm;

/* The page that an invalidation is of. */
struct inv_target {
	struct vm *vm;
	u64 gpa;
	u8 *hva;			/* NULL: the process has it nowhere */
	const struct mem *mem;		/* it is at @offset of this memory */
	u64 offset;
	/* KVM holds a reference: the host tries to move or to merge it, and cannot. */
	bool held;
};

struct invalidation {
	void (*act)(const struct inv_target *v);	/* done when it returns */
	/*
	 * The calling process calls this function on its way to mmu_lock, before it takes it;
	 * NULL: a kernel thread takes it.
	 */
	const char *reaches;
	/* What must be so before the window is opened; NULL: nothing. */
	void (*prepare)(const struct inv_target *v);
};

/* Of memory that the process has mapped. */
extern const struct invalidation
	inv_dontneed,		/* MADV_DONTNEED */
	inv_munmap,
	inv_mremap,		/* to another address */
	inv_mprotect,		/* read-only */
	inv_migrate,		/* move_pages(2) to the other one of two nodes */
	inv_numa_balance,	/* unmapped, to see who uses it; two nodes, .needs_hold, .side_effects */
	inv_pageout,		/* swapped out */
	inv_fork,		/* write-protected, all of the process */
	inv_fork_cow,		/* and then written to: a new page */
	inv_collapse,		/* the 2M that begin at the page become a huge page */
	inv_punch_memfd,	/* a hole in the memfd */
	inv_soft_offline,	/* another page takes its place; .side_effects */
	inv_poison,		/* memory failure; .side_effects */
	inv_ksm_merge,		/* with one of the same content; .side_effects */
	inv_ksm_unmerge;	/* what was merged gets a page of its own again; .side_effects */

/* Of what KVM has: attributes of the gfn, and guest_memfd. */
extern const struct invalidation
	inv_private, inv_shared,
	inv_punch_gmem,
	inv_close_gmem;		/* the last file descriptor */

#endif /* INVALIDATE_H */
