/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads of a case: one system call that may block, and its result. */
#ifndef THREAD_H
#define THREAD_H

#include <stdbool.h>
#include <sys/types.h>

struct thread;

/* Start fn(arg); its result is -1 with errno, or anything else. */
struct thread *thread_start(int (*fn)(void *arg), void *arg);
/* In two steps: the thread exists, and waits to be told. */
struct thread *thread_prepare(int (*fn)(void *arg), void *arg);
void thread_go(struct thread *t);

pid_t thread_tid(const struct thread *t);

/* Has it ended after at most @seconds? */
bool thread_ended(struct thread *t, double seconds);

/* Its result, with errno set; waits at most 10 s, then the case fails. */
int thread_join(struct thread *t, const char *what);

/*
 * Does it come to sleep uninterruptibly (on a mutex, on a rwsem) within @seconds?
 * False at once if it ends.
 */
bool thread_sleeps(struct thread *t, double seconds);

/*
 * Wait until thread @tid of this process sleeps in a kernel function whose name
 * contains @function (/proc/TID/wchan). False after @seconds.
 */
bool tid_sleeps_in(pid_t tid, const char *function, double seconds);

/*
 * Signals interrupt system calls: a handler that does nothing, without SA_RESTART.  From
 * then on @sig ends a blocking call of any thread of the process with EINTR.
 */
void catch_signal(int sig);
/* Send @sig to one thread of this process. */
void thread_signal(const struct thread *t, int sig);
void tid_signal(pid_t tid, int sig);

/*
 * The caller, and threads that it starts later: for many rounds of one waking the
 * other, which costs most on two CPUs.
 */
void stay_on_one_cpu(void);

/*
 * The CPUs that this process may use (cpuset, isolated CPUs, taskset): how many, and the
 * number of the one at place @n among them.
 */
unsigned int nr_cpus(void);
int nth_cpu(unsigned int n);
/*
 * Leave all but the first @max of them: the caller, and threads that it starts later.  They
 * are then those that the functions here tell of.
 */
void use_cpus(unsigned int max);
/* Move the calling thread to it. */
void run_on_nth_cpu(unsigned int n);
/* Another one; if it sleeps it moves when it wakes up. */
void thread_run_on_nth_cpu(const struct thread *t, unsigned int n);

#endif /* THREAD_H */
