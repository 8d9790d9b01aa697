// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of operations against a reference model.
 *
 * Each operation is done by KVM and by the model (lib/model/mapping_model.h).  After
 * each of them must agree: the result, the progress, the mapping of every gfn of the
 * window (level, page, rights, in a TD the Secure EPT, too), and the statistics.  A
 * sequence that fails is repeated in fresh VMs, each time with less in it; what is left
 * is printed as a case.  How to read that: docs/model.md.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "kernel.h"
#include "known_issues.h"
#include "model/model_vm.h"
#include "model/shrink.h"
#include "td.h"
#include "testcase.h"
#include "thread.h"

#define MAX_STEPS	1000
#define OP_LIMIT_S	8	/* then a signal ends the ioctl */
#define HANG_LIMIT_S	2	/* the same, once it is known to hang */
#define CHILD_LIMIT_S	30.0
#define SHRINK_LIMIT_S	60.0

struct profile {
	unsigned int sequences, steps;
};

/* A sequence runs in a process and a VM of its own. */
struct run {
	const struct model_config *config;
	struct observer *o;
	struct model_report *report;
	unsigned int limit;
};

static void __attribute__((noreturn))
child(const struct run *run, const struct model_op *ops, size_t nr)
{
	struct model_vm *v;

	catch_signal(SIGALRM);
	v = model_vm_new(run->config, run->o, run->report, run->limit);
	for (size_t i = 0; i < nr; i++) {
		run->report->mismatch.step = i;
		if (model_can(v->model, &ops[i]))
			model_vm_step(v, &ops[i]);
	}
	run->report->done = true;
	_exit(0);
}

/* A child ended: reaped, or killed for not ending. */
static void reap(pid_t pid, struct model_report *report)
{
	struct pollfd pfd = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status;

	must(pfd.fd >= 0, "pidfd_open");
	if (poll(&pfd, 1, CHILD_LIMIT_S * 1000) != 1) {
		kill(pid, SIGKILL);
		report->mismatch.seen = report->done = true;
		snprintf(report->mismatch.what, sizeof(report->mismatch.what), "the operation");
		strcpy(report->mismatch.expected, "it ends");
		snprintf(report->mismatch.observed, sizeof(report->mismatch.observed),
			 "no end within %.0f s, signal or not", CHILD_LIMIT_S);
	}
	close(pfd.fd);
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status) && !report->done)
		test_failed(__FILE__, __LINE__, "process of a sequence", "exit",
			    strf("killed by signal %d", WTERMSIG(status)));
	/* It said what was broken, and how the case ends. */
	if (!report->done)
		_exit(0);
}

/* Do the sequence; true if KVM and the model disagreed. */
static bool fails(const struct run *run, const struct model_op *ops, size_t nr)
{
	pid_t pid;

	memset(&run->report->mismatch, 0, sizeof(run->report->mismatch));
	run->report->done = false;
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		child(run, ops, nr);
	reap(pid, run->report);
	return run->report->mismatch.seen;
}

static bool shrunk_fails(struct shrinker *s, const struct model_op *ops, size_t nr)
{
	return fails(s->arg, ops, nr);
}

/* The same sequence for the same seed: the model alone decides what is worth a try. */
static void make_sequence(const struct model_config *config, u64 seed,
			  struct model_op *ops, size_t nr)
{
	struct model *m = model_new(config);

	for (size_t i = 0; i < nr; i++) {
		ops[i] = model_random_op(m, &seed);
		model_do(m, &ops[i]);
	}
	model_free(m);
}

static void __attribute__((noreturn))
shrink_and_fail(struct run *run, struct model_op *ops)
{
	struct shrinker s = { .fails = shrunk_fails, .arg = run,
			      .deadline = now() + SHRINK_LIMIT_S };
	size_t nr = run->report->mismatch.step + 1, before = nr;
	struct model_mismatch first = run->report->mismatch, *mm = &run->report->mismatch;
	double start = now();

	if (first.hang)
		run->limit = HANG_LIMIT_S;
	diag("step %zu: %s: expected %s, seen %s", nr, first.what, first.expected, first.observed);
	nr = shrink(&s, ops, nr);
	diag("shrunk from %zu to %zu operations by %u attempts in %.1f s", before, nr, s.attempts,
	     now() - start);
	if (!fails(run, ops, nr)) {
		diag("the shrunk sequence does not fail each time: timing matters");
		*mm = first;
	}
	diag("%s", model_snippet(run->config, ops, nr, mm->statement));
	test_failed(__FILE__, __LINE__, mm->what, mm->expected, mm->observed);
}

static void add_mem(struct model_config *config, enum mem_kind kind, u64 pages)
{
	config->mems[config->nr_mems].kind = kind;
	config->mems[config->nr_mems++].pages = pages;
}

static struct mem *any_gmem(const struct model_config *config, struct vm *vm)
{
	for (int i = 0; i < config->nr_mems; i++)
		if (model_mem_is_gmem(config, i))
			return mem_create(config->mems[i].kind, SZ_2M, vm);
	return NULL;
}

static int bind_gmem(struct vm *vm, struct mem *gmem, u32 id, u64 offset)
{
	struct slot slot = {
		.vm = vm, .id = id, .flags = KVM_MEM_GUEST_MEMFD, .gpa = GPA + id * SZ_2M,
		.size = 2 * SZ_4K, .gmem = gmem, .gmem_offset = offset,
	};

	return __slot_set(&slot);
}

