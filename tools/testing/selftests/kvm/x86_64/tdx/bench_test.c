// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bench itself, on a real KVM: that a killed test leaves nothing behind,
 * that two programs do not disturb each other, and that the bench notices what
 * would make its results worthless.
 *
 * The cases run this program again, with cases that run on request only.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/case_run.h"
#include "fixture.h"
#include "testcase.h"
#include "thread.h"

#define TRACEFS		"/sys/kernel/tracing"

/* --- on request: what the program that is run does --------------------------------- */

/* Hugepages, probes and a tracing instance; for long enough to be killed. */
static void on_request_observed(const struct test *t)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, SZ_2M);

	for (int i = 0; i < 20; i++) {
		prefault(f.vcpu, GPA, SZ_2M);
		expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
		must(!observer_wait(f.o, EV_GMEM_PFN, 0.02), "no such event");
	}
}

/* More events than the buffer holds. */
static void on_request_overflow(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	for (int i = 0; i < 300; i++)
		prefault(f.vcpu, GPA, SZ_2M);
	expect_true(observer_faults(f.o) > 0, "faults were seen");
}

/* What others do to our instance, as root: a "trace-cmd reset" among them. */
static void write_instance(const char *file, const char *text)
{
	const char *path = strf(TRACEFS "/instances/ktdx-%d-0/%s", getppid(), file);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "writing to %s", path);
	close(fd);
}

/* The page is mapped, and nothing of it is seen. */
static void on_request_reset(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	write_instance("events/enable", "0");
	prefault(f.vcpu, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
}

static void on_request_emptied(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, PFN_ANY);
	must(!madvise(f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	write_instance("trace", "\n");
	expect_eq(observer_count(f.o, EV_FAULT, PF_RETRY), 0, "retries");
}

static void log_line(const char *line)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, line, strlen(line)) > 0, "writing to /dev/kmsg");
	close(fd);
}

static void on_request_splat(const struct test *t)
{
	(void)t;
	log_line(strf(KMSG_OWN "WARNING: kvm, bench_test tries whether it is noticed\n",
		      getppid()));
}

/* What any program may write. */
static void on_request_written(const struct test *t)
{
	(void)t;
	log_line("WARNING: kvm, says a program\n");
}

/* --- running this program again ------------------------------------------------------ */

struct child {
	pid_t pid;
	int out;		/* its standard output */
};

static struct child run_self(const char *case_name)
{
	struct child c;
	int out[2];

	must(!pipe2(out, O_CLOEXEC), "pipe");
	c.pid = fork();
	must(c.pid >= 0, "fork");
	if (!c.pid) {
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", "bench_test", "--case", case_name, NULL);
		_exit(127);
	}
	close(out[1]);
	c.out = out[0];
	return c;
}

/* Its whole output; then its exit code is in @code. */
static char *finish(struct child c, int *code)
{
	char *text = calloc(1, 1 << 16);
	size_t len = 0;
	ssize_t n;
	int status;

	while ((n = read(c.out, text + len, (1 << 16) - 1 - len)) > 0)
		len += n;
	close(c.out);
	must(waitpid(c.pid, &status, 0) == c.pid, "waitpid");
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return text;
}

