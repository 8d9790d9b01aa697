// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races about a TD's private memory, for ./run_tests.sh --explore: whatever the order of
 * their steps, neither KVM nor the TDX module complains, and afterwards each page can be mapped.
 */
#include "explore.h"
#include "rng.h"
#include "td_fixture.h"
#include "testcase.h"

#define PAGES	8
#define SIZE	(PAGES * SZ_4K)
#define ROUNDS	3		/* of each part */

struct racer {
	struct fixture f;
	struct vcpu *vcpu2;
	u8 *source;
	void (*act)(struct racer *r, u64 first, u64 nr);
};

/* Some pages of the slot, by chance. */
static u64 some_pages(u64 *rng, u64 *nr)
{
	u64 first = random_below(rng, PAGES);

	*nr = 1 + random_below(rng, PAGES / 2);
	if (first + *nr > PAGES)
		*nr = PAGES - first;
	return first;
}

static void prefault_pages(struct vcpu *vcpu, u64 first, u64 nr)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA + first * SZ_4K, .size = nr * SZ_4K };

	while (range.size && __vcpu_prefault(vcpu, &range))
		if (errno != EAGAIN && errno != EINTR) {
			/* A private gfn has no slot now, or its attribute has just changed. */
			expect_eq(errno, EFAULT, "errno of KVM_PRE_FAULT_MEMORY at gpa 0x%llx",
				  range.gpa);
			return;
		}
}

static void prefaults(void *arg)
{
	struct racer *r = arg;
	u64 rng = 2 * race_seed(), nr;

	for (int i = 0; i < ROUNDS; i++) {
		u64 first = some_pages(&rng, &nr);

		prefault_pages(r->f.vcpu, first, nr);
	}
}

static void acts(void *arg)
{
	struct racer *r = arg;
	u64 rng = 2 * race_seed() + 1, nr;

	for (int i = 0; i < ROUNDS; i++) {
		u64 first = some_pages(&rng, &nr);

		r->act(r, first, nr);
	}
}

static void act_prefault(struct racer *r, u64 first, u64 nr)
{
	prefault_pages(r->vcpu2, first, nr);
}

static void act_convert(struct racer *r, u64 first, u64 nr)
{
	vm_set_shared(r->f.vm, GPA + first * SZ_4K, nr * SZ_4K);
	vm_set_private(r->f.vm, GPA + first * SZ_4K, nr * SZ_4K);
}

static void act_punch(struct racer *r, u64 first, u64 nr)
{
	mem_punch_hole(r->f.slot->gmem, first * SZ_4K, nr * SZ_4K);
}

static void act_delete(struct racer *r, u64 first, u64 nr)
{
	(void)first;
	(void)nr;
	slot_delete(r->f.slot);
	expect_ok(__slot_set(r->f.slot), "the slot again");
}

static struct racer new_racer(const struct test *t)
{
	struct racer r = { .f = td_fixture(t, SIZE), .source = td_source(PAGES, 1) };

	r.vcpu2 = td_vcpu(r.f.vm);
	mem_touch(r.f.slot->mem->hva, SIZE);
	r.act = t->tc->arg;
	return r;
}

static void race_of_prefaults(const struct test *t)
{
	struct racer r = new_racer(t);

	td_finalize(r.f.vm);
	if (!race(&r, prefaults, acts))
		return;

	prefault(r.f.vcpu, GPA, SIZE);
	expect_eq(vm_stat(r.f.vm, "pages_4k"), PAGES, "mapped pages, after a prefault of all");
}

#define RACE(race_name, text, fn) {						\
	#race_name, "A prefault of private pages against " text ": no complaint, and each is mapped once", \
	.arg = fn, .vm_types = VM_TDX, .cpus = 2 }

CASES(race_of_prefaults,
	RACE(prefault, "one of a second vCPU", act_prefault),
	RACE(convert, "conversions to shared and back", act_convert),
	RACE(punch, "holes in guest_memfd", act_punch),
	RACE(slot_delete, "deletion of the memslot", act_delete),
)

/* Pages [0, PAGES) by KVM_TDX_INIT_MEM_REGION; another thread may have been there before. */
static void add_by(struct racer *r, struct vcpu *vcpu)
{
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (u64)(uintptr_t)r->source, .gpa = GPA, .nr_pages = PAGES,
	};

	while (region.nr_pages && __td_add(vcpu, &region, 0))
		if (errno != EAGAIN && errno != EINTR) {
			region.gpa += SZ_4K;
			region.source_addr += SZ_4K;
			region.nr_pages--;
		}
}

static void adds(void *arg)
{
	struct racer *r = arg;

	add_by(r, r->f.vcpu);
}

static void adds_too(void *arg)
{
	struct racer *r = arg;

	add_by(r, r->vcpu2);
}

CASE(init_mem, "KVM_TDX_INIT_MEM_REGION of the same pages by two vCPUs: each is added once",
	.vm_types = VM_TDX, .cpus = 2)
{
	struct racer r = new_racer(t);

	if (!race(&r, adds, adds_too))
		return;

	expect_eq(vm_stat(r.f.vm, "pages_4k"), PAGES, "pages added");
	td_finalize(r.f.vm);
}

CASE(init_mem_punch, "KVM_TDX_INIT_MEM_REGION against holes in guest_memfd: no complaint, and no page twice",
	.vm_types = VM_TDX, .cpus = 2)
{
	struct racer r = new_racer(t);

	r.act = act_punch;
	if (!race(&r, adds, acts))
		return;

	expect_true(vm_stat(r.f.vm, "pages_4k") <= PAGES, "%llu pages are mapped, of %d",
		    vm_stat(r.f.vm, "pages_4k"), PAGES);
	td_finalize(r.f.vm);
	prefault(r.f.vcpu, GPA, SIZE);
	expect_eq(vm_stat(r.f.vm, "pages_4k"), PAGES, "mapped pages, after a prefault of all");
}

static void finalizes(void *arg)
{
	struct racer *r = arg;

	td_finalize(r->f.vm);
}

CASE(finalize, "KVM_TDX_INIT_MEM_REGION against KVM_TDX_FINALIZE_VM: pages are added before, or not at all",
	.vm_types = VM_TDX, .cpus = 2)
{
	struct racer r = new_racer(t);

	if (!race(&r, adds, finalizes))
		return;

	prefault(r.f.vcpu, GPA, SIZE);
	expect_eq(vm_stat(r.f.vm, "pages_4k"), PAGES, "mapped pages, after a prefault of all");
}

TEST_MAIN("Short races about the private memory of TDs")
