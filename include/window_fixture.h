/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A slot of 4M: windows in get_user_pages() (window.h) are opened in the first 2M, and
 * other memory of the VM is invalidated in them, in the second 2M, which is populated.
 */
#ifndef WINDOW_FIXTURE_H
#define WINDOW_FIXTURE_H

#include "fixture.h"
#include "invalidate.h"
#include "types.h"
#include "window.h"

#define WINDOW_GPA	(GPA + 5 * SZ_4K)
#define WINDOW_GFN	(WINDOW_GPA >> 12)
#define OTHER_GPA	(GPA + SZ_2M)

struct window_fixture {
	struct fixture f;
	struct window *w;
	u8 *other;			/* hva of OTHER_GPA */
};

/* A VM of the type of @t with @kind of memory. */
struct window_fixture window_fixture(const struct test *t, enum mem_kind kind);

/* @inv of the page at OTHER_GPA. */
void invalidate_other(struct window_fixture *s, const struct invalidation *inv);

/*
 * window_wait(), for as long as it takes; 1: the prefault loops, it has not ended after a
 * second and LOOP_RECORDS records of @o.
 */
int window_wait_or_loop(struct window *w, struct observer *o);

/* The gfn of the last window maps the page of its hva. */
void expect_window_mapped(struct window_fixture *s, u64 gpa);
void expect_window_retries(struct window_fixture *s, unsigned long retries);

#endif /* WINDOW_FIXTURE_H */
