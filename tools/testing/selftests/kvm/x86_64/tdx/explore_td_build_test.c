// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races while a TD is built, for ./run_tests.sh --explore: whatever the order of their
 * steps, neither KVM nor the TDX module complains, no page is added twice, and the TD can be
 * finalized, and given its memory.
 */
#include <errno.h>

#include "explore.h"
#include "racer.h"
#include "td_fixture.h"
#include "testcase.h"

#define SIZE	(RACER_PAGES * SZ_4K)

struct builder {
	struct racer r;
	u8 *source;
	int finalized;			/* times */
};

static struct builder *builder_of(struct racer *r)
{
	return (struct builder *)r;	/* its first member */
}

/* The second vCPU, as the race begins. */
enum second { INITIALIZED, CREATED, NONE };

static struct builder new_builder(const struct test *t, enum second second)
{
	/* Before it is finalized, a TD has no prefaults; and private gfns come and go. */
	struct builder b = {
		.r = { .f = td_fixture(t, SIZE), .errors = { EOPNOTSUPP, EFAULT } },
		.source = td_source(RACER_PAGES, 1),
	};

	if (second != NONE)
		b.r.vcpu2 = second == CREATED ? td_vcpu_create(b.r.f.vm) : td_vcpu(b.r.f.vm);
	mem_touch(b.r.f.slot->mem->hva, SIZE);
	return b;
}

/* A vCPU is made or used, or the module is busy. */
static bool try_again(int error)
{
	return error == EAGAIN || error == EINTR || error == EBUSY;
}

/* The page was added before, has no slot or is not private now; or the TD is finalized. */
static bool cannot_be_added(int error)
{
	return error == EEXIST || error == EIO || error == ENOENT || error == EFAULT ||
	       error == EINVAL;
}

/* All pages, but those that the other thread has added, or that are not private now. */
static void add_by(struct racer *r, struct vcpu *vcpu)
{
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (u64)(uintptr_t)builder_of(r)->source, .gpa = GPA,
		.nr_pages = RACER_PAGES,
	};

	while (region.nr_pages && __td_add(vcpu, &region, 0)) {
		if (try_again(errno))
			continue;
		expect_true(cannot_be_added(errno), "KVM_TDX_INIT_MEM_REGION of gpa 0x%llx: %s",
			    region.gpa, errno_text(errno));
		region.gpa += SZ_4K;
		region.source_addr += SZ_4K;
		region.nr_pages--;
	}
}

static void act_add(struct racer *r, struct pages p)
{
	(void)p;
	add_by(r, r->f.vcpu);
}

static void act_add2(struct racer *r, struct pages p)
{
	(void)p;
	add_by(r, r->vcpu2);
}

static void act_finalize(struct racer *r, struct pages p)
{
	int ret;

	(void)p;
	while ((ret = __td_finalize(r->f.vm, NULL)) && try_again(errno))
		;
	expect_true(!ret || errno == EINVAL, "KVM_TDX_FINALIZE_VM: %s", errno_text(errno));
	__atomic_add_fetch(&builder_of(r)->finalized, !ret, __ATOMIC_SEQ_CST);
}

static void act_init_vcpu(struct racer *r, struct pages p)
{
	int ret;

	(void)p;
	while ((ret = __td_vcpu_init(r->vcpu2, 0)) && try_again(errno))
		;
	expect_true(!ret || errno == EINVAL, "KVM_TDX_INIT_VCPU: %s", errno_text(errno));
}

static void act_new_vcpu(struct racer *r, struct pages p)
{
	struct vcpu *vcpu;
	int ret;

	(void)p;
	vcpu = td_vcpu_create(r->f.vm);
	while ((ret = __td_vcpu_init(vcpu, 0)) && try_again(errno))
		;
	expect_ok(ret, "KVM_TDX_INIT_VCPU");
}

/* What both threads do. */
struct acts {
	racer_act first, second;
	unsigned int rounds;		/* 0: once */
	enum second vcpu2;
	bool added;			/* all pages are, as the race begins */
	bool keeps;			/* and stay */
};

