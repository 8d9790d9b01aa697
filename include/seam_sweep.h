/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each SEAMCALL of an operation gets each class of answer that the module can give, one after the
 * other (softtdx; docs/faults.md).  A row says how KVM treats a leaf in an operation; what the
 * caller sees of each class, and what the host loses, follows from it.
 */
#ifndef SEAM_SWEEP_H
#define SEAM_SWEEP_H

#include "fault_scene.h"
#include "testcase.h"
#include "usage.h"

/* What KVM does when the module is busy (arch/x86/kvm/vmx/tdx.c). */
enum seam_busy {
	BUSY_IS_FATAL,		/* KVM has locks so that it never is */
	BUSY_AGAIN,		/* until it is not, or a signal comes */
	BUSY_ONCE_MORE,		/* once more, without vCPUs */
	BUSY_IS_TOLD,		/* EBUSY */
};

/*
 * What a removal that fails costs: KVM gives up what the module may still use, and nothing else.
 * With a page the TDR is lost, which counts it, and the module counts a violation when KVM wants
 * it back.
 */
enum seam_loss {
	LOSES_NOTHING,
	LOSES_PAGE,		/* of each call that fails */
	LOSES_UNTRACKED,	/* the same, and a violation more: it was not tracked */
	LOSES_CONTROL,		/* a control page, of which the TDR is the last */
	LOSES_TD,		/* all control pages, and the KeyID */
};

/* An operation of a test's own (OP_OTHER). */
struct seam_op {
	struct fault_scene (*set_up)(const struct test *t);
	int (*operate)(struct fault_scene *s);
	/* What a TD must do, and have, after the operation has succeeded. */
	void (*alive)(struct fault_scene *s);
	void (*close)(struct fault_scene *s);	/* everything */
};

struct seam_row {
	enum fault_op op;
	const struct seam_op *other;	/* of OP_OTHER */
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
	enum seam_loss loss;	/* when the VM is dead, or gone */
	unsigned int violations;	/* LOSES_TD: of the module, by what KVM does next */
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
struct seam_answer {
	const char *status;
	unsigned int times;
};
struct seam_answer seam_answer(enum seam_class class);
bool seam_is_no_entropy(enum seam_class class);

/* How a call ends. */
struct seam_end {
	int error;
	bool dead;	/* every later ioctl is EIO; else the same call again succeeds */
	bool splat;
	bool loses;	/* what the row says */
};
struct seam_end seam_end(const struct seam_row *row, enum seam_class class);

/*
 * What is lost when the @nth of the @calls that an operation makes gets the answer; @control: pages
 * of the TD, but its guest's and the TDR. @failed: calls that fail by it.
 */
struct usage_loss seam_loss(const struct seam_row *row, enum seam_class class, unsigned int nth,
			    unsigned int calls, unsigned int control, unsigned int *failed);

/* The body of such cases: .arg is a struct seam_row, .param an enum seam_class. */
void seam_sweep(const struct test *t);

/* Rows of CASES(seam_sweep, ...). */
#define SEAM(name, text, class, row, ...)					\
	{ name, text, .arg = row, .param = class, .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, \
	  .side_effects = "makes the kernel print a WARNING", .needs_sept = true,	\
	  .needs_softtdx = true, .time_limit_s = 120, ##__VA_ARGS__ }
#define BUSY_ONCE(name, leaf, row, ...)						\
	SEAM(name "_busy", leaf " busy once", SEAM_BUSY, row, ##__VA_ARGS__)
#define BUSY_FOR_LONG(name, leaf, row, ...)					\
	SEAM(name "_busy_60", leaf " busy 60 times", SEAM_BUSY_LONG, row, ##__VA_ARGS__),	\
	SEAM(name "_busy_forever", leaf " busy, until a signal comes", SEAM_BUSY_FOREVER, row,	\
	     ##__VA_ARGS__)
#define FAILS(name, leaf, row, ...)						\
	SEAM(name "_no_entropy_forever", leaf " never has entropy", SEAM_NO_ENTROPY_FOREVER, row, \
	     ##__VA_ARGS__),							\
	SEAM(name "_interrupted", leaf " interrupted", SEAM_INTERRUPTED, row, ##__VA_ARGS__),	\
	SEAM(name "_invalid", leaf " refuses an operand", SEAM_INVALID, row, ##__VA_ARGS__),	\
	SEAM(name "_error", leaf " fails", SEAM_ERROR, row, ##__VA_ARGS__)
/* Each class but those of entropy that comes at last. */
#define ANSWERS(name, leaf, row, ...)						\
	BUSY_ONCE(name, leaf, row, ##__VA_ARGS__),				\
	BUSY_FOR_LONG(name, leaf, row, ##__VA_ARGS__),				\
	FAILS(name, leaf, row, ##__VA_ARGS__)
#define ENTROPY(name, leaf, row, ...)						\
	SEAM(name "_no_entropy", leaf " without entropy once", SEAM_NO_ENTROPY, row, ##__VA_ARGS__), \
	SEAM(name "_no_entropy_9", leaf " without entropy nine times", SEAM_NO_ENTROPY_LONG, row, \
	     ##__VA_ARGS__)

#endif /* SEAM_SWEEP_H */
