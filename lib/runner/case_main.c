// SPDX-License-Identifier: GPL-2.0-only
/* A test program: one process a case, and what becomes of it. */
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/case_run.h"
#include "base/shared_memory.h"
#include "explore.h"
#include "kernel.h"
#include "known_issues.h"
#include "runner/host_activity.h"
#include "runner/plan.h"
#include "softtdx_ctl.h"
#include "thread.h"
#include "timeline.h"
#include "undo.h"

#define KILL_GRACE_S		10	/* for a killed case to leave the kernel */
#define CASE_CPUS		16	/* enough to race on; what is traced costs memory a CPU */
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67	/* 6.4 */
#endif

static struct outcome *outcome;		/* shared with the case's process */

/* For builds with SAN=1: objects live as long as their process, on purpose. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/*
 * What the host does to memory by itself, as far as a process can refuse it: KSM, where the
 * service manager switched it on, and khugepaged would unmap pages now and then, which a
 * test would take for KVM's doing.
 */
static void leave_memory_alone(const struct test_case *tc)
{
	prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0);
	prctl(PR_SET_THP_DISABLE, !tc->needs_thp, 0, 0, 0);
}

/* One descriptor a CPU is the trace's (observe/cpu_buffers.h). */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* One case. */

/*
 * No thread is interrupted when a child ends. The kernel drops an unwanted SIGCHLD, but
 * not one that the parent blocks, as glibc does in fork(): this one goes to any other
 * thread, whose KVM_PRE_FAULT_MEMORY then ends with EINTR (sig_ignored() and
 * complete_signal() in kernel/signal.c).
 */
static void block_child_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void __attribute__((noreturn))
case_process(const struct test *t, const struct options *opt, const sigset_t *mask)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, t->name);
	sigprocmask(SIG_SETMASK, mask, NULL);
	block_child_signals();

	/*
	 * An explicit policy keeps NUMA balancing away from our memory: it
	 * unmaps pages now and then, which a test would take for KVM's doing.
	 */
	syscall(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0);
	leave_memory_alone(t->tc);

	report_to(outcome, t);
	timeline_lane("case");
	use_cpus(CASE_CPUS);
	raise_file_limit();
	check_needs(t, opt->allow_host_wide);
	t->body(t);
	tracing_check_intact();
	explore_passed();
	timeline_finish();
	outcome->status = CASE_PASS;
	/* Threads that are still inside of KVM end here, too. */
	_exit(0);
}

