// SPDX-License-Identifier: GPL-2.0-only
/* Schedules by seed, and the scheduler that follows one. */
#include <stdlib.h>
#include <string.h>

#include "schedule.h"

/* Instructions of others after which a CPU that spins may look again. */
#define UNPARK		200
/* A CPU that spins without PAUSE: so many in a row while another could run, and it is the lowest. */
#define MOST_IN_A_ROW	20000
/* Who comes in the midst of a spin loop executes PAUSE before it looks at its condition. */
#define PAUSES		2

uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ x >> 27) * 0x94D049BB133111EBull;
	return x ^ x >> 31;
}

static uint64_t below(uint64_t *state, uint64_t n)
{
	*state += 0x9E3779B97F4A7C15ull;
	return n ? mix(*state) % n : 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void schedule_of_seed(struct schedule *s, uint64_t seed, unsigned int cpus, size_t points,
		      uint64_t accesses)
{
	uint64_t state = mix(seed + 1);

	*s = (struct schedule){ .seed = seed, .nr_points = points < MAX_POINTS ? points : MAX_POINTS };
	for (unsigned int i = 0; i < cpus; i++)
		s->priority[i] = i + 1;
	for (unsigned int i = cpus - 1; i > 0; i--) {
		unsigned int other = below(&state, i + 1);
		int priority = s->priority[i];

		s->priority[i] = s->priority[other];
		s->priority[other] = priority;
	}
	for (size_t i = 0; i < s->nr_points; i++)
		s->points[i] = 1 + below(&state, accesses);
	qsort(s->points, s->nr_points, sizeof(s->points[0]), compare);
}

void schedule_serial(struct schedule *s, unsigned int cpus, unsigned int cpu)
{
	*s = (struct schedule){ 0 };
	for (unsigned int i = 0; i < cpus; i++)
		s->priority[i] = i == cpu ? (int)cpus : (int)(i + 1 - (i > cpu));
}

void scheduler_begin(struct scheduler *s, const struct schedule *schedule, unsigned int cpus)
{
	*s = (struct scheduler){ .schedule = *schedule, .cpus = cpus, .last = -1 };
	for (unsigned int i = 0; i < cpus; i++)
		s->priority[i] = schedule->priority[i];
}

static uint64_t instructions_of_others(const struct scheduler *s, unsigned int cpu)
{
	return s->total - s->own[cpu];
}

int scheduler_choose(struct scheduler *s, unsigned int can_run)
{
	int best = -1, spare = -1;

	for (unsigned int i = 0; i < s->cpus; i++) {
		if (!(can_run >> i & 1))
			continue;
		if (s->parked[i] && instructions_of_others(s, i) - s->others[i] >= UNPARK)
			s->parked[i] = false;
		if (s->parked[i]) {
			if (spare < 0 || s->others[i] < s->others[spare])
				spare = i;
		} else if (best < 0 || s->priority[i] > s->priority[best]) {
			best = i;
		}
	}
	if (best < 0 && spare >= 0) {
		s->parked[spare] = false;
		best = spare;
	}
	if (best >= 0 && best != s->last) {
		s->last = best;
		s->in_a_row = 0;
		s->pauses = 0;
	}
	return best;
}

static void make_lowest(struct scheduler *s, unsigned int cpu)
{
	if (!s->left[cpu])
		s->priority[cpu] = --s->lowest;
}

void scheduler_ran(struct scheduler *s, unsigned int cpu, uint64_t instructions)
{
	s->total += instructions;
	s->own[cpu] += instructions;
	s->in_a_row += instructions;
	if (s->at_point) {
		make_lowest(s, cpu);
	} else if (s->at_pause) {
		s->parked[cpu] = true;
		s->pauses = 0;
		s->others[cpu] = instructions_of_others(s, cpu);
	} else if (s->in_a_row > MOST_IN_A_ROW) {
		make_lowest(s, cpu);
		s->in_a_row = 0;
	}
	s->at_point = s->at_pause = false;
}

bool scheduler_access(struct scheduler *s, const struct met *access, bool write)
{
	const struct schedule *schedule = &s->schedule;
	bool point = false;

	if (s->left[access->cpu])
		return false;
	s->accesses++;
	s->order = mix(s->order ^ (access->address << 4 | (uint64_t)write << 3 | access->cpu));
	while (s->next_point < schedule->nr_points &&
	       schedule->points[s->next_point] == s->accesses) {
		s->met[s->next_point++] = *access;
		point = true;
	}
	s->at_point |= point;
	return point;
}

bool scheduler_pause(struct scheduler *s, unsigned int cpu)
{
	(void)cpu;
	if (++s->pauses < PAUSES)
		return false;
	s->at_pause = true;
	return true;
}

/* Below all others: waiting for the end shall not look like a part of the race. */
void scheduler_leave(struct scheduler *s, unsigned int cpu)
{
	s->left[cpu] = true;
	s->priority[cpu] = -1000000 - (long)cpu;
	s->at_point = true;
}
