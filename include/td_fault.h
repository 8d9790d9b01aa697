/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A SEAMCALL fails while KVM creates a TD, gives it memory, removes its pages or destroys
 * it (softtdx): what td_error_test and td_error_remove_test have in common.
 *
 * Rules of arch/x86/kvm/vmx/tdx.c: each call without entropy is tried ten times; a busy
 * module is called again where KVM maps, and once more where it unmaps; any other error is
 * a bug (a WARNING and a dead VM) unless user space's own operands are to blame.
 */
#ifndef TD_FAULT_H
#define TD_FAULT_H

#include <stdbool.h>

#include "fault_scene.h"
#include "sept.h"
#include "softtdx_ctl.h"
#include "testcase.h"

enum {
	FIRST = 1 << 0, MIDDLE = 1 << 2, LAST = 1 << (FAULT_PAGES - 1),
	ALL = FIRST | MIDDLE | LAST,
};

/* How the operation ends. */
struct fault_end {
	int error;
	bool splat;		/* the kernel warns */
	bool dead;		/* every later ioctl is EIO; else the TD goes on */
	/* Of a TD that goes on: errno when the rest is repeated, and of its finalize. */
	int again, finalize;
	unsigned int violations;	/* of the module, about what KVM did then */
};

/* What a TD that is destroyed leaves behind. */
struct fault_left {
	bool td;		/* its TDR */
	bool control;		/* all control pages and Secure EPT pages, and its HKID */
	unsigned int pages;	/* others */
	unsigned int violations;
};

struct td_fault {
	enum fault_op op;
	unsigned int leaf;
	const char *status;
	unsigned int times;	/* in a row; 0: once */
	unsigned int pages;	/* FIRST, ...: calls for these pages; 0: whatever the operand */
	/* ... from this call on; 0: the first; -1: that of the last control page, the TDR */
	int nth;
	struct fault_end end;
	/* On kernels that map initial memory first and add it then, through 6.18. */
	struct fault_end map_first;
	bool differs_map_first;
	const char *issue;	/* the known issue that makes the second try fail */
	enum sept_state stuck;	/* after OP_PUNCH: of the page that failed ... */
	unsigned int stuck_pages;	/* ... if .pages does not tell which */
	struct fault_left left;
};

/*
 * The body of such cases, whose .arg is a struct td_fault: errno, progress, mirror and
 * Secure EPT, whether the VM is dead, the WARNING, and what the destroyed TD leaves.
 */
void td_fault(const struct test *t);

/* Rows of CASES(td_fault, ...). */
#define TD_FAULTS								\
	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE), .boot = BOOT_TDX_ERRORS, \
	.side_effects = "makes the kernel print a WARNING, and the TDX module lose pages", \
	.needs_sept = true, .needs_softtdx = true
#define FAULT(name, text, ...)							\
	{ name, text, .arg = &(const struct td_fault){ __VA_ARGS__ }, TD_FAULTS }
#define FAULT_XFAIL(name, text, id, ...)					\
	{ name, text, .arg = &(const struct td_fault){ __VA_ARGS__, .issue = id },	\
	  .xfail = id, .xfail_in_body = true, TD_FAULTS }
/*
 * The page that the module keeps is given away (P1): a failure with .xfail and without an
 * issue of its own lets others touch private memory.
 */
#define FAULT_LOSES_PAGE(name, text, ...)					\
	{ name, text, .arg = &(const struct td_fault){ __VA_ARGS__, LOST_PAGE(1) },	\
	  .xfail = "P1", .xfail_in_body = true, TD_FAULTS }
#define EACH_PAGE(row, name, text, ...)						\
	row(name "_first", text ", first page", .pages = FIRST, __VA_ARGS__),	\
	row(name "_middle", text ", middle page", .pages = MIDDLE, __VA_ARGS__),	\
	row(name "_last", text ", last page", .pages = LAST, __VA_ARGS__)

/* The ends that KVM has for it. */
#define REFUSED(errno)	.end = { .error = errno }
#define KILLED(errno)	.end = { .error = errno, .splat = true, .dead = true }
#define WARNS		.end = { .splat = true }
#define MAP_FIRST	.differs_map_first = true, .map_first
/* Pages that the module may still use are lost, and with one of them the TDR that counts it. */
#define LOST_PAGE(nr)	.left = { .td = true, .pages = 1, .violations = nr }
#define LOST_TD(nr)	.left = { .control = true, .violations = nr }

#endif /* TD_FAULT_H */
