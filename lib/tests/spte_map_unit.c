// SPDX-License-Identifier: GPL-2.0-only
/* The bookkeeping of SPTEs against a model of page tables. */
#include "observe/spte_map.h"
#include "rng.h"
#include "testcase.h"

#define PRESENT		(1ULL << 11)
#define HUGE		(1ULL << 7)
#define WRITABLE	(1ULL << 1)
/* Bits beside the pfn: they must not leak into it. */
#define OTHER_BITS	(0xfff0000000000000ULL | 1ULL << 8 | 1ULL << 2)

static u64 leaf(u64 pfn, int level)
{
	return pfn << 12 | PRESENT | (level > LEVEL_4K ? HUGE : 0) | OTHER_BITS;
}

static void expect_mapping(const struct spte_map *map, u64 gfn, int level,
			   u64 pfn, const char *when)
{
	struct mapping m = spte_map_lookup(map, gfn);

	expect_eq(m.level, level, "level of gfn 0x%llx %s", gfn, when);
	expect_eq(m.pfn, pfn, "pfn of gfn 0x%llx %s", gfn, when);
}

CASE(empty, "Nothing is mapped in an empty map", .plain = true)
{
	struct spte_map *map = spte_map_new();

	expect_mapping(map, 0, LEVEL_NONE, PFN_NONE, "of an empty map");
	spte_map_change(map, 0, LEVEL_4K, 0);
	expect_mapping(map, 0, LEVEL_NONE, PFN_NONE, "zapped before it was mapped");
	expect_eq(spte_map_leaves(map, LEVEL_4K), 0, "4K leaves");
	spte_map_free(map);
}

CASE(levels, "A leaf of each level maps all of its range, and no more", .plain = true)
{
	struct spte_map *map = spte_map_new();
	const u64 gfn = 5 * LEVEL_GFNS(LEVEL_1G);

	for (int level = LEVEL_4K; level <= LEVEL_1G; level++) {
		u64 last = gfn + LEVEL_GFNS(level) - 1;

		/* The trace may name any gfn of the range. */
		spte_map_change(map, last, level, leaf(0x1000000, level));
		expect_mapping(map, gfn, level, 0x1000000, "first of its leaf");
		expect_mapping(map, last, level, 0x1000000 + last - gfn, "last of its leaf");
		expect_mapping(map, last + 1, LEVEL_NONE, PFN_NONE, "after the leaf");
		expect_mapping(map, gfn - 1, LEVEL_NONE, PFN_NONE, "before the leaf");
		expect_eq(spte_map_leaves(map, level), 1, "leaves at level %d", level);

		spte_map_change(map, gfn, level, 0);
		expect_mapping(map, gfn, LEVEL_NONE, PFN_NONE, "zapped");
		expect_eq(spte_map_leaves(map, level), 0, "leaves at level %d, zapped", level);
	}
	spte_map_free(map);
}

CASE(leaf_replaced, "The last SPTE of a gfn counts", .plain = true)
{
	struct spte_map *map = spte_map_new();

	spte_map_change(map, 7, LEVEL_4K, leaf(1, LEVEL_4K));
	expect_eq(spte_map_lookup(map, 7).writable, false, "writable");
	spte_map_change(map, 7, LEVEL_4K, leaf(2, LEVEL_4K) | WRITABLE);
	expect_mapping(map, 7, LEVEL_4K, 2, "mapped onto another page");
	expect_eq(spte_map_lookup(map, 7).writable, true, "writable");
	expect_eq(spte_map_lookup(map, 7).spte, leaf(2, LEVEL_4K) | WRITABLE, "the SPTE");
	expect_eq(spte_map_leaves(map, LEVEL_4K), 1, "4K leaves");
	spte_map_free(map);
}

CASE(split_and_collapse, "a huge leaf is replaced by a page table, and back",
	.plain = true)
{
	struct spte_map *map = spte_map_new();

	spte_map_change(map, 512, LEVEL_2M, leaf(0x2000, LEVEL_2M));
	spte_map_change(map, 512, LEVEL_2M, 0x77000 | PRESENT);
	expect_mapping(map, 513, LEVEL_NONE, PFN_NONE, "under an empty page table");
	expect_eq(spte_map_leaves(map, LEVEL_2M), 0, "2M leaves after the split");

	spte_map_change(map, 513, LEVEL_4K, leaf(0x2001, LEVEL_4K));
	expect_mapping(map, 513, LEVEL_4K, 0x2001, "under a page table");
	expect_mapping(map, 514, LEVEL_NONE, PFN_NONE, "beside it");

	/* KVM puts the huge leaf first, and zaps the table it took out then. */
	spte_map_change(map, 512, LEVEL_2M, leaf(0x2000, LEVEL_2M));
	spte_map_change(map, 513, LEVEL_4K, 0);
	expect_mapping(map, 513, LEVEL_2M, 0x2001, "after the collapse");
	expect_eq(spte_map_leaves(map, LEVEL_4K), 0, "4K leaves after the collapse");
	expect_eq(spte_map_leaves(map, LEVEL_2M), 1, "2M leaves after the collapse");
	spte_map_free(map);
}

