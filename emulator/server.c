// SPDX-License-Identifier: GPL-2.0-only
/* The fork server's process: requests, children, answers. */
#define _GNU_SOURCE		/* ppoll() */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"

#define MAX_LINE	(2 * JOB_PATH + JOB_ID + 128)
#define MAX_TEXT	(1 << 20)

static struct child {
	pid_t pid;
	char id[JOB_ID];
	struct child *next;
} *children;

static void wake_up(int sig)
{
	(void)sig;		/* ppoll() returns */
}

static void reap(int answers)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child **link = &children, *c;

		while (*link && (*link)->pid != pid)
			link = &(*link)->next;
		c = *link;
		if (!c)
			continue;
		*link = c->next;
		dprintf(answers, "ended %s %s %d\n", c->id, WIFSIGNALED(status) ? "killed" : "exited",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		free(c);
	}
}

static void kill_all(void)
{
	for (struct child *c = children; c; c = c->next)
		kill(c->pid, SIGKILL);
	while (children) {
		struct child *c = children;

		waitpid(c->pid, NULL, 0);
		children = c->next;
		free(c);
	}
}

static void kill_child(const char *id)
{
	for (struct child *c = children; c; c = c->next)
		if (!strcmp(c->id, id))
			kill(c->pid, SIGKILL);
}

bool job_parse(const char *line, struct job *job)
{
	struct explore *e = &job->explore;
	int end = 0, trace = 0;
	long points;

	*job = (struct job){ .console_fd = -1, .results_fd = -1 };
	if (sscanf(line, "job %63s %lu %511s %511s %zu %lu %lu %ld %d%n", job->id, &job->limit,
		   job->console, job->results, &job->length, &e->first, &e->count, &points, &trace,
		   &end) != 9 || line[end] || job->length >= MAX_TEXT)
		return false;
	e->fixed = points < 0;
	e->points = e->fixed ? 0 : points;
	e->trace = trace;
	return true;
}

/* All of it, false at the end of requests. */
static bool read_all(int fd, char *data, size_t size)
{
	while (size) {
		ssize_t n = read(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= n;
	}
	return true;
}

static bool read_line(int fd, char line[MAX_LINE])
{
	size_t n = 0;

	while (n < MAX_LINE - 1 && read_all(fd, line + n, 1)) {
		if (line[n] == '\n') {
			line[n] = '\0';
			return true;
		}
		n++;
	}
	return false;
}

static bool open_files(struct job *job)
{
	job->console_fd = open(job->console, O_WRONLY | O_CLOEXEC);
	job->results_fd = open(job->results, O_WRONLY | O_CLOEXEC);
	return job->console_fd >= 0 && job->results_fd >= 0;
}

static void close_files(struct job *job)
{
	if (job->console_fd >= 0)
		close(job->console_fd);
	if (job->results_fd >= 0)
		close(job->results_fd);
	free(job->text);
}

int fork_bound(void)
{
	pid_t self = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != self)
			_exit(1);
	}
	return pid;
}

/* True in the child. */
static bool start(int requests, int answers, struct job *job, const sigset_t *mask)
{
	struct child *c;
	pid_t pid;

	/* Before the fork: who is told that it started may wait for the end of what it writes. */
	if (!open_files(job)) {
		dprintf(answers, "failed %s %d\n", job->id, errno);
		close_files(job);
		return false;
	}
	pid = fork_bound();
	if (!pid) {
		close(requests);
		close(answers);
		signal(SIGCHLD, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, mask, NULL);
		children = NULL;
		return true;
	}
	if (pid < 0) {
		dprintf(answers, "failed %s %d\n", job->id, errno);
	} else {
		c = malloc(sizeof(*c));
		*c = (struct child){ .pid = pid, .next = children };
		memcpy(c->id, job->id, sizeof(c->id));
		children = c;
		dprintf(answers, "started %s %d\n", job->id, pid);
	}
	close_files(job);
	return false;
}

enum next { NEXT, END, CHILD };

static enum next one_request(int requests, int answers, struct job *job, const sigset_t *mask)
{
	char line[MAX_LINE];

	if (!read_line(requests, line))
		return END;
	if (!strncmp(line, "kill ", 5)) {
		kill_child(line + 5);
		return NEXT;
	}
	if (!job_parse(line, job))
		return END;
	job->text = calloc(1, job->length + 1);
	if (!job->text || !read_all(requests, job->text, job->length))
		return END;
	return start(requests, answers, job, mask) ? CHILD : NEXT;
}

bool serve(int requests, int answers, struct job *job)
{
	struct pollfd request = { .fd = requests, .events = POLLIN };
	sigset_t chld, mask;
	enum next next = NEXT;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &mask);
	signal(SIGCHLD, wake_up);
	signal(SIGPIPE, SIG_IGN);	/* a runner that is gone is seen at the end of requests */
	dprintf(answers, "ready\n");
	while (next == NEXT) {
		int n = ppoll(&request, 1, NULL, &mask);

		reap(answers);
		if (n > 0)
			next = one_request(requests, answers, job, &mask);
	}
	if (next == END)
		kill_all();
	return next == CHILD;
}
