// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races of a prefault with what takes pages away, for ./run_tests.sh --explore: whatever
 * the order of their steps, KVM does not complain, and afterwards each gfn can be mapped, once.
 *
 * A stale SPTE shows itself when its gfn is prefaulted again: KVM warns that the pfn changed.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "explore.h"
#include "invalidate.h"
#include "page_idle.h"
#include "racer.h"
#include "testcase.h"

#define SIZE	(RACER_PAGES * SZ_4K)
#define MOVED	(GPA + SZ_1G)

/* What the second thread does while the first one prefaults. */
struct opponent {
	racer_act act;
	enum mem_kind kind;
	int error;			/* that KVM_PRE_FAULT_MEMORY may end with; 0: none */
	bool fresh;			/* nothing is mapped as the race begins */
	u32 flags;			/* of the slot, while they race */
	unsigned int rounds;
	bool ages;			/* needs idle page tracking */
};

static void act_punch(struct racer *r, struct pages p)
{
	mem_punch_hole(r->f.mem, p.first * SZ_4K, p.nr * SZ_4K);
	mem_touch(racer_hva(r, p.first), p.nr * SZ_4K);
}

static void act_mprotect(struct racer *r, struct pages p)
{
	must(!mprotect(racer_hva(r, p.first), p.nr * SZ_4K, PROT_READ), "mprotect");
	must(!mprotect(racer_hva(r, p.first), p.nr * SZ_4K, PROT_READ | PROT_WRITE), "mprotect");
}

