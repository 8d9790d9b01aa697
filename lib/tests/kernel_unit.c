// SPDX-License-Identifier: GPL-2.0-only
/* What the library reads of the running kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel.h"
#include "testcase.h"

static bool confidential(const char *text)
{
	char path[] = "/tmp/kernel_unit.XXXXXX";
	int fd = mkstemp(path);
	bool result;

	need(fd >= 0 && dprintf(fd, "%s", text) >= 0, "a file");
	close(fd);
	result = kernel_confidential(path);
	unlink(path);
	return result;
}

static void lockdown(const struct test *t)
{
	(void)t;
	expect_true(!confidential("[none] integrity confidentiality\n"), "not locked down");
	expect_true(!confidential("none [integrity] confidentiality\n"), "integrity only");
	expect_true(confidential("none integrity [confidentiality]\n"), "confidentiality");
	expect_true(!confidential(""), "an empty file");
	expect_true(!kernel_confidential("/nonexistent"), "a kernel without lockdown");
}

static const struct test_case cases[] = {
	{ "lockdown", "the level of lockdown in force", lockdown, .flags = CASE_PLAIN },
};

TEST_MAIN("what the library reads of the running kernel", cases)
