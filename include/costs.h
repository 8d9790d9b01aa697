/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a host may lack without failing tdx_host_check, and how many cases then skip: counted
 * in what the test programs of a folder declare (--describe).
 */
#ifndef COSTS_H
#define COSTS_H

#include <stddef.h>

struct cost {
	const char *name;	/* "kmod/kvm_hold" */
	const char *found;	/* what this host has */
	unsigned int skipped;	/* cases, one for each VM type, that skip for it */
	unsigned int weaker;	/* that run, and have a witness less */
};

/* Everything that is optional; *@cases: how many there are. Lives as long as the process. */
const struct cost *costs_of(const char *folder, size_t *nr, unsigned int *cases);

#endif /* COSTS_H */
