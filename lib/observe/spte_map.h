/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The leaf SPTEs of a VM as the trace tells them: gfn -> SPTE, by level.
 * Pure bookkeeping, without KVM: unit-tested on any host.
 */
#ifndef SPTE_MAP_H
#define SPTE_MAP_H

#include "mapping.h"
#include "types.h"

struct spte_map;

struct spte_map *spte_map_new(void);
void spte_map_free(struct spte_map *map);

/* The SPTE at (@gfn, @level) became @spte. */
void spte_map_change(struct spte_map *map, u64 gfn, int level, u64 spte);

/* How @gfn is mapped, by whatever level. */
struct mapping spte_map_lookup(const struct spte_map *map, u64 gfn);

/* Number of leaves at @level. */
unsigned long spte_map_leaves(const struct spte_map *map, int level);

/* SPTE format shared by EPT and NPT (arch/x86/kvm/mmu/spte.h). */
bool spte_is_present(u64 spte);
bool spte_is_leaf(u64 spte, int level);
u64 spte_pfn(u64 spte);

#endif /* SPTE_MAP_H */
