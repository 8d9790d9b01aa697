/* SPDX-License-Identifier: GPL-2.0-only */
/* The pages behind gfns of a TD: whose they are, and that they are the same for all. */
#ifndef TD_PAGES_H
#define TD_PAGES_H

#include "types.h"
#include "td_fixture.h"

/*
 * Each gfn of [gpa, + nr pages) maps a page of its own, the same in the mirror and in the
 * Secure EPT (there in @state), which the PAMT has for this TD.
 */
void expect_td_own_pages(const struct fixture *td, u64 gpa, int nr, enum sept_state state);

/* The gfns map what guest_memfd handed out for them last (OBSERVE(EV_GMEM_PFN)). */
void expect_td_gmem_pages(const struct fixture *td, u64 gpa, int nr);

/* The pfns that the mirror has for these gfns, into @pfns. */
void td_pfns(const struct fixture *td, u64 gpa, int nr, u64 *pfns);
/* The gfns map these pages, in this order. */
void expect_td_pfns(const struct fixture *td, u64 gpa, int nr, const u64 *pfns);

#endif /* TD_PAGES_H */
