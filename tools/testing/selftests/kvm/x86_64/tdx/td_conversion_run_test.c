// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest converts its memory: it asks by MapGPA (GHCI), KVM passes it on in
 * pieces of 2M (KVM_EXIT_HYPERCALL), user space changes the attributes. What it
 * touches the wrong way becomes KVM_EXIT_MEMORY_FAULT. Data never crosses from
 * one half to the other.
 */
#include <linux/kvm_para.h>
#include <string.h>

#include "kernel.h"
#include "guest_vm.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define TO_HOST		0x11111111
#define TO_GUEST	0x22222222
#define SECRET		0x33333333

static struct guest_vm converting(const struct test *t, bool ve)
{
	struct guest_vm p;

	guest_on_ve = ve ? accept_on_ve : NULL;
	p = guest_vm_create(t, (struct guest_vm_config){ .fn = { guest_cmd_loop }, .size = SLOT_SIZE, .ve = ve });
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

static void to_shared(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, SECRET);
	*shared_word(&p, GPA) = TO_GUEST;
	convert(&p, GPA, 1, false);
	expect_sept_free(p.vm, GPA);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ_SHARED, GPA, 0), TO_GUEST, "what the guest reads");
	guest_cmd(p.vcpu[0], CMD_WRITE_SHARED, GPA, TO_HOST);
	expect_eq(*shared_word(&p, GPA), TO_HOST, "what the host reads");
}

static void to_private(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	vm_set_shared(p.vm, GPA, SZ_4K);
	guest_cmd(p.vcpu[0], CMD_WRITE_SHARED, GPA, TO_HOST);
	convert(&p, GPA, 1, true);
	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, SECRET);
	expect_eq(*shared_word(&p, GPA), TO_HOST, "what the host reads");
	expect_sept(p.vm, GPA, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
}

/* What was accepted before the page was shared does not count afterwards. */
static void back_is_not_accepted(const struct test *t)
{
	struct guest_vm p = converting(t, true);

	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	guest_cmd(p.vcpu[0], CMD_WRITE, GPA, SECRET);
	convert(&p, GPA, 1, false);
	convert(&p, GPA, 1, true);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), 0, "what the guest reads");
	expect_eq(guest_cmd(p.vcpu[0], CMD_VE_COUNT, GPA, 0), 1, "#VEs");
}

static void back_kills(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA, 0), 0, "accept");
	convert(&p, GPA, 1, false);
	convert(&p, GPA, 1, true);
	guest_cmd_queue(p.vcpu[0], CMD_READ, GPA, 0);
	expect_errno(__guest_run(p.vcpu[0]), EIO, "KVM_RUN of an access before accept");
}

static void neighbours_stay(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	for (int i = 0; i < 4; i++) {
		expect_eq(guest_cmd(p.vcpu[0], CMD_ACCEPT, GPA + i * SZ_4K, 0), 0, "accept");
		guest_cmd(p.vcpu[0], CMD_WRITE, GPA + i * SZ_4K, SECRET + i);
	}
	convert(&p, GPA + SZ_4K, 2, false);
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA, 0), SECRET, "the page before");
	expect_eq(guest_cmd(p.vcpu[0], CMD_READ, GPA + 3 * SZ_4K, 0), SECRET + 3, "the page behind");
}

/* 4M and a page: pieces of 2M, one exit each. */
static void in_pieces(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_MAP_SHARED, GPA, 1024 + 1);
	expect_request(p.vcpu[0], GPA, 512, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_request(p.vcpu[0], GPA + SZ_2M, 512, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_request(p.vcpu[0], GPA + 2 * SZ_2M, 1, false);
	p.vcpu[0]->run->hypercall.ret = 0;
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
}

/* User space's verdict on the second piece: the guest learns it, and how far it came. */
struct verdict {
	u64 ret, r10;
};
static const struct verdict later = { EAGAIN, VMCALL_RETRY },
	refused = { EINVAL, VMCALL_INVALID_OPERAND };

/* Up to 7.1 whatever is not 0 refuses the operand. */
static bool one_error_for_all(void)
{
	return kernel_before("7.2");
}

static void second_piece_fails(const struct test *t)
{
	const struct verdict *v = t->tc->arg;
	struct guest_vm p = converting(t, false);

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

static void nonsense_from_user_space(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_MAP_SHARED, GPA, 1);
	expect_request(p.vcpu[0], GPA, 1, false);
	p.vcpu[0]->run->hypercall.ret = 12345;
	if (one_error_for_all())
		expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_INVALID_OPERAND, "R10");
	else
		expect_errno(__guest_run(p.vcpu[0]), EINVAL, "KVM_RUN");
}

