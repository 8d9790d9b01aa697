/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Short races, which the emulator explores: the same race again and again from the same state,
 * under a schedule of its own each time (docs/explore.md).
 *
 *	CASE(prefault_zap, "a prefault against a zap", .vm_types = VM_DEFAULT, .cpus = 2)
 *	{
 *		struct fixture f = ...;		set-up
 *
 *		if (!race(RACE_PARTS({ prefault_it, &f }, { zap_it, &f })))
 *			return;
 *		expect_...			the judgement
 *	}
 *
 * Each part should be a few system calls: two threads of 100,000 instructions have a thousand
 * places where a switch matters.  Neither may take probes or trace: tracing has locks of its own.
 * Without --explore the race is run once.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

#include "types.h"

#define RACE_PARTS_MAX	8		/* CPUs of an emulated host */

struct race_part {
	void (*run)(void *arg);
	void *arg;
};
#define RACE_PARTS(...)								\
	(const struct race_part[]){ __VA_ARGS__ },				\
	sizeof((const struct race_part[]){ __VA_ARGS__ }) / sizeof(struct race_part)

/*
 * Run the parts at once, each on a CPU of its own, the first by the caller; the caller stays
 * there.  True: the race is to be judged; when explored, so in each schedule's machine.  False:
 * all schedules were tried, and went well.
 */
bool __attribute__((warn_unused_result)) race(const struct race_part *parts, size_t nr);

/* For the parts: different in each schedule that --explore tries; constant without. */
u64 race_seed(void);

/*
 * For the library that runs cases: races are explored.  The emulator knows how; the program does
 * not, so that it comes to the race in the same state whatever was asked for.  Called before the
 * case's process is forked.
 */
void explore_all(void);
/* The body of the case has returned: the end of a schedule that went well. */
void explore_passed(void);
/* The case has ended, after it began a schedule: that is the end of the schedule's machine. */
void explore_ended(bool failed);

#endif /* EXPLORE_H */
