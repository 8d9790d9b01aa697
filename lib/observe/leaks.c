// SPDX-License-Identifier: GPL-2.0-only
/* What kmemleak and page_owner say of memory that is lost. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/case_run.h"
#include "leaks.h"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define PAGES_BY_STACK	"/sys/kernel/debug/page_owner_stacks/show_stacks"
#define MIN_AGE_S	5.5	/* kmemleak's MSECS_MIN_AGE, and some */
#define PATIENCE_S	5.0
#define SHOWN_LINES	60	/* of what kmemleak says */
#define COMM_LEN	15

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool tell_kmemleak(const char *command)
{
	int fd = open(KMEMLEAK, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, command, strlen(command)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

/* "get_page_from_freelist+0x1/0x2": on the way to the page, whoever wants it. */
static bool is_allocator(const char *frame)
{
	static const char *const names[] = {
		"get_page_from_freelist", "alloc_", "folio_alloc", "get_free_pages",
		"get_zeroed_page", "post_alloc_hook", "prep_new_page", "set_page_owner",
	};

	frame += strspn(frame, " _");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (starts(frame, names[i]))
			return true;
	return false;
}

static bool is_of_kvm(const char *frame)
{
	static const char *const names[] = { "kvm", "tdx", "tdp", "tdh", "vmx", "vmcs",
					     "mmu_memory_cache" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strstr(frame, names[i]))
			return true;
	return false;
}

/*
 * Stacks, " function+0x1/0x2" a line, each followed by "nr_base_pages: N" and an empty line.
 * Pages that KVM asks the page allocator for count; not slabs, nor page cache.
 */
static long pages_of_kvm(void)
{
	FILE *f = fopen(PAGES_BY_STACK, "re");
	char *line = NULL;
	size_t size = 0;
	long pages = 0, nr;
	bool decided = false, counts = false;

	if (!f)
		return -1;
	while (getline(&line, &size, f) > 0) {
		if (line[0] == ' ' && !decided && !is_allocator(line)) {
			decided = true;
			counts = is_of_kvm(line);
		} else if (sscanf(line, "nr_base_pages: %ld", &nr) == 1) {
			pages += counts ? nr : 0;
			decided = counts = false;
		}
	}
	free(line);
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

/*
 * Objects that threads of this name have allocated: 'comm "create_vcpu.tdx", pid 7, jiffies 8',
 * a line after that of the object.  What others lose, other programs of the boot say.
 */
static unsigned int own_objects(const char *name)
{
	FILE *f = fopen(KMEMLEAK, "re");
	char *own = strf("  comm \"%.*s\"", COMM_LEN, name);
	char *line = NULL, *object = strf("%s", "");
	unsigned int nr = 0, shown = 0;
	bool ours = false;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (starts(line, "unreferenced object")) {
			object = strf("%s", line);
			ours = false;
		} else if (starts(line, own)) {
			ours = true;
			nr++;
			diag("kmemleak: %s", object);
		}
		if (ours && shown++ < SHOWN_LINES)
			diag("kmemleak: %s", line);
	}
	free(line);
	if (f)
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

void expect_no_leaks_(const char *file, int line, const struct leaks *before)
{
	char name[COMM_LEN + 1] = "";
	unsigned int objects;
	long pages;

	if (before->pages >= 0 &&
	    !await((pages = pages_of_kvm()) <= before->pages, PATIENCE_S))
		test_failed(file, line, "pages that code of KVM or TDX has allocated (page_owner)",
			    strf("%ld at most", before->pages), strf("%ld", pages));
	if (!before->objects)
		return;
	prctl(PR_GET_NAME, name);
	scan();
	objects = own_objects(name);
	tell_kmemleak("clear");
	if (objects)
		test_failed(file, line, "objects of the kernel that nothing refers to (kmemleak)",
			    "0", strf("%u", objects));
}
