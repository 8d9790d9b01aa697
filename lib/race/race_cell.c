// SPDX-License-Identifier: GPL-2.0-only
#include "race_cell.h"
#include "testcase.h"

void race_cell_hit(struct race_cell c, unsigned long retries, const char *outcome)
{
	diag("cell window=%s invalidation=%s entry=%s retries=%lu outcome=%s", c.window,
	     c.invalidation, c.entry, retries, outcome);
}

void race_cell_waits(struct race_cell c, const char *lock)
{
	diag("cell window=%s invalidation=%s entry=%s waits=%s", c.window, c.invalidation,
	     c.entry, lock);
}
