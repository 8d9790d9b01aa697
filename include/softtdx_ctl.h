/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State and control of the software TDX module (docs/softtdx.md).  Only for cases with
 * .needs_softtdx or .uses_softtdx: hardware has nothing like it.
 */
#ifndef SOFTTDX_CTL_H
#define SOFTTDX_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "types.h"
#include "seamcall.h"	/* leaves */

/* Is this host's TDX module the software one, and does it listen? */
bool softtdx_present(void);

/* Sums over all TDs of the host. */
struct softtdx_state {
	unsigned long tds;
	unsigned long keyids;		/* HKIDs that are not free */
	unsigned long pages;		/* pages that belong to TDs */
	unsigned long violations;	/* of the module's rules, since boot */
	unsigned long broken_rules;	/* invariants that do not hold (softtdx_settled()) */
};
struct softtdx_state softtdx_state(void);
/*
 * The state once it is like @wanted, or after 5 s: the kernel tears TDs down a
 * little after the last close.  All invariants are checked then, which takes a
 * while.
 */
struct softtdx_state softtdx_settled(const struct softtdx_state *wanted);
/* The state becomes @expected, and no invariant is broken. @when: for the message. */
#define expect_softtdx_settled(expected, when) \
	expect_softtdx_settled_(__FILE__, __LINE__, expected, when)
void expect_softtdx_settled_(const char *file, int line, const struct softtdx_state *expected,
			     const char *when);

/* TDR (hpa) of the only TD of the host; ERROR if there is not just one. */
u64 softtdx_only_td(void);

/* MRTD of a TD as 96 lower-case hex digits; it lives as long as the process. */
const char *softtdx_mrtd(u64 tdr);

/* The content of page @pfn, which may be a TD's. */
void softtdx_read_page(u64 pfn, u8 page[4096]);

/* Calls of a leaf (its number) that ended with status class @status, e.g. 0. */
unsigned long softtdx_calls(unsigned int leaf, u64 status);

/*
 * Calls of @leaf fail with @status (a number, or a name such as
 * "TDX_OPERAND_BUSY|1"): of those of the page at @gpa, if there is one, the
 * @nth and those that follow it, @times in all (0: 1).  Rules are cleared when
 * the case ends.
 */
struct softtdx_rule {
	unsigned int leaf;
	const char *status;
	unsigned int nth, times;
	u64 gpa;
};
void softtdx_inject_rule(const struct softtdx_rule *rule);
/* The next @times calls. */
void softtdx_inject(unsigned int leaf, const char *status, unsigned int times);
/* The next @times calls of @leaf take @usecs more; Linux holds its locks meanwhile. */
void softtdx_delay(unsigned int leaf, unsigned int times, unsigned int usecs);
/* No more: what is left of the rules is forgotten, hits too. */
void softtdx_clear_rules(void);
/* Calls that rules have hit so far. */
unsigned long softtdx_injected(void);
/* Each later TDH.PHYMEM.CACHE.WB is interrupted @times before it is done. */
void softtdx_interrupt_cache_wb(unsigned int times);

/* TDs of the host that are still there after a while, when all should be destroyed. */
unsigned long softtdx_tds_left(void);
/*
 * Give back all that TDs of this host hold, whatever their state: for TDs that
 * nobody can destroy any more.  Returns how many there were.
 */
unsigned int softtdx_reset_tds(void);
#endif /* SOFTTDX_CTL_H */
