// SPDX-License-Identifier: GPL-2.0-only
/* Fault injection as text: "leaf L [nth N] [td T] [gpa G] [status S] [times K] [delay USECS]". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

#define MAX_DELAY	1000000		/* us; no interrupt comes meanwhile */

void print_rules(struct text *t)
{
	for (int i = 0; i < SOFTTDX_RULES; i++) {
		const struct softtdx_rule *r = &softtdx.rules[i];

		if (!r->count && !r->hits)
			continue;
		text_add(t, "rule=%d leaf=%u", i, r->leaf);
		text_add_word(t, "name", softtdx_leaf_name(r->leaf));
		text_add(t, " skip=%u times=%u hits=%u status=%#lx delay=%lu", r->skip,
			 r->count, r->hits, r->status, r->delay_usecs);
		if (r->match_tdr)
			text_add(t, " td=%#lx", r->tdr);
		if (r->match_gpa)
			text_add(t, " gpa=%#lx", r->gpa);
		text_add(t, "\n");
	}
}

int parse_number(const char *text, u64 most, u64 *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno || end == text || *end || *text == '-' || *value > most ? -EINVAL : 0;
}

static int parse_u32(const char *text, u32 *value)
{
	u64 number;
	int error = parse_number(text, UINT32_MAX, &number);

	*value = (u32)number;
	return error;
}

/* A number or a name as in the other files. */
static int parse_leaf(const char *text, u16 *leaf)
{
	u64 number;

	if (!parse_number(text, SOFTTDX_LEAVES, &number))
		*leaf = (u16)number;
	else
		for (*leaf = 0; *leaf < SOFTTDX_LEAVES; (*leaf)++)
			if (!strcmp(softtdx_leaf_name(*leaf), text))
				break;
	return *leaf < SOFTTDX_LEAVES ? 0 : -EINVAL;
}

static int status_of_name(const char *name, u64 *status)
{
	static const struct {
		u32 high;
		const char *name;
	} statuses[] = {
#define X(hi, id) { hi, #id },
		TDX_STATUSES(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (!strcmp(statuses[i].name, name)) {
			*status = (u64)statuses[i].high << 32;
			return 0;
		}
	return -EINVAL;
}

/* A number, NAME, or NAME|OPERAND; names with or without TDX_. */
static int parse_status(char *text, u64 *status)
{
	char *name = strsep(&text, "|");
	u32 operand = 0;

	if (!strncmp(name, "TDX_", 4))
		name += 4;
	if (text && parse_u32(text, &operand))
		return -EINVAL;
	if (parse_number(name, UINT64_MAX, status) && status_of_name(name, status))
		return -EINVAL;
	*status |= operand;
	return 0;
}

static int parse_word(struct softtdx_rule *rule, const char *key, char *value)
{
	u32 nth = 0;

	if (!strcmp(key, "leaf"))
		return parse_leaf(value, &rule->leaf);
	if (!strcmp(key, "status"))
		return parse_status(value, &rule->status);
	if (!strcmp(key, "times"))
		return parse_u32(value, &rule->count);
	if (!strcmp(key, "delay"))
		return parse_number(value, UINT64_MAX, &rule->delay_usecs);
	if (!strcmp(key, "td")) {
		rule->match_tdr = true;
		return parse_number(value, UINT64_MAX, &rule->tdr);
	}
	if (!strcmp(key, "gpa")) {
		rule->match_gpa = true;
		return parse_number(value, UINT64_MAX, &rule->gpa);
	}
	if (strcmp(key, "nth") || parse_u32(value, &nth) || !nth)
		return -EINVAL;
	rule->skip = nth - 1;
	return 0;
}

int write_rule(char *text)
{
	struct softtdx_rule rule = { .leaf = SOFTTDX_LEAVES, .count = 1 };
	char *key, *value;

	while ((key = strsep(&text, " "))) {
		int error;

		value = strsep(&text, " ");
		if (!value)
			return -EINVAL;
		error = parse_word(&rule, key, value);
		if (error)
			return error;
	}
	if (rule.leaf == SOFTTDX_LEAVES || !rule.count || rule.delay_usecs > MAX_DELAY ||
	    !(rule.status || rule.delay_usecs))
		return -EINVAL;
	return softtdx_add_rule(&softtdx, &rule) < 0 ? -ENOSPC : 0;
}
