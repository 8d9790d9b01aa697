// SPDX-License-Identifier: GPL-2.0-only
/* Runs the unit tests: all, or those whose name is given. */
#include <stdio.h>

#include "test.h"

static struct test *tests;
static u32 failures, complaints_seen;

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

void expect_status(u64 seen, u64 wanted, const char *what, const char *file, int line)
{
	if (seen == wanted)
		return;
	fail(what, file, line);
	printf("#   expected: %#018llx %s\n", (unsigned long long)wanted,
	       softtdx_status_name(wanted));
	printf("#   seen:     %#018llx %s\n", (unsigned long long)seen, softtdx_status_name(seen));
}

void expect_eq(u64 seen, u64 wanted, const char *what, const char *file, int line)
{
	if (seen == wanted)
		return;
	fail(what, file, line);
	printf("#   expected: %#llx\n#   seen:     %#llx\n", (unsigned long long)wanted,
	       (unsigned long long)seen);
}

void expect_complaint(struct world *w, enum softtdx_complaint wanted, const char *file, int line)
{
	expect_eq(w->nr_reports > complaints_seen, true, "a new complaint", file, line);
	complaints_seen = w->nr_reports;
	if (w->nr_reports)
		expect_eq(w->reports[w->nr_reports - 1].complaint, wanted, "complaint", file, line);
}

static bool run(struct test *t)
{
	struct world *w = t->boot ? world_ready(0x1000000) : world_new(0x1000000);
	const char *broken;
	u64 where;

	failures = complaints_seen = 0;
	t->run(w);
	broken = softtdx_check(w->m, &where);
	if (broken) {
		fail(broken, "invariant at", __LINE__);
		printf("#   address: %#llx\n", (unsigned long long)where);
	}
	printf("%s - %s\n", failures ? "not ok" : "ok", t->name);
	world_free(w);
	return !failures;
}

int main(int argc, char **argv)
{
	u32 passed = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
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
