// SPDX-License-Identifier: GPL-2.0-only
/* Count the cases that need what this host lacks. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/case_run.h"
#include "costs.h"
#include "fail_nth.h"
#include "hold.h"
#include "linux_guest.h"
#include "mem.h"
#include "observe.h"
#include "sept.h"
#include "tdx_host.h"
#include "thread.h"
#include "uffd.h"
#include "vm.h"

/* A need as --describe calls it, and how much of it there is: 0 none, 1 it is there. */
struct optional {
	const char *name;
	/* Ends in a space: the need goes on; begins with '#': a number of them. */
	const char *need;
	long have;
	const char *found;
	const char *vm_type;		/* in place of a need: cases of this VM type */
	const char *weaker;		/* what those declare that can do without */
};

#define MAX_OPTIONAL	16
#define MAX_NEEDS	32	/* of a case */

static struct optional optional[MAX_OPTIONAL];
static struct cost costs[MAX_OPTIONAL];
static size_t nr_optional;

static void add(struct optional one)
{
	optional[nr_optional++] = one;
}

/* @missing: a skip reason, or NULL: it is there. */
static void add_missing(const char *name, const char *need, const char *missing)
{
	add((struct optional){ .name = name, .need = need, .have = !missing,
			       .found = missing ?: "there" });
}

static void add_number(const char *name, const char *need, long have)
{
	add((struct optional){ .name = name, .need = need, .have = have,
			       .found = strf("%ld", have < 0 ? 0 : have) });
}

/* What the cases can tell apart: see needs.c, which skips them. */
static void list_optional(void)
{
	bool sw_protected = kvm_cap(KVM_CAP_VM_TYPES) & VM_SW_PROTECTED;

	nr_optional = 0;
	add((struct optional){ .name = "TDs", .vm_type = "tdx", .have = !tdx_host_missing(),
			       .found = tdx_host_missing() ? "not here, see above" : "there" });
	add((struct optional){ .name = "software-protected VMs", .vm_type = "sw_protected",
			       .have = sw_protected,
			       .found = sw_protected ? "there" : "not in this kernel (CONFIG_KVM_SW_PROTECTED_VM)" });
	add_missing("probes and tracing", "probes", observe_missing(OBSERVE_MAPPING));
	add((struct optional){ .name = "kmod/tdx_view", .need = "Secure EPT",
			       .have = !sept_missing(), .weaker = "Secure EPT if there",
			       .found = sept_missing() ? "not loaded (docs/kmod.md)" : "loaded" });
	add((struct optional){ .name = "kmod/kvm_hold", .need = "hold by module",
			       .have = !hold_missing(true),
			       .found = hold_missing(true) ? "not loaded (docs/kmod.md)" : "loaded" });
	add_missing("holds by BPF or kmod/kvm_hold", "hold", hold_missing(false));
	add_missing("failing allocations", "fail-nth", fail_nth_missing());
	add_number("free hugetlb pages of 2M", "# hugetlb pages of 2M", hugetlb_free_pages(SZ_2M));
	add_number("free hugetlb pages of 1G", "# hugetlb pages of 1G", hugetlb_free_pages(SZ_1G));
	add_number("NUMA nodes with memory", "# NUMA nodes", nr_nodes());
	add_number("CPUs", "# CPUs", nr_cpus());
	add_missing("userfaultfd", "userfaultfd", uffd_denied());
	add_missing("transparent hugepages", "THP",
		    thp_supported() ? NULL : "not in this kernel (CONFIG_TRANSPARENT_HUGEPAGE)");
	add_missing("a guest kernel", "guest kernel", linux_guest_missing());
	add((struct optional){ .name = "--allow-host-wide", .need = "host-wide: ",
			       .found = "an option of the run" });
	add((struct optional){ .name = "the software TDX module", .need = "softtdx",
			       .found = "in the emulated host only" });
}

static bool is_lacking(const struct optional *o, const char *item)
{
	size_t len = strlen(o->need);
	char *rest;
	long number;

	if (*o->need == '#') {
		number = strtol(item, &rest, 10);
		return rest != item && !strcmp(rest, o->need + 1) && number > o->have;
	}
	return !o->have && !strncmp(item, o->need, len) &&
	       (!item[len] || o->need[len - 1] == ' ');
}

/* The next string of a list of JSON's, ended in place; NULL behind the last. @at goes on. */
static char *next_item(char **at)
{
	char *item = *at + strcspn(*at, "\"]"), *end;

	if (*item != '"')
		return NULL;
	for (end = ++item; *end && *end != '"'; end++)
		end += *end == '\\' && end[1];
	*at = end + !!*end;
	*end = '\0';
	return item;
}

/* What a line of --describe tells of a case. */
struct declared {
	char *needs[MAX_NEEDS], *vm_types[MAX_NEEDS];
	size_t nr_needs, nr_vm_types;
};

/* The strings of the list @key. @line is used up from there on. */
static size_t split_list(char *line, const char *key, char **items)
{
	char *at = strstr(line, key), *item;
	size_t nr = 0;

	if (!at)
		return 0;
	at += strlen(key);
	while (nr < MAX_NEEDS && (item = next_item(&at)))
		items[nr++] = item;
	return nr;
}

static struct declared parse(char *line)
{
	bool observes = strstr(line, "\"observes\": true");
	struct declared d = { .nr_needs = split_list(line, "\"needs\": [", d.needs) };

	/* Before the needs. */
	d.nr_vm_types = split_list(line, "\"vm_types\": [", d.vm_types);
	if (observes && d.nr_needs < MAX_NEEDS)
		d.needs[d.nr_needs++] = "probes";
	return d;
}

static void count_case(const struct declared *d, const struct optional *o, struct cost *cost)
{
	unsigned int runs = d->nr_vm_types ?: 1;

	for (size_t i = 0; i < d->nr_vm_types; i++)
		cost->skipped += o->vm_type && !o->have && !strcmp(d->vm_types[i], o->vm_type);
	for (size_t i = 0; o->need && i < d->nr_needs; i++) {
		if (is_lacking(o, d->needs[i]))
			cost->skipped += runs;
		if (!o->have && o->weaker && !strcmp(d->needs[i], o->weaker))
			cost->weaker += runs;
	}
}

static void count_program(const char *path, unsigned int *cases)
{
	FILE *out = popen(strf("'%s' --describe", path), "re");
	char *line = NULL;
	size_t size = 0;

	while (out && getline(&line, &size, out) > 0) {
		struct declared d;

		if (strncmp(line, "{\"name\"", 7))
			continue;
		d = parse(line);
		*cases += d.nr_vm_types ?: 1;
		for (size_t i = 0; i < nr_optional; i++)
			count_case(&d, &optional[i], &costs[i]);
	}
	free(line);
	if (out)
		pclose(out);
}

static bool is_program(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, "_test");
}

const struct cost *costs_of(const char *folder, size_t *nr, unsigned int *cases)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	list_optional();
	*cases = 0;
	for (size_t i = 0; i < nr_optional; i++)
		costs[i] = (struct cost){ .name = optional[i].name, .found = optional[i].found };
	while (dir && (entry = readdir(dir)))
		if (is_program(entry->d_name))
			count_program(strf("%s/%s", folder, entry->d_name), cases);
	if (dir)
		closedir(dir);
	*nr = nr_optional;
	return costs;
}
