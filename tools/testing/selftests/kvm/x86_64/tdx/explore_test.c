// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races of a prefault with what takes pages away, for ./run_tests.sh --explore: whatever
 * the order of their steps, KVM does not complain, and afterwards each gfn can be mapped, once.
 *
 * A stale SPTE shows itself when its gfn is prefaulted again: KVM warns that the pfn changed.
 */
#include <sys/mman.h>

#include "explore.h"
#include "fixture.h"
#include "rng.h"
#include "testcase.h"

#define PAGES	8
#define SIZE	(PAGES * SZ_4K)
#define ROUNDS	4		/* of each part */
#define MOVED	(GPA + SZ_1G)

struct racer;

/* What the second part does, to some pages; and what a prefault may meet meanwhile. */
struct opponent {
	void (*act)(struct racer *r, u64 first, u64 nr);
	enum mem_kind kind;
	int error;			/* that KVM_PRE_FAULT_MEMORY may end with; 0: none */
	bool fresh;			/* nothing is mapped as the race begins */
};

struct racer {
	const struct opponent *o;
	struct fixture f;
	struct vcpu *vcpu2;
};

struct pages {
	u64 first, nr;
};

static struct pages some_pages(u64 *rng)
{
	u64 first = random_below(rng, PAGES), nr = 1 + random_below(rng, PAGES / 2);

	return (struct pages){ first, first + nr > PAGES ? PAGES - first : nr };
}

static void prefault_pages(struct racer *r, struct vcpu *vcpu, struct pages p)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA + p.first * SZ_4K, .size = p.nr * SZ_4K };

	while (range.size && __vcpu_prefault(vcpu, &range)) {
		if (errno == EAGAIN || errno == EINTR)
			continue;
		expect_true(r->o->error && errno == r->o->error,
			    "KVM_PRE_FAULT_MEMORY of gpa 0x%llx: %s", range.gpa, errno_text(errno));
		return;
	}
}

static void first_part(void *arg)
{
	struct racer *r = arg;
	u64 rng = 2 * race_seed();

	for (int i = 0; i < ROUNDS; i++)
		prefault_pages(r, r->f.vcpu, some_pages(&rng));
}

static void second_part(void *arg)
{
	struct racer *r = arg;
	u64 rng = 2 * race_seed() + 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct pages p = some_pages(&rng);

		r->o->act(r, p.first, p.nr);
	}
}

static u8 *hva(struct racer *r, u64 page)
{
	return r->f.mem->hva + page * SZ_4K;
}

static void act_dontneed(struct racer *r, u64 first, u64 nr)
{
	must(!madvise(hva(r, first), nr * SZ_4K, MADV_DONTNEED), "MADV_DONTNEED");
	mem_touch(hva(r, first), nr * SZ_4K);
}

static void act_punch(struct racer *r, u64 first, u64 nr)
{
	mem_punch_hole(r->f.mem, first * SZ_4K, nr * SZ_4K);
	mem_touch(hva(r, first), nr * SZ_4K);
}

static void act_mprotect(struct racer *r, u64 first, u64 nr)
{
	must(!mprotect(hva(r, first), nr * SZ_4K, PROT_READ), "mprotect");
	must(!mprotect(hva(r, first), nr * SZ_4K, PROT_READ | PROT_WRITE), "mprotect");
}

/* Other pages at the same addresses. */
static void act_replace(struct racer *r, u64 first, u64 nr)
{
	must(mmap(hva(r, first), nr * SZ_4K, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "mmap");
	mem_touch(hva(r, first), nr * SZ_4K);
}

static void act_prefault(struct racer *r, u64 first, u64 nr)
{
	prefault_pages(r, r->vcpu2, (struct pages){ first, nr });
}

static void act_delete(struct racer *r, u64 first, u64 nr)
{
	(void)first;
	(void)nr;
	slot_delete(r->f.slot);
	expect_ok(__slot_set(r->f.slot), "the slot again");
}

static void act_move(struct racer *r, u64 first, u64 nr)
{
	(void)first;
	(void)nr;
	r->f.slot->gpa = MOVED;
	expect_ok(__slot_set(r->f.slot), "moving the slot");
	r->f.slot->gpa = GPA;
	expect_ok(__slot_set(r->f.slot), "moving the slot back");
}

static void act_dirty_log(struct racer *r, u64 first, u64 nr)
{
	(void)first;
	(void)nr;
	slot_set_flags(r->f.slot, KVM_MEM_LOG_DIRTY_PAGES);
	slot_set_flags(r->f.slot, 0);
}

static void race_with(const struct test *t)
{
	struct racer r = { .o = t->tc->arg };

	r.f.vm = vm_create(t->vm_type);
	r.f.vcpu = vcpu_create(r.f.vm);
	r.vcpu2 = vcpu_create(r.f.vm);
	r.f.mem = mem_populated(r.o->kind, SIZE, NULL);
	r.f.slot = slot_add(r.f.vm, GPA, r.f.mem);
	if (!r.o->fresh)
		prefault(r.f.vcpu, GPA, SIZE);

	if (!race(&r, first_part, second_part))
		return;

	prefault(r.f.vcpu, GPA, SIZE);
	expect_eq(vm_stat(r.f.vm, "pages_4k"), PAGES, "mapped pages, after a prefault of all");
}

#define RACE(race_name, text, ...) {							\
	#race_name, "A prefault against " text ": no complaint, and each page is mapped once",	\
	.arg = &(const struct opponent){ __VA_ARGS__ }, .vm_types = VM_DEFAULT, .cpus = 2,	\
	NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY) }

CASES(race_with,
	RACE(dontneed, "MADV_DONTNEED", .act = act_dontneed, .kind = MEM_ANON),
	RACE(punch, "holes in the memfd", .act = act_punch, .kind = MEM_MEMFD),
	RACE(mprotect, "mprotect(2), to read-only and back", .act = act_mprotect, .kind = MEM_ANON),
	RACE(replace, "mmap(2) of other pages", .act = act_replace, .kind = MEM_ANON),
	RACE(prefault, "one of a second vCPU", .act = act_prefault, .kind = MEM_ANON, .fresh = true),
	RACE(slot_delete, "deletion of the memslot", .act = act_delete, .kind = MEM_ANON, .error = ENOENT),
	RACE(slot_move, "moves of the memslot", .act = act_move, .kind = MEM_ANON, .error = ENOENT),
	RACE(dirty_log, "dirty logging on and off", .act = act_dirty_log, .kind = MEM_ANON),
)

TEST_MAIN("Short races of prefaults with what takes pages away")
