// SPDX-License-Identifier: GPL-2.0-only
/* Which kernels a known issue is known of. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "known_issues.h"
#include "testcase.h"

static void expect_affected(const struct known_issue *issue, const char *release, bool expected)
{
	expect_eq(known_issue_affects(issue, release), expected,
		  "a defect of %s up to %s, on Linux %s", issue->first,
		  issue->fixed ? issue->fixed : "now", release);
}

static void open_ended(const struct test *t)
{
	const struct known_issue issue = { .first = "6.11" };

	(void)t;
	expect_affected(&issue, "5.19.0", false);
	expect_affected(&issue, "6.9.12", false);	/* numbers, not text */
	expect_affected(&issue, "6.10.99", false);
	expect_affected(&issue, "6.11", true);
	expect_affected(&issue, "6.11.0-rc1", true);
	expect_affected(&issue, "6.12.41+deb13-amd64", true);
	expect_affected(&issue, "7.2.12-foo", true);
	expect_affected(&issue, "10.0.0", true);
}

static void fixed(const struct test *t)
{
	const struct known_issue issue = { .first = "6.11", .fixed = "6.18" };

	(void)t;
	expect_affected(&issue, "6.10.0", false);
	expect_affected(&issue, "6.11.0", true);
	expect_affected(&issue, "6.17.99-foo", true);
	expect_affected(&issue, "6.18.0-rc1", false);
	expect_affected(&issue, "6.18.0", false);
	expect_affected(&issue, "7.0.0", false);
}

/* A kernel that does not say its version gets no excuse. */
static void no_version(const struct test *t)
{
	const struct known_issue issue = { .first = "6.11" };

	(void)t;
	expect_affected(&issue, "", false);
	expect_affected(&issue, "custom", false);
}

static void by_id(const struct test *t)
{
	(void)t;
	expect_true(!strcmp(known_issue("L1")->id, "L1"), "known_issue(\"L1\") is L1");
}

static void unknown_id(const struct test *t)
{
	pid_t child = fork();
	int wstatus;

	(void)t;
	if (!child) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		known_issue("no such issue");
		_exit(0);
	}
	must(child > 0 && waitpid(child, &wstatus, 0) == child, "a child process");
	expect_eq(WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0, SIGABRT,
		  "the signal that an unknown id ends with");
}

static const struct test_case cases[] = {
	{ "open_ended", "A defect without a fix", open_ended, .plain = true },
	{ "fixed", "A defect with a fix", fixed, .plain = true },
	{ "no_version", "A release without numbers", no_version, .plain = true },
	{ "by_id", "An issue is found by its id", by_id, .plain = true },
	{ "unknown_id", "An id that is not listed is a bug of the suite", unknown_id,
	  .plain = true },
};

TEST_MAIN("version ranges of known issues", cases)
