// SPDX-License-Identifier: GPL-2.0-only
/* The operations of the model, done by KVM. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "model/model_vm.h"
#include "mrtd.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "testcase.h"

static void open_vm(struct model_vm *v)
{
	/* The TD of the sequence before may still be on its way out. */
	if (model_of_td(v->config) && softtdx_present())
		expect_eq(softtdx_settled(&(struct softtdx_state){ 0 }).tds, 0,
			  "TDs left after the one before was closed");
	v->vm = model_of_td(v->config) ? td_create() : vm_create(v->config->vm_type);
	v->mrtd = mrtd_new();
	for (int i = 0; i < v->config->nr_mems; i++)
		if (model_mem_is_gmem(v->config, i))
			v->mems[i] = mem_create(v->config->mems[i].kind,
						v->config->mems[i].pages * SZ_4K, v->vm);
	memset(v->pfns, 0xff, sizeof(v->pfns));
	observer_follow(v->o, v->vm);
	v->nr_events = 0;
}

static void close_vm(struct model_vm *v)
{
	for (int i = 0; i < MODEL_VCPUS; i++)
		if (v->vcpus[i])
			vcpu_close(v->vcpus[i]);
	memset(v->vcpus, 0, sizeof(v->vcpus));
	for (int i = 0; i < v->config->nr_mems; i++) {
		if (!model_mem_is_gmem(v->config, i))
			continue;
		if (v->mems[i]->hva)
			munmap(v->mems[i]->hva, v->mems[i]->size);
		if (v->mems[i]->fd >= 0)
			close(v->mems[i]->fd);
	}
	vm_close(v->vm);
}

struct model_vm *model_vm_new(const struct model_config *config, struct observer *o,
			      struct model_report *report, unsigned int limit)
{
	struct model_vm *v = calloc(1, sizeof(*v));

	v->config = config;
	v->model = model_new(config);
	v->o = o;
	v->report = report;
	v->limit = limit;
	for (int i = 0; i < config->nr_mems; i++)
		if (!model_mem_is_gmem(v->config, i))
			v->mems[i] = mem_create(config->mems[i].kind,
						config->mems[i].pages * SZ_4K, NULL);
	open_vm(v);
	return v;
}

static int slot_op(struct model_vm *v, const struct model_op *op)
{
	struct slot slot = { .vm = v->vm, .id = op->id };

	if (op->type == OP_SLOT_SET) {
		slot.flags = op->flag ? KVM_MEM_READONLY : 0;
		slot.gpa = GPA + op->gfn * SZ_4K;
		slot.size = op->nr * SZ_4K;
		slot.mem = v->mems[op->mem];
		slot.offset = op->page * SZ_4K;
	}
	if (op->type == OP_SLOT_SET && op->gmem != NO_MEM) {
		slot.flags |= KVM_MEM_GUEST_MEMFD;
		slot.gmem = v->mems[op->gmem];
		slot.gmem_offset = op->gmem_page * SZ_4K;
	}
	return __slot_set(&slot);
}

static int prefault_op(struct model_vm *v, const struct model_op *op, u64 *left)
{
	struct kvm_pre_fault_memory range = {
		.gpa = (GPA + op->gfn * SZ_4K) | (op->flag ? TD_SHARED_BIT : 0),
		.size = op->nr * SZ_4K,
	};
	int ret = __vcpu_prefault(v->vcpus[op->id], &range);

	/* gpa and size go together. */
	*left = range.gpa + range.size ==
		((GPA + (op->gfn + op->nr) * SZ_4K) | (op->flag ? TD_SHARED_BIT : 0)) ?
		range.size / SZ_4K : UINT64_MAX;
	return ret;
}

static int add_op(struct model_vm *v, const struct model_op *op, u64 *left)
{
	u8 *source = v->mems[op->mem]->hva + op->page * SZ_4K;
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)source, .gpa = GPA + op->gfn * SZ_4K,
		.nr_pages = op->nr,
	};
	int ret = __td_add(v->vcpus[op->id], &region, op->flag ? KVM_TDX_MEASURE_MEMORY_REGION : 0);
	int error = errno;
	u64 done = op->nr - region.nr_pages;

	*left = region.gpa == GPA + (op->gfn + done) * SZ_4K &&
		region.source_addr == (uintptr_t)source + done * SZ_4K ?
		region.nr_pages : UINT64_MAX;
	for (u64 i = 0; i < done && i < op->nr; i++)
		mrtd_add_page(v->mrtd, GPA + (op->gfn + i) * SZ_4K, source + i * SZ_4K, op->flag);
	errno = error;
	return ret;
}

static int vcpu_op(struct model_vm *v, const struct model_op *op)
{
	struct vcpu *vcpu = __vcpu_create(v->vm, op->id);

	if (!vcpu)
		return -1;
	if (model_of_td(v->config)) {
		td_vcpu_set_cpuid(vcpu);
		expect_ok(__td_vcpu_init(vcpu, 0), "KVM_TDX_INIT_VCPU of vCPU %d", op->id);
	}
	v->vcpus[op->id] = vcpu;
	return 0;
}

struct model_result model_vm_do(struct model_vm *v, const struct model_op *op)
{
	struct mem *mem = op->mem == NO_MEM ? NULL : v->mems[op->mem];
	struct model_result r = { 0 };
	int ret = 0;

	switch (op->type) {
	case OP_SLOT_SET:
	case OP_SLOT_DELETE:
		ret = slot_op(v, op);
		break;
	case OP_ATTRIBUTES:
		ret = __vm_set_attributes(v->vm, GPA + op->gfn * SZ_4K, op->nr * SZ_4K,
					  op->flag ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0);
		break;
	case OP_PREFAULT:
		ret = prefault_op(v, op, &r.left);
		break;
	case OP_ADD:
		ret = add_op(v, op, &r.left);
		break;
	case OP_FINALIZE:
		ret = __td_finalize(v->vm, NULL);
		break;
	case OP_PUNCH:
		mem_punch_hole(mem, op->page * SZ_4K, op->nr * SZ_4K);
		break;
	case OP_WRITE:
		mem_touch(mem->hva + op->page * SZ_4K, op->nr * SZ_4K);
		break;
	case OP_DONTNEED:
		must(!madvise(mem->hva + op->page * SZ_4K, op->nr * SZ_4K, MADV_DONTNEED),
		     "MADV_DONTNEED");
		break;
	case OP_CLOSE:
		close(mem->fd);
		mem->fd = -1;
		break;
	case OP_VCPU_CREATE:
		ret = vcpu_op(v, op);
		break;
	case OP_VM_RESTART:
		close_vm(v);
		open_vm(v);
		break;
	case OP_NR:
		break;
	}
	r.error = ret < 0 ? errno : 0;
	return r;
}
