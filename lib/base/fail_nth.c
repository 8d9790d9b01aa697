// SPDX-License-Identifier: GPL-2.0-only
/* /proc/thread-self/fail-nth, and the filters of failslab and fail_page_alloc. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/case_run.h"
#include "fail_nth.h"
#include "file.h"
#include "testcase.h"
#include "undo.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAKE_IT_FAIL	"/proc/thread-self/make-it-fail"
#define DEBUGFS		"/sys/kernel/debug"

/*
 * What lib/fault-inject.c, mm/failslab.c and mm/fail_page_alloc.c leave alone by default, and
 * that tasks with make-it-fail meet failures only: in this order, and back in the reverse one,
 * nobody else meets any.
 */
static const struct { const char *path, *value; } filters[] = {
	{ DEBUGFS "/failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "/failslab/cache-filter", "N" },
	{ DEBUGFS "/failslab/verbose", "0" },
	{ DEBUGFS "/failslab/task-filter", "Y" },
	{ DEBUGFS "/failslab/times", "-1" },
	{ DEBUGFS "/failslab/probability", "100" },
	{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "/fail_page_alloc/min-order", "0" },
	{ DEBUGFS "/fail_page_alloc/verbose", "0" },
	{ DEBUGFS "/fail_page_alloc/task-filter", "Y" },
	{ DEBUGFS "/fail_page_alloc/times", "-1" },
	{ DEBUGFS "/fail_page_alloc/probability", "100" },
	{ DEBUGFS "/fail_usercopy/verbose", "0" },
};

#define SLAB_TIMES	DEBUGFS "/failslab/times"
#define PAGE_TIMES	DEBUGFS "/fail_page_alloc/times"

static _Thread_local int fail_nth_fd = -1, make_it_fail_fd = -1;
static int slab_times_fd = -1, page_times_fd = -1;

static int open_once(int *fd, const char *path)
{
	if (*fd < 0)
		*fd = open(path, O_RDWR | O_CLOEXEC);
	must(*fd >= 0, "%s", path);
	return *fd;
}

const char *fail_nth_missing(void)
{
	if (access(FAIL_NTH, W_OK))
		return "needs a kernel whose allocations can be made to fail: CONFIG_FAULT_INJECTION, FAILSLAB, FAIL_PAGE_ALLOC, FAULT_INJECTION_USERCOPY";
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if (access(filters[i].path, W_OK))
			return strf("needs %s: CONFIG_FAULT_INJECTION_DEBUG_FS, FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_USERCOPY, debugfs mounted and writable",
				    filters[i].path);
	return NULL;
}

static void open_files(void)
{
	open_once(&fail_nth_fd, FAIL_NTH);
	open_once(&make_it_fail_fd, MAKE_IT_FAIL);
	open_once(&slab_times_fd, SLAB_TIMES);
	open_once(&page_times_fd, PAGE_TIMES);
}

void fail_nth_prepare(void)
{
	int lock = open(filters[0].path, O_RDONLY | O_CLOEXEC);

	must_declare(running_case()->needs_fail_nth, ".needs_fail_nth");
	/* Another run of the suite: it restores the settings when its case has ended. */
	must(lock >= 0 && !flock(lock, LOCK_EX), "a lock of %s", filters[0].path);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		errno = -set_and_undo(filters[i].path, filters[i].value);
		must(!errno, "%s to %s", filters[i].value, filters[i].path);
	}
	open_files();	/* now: who counts open files counts it before and after */
}

bool fail_nth_unchanged(void)
{
	errno = 0;
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		char *text = file_line(filters[i].path);
		bool same = text && !strcmp(text, filters[i].value);

		free(text);
		if (!same)
			return false;
	}
	return true;
}

void fail_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	must_declare(running_case()->needs_fail_nth, ".needs_fail_nth");
	open_files();
	must(pwrite(fail_nth_fd, text, len, 0) == len, "%u to " FAIL_NTH, n);
}

/* Not at a position: files of debugfs have none. */
static void put(int fd, const char *text, const char *path)
{
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s to %s", text, path);
}

/*
 * The @n-th, and so many slab allocations and allocations of pages after it.  While fail-nth
 * counts, nothing else decides (should_fail_ex()).
 */
static void fail_more(unsigned int n, const char *slab, const char *pages)
{
	open_files();
	put(slab_times_fd, slab, SLAB_TIMES);
	put(page_times_fd, pages, PAGE_TIMES);
	put(make_it_fail_fd, "1", MAKE_IT_FAIL);
	fail_nth(n);
}

/* Whoever is hit by fail-nth counts among the times. */
void fail_twice(unsigned int n)
{
	fail_more(n, "2", "0");
}

void fail_from(unsigned int n)
{
	fail_more(n, "-1", "-1");
}

/*
 * The file tells how many are left.  To read it is a copy, too: one less is left then, and where
 * one is left it fails.
 */
unsigned int fail_nth_end(void)
{
	int saved = errno;
	char text[16] = "";
	unsigned int left = 1;

	if (pread(fail_nth_fd, text, sizeof(text) - 1, 0) > 0)
		left = strtoul(text, NULL, 10);
	while (pwrite(fail_nth_fd, "0", 1, 0) != 1)
		must(errno == EFAULT, "0 to " FAIL_NTH);
	put(make_it_fail_fd, "0", MAKE_IT_FAIL);
	put(slab_times_fd, "-1", SLAB_TIMES);
	put(page_times_fd, "-1", PAGE_TIMES);
	errno = saved;
	return left;
}
