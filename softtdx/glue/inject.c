// SPDX-License-Identifier: GPL-2.0-only
/* Fault injection as text: "leaf L [nth N] [td T] [gpa G] [status S] [times K] [delay USECS]". */
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/string.h>

#include "glue.h"

#define MAX_DELAY 1000000	/* interrupts are off meanwhile */

void softtdx_print_rules(struct seq_buf *s)
{
	for (int i = 0; i < SOFTTDX_RULES; i++) {
		const struct softtdx_rule *r = &softtdx.rules[i];

		if (!r->count && !r->hits)
			continue;
		seq_buf_printf(s, "rule=%d leaf=%u", i, r->leaf);
		softtdx_print_word(s, "name", softtdx_leaf_name(r->leaf));
		seq_buf_printf(s, " skip=%u times=%u hits=%u status=%#llx delay=%llu", r->skip,
			       r->count, r->hits, r->status, r->delay_usecs);
		if (r->match_tdr)
			seq_buf_printf(s, " td=%#llx", r->tdr);
		if (r->match_gpa)
			seq_buf_printf(s, " gpa=%#llx", r->gpa);
		seq_buf_putc(s, '\n');
	}
}

/* A number or a name as in the other files. */
static int parse_leaf(const char *text, u16 *leaf)
{
	if (kstrtou16(text, 0, leaf))
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

	name += str_has_prefix(name, "TDX_");
	if (text && kstrtou32(text, 0, &operand))
		return -EINVAL;
	if (kstrtou64(name, 0, status) && status_of_name(name, status))
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
		return kstrtou32(value, 0, &rule->count);
	if (!strcmp(key, "delay"))
		return kstrtou64(value, 0, &rule->delay_usecs);
	if (!strcmp(key, "td")) {
		rule->match_tdr = true;
		return kstrtou64(value, 0, &rule->tdr);
	}
	if (!strcmp(key, "gpa")) {
		rule->match_gpa = true;
		return kstrtou64(value, 0, &rule->gpa);
	}
	if (strcmp(key, "nth") || kstrtou32(value, 0, &nth) || !nth)
		return -EINVAL;
	rule->skip = nth - 1;
	return 0;
}

int softtdx_write_rule(char *text)
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
