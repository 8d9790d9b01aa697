// SPDX-License-Identifier: GPL-2.0-only
/* Kernel complaints during a case, read from /dev/kmsg. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "case_run.h"

#define SPLAT_LINES	60	/* lines of one splat worth printing */

static int kmsg_fd = -1;

void kmsg_begin(void)
{
	int fd;

	if (in_testbed()) {
		fd = open("/sys/kernel/debug/clear_warn_once", O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			if (write(fd, "1", 1) != 1)
				diag("clear_warn_once: %s", strerror(errno));
			close(fd);
		}
	}
	if (kmsg_fd < 0)
		kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd >= 0)
		lseek(kmsg_fd, 0, SEEK_END);
}

static bool begins_splat(const char *text)
{
	static const char *const marks[] = {
		"WARNING: ", "BUG: ", "kernel BUG at", "Oops", "KASAN: ",
		"general protection fault", "UBSAN: ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (strstr(text, marks[i]))
			return true;
	return false;
}

int kmsg_end(void)
{
	int splats = 0, lines = 0;
	char record[4096];
	ssize_t n;

	/* EPIPE: records were overwritten before we read them; go on. */
	while (kmsg_fd >= 0 &&
	       ((n = read(kmsg_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		char *text;

		if (n <= 0)
			continue;
		record[n] = '\0';
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		text[strcspn(text, "\n")] = '\0';

		if (!lines && begins_splat(text)) {
			splats++;
			lines = SPLAT_LINES;
		}
		if (lines) {
			diag("kernel: %s", text);
			lines = strstr(text, "---[ end trace") ? 0 : lines - 1;
		}
	}
	return splats;
}
