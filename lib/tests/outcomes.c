// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way a case can end, on purpose: half of these cases must fail.
 * test_outcomes.py runs them and judges what they print.
 *
 * Cases with something to undo do it in the folder OUTCOMES_DIR, which holds a
 * file "setting" with the text "before".
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testcase.h"
#include "thread.h"
#include "undo.h"
#include "slot.h"
#include "vm.h"
#include "window.h"

static void __attribute__((noreturn)) wait_for_ever(void)
{
	for (;;)
		pause();
}

static void crash(void)
{
	volatile char *nothing = mmap(NULL, SZ_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0);

	*nothing = 1;
}

/* --- ends ------------------------------------------------------------------- */

static void passes(const struct test *t)
{
	verbose("seed is 0x%llx", t->seed);
}

static void fails_eq(const struct test *t)
{
	(void)t;
	expect_eq(2, 4, "pages of gfn 0x%x", 16);
}

static void fails_true(const struct test *t)
{
	(void)t;
	expect_true(errno == EXFULL, "the condition");
}

static void fails_errno(const struct test *t)
{
	(void)t;
	expect_errno(close(-1), EFAULT, "close");
}

static void fails_ok(const struct test *t)
{
	(void)t;
	expect_ok(close(-1), "close");
}

/* What is no KVM refuses all that KVM has to grant, with ENOTTY. */
static struct vm no_kvm(void)
{
	return (struct vm){ .fd = open("/dev/null", O_RDWR | O_CLOEXEC) };
}

static void kvm_refuses_slot(const struct test *t)
{
	struct vm vm = no_kvm();

	(void)t;
	slot_add(&vm, 4 * SZ_1G, mem_create(MEM_ANON, SZ_4K, NULL));
}

static void kvm_refuses_attributes(const struct test *t)
{
	struct vm vm = no_kvm();

	(void)t;
	vm_set_private(&vm, 4 * SZ_1G, SZ_4K);
}

static void window_does_not_open(const struct test *t)
{
	struct vm vm = no_kvm();
	struct vcpu vcpu = { .fd = vm.fd, .vm = &vm };
	struct window *w = window_create(&vcpu, mem_create(MEM_ANON, SZ_4K, NULL)->hva, SZ_4K);

	(void)t;
	window_open(w, 4 * SZ_1G, SZ_4K);
}

static void expectations_hold(const struct test *t)
{
	(void)t;
	expect_eq(-1, 0xffffffffffffffff, "equal in 64 bits");
	expect_true(true, "true");
	expect_ok(0, "success");
	expect_errno(close(-1), EBADF, "close");
}

static void breaks(const struct test *t)
{
	(void)t;
	errno = EACCES;
	must(false, "the harness\nin two lines");
}

static void skips(const struct test *t)
{
	(void)t;
	test_skip("needs a %s moon", "full");
}

static void crashes(const struct test *t)
{
	(void)t;
	crash();
}

static void exits(const struct test *t)
{
	(void)t;
	exit(3);
}

static void exits_quietly(const struct test *t)
{
	(void)t;
	exit(0);
}

static void hangs(const struct test *t)
{
	(void)t;
	wait_for_ever();
}

static int abort_thread(void *arg)
{
	(void)arg;
	abort();
}

static void aborts_in_thread(const struct test *t)
{
	(void)t;
	thread_start(abort_thread, NULL);
	wait_for_ever();
}

static int fail_thread(void *arg)
{
	(void)arg;
	expect_eq(1, 2, "in a thread");
	return 0;
}

/* Many fail at once: one of them decides. */
static void fails_in_threads(const struct test *t)
{
	(void)t;
	for (int i = 0; i < 16; i++)
		thread_start(fail_thread, NULL);
	wait_for_ever();
}

static void known_issue_shows(const struct test *t)
{
	(void)t;
	xfail("L1", "retries: %d", 123);
}

static void known_issue_hides(const struct test *t)
{
	(void)t;
	xpass("L1");
}

/* --- what is printed ---------------------------------------------------------- */

static void measures(const struct test *t)
{
	(void)t;
	measure("attempts", 500);
	measure("pages", 1ULL << 30);
	measure("rate", 0.125);
}

#define LONG_LINE	200000

static void long_diagnostics(const struct test *t)
{
	char *line = malloc(LONG_LINE + 1);

	(void)t;
	memset(line, 'x', LONG_LINE);
	line[LONG_LINE] = '\0';
	diag("%s", line);
	diag("two\nlines");
	diag("ok 99 this is no result line");
	expect_true(false, "%s", line);
}

