/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory pressure for one system call: a helper process, in the case's address space
 * but in a cgroup of its own, makes the call.  Kernel allocations for it are charged
 * to that cgroup and fail at its limit; the case's own memory is not affected.
 */
#ifndef MEMCG_H
#define MEMCG_H

#include "types.h"

struct memcg;

/* A cgroup; skips the case where there is no cgroup v2 with the memory controller. */
struct memcg *memcg_create(void);

/* Its limit from now on, in bytes. */
void memcg_limit(struct memcg *cg, u64 bytes);

/*
 * fn(arg), charged to @cg: its result, with errno.  For plain system calls: user
 * memory that fn is the first to touch would need page tables, too.
 */
int memcg_call(struct memcg *cg, int (*fn)(void *arg), void *arg);

/* Pages that are charged to @cg, those that CPUs keep in stock among them. */
u64 memcg_pages(struct memcg *cg);

/*
 * Whole pages that are charged to @cg, once there are none, or after 5 s.  One page
 * does not count: Linux keeps what was less than a page charged with the cgroup.
 */
u64 memcg_pages_left(struct memcg *cg);

#endif /* MEMCG_H */
