/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of the model, for the operations on it. Private to lib/model/. */
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include "kvm_uapi.h"
#include "model/mapping_model.h"

#define GFNS_2M		512

/* What the host has behind a page. */
enum page_state {
	PAGE_ABSENT,
	PAGE_READ,		/* allocated by reading: anonymous memory shows the zero page */
	PAGE_WRITTEN,
	PAGE_ADDED,		/* the content of a TD's guest_memfd page is in place */
};

struct model_mem {
	bool closed;
	enum page_state pages[MODEL_PAGES];
};

struct model_slot {
	bool used, read_only;
	int mem, gmem;
	u64 page, gmem_page;
	u64 gfn, nr;
};

struct model {
	struct model_config config;
	struct model_mem mems[MODEL_MEMS];
	struct model_slot slots[MODEL_SLOTS];
	bool vcpus[MODEL_VCPUS];
	bool private[MODEL_GFNS];
	struct model_leaf leaves[MODEL_GFNS];
	bool finalized;
};

/* The trees that an invalidation reaches; only TDs have two. */
enum zap { ZAP_SHARED = 1, ZAP_PRIVATE = 2, ZAP_ALL = 3 };

static inline bool is_td(const struct model *m)
{
	return model_of_td(&m->config);
}

static inline bool has_private_memory(const struct model *m)
{
	return m->config.vm_type != KVM_X86_DEFAULT_VM;
}

static inline enum mem_kind kind_of(const struct model *m, int mem)
{
	return m->config.mems[mem].kind;
}

static inline bool is_gmem(const struct model *m, int mem)
{
	return model_mem_is_gmem(&m->config, mem);
}

void model_set_pages(struct model *m, int mem, u64 page, u64 nr, enum page_state state);

/* Unmap [gfn, gfn + nr) in the trees of @what. */
void model_zap(struct model *m, u64 gfn, u64 nr, enum zap what);
/* Unmap what maps these pages of @mem: as an mmu_notifier does, or guest_memfd. */
void model_zap_pages(struct model *m, int mem, u64 page, u64 nr, bool of_gmem);

/* Where [a, a + a_nr) and [b, b + b_nr) overlap: the first, and how many. */
u64 model_overlap(u64 a, u64 a_nr, u64 b, u64 b_nr, u64 *first);

struct model_slot *model_slot_of(struct model *m, u64 gfn);
bool model_gfn_is_private(const struct model *m, u64 gfn);

/* Map @gfn to the page of the slot's guest_memfd. */
void model_map_gmem(struct model *m, const struct model_slot *s, u64 gfn);
/* A read fault of @gfn: 0, or an errno. */
int model_fault(struct model *m, u64 gfn);

#endif /* MODEL_STATE_H */