CASE(not_present_is_no_leaf, "SPTEs that are not present map nothing", .plain = true)
{
	struct spte_map *map = spte_map_new();

	/* MMIO SPTEs, and EPT's suppress-#VE bit in empty ones. */
	spte_map_change(map, 9, LEVEL_4K, 1ULL << 63);
	expect_mapping(map, 9, LEVEL_NONE, PFN_NONE, "with an SPTE that is not present");
	spte_map_change(map, 9, LEVEL_4K, leaf(9, LEVEL_4K));
	spte_map_change(map, 9, LEVEL_4K, 1ULL << 63);
	expect_mapping(map, 9, LEVEL_NONE, PFN_NONE, "zapped to a non-zero SPTE");
	expect_eq(spte_map_leaves(map, LEVEL_4K), 0, "4K leaves");
	spte_map_free(map);
}

#define REGIONS		32	/* of 2M, each in a 1G range of its own */
#define GFNS		(REGIONS * 512)
#define CHANGES		100000

static struct model {
	u64 at_4k[GFNS], at_2m[REGIONS], at_1g[REGIONS];
} model;

/* The gfn of the model's page @i: regions lie scattered. */
static u64 gfn_of(size_t i)
{
	return (i / 512) * 0x1234567 * LEVEL_GFNS(LEVEL_2M) + i % 512;
}

static u64 *model_slot(size_t i, int level)
{
	switch (level) {
	case LEVEL_4K:	return &model.at_4k[i];
	case LEVEL_2M:	return &model.at_2m[i / 512];
	default:	return &model.at_1g[i / 512];
	}
}

static void expect_as_model(const struct spte_map *map, size_t i, int change)
{
	const u64 gfn = gfn_of(i);
	struct mapping m = spte_map_lookup(map, gfn);

	for (int level = LEVEL_4K; level <= LEVEL_1G; level++) {
		u64 spte = *model_slot(i, level);

		if (!spte)
			continue;
		expect_eq(m.level, level, "level of gfn 0x%llx after change %d",
			  gfn, change);
		expect_eq(m.spte, spte, "SPTE of gfn 0x%llx after change %d",
			  gfn, change);
		return;
	}
	expect_eq(m.level, LEVEL_NONE, "level of gfn 0x%llx after change %d",
		  gfn, change);
}

static unsigned long model_leaves(const u64 *sptes, size_t nr)
{
	unsigned long leaves = 0;

	for (size_t i = 0; i < nr; i++)
		leaves += sptes[i] != 0;
	return leaves;
}

CASE(random_changes, "100000 random changes agree with a plain array", .plain = true)
{
	struct spte_map *map = spte_map_new();
	u64 state = t->seed;

	for (int change = 0; change < CHANGES; change++) {
		size_t i = random_u64(&state) % GFNS;
		u64 dice = random_u64(&state) % 100;
		int level = dice < 90 ? LEVEL_4K : dice < 97 ? LEVEL_2M : LEVEL_1G;
		u64 spte = random_u64(&state) % 3 ?
				leaf(random_u64(&state) % (1ULL << 40), level) : 0;

		spte_map_change(map, gfn_of(i), level, spte);
		*model_slot(i, level) = spte;
		expect_as_model(map, i, change);
		expect_as_model(map, random_u64(&state) % GFNS, change);
	}

	for (size_t i = 0; i < GFNS; i++)
		expect_as_model(map, i, CHANGES);
	expect_eq(spte_map_leaves(map, LEVEL_4K), model_leaves(model.at_4k, GFNS), "4K leaves");
	expect_eq(spte_map_leaves(map, LEVEL_2M), model_leaves(model.at_2m, REGIONS),
		  "2M leaves");
	expect_eq(spte_map_leaves(map, LEVEL_1G), model_leaves(model.at_1g, REGIONS),
		  "1G leaves");
	measure("pages", spte_map_leaves(map, LEVEL_4K));
	spte_map_free(map);
}

TEST_MAIN("bookkeeping of SPTEs")
