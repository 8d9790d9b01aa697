// SPDX-License-Identifier: GPL-2.0-only
/* Kernel complaints during a case, read from /dev/kmsg. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/case_run.h"
#include "file.h"
#include "runner/splat.h"

#define TAINT_WARN	(1L << 9)

static int kmsg_fd = -1;
static int kmsg_error;			/* why it cannot be opened */
static bool armed;			/* WARN_ONCE sites, for the case that runs */
static long complaints_before;

/* WARNINGs and Oopses since boot, whether or not their text can be read. */
static long complaints(void)
{
	return file_number("/sys/kernel/warn_count", 0) + file_number("/sys/kernel/oops_count", 0);
}

static bool arm_warnings(void)
{
	int fd = open("/sys/kernel/debug/clear_warn_once", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "1", 1) == 1;

	if (fd >= 0)
		close(fd);
	return done;
}

bool kmsg_warnings_armed(void)
{
	return armed || !(file_number("/proc/sys/kernel/tainted", 0) & TAINT_WARN);
}

const char *kmsg_missing(void)
{
	if (kmsg_fd >= 0)
		return NULL;
	return strf("cannot read /dev/kmsg: %s, and so would not see what the kernel complains of: run as root with CAP_SYSLOG, in a container with that device",
		    denial_text(kmsg_error));
}

void kmsg_begin(bool rearm)
{
	armed = rearm && arm_warnings();
	if (kmsg_fd < 0)
		kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd < 0)
		kmsg_error = errno;
	else
		lseek(kmsg_fd, 0, SEEK_END);
	complaints_before = complaints();
}

/*
 * The text of a record "priority,sequence,time,flags;text", NULL if it is not the
 * kernel's: user space may write there, too, but in no facility of the kernel's.
 */
static char *kernel_text(char *record)
{
	char *text = strchr(record, ';');
	char own[32];

	if (!text)
		return NULL;
	text++;
	text[strcspn(text, "\n")] = '\0';
	if (!(strtoul(record, NULL, 10) >> 3))
		return text;
	snprintf(own, sizeof(own), KMSG_OWN, getpid());
	return strncmp(text, own, strlen(own)) ? NULL : text + strlen(own);
}

const char *kmsg_end(const struct test *t, bool *checker)
{
	struct splat_scan scan = { .comm = t->name, .all_ours = in_testbed(),
				   .seamcalls = t->tc->boot != BOOT_TDX_ERRORS };
	bool lost = false;
	char record[4096];
	ssize_t n;

	while (kmsg_fd >= 0 &&
	       ((n = read(kmsg_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		char *text;

		lost |= n <= 0;		/* EPIPE: overwritten before we read them */
		if (n <= 0)
			continue;
		record[n] = '\0';
		text = kernel_text(record);
		if (text)
			splat_line(&scan, text);
	}
	splat_end(&scan);
	*checker = scan.checker;
	if (lost && !scan.ours && complaints() != complaints_before) {
		diag("kernel messages were lost, and the kernel complained meanwhile");
		return "unknown, its messages were lost";
	}
	return scan.ours ? strf("%s", scan.first) : NULL;
}
