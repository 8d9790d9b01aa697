/* SPDX-License-Identifier: GPL-2.0-only */
/* Requirements of a host that runs TDs, in the order in which they are checked. */
#ifndef TDX_HOST_H
#define TDX_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct host_check {
	const char *name;	/* "kvm_intel.tdx" */
	bool ok;
	const char *found;	/* what this host has, never NULL */
	const char *advice;	/* what to do when it is not ok; NULL: information */
};

/*
 * All checks, each of them made; what one finds missing usually makes later
 * ones fail, too.  Texts live as long as the process.
 */
const struct host_check *tdx_host_checks(size_t *nr);

/* Why this host cannot run TDs, with advice, or NULL: a skip reason. */
const char *tdx_host_missing(void);

#endif /* TDX_HOST_H */
