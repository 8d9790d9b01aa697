// SPDX-License-Identifier: GPL-2.0-only
/* A VM, a vCPU, a slot and an observer: what most cases begin with. */
#include <stdlib.h>

#include "fixture.h"

struct fixture fixture_part(const struct test *t, u64 gpa, struct mem *mem,
			    u64 offset, u64 size, u32 flags)
{
	struct fixture f = { .vm = vm_create(t->vm_type), .mem = mem };

	f.vcpu = vcpu_create(f.vm);
	f.slot = slot_add_part(f.vm, gpa, mem, offset, size, flags);
	f.o = observe(f.vm, t->observes);
	return f;
}

struct fixture fixture_mem(const struct test *t, struct mem *mem)
{
	return fixture_part(t, GPA, mem, 0, mem->size, 0);
}

struct fixture fixture(const struct test *t, enum mem_kind kind, size_t size)
{
	return fixture_mem(t, mem_populated(kind, size, NULL));
}

struct fixture fixture_gmem(const struct test *t, size_t size)
{
	struct fixture f = { .vm = vm_create(t->vm_type) };

	f.vcpu = vcpu_create(f.vm);
	if (t->vm_type == KVM_X86_DEFAULT_VM) {
		f.mem = mem_create(MEM_GMEM_MMAP, size, f.vm);
		f.slot = slot_add(f.vm, GPA, f.mem);
	} else {
		f.mem = mem_populated(MEM_ANON, size, NULL);
		f.slot = slot_add_gmem(f.vm, GPA, f.mem, mem_create(MEM_GMEM, size, f.vm));
		vm_set_private(f.vm, GPA, size);
	}
	f.o = observe(f.vm, t->observes);
	return f;
}

void *hva_of(const struct fixture *f, u64 gpa)
{
	return f->mem->hva + f->slot->offset + (gpa - f->slot->gpa);
}

void expect_range_mapped_(const char *file, int line, struct fixture *f, u64 gpa,
			  u64 size, int level)
{
	observer_sync(f->o);
	for (u64 at = gpa; at < gpa + size; at += LEVEL_SIZE(level))
		expect_mapping_(file, line, observer_known(f->o, at >> 12), at >> 12, level,
				pfn_of(hva_of(f, at)));
}
