// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "runner/host_activity.h"
#include "testcase.h"

/* Each unmaps pages that somebody uses; the kernel may lack some. */
static const struct { const char *name, *what; } counters[] = {
	{ "pgmigrate_success", "pages migrated" },
	{ "thp_collapse_alloc", "huge pages made" },
	{ "thp_split_page", "huge pages split" },
	{ "pswpout", "pages swapped out" },
	{ "numa_hint_faults", "pages unmapped to see who uses them (NUMA balancing)" },
	{ "pgsteal_kswapd", "pages reclaimed by kswapd" },
	{ "ksm_swpin_copy", "pages of KSM copied" },
};

static long before[ARRAY_SIZE(counters)];

/* All of them in one pass: the kernel adds up all CPUs for it. */
static void read_counters(long *values)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char name[64];
	long value;

	while (f && fscanf(f, "%63s %ld", name, &value) == 2)
		for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
			if (!strcmp(name, counters[i].name))
				values[i] = value;
	if (f)
		fclose(f);
}

void host_activity_begin(void)
{
	read_counters(before);
}

void host_activity_tell(void)
{
	long after[ARRAY_SIZE(counters)] = { 0 };

	read_counters(after);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (after[i] > before[i])
			diag("meanwhile on this host: %ld %s (%s of /proc/vmstat)",
			     after[i] - before[i], counters[i].what, counters[i].name);
}
