// SPDX-License-Identifier: GPL-2.0-only
/* Which VM each task works on, however many tasks there are. */
#include "observe/task_map.h"
#include "testcase.h"

#define MANY	20000

CASE(many, "20,000 tasks", .plain = true)
{
	struct task_map *map = task_map_new();

	/* Ours comes first, and the tasks of the host's other VMs do not displace it. */
	task_map_get(map, 7)->kvm = 0x7777;
	for (int i = 1; i <= MANY; i++)
		if (i != 7)
			task_map_get(map, i)->kvm = i;
	expect_eq(task_map_get(map, 7)->kvm, 0x7777, "the VM of the first task");
	for (int i = 1; i <= MANY; i++)
		if (i != 7)
			expect_eq(task_map_get(map, i)->kvm, i, "the VM of task %d", i);
	task_map_free(map);
}

/* Process ids that share their low bits. */
CASE(colliding, "tasks with colliding ids", .plain = true)
{
	struct task_map *map = task_map_new();

	for (int i = 1; i < 1000; i++)
		task_map_get(map, i << 12)->tdr = i;
	for (int i = 1; i < 1000; i++)
		expect_eq(task_map_get(map, i << 12)->tdr, i, "the TD of task %d", i << 12);
	expect_eq(task_map_get(map, 1)->tdr, 0, "the TD of a task that is new");
	task_map_free(map);
}

TEST_MAIN("which VM each task works on")
