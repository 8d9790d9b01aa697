/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test cases: what a case declares, and what its body may say.
 *
 * A test program is a table of cases and TEST_MAIN().  Each case runs in a
 * process of its own; a body that returns has passed.  Three things end it
 * early, and they are never mixed up:
 *
 *   expect_*()   the thing under test did wrong        -> "not ok"
 *   must()      the harness could not do its part     -> "not ok # ERROR"
 *   test_skip()  a prerequisite is missing             -> "ok # SKIP"
 *
 * All of them may be called by any thread of the case.  None of them returns.
 */
#ifndef TESTCASE_H
#define TESTCASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm_uapi.h"
#include "observe.h"

#define SZ_4K	(1ULL << 12)
#define SZ_2M	(1ULL << 21)
#define SZ_1G	(1ULL << 30)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* VM types a case wants, one run for each (struct test_case.vm_types). */
#define VM_TYPE(t)	(1u << (t))
#define VM_DEFAULT	VM_TYPE(KVM_X86_DEFAULT_VM)
#define VM_SW_PROTECTED	VM_TYPE(KVM_X86_SW_PROTECTED_VM)

/* How the emulated host must have been booted. Names: boot_name[]. */
enum boot {
	BOOT_DEFAULT,		/* 2 CPUs, 2 NUMA nodes, TDP MMU */
	BOOT_CPUS1,
	BOOT_CPUS4,
	BOOT_TDP_MMU_OFF,	/* kvm.tdp_mmu=0 */
	BOOT_NPT_OFF,		/* no two-dimensional paging */
	BOOT_TDX,		/* a TDX host */
	BOOT_TDX_ERRORS,	/* the same, for cases that may damage it */
	BOOT_TDX_EPT4,		/* a TDX host whose EPT has four levels, not five */
	BOOT_TDX_SPENT,		/* the same, for a case after which no TD can be made */
	BOOT_NR
};

enum case_flags {
	/* Too long for the quick profile: planned only on --nightly. */
	CASE_NIGHTLY		= 1 << 0,
	/* The kernel must print a WARNING; the case fails when it does not. */
	CASE_EXPECTS_SPLAT	= 1 << 1,
	/* Needs neither root nor KVM: unit tests of this library. */
	CASE_PLAIN		= 1 << 2,
	CASE_UFFD		= 1 << 3,	/* userfaultfd(2) */
	CASE_THP		= 1 << 4,	/* transparent hugepages */
	/* Planned only when --case names it to the letter. */
	CASE_ON_REQUEST		= 1 << 5,
	/* Looks into the software TDX module, or makes it fail. */
	CASE_SOFTTDX		= 1 << 6,
	/* Looks at the Secure EPT (sept.h). */
	CASE_SEPT		= 1 << 7,
	CASE_HOLD		= 1 << 8,	/* holds threads in KVM (hold.h) */
	CASE_GUEST_KERNEL	= 1 << 9,	/* a Linux that boots in a TD (linux_guest.h) */
	/*
	 * Looks at the Secure EPT, and at SEAMCALLs, where this host shows them, and has
	 * other witnesses where it does not.
	 */
	CASE_SEPT_TOO		= 1 << 10,
	/* The same of the software TDX module: it tells the measurement, and content. */
	CASE_SOFTTDX_TOO	= 1 << 11,
};

struct test;

struct test_case {
	const char *name;
	const char *summary;		/* one line, for --list and reports */
	void (*body)(const struct test *t);
	const void *arg;		/* for bodies shared by several cases */
	/* The kernel's fix whose loss it would notice: "subject (version)". */
	const char *fixes;
	/* Known issue that makes it fail, or hang, on kernels that have it (known_issues.h). */
	const char *xfail;
	/* Known issue that makes the kernel print a WARNING meanwhile, and nothing worse. */
	const char *xwarn;

	unsigned int vm_types;		/* VM_*, 0: the case makes no VM */
	unsigned int flags;		/* enum case_flags */
	unsigned int observes;		/* OBSERVE(): probes the case attaches */
	enum boot boot;
	/*
	 * What the case changes that other users of the machine see (a sysctl,
	 * a module parameter, a pool), in words.  Such a case runs in the
	 * testbed, natively only on --allow-host-wide.
	 */
	const char *side_effects;
	int cap;			/* KVM_CAP_* that must be non-zero, or 0 */
	const char *cap_name;		/* its name, for the skip reason */
	unsigned int memory_mib;	/* free memory */
	unsigned int hugepages_2m;	/* free hugetlb pages; the testbed adds */
	unsigned int hugepages_1g;	/* them, a host's pool must have them */
	unsigned int cpus;
	unsigned int nodes;		/* NUMA nodes with memory */
	unsigned int time_limit_s;	/* 0: 20 s */
};

