// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel.h"
#include "mem.h"
#include "softtdx_channel.h"
#include "softtdx_watch.h"
#include "testcase.h"
#include "undo.h"

#define WORD		8	/* the most that one read takes */
#define SAME_COPY	128	/* bytes of code */

struct access {
	u64 at, rip;	/* hpa of the first byte; instruction */
	bool write;
};

void *watched_page(void)
{
	void *page = mmap(NULL, WATCH_PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(page != MAP_FAILED && !mlock(page, WATCH_PAGE_SIZE), "a locked page");
	memset(page, 0, WATCH_PAGE_SIZE);
	return page;
}

static void request(char *text)
{
	errno = -softtdx_request(text, NULL);
	must(!errno, "\"%s\" to softtdx", text);
	free(text);
}

void watch_start(void *page)
{
	static bool recorded;	/* by this process, which is that of a case */

	must_declare(running_case()->needs_softtdx, ".needs_softtdx");
	if (!recorded)
		undo_softtdx("write watch none");
	recorded = true;
	request(strf("write watch 0x%llx", pfn_of(page) << 12));
}

void watch_stop(void)
{
	request(strf("write watch none"));
}

static u64 number(const char *line, const char *key)
{
	char value[32];

	errno = EPROTO;
	must(softtdx_word(line, key, value, sizeof(value)), "%s= in \"%s\" of softtdx", key, line);
	return strtoull(value, NULL, 0);
}

/* All accesses, in their order; @nr: how many. Freed by the caller. */
static struct access *read_log(size_t *nr)
{
	struct access *log = NULL;
	char *text = NULL, *next;

	errno = -softtdx_request("read watch", &text);
	must(text, "\"read watch\" of softtdx");
	*nr = 0;
	for (char *line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		must(strncmp(line, "lost=", 5), "a log that holds all accesses (%s)", line);
		log = realloc(log, (*nr + 1) * sizeof(*log));
		log[(*nr)++] = (struct access){ number(line, "at"), number(line, "rip"),
						number(line, "write") };
	}
	free(text);
	return log;
}

static bool goes_on(const struct access *a, const struct access *next)
{
	u64 ahead = next->at - a->at, code = next->rip - a->rip;

	return ahead && ahead <= WORD && (code <= SAME_COPY || -code <= SAME_COPY);
}

/* Bytes that the instruction reads: "__get_user_4+0x1a/0x20", "__get_user_nocheck_8+..."; 0: unknown. */
static unsigned int width(u64 rip)
{
	const char *symbol = kernel_symbol(rip);

	if (strncmp(symbol, "__get_user_", strlen("__get_user_")))
		return 0;
	return strtoul(symbol + strcspn(symbol, "0123456789"), NULL, 10);
}

/* Behind its last byte. */
static u64 end_of(const struct access *a, const struct access *next, u64 from)
{
	if (next && goes_on(a, next))
		return from + next->at - a->at;
	return width(a->rip) ? from + width(a->rip) : (from | (WORD - 1)) + 1;
}

void watch_reads(const void *page, u8 reads[WATCH_PAGE_SIZE])
{
	u64 hpa = pfn_of(page) << 12;
	size_t nr;
	struct access *log = read_log(&nr);

	memset(reads, 0, WATCH_PAGE_SIZE);
	for (size_t i = 0; i < nr; i++) {
		const struct access *a = &log[i];
		u64 from = a->at - hpa, to;

		if (from >= WATCH_PAGE_SIZE)
			continue;
		verbose("%s of byte %llu at 0x%llx", a->write ? "write" : "read", from, a->rip);
		if (a->write)
			continue;
		to = end_of(a, i + 1 < nr ? a + 1 : NULL, from);
		for (u64 at = from; at < to && at < WATCH_PAGE_SIZE; at++)
			reads[at]++;
	}
	free(log);
}
