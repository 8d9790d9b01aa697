/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which VM each task works on, as its last event told: any number of tasks, since
 * on a busy host all vCPUs of all VMs pass by.
 */
#ifndef TASK_MAP_H
#define TASK_MAP_H

#include "types.h"

struct task {
	int pid;
	u64 kvm;		/* struct kvm *, 0: not known */
	u64 tdr;		/* physical address of the TD's root page, 0: not known */
};

struct task_map;

struct task_map *task_map_new(void);
void task_map_free(struct task_map *map);
/* The task @pid (not 0), new if it was not there; valid until the next call. */
struct task *task_map_get(struct task_map *map, int pid);

#endif /* TASK_MAP_H */
