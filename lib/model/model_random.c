// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations for the model.  They cluster where bugs do: at the ends of
 * slots, at 2M boundaries, on pages that were used before.
 */
#include "kvm_uapi.h"
#include "model/mapping_model.h"
#include "rng.h"
#include "testcase.h"

#define GFNS_2M	512

struct choice {
	const struct model *m;
	const struct model_config *config;
	u64 *rng;
};

static bool one_in(struct choice *c, u64 n)
{
	return !random_below(c->rng, n);
}

static bool has_private_memory(struct choice *c)
{
	return c->config->vm_type != KVM_X86_DEFAULT_VM;
}

/* How often each is chosen; what a VM type does not have is never possible. */
static enum model_op_type random_type(struct choice *c)
{
	static const struct { enum model_op_type type; unsigned int weight; } table[] = {
		{ OP_SLOT_SET, 14 }, { OP_SLOT_DELETE, 4 }, { OP_ATTRIBUTES, 10 },
		{ OP_PREFAULT, 34 }, { OP_ADD, 14 }, { OP_FINALIZE, 4 }, { OP_PUNCH, 8 },
		{ OP_WRITE, 8 }, { OP_DONTNEED, 8 }, { OP_CLOSE, 1 }, { OP_VCPU_CREATE, 3 },
		{ OP_VM_RESTART, 1 },
	};
	unsigned int total = 0, dice;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		total += table[i].weight;
	dice = random_below(c->rng, total);
	for (size_t i = 0;; dice -= table[i++].weight)
		if (dice < table[i].weight)
			return table[i].type;
}

static u64 random_size(struct choice *c, u64 max)
{
	u64 dice = random_below(c->rng, 20), nr;

	if (dice < 14)
		nr = 1 + random_below(c->rng, 4);
	else if (dice < 18 || model_of_td(c->config))
		nr = 1 + random_below(c->rng, 16);
	else
		nr = GFNS_2M + random_below(c->rng, 3) - 1;
	return nr < max ? nr : max;
}

/* A gfn that some slot makes interesting. */
static u64 random_gfn(struct choice *c)
{
	u64 gfn = random_below(c->rng, MODEL_GFNS);
	int first = random_below(c->rng, MODEL_SLOTS);
	struct model_op slot;

	for (int i = 0; i < MODEL_SLOTS; i++) {
		if (!model_slot(c->m, (first + i) % MODEL_SLOTS, &slot))
			continue;
		switch (random_below(c->rng, 6)) {
		case 0: case 1: case 2:
			gfn = slot.gfn + random_below(c->rng, slot.nr < 4 ? slot.nr : 4);
			break;
		case 3:
			gfn = slot.gfn + slot.nr - 1 - random_below(c->rng, slot.nr < 3 ? slot.nr : 3);
			break;
		case 4:
			gfn = slot.gfn + random_below(c->rng, slot.nr);
			break;
		default:
			gfn = (slot.gfn + slot.nr) / GFNS_2M * GFNS_2M;
		}
		break;
	}
	return gfn < MODEL_GFNS ? gfn : MODEL_GFNS - 1;
}

/* A page of @mem: one that a slot shows, at best. */
static u64 random_page(struct choice *c, int mem)
{
	int first = random_below(c->rng, MODEL_SLOTS);
	u64 near = random_below(c->rng, 4);
	struct model_op slot;

	for (int i = 0; i < MODEL_SLOTS; i++) {
		if (!model_slot(c->m, (first + i) % MODEL_SLOTS, &slot))
			continue;
		if (near >= slot.nr)
			near = 0;
		if (slot.gmem == mem)
			return slot.gmem_page + near;
		if (slot.mem == mem)
			return slot.page + near;
	}
	return random_below(c->rng, c->config->mems[mem].pages);
}

static int random_mem(struct choice *c)
{
	return random_below(c->rng, c->config->nr_mems);
}

static int gmem_of(struct choice *c)
{
	for (int i = 0; i < c->config->nr_mems; i++)
		if (c->config->mems[i].kind == MEM_GMEM)
			return i;
	return NO_MEM;
}

