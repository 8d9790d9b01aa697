// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to a gpa without memslot: KVM_EXIT_MMIO, each time.  KVM keeps that there is no slot
 * in an MMIO SPTE, with the generation of the memslots; it must notice when slots have changed.
 */
#include "each_mmu.h"
#include "guest_access.h"
#include "slot.h"
#include "testcase.h"

#define AT	SZ_1G

static struct vcpu *guest(const struct test *t)
{
	struct vcpu *vcpu = vcpu_create(vm_create(t->vm_type));

	guest_access_create(vcpu);
	return vcpu;
}

/* An access that user space has to answer. */
static void expect_mmio(struct vcpu *vcpu, u64 gpa, enum access how, const char *when)
{
	expect_ok(__guest_access(vcpu, gpa, how, 0x17), "KVM_RUN, %s", when);
	expect_eq(vcpu->run->exit_reason, KVM_EXIT_MMIO, "exit of an access to gpa 0x%llx, %s", gpa,
		  when);
	expect_eq(vcpu->run->mmio.phys_addr, gpa, "its gpa, %s", when);
	expect_eq(vcpu->run->mmio.is_write, how == ACCESS_WRITE, "whether it is a write, %s", when);
	if (how == ACCESS_READ)
		vcpu->run->mmio.data[0] = 0x5a;
}

static void again(const struct test *t)
{
	struct vcpu *vcpu = guest(t);

	expect_mmio(vcpu, AT, ACCESS_READ, "at first");
	expect_mmio(vcpu, AT, ACCESS_READ, "for the second time");
	expect_mmio(vcpu, AT, ACCESS_WRITE, "for the third time");
	expect_mmio(vcpu, AT + SZ_4K, ACCESS_WRITE, "at the next page");
	/* By now the vCPU remembers that page: what KVM knows of this one is in its SPTE. */
	expect_mmio(vcpu, AT, ACCESS_READ, "after one to the next page");
	expect_mmio(vcpu, AT + SZ_4K, ACCESS_READ, "and one to this page");
}
CASES(again,
	ON_EACH_MMU("again",
		    "reads and writes of a gpa without slot: an exit each time"))

/* Another slot: the generation changes, what is known of this gpa is stale, and is made anew. */
static void other_slot(const struct test *t)
{
	struct vcpu *vcpu = guest(t);
	struct mem *mem = mem_populated(MEM_ANON, SZ_4K, NULL);

	expect_mmio(vcpu, AT, ACCESS_READ, "at first");
	slot_add(vcpu->vm, AT + SZ_2M, mem);
	expect_mmio(vcpu, AT, ACCESS_READ, "after another slot was made");
	expect_mmio(vcpu, AT, ACCESS_READ, "after that");
	expect_eq(guest_access(vcpu, AT + SZ_2M, ACCESS_READ, 0), mem->hva[0],
		  "byte that the guest reads from the other slot");
}
CASES(other_slot,
	ON_EACH_MMU("other_slot",
		    "a gpa without slot, after another slot was made: still an exit"))

/* A slot where none was: the guest reads the memory.  And an exit again when it is gone. */
static void slot_comes_and_goes(const struct test *t)
{
	struct vcpu *vcpu = guest(t);
	struct mem *mem = mem_populated(MEM_ANON, SZ_4K, NULL);
	struct slot *slot;

	mem->hva[0] = 0x77;
	expect_mmio(vcpu, AT, ACCESS_READ, "without a slot");
	slot = slot_add(vcpu->vm, AT, mem);
	expect_eq(guest_access(vcpu, AT, ACCESS_READ, 0), 0x77, "byte that the guest reads from the slot");
	slot_delete(slot);
	expect_mmio(vcpu, AT, ACCESS_READ, "after the slot was deleted");
}
CASES(slot_comes_and_goes,
	ON_EACH_MMU("slot_comes_and_goes",
		    "a slot comes and goes: memory while it is there, else an exit"))

TEST_MAIN("accesses to a gpa without memslot")
