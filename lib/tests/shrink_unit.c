// SPDX-License-Identifier: GPL-2.0-only
/* Shrinking: a system with a known bug, and the shortest way to it. */
#include <stdlib.h>
#include <string.h>

#include "model/shrink.h"
#include "rng.h"
#include "testcase.h"

static const struct model_config config = {
	.vm_type = KVM_X86_DEFAULT_VM, .max_vcpus = 4, .nr_mems = 2,
	.mems = { { MEM_ANON, 1024 }, { MEM_MEMFD, 512 } },
};

/*
 * The model, but a slot that was moved loses the third page of a prefault: the
 * shortest way there is a vCPU, a slot, its move, and a prefault of three pages.
 */
static bool buggy(struct shrinker *s, const struct model_op *ops, size_t nr)
{
	struct model *m = model_new(&config);
	bool moved[MODEL_SLOTS] = { false }, bug = false;

	(void)s;
	for (size_t i = 0; i < nr; i++) {
		const struct model_op *op = &ops[i];
		struct model_op slot;
		bool exists = model_slot(m, op->id, &slot);
		struct model_result r;

		if (!model_can(m, op))
			continue;
		r = model_do(m, op);
		if (op->type == OP_SLOT_DELETE)
			moved[op->id] = false;
		if (op->type == OP_VM_RESTART)
			memset(moved, 0, sizeof(moved));
		if (op->type == OP_SLOT_SET && exists && !r.error && slot.gfn != op->gfn)
			moved[op->id] = true;
		for (int id = 0; id < MODEL_SLOTS && op->type == OP_PREFAULT; id++)
			bug |= moved[id] && model_slot(m, id, &slot) && op->gfn >= slot.gfn &&
			       op->gfn + 3 <= slot.gfn + slot.nr && op->nr >= 3;
	}
	model_free(m);
	return bug;
}

static size_t random_failure(u64 seed, struct model_op *ops, size_t max)
{
	struct model *m = model_new(&config);
	struct shrinker s = { 0 };
	size_t nr = 0;

	while (nr < max && !buggy(&s, ops, nr)) {
		ops[nr] = model_random_op(m, &seed);
		model_do(m, &ops[nr++]);
	}
	model_free(m);
	return nr;
}

CASE(to_the_minimum, "a known bug is shrunk to the shortest way to it", .time_limit_s = 120,
	.plain = true)
{
	struct model_op ops[3000];	/* some 100 do; by chance, seldom, not even 600 */
	struct shrinker s = { .fails = buggy, .deadline = now() + 60 };

	for (int i = 0; i < 10; i++) {
		size_t nr = random_failure(t->seed + i, ops, ARRAY_SIZE(ops)), before = nr;

		must(buggy(&s, ops, nr), "a sequence that fails, within %zu operations", nr);
		nr = shrink(&s, ops, nr);
		diag("%zu operations shrunk to %zu", before, nr);
		expect_true(buggy(&s, ops, nr), "the shrunk sequence fails");
		expect_eq(nr, 4, "operations left of %zu", before);
		for (size_t n = 0; n < nr; n++)
			if (ops[n].type == OP_PREFAULT)
				expect_eq(ops[n].nr, 3, "pages of the prefault");
	}
	measure("attempts", s.attempts);
}

static bool always(struct shrinker *s, const struct model_op *ops, size_t nr)
{
	(void)s, (void)ops, (void)nr;
	return true;
}

CASE(one_stays, "one operation stays", .plain = true)
{
	struct model_op ops[7] = { [3] = { .type = OP_WRITE, .nr = 9, .page = 4 } };
	struct shrinker s = { .fails = always, .deadline = now() + 60 };

	expect_eq(shrink(&s, ops, 7), 1, "operations left, when each sequence fails");
}

CASE(out_of_time, "no time: the sequence stays as it is", .plain = true)
{
	struct model_op ops[7] = { 0 };
	struct shrinker s = { .fails = always, .deadline = now() - 1 };

	expect_eq(shrink(&s, ops, 7), 7, "operations left without time");
	expect_eq(s.attempts, 0, "attempts without time");
}

/* The printed sequence names what the model expects. */
CASE(snippet, "a sequence printed as C", .plain = true)
{
	static const struct model_op ops[] = {
		{ .type = OP_VCPU_CREATE },
		{ .type = OP_SLOT_SET, .id = 1, .gmem = NO_MEM, .gfn = 2, .nr = 4 },
		{ .type = OP_PREFAULT, .gfn = 4, .nr = 4 },
		{ .type = OP_PREFAULT, .id = 2, .gfn = 4, .nr = 4 },	/* no such vCPU */
		{ .type = OP_SLOT_DELETE, .id = 3 },
	};
	static const char *const lines[] = {
		"vm = vm_create(KVM_X86_DEFAULT_VM);",
		"mem[1] = mem_create(MEM_MEMFD, 0x200000, NULL);",
		"vcpu[0] = __vcpu_create(vm, 0);",
		".gpa = GPA + 0x2000, .size = 0x4000, .mem = mem[0], .offset = 0x0 }), \"slot 1\");",
		"expect_ok(__vcpu_prefault(vcpu[0], &range), \"KVM_PRE_FAULT_MEMORY\");",
		"expect_eq(range.size, 0x2000, \"bytes left\");",
		"expect_errno(__slot_set(&(struct slot){ .vm = vm, .id = 3 }), EINVAL,",
		"expect_not_mapped(o, GFN);",
	};
	char *text = model_snippet(&config, ops, ARRAY_SIZE(ops), "expect_not_mapped(o, GFN);");
	const char *at = text;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		at = strstr(at, lines[i]);
		expect_true(at, "line %zu, \"%s\", in its place in:\n%s", i, lines[i], text);
	}
	expect_true(!strstr(text, "vcpu[2]"), "what is impossible is not printed");
	free(text);
}

TEST_MAIN("shrinking of failing sequences")
