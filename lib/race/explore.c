// SPDX-License-Identifier: GPL-2.0-only
/* Races of threads, and the schedules that the emulator makes of them. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/shared_memory.h"
#include "explore.h"
#include "file.h"
#include "fork_point.h"
#include "kernel.h"
#include "testcase.h"
#include "thread.h"

#define WARNINGS	"/sys/kernel/warn_count"

/* Shared by the program and the processes of its cases; NULL: races run once. */
static struct {
	bool runs;			/* a schedule has begun */
} *schedule;

static u64 seed;
static long warnings;			/* before the race */

void explore_all(void)
{
	schedule = shared_memory(sizeof(*schedule), "the schedules of a race");
}

u64 race_seed(void)
{
	return seed;
}

/* A request without data. */
static void tell(enum fork_control operation, u64 value)
{
	u64 data[4] = { value };

	if (schedule && schedule->runs)
		fork_request(operation, data);
}

/* A line of the emulator's report on a schedule that failed. */
static void print_line(const char *line)
{
	unsigned int cpu;
	u64 number, times, rip, address;
	char write;

	if (sscanf(line, "point %llu cpu %u rip 0x%llx address 0x%llx", &number, &cpu, &rip,
		   &address) == 4)
		diag("switch after access %llu: CPU %u at %s, of 0x%llx", number, cpu,
		     kernel_symbol(rip), address);
	else if (sscanf(line, "access %llu cpu %u rip 0x%llx address 0x%llx %c %llu", &number, &cpu,
			&rip, &address, &write, &times) == 6)
		diag("%5llu %*sCPU %u %s %s 0x%llx%s", number, 4 * cpu, "", cpu, kernel_symbol(rip),
		     write == 'w' ? "writes" : "reads", address,
		     times > 1 ? strf(", %llu times", times) : "");
	else
		diag("%s", line);
}

/* What the emulator tells of a schedule that failed: facts, then what its guest said. */
static void print_failure(void)
{
	char *rest = fork_text(), *line;
	bool said = false;
	u64 failed;

	while ((line = strsep(&rest, "\n"))) {
		/* A reader of KTAP takes the result line there for that of the case. */
		if (!strncmp(line, "not ok", strlen("not ok")))
			continue;
		if (said && *line)
			diag("| %s", line);
		else if (sscanf(line, "seed %llu", &failed) == 1)
			measure("seed", failed);
		else if (!strcmp(line, "said"))
			said = true;
		else if (*line)
			print_line(line);
	}
}

static void report(const u64 data[4])
{
	measure("schedules", data[0]);
	measure("orders", data[1]);
	measure("conflicts", data[2]);
	if (!data[3])
		return;
	print_failure();
	test_failed(__FILE__, __LINE__, "a schedule of the race", "no failure", "a failure, above");
}

/* True in a schedule's machine. */
static bool explore(void)
{
	u64 data[4] = { 0 };

	errno = ENODEV;
	must(fork_server(), "exploring a race: only Bochs, as ./run_tests.sh --explore starts it, does");
	warnings = file_number(WARNINGS, 0);
	if (!fork_request(FORK_SCHEDULES, data)) {
		report(data);
		return false;
	}
	schedule->runs = true;
	seed = data[0];
	return true;
}

struct barrier {
	atomic_bool go;
	bool skip;			/* schedules have run the parts */
};

struct runner {
	struct race_part part;
	unsigned int cpu;		/* of those that the case may use, from 0 */
	struct barrier *barrier;
	atomic_bool ready, done;
	pthread_t thread;
};

static void *other_thread(void *arg)
{
	struct runner *r = arg;

	run_on_nth_cpu(r->cpu);
	atomic_store(&r->ready, true);
	while (!atomic_load(&r->barrier->go))
		__builtin_ia32_pause();
	if (!r->barrier->skip)
		r->part.run(r->part.arg);
	atomic_store(&r->done, true);
	tell(FORK_DONE, 0);
	return NULL;
}

/* The other threads are at the barrier, each on its CPU. */
static void start_others(struct runner *others, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		must(!(errno = pthread_create(&others[i].thread, NULL, other_thread, &others[i])),
		     "a thread");
		while (!atomic_load(&others[i].ready))
			sched_yield();
	}
}

bool race(const struct race_part *parts, size_t nr)
{
	struct runner others[RACE_PARTS_MAX - 1] = { 0 };
	struct barrier barrier = { 0 };
	bool judged = true;

	must(nr >= 2 && nr <= RACE_PARTS_MAX, "2 to %d parts of a race, not %zu", RACE_PARTS_MAX, nr);
	run_on_nth_cpu(0);
	for (size_t i = 1; i < nr; i++)
		others[i - 1] = (struct runner){ .part = parts[i], .cpu = i, .barrier = &barrier };
	start_others(others, nr - 1);
	if (schedule)
		judged = explore();
	barrier.skip = !judged;
	tell(FORK_RACE, 0);
	atomic_store(&barrier.go, true);
	if (judged)
		parts[0].run(parts[0].arg);
	tell(FORK_DONE, 0);
	for (size_t i = 0; i < nr - 1; i++)
		while (!atomic_load(&others[i].done))
			__builtin_ia32_pause();
	tell(FORK_OVER, 0);
	for (size_t i = 0; i < nr - 1; i++)
		must(!(errno = pthread_join(others[i].thread, NULL)), "the end of a thread");
	return judged;
}

void explore_passed(void)
{
	if (schedule && schedule->runs && file_number(WARNINGS, 0) == warnings)
		tell(FORK_JUDGE, 0);
}

void explore_ended(bool failed)
{
	if (!schedule || !schedule->runs)
		return;
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	tell(FORK_JUDGE, failed);
}
