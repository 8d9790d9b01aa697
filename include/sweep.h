/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sweeps: every allocation and every user copy of a call fails, one after the other, from a
 * fresh state each time (docs/faults.md).
 *
 *	CASES(sweep,
 *		SWEEP("create_vcpu", "KVM_CREATE_VCPU", VM_ANY,
 *		      ROW(.set_up = new_vm, .call = create_vcpu, .done = vcpu_works)),
 *		...)
 */
#ifndef SWEEP_H
#define SWEEP_H

#include "fixture.h"
#include "testcase.h"
#include "types.h"

/* What a call works on.  What follows is closed and unmapped after each failure. */
struct stage {
	const struct test *t;
	struct vm *vm;
	struct vcpu *vcpu;
	struct slot *slot;
	struct mem *gmem;
	int fd;			/* another file, -1: none */
	void *mapped;		/* @mapped_size bytes of a file, NULL: none */
	size_t mapped_size;
	/* Made by the first set_up(), and kept. */
	struct mem *mem;
	void *data;
	/* What a row notes for itself between set_up(), call() and done(); 0 before. */
	u64 note;
};

struct sweep {
	void (*set_up)(struct stage *s);	/* may be NULL */
	int (*call)(struct stage *s);		/* a system call: -1 and errno */
	/* After a call that was refused, may be NULL: beyond what is checked of all. */
	void (*refused)(struct stage *s);
	void (*done)(struct stage *s);		/* after a call that succeeded */
	/* What the caller may be told beside ENOMEM and EFAULT. */
	int also;
	/*
	 * The call may have been done when the copy of its results fails, and the caller is told
	 * EFAULT: then done() holds, and a second call is refused with this errno. NULL: never.
	 */
	int (*twice_errno)(void);
};

/* The body of such cases, whose .arg is a struct sweep. */
void sweep(const struct test *t);

#define SWEEPS									\
	.needs_fail_nth = true, .uses_softtdx = true, .uses_sept = true,	\
	.side_effects = "lets allocations of the kernel fail that may sleep (debugfs failslab, fail_page_alloc)"
/*
 * A row of CASES(sweep, ...): @row is ROW(members of struct sweep); then those of the case.  It
 * makes two cases: a sample of the failures, and "NAME_each", which is long.
 */
#define SWEEP(name, text, types, row, ...)					\
	{ name, text ": some of its allocations and copies fail", .vm_types = types,	\
	  .arg = row, .param = SWEEP_SAMPLE, SWEEPS, ##__VA_ARGS__ },		\
	{ name "_each", text ": each allocation and copy fails", .vm_types = types,	\
	  .arg = row, .param = SWEEP_ALL, .nightly = true, .time_limit_s = 600, SWEEPS,	\
	  ##__VA_ARGS__ }
enum { SWEEP_SAMPLE, SWEEP_ALL };
#define ROW(...)	&(const struct sweep){ __VA_ARGS__ }

#endif /* SWEEP_H */