static void race_of_acts(const struct test *t)
{
	const struct acts *acts = t->tc->arg;
	struct builder b = new_builder(t, acts->vcpu2);
	struct racer *r = &b.r;

	r->act[0] = acts->first;
	r->act[1] = acts->second;
	r->rounds = acts->rounds ?: 1;
	if (acts->added)
		add_by(r, r->f.vcpu);

	if (!racer_run(r))
		return;

	if (t->tc->xfail && vm_dead(r->f.vm)) {
		expect_splat();
		xfail(t->tc->xfail, "the VM is dead");
	}
	if (acts->keeps)
		expect_eq(vm_stat(r->f.vm, "pages_4k"), RACER_PAGES, "pages added");
	else
		expect_true(vm_stat(r->f.vm, "pages_4k") <= RACER_PAGES, "%llu pages are mapped, of %d",
			    vm_stat(r->f.vm, "pages_4k"), RACER_PAGES);
	expect_true(b.finalized <= 1, "KVM_TDX_FINALIZE_VM succeeded %d times", b.finalized);
	if (!b.finalized)
		td_finalize(r->f.vm);
	racer_expect_all_mapped(r);
}

#define RACE_IF(id, race_name, text, act1, act2, ...) {				\
	race_name, text ": no complaint, no page twice, and the TD can be finalized",	\
	.arg = &(const struct acts){ .first = act1, .second = act2, ##__VA_ARGS__ },	\
	.vm_types = VM_TDX, .cpus = 2, .xfail = id, .xfail_in_body = true }
#define RACE(race_name, ...)		RACE_IF(NULL, #race_name, __VA_ARGS__)
/* Some schedules meet F1, which ends with a dead VM. */
#define RACE_F1(race_name, ...)		RACE_IF("F1", #race_name, __VA_ARGS__)

CASES(race_of_acts,
	RACE(init_mem, "KVM_TDX_INIT_MEM_REGION of the same pages by two vCPUs", act_add, act_add2,
	     .keeps = true),
	RACE(init_mem_punch, "KVM_TDX_INIT_MEM_REGION against holes in guest_memfd", act_add,
	     act_punch_gmem, .rounds = 2),
	RACE(init_mem_convert, "KVM_TDX_INIT_MEM_REGION against conversions", act_add, act_convert, .rounds = 2),
	RACE(init_mem_delete, "KVM_TDX_INIT_MEM_REGION against deletion of the memslot", act_add,
	     act_slot_delete),
	RACE(init_mem_vcpu, "KVM_TDX_INIT_MEM_REGION against a vCPU's creation and KVM_TDX_INIT_VCPU",
	     act_add, act_new_vcpu, .vcpu2 = NONE, .keeps = true),
	RACE(finalize, "KVM_TDX_INIT_MEM_REGION against KVM_TDX_FINALIZE_VM", act_add, act_finalize),
	RACE(finalize_twice, "KVM_TDX_FINALIZE_VM by two threads", act_finalize, act_finalize,
	     .added = true, .keeps = true),
	RACE(finalize_prefault, "KVM_TDX_FINALIZE_VM against prefaults", act_finalize, act_prefault2, .rounds = 2,
	     .added = true, .keeps = true),
	RACE_F1(finalize_punch, "KVM_TDX_FINALIZE_VM against holes", act_finalize, act_punch_gmem,
		.rounds = 2, .added = true),
	RACE(finalize_convert, "KVM_TDX_FINALIZE_VM against conversions", act_finalize, act_convert, .rounds = 2,
	     .added = true),
	RACE(init_vcpu_punch, "KVM_TDX_INIT_VCPU against holes", act_init_vcpu, act_punch_gmem, .rounds = 2,
	     .vcpu2 = CREATED, .added = true),
	RACE(init_vcpu_convert, "KVM_TDX_INIT_VCPU against conversions", act_init_vcpu, act_convert, .rounds = 2,
	     .vcpu2 = CREATED, .added = true),
	RACE(init_vcpu_twice, "KVM_TDX_INIT_VCPU of a vCPU by two threads", act_init_vcpu, act_init_vcpu,
	     .vcpu2 = CREATED, .added = true, .keeps = true),
	RACE(new_vcpu_punch, "A vCPU's creation and KVM_TDX_INIT_VCPU against holes", act_new_vcpu,
	     act_punch_gmem, .vcpu2 = NONE, .added = true),
	RACE(new_vcpu_delete, "A vCPU's creation and KVM_TDX_INIT_VCPU against deletion of the memslot",
	     act_new_vcpu, act_slot_delete, .vcpu2 = NONE, .added = true),
	RACE(punch_delete, "Holes against deletion of the memslot, of pages that were added",
	     act_punch_gmem, act_slot_delete, .added = true),
)

TEST_MAIN("Short races while TDs are built")
