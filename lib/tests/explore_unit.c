// SPDX-License-Identifier: GPL-2.0-only
/* Races where nothing explores them. */
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "explore.h"
#include "fork_point.h"
#include "testcase.h"

struct met {
	atomic_int here;
	int cpu[2];
};

static void meet(struct met *m, int who)
{
	atomic_fetch_add(&m->here, 1);
	while (atomic_load(&m->here) < 2)
		__builtin_ia32_pause();
	m->cpu[who] = sched_getcpu();
}

static void first(void *arg)
{
	meet(arg, 0);
}

static void second(void *arg)
{
	meet(arg, 1);
}

CASE(race, "race() runs two parts at once, on two CPUs", .plain = true, .cpus = 2)
{
	struct met m = { 0 };

	expect_true(race(RACE_PARTS({ first, &m }, { second, &m })), "to be judged");
	expect_eq(atomic_load(&m.here), 2, "parts that ran");
	expect_true(m.cpu[0] != m.cpu[1], "CPUs %d and %d", m.cpu[0], m.cpu[1]);
	expect_eq(race_seed(), 0, "the seed without --explore");
}

static void count(void *counter)
{
	atomic_fetch_add((atomic_int *)counter, 1);
}

CASE(four, "race() runs as many parts as there are", .plain = true, .cpus = 4)
{
	atomic_int counter = 0;

	expect_true(race(RACE_PARTS({ count, &counter }, { count, &counter }, { count, &counter },
				    { count, &counter })), "to be judged");
	expect_eq(atomic_load(&counter), 4, "parts that ran");
}

CASE(no_server, "fork_server(): this is no machine that is forked", .plain = true)
{
	expect_true(!fork_server(), "the CPU answers as a fork server");
}

TEST_MAIN("Explored races, unexplored")
