// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TDX module is busy or has no entropy, and then works (softtdx): KVM repeats the
 * call, as often and at the place that arch/x86/kvm/vmx/tdx.c has for it, and keeps the
 * guest's vCPUs outside while it repeats a removal.
 */
#include <limits.h>
#include <stdlib.h>

#include "guest_vm.h"
#include "kernel.h"
#include "mrtd.h"
#include "seamcall.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define BUSY		"TDX_OPERAND_BUSY|1"	/* RCX */
#define BUSY_SEPT	"TDX_OPERAND_BUSY|0x92"
#define NO_ENTROPY	"TDX_RND_NO_ENTROPY"

#define TD_BUSY									\
	.vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_sept = true, .needs_softtdx = true

/* While pages are added KVM repeats the call inside the ioctl. */
static void busy_add(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u8 *source = td_source(2, t->seed);
	struct mrtd *mrtd = mrtd_new();

	if (t->tc->param == TDH_MEM_PAGE_ADD && kernel_has_function("kvm_tdp_map_page"))
		test_skip("needs a kernel that repeats a busy TDH.MEM.PAGE.ADD (6.19 or later)");
	softtdx_inject(t->tc->param, BUSY, 3);
	td_add(td.vcpu, source, GPA, 2, 0);
	expect_eq(softtdx_injected(), 3, "calls that found the module busy");
	expect_td_mapped(&td, GPA, 2, SEPT_MAPPED);
	td_finalize(td.vm);
	mrtd_add_pages(mrtd, GPA, source, 2, false);
	expect_mrtd(mrtd);
	measure("retries", 3);
}

CASES(busy_add,
	{ "busy_page_add", "TDH.MEM.PAGE.ADD busy: repeated inside the ioctl",
	  .param = TDH_MEM_PAGE_ADD, TD_BUSY },
	{ "busy_sept_add", "TDH.MEM.SEPT.ADD busy: repeated inside the ioctl",
	  .param = TDH_MEM_SEPT_ADD, TD_BUSY })

CASE(busy_page_aug, "TDH.MEM.PAGE.AUG busy: one RET_PF_RETRY each",
	.fixes = "02ab57707bdb (\"KVM: TDX: Implement hooks to propagate changes of TDP MMU mirror page table\"), 6.16", TD_BUSY)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	softtdx_inject(TDH_MEM_PAGE_AUG, BUSY, 3);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_eq(softtdx_injected(), 3, "calls that found the module busy");
	expect_retries(td.o, 3, " of gfn 0x%llx", GFN);
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	measure("retries", 3);
}

/* Busy once while a page is removed: KVM kicks the vCPUs and repeats the call. */
static void busy_remove(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, 2 * SZ_4K);
	softtdx_inject(t->tc->param, BUSY, 1);
	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	expect_eq(softtdx_injected(), 1, "calls that found the module busy");
	expect_not_mapped(td.o, GFN);
	prefault(td.vcpu, GPA, SZ_4K);		/* the TD goes on */
	expect_td_mapped(&td, GPA, 2, SEPT_PENDING);
}

CASES(busy_remove,
	{ "busy_range_block", "TDH.MEM.RANGE.BLOCK busy once: repeated",
	  .param = TDH_MEM_RANGE_BLOCK, TD_BUSY },
	{ "busy_track", "TDH.MEM.TRACK busy once: repeated", .param = TDH_MEM_TRACK, TD_BUSY },
	{ "busy_page_remove", "TDH.MEM.PAGE.REMOVE busy once: repeated",
	  .param = TDH_MEM_PAGE_REMOVE, TD_BUSY })

CASE(busy_finalize, "TDH.MR.FINALIZE busy: EBUSY and hw_error, a second call works", TD_BUSY)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u64 hw_error;

	softtdx_inject(TDH_MR_FINALIZE, "TDX_OPERAND_BUSY|0x90", 1);
	expect_errno(__td_finalize(td.vm, &hw_error), EBUSY,
		     "KVM_TDX_FINALIZE_VM while the module is busy");
	expect_eq(hw_error, 0x8000020000000090, "hw_error");
	expect_ok(__td_finalize(td.vm, &hw_error), "a second KVM_TDX_FINALIZE_VM");
}

CASE(no_entropy, "TDH.MNG.CREATE without entropy, 3 times: repeated",
	.vm_types = VM_TDX, .needs_softtdx = true)
{
	struct vm *vm = td_vm();

	softtdx_inject(TDH_MNG_CREATE, NO_ENTROPY, 3);
	expect_ok(__td_init(vm, td_params(vm), NULL), "KVM_TDX_INIT_VM, no entropy 3 times");
	expect_eq(softtdx_injected(), 3, "calls without entropy");
}

CASE(no_entropy_at_all, "TDH.MNG.CREATE without entropy: EAGAIN after 10 calls",
	.vm_types = VM_TDX, .needs_softtdx = true)
{
	struct vm *vm = td_vm();

	softtdx_inject(TDH_MNG_CREATE, NO_ENTROPY, 100);
	expect_errno(__td_init(vm, td_params(vm), NULL), EAGAIN, "KVM_TDX_INIT_VM without entropy");
	expect_eq(softtdx_injected(), 10, "calls without entropy");
}

static int run_vcpu(void *vcpu)
{
	return __guest_run(vcpu);
}

