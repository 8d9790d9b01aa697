// SPDX-License-Identifier: GPL-2.0-only
/*
 * The harness itself, on a real KVM: a killed test leaves nothing behind, two programs do
 * not disturb each other, and what would make results worthless ends a case with ERROR.
 *
 * Most cases run this program again, with a case that is .manual.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/case_run.h"
#include "file.h"
#include "fixture.h"
#include "hold.h"
#include "run_self.h"
#include "testcase.h"
#include "thread.h"
#include "vm_thread.h"
#include "window_fixture.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67	/* 6.4 */
#define PR_GET_MEMORY_MERGE	68
#endif

#define TRACEFS		"/sys/kernel/tracing"
#define POOL		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define HAS_ALL		"it has all that it will have"

/* Has hugetlb pages, probes and a tracing instance, long enough to be killed. */
CASE(manual_observed, "a huge page observed for a while", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING | OBSERVE(EV_GMEM_PFN), .hugepages_2m = 2, .manual = true)
{
	struct fixture f = fixture(t, MEM_HUGETLB_2M, SZ_2M);

	diag(HAS_ALL);
	for (int i = 0; i < 20; i++) {
		prefault(f.vcpu, GPA, SZ_2M);
		expect_range_mapped(&f, GPA, SZ_2M, LEVEL_2M);
		must(!observer_wait(f.o, EV_GMEM_PFN, 0.02), "no such event");
	}
}

CASE(manual_overflow, "more events than the buffer holds", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING, .manual = true)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	stay_on_one_cpu();	/* each has a buffer */
	for (int i = 0; i < 300; i++)
		prefault(f.vcpu, GPA, SZ_2M);
	expect_true(observer_faults(f.o) > 0, "there are faults");
}

/* Write to a file of the tracing instance of this case, as "trace-cmd reset" does. */
static void write_instance(const char *file, const char *text)
{
	const char *path = strf(TRACEFS "/instances/ktdx-%d-0/%s", getppid(), file);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "writing to %s",
	     path);
	close(fd);
}

/* Not mapped, by the events: they are off. */
CASE(manual_reset, "the events of the tracing instance are switched off",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .manual = true)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	write_instance("events/enable", "0");
	prefault(f.vcpu, GPA, SZ_4K);
	expect_not_mapped(f.o, GFN);
}

CASE(manual_emptied, "the trace of the tracing instance is emptied",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .manual = true)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);

	prefault(f.vcpu, GPA, SZ_4K);
	expect_mapped(f.o, GFN, LEVEL_4K, PFN_ANY);
	must(!madvise(f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	write_instance("trace", "\n");
	expect_eq(observer_count(f.o, EV_FAULT, PF_RETRY), 0, "retries");
}

/* As compaction and NUMA balancing do it, in a case that expects nothing of the kind. */
CASE(manual_moved, "a page is migrated: no retry", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING, .manual = true, .nodes = 2, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	migrate(s.other);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY");
	expect_window_retries(&s, 0);
}

CASE(manual_merged, "the case's memory is none of KSM's", .vm_types = VM_DEFAULT,
	.manual = true)
{
	expect_eq(prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0), 0, "PR_GET_MEMORY_MERGE");
}

static void log_line(const char *line)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, line, strlen(line)) > 0, "writing to /dev/kmsg");
	close(fd);
}

CASE(manual_splat, "a message like a kernel WARNING, marked as the kernel's",
	.vm_types = VM_DEFAULT, .manual = true)
{
	log_line(strf(KMSG_OWN "WARNING: kvm, harness_test checks that it is noticed\n",
		      getppid()));
}

