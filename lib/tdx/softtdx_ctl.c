// SPDX-License-Identifier: GPL-2.0-only
/* The module's files: one record a line, words "key=value". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "softtdx_channel.h"
#include "softtdx_ctl.h"
#include "testcase.h"
#include "undo.h"

#define SETTLE_LIMIT_S	5.0

bool softtdx_present(void)
{
	return softtdx_channel();
}

static u64 number(const char *line, const char *key)
{
	char value[64];

	errno = EPROTO;
	must(softtdx_word(line, key, value, sizeof(value)), "%s= in \"%s\" of softtdx", key, line);
	return strtoull(value, NULL, 0);
}

static bool word_is(const char *line, const char *key, const char *wanted)
{
	char value[64];

	return softtdx_word(line, key, value, sizeof(value)) && !strcmp(value, wanted);
}

static void must_declare_softtdx(void)
{
	const struct test_case *tc = running_case();

	must_declare(tc->needs_softtdx || tc->uses_softtdx, ".needs_softtdx or .uses_softtdx");
}

/* Call @fn for each record of a file. */
static void each_line(const char *file, void (*fn)(const char *line, void *arg), void *arg)
{
	char *request = strf("read %s", file), *text = NULL, *next;

	must_declare_softtdx();
	errno = -softtdx_request(request, &text);
	must(text, "%s of softtdx", file);
	for (char *line = text; *line; line = next) {
		next = strchr(line, '\n');
		must(next, "a whole line at the end of %s of softtdx", file);
		*next++ = '\0';
		fn(line, arg);
	}
	free(text);
	free(request);
}

/* Takes @text, and frees it. */
static void send_command(const char *file, char *text)
{
	char *request = strf("write %s %s", file, text);

	must_declare_softtdx();
	errno = -softtdx_request(request, NULL);
	must(!errno, "\"%s\" to %s of softtdx", text, file);
	free(request);
	free(text);
}

/* Sums. */

static void count_td(const char *line, void *arg)
{
	struct softtdx_state *state = arg;

	state->tds++;
	state->pages += number(line, "pages");
}

static void count_keyid(const char *line, void *arg)
{
	((struct softtdx_state *)arg)->keyids += word_is(line, "state", "ASSIGNED") ||
						 word_is(line, "state", "FLUSHED");
}

static void last_violation(const char *line, void *arg)
{
	((struct softtdx_state *)arg)->violations = number(line, "seq");
}

static void count_broken(const char *line, void *arg)
{
	if (number(line, "ok"))
		return;
	diag("softtdx: %s", line);
	((struct softtdx_state *)arg)->broken_rules++;
}

struct softtdx_state softtdx_state(void)
{
	struct softtdx_state state = { 0 };

	each_line("tds", count_td, &state);
	each_line("keyids", count_keyid, &state);
	each_line("violations", last_violation, &state);
	return state;
}

struct softtdx_state softtdx_settled(const struct softtdx_state *wanted)
{
	double deadline = now() + SETTLE_LIMIT_S;
	struct softtdx_state state;

	for (;;) {
		state = softtdx_state();
		if (!memcmp(&state, wanted, sizeof(state)) || now() > deadline)
			break;
		usleep(1000);
	}
	each_line("check", count_broken, &state);
	return state;
}

static void expect_same(const char *file, int line, const char *what, const char *when,
			unsigned long seen, unsigned long expected)
{
	if (seen != expected)
		test_failed(file, line, strf("%s, %s", what, when), strf("%lu", expected),
			    strf("%lu", seen));
}

void expect_softtdx_settled_(const char *file, int line, const struct softtdx_state *expected,
			     const char *when)
{
	struct softtdx_state seen = softtdx_settled(expected);

	expect_same(file, line, "TDs", when, seen.tds, expected->tds);
	expect_same(file, line, "HKIDs in use", when, seen.keyids, expected->keyids);
	expect_same(file, line, "pages owned by TDs (PAMT)", when, seen.pages, expected->pages);
	expect_same(file, line, "violations counted by the TDX module", when, seen.violations,
		    expected->violations);
	expect_same(file, line, "broken invariants of the TDX module", when,
		    seen.broken_rules, 0);
}

