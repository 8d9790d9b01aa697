// SPDX-License-Identifier: GPL-2.0-only
/* Threads beside a case: their result, and where they sleep. */
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testcase.h"
#include "thread.h"

#define LIMIT_S		5.0	/* for what must come */
#define SHORT_S		0.05	/* for what must not */

static int fail_with(void *arg)
{
	errno = *(int *)arg;
	return -1;
}

static int own_tid(void *arg)
{
	(void)arg;
	return gettid();
}

static int read_byte(void *arg)
{
	char byte;

	return read(*(int *)arg, &byte, 1) == 1 ? byte : -1;
}

static int wait_for_event(void *arg)
{
	struct epoll_event event;

	/* The kernel never restarts it: EINTR tells of any signal, also of one without handler. */
	return epoll_wait(*(int *)arg, &event, 1, -1);
}

CASE(result, "thread_join() gives the result and errno", .plain = true)
{
	int error = ENOTNAM;
	struct thread *thread = thread_start(fail_with, &error);

	expect_errno(thread_join(thread, "a thread that fails"), ENOTNAM, "its result");
}

CASE(tid, "thread_tid() is the thread's own", .plain = true)
{
	struct thread *thread = thread_start(own_tid, NULL);
	pid_t tid = thread_tid(thread);

	expect_eq(thread_join(thread, "gettid"), tid, "thread_tid()");
}

CASE(blocks, "tid_sleeps_in() tells where a thread sleeps", .plain = true)
{
	struct thread *thread;
	int fds[2];
	pid_t tid;

	must(!pipe(fds), "pipe");
	thread = thread_start(read_byte, &fds[0]);
	tid = thread_tid(thread);

	/* "pipe_read", "anon_pipe_read" since 6.15 */
	expect_true(tid_sleeps_in(tid, "pipe_read", LIMIT_S), "it sleeps in pipe_read");
	expect_true(!tid_sleeps_in(tid, "handle_userfault", SHORT_S), "and nowhere else");
	expect_true(!thread_ended(thread, SHORT_S), "it has not ended");

	must(write(fds[1], "x", 1) == 1, "write to a pipe");
	expect_true(thread_ended(thread, LIMIT_S), "it ends when there is a byte");
	expect_eq(thread_join(thread, "the reader"), 'x', "its result");
	expect_true(!tid_sleeps_in(tid, "pipe_read", SHORT_S), "it sleeps no more");
}

CASE(signals, "a signal ends the system call of one thread: EINTR", .plain = true)
{
	struct thread *thread;
	int fds[2];

	must(!pipe(fds), "pipe");
	catch_signal(SIGUSR1);
	thread = thread_start(read_byte, &fds[0]);
	expect_true(tid_sleeps_in(thread_tid(thread), "pipe_read", LIMIT_S), "it sleeps in pipe_read");
	thread_signal(thread, SIGUSR1);
	expect_errno(thread_join(thread, "the reader"), EINTR, "its read()");
}

/* A cpuset or taskset leaves out CPU 0: places are counted among the rest. */
CASE(nth_of_allowed, "CPUs are counted among those that the process may use", .plain = true)
{
	cpu_set_t set;
	int last = -1;

	must(!sched_getaffinity(0, sizeof(set), &set), "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			last = cpu;
	CPU_ZERO(&set);
	CPU_SET(last, &set);
	must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");

	expect_eq(nr_cpus(), 1, "CPUs that this process may use");
	expect_eq(nth_cpu(0), last, "the first of them");
	run_on_nth_cpu(0);
	expect_eq(sched_getcpu(), last, "the CPU that it runs on");
}

CASE(use_cpus, "use_cpus() leaves the first of the CPUs that the process may use", .plain = true)
{
	int first = nth_cpu(0);

	use_cpus(nr_cpus() + 1);
	expect_eq(nth_cpu(0), first, "the first CPU, with room for one more");
	use_cpus(1);
	expect_eq(nr_cpus(), 1, "CPUs that this process may use");
	expect_eq(nth_cpu(0), first, "the first of them");
	expect_eq(sched_getcpu(), first, "the CPU that it runs on");
}

TEST_MAIN("threads beside a case")

/* As fork() of glibc does it when the child is faster than the parent. */
CASE(child_ends, "a child that ends while its parent blocks all signals interrupts no thread",
	.plain = true)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
	struct epoll_event readable = { .events = EPOLLIN };
	sigset_t all, before;
	struct thread *thread;
	siginfo_t info;
	pid_t child;

	must(!epoll_ctl(epoll, EPOLL_CTL_ADD, event, &readable), "epoll of an eventfd");
	thread = thread_start(wait_for_event, &epoll);
	/* "ep_poll", "do_epoll_wait" where it is inlined */
	must(tid_sleeps_in(thread_tid(thread), "poll", LIMIT_S), "it sleeps in epoll_wait");
	sigfillset(&all);
	must(!pthread_sigmask(SIG_SETMASK, &all, &before), "block all signals");
	child = fork();
	if (!child)
		_exit(0);
	must(child > 0 && !waitid(P_PID, child, &info, WEXITED | WNOWAIT), "fork");
	must(!pthread_sigmask(SIG_SETMASK, &before, NULL), "the signals of before");
	must(!eventfd_write(event, 1), "eventfd_write");
	expect_eq(thread_join(thread, "epoll_wait"), 1, "events that epoll_wait() of another thread returns");
	must(waitpid(child, NULL, 0) == child, "waitpid");
}
