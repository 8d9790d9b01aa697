/* SPDX-License-Identifier: GPL-2.0-only */
/* Which memory two CPUs use and one of them writes: learned from a few runs, then asked. */
#ifndef CONFLICTS_H
#define CONFLICTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begin to learn: what processes that are forked now record is seen here. */
bool conflicts_begin(void);
void conflicts_record(unsigned int cpu, uint64_t address, bool write);
/* What was recorded is frozen; returns how many granules conflict. */
size_t conflicts_freeze(void);

/* Does this address? Some others do so, too: granules are known by a hash. */
bool conflicts_at(uint64_t address);

#ifdef __cplusplus
}
#endif

#endif