/* The run of a case: constant while the body runs. */
struct test {
	const struct test_case *tc;
	char name[96];			/* case name, with its VM type if any */
	unsigned int vm_type;		/* KVM_X86_*_VM */
	/* What the case observes here: tc->observes, without what CASE_SEPT_TOO can do without. */
	unsigned int observes;
	uint64_t seed;			/* of this run of the program */
	bool verbose;
};

int test_main(int argc, char **argv, const char *summary,
	      const struct test_case *cases, size_t nr_cases);

#define TEST_MAIN(summary, cases)					\
	int main(int argc, char **argv)					\
	{								\
		return test_main(argc, argv, summary, cases,		\
				 ARRAY_SIZE(cases));			\
	}

/* --- what a body may say ---------------------------------------------- */

#define PRINTF(f, a)	__attribute__((format(printf, f, a)))

/*
 * The kernel must print a WARNING, though the case does not declare it: where
 * that depends on the kernel.
 */
void expect_splat(void);

/* A diagnostic line, "# ..."; one line a call. */
void diag(const char *fmt, ...) PRINTF(1, 2);

/* Diagnostics of --verbose only. */
void verbose(const char *fmt, ...) PRINTF(1, 2);

/*
 * A measurement of the running case.  Keys are stable: attempts, faults,
 * retries, pages, seconds, and others where these do not fit.
 */
void measure(const char *key, double value);

void test_skip(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));
void harness_error(const char *file, int line, const char *fmt, ...)
	PRINTF(3, 4) __attribute__((noreturn));
void test_failed(const char *file, int line, const char *what,
		 const char *expected, const char *seen) __attribute__((noreturn));

/*
 * A known defect of the unmodified kernel showed itself exactly as recorded
 * in lib/known_issues.c: XFAIL if this kernel is in its range, else "not ok".
 */
void xfail(const char *id, const char *fmt, ...)
	PRINTF(2, 3) __attribute__((noreturn));
/* The case met the conditions of a known issue, and it did not show. */
void xpass(const char *id);
/* Skip on kernels with this issue, which the machine would not survive. */
void skip_if_issue(const char *id);

/* printf into a buffer that lives until the process ends. */
char *strf(const char *fmt, ...) PRINTF(1, 2);

/*
 * A part of the harness that must work: "not ok # ERROR", with errno.  Never of
 * what KVM, or memory management on KVM's pages, answers to a request that it
 * has to grant: that is expect_ok().
 */
#define must(cond, ...)							\
	do {								\
		if (!(cond))						\
			harness_error(__FILE__, __LINE__, __VA_ARGS__);	\
	} while (0)

/* Two integers; both are printed, in decimal and hexadecimal. */
#define expect_eq(seen, expected, ...)					\
	do {								\
		long long seen_ = (long long)(seen);			\
		long long expected_ = (long long)(expected);		\
		if (seen_ != expected_)					\
			test_failed(__FILE__, __LINE__, strf(__VA_ARGS__), \
				    strf("%lld (0x%llx)", expected_, expected_), \
				    strf("%lld (0x%llx)", seen_, seen_)); \
	} while (0)

#define expect_true(cond, ...)						\
	do {								\
		if (!(cond))						\
			test_failed(__FILE__, __LINE__, strf(__VA_ARGS__), \
				    #cond, "the contrary");		\
	} while (0)

/* The result of a system call (-1 and errno on error): success, or an errno. */
#define expect_ok(ret, ...)	expect_errno_(ret, 0, __VA_ARGS__)
#define expect_errno(ret, error, ...)	expect_errno_(ret, error, __VA_ARGS__)
#define expect_errno_(ret, error, ...)					\
	do {								\
		int seen_ = (ret) < 0 ? errno : 0;			\
		if (seen_ != (error))					\
			test_failed(__FILE__, __LINE__, strf(__VA_ARGS__), \
				    errno_text(error), errno_text(seen_)); \
	} while (0)

/* "EFAULT (14)", "success" */
const char *errno_text(int error);
/*
 * The same for a reason to skip: what root is denied (EACCES, EPERM) is so by a security
 * module, a container or lockdown, which no package and no mount mends.
 */
const char *denial_text(int error);

/* Monotonic time, in seconds. */
double now(void);

#endif /* TESTCASE_H */
