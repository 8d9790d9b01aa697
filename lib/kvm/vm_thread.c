// SPDX-License-Identifier: GPL-2.0-only
/* Prefaults and deletions of slots in threads of their own. */
#include <stdlib.h>

#include "testcase.h"
#include "vm_thread.h"

static int run_prefault(void *arg)
{
	struct prefault *p = arg;
	int ret;

	do
		ret = __vcpu_prefault(p->vcpu, &p->range);
	while (!ret && p->range.size);
	return ret;
}

struct prefault *prefault_prepare(struct vcpu *vcpu, u64 gpa, u64 size)
{
	struct prefault *p = malloc(sizeof(*p));

	*p = (struct prefault){ .vcpu = vcpu, .range = { .gpa = gpa, .size = size } };
	p->thread = thread_prepare(run_prefault, p);
	return p;
}

struct prefault *prefault_start(struct vcpu *vcpu, u64 gpa, u64 size)
{
	struct prefault *p = prefault_prepare(vcpu, gpa, size);

	thread_go(p->thread);
	return p;
}

void prefault_end(struct prefault *p)
{
	int ret = thread_join(p->thread, "KVM_PRE_FAULT_MEMORY");

	expect_ok(ret, "KVM_PRE_FAULT_MEMORY at gpa 0x%llx, 0x%llx bytes left", p->range.gpa,
		  p->range.size);
}

static int delete_slot(void *slot)
{
	return __slot_delete(slot);
}

struct thread *slot_delete_start(struct slot *slot)
{
	return thread_start(delete_slot, slot);
}
