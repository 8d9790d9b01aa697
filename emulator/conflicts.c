// SPDX-License-Identifier: GPL-2.0-only
/* A table of all granules of 8 bytes while it is learned, then a bitmap. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "conflicts.h"
#include "schedule.h"

#define GRANULE_SHIFT	3
#define TABLE		(1u << 20)	/* granules; the shortest races touch 50,000 */
#define PROBES		64
#define BITS		(1u << 20)

struct granule {
	uint64_t number;		/* 0: none */
	uint8_t readers, writers;	/* a bit a CPU */
};

static struct granule *table;		/* shared with children; NULL: nothing is learned */
static uint64_t bitmap[BITS / 64];

bool conflicts_begin(void)
{
	table = mmap(NULL, sizeof(*table) * TABLE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		table = NULL;
	return table;
}

void conflicts_record(unsigned int cpu, uint64_t address, bool write)
{
	uint64_t number = address >> GRANULE_SHIFT, hash = mix(number);

	for (unsigned int i = 0; i < PROBES; i++) {
		struct granule *g = &table[(hash + i) % TABLE];

		if (!g->number)
			g->number = number;
		if (g->number != number)
			continue;
		*(write ? &g->writers : &g->readers) |= 1u << cpu;
		return;
	}
}

static bool conflict(const struct granule *g)
{
	unsigned int users = g->readers | g->writers;

	return g->writers && users & (users - 1);
}

static size_t bit_of(uint64_t number)
{
	return mix(number) % BITS;
}

size_t conflicts_freeze(void)
{
	size_t nr = 0;

	memset(bitmap, 0, sizeof(bitmap));
	for (size_t i = 0; i < TABLE; i++) {
		size_t bit = bit_of(table[i].number);

		if (!table[i].number || !conflict(&table[i]))
			continue;
		bitmap[bit / 64] |= 1ull << bit % 64;
		nr++;
	}
	munmap(table, sizeof(*table) * TABLE);
	table = NULL;
	return nr;
}

bool conflicts_at(uint64_t address)
{
	size_t bit = bit_of(address >> GRANULE_SHIFT);

	return bitmap[bit / 64] >> bit % 64 & 1;
}
