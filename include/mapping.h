/* SPDX-License-Identifier: GPL-2.0-only */
/* Page-table levels, and the mapping of a gfn. */
#ifndef MAPPING_H
#define MAPPING_H

#include <stdbool.h>

#include "types.h"

/* Page-table levels as KVM counts them (enum pg_level). */
enum { LEVEL_NONE = 0, LEVEL_4K = 1, LEVEL_2M = 2, LEVEL_1G = 3 };
#define LEVEL_SHIFT(level)	(12 + 9 * ((level) - 1))
#define LEVEL_SIZE(level)	(1ULL << LEVEL_SHIFT(level))
#define LEVEL_GFNS(level)	(1ULL << (9 * ((level) - 1)))
/* "4K", "2M", "not mapped" */
const char *level_name(int level);

/* There is no page. */
#define PFN_NONE	UINT64_MAX
/* In expectations: whatever page. */
#define PFN_ANY		(PFN_NONE - 1)

struct mapping {
	int level;		/* LEVEL_NONE: not mapped */
	u64 pfn;		/* of the gfn asked for, inside of a huge page */
	bool writable;
	u64 spte;
};

#endif /* MAPPING_H */
