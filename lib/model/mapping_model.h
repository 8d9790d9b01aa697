/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM must do, as a model that is too simple to be wrong: a VM whose
 * guest-physical memory of interest is a window of MODEL_GFNS pages, a few
 * memory objects, memslots and vCPUs.  An operation is done by the model and by
 * KVM; results, mappings and statistics must agree (mapping_model_test.c).
 *
 * No KVM in here: unit-tested on any host.  How to add an operation:
 * docs/model.md.
 */
#ifndef MAPPING_MODEL_H
#define MAPPING_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "kvm_uapi.h"
#include "mapping.h"
#include "mem.h"
#include "types.h"

#define MODEL_GFNS	1536	/* the window: three times 2M */
#define MODEL_PAGES	1024	/* a memory object has at most so many */
#define MODEL_MEMS	4
#define MODEL_SLOTS	4
#define MODEL_VCPUS	3

/* What the VM is made of, and which of its ways the running kernel has. */
struct model_config {
	unsigned int vm_type;		/* KVM_X86_*_VM */
	int max_vcpus;
	int nr_mems;
	struct { enum mem_kind kind; u64 pages; } mems[MODEL_MEMS];
	/* guest_memfd notes which pages were added: once more is EEXIST (before 7.0). */
	bool added_once;
	/* KVM_CREATE_VCPU looks whether the id is taken before it asks TDX (from 7.3 on). */
	bool taken_vcpu_first;
	/* A range of guest_memfd that a slot has already: EEXIST, or EINVAL (before 7.2). */
	int gmem_taken_error;
	/*
	 * Not to be tried, as KVM is known to take it: offsets of guest_memfd near 2^63
	 * (known issue G1), a slot without the guest_memfd that it had (S1).
	 */
	bool no_huge_offsets, no_gmem_loss;
};

static inline bool model_of_td(const struct model_config *config)
{
	return config->vm_type == KVM_X86_TDX_VM;
}

static inline bool model_mem_is_gmem(const struct model_config *config, int mem)
{
	return config->mems[mem].kind == MEM_GMEM || config->mems[mem].kind == MEM_GMEM_MMAP;
}

enum model_op_type {
	OP_SLOT_SET,		/* id, mem and page, gmem and gmem_page, gfn, nr, flag: read-only */
	OP_SLOT_DELETE,		/* id */
	OP_ATTRIBUTES,		/* gfn, nr, flag: private */
	OP_PREFAULT,		/* id of the vCPU, gfn, nr, flag: gpa with the shared bit */
	OP_ADD,			/* id of the vCPU, gfn, nr, mem and page: source, flag: measured */
	OP_FINALIZE,
	OP_PUNCH,		/* mem, page, nr */
	OP_WRITE,		/* mem, page, nr */
	OP_DONTNEED,		/* mem, page, nr */
	OP_CLOSE,		/* mem: the fd of a guest_memfd */
	OP_VCPU_CREATE,		/* id */
	OP_VM_RESTART,		/* this VM goes, another comes */
	OP_NR
};

#define NO_MEM	(-1)
/* The last page of what an offset can say. */
#define HUGE_OFFSET	(INT64_MAX >> 12)

/* gfn counts from the window's start; page and gmem_page in their object. */
struct model_op {
	enum model_op_type type;
	int id;
	int mem, gmem;
	u64 page, gmem_page;
	u64 gfn, nr;
	bool flag;
};

struct model_result {
	int error;		/* errno, or 0 */
	u64 left;		/* pages not done (OP_PREFAULT, OP_ADD) */
};

/* Does an SPTE allow writes? Where that is the host's affair: W_ANY. */
enum model_writable { W_NO, W_YES, W_ANY };

struct model_leaf {
	int level;		/* LEVEL_NONE: not mapped */
	int mem;		/* the page it maps */
	u64 page;
	enum model_writable writable;
	bool private;
	bool pending;		/* the TD has to accept it */
};

struct model;

struct model *model_new(const struct model_config *config);
void model_free(struct model *m);

/*
 * Can @op be done at all: are the objects there that it needs?  The others are
 * left out, so that any part of a sequence is a sequence.
 */
bool model_can(const struct model *m, const struct model_op *op);
/* Do @op; what KVM must answer. */
struct model_result model_do(struct model *m, const struct model_op *op);

/* How @gfn of the window must be mapped now. */
struct model_leaf model_leaf(const struct model *m, u64 gfn);
/* Leaves at @level: what the statistics pages_4k, pages_2m must say. */
unsigned long model_leaves(const struct model *m, int level);
/* Has page @page of @mem been allocated? */
bool model_page_present(const struct model *m, int mem, u64 page);

const struct model_config *model_config(const struct model *m);
/* Slot @id as the operation that makes it; false if there is none. */
bool model_slot(const struct model *m, int id, struct model_op *op);
bool model_private(const struct model *m, u64 gfn);
bool model_vcpu(const struct model *m, int id);
bool model_finalized(const struct model *m);

/* An operation that is worth a try in the state of @m. */
struct model_op model_random_op(const struct model *m, u64 *rng);

/* @op as a C statement, with the result that it must have. Freed by the caller. */
char *model_op_text(const struct model_config *config, const struct model_op *op,
		    struct model_result result);
/*
 * The body of a case that does @ops, one after the other; @last is the
 * statement that fails, "" if it is the last operation itself.
 */
char *model_snippet(const struct model_config *config, const struct model_op *ops, size_t nr,
		    const char *last);

#endif /* MAPPING_MODEL_H */
