// SPDX-License-Identifier: GPL-2.0-only
/* Threads that run one blocking call for the case. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "file.h"
#include "testcase.h"
#include "timeline.h"
#include "thread.h"

#define JOIN_LIMIT_S	10.0

struct thread {
	pthread_t pthread;
	int (*fn)(void *arg);
	void *arg;
	int started, go, ended;	/* eventfds */
	pid_t tid;
	int ret, err;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	eventfd_t one;

	t->tid = gettid();
	timeline_lane("thread");
	eventfd_write(t->started, 1);
	eventfd_read(t->go, &one);
	t->ret = t->fn(t->arg);
	t->err = errno;
	eventfd_write(t->ended, 1);
	return NULL;
}

struct thread *thread_prepare(int (*fn)(void *arg), void *arg)
{
	struct thread *t = calloc(1, sizeof(*t));
	eventfd_t one;

	t->fn = fn;
	t->arg = arg;
	t->started = eventfd(0, EFD_CLOEXEC);
	t->go = eventfd(0, EFD_CLOEXEC);
	t->ended = eventfd(0, EFD_CLOEXEC);
	errno = pthread_create(&t->pthread, NULL, thread_main, t);
	must(!errno, "pthread_create");
	eventfd_read(t->started, &one);
	return t;
}

void thread_go(struct thread *t)
{
	eventfd_write(t->go, 1);
}

struct thread *thread_start(int (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_prepare(fn, arg);

	thread_go(t);
	return t;
}

pid_t thread_tid(const struct thread *t)
{
	return t->tid;
}

bool thread_ended(struct thread *t, double seconds)
{
	struct pollfd pfd = { .fd = t->ended, .events = POLLIN };

	return poll(&pfd, 1, seconds * 1000) == 1;
}

int thread_join(struct thread *t, const char *what)
{
	expect_true(thread_ended(t, JOIN_LIMIT_S), "%s ends within %.0f s", what,
		    JOIN_LIMIT_S);
	pthread_join(t->pthread, NULL);
	errno = t->err;
	return t->ret;
}

/* The state of a thread of this process: 'R', 'S', 'D', ... */
static char state_of(pid_t tid)
{
	char *stat = file_line(strf("/proc/self/task/%d/stat", tid));
	char *name_end = stat ? strrchr(stat, ')') : NULL;
	char state = name_end && name_end[1] ? name_end[2] : '?';

	free(stat);
	return state;
}

bool thread_sleeps(struct thread *t, double seconds)
{
	await(thread_ended(t, 0) || state_of(t->tid) == 'D', seconds);
	return !thread_ended(t, 0) && state_of(t->tid) == 'D';
}

static bool sleeps_in(pid_t tid, const char *function)
{
	char *wchan = file_line(strf("/proc/self/task/%d/wchan", tid));
	bool found = wchan && strstr(wchan, function);

	free(wchan);
	return found;
}

bool tid_sleeps_in(pid_t tid, const char *function, double seconds)
{
	return await(sleeps_in(tid, function), seconds);
}

static void ignore_signal(int sig __attribute__((unused)))
{
}

void catch_signal(int sig)
{
	struct sigaction sa = { .sa_handler = ignore_signal };

	must(!sigaction(sig, &sa, NULL), "sigaction of signal %d", sig);
}

void tid_signal(pid_t tid, int sig)
{
	must(!tgkill(getpid(), tid, sig), "signal %d to thread %d", sig, tid);
}

void thread_signal(const struct thread *t, int sig)
{
	tid_signal(t->tid, sig);
}

void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

static cpu_set_t allowed;	/* before run_on_nth_cpu() narrowed it; empty: not asked yet */

static const cpu_set_t *allowed_cpus(void)
{
	if (!CPU_COUNT(&allowed))
		must(!sched_getaffinity(0, sizeof(allowed), &allowed), "sched_getaffinity");
	return &allowed;
}

unsigned int nr_cpus(void)
{
	return CPU_COUNT(allowed_cpus());
}

int nth_cpu(unsigned int n)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed_cpus()) && !n--)
			return cpu;
	errno = ENODEV;
	must(false, "another CPU of those that this process may use");
	return -1;
}

void use_cpus(unsigned int max)
{
	unsigned int nr = 0;
	cpu_set_t set;

	must(!sched_getaffinity(0, sizeof(set), &set), "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && nr++ >= max)
			CPU_CLR(cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity to %u CPUs", max);
	CPU_ZERO(&allowed);
}

static void move_to_nth_cpu(pid_t tid, unsigned int n)
{
	int cpu = nth_cpu(n);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(!sched_setaffinity(tid, sizeof(set), &set), "moving thread %d to CPU %d", tid, cpu);
}

void run_on_nth_cpu(unsigned int n)
{
	move_to_nth_cpu(0, n);
}

void thread_run_on_nth_cpu(const struct thread *t, unsigned int n)
{
	move_to_nth_cpu(thread_tid(t), n);
}
