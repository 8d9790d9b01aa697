/* SPDX-License-Identifier: GPL-2.0-only */
/* Reproducible random numbers (splitmix64) from a seed. */
#ifndef RNG_H
#define RNG_H

#include "types.h"

static inline u64 random_u64(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* One of [0, @n). */
static inline u64 random_below(u64 *state, u64 n)
{
	return random_u64(state) % n;
}

#endif /* RNG_H */
