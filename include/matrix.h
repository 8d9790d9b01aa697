/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cells of the matrix of race windows: "# cell" lines, of which the report makes
 * tables.  A cell is an invalidation in a window of an entry point, e.g.
 * "dontneed" in "before_lock" of "prefault hva".
 */
#ifndef MATRIX_H
#define MATRIX_H

struct cell {
	const char *window, *invalidation, *entry;
};

/* Hit, and asserted: so many RET_PF_RETRYs, and what became of the gfn. */
void cell_hit(struct cell c, unsigned long retries, const char *outcome);
/* Impossible: the invalidation was seen to wait for @lock until the fault was done. */
void cell_waits(struct cell c, const char *lock);

#endif /* MATRIX_H */
