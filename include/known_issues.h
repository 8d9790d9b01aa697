/* SPDX-License-Identifier: GPL-2.0-only */
/* Known defects of released kernels (docs/findings.md). */
#ifndef KNOWN_ISSUES_H
#define KNOWN_ISSUES_H

#include <stdbool.h>

struct known_issue {
	const char *id;
	const char *first;	/* first kernel version that has it, "6.11" */
	const char *fixed;	/* first version without it, NULL: none yet */
	const char *reason;	/* one line */
};

/* The issue with this id; never NULL (an unknown id is a bug of the suite). */
const struct known_issue *known_issue(const char *id);

/* Is @release ("7.2.12-foo") in the range of @issue? */
bool known_issue_affects(const struct known_issue *issue, const char *release);
/*
 * Does it affect the running kernel?  By the version of its KVM, unless KTS_FIXED in the
 * environment ("E1,S1") says that a distribution has taken the fix into it.
 */
bool known_issue_here(const struct known_issue *issue);
/* Why known_issue_here() is false: a line for the user who sees the issue all the same. */
const char *known_issue_absent(const struct known_issue *issue);

#endif /* KNOWN_ISSUES_H */
