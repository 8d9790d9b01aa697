// SPDX-License-Identifier: GPL-2.0-only
/* A hash of leaf SPTEs: open addressing, one table, keyed by (gfn, level). */
#include <stdlib.h>

#include "observe/spte_map.h"

#define SPTE_MMU_PRESENT	(1ULL << 11)
#define SPTE_WRITABLE		(1ULL << 1)
#define SPTE_HUGE		(1ULL << 7)
#define SPTE_PFN_MASK		0x000ffffffffff000ULL
#define MAX_LEVEL		5

struct slot {
	u64 key;		/* gfn << 3 | level; 0: never used */
	u64 spte;		/* 0: no leaf */
};

struct spte_map {
	struct slot *slots;
	size_t nr_slots;	/* a power of two */
	size_t used;
	unsigned long leaves[MAX_LEVEL + 1];
};

bool spte_is_present(u64 spte)
{
	return spte & SPTE_MMU_PRESENT;
}

bool spte_is_leaf(u64 spte, int level)
{
	return spte_is_present(spte) && (level == LEVEL_4K || (spte & SPTE_HUGE));
}

u64 spte_pfn(u64 spte)
{
	return (spte & SPTE_PFN_MASK) >> 12;
}

struct spte_map *spte_map_new(void)
{
	struct spte_map *map = calloc(1, sizeof(*map));

	map->nr_slots = 1024;
	map->slots = calloc(map->nr_slots, sizeof(*map->slots));
	return map;
}

void spte_map_free(struct spte_map *map)
{
	free(map->slots);
	free(map);
}

static struct slot *find(const struct spte_map *map, u64 key)
{
	size_t i = key * 0x9e3779b97f4a7c15ULL >> 20;

	while (map->slots[i & (map->nr_slots - 1)].key &&
	       map->slots[i & (map->nr_slots - 1)].key != key)
		i++;
	return &map->slots[i & (map->nr_slots - 1)];
}

static void grow(struct spte_map *map)
{
	struct spte_map old = *map;

	map->nr_slots *= 2;
	map->used = 0;
	map->slots = calloc(map->nr_slots, sizeof(*map->slots));
	for (size_t i = 0; i < old.nr_slots; i++) {
		if (!old.slots[i].spte)
			continue;
		*find(map, old.slots[i].key) = old.slots[i];
		map->used++;
	}
	free(old.slots);
}

void spte_map_change(struct spte_map *map, u64 gfn, int level, u64 spte)
{
	u64 key = (gfn & ~(LEVEL_GFNS(level) - 1)) << 3 | level;
	struct slot *slot = find(map, key);
	bool leaf = spte_is_leaf(spte, level);

	if (!leaf && !slot->spte)
		return;
	map->leaves[level] += leaf - !!slot->spte;
	if (!slot->key)
		map->used++;
	slot->key = key;
	slot->spte = leaf ? spte : 0;
	if (map->used * 2 > map->nr_slots)
		grow(map);
}

struct mapping spte_map_lookup(const struct spte_map *map, u64 gfn)
{
	for (int level = LEVEL_4K; level <= MAX_LEVEL; level++) {
		u64 first = gfn & ~(LEVEL_GFNS(level) - 1);
		u64 spte = find(map, first << 3 | level)->spte;

		if (spte)
			return (struct mapping){
				.level = level,
				.pfn = spte_pfn(spte) + (gfn - first),
				.writable = spte & SPTE_WRITABLE,
				.spte = spte,
			};
	}
	return (struct mapping){ .level = LEVEL_NONE, .pfn = UINT64_MAX };
}

unsigned long spte_map_leaves(const struct spte_map *map, int level)
{
	return map->leaves[level];
}