/* Other pages at the same addresses. */
static void act_replace(struct racer *r, struct pages p)
{
	must(mmap(racer_hva(r, p.first), p.nr * SZ_4K, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "mmap");
	mem_touch(racer_hva(r, p.first), p.nr * SZ_4K);
}

static void act_mremap(struct racer *r, struct pages p)
{
	for (u64 i = p.first; i < p.first + p.nr; i++)
		move_away(racer_hva(r, i));
	act_replace(r, p);
}

static void act_fork(struct racer *r, struct pages p)
{
	inv_fork_cow.act(&(struct inv_target){ .vm = r->f.vm, .hva = racer_hva(r, p.first) });
}

/* A page that KVM is about to map stays. */
static void act_pageout(struct racer *r, struct pages p)
{
	madvise(racer_hva(r, p.first), p.nr * SZ_4K, MADV_PAGEOUT);
}

static void act_migrate(struct racer *r, struct pages p)
{
	for (u64 i = p.first; i < p.first + p.nr; i++)
		move_to_node(racer_hva(r, i), node_beside(node_of(racer_hva(r, i))));
}

/* KVM is asked whether the guest has accessed them, and forgets. */
static void act_age(struct racer *r, struct pages p)
{
	for (u64 i = p.first; i < p.first + p.nr; i++)
		page_idle_set(racer_hva(r, i));
}

static void act_move(struct racer *r, struct pages p)
{
	(void)p;
	r->f.slot->gpa = MOVED;
	expect_ok(__slot_set(r->f.slot), "moving the slot");
	r->f.slot->gpa = GPA;
	expect_ok(__slot_set(r->f.slot), "moving the slot back");
}

/* Read-only, by a slot of its own: KVM does not change this flag. */
static void act_readonly(struct racer *r, struct pages p)
{
	(void)p;
	slot_delete(r->f.slot);
	slot_set_flags(r->f.slot, KVM_MEM_READONLY);
	slot_delete(r->f.slot);
	slot_set_flags(r->f.slot, 0);
}

static void act_dirty_log(struct racer *r, struct pages p)
{
	(void)p;
	slot_set_flags(r->f.slot, KVM_MEM_LOG_DIRTY_PAGES);
	slot_set_flags(r->f.slot, 0);
}

static void act_get_log(struct racer *r, struct pages p)
{
	u64 bitmap;
	struct kvm_dirty_log log = { .slot = r->f.slot->id, .dirty_bitmap = &bitmap };

	(void)p;
	expect_ok(__vm_ioctl(r->f.vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
}

/* A vCPU more, and its prefault. */
static void act_new_vcpu(struct racer *r, struct pages p)
{
	racer_prefault(r, vcpu_create(r->f.vm), p);
}

/* A role of its own (WP): KVM gives up its root, and looks for one of that role. */
static void act_new_root(struct racer *r, struct pages p)
{
	struct kvm_sregs sregs;

	expect_ok(ioctl(r->vcpu2->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cr0 ^= 1 << 16;
	expect_ok(ioctl(r->vcpu2->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	act_prefault2(r, p);
}

static void race_with(const struct test *t)
{
	const struct opponent *o = t->tc->arg;
	struct racer r = {
		.act = { act_prefault, o->act }, .errors = { o->error }, .rounds = o->rounds ?: 4,
	};

	if (o->ages)
		page_idle_needed();
	r.f.vm = vm_create(t->vm_type);
	r.f.vcpu = vcpu_create(r.f.vm);
	r.vcpu2 = vcpu_create(r.f.vm);
	r.f.mem = mem_populated(o->kind, SIZE, NULL);
	r.f.slot = slot_add_part(r.f.vm, GPA, r.f.mem, 0, SIZE, o->flags);
	if (!o->fresh)
		prefault(r.f.vcpu, GPA, SIZE);

	if (!racer_run(&r))
		return;

	mem_touch(r.f.mem->hva, SIZE);		/* what is swapped out comes back */
	racer_expect_all_mapped(&r);
}

#define RACE_IF(nr_nodes, id, race_name, text, ...) {						\
	race_name, "A prefault against " text ": no complaint, and each page is mapped once",	\
	.arg = &(const struct opponent){ __VA_ARGS__ }, .vm_types = VM_DEFAULT, .cpus = 2,	\
	.nodes = nr_nodes, .xfail = id, NEEDS_CAP(KVM_CAP_PRE_FAULT_MEMORY) }
#define RACE(race_name, ...)		RACE_IF(0, NULL, #race_name, __VA_ARGS__)
#define RACE_ON_NODES(race_name, ...)	RACE_IF(2, NULL, #race_name, __VA_ARGS__)
/* Until 6.17 a prefault of a memslot that goes may never end. */
#define RACE_OF_SLOT(race_name, ...)	RACE_IF(0, "E1", #race_name, __VA_ARGS__)

CASES(race_with,
	RACE(dontneed, "MADV_DONTNEED", .act = act_dontneed, .kind = MEM_ANON),
	RACE(punch, "holes in the memfd", .act = act_punch, .kind = MEM_MEMFD),
	RACE(mprotect, "mprotect(2), to read-only and back", .act = act_mprotect, .kind = MEM_ANON),
	RACE(replace, "mmap(2) of other pages", .act = act_replace, .kind = MEM_ANON),
	RACE(mremap, "mremap(2) to another address, and mmap(2)", .act = act_mremap, .kind = MEM_ANON,
	     .error = EFAULT),
	RACE(fork, "fork(2), and a write, which copies", .act = act_fork, .kind = MEM_ANON, .rounds = 1),
	RACE(pageout, "MADV_PAGEOUT", .act = act_pageout, .kind = MEM_ANON),
	RACE_ON_NODES(migrate, "migration to another node", .act = act_migrate, .kind = MEM_ANON,
		      .rounds = 2),
	RACE(age, "idle page tracking", .act = act_age, .kind = MEM_ANON, .fresh = true, .ages = true),
	RACE(prefault, "one of a second vCPU", .act = act_prefault2, .kind = MEM_ANON, .fresh = true),
	RACE(new_vcpu, "a vCPU's creation, and its prefault", .act = act_new_vcpu, .kind = MEM_ANON,
	     .fresh = true, .rounds = 2),
	RACE(new_root, "a vCPU that changes its role, and prefaults", .act = act_new_root,
	     .kind = MEM_ANON),
	RACE_OF_SLOT(slot_delete, "deletion of the memslot", .act = act_slot_delete,
		     .kind = MEM_ANON, .error = ENOENT),
	RACE_OF_SLOT(slot_move, "moves of the memslot", .act = act_move, .kind = MEM_ANON,
		     .error = ENOENT),
	RACE_OF_SLOT(slot_readonly, "a memslot that is read-only, then not", .act = act_readonly,
		     .kind = MEM_ANON, .error = ENOENT, .rounds = 2),
	RACE(dirty_log, "dirty logging on and off", .act = act_dirty_log, .kind = MEM_ANON),
	RACE(get_log, "KVM_GET_DIRTY_LOG", .act = act_get_log, .kind = MEM_ANON,
	     .flags = KVM_MEM_LOG_DIRTY_PAGES),
)

#define INCREMENTS	50

static void increments(void *counter)
{
	for (int i = 0; i < INCREMENTS; i++) {
		u64 value = *(volatile u64 *)counter;

		*(volatile u64 *)counter = value + 1;
	}
}

CASE(lost_update, "Two threads count without a lock, to show that --explore finds what it costs",
	.plain = true, .manual = true, .cpus = 2)
{
	u64 counter = 0;

	if (!race(RACE_PARTS({ increments, &counter }, { increments, &counter })))
		return;

	expect_eq(counter, 2 * INCREMENTS, "the counter");
}

TEST_MAIN("Short races of prefaults with what takes pages away")
