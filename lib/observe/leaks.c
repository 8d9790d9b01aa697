// SPDX-License-Identifier: GPL-2.0-only
/* What kmemleak and page_owner say of memory that is lost. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/case_run.h"
#include "leaks.h"
#include "observe/leak_report.h"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define PAGES_BY_STACK	"/sys/kernel/debug/page_owner_stacks/show_stacks"
#define MIN_AGE_S	5.5	/* kmemleak's MSECS_MIN_AGE, and some */
#define PATIENCE_S	5.0

static bool tell_kmemleak(const char *command)
{
	int fd = open(KMEMLEAK, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, command, strlen(command)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static long pages_of_kvm(void)
{
	FILE *f = fopen(PAGES_BY_STACK, "re");
	long pages;

	if (!f)
		return -1;
	pages = page_owner_of_kvm(f);
	fclose(f);
	return pages;
}

struct leaks leaks_begin(void)
{
	struct leaks leaks = { .pages = -1 };

	if (!in_testbed())	/* to clear the list of leaks would hide them from others */
		return leaks;
	leaks.objects = tell_kmemleak("clear");
	leaks.pages = pages_of_kvm();
	return leaks;
}

static unsigned int objects_of(const char *name)
{
	FILE *f = fopen(KMEMLEAK, "re");
	unsigned int nr;

	must(f, "%s", KMEMLEAK);
	nr = kmemleak_of(f, name);
	fclose(f);
	return nr;
}

/*
 * The first pass notes what an object contains, the second one names those that nothing refers
 * to, that have not changed, and that are old enough as it begins.
 */
static void scan(void)
{
	double begun = now(), left;

	must(tell_kmemleak("scan"), "a pass of kmemleak");
	left = begun + MIN_AGE_S - now();
	if (left > 0)
		usleep(left * 1e6);
	must(tell_kmemleak("scan"), "a pass of kmemleak");
}

static bool pages_at_most(long most, long *pages)
{
	*pages = pages_of_kvm();
	return *pages <= most;
}

void expect_no_leaks_(const char *file, int line, const struct leaks *before)
{
	char name[LEAK_NAME + 1] = "";
	unsigned int objects;
	long pages = 0;

	if (before->pages >= 0 &&
	    !await(pages_at_most(before->pages, &pages), PATIENCE_S))
		test_failed(file, line, "pages that code of KVM or TDX has allocated (page_owner)",
			    strf("%ld at most", before->pages), strf("%ld", pages));
	if (!before->objects)
		return;
	prctl(PR_GET_NAME, name);
	scan();
	objects = objects_of(name);
	tell_kmemleak("clear");
	if (objects)
		test_failed(file, line, "objects of the kernel that nothing refers to (kmemleak)",
			    "0", strf("%u", objects));
}
