// SPDX-License-Identifier: GPL-2.0-only
/* The files of the control channel, and what can be written to them. */
#define _GNU_SOURCE		/* strsep() */
#include <errno.h>
#include <string.h>

#include "files.h"

static u64 pages_given_back;

static int write_clear(char *text)
{
	bool all = !strcmp(text, "all");

	if (!all && strcmp(text, "logs") && strcmp(text, "rules") && strcmp(text, "accesses"))
		return -EINVAL;
	if (all || !strcmp(text, "accesses"))
		clear_accesses();
	if (all || !strcmp(text, "rules")) {
		softtdx_clear_rules(&softtdx);
		memset(softtdx.rules, 0, sizeof(softtdx.rules));
	}
	if (all || !strcmp(text, "logs")) {
		softtdx_clear_counters(&softtdx);
		clear_violations();
		memset(softtdx.journal, 0, sizeof(softtdx.journal));
	}
	return 0;
}

/* "dead": TDs that were torn down; else the address of a TDR, whatever its state. */
static int write_reset(char *text)
{
	bool dead = !strcmp(text, "dead");
	u64 tdr = 0;

	if (!dead && (parse_number(text, UINT64_MAX, &tdr) || !tdr))
		return -EINVAL;
	if (seam_is_busy())	/* perhaps with what would go */
		return -EBUSY;
	pages_given_back = softtdx_reset(&softtdx, tdr, !dead);
	return 0;
}

static void print_reset(struct text *t)
{
	text_add(t, "pages=%lu\n", pages_given_back);
}

static int write_wb_steps(char *text)
{
	u64 steps;
	int error = parse_number(text, UINT32_MAX, &steps);

	if (!error)
		softtdx.wb_steps = (u32)steps;
	return error;
}

static void print_wb_steps(struct text *t)
{
	text_add(t, "wb_steps=%u\n", softtdx.wb_steps);
}

#define MAX_LINGER 1000000	/* us */

static int write_linger(char *text)
{
	char *usecs_text = strsep(&text, " ");
	u64 usecs, seed = 0;

	if (parse_number(usecs_text, MAX_LINGER, &usecs) ||
	    (text && parse_number(text, UINT64_MAX, &seed)))
		return -EINVAL;
	softtdx.linger_usecs = (u32)usecs;
	softtdx.linger_seed = seed;
	return 0;
}

static void print_linger(struct text *t)
{
	text_add(t, "linger=%u\n", softtdx.linger_usecs);
}

static const struct file {
	const char *name;
	void (*print)(struct text *t);
	int (*write)(char *text);
	int (*print_of)(const char *what, struct text *t);
} files[] = {
	{ "info", .print = print_info },
	{ "counters", .print = print_counters },
	{ "keyids", .print = print_keyids },
	{ "tds", .print = print_tds },
	{ "mrtd", .print = print_mrtd },
	{ "sept", .print = print_sept },
	{ "journal", .print = print_journal },
	{ "violations", .print = print_violations },
	{ "accesses", .print = print_accesses },
	{ "watch", .print = print_watch, .write = write_watch },
	{ "page", .print_of = print_page },
	{ "check", .print = print_check },
	{ "inject", .print = print_rules, .write = write_rule },
	{ "wb_steps", .print = print_wb_steps, .write = write_wb_steps },
	{ "linger", .print = print_linger, .write = write_linger },
	{ "clear", .write = write_clear },
	{ "reset", .print = print_reset, .write = write_reset },
};

int file_request(char *request, struct text *answer)
{
	const char *verb = strsep(&request, " "), *name = strsep(&request, " ");

	for (size_t i = 0; name && i < ARRAY_SIZE(files); i++) {
		const struct file *f = &files[i];

		if (strcmp(f->name, name))
			continue;
		if (!strcmp(verb, "read") && f->print) {
			f->print(answer);
			return 0;
		}
		if (!strcmp(verb, "read") && f->print_of && request)
			return f->print_of(request, answer);
		if (!strcmp(verb, "write") && f->write && request)
			return f->write(request);
		return -EPERM;
	}
	return -ENOENT;
}
