// SPDX-License-Identifier: GPL-2.0-only
/* A cgroup (v2) with a memory limit, and calls on its account. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "memcg.h"
#include "testcase.h"
#include "undo.h"

#define CGROUPS		"/sys/fs/cgroup"
#define STACK_SIZE	(64 << 10)
#define SETTLE_LIMIT_S	5.0

struct memcg {
	const char *path;
	int procs;		/* cgroup.procs */
	u8 *stack;		/* of the helper */
	int (*fn)(void *arg);	/* of the running call */
	void *arg;
	int ret, err;
};

static int open_file(const struct memcg *cg, const char *name, int flags)
{
	return open(strf("%s/%s", cg->path, name), flags | O_CLOEXEC);
}

static void write_limit(struct memcg *cg, u64 bytes, int flags)
{
	char *text = strf("%llu", bytes);
	int fd = open_file(cg, "memory.max", O_WRONLY | flags);

	must(fd >= 0 && write(fd, text, strlen(text)) > 0, "memory.max=%s of %s", text, cg->path);
	close(fd);
}

/* Whoever meets the limit gets ENOMEM: there is nobody that could be killed instead. */
static void forbid_oom_kills(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, "-1000", 5) == 5, "oom_score_adj");
	close(fd);
}

struct memcg *memcg_create(void)
{
	struct memcg *cg = calloc(1, sizeof(*cg));

	cg->path = strf(CGROUPS "/ktdx-%d", getpid());
	undo_rmdir(cg->path);
	if (mkdir(cg->path, 0755) || access(strf("%s/memory.max", cg->path), W_OK))
		test_skip("needs cgroup v2 at " CGROUPS " with +memory in its cgroup.subtree_control");
	cg->procs = open_file(cg, "cgroup.procs", O_WRONLY);
	must(cg->procs >= 0, "cgroup.procs of %s", cg->path);
	/* Touched now: page tables for it would be charged to the helper. */
	cg->stack = malloc(STACK_SIZE);
	memset(cg->stack, 1, STACK_SIZE);
	forbid_oom_kills();
	return cg;
}

void memcg_limit(struct memcg *cg, u64 bytes)
{
	write_limit(cg, bytes, O_NONBLOCK);	/* don't reclaim now */
}

/* The helper. Its parent sleeps until it ends: they may share errno and all. */
static int enter_and_call(void *arg)
{
	struct memcg *cg = arg;

	if (write(cg->procs, "0", 1) != 1)
		_exit(1);
	cg->ret = cg->fn(cg->arg);
	cg->err = errno;
	_exit(0);
}

int memcg_call(struct memcg *cg, int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid;

	cg->fn = fn;
	cg->arg = arg;
	pid = clone(enter_and_call, cg->stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, cg);
	must(pid > 0 && waitpid(pid, &status, 0) == pid && !status, "a helper in %s (%d)",
	     cg->path, status);
	errno = cg->err;
	return cg->ret;
}

u64 memcg_pages(struct memcg *cg)
{
	long bytes = file_number(strf("%s/memory.current", cg->path), -1);

	must(bytes >= 0, "memory.current of %s", cg->path);
	return bytes / SZ_4K;
}

u64 memcg_pages_left(struct memcg *cg)
{
	double deadline = now() + SETTLE_LIMIT_S;
	u64 pages;

	for (;;) {
		write_limit(cg, 0, 0);		/* gives back what CPUs keep in stock */
		pages = memcg_pages(cg);
		if (pages <= 1)
			return 0;
		if (now() > deadline)
			return pages;
		usleep(1000);
	}
}
