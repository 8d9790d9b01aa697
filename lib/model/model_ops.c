// SPDX-License-Identifier: GPL-2.0-only
/* The operations of the model: what the ABI says of each, and which can be done. */
#include <errno.h>

#include "model/model_state.h"

static int slot_delete_op(struct model *m, struct model_slot *s)
{
	if (!s->used)
		return EINVAL;
	/* A default VM drops all roots (KVM_X86_QUIRK_SLOT_ZAP_ALL). */
	if (m->config.vm_type == KVM_X86_DEFAULT_VM)
		model_zap(m, 0, MODEL_GFNS, ZAP_ALL);
	else
		model_zap(m, s->gfn, s->nr, ZAP_ALL);
	s->used = false;
	return 0;
}

static bool gfns_taken(const struct model *m, int id, u64 gfn, u64 nr)
{
	u64 first;

	for (int i = 0; i < MODEL_SLOTS; i++)
		if (i != id && m->slots[i].used &&
		    model_overlap(gfn, nr, m->slots[i].gfn, m->slots[i].nr, &first))
			return true;
	return false;
}

static bool gmem_taken(const struct model *m, int gmem, u64 page, u64 nr)
{
	u64 first;

	for (int i = 0; i < MODEL_SLOTS; i++)
		if (m->slots[i].used && m->slots[i].gmem == gmem &&
		    model_overlap(page, nr, m->slots[i].gmem_page, m->slots[i].nr, &first))
			return true;
	return false;
}

static int bind_range(const struct model *m, const struct model_op *op)
{
	return op->gmem_page > m->config.mems[op->gmem].pages ||
	       op->gmem_page + op->nr > m->config.mems[op->gmem].pages ? EINVAL : 0;
}

static int bind_gmem(const struct model *m, const struct model_op *op)
{
	if (m->mems[op->gmem].closed)
		return EBADF;
	if (bind_range(m, op))
		return EINVAL;
	return gmem_taken(m, op->gmem, op->gmem_page, op->nr) ? m->config.gmem_taken_error : 0;
}

/* An existing slot: it may move; nothing else of it may change. */
static int slot_modify(struct model *m, struct model_slot *s, const struct model_op *op)
{
	u64 gfn = op->gfn;

	if (op->gmem != NO_MEM || s->gmem != NO_MEM || op->mem != s->mem ||
	    op->page != s->page || op->nr != s->nr || op->flag != s->read_only)
		return EINVAL;
	if (gfn == s->gfn)
		return 0;
	if (gfns_taken(m, op->id, gfn, op->nr))
		return EEXIST;
	slot_delete_op(m, s);
	s->used = true;
	s->gfn = gfn;
	return 0;
}

static int slot_set(struct model *m, const struct model_op *op)
{
	struct model_slot *s = &m->slots[op->id];
	int error = 0;

	if (op->flag && (op->gmem != NO_MEM || is_td(m)))
		return EINVAL;
	if (s->used)
		return slot_modify(m, s, op);
	if (gfns_taken(m, op->id, op->gfn, op->nr))
		return EEXIST;
	if (op->gmem != NO_MEM)
		error = bind_gmem(m, op);
	if (!error)
		*s = (struct model_slot){
			.used = true, .read_only = op->flag, .mem = op->mem, .page = op->page,
			.gmem = op->gmem, .gmem_page = op->gmem_page, .gfn = op->gfn,
			.nr = op->nr,
		};
	return error;
}

static int attributes(struct model *m, const struct model_op *op)
{
	bool changes = false;

	if (!has_private_memory(m))
		return op->flag ? EINVAL : 0;
	for (u64 i = op->gfn; i < op->gfn + op->nr; i++)
		changes |= m->private[i] != op->flag;
	if (!changes)
		return 0;
	/* Gfns that had the attribute already are zapped, too. */
	model_zap(m, op->gfn, op->nr, op->flag ? ZAP_SHARED : ZAP_PRIVATE);
	for (u64 i = op->gfn; i < op->gfn + op->nr; i++)
		m->private[i] = op->flag;
	return 0;
}

static struct model_result prefault_op(struct model *m, const struct model_op *op)
{
	struct model_result r = { .left = op->nr };

