/* SPDX-License-Identifier: GPL-2.0-only */
/* A failing sequence of operations, made as short and as simple as it still fails. */
#ifndef SHRINK_H
#define SHRINK_H

#include "model/mapping_model.h"

struct shrinker {
	/* Does the sequence still fail? */
	bool (*fails)(struct shrinker *s, const struct model_op *ops, size_t nr);
	void *arg;			/* for fails() */
	double deadline;		/* of now(): stop then, with what there is */
	unsigned int attempts;		/* calls of fails() so far */
};

/*
 * Shrink @ops, which must fail, in place; returns how many are left.  At the
 * end none of them can be left out, and none made simpler in the ways that
 * shrink.c knows (unless time ran out).
 */
size_t shrink(struct shrinker *s, struct model_op *ops, size_t nr);

#endif /* SHRINK_H */