static int gmem_taken_error(struct vm *vm, struct mem *gmem)
{
	int error;

	if (!gmem)
		return 0;
	expect_ok(bind_gmem(vm, gmem, 0, 0), "a slot of guest_memfd");
	error = bind_gmem(vm, gmem, 1, 0) ? errno : 0;
	expect_true(error == EEXIST || error == EINVAL,
		    "another slot on the same guest_memfd is refused, with EEXIST or EINVAL (seen: %s)",
		    errno_text(error));
	return error;
}

static bool taken_vcpu_first(void)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	int ret;

	td_finalize(vm);
	ret = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	expect_true(ret < 0, "a second vCPU 0 is refused");
	ret = errno;
	vcpu_close(vcpu);
	vm_close(vm);
	return ret == EEXIST;
}

static struct model_config config_of(const struct test *t)
{
	const int mmap_flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
	struct vm *vm = vm_create(t->vm_type);
	struct model_config config = {
		.vm_type = t->vm_type,
		.max_vcpus = vm_check_cap(vm, KVM_CAP_MAX_VCPUS),
		.added_once = kernel_before("7.0"),
		.no_huge_offsets = known_issue_here(known_issue("G1")),
		.no_gmem_loss = known_issue_here(known_issue("S1")),
	};
	struct mem *gmem;

	add_mem(&config, MEM_ANON, 1024);
	if (t->vm_type != KVM_X86_TDX_VM)
		add_mem(&config, MEM_HUGETLB_2M, 1024);
	if (t->vm_type != KVM_X86_DEFAULT_VM)
		add_mem(&config, MEM_GMEM, 1024);
	else if ((vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS) & mmap_flags) == mmap_flags)
		add_mem(&config, MEM_GMEM_MMAP, 512);
	if (t->vm_type != KVM_X86_TDX_VM)
		add_mem(&config, MEM_MEMFD, 512);
	if (t->vm_type == KVM_X86_TDX_VM)
		config.taken_vcpu_first = taken_vcpu_first();
	gmem = any_gmem(&config, vm);
	config.gmem_taken_error = gmem_taken_error(vm, gmem);
	if (gmem)
		close(gmem->fd);
	vm_close(vm);
	return config;
}

static void random_sequences(const struct test *t)
{
	const struct profile *profile = t->tc->arg;
	struct model_config config = config_of(t);
	struct vm *vm = vm_create(KVM_X86_DEFAULT_VM);
	struct run run = { .config = &config, .o = observe(vm, t->observes),
			   .limit = OP_LIMIT_S };
	struct model_op *ops = calloc(MAX_STEPS, sizeof(*ops));
	double start = now();

	run.report = mmap(NULL, sizeof(*run.report), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(run.report != MAP_FAILED, "mmap");
	vm_close(vm);

	for (unsigned int i = 0; i < profile->sequences; i++) {
		u64 seed = t->seed + i;

		make_sequence(&config, seed, ops, profile->steps);
		if (!fails(&run, ops, profile->steps))
			continue;
		diag("sequence %u (seed 0x%llx), after %.1f s", i, t->seed, now() - start);
		measure("steps", i * profile->steps + run.report->mismatch.step + 1);
		shrink_and_fail(&run, ops);
	}
	measure("steps", profile->sequences * profile->steps);
	measure("sequences", profile->sequences);
	measure("pages", run.report->mapped);
	measure("steps_per_second", profile->sequences * profile->steps / (now() - start));
	expect_true(run.report->mapped, "some gfn is mapped after some step");
}

static const struct profile
	quick = { 8, 120 }, quick_td = { 6, 40 },
	nightly = { 400, 200 }, nightly_td = { 100, 60 };

CASES(random_sequences,
	{ "sequences", "random operations agree with the model", .arg = &quick,
	  .xfail = "E3", .vm_types = VM_ANY, .observes = OBSERVE(EV_SPTE),
	  NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY), .hugepages_2m = 2, .time_limit_s = 120 },
	{ "sequences_td", "random operations on a TD agree with the model", .arg = &quick_td,
	  .vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .uses_sept = true,
	  .uses_softtdx = true, .time_limit_s = 120 },
	{ "many_sequences", "many random operations agree with the model", .arg = &nightly,
	  .vm_types = VM_ANY, .observes = OBSERVE(EV_SPTE),
	  NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY), .hugepages_2m = 2, .time_limit_s = 1800,
	  .nightly = true },
	{ "many_sequences_td", "many random operations on a TD agree with the model",
	  .arg = &nightly_td, .vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE),
	  .uses_sept = true, .uses_softtdx = true, .time_limit_s = 1800, .nightly = true })

/* The end of the range is beyond 2^63, and beyond the file. */
CASE(offset_overflow, "a slot at an offset of guest_memfd near 2^63: EINVAL",
	.fixes = "\"KVM: guest_memfd: Fix possible signed integer overflow\", 7.2",
	.xfail = "G1", .vm_types = VM_SW_PROTECTED, .xfail_in_body = true)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = mem_create(MEM_GMEM, SZ_2M, vm);
	int ret = bind_gmem(vm, gmem, 0, INT64_MAX & ~(SZ_4K - 1));

	if (!ret)
		xfail("G1", "a slot begins at offset 0x%llx of 2M guest_memfd",
		      INT64_MAX & ~(SZ_4K - 1));
	expect_errno(ret, EINVAL, "a slot at offset 0x%llx of 2M guest_memfd",
		     INT64_MAX & ~(SZ_4K - 1));
	xpass("G1");
}

TEST_MAIN("random sequences of operations against a reference model")
