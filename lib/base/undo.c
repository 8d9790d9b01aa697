// SPDX-License-Identifier: GPL-2.0-only
/* The log of changes to undo, and the guardian that outlives everybody. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/shared_memory.h"
#include "softtdx_channel.h"
#include "testcase.h"
#include "undo.h"

#define KILL_GRACE_MS	10000	/* for a killed case to leave the kernel */

enum undo_op { UNDO_WRITE, UNDO_APPEND, UNDO_RMDIR, UNDO_UNLINK, UNDO_SOFTTDX };

struct undo_step {
	enum undo_op op;
	char path[192];
	char text[128];
};

/* Shared by the program, its cases and the guardian. */
static struct undo_log {
	_Atomic pid_t group;		/* undo_watch_group() */
	atomic_uint nr, nr_kept;
	struct undo_step steps[256];
} *undo_log;

void undo_init(void)
{
	undo_log = shared_memory(sizeof(*undo_log), "the undo log");
}

void undo_watch_group(pid_t group)
{
	atomic_store(&undo_log->group, group);
}

static void undo_record(enum undo_op op, const char *path, const char *text)
{
	unsigned int nr = atomic_load(&undo_log->nr);
	struct undo_step *step = &undo_log->steps[nr];

	must(nr < ARRAY_SIZE(undo_log->steps), "the undo log is full");
	must(strlen(path) < sizeof(step->path) && strlen(text) < sizeof(step->text),
	     "too long for the undo log: %s", path);
	step->op = op;
	memcpy(step->path, path, strlen(path) + 1);
	memcpy(step->text, text, strlen(text) + 1);
	/* Published last: a killed writer leaves no half step. */
	atomic_store(&undo_log->nr, nr + 1);
}

void undo_write(const char *path, const char *text)
{
	undo_record(UNDO_WRITE, path, text);
}

void undo_append(const char *path, const char *text)
{
	undo_record(UNDO_APPEND, path, text);
}

void undo_rmdir(const char *path)
{
	undo_record(UNDO_RMDIR, path, "");
}

void undo_unlink(const char *path)
{
	undo_record(UNDO_UNLINK, path, "");
}

void undo_softtdx(const char *request)
{
	undo_record(UNDO_SOFTTDX, "softtdx", request);
}

static int write_text(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int set_and_undo(const char *path, const char *text)
{
	char former[128];
	int err = read_text(path, former, sizeof(former));

	if (err)
		return err;
	undo_write(path, former);
	return write_text(path, O_TRUNC, text);
}

static int undo_step(const struct undo_step *step)
{
	switch (step->op) {
	case UNDO_WRITE:
		return write_text(step->path, O_TRUNC, step->text);
	case UNDO_APPEND:
		return write_text(step->path, O_APPEND, step->text);
	case UNDO_RMDIR:
		return rmdir(step->path) && errno != ENOENT ? -errno : 0;
	case UNDO_UNLINK:
		return unlink(step->path) && errno != ENOENT ? -errno : 0;
	case UNDO_SOFTTDX:
		return softtdx_request(step->text, NULL);
	}
	return -EINVAL;
}

void undo_keep(void)
{
	atomic_store(&undo_log->nr_kept, atomic_load(&undo_log->nr));
}

int undo_case(void)
{
	unsigned int nr = atomic_load(&undo_log->nr);
	int failed = 0;

	while (nr-- > atomic_load(&undo_log->nr_kept)) {
		int err = undo_step(&undo_log->steps[nr]);

		/* A probe that the killed case never created is no loss. */
		if (err && err != -ENOENT) {
			diag("not undone: %s \"%s\": %s", undo_log->steps[nr].path,
			     undo_log->steps[nr].text, strerror(-err));
			failed++;
		}
		atomic_store(&undo_log->nr, nr);
	}
	return failed;
}

int undo_all(void)
{
	atomic_store(&undo_log->nr_kept, 0);
	return undo_case();
}

static void wait_for_death_of(pid_t parent)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	while (getppid() == parent)
		sigwait(&set, &sig);
}

/* @alive: a pipe that the program and its cases hold open. */
static void __attribute__((noreturn)) guard(pid_t program, int alive)
{
	struct pollfd pfd = { .fd = alive };
	pid_t group;

	wait_for_death_of(program);
	group = atomic_load(&undo_log->group);
	if (group)
		kill(-group, SIGKILL);
	/* What is stuck in the kernel must not keep the rest from being undone. */
	poll(&pfd, 1, KILL_GRACE_MS);
	undo_all();
	_exit(0);
}

void undo_start_guardian(void)
{
	pid_t program = getpid();
	int alive[2], null;

	if (pipe2(alive, O_CLOEXEC)) {
		perror("pipe2");
		exit(1);
	}
	switch (fork()) {
	case -1:
		perror("fork");
		exit(1);
	case 0:
		break;
	default:
		close(alive[0]);
		return;
	}

	close(alive[1]);
	/* Nobody who kills the program's group, or its terminal's, means us. */
	setsid();
	prctl(PR_SET_NAME, "undo-guardian");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* Whoever reads our output must not wait for us. */
	null = open("/dev/null", O_RDWR);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	guard(program, alive[0]);
}
