/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the software TDX module tells of itself and can be told (debugfs
 * softtdx/, docs/softtdx.md).  Only for cases with CASE_SOFTTDX: hardware has
 * no such window.
 */
#ifndef SOFTTDX_CTL_H
#define SOFTTDX_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seamcall.h"	/* leaves */

/* Is this host's TDX module the software one, enabled? */
bool softtdx_present(void);

/* Sums over all TDs of the host. */
struct softtdx_state {
	unsigned long tds;
	unsigned long keyids;		/* HKIDs that are not free */
	unsigned long pages;		/* pages that belong to TDs */
	unsigned long complaints;	/* of the referee, since boot */
	unsigned long broken_rules;	/* invariants that do not hold: 0 */
};
struct softtdx_state softtdx_state(void);
/*
 * The state once it is like @wanted, or after 5 s: the kernel tears TDs down a
 * little after the last close.
 */
struct softtdx_state softtdx_settled(const struct softtdx_state *wanted);

/* TDR (hpa) of the only TD of the host; broken bench if there is not just one. */
uint64_t softtdx_only_td(void);

/* MRTD of a TD as 96 lower-case hex digits; it lives as long as the process. */
const char *softtdx_mrtd(uint64_t tdr);

/* Calls of a leaf (its number) that ended with status class @status, e.g. 0. */
unsigned long softtdx_calls(unsigned int leaf, uint64_t status);

/*
 * The next @times calls of @leaf fail with @status (a number, or a name such as
 * "TDX_OPERAND_BUSY|1").  Rules are cleared when the case ends.
 */
void softtdx_inject(unsigned int leaf, const char *status, unsigned int times);
/* The next @times calls of @leaf take @usecs more; Linux holds its locks meanwhile. */
void softtdx_delay(unsigned int leaf, unsigned int times, unsigned int usecs);
/* Calls that rules have hit so far. */
unsigned long softtdx_injected(void);

#endif /* SOFTTDX_CTL_H */
