// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each SEAMCALL of KVM_RUN gets each class of answer, one after the other (seam_sweep.h): the entry
 * into the guest, the tables and the page that its access needs, and the flush of a vCPU that runs
 * on another CPU than before.
 */
#include "guest_vm.h"
#include "seam_sweep.h"
#include "seamcall.h"
#include "testcase.h"
#include "thread.h"

#define N1		.xfail = "N1", .xfail_in_body = true
/* The kernel warns of a status that it hands to user space. */
#define W5		.xwarn = "W5"

static struct guest_vm guest;	/* of the run at hand */

/* A guest that accepts a page when it runs next, which KVM has to map. */
static struct fault_scene about_to_accept(const struct test *t)
{
	struct fault_scene s = { .final = true };

	guest = guest_vm_single(t, guest_cmd_loop, 0, FAULT_SLOT_SIZE);
	s.td = guest_vm_fixture(&guest);
	s.mapped = guest.image_pages + 1;
	guest_cmd_queue(guest.vcpu[0], CMD_ACCEPT, GPA, 0);
	return s;
}

static struct fault_scene on_another_cpu(const struct test *t)
{
	struct fault_scene s;

	run_on_nth_cpu(0);
	s = about_to_accept(t);
	run_on_nth_cpu(1);
	return s;
}

/* Until the guest says something. ENOTRECOVERABLE: user space gets a status that KVM did not expect. */
static int run_guest(struct fault_scene *s)
{
	struct vcpu *vcpu = s->td.vcpu;
	int ret = __guest_run(vcpu);

	if (ret || vcpu->run->exit_reason != KVM_EXIT_INTERNAL_ERROR)
		return ret;
	expect_eq(vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
		  "suberror");
	errno = ENOTRECOVERABLE;
	return -1;
}

/* The guest goes on where it was, and has accepted its page. */
static void has_accepted(struct fault_scene *s)
{
	expect_eq(guest_value_of(s->td.vcpu, 0), 0, "status of TDG.MEM.PAGE.ACCEPT");
	expect_sept(s->td.vm, GPA, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
	prefault(s->td.vcpu, FAULT_SPARE, SZ_4K);
	expect_sept(s->td.vm, FAULT_SPARE, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

static void close_guest(struct fault_scene *s __attribute__((unused)))
{
	guest_vm_close(&guest);
}

static const struct seam_op accept = {
	.set_up = about_to_accept, .operate = run_guest, .alive = has_accepted, .close = close_guest,
};
static const struct seam_op accept_elsewhere = {
	.set_up = on_another_cpu, .operate = run_guest, .alive = has_accepted, .close = close_guest,
};

static const struct seam_row enter = {
	.op = OP_OTHER, .other = &accept, .leaf = TDH_VP_ENTER, .busy = BUSY_AGAIN,
	.error = ENOTRECOVERABLE, .lives = true, .silent = true
};
static const struct seam_row sept_add = {
	.op = OP_OTHER, .other = &accept, .leaf = TDH_MEM_SEPT_ADD, .busy = BUSY_AGAIN,
	.error = EIO, .returns_registers = true
};
static const struct seam_row page_aug = {
	.op = OP_OTHER, .other = &accept, .leaf = TDH_MEM_PAGE_AUG, .busy = BUSY_AGAIN,
	.error = EIO, .returns_registers = true
};
/* On its old CPU the vCPU stays associated, so that the KeyID cannot be had back. */
static const struct seam_row flush = {
	.op = OP_OTHER, .other = &accept_elsewhere, .leaf = TDH_VP_FLUSH, .error = EIO,
	.loss = LOSES_TD, .violations = 1
};

CASES(seam_sweep,
	BUSY_ONCE("enter", "TDH.VP.ENTER", &enter),
	BUSY_FOR_LONG("enter", "TDH.VP.ENTER", &enter),
	FAILS("enter", "TDH.VP.ENTER", &enter, W5),
	ANSWERS("sept_add", "TDH.MEM.SEPT.ADD of a guest's access", &sept_add, .nightly = true),
	ENTROPY("sept_add", "TDH.MEM.SEPT.ADD of a guest's access", &sept_add, N1, .nightly = true),
	ANSWERS("page_aug", "TDH.MEM.PAGE.AUG of a guest's access", &page_aug),
	ENTROPY("page_aug", "TDH.MEM.PAGE.AUG of a guest's access", &page_aug, N1),
	SEAM("flush_busy", "TDH.VP.FLUSH of a vCPU that moves busy once", SEAM_BUSY, &flush,
	     .cpus = 2),
	SEAM("flush_invalid", "TDH.VP.FLUSH of a vCPU that moves refuses an operand", SEAM_INVALID,
	     &flush, .cpus = 2),
	SEAM("flush_error", "TDH.VP.FLUSH of a vCPU that moves fails", SEAM_ERROR, &flush, .cpus = 2),
	ENTROPY("flush", "TDH.VP.FLUSH of a vCPU that moves", &flush, .cpus = 2))

TEST_MAIN("each SEAMCALL of KVM_RUN gets each class of answer")
