/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TD right before an operation that meets a failing SEAMCALL (softtdx), and the operation:
 * what td_fault.h and seam_sweep.h have in common.
 */
#ifndef FAULT_SCENE_H
#define FAULT_SCENE_H

#include <stdbool.h>

#include "td_fixture.h"
#include "testcase.h"

#define FAULT_PAGES	5	/* of each operation, from GPA on */
#define FAULT_SLOT_SIZE	(16 * SZ_4K)
#define FAULT_SPARE	(GPA + 8 * SZ_4K)	/* a page that no operation touches */

#define STATUS_BUSY		"TDX_OPERAND_BUSY|0x92"
#define STATUS_NO_ENTROPY	"TDX_RND_NO_ENTROPY"
#define STATUS_ERROR		"TDX_PAGE_METADATA_INCORRECT"	/* which KVM does not expect */
#define STATUS_INVALID		"TDX_OPERAND_INVALID|1"
#define ENTROPY_TRIES		10	/* of the kernel */

/* The operation that meets the error. */
enum fault_op {
	OP_INIT_VM, OP_CPUID, OP_INIT_VCPU, OP_ADD, OP_MEASURE, OP_FINALIZE, OP_PREFAULT,
	/* From here on the pages are mapped before the operation. */
	OP_PUNCH,		/* a hole in guest_memfd */
	OP_DELETE,		/* of the memslot */
	OP_CONVERT,		/* of the pages to shared */
	OP_CLOSE,		/* of all fds of the TD */
	OP_OTHER,		/* the caller's */
};

struct fault_scene {
	struct fixture td;
	struct kvm_tdx_init_mem_region region;	/* what is still to be added */
	u8 *source;
	struct kvm_cpuid2 *cpuid;	/* what OP_CPUID got */
	bool final;
	unsigned int mapped;		/* pages of the guest */
};

/* Up to 6.18: initial memory is mapped first and added then. */
bool fault_maps_first(void);

/* A TD right before @op; with an observer of what the case declares, if that shows something. */
struct fault_scene fault_scene(const struct test *t, enum fault_op op);
/* The operation: what the system call returned; @done: pages of OP_ADD, _MEASURE and _PREFAULT. */
int fault_operate(struct fault_scene *s, enum fault_op op, unsigned int *done);
/* Close all that the scene has open. */
void fault_scene_close(struct fault_scene *s);

/* Each ioctl of the VM and its vCPU is EIO. */
void fault_expect_dead(struct fault_scene *s);
/*
 * The rest of the life of a TD whose @op has succeeded: a vCPU, KVM_TDX_FINALIZE_VM, which ends
 * with @finalize, and if that is 0, a prefault of FAULT_SPARE.
 */
void fault_expect_alive(struct fault_scene *s, enum fault_op op, int finalize);

#endif /* FAULT_SCENE_H */
