// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races of four CPUs, for ./run_tests.sh --explore: vCPUs that prefault the same pages in a
 * VM of which nothing is mapped, not even a root, alone or while dirty logging goes on and off.
 * Whatever the order, KVM does not complain, and afterwards each gfn is mapped, once.
 */
#include "explore.h"
#include "fixture.h"
#include "testcase.h"

#define PAGES		8
#define SIZE		(PAGES * SZ_4K)
#define CPUS		4

struct shared {
	struct vm *vm;
	struct mem *mem;
	struct slot *slot;
	u64 stride;			/* bytes from a page to the next */
};

struct part {
	struct shared *shared;
	struct vcpu *vcpu;
	unsigned int first;		/* page at which it begins */
};

static void prefaults(void *arg)
{
	const struct part *p = arg;

	for (unsigned int i = 0; i < PAGES / 2; i++) {
		unsigned int page = (p->first + race_seed() + i) % PAGES;

		prefault(p->vcpu, p->shared->slot->gpa + page * p->shared->stride, SZ_4K);
	}
}

/* The dirty log on and off, which splits and write-protects. */
static void logs(void *arg)
{
	const struct part *p = arg;

	slot_set_flags(p->shared->slot, KVM_MEM_LOG_DIRTY_PAGES);
	slot_set_flags(p->shared->slot, 0);
}

struct scene {
	void (*fourth)(void *arg);	/* what the fourth CPU does; NULL: as the others */
	u64 stride;
};

static void race_of_four(const struct test *t)
{
	const struct scene *scene = t->tc->arg;
	struct shared s = { .vm = vm_create(t->vm_type), .stride = scene->stride };
	struct race_part parts[CPUS];
	struct part part[CPUS];

	s.mem = mem_create(MEM_ANON, PAGES * s.stride, NULL);
	for (unsigned int i = 0; i < PAGES; i++)
		mem_touch(s.mem->hva + i * s.stride, SZ_4K);
	s.slot = slot_add(s.vm, GPA, s.mem);
	for (unsigned int i = 0; i < CPUS; i++) {
		part[i] = (struct part){ &s, vcpu_create(s.vm), 2 * i };
		parts[i] = (struct race_part){ prefaults, &part[i] };
	}
	if (scene->fourth)
		parts[CPUS - 1].run = scene->fourth;
	if (!race(parts, CPUS))
		return;

	for (unsigned int i = 0; i < PAGES; i++)
		prefault(part[0].vcpu, GPA + i * s.stride, SZ_4K);
	expect_eq(vm_stat(s.vm, "pages_4k"), PAGES, "4K SPTEs of %d pages, after a prefault of all",
		  PAGES);
}

#define RACE(race_name, text, ...) {							\
	#race_name, text ": no complaint, and each page is mapped once",		\
	.arg = &(const struct scene){ __VA_ARGS__ }, .vm_types = VM_DEFAULT, .cpus = CPUS,	\
	.boot = BOOT_CPUS4, NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY) }

CASES(race_of_four,
	RACE(first_faults, "Four vCPUs prefault a VM that has no root yet", .stride = SZ_4K),
	RACE(first_tables, "Four vCPUs prefault in tables that are missing", .stride = SZ_2M),
	RACE(and_log, "Three vCPUs prefault while dirty logging goes on and off", logs, SZ_4K),
)

TEST_MAIN("Short races of four CPUs")
