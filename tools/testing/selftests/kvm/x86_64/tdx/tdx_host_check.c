// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can this host run TDs?  What it has, what is missing, and what to do; then how many cases
 * of the test programs beside this one skip for what they can do without.  In words, or
 * with --json as one object a check.
 * Exit: 0 it can, 4 something is missing, 2 wrong usage.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "costs.h"
#include "tdx_host.h"

static void print_check(const struct host_check *c)
{
	printf("%-8s %s: %s\n", c->ok ? "ok" : "missing", c->name, c->found);
	if (c->advice && !c->ok)
		printf("         %s\n", c->advice);
}

static void print_cost(const struct cost *c, unsigned int cases)
{
	printf("%-8s %s: %s", c->skipped || c->weaker ? "costs" : "ok", c->name, c->found);
	if (c->skipped)
		printf("; %u of %u cases skip", c->skipped, cases);
	if (c->weaker)
		printf("; %u have a witness less", c->weaker);
	printf("\n");
}

static void print_string(const char *key, const char *text)
{
	printf("\"%s\": \"", key);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void print_check_json(const struct host_check *c)
{
	printf("  {");
	print_string("name", c->name);
	printf(", \"ok\": %s, ", c->ok ? "true" : "false");
	print_string("found", c->found);
	printf(", ");
	print_string("advice", c->advice ? c->advice : "");
	printf("},\n");
}

/* @last has no comma behind it. */
static void print_cost_json(const struct cost *c, unsigned int cases, int last)
{
	printf("  {");
	print_string("name", c->name);
	printf(", \"ok\": true, ");
	print_string("found", c->found);
	printf(", \"cases\": %u, \"skipped\": %u, \"weaker\": %u}", cases, c->skipped, c->weaker);
	printf("%s\n", last ? "" : ",");
}

/* The folder of this program; the tests are there, too. */
static const char *folder(void)
{
	static char path[PATH_MAX];

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return ".";
	return dirname(path);
}

int main(int argc, char **argv)
{
	int json = argc == 2 && !strcmp(argv[1], "--json");
	const struct host_check *checks;
	const struct cost *costs;
	size_t nr, nr_costs;
	unsigned int cases;
	int missing = 0;

	if (argc > 2 || (argc == 2 && !json)) {
		int help = argc == 2 && !strcmp(argv[1], "--help");

		fprintf(help ? stdout : stderr, "usage: %s [--json]\n"
			"Can this host run Trust Domains? Exit: 0 yes, 4 no.\n", argv[0]);
		return help ? 0 : 2;
	}
	checks = tdx_host_checks(&nr);
	costs = costs_of(folder(), &nr_costs, &cases);
	if (json)
		printf("[\n");
	for (size_t i = 0; i < nr; i++) {
		missing += !checks[i].ok;
		if (json)
			print_check_json(&checks[i]);
		else
			print_check(&checks[i]);
	}
	for (size_t i = 0; i < nr_costs; i++) {
		if (json)
			print_cost_json(&costs[i], cases, i + 1 == nr_costs);
		else
			print_cost(&costs[i], cases);
	}
	if (json)
		printf("]\n");
	else
		printf("%s\n", missing ? "This host cannot run TDs." : "This host can run TDs.");
	return missing ? 4 : 0;
}