	if (is_td(m) && !m->finalized)
		r.error = EOPNOTSUPP;
	else if (op->flag)
		r.error = EINVAL;
	for (u64 gfn = op->gfn; !r.error && r.left; gfn++) {
		r.error = model_fault(m, gfn);
		r.left -= !r.error;
	}
	/* A part is a success. */
	if (r.left < op->nr)
		r.error = 0;
	return r;
}

static int add_page(struct model *m, u64 gfn)
{
	struct model_slot *s = model_slot_of(m, gfn);
	enum page_state *page;

	if (!s || s->gmem == NO_MEM)
		return EINVAL;
	if (m->mems[s->gmem].closed)
		return EFAULT;
	page = &m->mems[s->gmem].pages[s->gmem_page + (gfn - s->gfn)];
	if (m->config.added_once && *page == PAGE_ADDED)
		return EEXIST;
	if (!model_gfn_is_private(m, gfn)) {
		*page = *page == PAGE_ABSENT ? PAGE_READ : *page;
		return EINVAL;
	}
	if (m->leaves[gfn].level != LEVEL_NONE)
		return EIO;
	model_map_gmem(m, s, gfn);
	*page = PAGE_ADDED;
	return 0;
}

static struct model_result add(struct model *m, const struct model_op *op)
{
	struct model_result r = { .left = op->nr };

	if (m->finalized)
		r.error = EINVAL;
	for (u64 gfn = op->gfn; !r.error && r.left; gfn++) {
		r.error = add_page(m, gfn);
		r.left -= !r.error;
	}
	return r;
}

static int finalize(struct model *m)
{
	if (m->finalized)
		return EINVAL;
	m->finalized = true;
	return 0;
}

static void punch(struct model *m, const struct model_op *op)
{
	model_zap_pages(m, op->mem, op->page, op->nr, is_gmem(m, op->mem));
	model_set_pages(m, op->mem, op->page, op->nr, PAGE_ABSENT);
}

static void write_pages(struct model *m, const struct model_op *op)
{
	for (u64 page = op->page; page < op->page + op->nr; page++) {
		/* A page of its own takes the place of the zero page. */
		if (kind_of(m, op->mem) == MEM_ANON &&
		    m->mems[op->mem].pages[page] == PAGE_READ)
			model_zap_pages(m, op->mem, page, 1, false);
		model_set_pages(m, op->mem, page, 1, PAGE_WRITTEN);
	}
}

static void dontneed(struct model *m, const struct model_op *op)
{
	bool anonymous = kind_of(m, op->mem) == MEM_ANON ||
			 kind_of(m, op->mem) == MEM_HUGETLB_2M;

	model_zap_pages(m, op->mem, op->page, op->nr, false);
	/* What a file has stays there, no longer mapped by the host. */
	for (u64 page = op->page; page < op->page + op->nr; page++)
		if (anonymous)
			m->mems[op->mem].pages[page] = PAGE_ABSENT;
		else if (m->mems[op->mem].pages[page] == PAGE_WRITTEN)
			m->mems[op->mem].pages[page] = PAGE_READ;
}

static void close_gmem(struct model *m, int mem)
{
	model_zap_pages(m, mem, 0, m->config.mems[mem].pages, true);
	model_set_pages(m, mem, 0, m->config.mems[mem].pages, PAGE_ABSENT);
	m->mems[mem].closed = true;
}

static int nr_vcpus(const struct model *m)
{
	int nr = 0;

	for (int i = 0; i < MODEL_VCPUS; i++)
		nr += m->vcpus[i];
	return nr;
}

static int vcpu_create_op(struct model *m, int id)
{
	if (nr_vcpus(m) >= m->config.max_vcpus)
		return EINVAL;
	if (m->vcpus[id] && m->config.taken_vcpu_first)
		return EEXIST;
	if (m->finalized)
		return EIO;
	if (m->vcpus[id])
		return EEXIST;
	m->vcpus[id] = true;
	return 0;
}

