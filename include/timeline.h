/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened in a case, in order of time: system calls of its threads, holds, and what the
 * observer saw of KVM.  The last moments are kept in memory that the program shares with the
 * case's process, so that they outlive it.  The program prints them for a case that fails, and for
 * each with --events; the report draws them (reports/lanes.py).
 *
 * Nothing is kept for a case that observes nothing, unless --events is given: what races in
 * explore.h must not share memory by it.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <sys/types.h>

#include "testcase.h"
#include "types.h"

enum moment_kind { MOMENT_BEGIN, MOMENT_END, MOMENT_EVENT, MOMENT_RETRY, MOMENT_SPTE,
	MOMENT_INVALIDATION, MOMENT_SEAMCALL };

/* Of the calling thread: it begins to do something, has done it, or something is so. */
void timeline_begin(const char *fmt, ...) PRINTF(1, 2);
void timeline_end(const char *fmt, ...) PRINTF(1, 2);
void timeline_note(const char *fmt, ...) PRINTF(1, 2);
/* A call that began has returned @ret, errno with it if it is not 0: its end.  Returns @ret. */
int timeline_returned(int ret, const char *fmt, ...) PRINTF(2, 3);

/* Call @name by what the calling thread does from now on: "vcpu0", without blanks. */
void timeline_lane(const char *fmt, ...) PRINTF(1, 2);

#define MOMENT_DATA	104	/* bytes */
/*
 * A moment whose words are made when it is printed: tell(data) returns them, by strf().  @data of
 * at most MOMENT_DATA bytes is copied; the same ones in a row are one moment.  @ns: CLOCK_MONOTONIC.
 */
void timeline_add(u64 ns, pid_t tid, enum moment_kind kind, const char *(*tell)(const void *data),
		  const void *data, size_t size);
/* @fn adds what came last, when the case's process ends by itself; the last @fn alone counts. */
void timeline_at_end(void (*fn)(void));

/* For the program: once; before a case, with or without moments; and after it. */
void timeline_prepare(void);
void timeline_start(bool on);
void timeline_print(void);
/* For report.c: the case's process ends. */
void timeline_finish(void);

#endif /* TIMELINE_H */
