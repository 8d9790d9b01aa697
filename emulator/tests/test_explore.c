// SPDX-License-Identifier: GPL-2.0-only
/* Processes of schedules, with a race of our own in the place of a guest. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../conflicts.h"
#include "../explore.h"
#include "../server.h"
#include "unit.h"

#define LENGTH 40	/* conflicting accesses of each CPU */

/* The end of a process: it fails if CPU 1 comes between accesses 7 and 8 of CPU 0. */
static void __attribute__((noreturn)) race(const struct task *task)
{
	int done[2] = { 0 };
	bool failed = false;
	struct scheduler s;

	scheduler_begin(&s, &task->schedule, 2);
	while (done[0] < LENGTH || done[1] < LENGTH) {
		int cpu = scheduler_choose(&s, (done[0] < LENGTH) | (done[1] < LENGTH) << 1);
		struct met access = { 0 };

		access.cpu = cpu;
		access.rip = done[cpu];
		access.address = 0x1000;
		failed |= cpu == 1 && done[0] == 7 && done[1] < LENGTH - 1;
		if (task->learn)
			conflicts_record(cpu, access.address, true);
		else if (conflicts_at(access.address))
			scheduler_access(&s, &access, true);
		if (task->trace)	/* as a loop that waits does */
			for (int i = 0; i < 3; i++)
				explore_accessed(&access, false);
		done[cpu]++;
		scheduler_ran(&s, cpu, 1);
	}
	if (failed)
		for (const char *p = "it failed"; *p; p++)
			explore_said(*p);
	explore_ends(failed, &s);
}

static struct explored result;

static const struct explored *try(struct explore e, void (*body)(const struct task *task))
{
	struct task task;

	fflush(NULL);
	if (explore(&e, 2, &task, &result))
		body(&task);
	return &result;
}

static void finds_and_shrinks(void)
{
	const struct explored *e = try((struct explore){ .count = 2000, .points = 5 }, race);
	struct explored first = *e;

	EXPECT(e->failed && e->conflicts == 1 && e->accesses == 2 * LENGTH);
	EXPECT(!strcmp(e->text, "it failed") && !strcmp(e->how, "it was judged"));
	/* From CPU 0 at that place; before, from CPU 1 if that is the first. */
	EXPECT(e->nr_met == e->schedule.nr_points);
	EXPECT(e->nr_met && e->met[e->nr_met - 1].cpu == 0 && e->met[e->nr_met - 1].rip == 6);
	/* That seed alone. */
	e = try((struct explore){ .first = first.schedule.seed, .count = 1, .points = 5 }, race);
	EXPECT(e->failed && e->schedules == 1 && !memcmp(&e->schedule, &first.schedule,
							 sizeof(e->schedule)));
}

static void traces(void)
{
	const struct explored *e = try((struct explore){ .count = 2000, .points = 5, .trace = true }, race);
	const struct access *last = &e->trace[e->nr_trace - 1];

	EXPECT(e->failed && e->nr_trace == 2 * LENGTH);
	EXPECT(e->trace[0].first == 1 && e->trace[0].times == 3);
	EXPECT(last->first == 3 * 2 * LENGTH - 2 && last->at.address == 0x1000 && !last->write);
	e = try((struct explore){ .count = 2000, .points = 5 }, race);
	EXPECT(e->failed && !e->nr_trace);
}

static void finds_nothing(void)
{
	const struct explored *e = try((struct explore){ .count = 50 }, race);

	EXPECT(!e->failed && e->schedules == 50 && e->orders == 2);
}

static void reset(const struct task *task)
{
	if (task->learn)
		race(task);
	_exit(JOB_RESET);
}

static void killed(const struct task *task)
{
	(void)task;
	abort();
}

static void ends_otherwise(void)
{
	const struct explored *e = try((struct explore){ .count = 5, .points = 1 }, reset);

	EXPECT(e->failed && !strcmp(e->how, "the guest reset the machine"));
	e = try((struct explore){ .count = 5, .fixed = true }, killed);
	EXPECT(e->failed && e->schedules == 1 && strstr(e->how, "signal 6"));
}

void test_explore(void)
{
	finds_and_shrinks();
	finds_nothing();
	traces();
	ends_otherwise();
}
