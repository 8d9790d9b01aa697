// SPDX-License-Identifier: GPL-2.0-only
/* A change of memory attributes that is held in the middle. */
#include <errno.h>
#include <stdlib.h>

#include "attr_change.h"
#include "hold.h"
#include "thread.h"
#include "vm.h"

struct attr_change {
	struct vm *vm;
	u64 gpa, size;
	struct hold *hold, *faults;
	struct thread *thread;
};

static int set_private(void *arg)
{
	struct attr_change *c = arg;

	return __vm_set_attributes(c->vm, c->gpa, c->size, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

struct attr_change *attr_change_begin(struct vm *vm, u64 gpa, u64 size)
{
	struct attr_change *c = malloc(sizeof(*c));

	*c = (struct attr_change){ .vm = vm, .gpa = gpa, .size = size };
	c->faults = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_COUNT);
	c->hold = hold_arm(.function = "kvm_arch_pre_set_memory_attributes", .at = HOLD_RETURN,
			   .until = c->faults);
	c->thread = thread_start(set_private, c);
	hold_await(c->hold);
	return c;
}

pid_t attr_change_tid(const struct attr_change *c)
{
	return thread_tid(c->thread);
}

int attr_change_end(struct attr_change *c)
{
	int ret, error;

	if (!hold_calls(c->faults))
		hold_release(c->hold);
	ret = thread_join(c->thread, "KVM_SET_MEMORY_ATTRIBUTES");
	error = errno;
	hold_end(c->hold);
	hold_end(c->faults);
	free(c);
	errno = error;
	return ret;
}