/* --- what KVM refuses by itself ------------------------------------------------------ */

static GUEST_DATA struct { u64 gpa, size; } range = { 1, 1 };

static GUEST void asks_for_range(u64 arg)
{
	(void)arg;
	guest_report(vmcall4(VMCALL_MAP_GPA, range.gpa, range.size, 0, 0));
}

struct bad_range {
	u64 gpa, size, r10;
};
static const struct bad_range
	no_size = { GPA, 0, VMCALL_INVALID_OPERAND },
	wraps = { ~0ULL << 12, SZ_2M, VMCALL_INVALID_OPERAND },
	both_halves = { TD_SHARED_BIT - SZ_4K, 2 * SZ_4K, VMCALL_INVALID_OPERAND },
	unaligned_gpa = { GPA + 8, SZ_4K, VMCALL_ALIGN_ERROR },
	unaligned_size = { GPA, SZ_4K + 8, VMCALL_ALIGN_ERROR };

static void refused_range(const struct test *t)
{
	const struct bad_range *r = t->tc->arg;
	struct guest_vm p;

	range.gpa = r->gpa;
	range.size = r->size;
	p = guest_vm_single(t, asks_for_range, 0, 0);
	vm_enable_cap(p.vm, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	expect_eq(guest_wait_value(p.vcpu[0]), r->r10, "R10 of MapGPA(0x%llx, 0x%llx)",
		  r->gpa, r->size);
}

/* --- access without asking ----------------------------------------------------------- */

/* It comes again until the attribute changes; then the same instruction succeeds. */
static void shared_access_to_private(const struct test *t)
{
	struct guest_vm p = converting(t, false);

	guest_cmd_queue(p.vcpu[0], CMD_WRITE_SHARED, GPA + SZ_4K, TO_HOST);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]), GPA + SZ_4K, 0);
	expect_memory_fault(p.vcpu[0], __guest_run(p.vcpu[0]), GPA + SZ_4K, 0);
	vm_set_shared(p.vm, GPA + SZ_4K, SZ_4K);
	guest_wait_value(p.vcpu[0]);
	expect_eq(*shared_word(&p, GPA + SZ_4K), TO_HOST, "what the host reads");
}

static void private_access_to_shared(const struct test *t)
{
	struct guest_vm p = converting(t, true);

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

#define TD		.vm_types = VM_TDX
#define CONVERSION(fn, text)	{ #fn, text, fn, TD, .uses_sept = true }
#define RANGE(name, text)	{ #name, text, refused_range, &name, TD }

static const struct test_case cases[] = {
	CONVERSION(to_shared, "MapGPA to shared: data both ways, nothing left of the private page"),
	CONVERSION(to_private, "MapGPA to private: accepted, zero, the host keeps its own"),
	CONVERSION(back_is_not_accepted, "shared and back: pending (#VE), and zero"),
	CONVERSION(back_kills, "shared and back: an access before accept kills"),
	CONVERSION(neighbours_stay, "pages beside the range keep their content"),
	CONVERSION(in_pieces, "a large range: an exit for each 2M"),
	{ "later", "user space says EAGAIN to the second piece", second_piece_fails, &later, TD },
	{ "refused", "user space says EINVAL to the second piece", second_piece_fails, &refused,
	  TD },
	CONVERSION(nonsense_from_user_space, "an answer that is none: EINVAL"),
	RANGE(no_size, "no bytes: invalid"),
	RANGE(wraps, "a range over the end of 64 bits: invalid"),
	RANGE(both_halves, "a range that begins private and ends shared: invalid"),
	RANGE(unaligned_gpa, "an unaligned gpa: alignment error"),
	RANGE(unaligned_size, "an unaligned size: alignment error"),
	CONVERSION(shared_access_to_private, "a shared access to a private page"),
	CONVERSION(private_access_to_shared, "a private access to a shared page"),
};

TEST_MAIN("Conversions that a TD's guest asks for", cases)
