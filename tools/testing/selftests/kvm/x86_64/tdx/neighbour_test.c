// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other VMs of the host beside a run: what the run costs them, and that their faults are
 * none of its own.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "observe/tracing.h"
#include "run_self.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define OBSERVES	"it observes"
#define SECONDS		2.0	/* that rates are measured for */
#define PAGES		(SZ_2M / SZ_4K)

/* Map all pages of a VM, and drop them, for ever. *@faults: how many pages so far. */
static void fault_for_ever(const struct test *t, volatile unsigned long *faults)
{
	bool td = t->vm_type == KVM_X86_TDX_VM;
	struct fixture f = { .vm = td ? td_create() : vm_create(t->vm_type) };

	if (td) {
		f.vcpu = td_vcpu(f.vm);
		f.slot = td_slot_add(f.vm, GPA, SZ_2M);
		td_finalize(f.vm);
	} else {
		f.vcpu = vcpu_create(f.vm);
		f.mem = mem_populated(MEM_ANON, SZ_2M, NULL);
		slot_add(f.vm, GPA, f.mem);
	}
	for (;;) {
		prefault(f.vcpu, GPA, SZ_2M);
		*faults += PAGES;
		if (td)
			mem_punch_hole(f.slot->gmem, 0, SZ_2M);
		else
			must(!madvise(f.mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
	}
}

/* Beside a whole run: build/tests/neighbour_test --case manual_busy.tdx */
CASE(manual_busy, "a VM that faults until the program is ended",
	.vm_types = VM_DEFAULT | VM_TDX, .manual = true, .time_limit_s = 24 * 3600)
{
	volatile unsigned long faults = 0;

	fault_for_ever(t, &faults);
}

/* As most cases do: probes on each fault, and a mapping now and then. */
CASE(manual_observed, "a run that observes for a while", .vm_types = VM_DEFAULT,
	.observes = OBSERVE_MAPPING | OBSERVE(EV_FAULTIN), .manual = true)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	double end = now() + SECONDS + 1;
	unsigned long rounds = 0;

	diag(OBSERVES);
	while (now() < end) {
		prefault(f.vcpu, GPA, SZ_4K);
		expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
		must(!madvise(f.mem->hva, SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
		mem_touch(f.mem->hva, SZ_4K);
		rounds++;
	}
	/* A round is two changes of the SPTE, a fault, its page, and what tells the VM. */
	expect_true(!tracing_own_tasks_only() || observer_recorded(f.o) < 20 * rounds + 100,
		    "%lu records are those of %lu rounds, without the neighbour's faults",
		    observer_recorded(f.o), rounds);
}

static double rate(const volatile unsigned long *faults)
{
	unsigned long before = *faults;
	double start = now();

	sleep(SECONDS);
	return (*faults - before) / (now() - start);
}

/*
 * The neighbour is older than the run, so that it is none of the run's tasks; both have a
 * CPU of their own.
 */
CASE(fault_rate, "the faults of another VM beside a run: a ratio, and none of them recorded",
	.vm_types = VM_DEFAULT, .boot = BOOT_TDX, .cpus = 2, .time_limit_s = 60)
{
	volatile unsigned long *faults = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
					      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double alone, beside;
	struct child run;
	pid_t neighbour;
	int code;

	if (!tracing_own_tasks_only())
		test_skip("needs the filter by tasks: not in a PID namespace, nor under QEMU's TCG");
	must(faults != MAP_FAILED, "mmap");
	neighbour = fork();
	if (!neighbour) {
		run_on_nth_cpu(1);
		fault_for_ever(t, faults);
	}
	must(neighbour > 0 && await(*faults, 10), "a VM that faults");
	run_on_nth_cpu(0);
	alone = rate(faults);

	run = run_self("manual_observed.default");
	must(await_line(run, OBSERVES), "the run says \"%s\"", OBSERVES);
	beside = rate(faults);
	verbose("%s", finish(run, &code));
	kill(neighbour, SIGKILL);
	must(waitpid(neighbour, NULL, 0) == neighbour, "waitpid");

	measure("faults_per_second_alone", alone);
	measure("faults_per_second_beside", beside);
	measure("ratio", beside / alone);
	expect_eq(code, 0, "exit code of the run");
	expect_true(beside > 0, "the other VM goes on");
}

TEST_MAIN("other VMs of the host beside a run")
