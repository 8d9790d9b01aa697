/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One machine, a process for each schedule: which memory conflicts is learned first, then how
 * many conflicting accesses there are, then schedules are tried seed after seed up to the first
 * that fails, and of that one the switch points that are not needed are left out.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

struct explore {
	uint64_t first, count;		/* seeds; none: nothing is to be explored */
	size_t points;			/* switch points of each */
	bool fixed;			/* no schedules: each CPU a trace in turn, whatever the seed */
	bool trace;			/* of the schedule that fails */
};

/* What one of the processes has to do. */
struct task {
	bool learn;			/* record accesses */
	bool fixed;
	bool trace;			/* keep the conflicting accesses */
	struct schedule schedule;
};

/* Some in a row that are alike, as in a loop that waits. */
struct access {
	struct met at;
	bool write;
	size_t first, times;
};

#define EXPLORE_TEXT	16384
#define HOW		64

struct explored {
	uint64_t schedules;		/* tried by seed */
	uint64_t orders;		/* of conflicting accesses, different ones */
	uint64_t accesses;		/* conflicting ones of one run */
	size_t conflicts;		/* granules */
	bool failed;
	struct schedule schedule;	/* that fails, with the points that are needed */
	struct met met[MAX_POINTS];	/* where these were */
	size_t nr_met;
	uint64_t instructions;		/* that it took, of all CPUs */
	const struct access *trace;	/* all its conflicting accesses in their order */
	size_t nr_trace;
	char how[HOW];			/* it ended */
	char text[EXPLORE_TEXT];	/* what its guest said */
};

/* True in each process that is forked, which is to do @task and to end by explore_ends(). */
bool explore(const struct explore *e, unsigned int cpus, struct task *task,
	     struct explored *explored);

/* A conflicting access of such a process whose task says to keep them. */
void explore_accessed(const struct met *access, bool write);
/* A byte that the guest of such a process says. */
void explore_said(char c);
/* The guest's judgement; does not return. */
void explore_ends(bool failed, const struct scheduler *s) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
