// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races about levels, for ./run_tests.sh --explore: two vCPUs in tables that are missing,
 * and hugepages that are split, recovered and mapped at once.  Whatever the order, KVM does not
 * complain, and afterwards each gfn is mapped once, at one level.
 *
 * Changes of nx_huge_pages are not among them: they invalidate all roots, and the prefault that
 * meets that does not end (known issue L1).
 */
#include <sys/mman.h>

#include "explore.h"
#include "racer.h"
#include "testcase.h"

#define HUGE	2
#define SIZE	(HUGE * SZ_2M)

static struct racer new_racer(struct mem *mem, u64 stride)
{
	struct racer r = { .f = { .vm = vm_create(KVM_X86_DEFAULT_VM), .mem = mem }, .stride = stride };

	r.f.vcpu = vcpu_create(r.f.vm);
	r.vcpu2 = vcpu_create(r.f.vm);
	r.f.slot = slot_add(r.f.vm, GPA, mem);
	r.act[0] = act_prefault;
	return r;
}

/* The page behind each of the first thread's. */
static void act_beside(struct racer *r, struct pages p)
{
	for (u64 i = p.first; i < p.first + p.nr; i++)
		prefault(r->vcpu2, racer_gpa(r, i) + SZ_4K, SZ_4K);
}

CASE(table, "Prefaults of neighbours by two vCPUs, in tables that are missing: each is linked once",
	.vm_types = VM_DEFAULT, .cpus = 2, NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY))
{
	struct racer r = new_racer(mem_create(MEM_ANON, RACER_PAGES * SZ_2M, NULL), SZ_2M);

	for (u64 i = 0; i < RACER_PAGES; i++)
		mem_touch(racer_hva(&r, i), 2 * SZ_4K);
	racer_race_in_tables(&r, act_beside);
}

/* What the second thread does while the first one maps hugepages. */

/* Split for the log, and recovered after it. */
static void act_dirty_log(struct racer *r, struct pages p)
{
	slot_set_flags(r->f.slot, KVM_MEM_LOG_DIRTY_PAGES);
	racer_prefault(r, r->vcpu2, p);
	slot_set_flags(r->f.slot, 0);
}

static void act_dontneed_huge(struct racer *r, struct pages p)
{
	u8 *hva = r->f.mem->hva + p.first % HUGE * SZ_2M;

	must(!madvise(hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
	mem_touch(hva, SZ_4K);
}

struct opponent {
	racer_act act;
	unsigned int rounds;
};

static void race_with(const struct test *t)
{
	const struct opponent *o = t->tc->arg;
	struct racer r = new_racer(mem_populated(MEM_HUGETLB_2M, SIZE, NULL), SIZE / RACER_PAGES);

	r.act[1] = o->act;
	r.rounds = o->rounds;
	if (!racer_run(&r))
		return;

	prefault(r.f.vcpu, GPA, SIZE);
	expect_eq(vm_stat(r.f.vm, "pages_2m") * 512 + vm_stat(r.f.vm, "pages_4k"), HUGE * 512,
		  "4K pages that are mapped, at whatever level, after a prefault of all");
}

#define RACE(race_name, text, ...) {							\
	#race_name, "A prefault of hugepages against " text ": each page is mapped once",	\
	.arg = &(const struct opponent){ __VA_ARGS__ }, .vm_types = VM_DEFAULT, .cpus = 2,	\
	.hugepages_2m = HUGE, NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY) }

CASES(race_with,
	RACE(huge_prefault, "one of a second vCPU", .act = act_prefault2),
	RACE(huge_log, "dirty logging on, a prefault, and off", .act = act_dirty_log, .rounds = 2),
	RACE(huge_dontneed, "MADV_DONTNEED", .act = act_dontneed_huge, .rounds = 2),
)

TEST_MAIN("Short races about the levels of mappings")
