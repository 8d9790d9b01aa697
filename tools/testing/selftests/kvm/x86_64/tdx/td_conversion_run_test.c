// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest converts its memory by MapGPA (GHCI): KVM forwards the request in pieces of 2M
 * (KVM_EXIT_HYPERCALL), user space changes the attributes.  An access that does not match
 * the attribute is a KVM_EXIT_MEMORY_FAULT.  No data crosses from one half to the other.
 */
#include <linux/kvm_para.h>
#include <string.h>

#include "kernel.h"
#include "guest_vm.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define TO_HOST		0x11111111
#define TO_GUEST	0x22222222
#define SECRET		0x33333333

static struct guest_vm scene(const struct test *t, bool ve)
{
	struct guest_vm p;

	guest_on_ve = ve ? accept_on_ve : NULL;
	p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop }, .size = SLOT_SIZE, .ve = ve });
	vm_enable_cap(p.vm, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	return p;
}

static volatile u64 *shared_word(const struct guest_vm *p, u64 gpa)
{
	return (volatile u64 *)(p->slot->mem->hva + (gpa - GPA));
}

/* The guest's request as user space sees it. */
static void expect_request(struct vcpu *vcpu, u64 gpa, u64 pages, bool private)
{
	struct kvm_run *run = vcpu->run;

	expect_ok(__guest_run(vcpu), "KVM_RUN");
	expect_eq(run->exit_reason, KVM_EXIT_HYPERCALL, "exit reason");
	expect_eq(run->hypercall.nr, KVM_HC_MAP_GPA_RANGE, "hypercall");
	expect_eq(run->hypercall.args[0], gpa, "gpa, without the shared bit");
	expect_eq(run->hypercall.args[1], pages, "pages");
	expect_eq(run->hypercall.args[2], private ? KVM_MAP_GPA_RANGE_ENCRYPTED : 0, "attributes");
}

static void convert(struct guest_vm *p, u64 gpa, u64 pages, bool private)
{
	guest_cmd_queue(p->vcpu[0], private ? CMD_MAP_PRIVATE : CMD_MAP_SHARED, gpa, pages);
	expect_request(p->vcpu[0], gpa, pages, private);
	if (private)
		vm_set_private(p->vm, gpa, pages * SZ_4K);
	else
		vm_set_shared(p->vm, gpa, pages * SZ_4K);
	p->vcpu[0]->run->hypercall.ret = 0;
	expect_eq(guest_wait_value(p->vcpu[0]), VMCALL_SUCCESS, "R10 of MapGPA");
}

CASE(to_shared, "MapGPA to shared: data both ways, not the private content",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, SECRET);
	*shared_word(&p, GPA) = TO_GUEST;
	convert(&p, GPA, 1, false);
	expect_sept_free(p.vm, GPA);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ_SHARED, GPA, 0), TO_GUEST, "what the guest reads");
	guest_cmd(p.vcpu[0], CMD_WRITE_SHARED, GPA, TO_HOST);
	expect_eq(*shared_word(&p, GPA), TO_HOST, "what the host reads");
}

CASE(to_private, "MapGPA to private: zero after accept; the host's page keeps its content",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	vm_set_shared(p.vm, GPA, SZ_4K);
	guest_cmd(p.vcpu[0], CMD_WRITE_SHARED, GPA, TO_HOST);
	convert(&p, GPA, 1, true);
	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, SECRET);
	expect_eq(*shared_word(&p, GPA), TO_HOST, "what the host reads");
	expect_sept(p.vm, GPA, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
}

CASE(back_is_not_accepted, "shared and back: pending (#VE), and zero",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, true);

	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, SECRET);
	convert(&p, GPA, 1, false);
	convert(&p, GPA, 1, true);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_COUNT, GPA, 0), 1, "#VEs");
}

CASE(back_kills, "shared and back: an access before accept kills the TD",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	convert(&p, GPA, 1, false);
	convert(&p, GPA, 1, true);
	guest_cmd_queue(p.vcpu[0], CMD_READ, GPA, 0);
	expect_errno(__guest_run(p.vcpu[0]), EIO, "KVM_RUN of an access before accept");
}

CASE(neighbours_stay, "pages beside the range keep their content",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	for (int i = 0; i < 4; i++) {
		expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA + i * SZ_4K, 0), 0, "accept");
		guest_cmd(p.vcpu[0], CMD_WRITE, GPA + i * SZ_4K, SECRET + i);
	}
	convert(&p, GPA + SZ_4K, 2, false);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), SECRET, "the page before");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA + 3 * SZ_4K, 0), SECRET + 3, "the page after");
}

