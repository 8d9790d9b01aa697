// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races about the private memory of a TD that runs, for ./run_tests.sh --explore: whatever
 * the order of their steps, neither KVM nor the TDX module complains, and afterwards each page
 * can be mapped, once.
 */
#include <errno.h>
#include <unistd.h>

#include "explore.h"
#include "racer.h"
#include "td_fixture.h"
#include "testcase.h"

#define SIZE	(RACER_PAGES * SZ_4K)

/* What both threads do. */
struct acts {
	racer_act first, second;
	bool fresh;			/* nothing is mapped as the race begins */
	unsigned int rounds;
};

/* A private gfn without a slot, or whose attribute has just changed. */
#define GONE	{ EFAULT }

static struct racer new_racer(const struct test *t, u64 size)
{
	struct racer r = { .f = td_fixture(t, size), .errors = GONE };

	r.vcpu2 = td_vcpu(r.f.vm);
	td_finalize(r.f.vm);
	return r;
}

static void act_delete_and_punch(struct racer *r, struct pages p)
{
	act_slot_delete(r, p);
	act_punch_gmem(r, p);
}

/* Away by the attribute, and back by it: what is converted stays without content. */
static void act_share(struct racer *r, struct pages p)
{
	vm_set_shared(r->f.vm, racer_gpa(r, p.first), p.nr * SZ_4K);
	racer_prefault(r, r->vcpu2, p);
	vm_set_private(r->f.vm, racer_gpa(r, p.first), p.nr * SZ_4K);
}

static void race_of_acts(const struct test *t)
{
	const struct acts *acts = t->tc->arg;
	struct racer r = new_racer(t, SIZE);

	r.act[0] = acts->first;
	r.act[1] = acts->second;
	r.rounds = acts->rounds;
	mem_touch(r.f.slot->mem->hva, SIZE);
	if (!acts->fresh)
		prefault(r.f.vcpu, GPA, SIZE);

	if (!racer_run(&r))
		return;

	racer_expect_all_mapped(&r);
}

#define RACE_XFAIL(id, race_name, text, act1, act2, ...) {					\
	race_name, text ": no complaint, and each page is mapped once",	\
	.arg = &(const struct acts){ .first = act1, .second = act2, ##__VA_ARGS__ },		\
	.vm_types = VM_TDX, .cpus = 2, .xfail = id }
#define RACE(race_name, ...)		RACE_XFAIL(NULL, #race_name, __VA_ARGS__)
/* Until 6.17 a prefault of a memslot that goes may never end. */
#define RACE_OF_SLOT(race_name, ...)	RACE_XFAIL("E1", #race_name, __VA_ARGS__)

CASES(race_of_acts,
	RACE(prefault, "Prefaults by two vCPUs", act_prefault, act_prefault2, .fresh = true),
	RACE(convert, "A prefault against conversions to shared and back", act_prefault, act_convert),
	RACE(punch, "A prefault against holes in guest_memfd", act_prefault, act_punch_gmem),
	RACE_OF_SLOT(slot_delete, "A prefault against deletion of the memslot", act_prefault,
		     act_slot_delete),
	RACE_OF_SLOT(delete_punch, "A prefault against deletion of the memslot and holes", act_prefault,
		     act_delete_and_punch, .rounds = 2),
	RACE(share, "A prefault against conversions whose shared pages are mapped", act_prefault,
	     act_share, .rounds = 2),
	RACE(shared_pages, "Conversions against other pages in the shared half", act_share,
	     act_dontneed),
	RACE(punch_punch, "Holes by two threads", act_punch_gmem, act_punch_gmem),
	RACE(punch_convert, "Holes against conversions", act_punch_gmem, act_convert),
	RACE(punch_delete, "Holes against deletion of the memslot", act_punch_gmem, act_slot_delete),
	RACE(convert_convert, "Conversions by two threads", act_convert, act_convert),
	RACE(convert_delete, "Conversions against deletion of the memslot", act_convert, act_slot_delete),
)

/*
 * Page tables.  The threads' gfns differ: each page of the one is beside a page of the other, in
 * a table that neither has made before.
 */
static void act_beside(struct racer *r, struct pages p)
{
	struct kvm_pre_fault_memory range;

	for (u64 i = p.first; i < p.first + p.nr; i++) {
		range = (struct kvm_pre_fault_memory){ .gpa = racer_gpa(r, i) + SZ_4K, .size = SZ_4K };
		while (__vcpu_prefault(r->vcpu2, &range))
			expect_true(errno == EAGAIN || errno == EINTR,
				    "KVM_PRE_FAULT_MEMORY of gpa 0x%llx: %s", range.gpa, errno_text(errno));
	}
}

CASE(table, "Prefaults of neighbours by two vCPUs, in tables that are missing: each is linked once",
	.vm_types = VM_TDX, .cpus = 2)
{
	struct racer r = new_racer(t, RACER_PAGES * SZ_2M);

	r.stride = SZ_2M;
	racer_race_in_tables(&r, act_beside);
}

/* The last file descriptor of the memory goes while pages are mapped. */
static void closes(void *arg)
{
	struct racer *r = arg;

	must(!close(r->f.slot->gmem->fd), "close");
}

static void prefaults(void *arg)
{
	act_prefault(arg, (struct pages){ 0, RACER_PAGES });
}

CASE(close_gmem, "A prefault against the end of guest_memfd: it fails, or what it mapped is gone",
	.vm_types = VM_TDX, .cpus = 2)
{
	struct racer r = new_racer(t, SIZE);

	prefault(r.f.vcpu, GPA, SIZE / 2);
	if (!race(RACE_PARTS({ prefaults, &r }, { closes, &r })))
		return;

	expect_eq(vm_stat(r.f.vm, "pages_4k"), 0, "mapped pages of a file that is gone");
}

TEST_MAIN("Short races about the private memory of TDs that run")
