// SPDX-License-Identifier: GPL-2.0-only
/* Statistics that a lost page, VM or KeyID changes for good. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/case_run.h"
#include "file.h"
#include "keyids.h"
#include "mem.h"
#include "softtdx_ctl.h"
#include "usage.h"

#define KVM_DEBUGFS	"/sys/kernel/debug/kvm"
#define PATIENCE_S	5.0

enum usage_item {
	TDS, HKIDS, TD_PAGES, VIOLATIONS,	/* of the software TDX module */
	CHARGED,			/* TDs that the misc cgroup counts */
	TABLES, UNEVICTABLE,		/* KiB: page tables of VMs; guest_memfd above all */
	VMS,				/* of this process */
	OWN_FILES, FILES,		/* open here; of the host */
};

static const char *const usage_names[USAGE_MAX] = {
	[TDS] = "TDs of the TDX module", [HKIDS] = "HKIDs of the TDX module",
	[TD_PAGES] = "pages that the TDX module has for TDs",
	[VIOLATIONS] = "violations that the TDX module counted",
	[CHARGED] = "TDs charged to the misc cgroup (misc.current)",
	[TABLES] = "SecPageTables, KiB", [UNEVICTABLE] = "Unevictable, KiB",
	[VMS] = "VMs of this process (debugfs)",
	[OWN_FILES] = "open files of this process", [FILES] = "open files of the host (file-nr)",
};

/* Entries of @directory that begin with @prefix; -1: it is not there. */
static long entries(const char *directory, const char *prefix)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	long nr = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		nr += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return nr;
}

static void see_module(struct usage *usage)
{
	const struct test_case *tc = running_case();
	struct softtdx_state state;

	if (!(tc->needs_softtdx || tc->uses_softtdx) || !softtdx_present())
		return;
	state = softtdx_state();
	usage->value[TDS] = state.tds;
	usage->value[HKIDS] = state.keyids;
	usage->value[TD_PAGES] = state.pages;
	usage->value[VIOLATIONS] = state.violations;
}

struct usage usage_now(void)
{
	struct usage usage;
	char *own = strf("%d-", getpid());

	for (int i = 0; i < USAGE_MAX; i++)
		usage.value[i] = -1;
	see_module(&usage);
	usage.value[VMS] = entries(KVM_DEBUGFS, own);
	usage.value[OWN_FILES] = entries("/proc/self/fd", "");
	free(own);
	/* What others do shows here: only where there are none. */
	if (!in_testbed())
		return usage;
	usage.value[CHARGED] = keyids().used;
	/* Reading it adds up what the CPUs have counted. */
	file_number("/proc/sys/vm/stat_refresh", 0);
	usage.value[TABLES] = meminfo("SecPageTables");
	usage.value[UNEVICTABLE] = meminfo("Unevictable");
	usage.value[FILES] = file_number("/proc/sys/fs/file-nr", -1);
	return usage;
}

static void add(struct usage *usage, enum usage_item item, long nr)
{
	if (usage->value[item] >= 0)
		usage->value[item] += nr;
}

void usage_lose(struct usage *usage, const struct usage_loss *loss)
{
	add(usage, TDS, loss->tds);
	add(usage, HKIDS, loss->keyids);
	add(usage, TD_PAGES, loss->pages);
	add(usage, VIOLATIONS, loss->violations);
	add(usage, CHARGED, loss->keyids);	/* as long as the kernel has the KeyID */
}

static bool is_now(const struct usage *wanted, struct usage *seen)
{
	*seen = usage_now();
	return !memcmp(seen, wanted, sizeof(*seen));
}

void expect_usage_(const char *file, int line, const struct usage *before, const char *when)
{
	struct usage after;

	if (await(is_now(before, &after), PATIENCE_S))
		return;
	for (int i = 0; i < USAGE_MAX; i++)
		if (after.value[i] != before->value[i])
			test_failed(file, line, strf("%s, %s", usage_names[i], when),
				    strf("%ld", before->value[i]),
				    strf("%ld", after.value[i]));
}
