// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversions of a TD's memory beside prefaults: a page of the range is mapped after the
 * change, a page beside it at once.  A signal ends a long change.
 */
#include <signal.h>

#include "attr_change.h"
#include "known_issues.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define TD_CHANGE								\
	.vm_types = VM_TDX, .observes = OBSERVE_MAPPING | OBSERVE(EV_ATTR_END),	\
	.needs_hold = true, .uses_sept = true, .cpus = 2

#define SLOT_SIZE	(2 * SZ_2M)
#define ELSEWHERE	(GPA + 2 * SZ_1G)	/* no slot there */
#define LONG_CHANGE	(SZ_4K << 16)		/* bytes, of 2^16 gfns */
#define FLIPPED		4			/* pages */

/* Whether GFN is mapped before the change ends. */
static bool mapped_inside(struct fixture *td)
{
	const struct event *ev;
	size_t nr;

	ev = observer_events(td->o, &nr);
	for (size_t i = 0; i < nr && ev[i].type != EV_ATTR_END; i++)
		if (ev[i].type == EV_SPTE && ev[i].gfn == GFN && ev[i].level == LEVEL_4K)
			return true;
	return false;
}

CASE(prefault_in_change, "a private page of the range that changes is mapped after the change",
	TD_CHANGE)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct attr_change *change;

	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	change = attr_change_begin(td.vm, GPA, 2 * SLOT_SIZE);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");
	expect_true(!mapped_inside(&td), "gfn 0x%llx is mapped after the change, not during it", GFN);
	expect_true(observer_retries(td.o) > 0, "KVM retries the prefault");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	measure("retries", observer_retries(td.o));
}

CASE(prefault_beside_change, "a page of another slot is mapped during the change", TD_CHANGE)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct attr_change *change;

	td_slot_add(td.vm, ELSEWHERE, SZ_2M);
	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	change = attr_change_begin(td.vm, ELSEWHERE, LONG_CHANGE);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");
	expect_true(mapped_inside(&td), "gfn 0x%llx is mapped before the change ends", GFN);
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
}

struct flips {
	struct fixture *td;
	unsigned int nr;
};

static int flip(void *arg)
{
	struct flips *f = arg;

	for (unsigned int i = 0; i < f->nr; i++)
		if (__vm_set_attributes(f->td->vm, GPA, FLIPPED * SZ_4K,
					i % 2 ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0))
			return -1;
	return 0;
}

/*
 * Both as fast as they can: a prefault succeeds or meets the other attribute, and afterwards
 * each page is mapped where its attribute requires.  That some were inside at once is proved
 * by their retries.
 */
CASE(many_flips, "conversions and prefaults at once", TD_MAPPING, .cpus = 2)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct flips flips = { &td, 60 };
	unsigned int attempts = 0, refused = 0;
	unsigned long retries;
	struct thread *thread;

	mem_touch(td.slot->mem->hva, FLIPPED * SZ_4K);
	thread = thread_start(flip, &flips);
	do {
		struct kvm_pre_fault_memory range = { .gpa = GPA, .size = FLIPPED * SZ_4K };
		int ret = __vcpu_prefault(td.vcpu, &range);

		attempts++;
		if (ret) {
			expect_errno(ret, EFAULT, "a prefault that meets a conversion");
			refused++;
		}
	} while (!thread_ended(thread, 0));
	expect_ok(thread_join(thread, "the conversions"), "KVM_SET_MEMORY_ATTRIBUTES");
	retries = observer_retries(td.o);
	for (unsigned int i = 0; i < FLIPPED; i++)
		td_prefault_private(&td, GPA + i * SZ_4K);
	vm_set_shared(td.vm, GPA, FLIPPED * SZ_4K);
	for (unsigned int i = 0; i < FLIPPED; i++)
		td_prefault_shared(&td, GPA + i * SZ_4K);
	measure("attempts", attempts);
	measure("refused", refused);
	measure("retries", retries);
	if (!retries)
		test_skip("no prefault met a conversion inside, of %u", attempts);
}

/* The signal is pending before the first gfn of 2^16 is changed. */
CASE(long_change_interrupted, "a signal ends a long change: EINTR",
	.xfail = "L4", .xfail_in_body = true, TD_CHANGE)
{
	struct fixture td = td_fixture_final(t, SLOT_SIZE);
	struct attr_change *change;
	double start;
	int ret;

	catch_signal(SIGUSR1);
	change = attr_change_begin(td.vm, GPA, LONG_CHANGE);
	tid_signal(attr_change_tid(change), SIGUSR1);
	start = now();
	ret = attr_change_end(change);
	measure("seconds_after_signal", now() - start);
	if (!ret)
		xfail("L4", "the change of 2^16 gfns went on for %.0f ms after a signal",
		      (now() - start) * 1e3);
	expect_errno(ret, EINTR, "KVM_SET_MEMORY_ATTRIBUTES after a signal");
	xpass("L4");
}

TEST_MAIN("conversions of a TD's memory beside prefaults")
