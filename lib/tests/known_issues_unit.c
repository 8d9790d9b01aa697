// SPDX-License-Identifier: GPL-2.0-only
/* Which kernels a known issue is known of. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
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

/* A distribution's kernel may have KVM of a later version than its own, and fixes of more. */
static void backports(const struct test *t)
{
	const struct known_issue old = { "E1", "5.0", "6.18", "" }, tds = { "N1", "6.16", NULL, "" };

	(void)t;
	setenv("KTS_KVM_VERSION", "6.17", true);
	expect_true(known_issue_here(&old), "fixed in 6.18, KVM like that of 6.17");
	expect_true(known_issue_here(&tds), "since 6.16, KVM like that of 6.17");
	expect_true(kernel_before("6.18") && !kernel_before("6.17"), "KVM is that of 6.17");
	setenv("KTS_FIXED", "S1,E1", true);
	expect_true(!known_issue_here(&old), "KTS_FIXED has E1");
	expect_true(known_issue_here(&tds), "it does not have N1");
	setenv("KTS_FIXED", "E12, N", true);
	expect_true(known_issue_here(&old) && known_issue_here(&tds), "names of others");
	setenv("KTS_KVM_VERSION", "6.18.3-el10", true);
	expect_true(!known_issue_here(&old), "fixed in 6.18, KVM like that of 6.18");
	setenv("KTS_KVM_VERSION", "", true);
	expect_true(!strcmp(kernel_kvm_version(), kernel_release()), "said to be like no other");
}

/* KVM that has TDs is like that of 6.16 at least, whatever its kernel's number. */
static void has_tds(const struct test *t)
{
	char path[] = "/tmp/known_issues_unit.XXXXXX";
	int fd = mkstemp(path);

	(void)t;
	must(fd >= 0 && dprintf(fd, "0 t tdx_vcpu_create\t[kvm_intel]\n") > 0, "a file");
	close(fd);
	kernel_read_symbols(path);
	unlink(path);
	unsetenv("KTS_KVM_VERSION");
	must(personality(UNAME26) >= 0, "a kernel that calls itself 2.6");
	must(!strncmp(kernel_release(), "2.6.", 4), "a kernel that calls itself 2.6");
	expect_true(!kernel_before("6.16"), "KVM of %s is older than 6.16", kernel_kvm_version());
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
	{ "backports", "A kernel with KVM of a later one, and fixes of more", backports,
	  .plain = true },
	{ "has_tds", "A kernel older than TDs, with TDs", has_tds, .plain = true },
	{ "by_id", "An issue is found by its id", by_id, .plain = true },
	{ "unknown_id", "An id that is not listed is a bug of the suite", unknown_id,
	  .plain = true },
};

TEST_MAIN("version ranges of known issues", cases)
