// SPDX-License-Identifier: GPL-2.0-only
/* A hash table by process id, open addressing, at most half full. */
#include <stdlib.h>

#include "observe/task_map.h"
#include "testcase.h"

#define FIRST_SIZE	128		/* a power of two */

struct task_map {
	struct task *slots;		/* pid 0: free */
	u32 size, used;
};

static struct task *slots_new(u32 size)
{
	struct task *slots = calloc(size, sizeof(*slots));

	must(slots, "memory for %u tasks", size);
	return slots;
}

struct task_map *task_map_new(void)
{
	struct task_map *map = calloc(1, sizeof(*map));

	must(map, "memory for a map of tasks");
	map->slots = slots_new(FIRST_SIZE);
	map->size = FIRST_SIZE;
	return map;
}

void task_map_free(struct task_map *map)
{
	free(map->slots);
	free(map);
}

/* The slot of @pid, or the free one where it belongs. */
static struct task *slot_of(const struct task_map *map, int pid)
{
	u32 at = (u32)pid * 0x9e3779b9u;

	while (map->slots[at & (map->size - 1)].pid &&
	       map->slots[at & (map->size - 1)].pid != pid)
		at++;
	return &map->slots[at & (map->size - 1)];
}

static void grow(struct task_map *map)
{
	struct task_map bigger = { .slots = slots_new(2 * map->size), .size = 2 * map->size,
				   .used = map->used };

	for (u32 i = 0; i < map->size; i++)
		if (map->slots[i].pid)
			*slot_of(&bigger, map->slots[i].pid) = map->slots[i];
	free(map->slots);
	*map = bigger;
}

struct task *task_map_get(struct task_map *map, int pid)
{
	struct task *task = slot_of(map, pid);

	if (task->pid)
		return task;
	if (2 * (map->used + 1) > map->size) {
		grow(map);
		task = slot_of(map, pid);
	}
	map->used++;
	task->pid = pid;
	return task;
}
