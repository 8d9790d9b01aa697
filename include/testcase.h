/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test cases: what a case declares, and what its body may call.
 *
 *	CASE(dontneed, "MADV_DONTNEED in the window: one retry",
 *	     .vm_types = VM_ANY, .observes = OBSERVE_MAPPING, .needs_uffd = true)
 *	{
 *		...
 *	}
 *
 *	TEST_MAIN("Retries of the mapping path")
 *
 * Each case runs in a process of its own; a body that returns has passed.  Three
 * things end it early:
 *
 *   expect_*()   the kernel misbehaved                 -> "not ok"
 *   must()       the harness failed                    -> "not ok # ERROR"
 *   test_skip()  a prerequisite is missing             -> "ok # SKIP"
 *
 * All of them may be called by any thread of the case.  None of them returns.
 */
#ifndef TESTCASE_H
#define TESTCASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "event.h"
#include "kvm_uapi.h"
#include "types.h"

#define SZ_4K	(1ULL << 12)
#define SZ_2M	(1ULL << 21)
#define SZ_1G	(1ULL << 30)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* VM types a case wants, one run for each (struct test_case.vm_types). */
#define VM_TYPE(t)	(1u << (t))
#define VM_DEFAULT	VM_TYPE(KVM_X86_DEFAULT_VM)
#define VM_SW_PROTECTED	VM_TYPE(KVM_X86_SW_PROTECTED_VM)
#define VM_TDX		VM_TYPE(KVM_X86_TDX_VM)	/* implies BOOT_TDX */
#define VM_ANY		(VM_DEFAULT | VM_SW_PROTECTED)	/* any that is no TD */
#define VM_ALL		(VM_ANY | VM_TDX)	/* and TDs, by fixture(): their shared half */

/* How the emulated host must have been booted. Names: boot_name[]. */
enum boot {
	BOOT_DEFAULT,		/* 2 CPUs, 2 NUMA nodes, TDP MMU; BOOT_TDX for VM_TDX */
	BOOT_CPUS1,
	BOOT_CPUS4,
	BOOT_TDP_MMU_OFF,	/* kvm.tdp_mmu=0 */
	BOOT_NPT_OFF,		/* no two-dimensional paging */
	BOOT_TDX,		/* a TDX host */
	BOOT_TDX_ERRORS,	/* the same, for cases that may damage it */
	BOOT_TDX_EPT4,		/* a TDX host whose EPT has four levels, not five */
	BOOT_TDX_SPENT,		/* the same, for a case after which no TD can be made */
	BOOT_EPT_AD_OFF,	/* an Intel CPU, kvm_intel.eptad=0: EPT without accessed and dirty bits */
	BOOT_LATE_CPU,		/* the CPU of a TDX host; one of two CPUs is offline at boot */
	BOOT_NR
};

struct test;

struct test;

struct test_case {
	const char *name;
	const char *summary;		/* one line, for --list and reports */
	/* For bodies shared by several cases. */
	const void *arg;
	long param;
	/*
	 * The kernel commit whose loss the case detects, and the first version with it:
	 * 12hex ("subject"), 6.16.  Without a known hash: "subject", 6.16.
	 */
	const char *fixes;
	/* Known issue that makes it fail, or hang, on kernels that have it (known_issues.h). */
	const char *xfail;
	/* Known issue that makes the kernel print a WARNING, and does nothing worse. */
	const char *xwarn;

	unsigned int vm_types;		/* VM_*, 0: the case makes no VM */
	unsigned int observes;		/* OBSERVE(): probes the case attaches */
	enum boot boot;
	/*
	 * What the case changes that other users of the machine see (a sysctl,
	 * a module parameter, a pool), in words.  Such a case runs in the
	 * testbed, natively only on --allow-host-wide.
	 */
	const char *side_effects;

	/* Only the body's own xfail() is that issue: its other failures are failures. */
	bool xfail_in_body;
	bool needs_uffd;		/* userfaultfd(2) */
	bool needs_thp;			/* transparent hugepages */
	bool needs_hold;		/* holds threads in KVM (hold.h) */
	/*
	 * By kmod/kvm_hold, not BPF: in a child, with less than a CPU for each thread, or while
	 * something waits for work on each CPU or for RCU.
	 */
	bool needs_hold_module;
	bool needs_fail_nth;		/* makes allocations of the kernel fail (fail_nth.h) */
	bool needs_sept;		/* reads the Secure EPT (sept.h), and is nothing without */
	bool needs_softtdx;		/* reads the software TDX module, or makes it fail */
	bool needs_guest_kernel;	/* a Linux that boots in a TD (linux_guest.h) */
	/* Reads these where the host has them; the case has other witnesses. */
	bool uses_sept;
	bool uses_softtdx;		/* the measurement, and content of private pages */

