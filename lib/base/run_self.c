// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_self.h"
#include "testcase.h"

#define MAX_OUTPUT	(1 << 16)

struct child run_self(const char *case_name)
{
	struct child c;
	int out[2];

	must(!pipe2(out, O_CLOEXEC), "pipe");
	c.pid = fork();
	must(c.pid >= 0, "fork");
	if (!c.pid) {
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", program_invocation_short_name, "--case", case_name, NULL);
		_exit(127);
	}
	close(out[1]);
	c.out = out[0];
	return c;
}

char *await_line(struct child c, const char *text)
{
	char line[512];
	size_t len = 0;

	/* A byte at a time: what follows the line is for the next call. */
	while (len < sizeof(line) - 1 && read(c.out, line + len, 1) == 1) {
		if (line[len++] != '\n')
			continue;
		line[len] = '\0';
		len = 0;
		if (strstr(line, text))
			return strdup(line);
	}
	return NULL;
}

char *finish(struct child c, int *code)
{
	char *text = calloc(1, MAX_OUTPUT);
	size_t len = 0;
	ssize_t n;
	int status;

	while ((n = read(c.out, text + len, MAX_OUTPUT - 1 - len)) > 0)
		len += n;
	close(c.out);
	must(waitpid(c.pid, &status, 0) == c.pid, "waitpid");
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return text;
}