#define NR_TALKERS	4
#define NR_LINES	500

static pthread_barrier_t all_talk;

static int talk(void *arg)
{
	pthread_barrier_wait(&all_talk);
	for (int i = 0; i < NR_LINES; i++)
		diag("talker %d line %d of %d", *(int *)arg, i, NR_LINES);
	return 0;
}

static void threads_talk(const struct test *t)
{
	struct thread *threads[NR_TALKERS];
	int ids[NR_TALKERS];

	(void)t;
	pthread_barrier_init(&all_talk, NULL, NR_TALKERS);
	for (int i = 0; i < NR_TALKERS; i++) {
		ids[i] = i;
		threads[i] = thread_start(talk, &ids[i]);
	}
	for (int i = 0; i < NR_TALKERS; i++)
		thread_join(threads[i], "talking");
}

/* --- what is left behind -------------------------------------------------------- */

/* A path in OUTCOMES_DIR. */
static const char *in_dir(const char *name)
{
	const char *dir = getenv("OUTCOMES_DIR");

	if (!dir)
		test_skip("needs a folder to work in, OUTCOMES_DIR");
	return strf("%s/%s", dir, name);
}

static pid_t leave_child(void)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (!child)
		wait_for_ever();
	return child;
}

static void leaves_child(const struct test *t)
{
	FILE *f = fopen(in_dir("child"), "w");

	(void)t;
	must(f && fprintf(f, "%d", leave_child()) > 0 && !fclose(f), "pid of the child");
}

static void child_is_gone(const struct test *t)
{
	FILE *f = fopen(in_dir("child"), "r");
	int child;

	(void)t;
	must(f && fscanf(f, "%d", &child) == 1, "pid of the child");
	expect_errno(kill(child, 0), ESRCH, "a signal to the child of the case before");
}

/* Steps that fail if they are not undone last first. */
static void change(void)
{
	char text[16] = "";
	int fd = open(in_dir("setting"), O_RDONLY);

	must(fd >= 0 && read(fd, text, sizeof(text)) > 0, "read of the setting");
	close(fd);
	expect_true(!strcmp(text, "before"), "the case before was undone (\"%s\")", text);
	expect_ok(set_and_undo(in_dir("setting"), "change"), "first change");
	expect_ok(set_and_undo(in_dir("setting"), "change twice"), "second change");

	undo_rmdir(in_dir("folder"));
	expect_ok(mkdir(in_dir("folder"), 0700), "mkdir");
	undo_unlink(in_dir("folder/file"));
	expect_ok(creat(in_dir("folder/file"), 0600), "creat");
	/* Recorded, and then not done: no error. */
	undo_unlink(in_dir("never made"));
}

static void changes_and_passes(const struct test *t)
{
	(void)t;
	change();
}

/* For the program, not for the case. */
static void keeps_a_change(const struct test *t)
{
	(void)t;
	undo_rmdir(in_dir("kept"));
	expect_ok(mkdir(in_dir("kept"), 0700), "mkdir");
	undo_keep();
	change();
}

static void change_is_kept(const struct test *t)
{
	(void)t;
	expect_ok(access(in_dir("kept"), F_OK), "access to what the case before kept");
	change();
}

static void changes_and_fails(const struct test *t)
{
	(void)t;
	change();
	expect_true(false, "failure after a change");
}

static void changes_and_crashes(const struct test *t)
{
	(void)t;
	change();
	crash();
}

static void changes_and_is_killed(const struct test *t)
{
	(void)t;
	change();
	raise(SIGKILL);
}

static void changes_and_hangs(const struct test *t)
{
	(void)t;
	change();
	wait_for_ever();
}

static void changes_what_is_not_there(const struct test *t)
{
	(void)t;
	expect_eq(set_and_undo(in_dir("nothing"), "x"), -ENOENT, "set_and_undo()");
}

/* A folder that is not empty cannot be removed. */
static void cannot_be_undone(const struct test *t)
{
	(void)t;
	undo_rmdir(in_dir("stubborn"));
	expect_ok(mkdir(in_dir("stubborn"), 0700), "mkdir");
	expect_ok(creat(in_dir("stubborn/file"), 0600), "creat");
}

/* What is kept is undone at the end of the program. */
static void keeps_what_cannot_be_undone(const struct test *t)
{
	cannot_be_undone(t);
	undo_keep();
}

