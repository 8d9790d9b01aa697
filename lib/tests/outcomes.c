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

#include "slot.h"
#include "testcase.h"
#include "thread.h"
#include "timeline.h"
#include "undo.h"
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

static void passes(const struct test *t)
{
	verbose("seed is 0x%llx", t->seed);
}
CASES(passes,
	{ "passes", "Passes", .plain = true },
	{ "each_type", "Once for each VM type", .vm_types = VM_ANY, .plain = true },
	{ "other_boot", "For hosts booted with four CPUs", .boot = BOOT_CPUS4,
	  .plain = true },
	{ "host_wide", "Changes what others see", .side_effects = "the weather",
	  .plain = true },
	{ "needs_much", "Needs what no machine has", .cpus = 1 << 20 },
)

static void fails_eq(const struct test *t)
{
	(void)t;
	expect_eq(2, 4, "pages of gfn 0x%x", 16);
}
CASES(fails_eq,
	{ "fails_eq", "Two numbers differ", .plain = true },
	{ "guards_a_fix", "Names the commit whose loss it detects",
	  .fixes = "0123456789ab (\"KVM: Do right\"), 6.1", .plain = true },
	{ "declared_issue", "Declares a known issue", .xfail = "L1", .plain = true },
	{ "issue_in_body", "Declares one that only the body can recognise", .xfail = "L1",
	  .xfail_in_body = true, .plain = true },
	{ "declared_old_issue", "Declares one that other kernels have", .xfail = "E4",
	  .plain = true },
)

CASE(fails_true, "A condition does not hold", .plain = true)
{
	expect_true(errno == EXFULL, "the condition");
}

CASE(fails_errno, "The wrong error", .plain = true)
{
	expect_errno(close(-1), EFAULT, "close");
}

CASE(fails_ok, "An error instead of success", .plain = true)
{
	expect_ok(close(-1), "close");
}

/* ioctls on a file that is not KVM's fail with ENOTTY. */
static struct vm no_kvm(void)
{
	return (struct vm){ .fd = open("/dev/null", O_RDWR | O_CLOEXEC) };
}

CASE(kvm_refuses_slot, "A memslot is refused", .plain = true)
{
	struct vm vm = no_kvm();

	slot_add(&vm, 4 * SZ_1G, mem_create(MEM_ANON, SZ_4K, NULL));
}

