/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files that run cases; not for tests. */
#ifndef CASE_RUN_H
#define CASE_RUN_H

#include "testcase.h"

enum case_status { CASE_DIED, CASE_TIMEOUT, CASE_PASS, CASE_SKIP, CASE_XFAIL,
		   CASE_FAIL, CASE_ERROR };

/* How a case ended: written by its process, read by the program. */
struct outcome {
	enum case_status status;
	char reason[512];
	bool wants_splat;		/* the kernel must print a WARNING */
	bool warnings_armed;		/* kmsg_warnings_armed() as the case began */
	char access_issue[8];		/* expect_private_accesses(); "": none */
};

/* Make the calling process report to @o, as the run @t. */
void report_to(struct outcome *o, const struct test *t);

extern const char *const boot_name[BOOT_NR];
/* "default", "sw_protected", "tdx" */
const char *vm_type_name(unsigned int type);

/* Print what the cases declare, as JSON (--describe). */
void describe(const char *program, const char *summary, const struct case_list *list);
/* The boot that a run of the case with this VM type needs: a TD's is a TDX host. */
enum boot boot_of(const struct test_case *tc, unsigned int vm_type);

/* Is this the emulated host, which is ours alone? */
bool in_testbed(void);

/* If it observes any, with all that this host shows of faults and invalidations. */
unsigned int all_events_here(const struct test *t);
/* Skips the case unless this host has what it declares; sets up pools. */
void check_needs(const struct test *t, bool allow_host_wide);

/* Print what the case would change on this host (--dry-run). */
void print_changes(const struct test *t);

/*
 * Print the accesses to private memory since the last call, and forget them; returns their number
 * (private_memory.h).
 */
size_t private_accesses_end(void);

/* Kernel messages: WARNING, BUG and Oops while a case runs. */

/* Forget what the kernel said so far; @rearm: make WARN_ONCE sites that fired warn again. */
void kmsg_begin(bool rearm);
/*
 * Print splats since kmsg_begin() as "# kernel: " lines.  Returns the first line of the first
 * that speaks about @t, NULL if none does; those of others are only printed.  @checker: it is of
 * one of the checks that a debug kernel makes of itself, which no case expects.
 */
const char *kmsg_end(const struct test *t, bool *checker);
/* Why complaints would go unseen here, or NULL: a skip reason. */
const char *kmsg_missing(void);
/*
 * Is every WARN_ONCE site sure to warn?  False when this boot has seen a WARNING (taint
 * W) and kmsg_begin() did not arm them: those that fired are mute.
 */
bool kmsg_warnings_armed(void);
/* What user space writes to the log with this in front is judged by that program, as the kernel's. */
#define KMSG_OWN	"ktdx-%d: "	/* process id of the test program */

/*
 * Once a program: learn the kernel's symbols, and remove tracing instances and
 * probes of dead owners.
 */
void tracing_prepare(void);
/*
 * For a case that is about to pass: broken if somebody else switched off what it observed
 * by ("trace-cmd reset"), since then nothing was seen, which looks like nothing done.
 */
void tracing_check_intact(void);
/* Remove what cases left for the next ones, with all that is to be undone. */
int tracing_drop(void);

#endif /* CASE_RUN_H */
