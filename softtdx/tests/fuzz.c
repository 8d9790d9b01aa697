// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer: the input chooses the calls and their operands. */
#include <stdlib.h>

#include "random_calls.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* One byte for small choices, four for large ones; past the end everything is zero. */
static u64 below(struct source *s, u64 limit)
{
	size_t wanted = limit <= 256 ? 1 : 4;
	u64 value = 0;

	for (; wanted && s->size; wanted--, s->size--)
		value = value << 8 | *s->data++;
	return value % limit;
}

/* The pages go back without the rest of a boot: a boot takes longer than most inputs. */
static void start_over(struct world *w)
{
	for (int i = 0; i < SOFTTDX_MAX_TDS; i++)
		if (w->m->tds[i])
			softtdx_reset(w->m, w->m->tds[i], true);
	w->nr_reports = 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct world *worlds[2];		/* without and with dynamic PAMT */
	struct source s = { .below = below, .data = data, .size = size };
	struct random_stats stats = { 0 };
	struct world *w;

	if (!worlds[0]) {
		worlds[0] = world_ready(RANDOM_AVAILABLE);
		worlds[1] = world_dynamic(RANDOM_AVAILABLE);
	}
	w = worlds[below(&s, 2)];
	while (s.size)
		if (!random_call(w, &s, &stats))
			abort();
	if (!destroy_all(w))
		abort();
	start_over(w);
	return 0;
}
