/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cells of the matrix of race windows: "# cell" lines, from which the report makes
 * tables.  A cell is an invalidation in a window of an entry point, e.g. "dontneed"
 * in "before_lock" of "prefault hva".
 */
#ifndef RACE_CELL_H
#define RACE_CELL_H

struct race_cell {
	const char *window, *invalidation, *entry;
};

/* Hit, and asserted: so many RET_PF_RETRYs, and what became of the gfn. */
void race_cell_hit(struct race_cell c, unsigned long retries, const char *outcome);
/* Impossible: the invalidation was seen to wait for @lock until the fault was done. */
void race_cell_waits(struct race_cell c, const char *lock);

#endif /* RACE_CELL_H */