static void vm_restart(struct model *m)
{
	struct model *fresh = model_new(&m->config);

	/* guest_memfd goes with its VM, the other memory is ours. */
	for (int i = 0; i < m->config.nr_mems; i++)
		if (!is_gmem(m, i))
			fresh->mems[i] = m->mems[i];
	*m = *fresh;
	model_free(fresh);
}

struct model_result model_do(struct model *m, const struct model_op *op)
{
	struct model_result r = { 0 };

	switch (op->type) {
	case OP_SLOT_SET:
		r.error = slot_set(m, op);
		break;
	case OP_SLOT_DELETE:
		r.error = slot_delete_op(m, &m->slots[op->id]);
		break;
	case OP_ATTRIBUTES:
		r.error = attributes(m, op);
		break;
	case OP_PREFAULT:
		r = prefault_op(m, op);
		break;
	case OP_ADD:
		r = add(m, op);
		break;
	case OP_FINALIZE:
		r.error = finalize(m);
		break;
	case OP_PUNCH:
		punch(m, op);
		break;
	case OP_WRITE:
		write_pages(m, op);
		break;
	case OP_DONTNEED:
		dontneed(m, op);
		break;
	case OP_CLOSE:
		close_gmem(m, op->mem);
		break;
	case OP_VCPU_CREATE:
		r.error = vcpu_create_op(m, op->id);
		break;
	case OP_VM_RESTART:
		vm_restart(m);
		break;
	case OP_NR:
		break;
	}
	return r;
}

static bool gfns_fit(const struct model_op *op)
{
	return op->nr && op->gfn + op->nr <= MODEL_GFNS;
}

static bool pages_fit(const struct model *m, const struct model_op *op)
{
	return op->mem != NO_MEM && op->mem < m->config.nr_mems && op->nr &&
	       op->page + op->nr <= m->config.mems[op->mem].pages;
}

/* A guest_memfd that the host can map stands for both halves, or for none. */
static bool halves_fit(const struct model *m, const struct model_op *op)
{
	if (kind_of(m, op->mem) != MEM_GMEM_MMAP)
		return op->gmem == NO_MEM || kind_of(m, op->gmem) == MEM_GMEM;
	return op->gmem == op->mem &&
	       (op->page == op->gmem_page || bind_range(m, op) == EINVAL);
}

static bool goes_wrong(const struct model *m, const struct model_op *op)
{
	const struct model_slot *s = &m->slots[op->id];

	return (m->config.no_huge_offsets && op->gmem_page == HUGE_OFFSET) ||
	       (m->config.no_gmem_loss && s->used && s->gmem != NO_MEM && op->gmem == NO_MEM);
}

bool model_can(const struct model *m, const struct model_op *op)
{
	bool mapped_by_host = op->mem != NO_MEM && kind_of(m, op->mem) != MEM_GMEM;

	switch (op->type) {
	case OP_SLOT_SET:
		return gfns_fit(op) && pages_fit(m, op) && mapped_by_host &&
		       halves_fit(m, op) && !goes_wrong(m, op);
	case OP_ATTRIBUTES:
		return gfns_fit(op);
	case OP_PREFAULT:
		return op->nr && m->vcpus[op->id] && (is_td(m) || !op->flag);
	case OP_ADD:
		return is_td(m) && m->vcpus[op->id] && pages_fit(m, op) && mapped_by_host;
	case OP_FINALIZE:
		return is_td(m) && nr_vcpus(m);
	case OP_PUNCH:
		return pages_fit(m, op) && !m->mems[op->mem].closed &&
		       (is_gmem(m, op->mem) || kind_of(m, op->mem) == MEM_MEMFD);
	case OP_WRITE:
		return pages_fit(m, op) && mapped_by_host;
	case OP_DONTNEED:
		return pages_fit(m, op) && mapped_by_host &&
		       (kind_of(m, op->mem) != MEM_HUGETLB_2M ||
			(op->page % GFNS_2M == 0 && op->nr % GFNS_2M == 0));
	case OP_CLOSE:
		return kind_of(m, op->mem) == MEM_GMEM && !m->mems[op->mem].closed;
	case OP_SLOT_DELETE:
	case OP_VCPU_CREATE:
	case OP_VM_RESTART:
		return true;
	case OP_NR:
		break;
	}
	return false;
}