static void random_slot(struct choice *c, struct model_op *op)
{
	u64 pages, room;

	op->id = random_below(c->rng, MODEL_SLOTS);
	if (model_slot(c->m, op->id, op) && (op->gmem == NO_MEM || one_in(c, 4))) {
		op->gfn = random_below(c->rng, MODEL_GFNS);	/* move */
		op->gfn = one_in(c, 2) ? op->gfn : op->gfn / GFNS_2M * GFNS_2M;
		return;
	}
	op->mem = random_mem(c);
	pages = c->config->mems[op->mem].pages;
	op->gfn = random_below(c->rng, 3) * GFNS_2M;
	op->page = random_below(c->rng, pages / GFNS_2M) * GFNS_2M;
	if (one_in(c, 3)) {
		u64 shift = random_below(c->rng, 8);

		op->gfn += shift;
		op->page += one_in(c, 4) ? 0 : shift;
	}
	room = pages - op->page < MODEL_GFNS - op->gfn ? pages - op->page : MODEL_GFNS - op->gfn;
	op->nr = one_in(c, 2) ? room : one_in(c, 2) ? GFNS_2M + random_below(c->rng, 8) :
		 1 + random_below(c->rng, 16);
	op->nr = op->nr < room ? op->nr : room;
	op->flag = one_in(c, 8);

	op->gmem = NO_MEM;
	op->gmem_page = op->page;
	if (c->config->mems[op->mem].kind == MEM_GMEM_MMAP)
		op->gmem = op->mem;
	else if (has_private_memory(c) && !one_in(c, 4))
		op->gmem = gmem_of(c);
	if (op->gmem != op->mem && one_in(c, 2))
		op->gmem_page = random_below(c->rng, 2) * GFNS_2M;
	if (one_in(c, 16))
		op->gmem_page = HUGE_OFFSET;
}

static struct model_op random_op(struct choice *c, enum model_op_type type)
{
	struct model_op op = { .type = type, .mem = NO_MEM, .gmem = NO_MEM };

	switch (type) {
	case OP_SLOT_SET:
		random_slot(c, &op);
		break;
	case OP_SLOT_DELETE:
		op.id = random_below(c->rng, MODEL_SLOTS);
		break;
	case OP_ATTRIBUTES:
		op.gfn = one_in(c, 3) ? 0 : random_gfn(c);
		op.nr = one_in(c, 2) ? random_size(c, MODEL_GFNS - op.gfn) : MODEL_GFNS - op.gfn;
		op.flag = !one_in(c, model_of_td(c->config) ? 6 : 2);
		break;
	case OP_PREFAULT:
		op.id = random_below(c->rng, MODEL_VCPUS);
		op.gfn = random_gfn(c);
		op.nr = random_size(c, MODEL_GFNS);
		op.flag = one_in(c, 12);
		break;
	case OP_ADD:
		op.id = random_below(c->rng, MODEL_VCPUS);
		op.gfn = random_gfn(c);
		op.nr = 1 + random_below(c->rng, 3);
		op.mem = random_mem(c);
		op.page = random_page(c, op.mem);
		op.flag = one_in(c, 4);
		break;
	case OP_PUNCH:
	case OP_WRITE:
	case OP_DONTNEED:
		op.mem = random_mem(c);
		op.page = random_page(c, op.mem);
		op.nr = random_size(c, c->config->mems[op.mem].pages - op.page);
		if (c->config->mems[op.mem].kind == MEM_HUGETLB_2M && type == OP_DONTNEED) {
			op.page = op.page / GFNS_2M * GFNS_2M;
			op.nr = GFNS_2M;
		}
		break;
	case OP_CLOSE:
		op.mem = random_mem(c);
		break;
	case OP_VCPU_CREATE:
		op.id = random_below(c->rng, MODEL_VCPUS);
		break;
	case OP_FINALIZE:
	case OP_VM_RESTART:
	case OP_NR:
		break;
	}
	return op;
}

/*
 * A TD takes pages in one way before it is finalized, in the other one after
 * that; and it should live for a while.
 */
static enum model_op_type in_season(struct choice *c, enum model_op_type type)
{
	if (model_of_td(c->config) && (type == OP_FINALIZE || type == OP_VM_RESTART) && one_in(c, 2))
		type = OP_ADD;
	if (!model_of_td(c->config) || (type != OP_ADD && type != OP_PREFAULT) || one_in(c, 6))
		return type;
	return model_finalized(c->m) ? OP_PREFAULT : OP_ADD;
}

/* Without a vCPU and a slot there is not much to see. */
static enum model_op_type next_type(struct choice *c)
{
	bool any_vcpu = false, any_slot = false, any_private = false;
	struct model_op slot;

	for (int i = 0; i < MODEL_VCPUS; i++)
		any_vcpu |= model_vcpu(c->m, i);
	for (int i = 0; i < MODEL_SLOTS; i++) {
		if (!model_slot(c->m, i, &slot))
			continue;
		any_slot = true;
		any_private |= model_private(c->m, slot.gfn);
	}
	if (!any_vcpu && !model_finalized(c->m) && one_in(c, 2))
		return OP_VCPU_CREATE;
	if (!any_slot && one_in(c, 2))
		return OP_SLOT_SET;
	if (model_of_td(c->config) && any_slot && !any_private && one_in(c, 2))
		return OP_ATTRIBUTES;
	return in_season(c, random_type(c));
}

struct model_op model_random_op(const struct model *m, u64 *rng)
{
	struct choice c = { .m = m, .config = model_config(m), .rng = rng };
	struct model_op op;

	do
		op = random_op(&c, next_type(&c));
	while (!model_can(m, &op));
	return op;
}
