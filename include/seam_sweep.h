/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each SEAMCALL of an operation gets each class of answer that the module can give, one after the
 * other (softtdx; docs/faults.md).  A row says how KVM treats a leaf in an operation; what the
 * caller sees of each class follows from it.
 */
#ifndef SEAM_SWEEP_H
#define SEAM_SWEEP_H

#include "fault_scene.h"
#include "testcase.h"

/* What KVM does when the module is busy (arch/x86/kvm/vmx/tdx.c). */
enum seam_busy {
	BUSY_IS_FATAL,		/* KVM has locks so that it never is */
	BUSY_AGAIN,		/* until it is not, or a signal comes */
	BUSY_ONCE_MORE,		/* once more, without vCPUs */
	BUSY_IS_TOLD,		/* EBUSY */
};

struct seam_row {
	enum fault_op op;
	unsigned int leaf;
	enum seam_busy busy;
	int no_entropy;		/* errno after ten tries; 0: as any other error */
	int invalid;		/* errno of OPERAND_INVALID; 0: as any other error */
	/* Any other error: errno; whether the VM is dead and the kernel warns. */
	int error;
	bool lives;
	bool silent;		/* the kernel does not warn */
	/* Results come back in registers that the kernel repeats the call with (N1). */
	bool returns_registers;
	/* The caller is not told of an error, or not always: issue @ignored is about that. */
	const char *ignored;
	bool lives_map_first;	/* .lives, where fault_maps_first(); also not .silent */
};

/* Answers. */
enum seam_class {
	SEAM_BUSY,			/* once */
	SEAM_BUSY_LONG,			/* 60 times */
	SEAM_BUSY_FOREVER,		/* and a signal */
	SEAM_NO_ENTROPY,		/* once */
	SEAM_NO_ENTROPY_LONG,		/* but for the last of ten tries */
	SEAM_NO_ENTROPY_FOREVER,
	SEAM_INTERRUPTED,		/* once, resumable */
	SEAM_INVALID,			/* an operand */
	SEAM_ERROR,			/* that nobody expects */
	SEAM_CLASSES
};

/* The body of such cases: .arg is a struct seam_row, .param an enum seam_class. */
void seam_sweep(const struct test *t);

#endif /* SEAM_SWEEP_H */
