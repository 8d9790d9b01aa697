// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs recorded exchanges with a TDX module: exchanges [--record] FILE...
 * A file holds facts: calls in a state that is described in words, and what the module answers.
 * tests/exchanges/README.md has the format. --record prints the file with this model's answers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "exchanges.h"

static bool record;
static u32 passed, failed;

/* Where answers come from: the beginnings of what "# source:" says, and how many there are. */
static struct {
	const char *text;
	u32 count;
} sources[] = {
	{ "seen on Intel's module", 0 }, { "compared with Intel's module", 0 },
	{ "read in", 0 }, { "this model", 0 },
};

static struct exchange x;		/* the case that runs */
static const char *file;
static u32 line_number;
static u32 failures;			/* of the exchange at hand */
static u32 *source;			/* the count of those that follow; NULL: not known */

static void differs(const char *what, u64 expected, u64 seen)
{
	char a[64], b[64];

	printf("# %s:%u: %s: %s: expected %s, seen %s\n", file, line_number, x.name, what,
	       exchange_write(&x, expected, a), exchange_write(&x, seen, b));
	failures++;
}

static void die(const char *what, const char *text)
{
	fprintf(stderr, "%s:%u: %s: %s\n", file, line_number, what, text);
	exit(1);
}

static u64 value(const char *text)
{
	u64 v;

	if (!exchange_read(&x, text, &v))
		die("not a value", text);
	return v;
}

static void end_exchange(void)
{
	if (!x.asked)
		return;
	failed += failures != 0;
	passed += failures == 0;
	if (!source)
		die("without source", x.name);
	++*source;
	failures = 0;
	x.asked = false;
}

static void end_case(void)
{
	end_exchange();
	if (x.w)
		world_free(x.w);
	x.w = NULL;
}

static void begin_case(const char *name)
{
	end_case();
	source = NULL;
	x = (struct exchange){ 0 };
	snprintf(x.name, sizeof(x.name), "%s", name);
}

/* What the lines of a case say. */

static void given(char *text)
{
	if (!exchange_given(&x, text))
		die("nobody knows how to make that state", text);
}

static u64 call_by_words(char *text)
{
	char *word = strtok(text, " ");
	u64 rax;

	if (!exchange_leaf(word, &rax))
		die("not a leaf", word);
	x.in = (struct softtdx_regs){ 0 };
	while ((word = strtok(NULL, " "))) {
		char *equals = strchr(word, '=');
		u64 *reg;

		if (!equals)
			die("not REGISTER=VALUE", word);
		*equals = 0;
		reg = exchange_register(&x.in, word);
		if (!reg)
			die("not a register", word);
		*reg = value(equals + 1);
	}
	return world_call(x.w, rax, x.in);
}

static void must_succeed(char *text)
{
	u64 status = call_by_words(text);

	if (status)
		die("this call is part of the state, and fails", softtdx_status_name(status));
}

static void print_answer(void)
{
	char text[64];

	printf("is %s", exchange_write_status(x.status, text));
	for (int i = 0; i < EXCHANGE_REGISTERS; i++) {
		u64 seen = *exchange_nth(&x.w->regs, i);

		if (seen != *exchange_nth(&x.in, i))
			printf(" %s=%s", exchange_registers[i], exchange_write(&x, seen, text));
	}
	printf("\n");
	if (!x.entered || x.status != EXIT_TDCALL)
		return;
	printf("then event=%x skip=%llx", x.w->after.event, (unsigned long long)x.w->after.skip);
	for (int i = 0; i < 16; i++)
		if (i != RSP && x.w->after.gpr[i] != x.act.gpr[i])
			printf(" %s=%s", exchange_gpr[i],
			       exchange_write(&x, x.w->after.gpr[i], text));
	printf("\n");
}

static void call(char *text)
{
	x.status = call_by_words(text);
	x.entered = false;
	x.asked = true;
	if (record)
		print_answer();
}

