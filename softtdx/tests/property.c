// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of calls: property [seed] [calls]. Every invariant is checked after each.
 * Runs with an odd seed have dynamic PAMT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "random_calls.h"

#define RUNS 20

/* xorshift64* */
static u64 below(struct source *s, u64 limit)
{
	s->state ^= s->state >> 12;
	s->state ^= s->state << 25;
	s->state ^= s->state >> 27;
	return (s->state * 0x2545F4914F6CDD1D >> 16) % limit;
}

static u64 successes(struct world *w, u16 leaf)
{
	const struct softtdx_counter *c = softtdx_counters(w->m, leaf);

	for (int i = 0; i < SOFTTDX_COUNTERS; i++)
		if (c[i].count && !c[i].status)
			return c[i].count;
	return 0;
}

static void count_pairs(struct world *w, struct random_stats *stats)
{
	if (!w->m->dynamic_pamt)
		return;
	stats->pairs += successes(w, TDH_PHYMEM_PAMT_ADD) + successes(w, TDH_MEM_PAGE_DEMOTE);
	stats->pairs_back += successes(w, TDH_PHYMEM_PAMT_REMOVE) +
			     successes(w, TDH_MEM_PAGE_PROMOTE);
}

static bool run(u64 seed, u64 calls, struct random_stats *stats)
{
	struct world *w = seed % 2 ? world_dynamic(RANDOM_AVAILABLE) : world_ready(RANDOM_AVAILABLE);
	struct source s = { .below = below, .state = seed * 0x9E3779B97F4A7C15 + 1 };
	bool ok = true;

	for (u64 i = 0; ok && i < calls; i++)
		ok = random_call(w, &s, stats);
	count_pairs(w, stats);
	if (ok && !destroy_all(w)) {
		printf("# something stays after destruction\n");
		ok = false;
	}
	if (!ok)
		printf("# call %llu with seed %#llx\n", (unsigned long long)stats->calls,
		       (unsigned long long)seed);
	world_free(w);
	return ok;
}

int main(int argc, char **argv)
{
	u64 seed = argc > 1 && *argv[1] ? strtoull(argv[1], NULL, 0) : (u64)time(NULL);
	u64 calls = argc > 2 ? strtoull(argv[2], NULL, 0) : 2000;
	struct random_stats stats = { 0 };
	u32 passed = 0;

	printf("# seed %#llx, %d runs of %llu calls\n", (unsigned long long)seed, RUNS,
	       (unsigned long long)calls);
	for (u64 i = 0; i < RUNS; i++)
		passed += run(seed + i, calls, &stats);
	printf("# %llu calls, %llu succeeded, %llu entries\n", (unsigned long long)stats.calls,
	       (unsigned long long)stats.succeeded, (unsigned long long)stats.entered);
	printf("# dynamic PAMT: %llu pairs given, %llu taken back\n",
	       (unsigned long long)stats.pairs, (unsigned long long)stats.pairs_back);
	printf("%u passed, %u failed, 0 skipped\n", passed, RUNS - passed);
	return passed != RUNS;
}
