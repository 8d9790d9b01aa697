// SPDX-License-Identifier: GPL-2.0-only
#include "matrix.h"
#include "testcase.h"

void cell_hit(struct cell c, unsigned long retries, const char *outcome)
{
	diag("cell window=%s invalidation=%s entry=%s retries=%lu outcome=%s", c.window,
	     c.invalidation, c.entry, retries, outcome);
}

void cell_waits(struct cell c, const char *lock)
{
	diag("cell window=%s invalidation=%s entry=%s waits=%s", c.window, c.invalidation,
	     c.entry, lock);
}