CASE(manual_written, "a message like a kernel WARNING, written by user space",
	.vm_types = VM_DEFAULT, .manual = true)
{
	log_line("WARNING: kvm, says a program\n");
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

CASE(killed_leaves_nothing,
	"a program killed by SIGKILL leaves no probe, tracing instance or hugetlb page",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .hugepages_2m = 2)
{
	long pool = file_number(POOL, -1), free_pages = hugetlb_free_pages(SZ_2M);
	struct child c = run_self("manual_observed.default");
	char *instance = strf(TRACEFS "/instances/ktdx-%d-0", c.pid);
	char *group = strf("ktdx_%d_", c.pid);
	int code;

	must(await_line(c, HAS_ALL), "the program says \"%s\"", HAS_ALL);
	expect_true(!access(instance, F_OK), "tracing instance %s is there", instance);
	kill(c.pid, SIGKILL);
	finish(c, &code);

	await(access(instance, F_OK) && !file_contains(TRACEFS "/kprobe_events", group) &&
	      file_number(POOL, -1) == pool, 5);
	expect_true(access(instance, F_OK), "tracing instance %s is gone", instance);
	expect_true(!file_contains(TRACEFS "/kprobe_events", group), "probes %s* are gone", group);
	expect_eq(file_number(POOL, -1), pool, "hugetlb pages in the pool");
	if (in_testbed())	/* others use a host's pool, too */
		expect_soon(hugetlb_free_pages(SZ_2M) == free_pages, 5,
			    "hugetlb pages are free again");
}

#define HELD		"a thread is held, of process "
#define MAX_PROGRAMS	8

CASE(manual_held, "a thread is held until the program is killed", .vm_types = VM_DEFAULT,
	.needs_hold = true, .cpus = 2, .manual = true)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct hold *h = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_ENTRY);
	struct prefault *held = prefault_start(f.vcpu, GPA, SZ_4K);

	hold_await(h);
	diag(HELD "%d", getpid());
	prefault_end(held);
}

/* The ids of the BPF programs that the process has open; returns how many. */
static int bpf_programs(int pid, u32 *ids)
{
	const char *folder = strf("/proc/%d/fdinfo", pid);
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char line[128];
	int nr = 0;

	must(dir, "opening %s", folder);
	while ((entry = readdir(dir))) {
		FILE *f = fopen(strf("%s/%s", folder, entry->d_name), "re");

		while (f && nr < MAX_PROGRAMS && fgets(line, sizeof(line), f))
			nr += sscanf(line, "prog_id: %u", &ids[nr]) == 1;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return nr;
}

static bool bpf_program_is_there(u32 id)
{
	union bpf_attr attr = { .prog_id = id };
	int fd = syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != ENOENT;
}

/* By BPF it spins and no signal meets it; by the module it sleeps until its limit. */
CASE(killed_held, "a program killed by SIGKILL lets a held thread go, and unloads BPF programs",
	.vm_types = VM_DEFAULT, .needs_hold = true, .cpus = 2)
{
	double limit = (hold_missing(true) ? 2 : 7) * time_scale(), start;
	struct child c = run_self("manual_held.default");
	const char *line = await_line(c, HELD);
	u32 ids[MAX_PROGRAMS];
	int nr, code;

	must(line, "the program says \"" HELD "\"");
	nr = bpf_programs(atoi(strstr(line, HELD) + strlen(HELD)), ids);
	expect_true(nr || !hold_missing(true), "BPF programs hold the thread");
	kill(c.pid, SIGKILL);
	start = now();
	/* Until the last thread has let go of standard output. */
	finish(c, &code);
	expect_true(now() - start < limit, "the held thread is gone %.1f s after SIGKILL (at most %.0f)",
		    now() - start, limit);
	for (int i = 0; i < nr; i++)
		expect_soon(!bpf_program_is_there(ids[i]), 5, "BPF program %u is unloaded", ids[i]);
}

CASE(two_at_once, "two programs observe at once: both pass", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING, .hugepages_2m = 4, .cpus = 2)
{
	struct child a = run_self("manual_observed.default");
	struct child b = run_self("manual_observed.default");
	int code_a, code_b;
	char *out_a = finish(a, &code_a), *out_b = finish(b, &code_b);

	if (code_a || code_b)
		diag("%s\n%s", out_a, out_b);
	expect_eq(code_a, 0, "exit code of the first program");
	expect_eq(code_b, 0, "exit code of the second program");
}

/* Files of the instance of the program, for CPU @n of those that this process may use. */
static long buffer_kib(struct child c, unsigned int n)
{
	return file_number(strf(TRACEFS "/instances/ktdx-%d-0/per_cpu/cpu%d/buffer_size_kb",
				c.pid, nth_cpu(n)), -1);
}

/* A host may have hundreds of CPUs, and the buffers are memory of the kernel's. */
CASE(small_buffers, "trace buffers of CPUs that a case does not run on are small",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .hugepages_2m = 2, .cpus = 2)
{
	long own, other;
	struct child c;
	int code;

	run_on_nth_cpu(0);	/* and what it starts */
	c = run_self("manual_observed.default");
	must(await_line(c, HAS_ALL), "the program says \"%s\"", HAS_ALL);
	own = buffer_kib(c, 0);
	other = buffer_kib(c, 1);
	finish(c, &code);
	expect_eq(code, 0, "exit code");
	expect_true(own >= 4096, "the buffer where it runs has 4 MiB (%ld KiB)", own);
	expect_true(other <= 128, "the other one has 128 KiB at most (%ld KiB)", other);
}

/* As a service manager does it for all that it starts (MemoryKSM= of systemd). */
CASE(host_merges, "KSM is on for all processes: not for those of cases", .vm_types = VM_DEFAULT)
{
	struct child c;
	int code;

	if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0))
		test_skip("needs PR_SET_MEMORY_MERGE: CONFIG_KSM, Linux 6.4");
	c = run_self("manual_merged.default");
	verbose("%s", finish(c, &code));
	expect_eq(code, 0, "exit code");
}

