// SPDX-License-Identifier: GPL-2.0-only
/* What the body of a case says: diagnostics, measurements, its end. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/case_run.h"
#include "kernel.h"
#include "known_issues.h"
#include "private_memory.h"
#include "testcase.h"
#include "timeline.h"

static struct outcome *outcome;
static const struct test *running;	/* NULL: the program, outside of its cases */

void report_to(struct outcome *o, const struct test *t)
{
	outcome = o;
	running = t;
}

const struct test_case *running_case(void)
{
	static const struct test_case all = {
		.needs_uffd = true, .needs_thp = true, .needs_hold = true, .needs_sept = true,
		.needs_fail_nth = true,
		.needs_softtdx = true, .needs_guest_kernel = true, .observes = ~0u,
		.hugepages_2m = 1, .hugepages_1g = 1,
	};

	return running ? running->tc : &all;
}

void expect_splat(void)
{
	outcome->wants_splat = true;
}

void expect_private_accesses(const char *issue)
{
	snprintf(outcome->access_issue, sizeof(outcome->access_issue), "%s", issue);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

unsigned int time_scale(void)
{
	const char *scale = getenv("KTS_TIME_SCALE");

	return scale ? atoi(scale) ?: 1 : 1;
}

void wait_a_little(void)
{
	usleep(100);
}

const char *errno_text(int error)
{
	const char *name = strerrorname_np(error);

	return error ? strf("%s (%d)", name ? name : "?", error) : "success";
}

const char *denial_text(int error)
{
	if (geteuid() || (error != EACCES && error != EPERM))
		return errno_text(error);
	return strf("%s, denied to root: by SELinux or AppArmor (ausearch -m avc; the kernel log), a container's rules, or lockdown",
		    errno_text(error));
}

static char *vstrf(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

char *strf(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = vstrf(fmt, ap);
	va_end(ap);
	return text;
}

/* One write a line, so that lines of threads and processes do not mix. */
static void put_line(const char *text)
{
	char *line = strf("# %s\n", text);

	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		_exit(1);	/* nobody listens */
	free(line);
}

/* Takes @text, and frees it. */
static void put_lines(char *text)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		put_line(line);
	free(text);
}

void diag(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	put_lines(vstrf(fmt, ap));
	va_end(ap);
	errno = saved;
}

void verbose(const char *fmt, ...)
{
	va_list ap;

	if (!running || !running->verbose)
		return;
	va_start(ap, fmt);
	put_lines(vstrf(fmt, ap));
	va_end(ap);
}

void measure(const char *key, double value)
{
	/* Counts are exact. */
	diag(value == (long long)value ? "measure %s=%.0f" : "measure %s=%.6g", key, value);
}

/*
 * The first thread that gets here decides, and alone says why; whoever comes
 * later waits to be ended by its _exit().
 */
static void claim_end(void)
{
	static atomic_flag ending = ATOMIC_FLAG_INIT;

	while (atomic_flag_test_and_set(&ending))
		pause();
}

/* End the case, once the end is claimed. */
static void __attribute__((noreturn))
end_case(enum case_status status, const char *reason)
{
	outcome->status = status;
	snprintf(outcome->reason, sizeof(outcome->reason), "%s", reason);
	outcome->reason[strcspn(outcome->reason, "\n")] = '\0';
	timeline_finish();
	_exit(0);
}

static char context[128];	/* test_context() */

void test_context(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
}

static void tell_context(void)
{
	if (context[0])
		diag("with %s:", context);
}

void test_skip(const char *fmt, ...)
{
	va_list ap;
	char *reason;

	va_start(ap, fmt);
	reason = vstrf(fmt, ap);
	va_end(ap);
	claim_end();
	end_case(CASE_SKIP, reason);
}

void harness_error(const char *file, int line, const char *fmt, ...)
{
	const char *why = errno ? strf(": %s", strerror(errno)) : "";
	va_list ap;
	char *what;

	va_start(ap, fmt);
	what = vstrf(fmt, ap);
	va_end(ap);
	claim_end();
	tell_context();
	diag("%s:%d: harness error: %s%s", basename(file), line, what, why);
	end_case(CASE_ERROR, strf("%s%s", what, why));
}

void test_failed(const char *file, int line, const char *what,
		 const char *expected, const char *seen)
{
	claim_end();
	tell_context();
	diag("%s:%d: %s", basename(file), line, what);
	diag("  expected: %s", expected);
	diag("  got:      %s", seen);
	end_case(CASE_FAIL, what);
}

void xfail(const char *id, const char *fmt, ...)
{
	const struct known_issue *issue = known_issue(id);
	va_list ap;

	claim_end();
	tell_context();
	va_start(ap, fmt);
	put_lines(vstrf(fmt, ap));
	va_end(ap);
	if (!known_issue_here(issue)) {
		diag("%s", known_issue_absent(issue));
		end_case(CASE_FAIL, issue->reason);
	}
	end_case(CASE_XFAIL, strf("%s: %s", id, issue->reason));
}

void xpass(const char *id)
{
	const struct known_issue *issue = known_issue(id);

	if (known_issue_here(issue))
		diag("xpass: known issue %s did not show (%s)", id, issue->reason);
}

void skip_if_issue(const char *id)
{
	const struct known_issue *issue = known_issue(id);

	if (known_issue_here(issue))
		test_skip("known issue %s would crash KVM of Linux %s: %s", id,
			  kernel_kvm_version(), issue->reason);
}