unsigned long softtdx_tds_left(void)
{
	double deadline = now() + SETTLE_LIMIT_S;

	for (;;) {
		struct softtdx_state state = { .tds = 0 };

		each_line("tds", count_td, &state);
		if (!state.tds || now() > deadline)
			return state.tds;
		usleep(1000);
	}
}

static void reset_td(const char *line, void *arg)
{
	(*(unsigned int *)arg)++;
	send_command("reset", strf("0x%llx", number(line, "td")));
}

unsigned int softtdx_reset_tds(void)
{
	unsigned int nr = 0;

	each_line("tds", reset_td, &nr);
	return nr;
}

/* One TD. */

struct only_td {
	unsigned int nr;
	u64 tdr;
};

static void see_td(const char *line, void *arg)
{
	struct only_td *only = arg;

	only->nr++;
	only->tdr = number(line, "td");
}

u64 softtdx_only_td(void)
{
	struct only_td only = { 0 };

	each_line("tds", see_td, &only);
	errno = EBUSY;
	must(only.nr == 1, "just one TD on this host, there are %u", only.nr);
	return only.tdr;
}

struct mrtd {
	u64 tdr;
	char hex[97];
};

static void see_mrtd(const char *line, void *arg)
{
	struct mrtd *mrtd = arg;

	if (number(line, "td") == mrtd->tdr)
		softtdx_word(line, "mrtd", mrtd->hex, sizeof(mrtd->hex));
}

const char *softtdx_mrtd(u64 tdr)
{
	struct mrtd *mrtd = calloc(1, sizeof(*mrtd));

	mrtd->tdr = tdr;
	each_line("mrtd", see_mrtd, mrtd);
	errno = ENOENT;
	must(strlen(mrtd->hex) == 96, "the MRTD of TD 0x%llx", tdr);
	return mrtd->hex;
}

void softtdx_read_page(u64 pfn, u8 page[4096])
{
	char *request = strf("read page 0x%llx", (unsigned long long)pfn << 12), *text = NULL;

	errno = -softtdx_request(request, &text);
	must(text && strlen(text) == 2 * 4096 + 1, "\"%s\" of softtdx", request);
	for (size_t i = 0; i < 4096; i++)
		must(sscanf(text + 2 * i, "%2hhx", &page[i]) == 1, "hex digits in a page");
	free(text);
	free(request);
}

/* Counters and injection. */

struct calls {
	unsigned int leaf;
	u64 status;
	unsigned long nr;
};

static void count_calls(const char *line, void *arg)
{
	struct calls *calls = arg;

	if (number(line, "leaf") == calls->leaf && number(line, "status") == calls->status)
		calls->nr += number(line, "count");
}

unsigned long softtdx_calls(unsigned int leaf, u64 status)
{
	struct calls calls = { .leaf = leaf, .status = status };

	each_line("counters", count_calls, &calls);
	return calls.nr;
}

static void add_rule(char *rule)
{
	static bool recorded;	/* by this process, which is that of a case */

	if (!recorded)
		undo_softtdx("write clear rules");
	recorded = true;
	send_command("inject", rule);
}

void softtdx_inject_rule(const struct softtdx_rule *rule)
{
	char *gpa = rule->gpa ? strf(" gpa 0x%llx", rule->gpa) : strf("%s", "");

	add_rule(strf("leaf %u nth %u times %u status %s%s", rule->leaf, rule->nth ?: 1,
		      rule->times ?: 1, rule->status, gpa));
	free(gpa);
}

void softtdx_inject(unsigned int leaf, const char *status, unsigned int times)
{
	softtdx_inject_rule(&(struct softtdx_rule){ leaf, status, .times = times });
}

void softtdx_clear_rules(void)
{
	send_command("clear", strf("rules"));
}

void softtdx_interrupt_cache_wb(unsigned int times)
{
	undo_softtdx("write wb_steps 0");
	send_command("wb_steps", strf("%u", times));
}

void softtdx_delay(unsigned int leaf, unsigned int times, unsigned int usecs)
{
	add_rule(strf("leaf %u times %u delay %u", leaf, times, usecs));
}

static void count_hits(const char *line, void *arg)
{
	*(unsigned long *)arg += number(line, "hits");
}

unsigned long softtdx_injected(void)
{
	unsigned long hits = 0;

	each_line("inject", count_hits, &hits);
	return hits;
}
