/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is lost, on kernels that keep account of it: objects that nothing refers to
 * (kmemleak), and pages by the code that asked for them (page_owner).  Both are in the testbed's
 * `--debug-kernel memory`; elsewhere nothing is seen.  usage.h counts what a host knows anyway.
 */
#ifndef LEAKS_H
#define LEAKS_H

#include <stdbool.h>

struct leaks {
	bool objects;	/* kmemleak works */
	long pages;	/* 4K pages that code of KVM and TDX has asked for; -1: unknown */
};

/* What is lost from here on counts. */
struct leaks leaks_begin(void);
/* Nothing was lost since @before.  Takes seconds: kmemleak names no object that is younger than 5 s. */
#define expect_no_leaks(before)	expect_no_leaks_(__FILE__, __LINE__, before)
void expect_no_leaks_(const char *file, int line, const struct leaks *before);

#endif /* LEAKS_H */
