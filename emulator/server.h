/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fork server: one process waits for jobs, and forks for each.
 *
 * Requests arrive on one descriptor, a line each:
 *
 *   job ID LIMIT CONSOLE RESULTS LENGTH FIRST COUNT POINTS TRACE	and LENGTH bytes of text
 *   kill ID
 *
 * LIMIT is in ticks, see struct job; CONSOLE and RESULTS are the files that take what the guest
 * writes to its first and second serial port, without blanks in their names.  COUNT schedules of
 * a race are to be explored, from the seed FIRST on, with POINTS switch points, less than 0: by
 * the fixed loop.  Nothing of that is in the text: the guest is the same whatever it is.
 * Answers leave on another descriptor, a line each:
 *
 *   ready
 *   started ID PID
 *   failed ID ERRNO				nothing was started
 *   ended ID exited STATUS | killed SIGNAL
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explore.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JOB_ID		64
#define JOB_PATH	512

struct job {
	char id[JOB_ID];
	uint64_t limit;		/* ticks that may pass without a byte of results; 0: any number */
	char console[JOB_PATH], results[JOB_PATH];
	int console_fd, results_fd;	/* open in the child */
	struct explore explore;
	char *text;		/* of @length bytes, and a zero byte */
	size_t length;
};

/* fork(): the child dies with the process that calls it. */
int fork_bound(void);

/* Exit statuses of children that the emulator ends. */
enum { JOB_RESET = 97, JOB_SILENT = 98 };

/* The line "job ...", without its end; false if it is malformed. */
bool job_parse(const char *line, struct job *job);

/*
 * Answer requests until there are no more: then all children are killed, and it returns false.
 * In each child it returns true, with its job.  A child dies with the server.
 */
bool serve(int requests, int answers, struct job *job);

#ifdef __cplusplus
}
#endif

#endif
