// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short races of a TD's guest with what takes its memory away, for ./run_tests.sh --explore.
 * A guest accepts pages: KVM adds each (TDH.MEM.PAGE.AUG), and whatever takes it away between,
 * the guest tries again, or KVM_RUN ends with the fault.  Neither KVM nor the TDX module
 * complains, and afterwards each page can be accepted.
 */
#include <errno.h>

#include "explore.h"
#include "guest_vm.h"
#include "racer.h"
#include "testcase.h"

#define SIZE	(RACER_PAGES * SZ_4K)

static bool is_accepted(u64 status)
{
	return !status || TDCALL_STATUS(status) == TDX_PAGE_ALREADY_ACCEPTED ||
	       TDCALL_STATUS(status) == TDX_OPERAND_BUSY;
}

/* KVM_RUN until the guest has said how the accept ended: faults of what is shared now repeat. */
static void accept_by(struct racer *r, struct vcpu *vcpu, struct pages p)
{
	for (u64 i = p.first; i < p.first + p.nr; i++) {
		u64 status;
		int ret;

		guest_cmd_queue(vcpu, CMD_ACCEPT, racer_gpa(r, i), 0);
		while ((ret = __guest_run(vcpu)) && (errno == EFAULT || errno == EAGAIN))
			;
		status = guest_value_of(vcpu, ret);
		expect_true(is_accepted(status), "status 0x%llx of the accept of gpa 0x%llx", status,
			    racer_gpa(r, i));
	}
}

static void act_accept(struct racer *r, struct pages p)
{
	accept_by(r, r->f.vcpu, p);
}

static void act_accept2(struct racer *r, struct pages p)
{
	accept_by(r, r->vcpu2, p);
}

static void race_with_guest(const struct test *t)
{
	struct guest_vm g = guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop, guest_cmd_loop }, .size = SIZE });
	struct racer r = {
		.f = guest_vm_fixture(&g), .vcpu2 = g.vcpu[1], .errors = { EFAULT }, .rounds = 2,
		.act = { act_accept, t->tc->arg },
	};

	u64 others;			/* pages, of the guest itself */

	mem_touch(r.f.slot->mem->hva, SIZE);
	act_accept(&r, (struct pages){ 0, 1 });
	others = vm_stat(r.f.vm, "pages_4k") - 1;

	if (!racer_run(&r))
		return;

	act_accept(&r, (struct pages){ 0, RACER_PAGES });
	act_accept2(&r, (struct pages){ 0, RACER_PAGES });
	expect_eq(vm_stat(r.f.vm, "pages_4k") - others, RACER_PAGES, "mapped pages that it accepted");
}

#define RACE(race_name, text, fn) {						\
	#race_name, "A guest accepts pages against " text ": no complaint, and each can be accepted",	\
	.arg = fn, .vm_types = VM_TDX, .cpus = 2 }

CASES(race_with_guest,
	RACE(accept, "another vCPU that does", act_accept2),
	RACE(accept_prefault, "prefaults", act_prefault2),
	RACE(accept_punch, "holes in guest_memfd", act_punch_gmem),
	RACE(accept_convert, "conversions to shared and back", act_convert),
	RACE(accept_delete, "deletion of the memslot", act_slot_delete),
)

TEST_MAIN("Short races of the guests of TDs with what takes their memory away")
