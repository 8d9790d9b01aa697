// SPDX-License-Identifier: GPL-2.0-only
/* Processes, one after the other, and what they tell. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conflicts.h"
#include "explore.h"
#include "server.h"

#define MAX_ORDERS	(1u << 16)
#define MAX_TRACE	20000		/* accesses */

/* By the process that was forked last, for the one that did. */
static struct told {
	bool judged, failed;
	uint64_t accesses, order, instructions;
	struct met met[MAX_POINTS];
	size_t nr_met;
	size_t length;
	char text[EXPLORE_TEXT];
	size_t nr_accessed, nr_trace;
	struct access trace[MAX_TRACE];
} *told;

void explore_accessed(const struct met *access, bool write)
{
	struct access *last = told->nr_trace ? &told->trace[told->nr_trace - 1] : NULL;

	told->nr_accessed++;
	if (last && last->write == write && !memcmp(&last->at, access, sizeof(*access)))
		last->times++;
	else if (told->nr_trace < MAX_TRACE)
		told->trace[told->nr_trace++] =
			(struct access){ *access, write, told->nr_accessed, 1 };
}

void explore_said(char c)
{
	if (told->length < sizeof(told->text) - 1)
		told->text[told->length++] = c;
}

void explore_ends(bool failed, const struct scheduler *s)
{
	told->failed = failed;
	told->accesses = s->accesses;
	told->order = s->order;
	told->instructions = s->total;
	told->nr_met = s->next_point;
	memcpy(told->met, s->met, sizeof(told->met));
	told->judged = true;
	_exit(0);
}

static void describe_end(int status, char how[HOW])
{
	if (told->judged)
		snprintf(how, HOW, "it was judged");
	else if (WIFSIGNALED(status))
		snprintf(how, HOW, "the emulator was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == JOB_RESET)
		snprintf(how, HOW, "the guest reset the machine");
	else if (WEXITSTATUS(status) == JOB_SILENT)
		snprintf(how, HOW, "the guest hung");
	else
		snprintf(how, HOW, "the emulator ended with status %d", WEXITSTATUS(status));
}

enum ran { RAN_CHILD, RAN_WELL, RAN_BADLY };

/* A process for @task. */
static enum ran run(const struct task *task, struct explored *e)
{
	int status = 0;
	pid_t pid;

	memset(told, 0, offsetof(struct told, trace));
	pid = fork_bound();
	if (!pid)
		return RAN_CHILD;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(1);	/* the job fails, and the runner says so */
	if (told->judged && !told->failed)
		return RAN_WELL;
	e->failed = true;
	e->schedule = task->schedule;
	e->nr_met = told->nr_met;
	memcpy(e->met, told->met, sizeof(e->met));
	describe_end(status, e->how);
	memcpy(e->text, told->text, sizeof(e->text));
	e->instructions = told->instructions;
	e->trace = told->trace;
	e->nr_trace = told->nr_trace;
	return RAN_BADLY;
}

/* The order of a run, among those seen before. */
static void note_order(struct explored *e)
{
	static uint64_t *seen;

	if (!seen)
		seen = calloc(MAX_ORDERS, sizeof(*seen));
	for (size_t i = told->order % MAX_ORDERS, n = 0; n < MAX_ORDERS; i = (i + 1) % MAX_ORDERS, n++) {
		if (seen[i] == told->order)
			return;
		if (!seen[i]) {
			seen[i] = told->order;
			e->orders++;
			return;
		}
	}
}

/* Each CPU first, and as Bochs does: what they have in common, then how often. */
static enum ran learn(unsigned int cpus, struct task *task, struct explored *e)
{
	enum ran ran = RAN_WELL;

	if (!conflicts_begin())
		_exit(1);
	*task = (struct task){ .learn = true, .fixed = true };
	ran = run(task, e);
	for (unsigned int i = 0; i < cpus && ran == RAN_WELL; i++) {
		*task = (struct task){ .learn = true };
		schedule_serial(&task->schedule, cpus, i);
		ran = run(task, e);
	}
	if (ran == RAN_CHILD)
		return ran;
	e->conflicts = conflicts_freeze();
	for (unsigned int i = 0; i < cpus && ran == RAN_WELL; i++) {
		*task = (struct task){ 0 };
		schedule_serial(&task->schedule, cpus, i);
		ran = run(task, e);
		if (ran == RAN_WELL && told->accesses > e->accesses)
			e->accesses = told->accesses;
	}
	return ran;
}

/* Without the points @i and @j; they may be the same one. */
static struct schedule without(const struct schedule *s, size_t i, size_t j)
{
	struct schedule fewer = *s;

	fewer.nr_points = 0;
	for (size_t n = 0; n < s->nr_points; n++)
		if (n != i && n != j)
			fewer.points[fewer.nr_points++] = s->points[n];
	return fewer;
}

/* Leave points out, one or two at a time (they come in pairs: there, and back), while it fails. */
static enum ran shrink(struct task *task, bool trace, struct explored *e)
{
	struct schedule fails = e->schedule;
	size_t i = 0, j = 0;

	while (i < fails.nr_points) {
		enum ran ran;

		task->schedule = without(&fails, i, j);
		ran = run(task, e);
		if (ran == RAN_CHILD)
			return ran;
		if (ran == RAN_BADLY) {
			fails = task->schedule;
			i = j = 0;
		} else if (++j >= fails.nr_points) {
			j = ++i;
		}
	}
	/* Once more: what it says, of the one that is left. */
	task->schedule = fails;
	task->trace = trace;
	return run(task, e);
}

bool explore(const struct explore *x, unsigned int cpus, struct task *task, struct explored *e)
{
	enum ran ran = RAN_WELL;

	*e = (struct explored){ 0 };
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		_exit(1);
	if (!x->fixed)
		ran = learn(cpus, task, e);
	for (uint64_t i = 0; i < x->count && ran == RAN_WELL; i++) {
		*task = (struct task){ .fixed = x->fixed };
		schedule_of_seed(&task->schedule, x->first + i, cpus, x->points, e->accesses);
		ran = run(task, e);
		if (ran == RAN_CHILD)
			break;
		e->schedules++;
		note_order(e);
	}
	if (ran == RAN_BADLY && !task->fixed && e->schedules)
		ran = shrink(task, x->trace, e);
	return ran == RAN_CHILD;
}
