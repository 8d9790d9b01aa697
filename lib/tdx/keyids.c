// SPDX-License-Identifier: GPL-2.0-only
/* "tdx N" in misc.capacity and misc.current. */
#include <stdlib.h>

#include "file.h"
#include "keyids.h"
#include "testcase.h"

#define CGROUPS	"/sys/fs/cgroup"

/* The line "tdx N" of a file of the misc controller. */
static long misc_value(const char *cgroups, const char *name)
{
	char *text = file_after(strf("%s/%s", cgroups, name), "tdx ");
	long value = text ? atol(text) : -1;

	free(text);
	return value;
}

struct keyids keyids_of(const char *cgroups)
{
	return (struct keyids){ .capacity = misc_value(cgroups, "misc.capacity"),
				.used = misc_value(cgroups, "misc.current") };
}

struct keyids keyids(void)
{
	return keyids_of(CGROUPS);
}

const char *keyids_text(void)
{
	long capacity = keyids().capacity;

	return capacity < 0 ? "all" : strf("all %ld", capacity);
}
