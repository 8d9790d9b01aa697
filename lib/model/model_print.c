// SPDX-License-Identifier: GPL-2.0-only
/* Operations of the model as C, for a case that reproduces what they did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_uapi.h"
#include "model/mapping_model.h"
#include "testcase.h"

#define BYTES(pages)	((pages) << 12)

static const char *const kind_names[MEM_NR] = {
	[MEM_ANON] = "MEM_ANON", [MEM_THP] = "MEM_THP", [MEM_HUGETLB_2M] = "MEM_HUGETLB_2M",
	[MEM_HUGETLB_1G] = "MEM_HUGETLB_1G", [MEM_MEMFD] = "MEM_MEMFD",
	[MEM_FILE] = "MEM_FILE", [MEM_GMEM] = "MEM_GMEM", [MEM_GMEM_MMAP] = "MEM_GMEM_MMAP",
};

/* "expect_errno(CALL, EEXIST, "WHAT");" */
static char *expectation(const char *call, int error, const char *what)
{
	if (!error)
		return strf("expect_ok(%s, \"%s\");", call, what);
	return strf("expect_errno(%s, %s, \"%s\");", call, strerrorname_np(error), what);
}

static char *gpa(u64 gfn)
{
	return gfn ? strf("GPA + 0x%llx", BYTES(gfn)) : strf("GPA");
}

static char *slot_text(const struct model_op *op, struct model_result r)
{
	const char *gmem = "", *flags = op->flag ? "KVM_MEM_READONLY" : "0";

	if (op->gmem != NO_MEM) {
		gmem = strf(", .gmem = mem[%d],\n\t\t.gmem_offset = 0x%llx", op->gmem,
			    BYTES(op->gmem_page));
		flags = op->flag ? "KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY" :
				   "KVM_MEM_GUEST_MEMFD";
	}
	return expectation(strf("__slot_set(&(struct slot){ .vm = vm, .id = %d, .flags = %s,\n"
				"\t\t.gpa = %s, .size = 0x%llx, .mem = mem[%d], .offset = 0x%llx%s })",
				op->id, flags, gpa(op->gfn), BYTES(op->nr), op->mem,
				BYTES(op->page), gmem),
			   r.error, strf("slot %d", op->id));
}

static char *prefault_text(const struct model_op *op, struct model_result r)
{
	return strf("range = (struct kvm_pre_fault_memory){ .gpa = %s%s, .size = 0x%llx };\n"
		    "\t%s\n\texpect_eq(range.size, 0x%llx, \"bytes left\");",
		    gpa(op->gfn), op->flag ? " + TD_SHARED_BIT" : "", BYTES(op->nr),
		    expectation(strf("__vcpu_prefault(vcpu[%d], &range)", op->id), r.error,
				"KVM_PRE_FAULT_MEMORY"),
		    BYTES(r.left));
}

static char *add_text(const struct model_op *op, struct model_result r)
{
	return strf("region = (struct kvm_tdx_init_mem_region){ .gpa = %s, .nr_pages = %llu,\n"
		    "\t\t.source_addr = (uintptr_t)mem[%d]->hva + 0x%llx };\n"
		    "\t%s\n\texpect_eq(region.nr_pages, %llu, \"pages left\");",
		    gpa(op->gfn), op->nr, op->mem, BYTES(op->page),
		    expectation(strf("__td_add(vcpu[%d], &region, %s)", op->id,
				     op->flag ? "KVM_TDX_MEASURE_MEMORY_REGION" : "0"),
				r.error, "KVM_TDX_INIT_MEM_REGION"),
		    r.left);
}

static char *vm_text(const struct model_config *config, const char *indent)
{
	const char *create = config->vm_type == KVM_X86_TDX_VM ? "td_create()" :
		config->vm_type == KVM_X86_SW_PROTECTED_VM ? "vm_create(KVM_X86_SW_PROTECTED_VM)" :
		"vm_create(KVM_X86_DEFAULT_VM)";
	char *text = strf("vm = %s;\n", create);

	for (int i = 0; i < config->nr_mems; i++)
		if (model_mem_is_gmem(config, i))
			text = strf("%s%smem[%d] = mem_create(%s, 0x%llx, vm);\n", text, indent,
				    i, kind_names[config->mems[i].kind],
				    BYTES(config->mems[i].pages));
	return text;
}

static char *restart_text(const struct model_config *config)
{
	char *text = strf("for (int i = 0; i < %d; i++) {\n\t\tif (vcpu[i])\n"
			  "\t\t\tvcpu_close(vcpu[i]);\n\t\tvcpu[i] = NULL;\n\t}\n\t",
			  MODEL_VCPUS);

	for (int i = 0; i < config->nr_mems; i++) {
		if (!model_mem_is_gmem(config, i))
			continue;
		if (config->mems[i].kind == MEM_GMEM_MMAP)
			text = strf("%smunmap(mem[%d]->hva, mem[%d]->size);\n\t", text, i, i);
		text = strf("%sclose(mem[%d]->fd);\n\t", text, i);
	}
	return strf("%svm_close(vm);\n\t%s\tobserver_follow(o, vm);", text,
		    vm_text(config, "\t"));
}

