// SPDX-License-Identifier: GPL-2.0-only
/* Known issues: which kernels have them. */
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

CASE(open_ended, "an issue without a fix", .plain = true)
{
	const struct known_issue issue = { .first = "6.11" };

	expect_affected(&issue, "5.19.0", false);
	expect_affected(&issue, "6.9.12", false);	/* numbers, not text */
	expect_affected(&issue, "6.10.99", false);
	expect_affected(&issue, "6.11", true);
	expect_affected(&issue, "6.11.0-rc1", true);
	expect_affected(&issue, "6.12.41+deb13-amd64", true);
	expect_affected(&issue, "7.2.12-foo", true);
	expect_affected(&issue, "10.0.0", true);
}

CASE(fixed, "an issue with a fix", .plain = true)
{
	const struct known_issue issue = { .first = "6.11", .fixed = "6.18" };

	expect_affected(&issue, "6.10.0", false);
	expect_affected(&issue, "6.11.0", true);
	expect_affected(&issue, "6.17.99-foo", true);
	expect_affected(&issue, "6.18.0-rc1", false);
	expect_affected(&issue, "6.18.0", false);
	expect_affected(&issue, "7.0.0", false);
}

/* No issue is assumed of a kernel whose version is unknown. */
CASE(no_version, "a release without numbers: no issue", .plain = true)
{
	const struct known_issue issue = { .first = "6.11" };

	expect_affected(&issue, "", false);
	expect_affected(&issue, "custom", false);
}

/* The kernel of a distribution may have KVM of a later version, and further fixes. */
CASE(backports, "a kernel with KVM of a later version, and with further fixes", .plain = true)
{
	const struct known_issue old = { "E1", "5.0", "6.18", "" }, tds = { "N1", "6.16", NULL, "" };

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

/* KVM with TDs is taken for that of 6.16 or later. */
CASE(has_tds, "a kernel older than 6.16 with TDs", .plain = true)
{
	char path[] = "/tmp/known_issues_unit.XXXXXX";
	int fd = mkstemp(path);

	must(fd >= 0 && dprintf(fd, "0 t tdx_vcpu_create\t[kvm_intel]\n") > 0, "a file");
	close(fd);
	kernel_read_symbols(path);
	unlink(path);
	unsetenv("KTS_KVM_VERSION");
	must(personality(UNAME26) >= 0, "a kernel that calls itself 2.6");
	must(!strncmp(kernel_release(), "2.6.", 4), "a kernel that calls itself 2.6");
	expect_true(!kernel_before("6.16"), "KVM of %s is older than 6.16", kernel_kvm_version());
}

CASE(by_id, "an issue is found by its id", .plain = true)
{
	expect_true(!strcmp(known_issue("L1")->id, "L1"), "known_issue(\"L1\") is L1");
}

CASE(unknown_id, "an unknown id: abort", .plain = true)
{
	pid_t child = fork();
	int wstatus;

	if (!child) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		known_issue("no such issue");
		_exit(0);
	}
	must(child > 0 && waitpid(child, &wstatus, 0) == child, "a child process");
	expect_eq(WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0, SIGABRT,
		  "the signal that an unknown id ends with");
}

TEST_MAIN("version ranges of known issues")
