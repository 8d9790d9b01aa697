// SPDX-License-Identifier: GPL-2.0-only
/* The fork server, with children that do what their text says. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../server.h"
#include "unit.h"

#define LIMIT_MS	10000

static struct {
	pid_t pid;
	int requests, answers;
	char console[64], results[64];
	int console_fd, results_fd;
} s;

/* A child: "exit N", "signal N", or "wait" for its end. */
static void obey(const struct job *job)
{
	dprintf(job->console_fd, "console of %s\n", job->id);
	dprintf(job->results_fd, "%s limit %lu: %s\n", job->id, job->limit, job->text);
	if (!strncmp(job->text, "exit ", 5))
		_exit(atoi(job->text + 5));
	if (!strncmp(job->text, "signal ", 7))
		raise(atoi(job->text + 7));
	for (;;)
		pause();
}

static void start_server(void)
{
	int requests[2], answers[2];
	struct job job;

	if (pipe2(requests, O_CLOEXEC) || pipe2(answers, O_CLOEXEC))
		abort();
	s.pid = fork();
	if (!s.pid) {
		close(requests[1]);
		close(answers[0]);
		close(s.console_fd);
		close(s.results_fd);
		if (serve(requests[0], answers[1], &job))
			obey(&job);
		_exit(0);
	}
	close(requests[0]);
	close(answers[1]);
	s.requests = requests[1];
	s.answers = answers[0];
}

static void begin(void)
{
	static char *folder;
	static int n;

	if (!folder)
		folder = mkdtemp(strdup("/tmp/server_unit.XXXXXX"));
	if (!folder)
		abort();
	snprintf(s.console, sizeof(s.console), "%s/console%d", folder, n);
	snprintf(s.results, sizeof(s.results), "%s/results%d", folder, n++);
	if (mkfifo(s.console, 0600) || mkfifo(s.results, 0600))
		abort();
	s.console_fd = open(s.console, O_RDONLY | O_NONBLOCK);
	s.results_fd = open(s.results, O_RDONLY | O_NONBLOCK);
	start_server();
}

static int end(void)
{
	int status = -1;

	close(s.requests);
	waitpid(s.pid, &status, 0);
	close(s.answers);
	close(s.console_fd);
	close(s.results_fd);
	unlink(s.console);
	unlink(s.results);
	return status;
}

/* The next line, or what came in time. */
static const char *line_of(int fd)
{
	static char line[256];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;

	while (n < sizeof(line) - 1 && poll(&p, 1, LIMIT_MS) == 1 && read(fd, line + n, 1) == 1 &&
	       line[n] != '\n')
		n++;
	line[n] = '\0';
	return line;
}

static void ask(const char *id, const char *text)
{
	dprintf(s.requests, "job %s 7 %s %s %zu 0 0 0 0\n%s", id, s.console, s.results, strlen(text), text);
}

static pid_t started(const char *id)
{
	char form[64];
	int pid = 0;

	snprintf(form, sizeof(form), "started %s %%d", id);
	return sscanf(line_of(s.answers), form, &pid) == 1 ? pid : 0;
}

static void a_job(void)
{
	begin();
	EXPECT(!strcmp(line_of(s.answers), "ready"));
	ask("one", "exit 3");
	EXPECT(started("one"));
	EXPECT(!strcmp(line_of(s.answers), "ended one exited 3"));
	EXPECT(!strcmp(line_of(s.console_fd), "console of one"));
	EXPECT(!strcmp(line_of(s.results_fd), "one limit 7: exit 3"));
	EXPECT(end() == 0);
}

static void several_at_once(void)
{
	begin();
	line_of(s.answers);
	ask("a", "wait");
	EXPECT(started("a"));
	ask("b", "signal 10");
	EXPECT(started("b"));
	EXPECT(!strcmp(line_of(s.answers), "ended b killed 10"));
	dprintf(s.requests, "kill a\n");
	EXPECT(!strcmp(line_of(s.answers), "ended a killed 9"));
	EXPECT(end() == 0);
}

static void no_file(void)
{
	char wanted[64];

	begin();
	line_of(s.answers);
	dprintf(s.requests, "job x 0 /nowhere/a /nowhere/b 0 0 0 0 0\n");
	snprintf(wanted, sizeof(wanted), "failed x %d", ENOENT);
	EXPECT(!strcmp(line_of(s.answers), wanted));
	ask("y", "exit 0");
	EXPECT(started("y"));
	end();
}

/* Does the process end soon? */
static int ends(pid_t pid)
{
	for (int i = 0; i < LIMIT_MS && !kill(pid, 0); i++)
		usleep(1000);
	return kill(pid, 0) && errno == ESRCH;
}

static void no_orphans(void)
{
	pid_t child;

	begin();
	line_of(s.answers);
	ask("a", "wait");
	child = started("a");
	EXPECT(child && end() == 0);		/* no more requests: a runner that is gone */
	EXPECT(child && ends(child));

	begin();
	line_of(s.answers);
	ask("a", "wait");
	child = started("a");
	kill(s.pid, SIGKILL);
	end();
	EXPECT(child && ends(child));
}

static void malformed(void)
{
	struct job job;

	EXPECT(job_parse("job a 1 b c 2 0 0 0 0", &job) && job.length == 2 &&
	       !strcmp(job.results, "c") && !job.explore.count);
	EXPECT(job_parse("job a 1 b c 2 3 4 5 1", &job) && job.explore.first == 3 &&
	       job.explore.count == 4 && job.explore.points == 5 && !job.explore.fixed &&
	       job.explore.trace);
	EXPECT(job_parse("job a 1 b c 2 3 4 -1 0", &job) && job.explore.fixed && !job.explore.trace);
	EXPECT(!job_parse("job a 1 b c 2", &job));
	EXPECT(!job_parse("job a 1 b c 2 3 4 5 1 6", &job));
	EXPECT(!job_parse("job a 1 b c 99999999 0 0 0 0", &job));
	EXPECT(!job_parse("", &job));
}

void test_server(void)
{
	a_job();
	several_at_once();
	no_file();
	no_orphans();
	malformed();
}
