// SPDX-License-Identifier: GPL-2.0-only
/* Schedules, and what a scheduler makes of them. */
#include <string.h>

#include "../conflicts.h"
#include "../schedule.h"
#include "unit.h"

#define BOTH 3u

static struct scheduler begin(size_t nr, const uint64_t points[])
{
	struct schedule schedule;
	struct scheduler s;

	schedule_serial(&schedule, 2, 0);
	schedule.nr_points = nr;
	if (nr)
		memcpy(schedule.points, points, nr * sizeof(points[0]));
	scheduler_begin(&s, &schedule, 2);
	return s;
}

static bool access_by(struct scheduler *s, unsigned int cpu)
{
	const struct met access = { .cpu = cpu, .rip = 0x1000, .address = 8 };

	return scheduler_access(s, &access, true);
}

static void seeds(void)
{
	struct schedule a, b;
	int first = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		schedule_of_seed(&a, seed, 2, 4, 1000);
		schedule_of_seed(&b, seed, 2, 4, 1000);
		EXPECT(!memcmp(&a, &b, sizeof(a)));
		EXPECT(a.priority[0] + a.priority[1] == 3);
		EXPECT(a.nr_points == 4);
		for (size_t i = 0; i < a.nr_points; i++)
			EXPECT(a.points[i] >= 1 && a.points[i] <= 1000 &&
			       (!i || a.points[i] >= a.points[i - 1]));
		first += a.priority[0] == 2;
	}
	EXPECT(first > 60 && first < 140);
	schedule_serial(&a, 4, 2);
	EXPECT(a.priority[2] == 4 && a.priority[0] == 1 && a.priority[1] == 2 && a.priority[3] == 3);
}

static void highest_that_can(void)
{
	struct scheduler s = begin(0, NULL);

	EXPECT(scheduler_choose(&s, BOTH) == 0);
	EXPECT(scheduler_choose(&s, 2) == 1);
	EXPECT(scheduler_choose(&s, 0) == -1);
}

static void switch_points(void)
{
	struct scheduler s = begin(2, (uint64_t[]){ 2, 3 });

	EXPECT(scheduler_choose(&s, BOTH) == 0);
	EXPECT(!access_by(&s, 0));
	scheduler_ran(&s, 0, 5);
	EXPECT(scheduler_choose(&s, BOTH) == 0);
	EXPECT(access_by(&s, 0));		/* the second access of all */
	scheduler_ran(&s, 0, 5);
	EXPECT(scheduler_choose(&s, BOTH) == 1);
	EXPECT(access_by(&s, 1));
	scheduler_ran(&s, 1, 5);
	EXPECT(scheduler_choose(&s, BOTH) == 0);
	EXPECT(s.next_point == 2 && s.met[0].cpu == 0 && s.met[1].cpu == 1 && s.accesses == 3);
}

static void spinning(void)
{
	struct scheduler s = begin(0, NULL);

	scheduler_choose(&s, BOTH);
	EXPECT(!scheduler_pause(&s, 0));	/* it looks at its condition first */
	EXPECT(scheduler_pause(&s, 0));
	scheduler_ran(&s, 0, 10);
	EXPECT(scheduler_choose(&s, BOTH) == 1);
	EXPECT(scheduler_choose(&s, 1) == 0);	/* nobody else can */
	scheduler_choose(&s, BOTH);
	s = begin(0, NULL);
	scheduler_choose(&s, BOTH);
	scheduler_pause(&s, 0);
	scheduler_pause(&s, 0);
	scheduler_ran(&s, 0, 10);
	EXPECT(scheduler_choose(&s, BOTH) == 1);
	scheduler_ran(&s, 1, 1000);		/* enough of the other's */
	EXPECT(scheduler_choose(&s, BOTH) == 0);
}

static void a_loop_without_pause(void)
{
	struct scheduler s = begin(0, NULL);

	scheduler_choose(&s, BOTH);
	scheduler_ran(&s, 0, 1000000);
	EXPECT(scheduler_choose(&s, BOTH) == 1);
}

static void leaving(void)
{
	struct scheduler s = begin(0, NULL);

	scheduler_choose(&s, BOTH);
	scheduler_leave(&s, 0);
	scheduler_ran(&s, 0, 10);
	EXPECT(scheduler_choose(&s, BOTH) == 1);
	EXPECT(!access_by(&s, 0) && !s.accesses);
	EXPECT(scheduler_choose(&s, 1) == 0);
}

static void conflicting(void)
{
	EXPECT(conflicts_begin());
	conflicts_record(0, 0x1000, false);	/* both read */
	conflicts_record(1, 0x1000, false);
	conflicts_record(0, 0x2000, true);	/* one only */
	conflicts_record(0, 0x2000, false);
	conflicts_record(0, 0x3000, false);	/* one reads, one writes */
	conflicts_record(1, 0x3004, true);
	EXPECT(conflicts_freeze() == 1);
	EXPECT(!conflicts_at(0x1000) && !conflicts_at(0x2000));
	EXPECT(conflicts_at(0x3000) && conflicts_at(0x3007) && !conflicts_at(0x3008));
}

void test_schedule(void)
{
	seeds();
	highest_that_can();
	switch_points();
	spinning();
	a_loop_without_pause();
	leaving();
	conflicting();
}