static int wait_or_loop(void *arg)
{
	struct window_fixture *s = arg;

	return window_wait_or_loop(s->w, s->f.o);
}

/* As on a host whose CPUs have other things to do. */
CASE(late_prefault, "a prefault that is late is not taken for one that loops",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct thread *waiter;

	window_open(s.w, WINDOW_GPA, 2 * SZ_4K);
	window_resolve(s.w);
	waiter = thread_start(wait_or_loop, &s);
	expect_true(!thread_ended(waiter, 2.5), "it is waited for after 2.5 s");
	window_next(s.w);
	window_resolve(s.w);
	expect_eq(thread_join(waiter, "the prefault"), 0, "result of the prefault");
}

/* The program, run for @case_name, prints @result and @line, and exits with 1. */
static void expect_noticed(const char *case_name, const char *result, const char *line)
{
	int code;
	char *out = finish(run_self(case_name), &code);

	verbose("%s", out);
	expect_eq(code, 1, "exit code");
	expect_true(strstr(out, result), "\"%s\" in the output", result);
	expect_true(strstr(out, line), "\"%s\" in the output", line);
}

CASE(lost_events, "trace events are lost: ERROR, not a pass",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .time_limit_s = 60)
{
	expect_noticed("manual_overflow.default",
		       "not ok 1 manual_overflow.default # ERROR", "tracing lost");
}

CASE(tracing_reset, "events are switched off: ERROR, not a pass",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING)
{
	expect_noticed("manual_reset.default", "not ok 1 manual_reset.default # ERROR",
		       "somebody else switched the event");
}

CASE(trace_emptied, "the trace is emptied: ERROR, not a pass", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING)
{
	expect_noticed("manual_emptied.default", "not ok 1 manual_emptied.default # ERROR",
		       "somebody else emptied the trace");
}

CASE(host_moves_pages, "the host migrates pages: a case that fails says so",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .nodes = 2, .needs_uffd = true)
{
	expect_noticed("manual_moved.default", "not ok 1 manual_moved.default",
		       "pages migrated (pgmigrate_success");
}

CASE(splat, "a kernel WARNING fails the case", .vm_types = VM_DEFAULT,
	.side_effects = "writes a line to the kernel log")
{
	expect_noticed("manual_splat.default", "not ok 1 manual_splat.default\n",
		       "# kernel: WARNING: kvm, harness_test");
}

CASE(written_splat, "a message of user space in the kernel log does not fail the case",
	.vm_types = VM_DEFAULT, .side_effects = "writes a line to the kernel log")
{
	int code;
	char *out = finish(run_self("manual_written.default"), &code);

	verbose("%s", out);
	expect_eq(code, 0, "exit code");
	expect_true(!strstr(out, "WARNING: kvm"), "no kernel message in the output");
}

#define NR_TASKS	70
#define NOISE_PAGES	8
#define NR_PAGES	16
#define ROUNDS		10

/* A vCPU of another VM, which maps its pages while the case maps others. */
struct busy_vcpu {
	struct vcpu *vcpu;
	u8 *hva;
	u64 gpa;
	pthread_barrier_t *round;	/* at the begin and the end of each */
};

static int keep_busy(void *arg)
{
	struct busy_vcpu *b = arg;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(b->round);
		prefault(b->vcpu, b->gpa, NOISE_PAGES * SZ_4K);
		pthread_barrier_wait(b->round);
		/*
		 * While no vCPU faults: an invalidation whose thread does not get a CPU
		 * would make the faults of all others retry.
		 */
		must(!madvise(b->hva, NOISE_PAGES * SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	}
	return 0;
}

/* The events of both VMs mix in the trace. */
CASE(many_tasks, "70 vCPUs of another VM map pages: no event of this VM is lost",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .cpus = 2, .time_limit_s = 60)
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
		thread_join(threads[i], "a vCPU of the other VM");
}

TEST_MAIN("the harness itself: nothing left behind, nothing unnoticed")