static char *vcpu_text(const struct model_config *config, const struct model_op *op,
		       struct model_result r)
{
	const char *init = config->vm_type == KVM_X86_TDX_VM ?
		strf("\n\ttd_vcpu_set_cpuid(vcpu[%d]);\n\t"
		     "expect_ok(__td_vcpu_init(vcpu[%d], 0), \"KVM_TDX_INIT_VCPU\");",
		     op->id, op->id) : "";

	if (r.error)
		return expectation(strf("ioctl(vm->fd, KVM_CREATE_VCPU, %d)", op->id), r.error,
				   "KVM_CREATE_VCPU");
	return strf("vcpu[%d] = __vcpu_create(vm, %d);%s", op->id, op->id, init);
}

char *model_op_text(const struct model_config *config, const struct model_op *op,
		    struct model_result r)
{
	switch (op->type) {
	case OP_SLOT_SET:
		return slot_text(op, r);
	case OP_SLOT_DELETE:
		return expectation(strf("__slot_set(&(struct slot){ .vm = vm, .id = %d })", op->id),
				   r.error, strf("deletion of slot %d", op->id));
	case OP_ATTRIBUTES:
		return expectation(strf("__vm_set_attributes(vm, %s, 0x%llx, %s)", gpa(op->gfn),
					BYTES(op->nr), op->flag ?
					"KVM_MEMORY_ATTRIBUTE_PRIVATE" : "0"),
				   r.error, "KVM_SET_MEMORY_ATTRIBUTES");
	case OP_PREFAULT:
		return prefault_text(op, r);
	case OP_ADD:
		return add_text(op, r);
	case OP_FINALIZE:
		return expectation("__td_finalize(vm, NULL)", r.error, "KVM_TDX_FINALIZE_VM");
	case OP_PUNCH:
		return strf("mem_punch_hole(mem[%d], 0x%llx, 0x%llx);", op->mem,
			    BYTES(op->page), BYTES(op->nr));
	case OP_WRITE:
		return strf("mem_touch(mem[%d]->hva + 0x%llx, 0x%llx);", op->mem,
			    BYTES(op->page), BYTES(op->nr));
	case OP_DONTNEED:
		return strf("must(!madvise(mem[%d]->hva + 0x%llx, 0x%llx, MADV_DONTNEED), \"MADV_DONTNEED\");", op->mem, BYTES(op->page), BYTES(op->nr));
	case OP_CLOSE:
		return strf("close(mem[%d]->fd);\n\tmem[%d]->fd = -1;", op->mem, op->mem);
	case OP_VCPU_CREATE:
		return vcpu_text(config, op, r);
	case OP_VM_RESTART:
		return restart_text(config);
	case OP_NR:
		break;
	}
	return NULL;
}

static const char *vm_types_text(const struct model_config *config)
{
	if (model_of_td(config))
		return "VM_TDX";
	return config->vm_type == KVM_X86_DEFAULT_VM ? "VM_DEFAULT" : "VM_SW_PROTECTED";
}

char *model_snippet(const struct model_config *config, const struct model_op *ops, size_t nr,
		    const char *last)
{
	struct model *m = model_new(config);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "CASE(reproduce, \"\", .vm_types = %s, .observes = OBSERVE(EV_SPTE))\n{\n"
		     "\tstruct kvm_tdx_init_mem_region region = { 0 };\n"
		     "\tstruct kvm_pre_fault_memory range = { 0 };\n"
		     "\tstruct vcpu *vcpu[%d] = { 0 };\n"
		     "\tstruct mem *mem[%d] = { 0 };\n"
		     "\tstruct observer *o;\n\tstruct vm *vm;\n\n",
		vm_types_text(config), MODEL_VCPUS, MODEL_MEMS);
	fprintf(out, "\t%s", vm_text(config, "\t"));
	for (int i = 0; i < config->nr_mems; i++)
		if (!model_mem_is_gmem(config, i))
			fprintf(out, "\tmem[%d] = mem_create(%s, 0x%llx, NULL);\n", i,
				kind_names[config->mems[i].kind], BYTES(config->mems[i].pages));
	fprintf(out, "\to = observe(vm, t->observes);\n\n");
	for (size_t i = 0; i < nr; i++)
		if (model_can(m, &ops[i]))
			fprintf(out, "\t%s\n", model_op_text(config, &ops[i], model_do(m, &ops[i])));
	if (*last)
		fprintf(out, "\t%s\n", last);
	fprintf(out, "\t(void)o, (void)vcpu, (void)mem, (void)range, (void)region;\n}\n");
	fclose(out);
	model_free(m);
	return text;
}
