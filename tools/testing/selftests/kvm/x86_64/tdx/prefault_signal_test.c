// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals to a thread in KVM_PRE_FAULT_MEMORY: EINTR if nothing was mapped, else success
 * with the part that is left, from which user space resumes.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "testcase.h"
#include "window_fixture.h"

CASE(signal_first_page, "a signal before the first page is mapped: EINTR",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	tid_signal(window_tid(s.w), SIGUSR1);
	expect_errno(window_wait(s.w, 5), EINTR, "prefault with a signal, nothing done");
	expect_eq(window_range(s.w).size, SZ_4K, "bytes left");
	expect_not_mapped(s.f.o, WINDOW_GFN);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	expect_ok(window_close(s.w), "the same prefault again");
	expect_window_mapped(&s, WINDOW_GPA);
}

CASE(signal_second_page, "a signal after one page: success with the rest left",
	.vm_types = VM_ALL, .observes = OBSERVE_MAPPING, .needs_uffd = true)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct kvm_pre_fault_memory left;

	catch_signal(SIGUSR1);
	window_open(s.w, WINDOW_GPA, 3 * SZ_4K);
	window_resolve(s.w);
	window_next(s.w);
	tid_signal(window_tid(s.w), SIGUSR1);
	expect_ok(window_wait(s.w, 5), "prefault with a signal, one page done");
	left = window_range(s.w);
	expect_eq(left.gpa, WINDOW_GPA + SZ_4K, "gpa of what is left");
	expect_eq(left.size, 2 * SZ_4K, "bytes left");

	window_open(s.w, left.gpa, left.size);
	window_resolve(s.w);
	window_next(s.w);
	expect_ok(window_close(s.w), "prefault of what was left");
	expect_eq(window_range(s.w).size, 0, "bytes left");
	for (int i = 0; i < 3; i++)
		expect_window_mapped(&s, WINDOW_GPA + i * SZ_4K);
}

/* How long a prefault of all of the fixture's slot takes; nothing is mapped afterwards. */
static double seconds_of_prefault(struct fixture *f)
{
	double start = now(), seconds;

	prefault(f->vcpu, GPA, f->mem->size);
	seconds = now() - start;
	must(!madvise(f->mem->hva, f->mem->size, MADV_DONTNEED), "MADV_DONTNEED");
	mem_touch(f->mem->hva, f->mem->size);
	observer_clear(f->o);
	return seconds;
}

/* The signals come as fast as this host needs: eight while it would map all of it undisturbed. */
CASE(signal_midway, "signals during a long prefault: partial progress",
	.vm_types = VM_DEFAULT, .observes = OBSERVE_MAPPING, .memory_mib = 128)
{
	struct fixture f = fixture(t, MEM_ANON, 16 * SZ_2M);
	long us = seconds_of_prefault(&f) * 1e6 / 8 + 1;
	struct itimerval tick = { .it_value.tv_usec = us, .it_interval.tv_usec = us };
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = f.mem->size };
	unsigned long partial = 0;

	catch_signal(SIGALRM);
	must(!setitimer(ITIMER_REAL, &tick, NULL), "setitimer");
	while (range.size) {
		u64 before = range.size;
		int ret = __vcpu_prefault(f.vcpu, &range);

		if (ret) {
			expect_errno(ret, EINTR, "prefault under signals");
			expect_eq(range.size, before, "bytes left after EINTR");
			continue;
		}
		expect_eq(range.gpa + range.size, GPA + f.mem->size,
			  "end of the range after partial progress");
		partial += range.size != 0;
	}
	tick = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &tick, NULL);
	expect_eq(observer_leaves(f.o, LEVEL_4K), f.mem->size / SZ_4K, "4K SPTEs");
	expect_true(partial > 0, "a signal ends the ioctl with partial progress");
	measure("partial", partial);
	measure("signal_us", us);
	measure("pages", f.mem->size / SZ_4K);
}

TEST_MAIN("signals during KVM_PRE_FAULT_MEMORY")