CASE(in_pieces, "MapGPA of 4M and a page: an exit for each 2M",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_MAP_SHARED, GPA, 1024 + 1);
	expect_request(p.vcpu[0], GPA, 512, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_request(p.vcpu[0], GPA + SZ_2M, 512, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_request(p.vcpu[0], GPA + 2 * SZ_2M, 1, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
}

/* What user space returns for the second piece; the guest gets it, and where it stopped. */
struct verdict {
	u64 ret, r10;
};

/* Through 7.1 every return value but 0 is an invalid operand. */
static bool one_error_for_all(void)
{
	return kernel_before("7.2");
}

static void second_piece_fails(const struct test *t)
{
	const struct verdict *v = t->tc->arg;
	struct guest_vm p = scene(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_MAP_SHARED, GPA, 1024);
	expect_request(p.vcpu[0], GPA, 512, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_request(p.vcpu[0], GPA + SZ_2M, 512, false);
	p.vcpu[0]->run->hypercall.ret = v->ret;
	expect_eq(guest_wait_value(p.vcpu[0]), one_error_for_all() ? VMCALL_INVALID_OPERAND : v->r10,
		  "R10");
	expect_eq(guest_cmd(p.vcpu[0], CMD_R11, GPA, 0), (GPA + SZ_2M) | TD_SHARED_BIT,
		  "R11: where it stopped");
}

CASES(second_piece_fails,
	{ "map_gpa_eagain",
	  "user space answers the second piece by EAGAIN: retry, from there on",
	  .arg = &(const struct verdict){ EAGAIN, VMCALL_RETRY }, .vm_types = VM_TDX },
	{ "map_gpa_einval", "user space answers the second piece by EINVAL: invalid operand",
	  .arg = &(const struct verdict){ EINVAL, VMCALL_INVALID_OPERAND }, .vm_types = VM_TDX })

CASE(invalid_return_value, "invalid hypercall return value: EINVAL, through 7.1 invalid operand",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_MAP_SHARED, GPA, 1);
	expect_request(p.vcpu[0], GPA, 1, false);
	p.vcpu[0]->run->hypercall.ret = 12345;
	if (one_error_for_all())
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_INVALID_OPERAND, "R10");
	else
		expect_errno(__guest_run(p.vcpu[0]), EINVAL, "KVM_RUN");
}

static GUEST_DATA struct { u64 gpa, size; } range = { 1, 1 };

static GUEST void map_gpa(u64 arg)
{
	(void)arg;
	guest_report(vmcall4(VMCALL_MAP_GPA, range.gpa, range.size, 0, 0));
}

struct bad_range {
	u64 gpa, size, r10;
};

static void refused_range(const struct test *t)
{
	const struct bad_range *r = t->tc->arg;
	struct guest_vm p;

	range.gpa = r->gpa;
	range.size = r->size;
	p = guest_vm_single(t, map_gpa, 0, 0);
	vm_enable_cap(p.vm, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	expect_eq(guest_wait_value(p.vcpu[0]), r->r10, "R10 of MapGPA(0x%llx, 0x%llx)",
		  r->gpa, r->size);
}

CASES(refused_range,
	{ "map_gpa_zero_size", "MapGPA of no bytes: invalid operand",
	  .arg = &(const struct bad_range){ GPA, 0, VMCALL_INVALID_OPERAND },
	  .vm_types = VM_TDX },
	{ "map_gpa_wraps", "MapGPA beyond 2^64: invalid operand",
	  .arg = &(const struct bad_range){ ~0ULL << 12, SZ_2M, VMCALL_INVALID_OPERAND },
	  .vm_types = VM_TDX },
	{ "map_gpa_too_wide", "MapGPA of a gpa with more bits than any CPU has: invalid operand",
	  .arg = &(const struct bad_range){ GPA | 1ULL << 60, SZ_4K, VMCALL_INVALID_OPERAND },
	  .vm_types = VM_TDX },
	{ "both_halves", "MapGPA that begins private and ends shared: invalid operand",
	  .arg = &(const struct bad_range){ TD_SHARED_BIT - SZ_4K, 2 * SZ_4K,
		VMCALL_INVALID_OPERAND },
	  .vm_types = VM_TDX },
	{ "unaligned_gpa", "MapGPA of an unaligned gpa: alignment error",
	  .arg = &(const struct bad_range){ GPA + 8, SZ_4K, VMCALL_ALIGN_ERROR },
	  .vm_types = VM_TDX },
	{ "unaligned_size", "MapGPA of an unaligned size: alignment error",
	  .arg = &(const struct bad_range){ GPA, SZ_4K + 8, VMCALL_ALIGN_ERROR },
	  .vm_types = VM_TDX })

/* KVM_RUN exits again until the attribute changes; then the same instruction succeeds. */
CASE(shared_access_to_private, "a shared access to a private page: memory-fault exits until it is shared",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_WRITE_SHARED, GPA + SZ_4K, TO_HOST);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]), GPA + SZ_4K, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]), GPA + SZ_4K, 0);
	vm_set_shared(p.vm, GPA + SZ_4K, SZ_4K);
	guest_wait_value(p.vcpu[0]);
	expect_eq(*shared_word(&p, GPA + SZ_4K), TO_HOST, "what the host reads");
}

CASE(private_access_to_shared, "a private access to a shared page: memory-fault exits until it is private",
	.vm_types = VM_TDX, .uses_sept = true)
{
	struct guest_vm p = scene(t, true);

	vm_set_shared(p.vm, GPA + SZ_4K, SZ_4K);
	*shared_word(&p, GPA + SZ_4K) = TO_GUEST;
	guest_cmd_queue(p.vcpu[0], CMD_READ, GPA + SZ_4K, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]),
			    GPA + SZ_4K, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]),
			    GPA + SZ_4K, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	vm_set_private(p.vm, GPA + SZ_4K, SZ_4K);
	expect_eq(guest_wait_value(p.vcpu[0]), 0, "what the guest reads");
}

TEST_MAIN("conversions that a guest requests (MapGPA)")
