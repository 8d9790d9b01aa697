// SPDX-License-Identifier: GPL-2.0-only
/* The SEAMCALLs of an observer: counted, and compared with what is expected. */
#include <stdlib.h>

#include "seamcall_log.h"
#include "testcase.h"

#define TDX_STATUS_ERROR	(1ULL << 63)	/* the call did nothing */

struct seamcall *seamcalls(struct observer *o, size_t *nr)
{
	const struct event *ev;
	struct seamcall *calls;
	size_t nr_events;

	must_declare(observer_sees(o, EV_SEAMCALL), "OBSERVE(EV_SEAMCALL)");
	ev = observer_events(o, &nr_events);
	calls = calloc(nr_events + 1, sizeof(*calls));
	*nr = 0;
	for (size_t i = 0; i < nr_events; i++)
		if (ev[i].type == EV_SEAMCALL)
			calls[(*nr)++] = ev[i].call;
	return calls;
}

unsigned long count_seamcalls(const struct seamcall *calls, size_t nr, unsigned int leaf,
			      bool only_done)
{
	unsigned long count = 0;

	for (size_t i = 0; i < nr; i++)
		count += calls[i].leaf == leaf &&
			 !(only_done && calls[i].status & TDX_STATUS_ERROR);
	return count;
}

static unsigned long count_observed(struct observer *o, unsigned int leaf, bool only_done)
{
	size_t nr;
	struct seamcall *calls = seamcalls(o, &nr);
	unsigned long count = count_seamcalls(calls, nr, leaf, only_done);

	free(calls);
	return count;
}

unsigned long seamcalls_of(struct observer *o, unsigned int leaf)
{
	return count_observed(o, leaf, false);
}

unsigned long seamcalls_done(struct observer *o, unsigned int leaf)
{
	return count_observed(o, leaf, true);
}

static const char *call_text(const struct seamcall *calls, size_t nr, size_t at)
{
	return at < nr ? seamcall_text(&calls[at]) : "no more calls";
}

static bool same(const struct seamcall *seen, const struct seamcall *expected)
{
	return seen->leaf == expected->leaf && seen->gpa == expected->gpa &&
	       seen->level == expected->level && seen->status == expected->status &&
	       (expected->pfn == PFN_ANY || seen->pfn == expected->pfn);
}

void expect_seamcall_list_(const char *file, int line, struct observer *o,
			   const struct seamcall *list, size_t nr)
{
	size_t nr_seen, at = 0;
	struct seamcall *seen;

	seen = seamcalls(o, &nr_seen);
	while (at < nr && at < nr_seen && same(&seen[at], &list[at]))
		at++;
	if (at == nr && at == nr_seen) {
		free(seen);
		return;
	}
	for (size_t i = 0; i < nr_seen && i < at + 8; i++)
		diag("SEAMCALL %zu: %s", i + 1, call_text(seen, nr_seen, i));
	test_failed(file, line, strf("SEAMCALL %zu (%zu seen, %zu expected)", at + 1, nr_seen, nr),
		    call_text(list, nr, at), call_text(seen, nr_seen, at));
}