static void changes_and_waits(const struct test *t)
{
	(void)t;
	change();
	leave_child();
	diag("changed");
	wait_for_ever();
}

static void cannot_be_undone_and_waits(const struct test *t)
{
	change();
	cannot_be_undone(t);
	diag("changed");
	wait_for_ever();
}

#define PLAIN(body, ...)	PLAIN_AS(#body, body, __VA_ARGS__)
#define PLAIN_AS(name, body, summary, ...)	\
	{ name, summary, body, .plain = true, ## __VA_ARGS__ }
/* Not for a run of all cases: waits to be ended, or changes how the run ends. */
#define APART(body, summary)		\
	{ #body, summary, body, .plain = true, .nightly = true }

static const struct test_case cases[] = {
	PLAIN(passes, "Passes"),
	PLAIN(fails_eq, "Two numbers differ"),
	PLAIN(fails_true, "A condition does not hold"),
	PLAIN(fails_errno, "The wrong error"),
	PLAIN(fails_ok, "An error instead of success"),
	PLAIN(kvm_refuses_slot, "A memslot is refused"),
	PLAIN(kvm_refuses_attributes, "Memory attributes are refused"),
	PLAIN(window_does_not_open, "A prefault ends, where it should wait for its page",
	      .needs_uffd = true),
	PLAIN_AS("undeclared", window_does_not_open, "Uses what the case does not declare"),
	PLAIN_AS("guards_a_fix", fails_eq, "Names the commit whose loss it detects",
		 .fixes = "KVM: Do right (6.1)"),
	PLAIN(expectations_hold, "All expectations hold"),
	PLAIN(breaks, "The harness fails"),
	PLAIN(skips, "Something is missing"),
	PLAIN(crashes, "SIGSEGV"),
	PLAIN(exits, "exit(3)"),
	PLAIN(exits_quietly, "exit(0) is no way to pass"),
	PLAIN(hangs, "Never ends", .time_limit_s = 1),
	PLAIN(aborts_in_thread, "abort() in a second thread"),
	PLAIN(fails_in_threads, "Expectations fail in many threads at once"),
	PLAIN(known_issue_shows, "A known issue shows itself"),
	PLAIN_AS("declared_issue", fails_eq, "Declares a known issue", .xfail = "L1"),
	PLAIN_AS("declared_issue_hangs", hangs, "The same, without end", .xfail = "L1",
		 .time_limit_s = 1),
	PLAIN_AS("issue_in_body", fails_eq, "Declares one that the body would recognise",
		 .xfail = "L1", .xfail_in_body = true),
	PLAIN_AS("declared_old_issue", fails_eq, "Declares one that other kernels have",
		 .xfail = "E4"),
	PLAIN(known_issue_hides, "A known issue does not show"),
	PLAIN(measures, "Measurements"),
	PLAIN(long_diagnostics, "Diagnostics longer than any buffer"),
	PLAIN(threads_talk, "Lines of threads do not mix"),
	PLAIN(leaves_child, "Leaves a child process behind"),
	PLAIN(child_is_gone, "It is gone when the next case begins"),
	PLAIN(changes_and_passes, "Changes are undone when a case passed"),
	PLAIN(keeps_a_change, "A change for the cases that follow"),
	PLAIN(change_is_kept, "... is there in the next, whose own are undone"),
	PLAIN(changes_and_fails, "... when it failed"),
	PLAIN(changes_and_crashes, "... when it crashed"),
	PLAIN(changes_and_is_killed, "... when somebody killed it"),
	PLAIN(changes_and_hangs, "... when it hung", .time_limit_s = 1),
	PLAIN(changes_what_is_not_there, "A setting that does not exist"),
	PLAIN(cannot_be_undone, "A change that cannot be undone fails the case"),
	PLAIN_AS("each_type", passes, "Once for each VM type",
	      .vm_types = VM_DEFAULT | VM_SW_PROTECTED),
	PLAIN_AS("other_boot", passes, "For hosts booted with four CPUs", .boot = BOOT_CPUS4),
	PLAIN_AS("host_wide", passes, "Changes what others see", .side_effects = "the weather"),
	{ "needs_much", "Needs what no machine has", passes, .cpus = 1 << 20 },
	APART(keeps_what_cannot_be_undone, "A step that cannot be undone is kept"),
	APART(changes_and_waits, "Changes, and waits to be killed"),
	APART(cannot_be_undone_and_waits, "A step that cannot be undone is among the last"),
};

TEST_MAIN("every outcome, on purpose", cases)
