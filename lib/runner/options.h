/* SPDX-License-Identifier: GPL-2.0-only */
/* The options of a test program. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "types.h"

#define MAX_PATTERNS	64
#define KSFT_SKIP	4	/* kselftest's exit code */

struct options {
	const char *patterns[MAX_PATTERNS];
	int nr_patterns;
	const char *boot;
	u64 seed;
	bool list, describe, dry_run, nightly, allow_host_wide, fail_fast, verbose, events;
};

/* Read the command line into @opt; exits on --help (0) and on wrong usage (2). */
void parse_options(struct options *opt, int argc, char **argv, const char *summary);

#endif /* OPTIONS_H */
