// SPDX-License-Identifier: GPL-2.0-only
/* Leave out chunks, large ones first; then make each operation simpler. */
#include <stdlib.h>
#include <string.h>

#include "model/shrink.h"
#include "testcase.h"

static bool still_fails(struct shrinker *s, const struct model_op *ops, size_t nr)
{
	s->attempts++;
	return s->fails(s, ops, nr);
}

/* Leave out chunks of @size wherever the rest still fails. */
static size_t without_chunks(struct shrinker *s, struct model_op *ops, size_t nr, size_t size)
{
	struct model_op *rest = malloc(nr * sizeof(*ops));

	for (size_t end = nr; end && now() < s->deadline; end -= end < size ? end : size) {
		size_t begin = end < size ? 0 : end - size;
		size_t left = nr - (end - begin);

		memcpy(rest, ops, begin * sizeof(*ops));
		memcpy(rest + begin, ops + end, (nr - end) * sizeof(*ops));
		if (left && still_fails(s, rest, left)) {
			memcpy(ops, rest, left * sizeof(*ops));
			nr = left;
		}
	}
	free(rest);
	return nr;
}

/* The @way in which @op may be simpler; false: there are no more ways. */
static bool simplify(struct model_op *op, int way)
{
	switch (way) {
	case 0:
		op->nr = op->nr ? 1 : 0;
		break;
	case 1:
		op->nr -= op->nr / 2;
		break;
	case 2:
		op->nr -= op->nr > 1;
		break;
	case 3:
		op->flag = false;
		break;
	case 4:
		op->page = 0;
		break;
	case 5:
		op->gmem_page = 0;
		break;
	case 6:
		op->page = op->gmem_page = 0;
		break;
	case 7:
		op->gfn = 0;
		break;
	case 8:
		op->gfn -= op->gfn % 512;
		break;
	case 9:
		op->id = 0;
		break;
	case 10:
		op->mem = op->mem > 0 ? 0 : op->mem;
		break;
	case 11:
		op->gmem = NO_MEM;
		break;
	default:
		return false;
	}
	return true;
}

/* Field by field: the padding of a struct is anything. */
static bool same(const struct model_op *a, const struct model_op *b)
{
	return a->type == b->type && a->id == b->id && a->mem == b->mem && a->gmem == b->gmem &&
	       a->page == b->page && a->gmem_page == b->gmem_page && a->gfn == b->gfn &&
	       a->nr == b->nr && a->flag == b->flag;
}

static bool simplify_one(struct shrinker *s, struct model_op *ops, size_t nr, size_t i)
{
	bool simpler = false;

	for (int way = 0; now() < s->deadline; way++) {
		struct model_op former = ops[i];

		if (!simplify(&ops[i], way))
			break;
		if (same(&former, &ops[i]))
			continue;
		if (still_fails(s, ops, nr)) {
			simpler = true;
			way -= way == 1 || way == 2;	/* once more */
		} else {
			ops[i] = former;
		}
	}
	return simpler;
}

size_t shrink(struct shrinker *s, struct model_op *ops, size_t nr)
{
	bool changed = true;

	while (changed && now() < s->deadline) {
		size_t before = nr;

		for (size_t size = nr / 2 ?: 1; size; size /= 2)
			nr = without_chunks(s, ops, nr, size);
		changed = nr < before;
		for (size_t i = 0; i < nr; i++)
			changed |= simplify_one(s, ops, nr, i);
	}
	return nr;
}
