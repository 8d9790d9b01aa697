/* SPDX-License-Identifier: GPL-2.0-only */
/* SEAMCALLs with operands that are often right and sometimes anything. */
#ifndef SOFTTDX_RANDOM_CALLS_H
#define SOFTTDX_RANDOM_CALLS_H

#include "world.h"

/* 4K pages in the first 2M, large ones in the second, PAMT pages of dynamic PAMT in the third. */
#define RANDOM_AVAILABLE 0x600000ull

/* Numbers from a generator or from a fuzzer's input; always below limit. */
struct source {
	u64 (*below)(struct source *s, u64 limit);
	const u8 *data;		/* the fuzzer's rest */
	size_t size;
	u64 state;		/* the generator's */
};

struct random_stats {
	u64 calls, succeeded, entered;
	u64 pairs, pairs_back;		/* dynamic PAMT: given by PAMT.ADD or DEMOTE, and taken back */
};

/* One call, with the promise that a failure changes no page's state. False: broken. */
bool random_call(struct world *w, struct source *s, struct random_stats *stats);
/* The kernel's way to destroy whatever exists. False: something stays. */
bool destroy_all(struct world *w);

#endif
