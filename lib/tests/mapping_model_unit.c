// SPDX-License-Identifier: GPL-2.0-only
/* The reference model against what the ABI says, and its random operations. */
#include <stdlib.h>

#include "model/mapping_model.h"
#include "rng.h"
#include "testcase.h"

/* As the newest kernels do. */
static const struct model_config
	plain = { .vm_type = KVM_X86_DEFAULT_VM, .max_vcpus = 4, .gmem_taken_error = EEXIST,
		.nr_mems = 3, .mems = {
		{ MEM_ANON, 1024 }, { MEM_HUGETLB_2M, 1024 }, { MEM_GMEM_MMAP, 512 } } },
	protected = { .vm_type = KVM_X86_SW_PROTECTED_VM, .max_vcpus = 4, .gmem_taken_error = EEXIST,
		.nr_mems = 3, .mems = {
		{ MEM_ANON, 1024 }, { MEM_HUGETLB_2M, 1024 }, { MEM_GMEM, 1024 } } },
	td = { .vm_type = KVM_X86_TDX_VM, .max_vcpus = 2, .gmem_taken_error = EEXIST,
		.nr_mems = 2, .mems = {
		{ MEM_ANON, 1024 }, { MEM_GMEM, 1024 } } };

/* Operations: only what differs from the usual is written. */
#define OP(t, ...)	(struct model_op){ .type = t, .gmem = NO_MEM, __VA_ARGS__ }
#define GMEM_SLOT(...)	(struct model_op){ .type = OP_SLOT_SET, __VA_ARGS__ }
#define expect_op(m, op, error_, left_)						\
	do {									\
		struct model_op op_ = op;					\
		struct model_result r_;						\
		expect_true(model_can(m, &op_), "possible: %s", #op);		\
		r_ = model_do(m, &op_);						\
		expect_eq(r_.error, error_, "result of %s", #op);		\
		expect_eq(r_.left, left_, "left by %s", #op);			\
	} while (0)
#define expect_level(m, gfn, l)	expect_eq(model_leaf(m, gfn).level, l, "level of gfn %d", gfn)

CASE(prefault_progress, "progress and errors of a prefault", .plain = true)
{
	struct model *m = model_new(&plain);

	expect_op(m, OP(OP_VCPU_CREATE), 0, 0);
	expect_op(m, OP(OP_VCPU_CREATE), EEXIST, 0);
	expect_op(m, OP(OP_SLOT_SET, .gfn = 4, .nr = 4), 0, 0);
	expect_op(m, OP(OP_PREFAULT, .gfn = 3, .nr = 2), ENOENT, 2);
	expect_op(m, OP(OP_PREFAULT, .gfn = 6, .nr = 5), 0, 3);
	expect_op(m, OP(OP_PREFAULT, .gfn = 8, .nr = 1), ENOENT, 1);
	expect_eq(model_leaves(m, LEVEL_4K), 2, "4K leaves");
	expect_eq(model_leaf(m, 7).page, 3, "page of gfn 7");
	expect_eq(model_leaf(m, 7).writable, W_NO, "the zero page is writable");
	model_free(m);
}

/* A page that is written takes the place of the zero page; then it stays. */
CASE(written, "writes, the zero page, MADV_DONTNEED", .plain = true)
{
	struct model *m = model_new(&plain);

	expect_op(m, OP(OP_VCPU_CREATE), 0, 0);
	expect_op(m, OP(OP_SLOT_SET, .nr = 4), 0, 0);
	expect_op(m, OP(OP_PREFAULT, .nr = 4), 0, 0);
	expect_op(m, OP(OP_WRITE, .page = 1, .nr = 1), 0, 0);
	expect_level(m, 1, LEVEL_NONE);
	expect_op(m, OP(OP_PREFAULT, .nr = 4), 0, 0);
	expect_op(m, OP(OP_WRITE, .page = 1, .nr = 1), 0, 0);
	expect_level(m, 1, LEVEL_4K);
	expect_eq(model_leaf(m, 1).writable, W_YES, "gfn 1 is writable");
	expect_op(m, OP(OP_DONTNEED, .page = 1, .nr = 2), 0, 0);
	expect_eq(model_leaves(m, LEVEL_4K), 2, "4K leaves");
	model_free(m);
}

CASE(slots, "slots: overlaps, moves, guest_memfd's ranges", .plain = true)
{
	struct model *m = model_new(&plain);

	expect_op(m, OP(OP_SLOT_DELETE, .id = 1), EINVAL, 0);
	expect_op(m, OP(OP_SLOT_SET, .id = 1, .gfn = 4, .nr = 4), 0, 0);
	expect_op(m, OP(OP_SLOT_SET, .id = 2, .gfn = 7, .nr = 4), EEXIST, 0);
	expect_op(m, OP(OP_SLOT_SET, .id = 1, .gfn = 5, .nr = 4), 0, 0);	/* moved */
	expect_op(m, OP(OP_SLOT_SET, .id = 1, .gfn = 5, .nr = 5), EINVAL, 0);
	expect_op(m, OP(OP_SLOT_SET, .id = 1, .gfn = 5, .nr = 4, .flag = true), EINVAL, 0);
	expect_op(m, OP(OP_SLOT_SET, .id = 2, .gfn = 0, .nr = 5), 0, 0);
	expect_op(m, GMEM_SLOT(.id = 3, .mem = 2, .gmem = 2, .gfn = 9, .nr = 4), 0, 0);
	expect_op(m, GMEM_SLOT(.id = 3, .mem = 2, .gmem = 2, .gfn = 9, .nr = 4), EINVAL, 0);
	expect_op(m, GMEM_SLOT(.id = 0, .mem = 2, .page = 3, .gmem = 2, .gmem_page = 3,
			.gfn = 99, .nr = 4), EEXIST, 0);
	expect_op(m, GMEM_SLOT(.id = 0, .mem = 2, .gmem = 2, .gmem_page = HUGE_OFFSET,
			.gfn = 99, .nr = 4), EINVAL, 0);
	model_free(m);
}

/* Operations of known issues are not tried on kernels that have these. */
CASE(known_issues, "operations that KVM should refuse, and does not, are not tried", .plain = true)
{
	const struct model_op
		with = GMEM_SLOT(.id = 1, .gmem = 2, .nr = 4),
		beside = GMEM_SLOT(.id = 2, .gmem = 2, .gmem_page = 8, .gfn = 8, .nr = 4),
		far = GMEM_SLOT(.id = 2, .gmem = 2, .gmem_page = HUGE_OFFSET, .gfn = 8, .nr = 4),
		without = OP(OP_SLOT_SET, .id = 1, .nr = 4);

	for (int known = 0; known < 2; known++) {
		struct model_config config = protected;
		struct model *m;

		config.no_huge_offsets = config.no_gmem_loss = known;
		m = model_new(&config);
		expect_true(model_can(m, &without), "a slot without guest_memfd");
		expect_op(m, with, 0, 0);
		expect_true(model_can(m, &with) && model_can(m, &beside), "other slots");
		expect_eq(model_can(m, &far), !known, "an offset near 2^63");
		expect_eq(model_can(m, &without), !known, "the slot without its guest_memfd");
		model_free(m);
	}
}

/* A default VM loses all mappings with a slot, the others lose the slot's. */
CASE(deletion, "mappings that a deleted slot takes with it", .plain = true)
{
	static const struct model_config *const configs[] = { &plain, &protected };

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		struct model *m = model_new(configs[i]);

		expect_op(m, OP(OP_VCPU_CREATE), 0, 0);
		expect_op(m, OP(OP_SLOT_SET, .id = 0, .gfn = 0, .nr = 4), 0, 0);
		expect_op(m, OP(OP_SLOT_SET, .id = 1, .gfn = 4, .nr = 4), 0, 0);
		expect_op(m, OP(OP_PREFAULT, .nr = 8), 0, 0);
		expect_op(m, OP(OP_SLOT_DELETE, .id = 1), 0, 0);
		expect_level(m, 5, LEVEL_NONE);
		expect_level(m, 1, i ? LEVEL_4K : LEVEL_NONE);
		model_free(m);
	}
}

CASE(huge, "2M mappings, and operations that split them", .plain = true)
{
	struct model *m = model_new(&protected);

	expect_op(m, OP(OP_VCPU_CREATE), 0, 0);
	expect_op(m, OP(OP_SLOT_SET, .mem = 1, .nr = 1000), 0, 0);
	expect_op(m, OP(OP_PREFAULT, .gfn = 5, .nr = 600), 0, 0);
	expect_level(m, 0, LEVEL_2M);
	expect_level(m, 511, LEVEL_2M);
	expect_level(m, 512, LEVEL_4K);		/* the slot ends in this 2M */
	expect_eq(model_leaves(m, LEVEL_2M), 1, "2M leaves");
	expect_eq(model_leaves(m, LEVEL_4K), 93, "4K leaves");
	expect_eq(model_leaf(m, 77).page, 77, "page of gfn 77");
	/* One private gfn: all of the 2M goes, and comes back in 4K. */
	expect_op(m, OP(OP_ATTRIBUTES, .gfn = 7, .nr = 1, .flag = true), 0, 0);
	expect_level(m, 0, LEVEL_NONE);
	expect_op(m, OP(OP_PREFAULT, .gfn = 6, .nr = 2), 0, 1);
	expect_op(m, OP(OP_PREFAULT, .gfn = 7, .nr = 1), EFAULT, 1);
	expect_level(m, 6, LEVEL_4K);
	/* And again in 2M, over what is there. */
	expect_op(m, OP(OP_ATTRIBUTES, .gfn = 7, .nr = 1), 0, 0);
	expect_op(m, OP(OP_PREFAULT, .gfn = 9, .nr = 1), 0, 0);
	expect_level(m, 6, LEVEL_2M);
	model_free(m);
}

CASE(trust_domain, "before and after finalize, two trees", .plain = true)
{
	struct model *m = model_new(&td);

	expect_op(m, OP(OP_VCPU_CREATE), 0, 0);
	expect_op(m, GMEM_SLOT(.gmem = 1, .nr = 16), 0, 0);
	expect_op(m, OP(OP_ATTRIBUTES, .nr = 8, .flag = true), 0, 0);
	expect_op(m, OP(OP_PREFAULT, .nr = 1), EOPNOTSUPP, 1);
	expect_op(m, OP(OP_ADD, .gfn = 6, .nr = 3), EINVAL, 1);		/* gfn 8 is shared */
	expect_op(m, OP(OP_ADD, .gfn = 6, .nr = 1), EIO, 1);
	expect_op(m, OP(OP_FINALIZE), 0, 0);
	expect_op(m, OP(OP_FINALIZE), EINVAL, 0);
	expect_op(m, OP(OP_ADD, .gfn = 1, .nr = 1), EINVAL, 1);
	expect_op(m, OP(OP_VCPU_CREATE, .id = 1), EIO, 0);
	expect_op(m, OP(OP_PREFAULT, .gfn = 5, .nr = 1, .flag = true), EINVAL, 1);
	expect_op(m, OP(OP_PREFAULT, .gfn = 5, .nr = 4), 0, 0);
	expect_eq(model_leaf(m, 5).pending, true, "gfn 5 is pending");
	expect_eq(model_leaf(m, 6).pending, false, "gfn 6 is pending");
	expect_eq(model_leaf(m, 8).private, false, "gfn 8 is private");
	/* An mmu_notifier reaches the shared tree only, a hole the private one. */
	expect_op(m, OP(OP_DONTNEED, .nr = 16), 0, 0);
	expect_eq(model_leaves(m, LEVEL_4K), 3, "4K leaves");
	expect_op(m, OP(OP_PREFAULT, .gfn = 8, .nr = 1), 0, 0);
	expect_op(m, OP(OP_PUNCH, .mem = 1, .nr = 16), 0, 0);
	expect_eq(model_leaves(m, LEVEL_4K), 1, "4K leaves");
	model_free(m);
}

/* Through 6.19 a page that was added once cannot be added again, mapped or not. */
CASE(added_twice, "a page is added again", .plain = true)
{
	for (int once = 0; once < 2; once++) {
		struct model_config config = td;
		struct model *m;

		config.added_once = once;
		m = model_new(&config);
		expect_op(m, OP(OP_VCPU_CREATE), 0, 0);
		expect_op(m, GMEM_SLOT(.gmem = 1, .nr = 16), 0, 0);
		expect_op(m, OP(OP_ATTRIBUTES, .nr = 16, .flag = true), 0, 0);
		expect_op(m, OP(OP_ADD, .nr = 1), 0, 0);
		expect_op(m, OP(OP_ADD, .nr = 1), once ? EEXIST : EIO, 1);
		expect_op(m, OP(OP_SLOT_DELETE), 0, 0);
		expect_op(m, GMEM_SLOT(.gmem = 1, .nr = 16), 0, 0);
		expect_op(m, OP(OP_ADD, .nr = 1), once ? EEXIST : 0, once);
		expect_op(m, OP(OP_PUNCH, .mem = 1, .nr = 1), 0, 0);
		expect_op(m, OP(OP_ADD, .nr = 1), 0, 0);
		model_free(m);
	}
}

static void expect_sound(const struct model *m)
{
	unsigned long pages = model_leaves(m, LEVEL_4K) + 512 * model_leaves(m, LEVEL_2M);

	for (int gfn = 0; gfn < MODEL_GFNS; gfn++) {
		struct model_leaf leaf = model_leaf(m, gfn);

		pages -= leaf.level != LEVEL_NONE;
		if (leaf.level != LEVEL_NONE)
			expect_true(model_page_present(m, leaf.mem, leaf.page),
				    "gfn %d maps a page that is there", gfn);
	}
	expect_eq(pages, 0, "leaves without gfns");
}

CASE(random_ops, "random operations are possible, reproducible and useful", .plain = true)
{
	static const struct model_config *const configs[] = { &plain, &protected, &td };
	unsigned long seen[ARRAY_SIZE(configs)][OP_NR] = { 0 }, mapped = 0;

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		struct model *m = model_new(configs[i]), *twin = model_new(configs[i]);
		u64 rng = t->seed, twin_rng = t->seed;

		for (int n = 0; n < 2000; n++) {
			struct model_op op = model_random_op(m, &rng);
			struct model_op same = model_random_op(twin, &twin_rng);
			struct model_result r;

			expect_eq(same.type, op.type, "type of operation %d", n);
			expect_eq(same.gfn, op.gfn, "gfn of operation %d", n);
			r = model_do(m, &op);
			model_do(twin, &same);
			expect_true(!r.left || op.nr >= r.left, "operation %d leaves no more than it had", n);
			expect_sound(m);
			seen[i][op.type]++;
			mapped += model_leaves(m, LEVEL_4K);
		}
		model_free(m);
		model_free(twin);
	}
	for (int type = 0; type < OP_NR; type++)
		expect_true(seen[0][type] + seen[1][type] + seen[2][type] > 0,
			    "operation %d is ever chosen", type);
	expect_true(mapped > 6000, "pages are mapped (%lu, summed over all steps)", mapped);
}

TEST_MAIN("the reference model of the mapping path")