/* KVM retries the first vCPU's fault inside KVM_RUN, until the second vCPU kills the VM. */
CASE(death_ends_retries, "TDH.MEM.PAGE.AUG busy until the VM dies: KVM_RUN ends",
	.vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, .needs_sept = true, .needs_softtdx = true,
	.cpus = 2)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop, guest_cmd_loop }, .size = 16 * SZ_4K });
	struct thread *thread;

	softtdx_inject_rule(&(struct softtdx_rule){
		.leaf = TDH_MEM_PAGE_AUG, .status = BUSY_SEPT,
		.times = UINT_MAX, .gpa = GPA });
	guest_cmd_queue(p.vcpu[0], CMD_READ, GPA, 0);
	thread = thread_start(run_vcpu, p.vcpu[0]);
	expect_soon(softtdx_injected() >= 3, 5, "KVM retries the fault");
	guest_cmd_queue(p.vcpu[1], CMD_READ, GPA + 8 * SZ_4K, 0);
	expect_errno(__guest_run(p.vcpu[1]), EIO, "KVM_RUN of an access before accept");
	expect_errno(thread_join(thread, "the vCPU whose fault is retried"), EIO,
		     "KVM_RUN of the dead TD");
}

/*
 * A removal that finds the module busy because of a guest is repeated with all vCPUs
 * outside, and none enters before the repetition is over.
 */
#define REPETITION_US	50000
#define MAX_EXITS	20000

static GUEST void reports_forever(u64 arg)
{
	for (;;)
		guest_report(arg);
}

struct scene {
	struct vcpu *vcpu;
	bool stop;
	unsigned int nr;
	double exits[MAX_EXITS];	/* when KVM_RUN returned */
};

static int run_guest(void *arg)
{
	struct scene *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED) && s->nr < MAX_EXITS) {
		expect_ok(__guest_run(s->vcpu), "KVM_RUN");
		s->exits[s->nr] = now();
		__atomic_store_n(&s->nr, s->nr + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

static void await_exits(struct scene *s, unsigned int nr)
{
	expect_soon(__atomic_load_n(&s->nr, __ATOMIC_ACQUIRE) >= nr, 5, "exit %u of the guest", nr);
}

/* When the first two calls of @leaf ended: the busy one and its repetition, in seconds. */
static void two_calls(struct observer *o, unsigned int leaf, double ends[2])
{
	size_t nr, found = 0;
	const struct event *ev = observer_events(o, &nr);

	for (size_t i = 0; i < nr && found < 2; i++)
		if (ev[i].type == EV_SEAMCALL && ev[i].call.leaf == leaf)
			ends[found++] = ev[i].ts * 1e-9;
	expect_eq(found, 2, "calls of %s", seamcall_name(leaf));
}

static void guests_stay_out(const struct test *t)
{
	unsigned int leaf = t->tc->param, inside = 0;
	struct guest_vm p = guest_vm_single(t, reports_forever, 0, 16 * SZ_4K);
	struct scene *s = calloc(1, sizeof(*s));
	struct thread *thread;
	double ends[2], middle;

	s->vcpu = p.vcpu[0];
	prefault(p.vcpu[0], GPA, SZ_4K);
	thread = thread_start(run_guest, s);
	await_exits(s, 3);
	softtdx_inject(leaf, BUSY_SEPT, 1);
	softtdx_delay(leaf, 1, REPETITION_US);
	mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	await_exits(s, s->nr + 3);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	thread_join(thread, "the guest");

	two_calls(p.o, leaf, ends);
	expect_true(ends[1] - ends[0] >= REPETITION_US * 1e-6 / 2,
		    "the repetition takes about %d us (%.0f us)", REPETITION_US,
		    (ends[1] - ends[0]) * 1e6);
	/* By its middle the vCPU is out; one exit from before may be noticed late. */
	middle = (ends[0] + ends[1]) / 2;
	for (unsigned int i = 0; i < s->nr; i++)
		inside += s->exits[i] > middle && s->exits[i] < ends[1];
	expect_true(inside <= 1, "the guest does not exit before the repetition is over (%u of %u exits)",
		    inside, s->nr);
}

CASES(guests_stay_out,
	{ "range_block_busy_guest",
	  "TDH.MEM.RANGE.BLOCK busy: no vCPU enters until its repetition is over",
	  .param = TDH_MEM_RANGE_BLOCK, .vm_types = VM_TDX, .observes = OBSERVE(EV_SEAMCALL),
	  .boot = BOOT_TDX_ERRORS, .needs_sept = true, .needs_softtdx = true, .cpus = 2 },
	{ "track_busy_guest", "TDH.MEM.TRACK busy: no vCPU enters until its repetition is over",
	  .param = TDH_MEM_TRACK, .vm_types = VM_TDX, .observes = OBSERVE(EV_SEAMCALL),
	  .boot = BOOT_TDX_ERRORS, .needs_sept = true, .needs_softtdx = true, .cpus = 2 },
	{ "page_remove_busy_guest",
	  "TDH.MEM.PAGE.REMOVE busy: no vCPU enters until its repetition is over",
	  .param = TDH_MEM_PAGE_REMOVE, .vm_types = VM_TDX, .observes = OBSERVE(EV_SEAMCALL),
	  .boot = BOOT_TDX_ERRORS, .needs_sept = true, .needs_softtdx = true, .cpus = 2 })

TEST_MAIN("the TDX module is busy, or has no entropy: what KVM repeats")