/* What the guest does in the next TDH.VP.ENTER. */
static void guest(char *text)
{
	x.act = (struct softtdx_guest){ .code64 = true };
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		char *equals = strchr(word, '=');

		if (!equals)
			die("not NAME=VALUE", word);
		*equals = 0;
		if (!exchange_act(&x.act, word, value(equals + 1)))
			die("a guest does not have that", word);
	}
	x.in = (struct softtdx_regs){ .rcx = x.td.tdvpr };
	x.status = world_enter(x.w, x.td.tdvpr, x.act);
	x.entered = x.asked = true;
	if (record)
		print_answer();
}

/* Registers that are not named are as they were at the call. */
static void is(char *text)
{
	struct softtdx_regs wanted = x.in;
	char *word = strtok(text, " ");
	u64 status;

	if (record)
		return;
	if (!exchange_status(&x, word, &status))
		die("not a status", word);
	if (status != x.status)
		differs("status", status, x.status);
	while ((word = strtok(NULL, " "))) {
		char *equals = strchr(word, '=');
		u64 *reg;

		if (equals)
			*equals = 0;
		reg = exchange_register(&wanted, word);
		if (!equals || !reg)
			die("not REGISTER=VALUE", word);
		*reg = value(equals + 1);
	}
	for (int i = 0; i < EXCHANGE_REGISTERS; i++)
		if (*exchange_nth(&wanted, i) != *exchange_nth(&x.w->regs, i))
			differs(exchange_registers[i], *exchange_nth(&wanted, i),
				       *exchange_nth(&x.w->regs, i));
}

/* The guest as it goes on; registers that are not named are as it had them. */
static void then(char *text)
{
	struct softtdx_guest wanted = x.act;

	if (record)
		return;
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		char *equals = strchr(word, '=');

		if (equals)
			*equals = 0;
		if (!equals || !exchange_act(&wanted, word, value(equals + 1)))
			die("not NAME=VALUE", word);
	}
	if (wanted.event != x.w->after.event)
		differs("event", wanted.event, x.w->after.event);
	if (wanted.skip != x.w->after.skip)
		differs("bytes skipped", wanted.skip, x.w->after.skip);
	for (int i = 0; i < 16; i++)
		if (i != RSP && wanted.gpr[i] != x.w->after.gpr[i])
			differs(exchange_gpr[i], wanted.gpr[i], x.w->after.gpr[i]);
}

/* It holds for the exchanges that follow, up to the next one or the end of the case. */
static void source_is(const char *text)
{
	end_exchange();
	source = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strncmp(text, sources[i].text, strlen(sources[i].text)))
			source = &sources[i].count;
	if (!source)
		die("not a source", text);
}

static void run_line(char *line)
{
	static const struct {
		const char *verb;
		void (*run)(char *text);
		bool begins;		/* an exchange, or what leads to one */
	} verbs[] = {
		{ "given ", given, true }, { "do ", must_succeed, true }, { "call ", call, true },
		{ "guest ", guest, true }, { "is ", is, false }, { "then ", then, false },
	};

	if (*line == '[') {
		line[strcspn(line, "]")] = 0;
		begin_case(line + 1);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strncmp(line, verbs[i].verb, strlen(verbs[i].verb)))
			continue;
		if (verbs[i].begins)
			end_exchange();
		if (!x.w && i)
			exchange_given(&x, "the module is ready");
		verbs[i].run(line + strlen(verbs[i].verb));
		return;
	}
	if (!strncmp(line, "# source: ", 10))
		source_is(line + 10);
	else if (*line && *line != '#')
		die("nobody understands", line);
}

static void run_file(const char *name)
{
	char line[512];
	FILE *f = fopen(name, "r");

	file = name;
	line_number = 0;
	if (!f)
		die("no such file", name);
	while (fgets(line, sizeof(line), f)) {
		line_number++;
		line[strcspn(line, "\n")] = 0;
		if (record && strncmp(line, "is ", 3) && strncmp(line, "then ", 5))
			puts(line);
		run_line(line);
	}
	end_case();
	fclose(f);
}

int main(int argc, char **argv)
{
	int first = 1;

	record = argc > 1 && !strcmp(argv[1], "--record");
	first += record;
	for (int i = first; i < argc; i++)
		run_file(argv[i]);
	if (record)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		printf("# %u: %s\n", sources[i].count, sources[i].text);
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