	int cap;			/* NEEDS_CAP(): KVM_CAP_* that must be non-zero */
	const char *cap_name;
	unsigned int memory_mib;	/* free memory */
	unsigned int hugepages_2m;	/* free hugetlb pages; the testbed adds */
	unsigned int hugepages_1g;	/* them, a host's pool must have them */
	unsigned int cpus;
	unsigned int nodes;		/* NUMA nodes with memory */

	unsigned int time_limit_s;	/* 0: 20 s */
	bool expects_splat;		/* fails unless the kernel prints a WARNING */
	bool nightly;			/* too long for the quick profile: --nightly */
	bool manual;			/* planned only when --case names it to the letter */
	bool plain;			/* needs neither root nor KVM: tests of this library */
};

#define NEEDS_CAP(c)	.cap = c, .cap_name = #c

/* The run of a case: constant while the body runs. */
struct test {
	const struct test_case *tc;
	void (*body)(const struct test *t);
	char name[96];			/* case name, with its VM type if any */
	unsigned int vm_type;		/* KVM_X86_*_VM */
	unsigned int observes;		/* with --events more than tc->observes */
	u64 seed;			/* of this run of the program */
	bool verbose;
};

/* A case: its declaration, followed by its body. */
#define CASE(case_name, text, ...)						\
	static void case_##case_name(const struct test *t);			\
	CASES(case_##case_name, { #case_name, text, ##__VA_ARGS__ })		\
	static void case_##case_name(const struct test *t __attribute__((unused)))

/* Cases that share the body @fn, above: { "name", "summary", .arg = ..., ... }, ... */
#define CASES(fn, ...)								\
	static const struct test_case cases_of_##fn[] = { __VA_ARGS__ };	\
	static void __attribute__((constructor)) register_##fn(void)		\
	{									\
		static struct case_list list = {				\
			.cases = cases_of_##fn, .nr = ARRAY_SIZE(cases_of_##fn),	\
			.body = fn,						\
		};								\
		cases_register(&list);						\
	}

struct case_list {
	const struct test_case *cases;
	size_t nr;
	void (*body)(const struct test *t);
	struct case_list *next;
};
/* In the order of the calls, which is that of the source. @list stays. */
void cases_register(struct case_list *list);

int test_main(int argc, char **argv, const char *summary);

#define TEST_MAIN(summary)							\
	int main(int argc, char **argv)						\
	{									\
		return test_main(argc, argv, summary);				\
	}

/* What a body may call. */

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

/*
 * What the case is doing, for the messages of failures from now on: "failure 3 of KVM_RUN".
 * For loops whose body fails in the library; the empty string: nothing more to say.
 */
void test_context(const char *fmt, ...) PRINTF(1, 2);

void test_skip(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));
void harness_error(const char *file, int line, const char *fmt, ...)
	PRINTF(3, 4) __attribute__((noreturn));
void test_failed(const char *file, int line, const char *what,
		 const char *expected, const char *seen) __attribute__((noreturn));

/*
 * A known defect of the unmodified kernel showed itself exactly as recorded
 * in lib/base/known_issues.c: XFAIL if this kernel is in its range, else "not ok".
 */
void xfail(const char *id, const char *fmt, ...)
	PRINTF(2, 3) __attribute__((noreturn));
/* The case met the conditions of a known issue, and it did not show. */
void xpass(const char *id);
/* Skip on kernels with this issue, if it would crash this machine. */
void skip_if_issue(const char *id);

/* What the case that runs in this process declares; everything, outside of cases. */
const struct test_case *running_case(void);
/*
 * What the library lets only those cases use that declare it: without, they would pass
 * here, and end in errors on a host that lacks it.
 */
#define must_declare(declared, member)							do {											errno = 0;									if (!(declared))									harness_error(__FILE__, __LINE__,							      "%s() in a case that does not declare " member, __func__);		} while (0)

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
				    #cond, "false");		\
	} while (0)

/*
 * Wait until @cond holds, at most @seconds: whether it does.  For what the kernel does
 * by itself and tells nobody; where there is an event, wait for that.
 */
#define await(cond, seconds)							\
	({									\
		double deadline_ = now() + (seconds);				\
		bool holds_;							\
										\
		while (!(holds_ = (cond)) && now() < deadline_)			\
			wait_a_little();					\
		holds_;								\
	})
#define expect_soon(cond, seconds, ...)						\
	do {									\
		if (!await(cond, seconds))					\
			test_failed(__FILE__, __LINE__, strf(__VA_ARGS__), #cond, \
				    strf("not within %g s", (double)(seconds)));	\
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
/*
 * What limits of time are multiplied by: 1, or what $KTS_TIME_SCALE says for a kernel that
 * is slow (a debug build, a distribution's in an emulator).
 */
unsigned int time_scale(void);
/* 100 us: between two looks at what cannot be waited for. */
void wait_a_little(void);

#endif /* TESTCASE_H */
