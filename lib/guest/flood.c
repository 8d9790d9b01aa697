// SPDX-License-Identifier: GPL-2.0-only
/* Guests that use pages at random, and the threads of their vCPUs. */
#include "flood.h"
#include "thread.h"

#define PAGE(n)		(GPA + (n) * SZ_4K)
#define PATTERN(page)	(0x1000000 + (page))

/*
 * A page holds what was written, or zero where the host dropped it in between, and
 * never anything else.
 */
static GUEST void floods(u64 seed)
{
	u64 accesses = 0, wrong = 0;

	while (!READ_GUEST(guest_shared(FLOOD_STOP_GPA))) {
		u64 page, seen;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		page = (seed >> 33) % FLOOD_PAGES;
		if (seed >> 62)
			WRITE_GUEST(PAGE(page), PATTERN(page));
		seen = READ_GUEST(PAGE(page));
		wrong += seen && seen != PATTERN(page);
		accesses++;
	}
	guest_report(accesses);
	guest_report(wrong);
}

/* Run to the next value; what the host made shared is made private again. */
static u64 next_value(struct flooder *f)
{
	struct kvm_run *run = f->vcpu->run;

	for (;;) {
		int ret = __guest_run(f->vcpu);

		if (ret && errno == EINTR)
			continue;
		if (ret && errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
			struct kvm_run_memory_fault fault = vcpu_memory_fault(f->vcpu);

			f->memory_faults++;
			vm_set_private(f->vcpu->vm, fault.gpa, fault.size);
			continue;
		}
		return guest_value_of(f->vcpu, ret);
	}
}

static int run(void *arg)
{
	struct flooder *f = arg;

	f->accesses = next_value(f);
	f->wrong = next_value(f);
	return 0;
}

void flood_create(struct flood *f, const struct test *t)
{
	guest_on_ve = accept_on_ve;
	*f = (struct flood){ .p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { floods, floods }, .arg = { t->seed, t->seed + 1 }, .size = FLOOD_SIZE,
		.ve = t->vm_type == KVM_X86_TDX_VM }) };
}

void flood_start(struct flood *f)
{
	for (int i = 0; i < GUEST_VM_VCPUS; i++) {
		f->f[i].vcpu = f->p.vcpu[i];
		f->f[i].thread = thread_start(run, &f->f[i]);
	}
}

void flood_stop(struct flood *f)
{
	u64 accesses = 0;

	*(volatile u64 *)(f->p.slot->mem->hva + (FLOOD_STOP_GPA - GPA)) = 1;
	for (int i = 0; i < GUEST_VM_VCPUS; i++) {
		thread_join(f->f[i].thread, "a guest that was told to stop");
		expect_true(f->f[i].accesses > 100, "vCPU %d makes progress (%llu accesses)", i,
			    f->f[i].accesses);
		expect_eq(f->f[i].wrong, 0, "pages with a content that nobody wrote, vCPU %d", i);
		accesses += f->f[i].accesses;
	}
	measure("accesses", accesses);
}