CASE(kvm_refuses_attributes, "Memory attributes are refused", .plain = true)
{
	struct vm vm = no_kvm();

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
CASES(window_does_not_open,
	{ "window_does_not_open", "A prefault ends, where it should wait for its page",
	  .needs_uffd = true, .plain = true },
	{ "undeclared", "Uses userfaultfd, which the case does not declare", .plain = true },
)

CASE(expectations_hold, "All expectations hold", .plain = true)
{
	expect_eq(-1, 0xffffffffffffffff, "equal in 64 bits");
	expect_true(true, "true");
	expect_ok(0, "success");
	expect_errno(close(-1), EBADF, "close");
}

static int say(void *arg)
{
	timeline_lane("%s", (const char *)arg);
	timeline_note("a note");
	return 0;
}

CASE(tells_moments, "What the case's threads did outlives it", .plain = true)
{
	timeline_begin("work on 0x%x", 0x10);
	for (int i = 0; i < 2000; i++)
		timeline_note("step %d", i);
	must(!thread_join(thread_start(say, "other"), "a thread"), "a thread");
	timeline_end("work: %s", errno_text(0));
	raise(SIGKILL);
}

CASE(breaks, "The harness fails", .plain = true)
{
	errno = EACCES;
	must(false, "the harness\nin two lines");
}

CASE(skips, "Something is missing", .plain = true)
{
	test_skip("needs a %s moon", "full");
}

CASE(crashes, "SIGSEGV", .plain = true)
{
	crash();
}

CASE(exits, "exit(3)", .plain = true)
{
	exit(3);
}

CASE(exits_quietly, "exit(0) is no way to pass", .plain = true)
{
	exit(0);
}

static void hangs(const struct test *t)
{
	(void)t;
	wait_for_ever();
}
CASES(hangs,
	{ "hangs", "Never ends", .time_limit_s = 1, .plain = true },
	{ "declared_issue_hangs", "The same, without end", .xfail = "L1", .time_limit_s = 1,
	  .plain = true },
)

static int abort_thread(void *arg)
{
	(void)arg;
	abort();
}

CASE(aborts_in_thread, "abort() in a second thread", .plain = true)
{
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
CASE(fails_in_threads, "Expectations fail in many threads at once", .plain = true)
{
	for (int i = 0; i < 16; i++)
		thread_start(fail_thread, NULL);
	wait_for_ever();
}

CASE(known_issue_shows, "A known issue shows itself", .plain = true)
{
	xfail("L1", "retries: %d", 123);
}

CASE(known_issue_hides, "A known issue does not show", .plain = true)
{
	xpass("L1");
}

CASE(measures, "Measurements", .plain = true)
{
	measure("attempts", 500);
	measure("pages", 1ULL << 30);
	measure("rate", 0.125);
}

#define LONG_LINE	200000

CASE(long_diagnostics, "Diagnostics longer than any buffer", .plain = true)
{
	char *line = malloc(LONG_LINE + 1);

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

CASE(threads_talk, "Lines of threads do not mix", .plain = true)
{
	struct thread *threads[NR_TALKERS];
	int ids[NR_TALKERS];

	pthread_barrier_init(&all_talk, NULL, NR_TALKERS);
	for (int i = 0; i < NR_TALKERS; i++) {
		ids[i] = i;
		threads[i] = thread_start(talk, &ids[i]);
	}
	for (int i = 0; i < NR_TALKERS; i++)
		thread_join(threads[i], "talking");
}

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

CASE(leaves_child, "Leaves a child process behind", .plain = true)
{
	FILE *f = fopen(in_dir("child"), "w");

	must(f && fprintf(f, "%d", leave_child()) > 0 && !fclose(f), "pid of the child");
}

CASE(child_is_gone, "It is gone when the next case begins", .plain = true)
{
	FILE *f = fopen(in_dir("child"), "r");
	int child;

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

CASE(changes_and_passes, "Changes are undone when a case passed", .plain = true)
{
	change();
}

/* For the program, not for the case. */
CASE(keeps_a_change, "A change for the cases that follow", .plain = true)
{
	undo_rmdir(in_dir("kept"));
	expect_ok(mkdir(in_dir("kept"), 0700), "mkdir");
	undo_keep();
	change();
}

CASE(change_is_kept, "... is there in the next case, whose own changes are undone", .plain = true)
{
	expect_ok(access(in_dir("kept"), F_OK), "access to what the case before kept");
	change();
}

CASE(changes_and_fails, "... when it failed", .plain = true)
{
	change();
	expect_true(false, "failure after a change");
}

CASE(changes_and_crashes, "... when it crashed", .plain = true)
{
	change();
	crash();
}

CASE(changes_and_is_killed, "... when it was killed", .plain = true)
{
	change();
	raise(SIGKILL);
}

CASE(changes_and_hangs, "... when it hung", .time_limit_s = 1, .plain = true)
{
	change();
	wait_for_ever();
}

CASE(changes_what_is_not_there, "A setting that does not exist", .plain = true)
{
	expect_eq(set_and_undo(in_dir("nothing"), "x"), -ENOENT, "set_and_undo()");
}

/* A folder that is not empty cannot be removed. */
static void make_stubborn_folder(void)
{
	undo_rmdir(in_dir("stubborn"));
	expect_ok(mkdir(in_dir("stubborn"), 0700), "mkdir");
	expect_ok(creat(in_dir("stubborn/file"), 0600), "creat");
}

CASE(cannot_be_undone, "A change that cannot be undone fails the case", .plain = true)
{
	make_stubborn_folder();
}

/* What is kept is undone at the end of the program. */
CASE(keeps_what_cannot_be_undone, "A step that cannot be undone is kept", .nightly = true,
	.plain = true)
{
	make_stubborn_folder();
	undo_keep();
}

CASE(changes_and_waits, "Changes, and waits to be killed", .nightly = true, .plain = true)
{
	change();
	leave_child();
	diag("changed");
	wait_for_ever();
}

CASE(cannot_be_undone_and_waits, "A step that cannot be undone is among the last",
	.nightly = true, .plain = true)
{
	change();
	make_stubborn_folder();
	diag("changed");
	wait_for_ever();
}

TEST_MAIN("every outcome, on purpose")