/* Kill what is left of a case, helpers that it started too, and wait for it. */
static void end_group(pid_t group)
{
	double deadline = now() + KILL_GRACE_S;
	pid_t pid;

	kill(-group, SIGKILL);
	while ((pid = waitpid(-group, NULL, WNOHANG)) >= 0) {
		if (pid)
			continue;
		if (now() > deadline) {
			diag("the case's process group %d does not die: stuck in the kernel",
			     group);
			break;
		}
		usleep(1000);
	}
	undo_watch_group(0);
	/* Helpers with groups of their own, which end by themselves. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Wait for @pid; false after @seconds. SIGINT and SIGTERM end the program. */
static bool wait_case(pid_t pid, double seconds, int *wstatus)
{
	double deadline = now() + seconds;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	for (;;) {
		double left = deadline - now();
		struct timespec ts = { .tv_sec = left,
				       .tv_nsec = (left - (long)left) * 1e9 };
		int sig;

		if (waitpid(pid, wstatus, WNOHANG) == pid)
			return true;
		if (left <= 0)
			return false;
		sig = sigtimedwait(&set, NULL, &ts);
		if (sig == SIGINT || sig == SIGTERM) {
			end_group(pid);
			undo_all();
			diag("ended by signal %d", sig);
			exit(128 + sig);
		}
	}
}

static void end_by_issue(enum case_status status, const struct known_issue *issue)
{
	outcome->status = status;
	snprintf(outcome->reason, sizeof(outcome->reason), "%s: %s", issue->id, issue->reason);
}

/* A WARNING that is a known issue, and all that is wrong. */
static void judge_known_warning(const struct known_issue *issue, bool seen)
{
	bool here = known_issue_here(issue);

	if (!seen && here && outcome->warnings_armed)
		diag("xpass: known issue %s did not show (%s)", issue->id, issue->reason);
	if (!seen)
		return;
	end_by_issue(here ? CASE_XFAIL : CASE_FAIL, issue);
	if (!here)
		diag("%s", known_issue_absent(issue));
}

/* A splat fails a case, also one that then skips, unless it is what the case is about. */
static void judge_splats(const struct test *t)
{
	bool checker;
	const char *complaint = kmsg_end(t, &checker);
	bool seen = complaint;

	if (checker) {
		diag("a check of this debug kernel failed while the case ran: %s", complaint);
		outcome->status = CASE_FAIL;
		return;
	}
	if (t->tc->xwarn && outcome->status == CASE_PASS) {
		judge_known_warning(known_issue(t->tc->xwarn), seen);
		return;
	}
	if (seen == outcome->wants_splat)
		return;
	/* What went wrong before it would have complained is said already. */
	if (!seen && outcome->status != CASE_PASS)
		return;
	if (!seen && !outcome->warnings_armed) {
		diag("the WARNING that must come did not: its WARN_ONCE may have fired before in this boot");
		return;
	}
	if (seen)
		diag("the kernel complained while the case ran: %s", complaint);
	else
		diag("the kernel should have complained, and did not");
	outcome->status = CASE_FAIL;
}

static bool failed(const struct outcome *o)
{
	return o->status != CASE_PASS && o->status != CASE_SKIP && o->status != CASE_XFAIL;
}

/* No case ends well in which the host touched memory that a TD, or the TDX module, holds. */
static void judge_private_accesses(void)
{
	const struct known_issue *issue = NULL;

	if (!private_accesses_end())
		return;
	if (outcome->access_issue[0])
		issue = known_issue(outcome->access_issue);
	if (!issue || !known_issue_here(issue)) {
		diag("memory that is not the host's was accessed while the case ran");
		outcome->status = CASE_FAIL;
	} else if (!failed(outcome)) {
		end_by_issue(CASE_XFAIL, issue);
	}
}

/*
 * In the testbed all TDs are ours: one that is still there when its process has
 * gone is lost.  Later cases shall not fail for it.
 */
static void reset_left_tds(void)
{
	if (in_testbed() && softtdx_present() && softtdx_tds_left())
		diag("%u TDs were left that nobody owns: softtdx took their pages back",
		     softtdx_reset_tds());
}

/*
 * A case ends by exit status 0, whatever the outcome: another one is no end of
 * ours, but a crash, exit(3), or a sanitizer's.
 */
static void judge_death(int wstatus)
{
	if (WIFSIGNALED(wstatus))
		diag("the case's process was killed by signal %d (%s)",
		     WTERMSIG(wstatus), strsignal(WTERMSIG(wstatus)));
	else
		diag("the case's process exited with %d", WEXITSTATUS(wstatus));
	outcome->status = CASE_DIED;
}

/* A case that does not recognise a known issue itself, but declares it. */
static void judge_known_issue(const struct test *t)
{
	const struct known_issue *issue;

	if (!t->tc->xfail || t->tc->xfail_in_body ||
	    (outcome->status != CASE_FAIL && outcome->status != CASE_TIMEOUT))
		return;
	issue = known_issue(t->tc->xfail);
	if (!known_issue_here(issue))
		return;
	end_by_issue(CASE_XFAIL, issue);
}

static void run_case(const struct test *t, const struct options *opt,
		     const sigset_t *mask)
{
	unsigned int limit = time_limit(t->tc);
	double start = now();
	int wstatus = 0;
	bool in_time;
	pid_t pid;

	memset(outcome, 0, sizeof(*outcome));
	outcome->wants_splat = t->tc->expects_splat;
	diag("run %s (limit %u s)", t->name, limit);
	timeline_start(t->observes || opt->events);
	kmsg_begin(in_testbed() || opt->allow_host_wide);
	outcome->warnings_armed = kmsg_warnings_armed();
	if (t->tc->observes)
		host_activity_begin();

	pid = fork();
	if (pid < 0) {
		diag("fork: %s", strerror(errno));
		outcome->status = CASE_ERROR;
		return;
	}
	if (!pid)
		case_process(t, opt, mask);
	setpgid(pid, pid);
	undo_watch_group(pid);

	in_time = wait_case(pid, limit, &wstatus);
	end_group(pid);
	if (!in_time)
		outcome->status = CASE_TIMEOUT;
	else if (wstatus || outcome->status == CASE_DIED)
		judge_death(wstatus);
	judge_known_issue(t);
	if (undo_case())
		outcome->status = CASE_FAIL;
	if (t->tc->vm_types & VM_TDX)
		reset_left_tds();
	judge_splats(t);
	judge_private_accesses();
	/* Whatever went wrong shall not go wrong again for what was kept. */
	if ((failed(outcome) || outcome->status == CASE_XFAIL) && tracing_drop())
		outcome->status = CASE_FAIL;
	if (outcome->status == CASE_FAIL && t->tc->observes)
		host_activity_tell();
	if (opt->events || failed(outcome))
		timeline_print();
	if (outcome->status == CASE_FAIL && t->tc->fixes)
		diag("this is what the kernel did before %s", t->tc->fixes);
	measure("seconds", now() - start);
}

static void print_result(size_t number, const struct test *t)
{
	const char *name = t->name, *reason = outcome->reason;

	switch (outcome->status) {
	case CASE_PASS:
		printf("ok %zu %s\n", number, name);
		break;
	case CASE_SKIP:
		printf("ok %zu %s # SKIP %s\n", number, name, reason);
		break;
	case CASE_XFAIL:
		printf("ok %zu %s # XFAIL %s\n", number, name, reason);
		break;
	case CASE_ERROR:
		printf("not ok %zu %s # ERROR %s\n", number, name, reason);
		break;
	case CASE_TIMEOUT:
		printf("not ok %zu %s # TIMEOUT %u s\n", number, name, time_limit(t->tc));
		break;
	case CASE_DIED:
	case CASE_FAIL:
		printf("not ok %zu %s\n", number, name);
	}
}

static int run_plan(const struct plan *plan, const struct options *opt)
{
	size_t nr_failed = 0, nr_skipped = 0;
	sigset_t set, mask;

	undo_init();
	undo_start_guardian();
	tracing_prepare();
	timeline_prepare();
	/* Helpers that a case leaves become our children: end_group() waits for them. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	outcome = shared_memory(sizeof(*outcome), "the outcome of a case");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &mask);

	if (!in_testbed() && !opt->allow_host_wide && !kmsg_warnings_armed())
		diag("note: the kernel has warned in this boot (taint W): WARN_ONCE sites that fired are mute, --allow-host-wide arms them again");
	for (size_t i = 0; opt->events && i < plan->nr; i++)
		plan->tests[i].observes = all_events_here(&plan->tests[i]);
	for (size_t i = 0; i < plan->nr; i++) {
		if (nr_failed && opt->fail_fast) {
			outcome->status = CASE_SKIP;
			snprintf(outcome->reason, sizeof(outcome->reason),
				 "not run: --fail-fast, a case before failed");
		} else {
			run_case(&plan->tests[i], opt, &mask);
		}
		print_result(i + 1, &plan->tests[i]);
		fflush(stdout);
		explore_ended(failed(outcome));
		nr_skipped += outcome->status == CASE_SKIP;
		nr_failed += failed(outcome);
	}
	nr_failed += !!tracing_drop();
	return nr_failed ? 1 : nr_skipped == plan->nr ? KSFT_SKIP : 0;
}

int test_main(int argc, char **argv, const char *summary)
{
	struct options opt = { 0 };
	struct plan plan;

	parse_options(&opt, argc, argv, summary);
	if (opt.describe) {
		describe(basename(argv[0]), summary, all_cases());
		return 0;
	}
	plan = make_plan(&opt);

	if (opt.list) {
		list_cases(&plan, argv[0]);
		return 0;
	}
	if (opt.dry_run) {
		for (size_t i = 0; i < plan.nr; i++)
			print_changes(&plan.tests[i]);
		return 0;
	}
	if (!plan.nr) {
		fprintf(stderr, "%s: no case matches\n", argv[0]);
		return 2;
	}

	printf("KTAP version 1\n1..%zu\n", plan.nr);
	fflush(stdout);
	diag("%s: %s", basename(argv[0]), summary);
	diag("seed 0x%llx", opt.seed);
	return run_plan(&plan, &opt);
}
