// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the unit tests: all, or those whose name is given. A breakable build also knows
 * --break RULE, to run them with that rule of the model broken, and --rules, to list them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static struct test *tests;
static const struct test *running;
static u32 failures, violations_seen;
static bool ends_at_failure;	/* a model with a broken rule is not to be trusted afterwards */

void test_register(struct test *t)
{
	t->next = tests;
	tests = t;
}

static void fail(const char *what, const char *file, int line)
{
	printf("# %s:%d: %s\n", file, line, what);
	failures++;
}

static void failure_told(void)
{
	if (!ends_at_failure)
		return;
	printf("not ok - %s\n", running->name);
	exit(1);
}

void expect_status(u64 seen, u64 wanted, const char *what, const char *file, int line)
{
	if (seen == wanted)
		return;
	fail(what, file, line);
	printf("#   expected: %#018llx %s\n", (unsigned long long)wanted,
	       softtdx_status_name(wanted));
	printf("#   got:      %#018llx %s\n", (unsigned long long)seen, softtdx_status_name(seen));
	failure_told();
}

void expect_eq(u64 seen, u64 wanted, const char *what, const char *file, int line)
{
	if (seen == wanted)
		return;
	fail(what, file, line);
	printf("#   expected: %#llx\n#   got:      %#llx\n", (unsigned long long)wanted,
	       (unsigned long long)seen);
	failure_told();
}

void expect_violation(struct world *w, enum softtdx_violation wanted, const char *file, int line)
{
	expect_eq(w->nr_reports > violations_seen, true, "a new violation", file, line);
	violations_seen = w->nr_reports;
	if (w->nr_reports)
		expect_eq(w->reports[w->nr_reports - 1].violation, wanted, "violation", file, line);
}

static bool run(struct test *t)
{
	struct world *w = t->boot ? world_ready(0x1000000) : world_new(0x1000000);
	const char *broken;
	u64 where;

	running = t;
	failures = violations_seen = 0;
	t->run(w);
	broken = softtdx_check(w->m, &where);
	if (broken) {
		fail(broken, "invariant at", __LINE__);
		printf("#   address: %#llx\n", (unsigned long long)where);
		failure_told();
	}
	printf("%s - %s\n", failures ? "not ok" : "ok", t->name);
	world_free(w);
	return !failures;
}

#ifdef SOFTTDX_BREAKABLE
enum softtdx_break softtdx_broken_rule;

static const char *const rules[] = {
	"NONE",
#define X(id) #id,
	SOFTTDX_BREAKS(X)
#undef X
};
#define NR_RULES ((int)(ARRAY_SIZE(rules)))

static void break_rule(const char *name)
{
	for (int i = 0; i < NR_RULES; i++)
		if (!strcmp(rules[i], name))
			softtdx_broken_rule = (enum softtdx_break)i;
}
#endif

int main(int argc, char **argv)
{
	u32 passed = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef SOFTTDX_BREAKABLE
	if (argc == 2 && !strcmp(argv[1], "--rules")) {
		for (int i = 1; i < NR_RULES; i++)
			puts(rules[i]);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "--break")) {
		break_rule(argv[2]);
		argc = 1;
		ends_at_failure = true;
	}
#endif
	for (struct test *t = tests; t; t = t->next) {
		bool wanted = argc < 2;

		for (int i = 1; i < argc; i++)
			wanted |= !strcmp(argv[i], t->name);
		if (!wanted)
			continue;
		if (run(t))
			passed++;
		else
			failed++;
	}
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