static bool file_contains(const char *path, const char *text)
{
	FILE *f = fopen(path, "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, text);
	if (f)
		fclose(f);
	return found;
}

/* --- the cases --------------------------------------------------------------------------- */

static void killed_leaves_nothing(const struct test *t)
{
	long pool = meminfo("HugePages_Total"), free_pages = meminfo("HugePages_Free");
	struct child c = run_self("on_request_observed.default");
	char *instance = strf(TRACEFS "/instances/ktdx-%d-0", c.pid);
	char *group = strf("ktdx_%d_", c.pid);
	double deadline = now() + 10;
	int code;

	(void)t;
	/* It takes pages last. */
	while (meminfo("HugePages_Free") == free_pages)
		must(now() < deadline, "the program's use of hugetlb pages");
	expect_true(!access(instance, F_OK), "tracing instance %s is there", instance);
	kill(c.pid, SIGKILL);
	finish(c, &code);

	deadline = now() + 5;
	while ((!access(instance, F_OK) || file_contains(TRACEFS "/kprobe_events", group) ||
		meminfo("HugePages_Total") != pool || meminfo("HugePages_Free") != free_pages) &&
	       now() < deadline)
		usleep(1000);
	expect_true(access(instance, F_OK), "tracing instance %s is gone", instance);
	expect_true(!file_contains(TRACEFS "/kprobe_events", group), "probes %s* are gone", group);
	expect_eq(meminfo("HugePages_Total"), pool, "hugetlb pages in the pool");
	expect_eq(meminfo("HugePages_Free"), free_pages, "free hugetlb pages");
}

static void two_at_once(const struct test *t)
{
	struct child a = run_self("on_request_observed.default");
	struct child b = run_self("on_request_observed.default");
	int code_a, code_b;
	char *out_a = finish(a, &code_a), *out_b = finish(b, &code_b);

	(void)t;
	if (code_a || code_b)
		diag("%s\n%s", out_a, out_b);
	expect_eq(code_a, 0, "exit code of one program");
	expect_eq(code_b, 0, "exit code of the other program");
}

/* @case_name must end with @result, an exit code of 1 and a line with @line. */
static void expect_noticed(const char *case_name, const char *result, const char *line)
{
	int code;
	char *out = finish(run_self(case_name), &code);

	verbose("%s", out);
	expect_eq(code, 1, "exit code");
	expect_true(strstr(out, result), "\"%s\" in the output", result);
	expect_true(strstr(out, line), "\"%s\" in the output", line);
}

static void lost_events(const struct test *t)
{
	(void)t;
	expect_noticed("on_request_overflow.default",
		       "not ok 1 on_request_overflow.default # ERROR", "tracing lost");
}

static void tracing_reset(const struct test *t)
{
	(void)t;
	expect_noticed("on_request_reset.default", "not ok 1 on_request_reset.default # ERROR",
		       "somebody else switched the event");
}

static void trace_emptied(const struct test *t)
{
	(void)t;
	expect_noticed("on_request_emptied.default", "not ok 1 on_request_emptied.default # ERROR",
		       "somebody else emptied the trace");
}

static void splat(const struct test *t)
{
	(void)t;
	expect_noticed("on_request_splat.default", "not ok 1 on_request_splat.default\n",
		       "# kernel: WARNING: kvm, bench_test");
}

static void written_splat(const struct test *t)
{
	int code;
	char *out = finish(run_self("on_request_written.default"), &code);

	(void)t;
	verbose("%s", out);
	expect_eq(code, 0, "exit code");
	expect_true(!strstr(out, "WARNING: kvm"), "no kernel message in the output");
}

/* --- other VMs of the host --------------------------------------------------------------- */

#define NR_TASKS	70
#define NOISE_PAGES	8
#define NR_PAGES	16
#define ROUNDS		10

/* A vCPU of another VM that maps its pages while ours does. */
struct busy_vcpu {
	struct vcpu *vcpu;
	u8 *hva;
	u64 gpa;
	pthread_barrier_t *round;	/* all begin it, all end it */
};

static int keep_busy(void *arg)
{
	struct busy_vcpu *b = arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(b->round);
		prefault(b->vcpu, b->gpa, NOISE_PAGES * SZ_4K);
		pthread_barrier_wait(b->round);
		/*
		 * When nobody faults: while one thread that invalidates does not get a CPU,
		 * the faults of all others would be repeated, without end.
		 */
		must(!madvise(b->hva, NOISE_PAGES * SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	}
	return 0;
}

/* The tasks of other VMs are many, and their events mix with ours in the trace. */
static void many_tasks(const struct test *t)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct vm *other = vm_create(t->vm_type);
	struct mem *mem = mem_create(MEM_ANON, NR_TASKS * NOISE_PAGES * SZ_4K, NULL);
	struct busy_vcpu busy[NR_TASKS];
	struct thread *threads[NR_TASKS];
	pthread_barrier_t round;

	slot_add(other, GPA, mem);
	pthread_barrier_init(&round, NULL, NR_TASKS + 1);
	for (int i = 0; i < NR_TASKS; i++) {
		u64 offset = i * NOISE_PAGES * SZ_4K;

		busy[i] = (struct busy_vcpu){ vcpu_create(other), mem->hva + offset, GPA + offset,
					      &round };
		threads[i] = thread_start(keep_busy, &busy[i]);
	}
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&round);
		for (int page = 0; page < NR_PAGES; page++)
			prefault(f.vcpu, GPA + page * SZ_4K, SZ_4K);
		pthread_barrier_wait(&round);
		expect_eq(observer_leaves(f.o, LEVEL_4K), NR_PAGES, "leaves in round %d", i);
		must(!madvise(f.mem->hva, NR_PAGES * SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
		expect_eq(observer_leaves(f.o, LEVEL_4K), 0, "leaves after round %d", i);
	}
	for (int i = 0; i < NR_TASKS; i++)
		thread_join(threads[i], "another VM's vCPU");
}

#define REQUEST	.vm_types = VM_DEFAULT, .manual = true
#define BENCH	.vm_types = VM_DEFAULT

static const struct test_case cases[] = {
	{ "on_request_observed", "observe a huge page for a while", on_request_observed, REQUEST,
	  .observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN), .hugepages_2m = 2 },
	{ "on_request_overflow", "more events than the buffer holds", on_request_overflow,
	  REQUEST, .observes = OBSERVE_MAPPING },
	{ "on_request_reset", "somebody switches our events off", on_request_reset,
	  REQUEST, .observes = OBSERVE_MAPPING },
	{ "on_request_emptied", "somebody empties our trace", on_request_emptied,
	  REQUEST, .observes = OBSERVE_MAPPING },
	{ "on_request_splat", "something like a kernel warning", on_request_splat, REQUEST },
	{ "on_request_written", "the same, but user space says so", on_request_written, REQUEST },

	{ "killed_leaves_nothing", "a test killed by SIGKILL leaves no probe, instance or hugepage",
	  killed_leaves_nothing, BENCH, .hugepages_2m = 2, .observes = OBSERVE_MAPPING },
	{ "two_at_once", "two programs observe at once", two_at_once, BENCH,
	  .hugepages_2m = 4, .observes = OBSERVE_MAPPING, .cpus = 2 },
	{ "lost_events", "lost trace events make a case broken, not passed", lost_events, BENCH,
	  .observes = OBSERVE_MAPPING, .time_limit_s = 60 },
	{ "tracing_reset", "events that somebody switches off make a case broken", tracing_reset,
	  BENCH, .observes = OBSERVE_MAPPING },
	{ "trace_emptied", "so does a trace that somebody empties", trace_emptied, BENCH,
	  .observes = OBSERVE_MAPPING },
	{ "many_tasks", "70 vCPUs of another VM map pages: each event of ours is seen",
	  many_tasks, BENCH, .observes = OBSERVE_MAPPING, .cpus = 2, .time_limit_s = 60 },
	{ "splat", "a kernel warning fails the case", splat, BENCH,
	  .side_effects = "writes a line to the kernel log" },
	{ "written_splat", "what user space writes to the kernel log fails no case",
	  written_splat, BENCH, .side_effects = "writes a line to the kernel log" },
};

TEST_MAIN("the bench itself: nothing left behind, nothing unnoticed", cases)
