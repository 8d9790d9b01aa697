/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPU executes next while a race is explored: the one with the highest priority among
 * those that can run.  Priorities are by chance (a seed), and at some switch points, which are
 * by chance, too, the CPU that executes becomes the lowest: probabilistic concurrency testing
 * (Burckhardt et al., ASPLOS 2010).  Switch points lie behind accesses to memory that two CPUs
 * use and one of them writes: conflicting accesses.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAX_CPUS	8
#define MAX_POINTS	16

struct schedule {
	uint64_t seed;
	int priority[MAX_CPUS];		/* each once, 1 is the lowest */
	size_t nr_points;
	uint64_t points[MAX_POINTS];	/* numbers of conflicting accesses, from 1, ascending */
};

/* That of @seed: @points switch points among @accesses. */
void schedule_of_seed(struct schedule *s, uint64_t seed, unsigned int cpus, size_t points,
		      uint64_t accesses);
/* No switch points, and @cpu before the others. */
void schedule_serial(struct schedule *s, unsigned int cpus, unsigned int cpu);

/* Where a switch point was met. */
struct met {
	unsigned int cpu;
	uint64_t rip, address;
};

/* A schedule that is under way. */
struct scheduler {
	struct schedule schedule;
	unsigned int cpus;
	long priority[MAX_CPUS], lowest;
	bool parked[MAX_CPUS];		/* it spins */
	bool left[MAX_CPUS];		/* its part of the race is over */
	uint64_t own[MAX_CPUS];		/* instructions */
	uint64_t others[MAX_CPUS];	/* instructions of others as it was parked */
	uint64_t total;			/* instructions */
	uint64_t in_a_row;		/* instructions of the CPU that executes */
	int last;			/* the CPU that executed */
	unsigned int pauses;		/* since it came */
	bool at_point, at_pause;	/* the end of this trace */
	size_t next_point;
	uint64_t accesses;		/* conflicting ones */
	uint64_t order;			/* a hash of who made them */
	struct met met[MAX_POINTS];
};

void scheduler_begin(struct scheduler *s, const struct schedule *schedule, unsigned int cpus);

/* The CPU to execute next, -1 if all wait. @can_run: a bit a CPU. */
int scheduler_choose(struct scheduler *s, unsigned int can_run);
/* It executed so many instructions, and its trace is over. */
void scheduler_ran(struct scheduler *s, unsigned int cpu, uint64_t instructions);

/* While it executes; true: its trace has to end behind this instruction. */
bool scheduler_access(struct scheduler *s, const struct met *access, bool write);
bool scheduler_pause(struct scheduler *s, unsigned int cpu);
void scheduler_leave(struct scheduler *s, unsigned int cpu);

/* A number that looks random, the same for the same @x. */
uint64_t mix(uint64_t x);

#ifdef __cplusplus
}
#endif

#endif
