/* SPDX-License-Identifier: GPL-2.0-only */
/* The cases of a test program, and which of them run. */
#ifndef PLAN_H
#define PLAN_H

#include <stddef.h>

#include "runner/options.h"
#include "testcase.h"

struct plan {
	struct test *tests;
	size_t nr;
};

/* All cases of the program, in the order of their registration. */
const struct case_list *all_cases(void);
/* The runs that @opt selects: each case once for each VM type it wants. */
struct plan make_plan(const struct options *opt);
/* --list: one line a run. */
void list_cases(const struct plan *plan, const char *program);
/* Seconds that a run may take here. */
unsigned int time_limit(const struct test_case *tc);

#endif /* PLAN_H */
