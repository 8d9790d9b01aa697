/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Undo what a case changes outside of its own process.
 *
 * A step is recorded before the change is made, in memory shared with the test
 * program and with a guardian process, so that it is undone however the case ends: by
 * returning, by a crash, by SIGKILL to it or to the program.  Steps are undone last
 * first.  Paths include the owner's PID, so that programs never undo each other's.
 */
#ifndef UNDO_H
#define UNDO_H

#include <sys/types.h>

/* Write @text to @path, e.g. the former value of a sysctl. */
void undo_write(const char *path, const char *text);

/* As undo_write(), but appending: "-:group/event" to kprobe_events. */
void undo_append(const char *path, const char *text);

/* rmdir(2) @path: a tracing instance, a cgroup. */
void undo_rmdir(const char *path);

/* unlink(2) @path. */
void undo_unlink(const char *path);

/* A request to the software TDX module (softtdx_channel.h). */
void undo_softtdx(const char *request);

/* Set @path to @text and record its former content. Returns 0 or -errno. */
int set_and_undo(const char *path, const char *text);

/* For the library. */

/* Set up the shared log; once, before anything forks. */
void undo_init(void);

/*
 * Fork the guardian: a process in a session of its own that sleeps until the
 * caller has died, undoes what is left, and ends.
 */
void undo_start_guardian(void);

/*
 * The process group of the case that runs, 0: none.  The guardian ends it
 * before it undoes: helpers of the case may still use what goes away.
 */
void undo_watch_group(pid_t group);

/* All steps so far outlive the case: undo_case() leaves them alone. */
void undo_keep(void);

/* Undo the case's steps, or all of them; returns how many could not be undone. */
int undo_case(void);
int undo_all(void);

#endif /* UNDO_H */
