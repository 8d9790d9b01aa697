// SPDX-License-Identifier: GPL-2.0-only
/* The last moments of a case, kept and printed. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared_memory.h"
#include "timeline.h"

#define NR_MOMENTS	1024
#define NR_PRINTED	160
#define NR_LANES	64

struct moment {
	u64 ns;
	pid_t tid;
	enum moment_kind kind;
	unsigned int times;		/* in a row, from @ns on */
	const char *(*tell)(const void *data);	/* NULL: @data is text */
	u8 data[MOMENT_DATA] __attribute__((aligned(8)));
};

struct lane {
	pid_t tid;
	char name[16];
};

/* Shared by the program and its cases, each a fork of it: functions are at the same address. */
static struct timeline {
	bool on;
	atomic_uint nr, nr_lanes;	/* so many there were; the last ones are kept */
	struct moment moments[NR_MOMENTS];
	struct lane lanes[NR_LANES];
} *timeline;

static void (*at_end)(void);
static pid_t ending_thread;	/* that of at_end(): nobody else may read the trace */

void timeline_prepare(void)
{
	timeline = shared_memory(sizeof(*timeline), "the timeline");
}

void timeline_start(bool on)
{
	timeline->nr = 0;
	timeline->nr_lanes = 0;
	timeline->on = on;
}

static bool kept(void)
{
	return timeline && timeline->on;
}

static struct moment *next_moment(u64 ns, pid_t tid, enum moment_kind kind)
{
	struct moment *m = &timeline->moments[timeline->nr++ % NR_MOMENTS];

	m->ns = ns;
	m->tid = tid;
	m->kind = kind;
	m->times = 1;
	return m;
}

/* A fault that loops shall not push out what came before it. */
static bool again(pid_t tid, const char *(*tell)(const void *data), const void *data, size_t size)
{
	struct moment *last = &timeline->moments[(timeline->nr - 1) % NR_MOMENTS];

	if (!timeline->nr || last->tid != tid || last->tell != tell || memcmp(last->data, data, size))
		return false;
	last->times++;
	return true;
}

void timeline_add(u64 ns, pid_t tid, enum moment_kind kind, const char *(*tell)(const void *data),
		  const void *data, size_t size)
{
	struct moment *m;

	if (!kept())
		return;
	must(size <= MOMENT_DATA, "room for a moment of %zu bytes", size);
	if (again(tid, tell, data, size))
		return;
	m = next_moment(ns, tid, kind);
	m->tell = tell;
	memcpy(m->data, data, size);
}

static struct moment *add_text(enum moment_kind kind, const char *fmt, va_list ap)
{
	struct moment *m = next_moment(now() * 1e9, gettid(), kind);

	m->tell = NULL;
	vsnprintf((char *)m->data, sizeof(m->data), fmt, ap);
	return m;
}

#define ADD_TEXT(kind, fmt)							\
	do {									\
		int saved = errno;						\
		va_list ap;							\
										\
		if (!kept())							\
			return;							\
		va_start(ap, fmt);						\
		add_text(kind, fmt, ap);					\
		va_end(ap);							\
		errno = saved;							\
	} while (0)

void timeline_begin(const char *fmt, ...)
{
	ADD_TEXT(MOMENT_BEGIN, fmt);
}

void timeline_end(const char *fmt, ...)
{
	ADD_TEXT(MOMENT_END, fmt);
}

void timeline_note(const char *fmt, ...)
{
	ADD_TEXT(MOMENT_EVENT, fmt);
}

int timeline_returned(int ret, const char *fmt, ...)
{
	int error = errno;
	struct moment *m;
	va_list ap;
	size_t len;

	if (!kept())
		return ret;
	va_start(ap, fmt);
	m = add_text(MOMENT_END, fmt, ap);
	va_end(ap);
	len = strlen((char *)m->data);
	snprintf((char *)m->data + len, sizeof(m->data) - len, ": %s", errno_text(ret ? error : 0));
	errno = error;
	return ret;
}

void timeline_lane(const char *fmt, ...)
{
	unsigned int nr;
	va_list ap;

	if (!kept())
		return;
	nr = timeline->nr_lanes++;
	if (nr >= NR_LANES)
		return;
	timeline->lanes[nr].tid = gettid();
	va_start(ap, fmt);
	vsnprintf(timeline->lanes[nr].name, sizeof(timeline->lanes[nr].name), fmt, ap);
	va_end(ap);
}

void timeline_at_end(void (*fn)(void))
{
	at_end = fn;
	ending_thread = gettid();
}

void timeline_finish(void)
{
	if (kept() && at_end && ending_thread == gettid())
		at_end();
}

/* The last name that a thread gave itself; else the kernel's, of a thread that is still there. */
static const char *lane_name(pid_t tid)
{
	unsigned int nr = timeline->nr_lanes < NR_LANES ? timeline->nr_lanes : NR_LANES;
	char name[16] = "";
	FILE *f;

	while (nr--)
		if (timeline->lanes[nr].tid == tid)
			return timeline->lanes[nr].name;
	f = fopen(strf("/proc/%d/comm", tid), "re");
	if (f) {
		if (fscanf(f, "%15s", name) != 1)
			name[0] = '\0';
		fclose(f);
	}
	return name[0] ? strf("%s", name) : "thread";
}

static int by_time(const void *a, const void *b)
{
	const struct moment *x = *(const struct moment **)a, *y = *(const struct moment **)b;

	return (x->ns > y->ns) - (x->ns < y->ns) ?: (x > y) - (x < y);
}

void timeline_print(void)
{
	static const char *const kinds[] = {
		[MOMENT_BEGIN] = "begin", [MOMENT_END] = "end", [MOMENT_EVENT] = "event",
		[MOMENT_RETRY] = "retry", [MOMENT_SPTE] = "spte",
		[MOMENT_INVALIDATION] = "invalidation", [MOMENT_SEAMCALL] = "seamcall",
	};
	const struct moment *sorted[NR_MOMENTS];
	size_t nr = timeline->nr < NR_MOMENTS ? timeline->nr : NR_MOMENTS, first;

	for (size_t i = 0; i < nr; i++)
		sorted[i] = &timeline->moments[i];
	qsort(sorted, nr, sizeof(sorted[0]), by_time);
	first = nr > NR_PRINTED ? nr - NR_PRINTED : 0;
	for (size_t i = first; i < nr; i++) {
		const struct moment *m = sorted[i];

		diag("event %.9f %s/%d %s %s%s", (m->ns - sorted[first]->ns) * 1e-9,
		     lane_name(m->tid), m->tid, kinds[m->kind],
		     m->tell ? m->tell(m->data) : (const char *)m->data,
		     m->times > 1 ? strf(", %u times", m->times) : "");
	}
}
