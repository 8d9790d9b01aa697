/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM of KVM beside its model: each operation is done by both, and then they must agree. */
#ifndef MODEL_VM_H
#define MODEL_VM_H

#include "model/mapping_model.h"
#include "observe.h"
#include "vm.h"

/* What went wrong, from the process that did the sequence. */
struct model_mismatch {
	bool seen, hang;
	size_t step;			/* of the sequence: the last one begun */
	char what[160], expected[160], observed[160];
	char statement[160];		/* C that fails, "": the operation itself */
};

/* In memory that is shared with the process. */
struct model_report {
	bool done;
	struct model_mismatch mismatch;
	unsigned long mapped;		/* leaves that were there, summed over the steps */
};

struct model_vm {
	const struct model_config *config;
	struct model *model;
	struct observer *o;
	struct vm *vm;
	struct vcpu *vcpus[MODEL_VCPUS];
	struct mem *mems[MODEL_MEMS];
	u64 pfns[MODEL_MEMS][MODEL_PAGES];	/* of guest_memfd: as first seen */
	struct model_leaf before[MODEL_GFNS];	/* the step */
	size_t nr_events;			/* in the observer's log, before it */
	struct mrtd *mrtd;
	struct model_report *report;
	unsigned int limit;			/* seconds an ioctl may take */
};

/* @limit: then SIGALRM ends the ioctl, which the caller catches. */
struct model_vm *model_vm_new(const struct model_config *config, struct observer *o,
			      struct model_report *report, unsigned int limit);

/* @op done by KVM alone: its result. */
struct model_result model_vm_do(struct model_vm *v, const struct model_op *op);

/*
 * @op done by the model and by KVM, and all that they must agree on compared.  At the
 * first mismatch the process writes the report, and exits.
 */
void model_vm_step(struct model_vm *v, const struct model_op *op);

#endif /* MODEL_VM_H */
