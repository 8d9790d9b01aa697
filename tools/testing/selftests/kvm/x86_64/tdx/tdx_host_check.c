// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can this host run TDs?  What it has, what is missing, and what to do: in
 * words, or with --json as one object a check.
 * Exit: 0 it can, 4 something is missing, 2 wrong usage.
 */
#include <stdio.h>
#include <string.h>

#include "tdx_host.h"

static void print_words(const struct host_check *c)
{
	printf("%-8s %s: %s\n", c->ok ? "ok" : "missing", c->name, c->found);
	if (c->advice && !c->ok)
		printf("         %s\n", c->advice);
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

static void print_json(const struct host_check *c, int last)
{
	printf("  {");
	print_string("name", c->name);
	printf(", \"ok\": %s, ", c->ok ? "true" : "false");
	print_string("found", c->found);
	printf(", ");
	print_string("advice", c->advice ? c->advice : "");
	printf("}%s\n", last ? "" : ",");
}

int main(int argc, char **argv)
{
	int json = argc == 2 && !strcmp(argv[1], "--json");
	const struct host_check *checks;
	int missing = 0;
	size_t nr;

	if (argc > 2 || (argc == 2 && !json)) {
		int help = argc == 2 && !strcmp(argv[1], "--help");

		fprintf(help ? stdout : stderr, "usage: %s [--json]\n"
			"Can this host run Trust Domains? Exit: 0 yes, 4 no.\n", argv[0]);
		return help ? 0 : 2;
	}
	checks = tdx_host_checks(&nr);
	if (json)
		printf("[\n");
	for (size_t i = 0; i < nr; i++) {
		missing += !checks[i].ok;
		if (json)
			print_json(&checks[i], i + 1 == nr);
		else
			print_words(&checks[i]);
	}
	if (json)
		printf("]\n");
	else
		printf("%s\n", missing ? "This host cannot run TDs." : "This host can run TDs.");
	return missing ? 4 : 0;
}
