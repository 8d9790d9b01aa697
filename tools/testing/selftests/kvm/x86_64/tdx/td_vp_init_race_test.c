// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_INIT_VCPU of a second vCPU beside the memory of the first.
 *
 * TDH.VP.INIT looks at the x2APIC IDs of all vCPUs, and so takes the TDR for itself. Calls for
 * the TD's memory share it, and those of a zap must not fail: KVM therefore holds mmu_lock for
 * write around TDH.VP.INIT. What else maps or zaps private memory waits for a mutex that
 * KVM_TDX_INIT_VCPU has (kvm->lock, those of all vCPUs, slots_lock). KVM initialises vCPUs before
 * it finalizes the TD, and augments and tracks memory after that: neither meets TDH.VP.INIT.
 */
#include <stdlib.h>

#include "held_call.h"
#include "keyids.h"
#include "race_cell.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "vm_thread.h"

#define RACE_CASE .vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_hold = true, \
		  .needs_sept = true, .needs_softtdx = true, .cpus = 2
/* Before 6.19 KVM_TDX_INIT_VCPU takes no lock. */
#define LOCKED	.xfail = "V3"
#define FIX	"9a89894f30d5 (\"KVM: TDX: Take MMU lock around tdh_vp_init()\"), 6.19"
#define BUSY	0x8000020000000000ULL

static const unsigned int leaves[] = {
	TDH_VP_INIT, TDH_MEM_RANGE_BLOCK, TDH_MEM_PAGE_REMOVE, TDH_MEM_PAGE_ADD,
};

struct scene {
	struct fixture td;		/* one page of it is mapped, at GPA */
	struct vcpu *second;		/* without KVM_TDX_INIT_VCPU */
	unsigned long busy[ARRAY_SIZE(leaves)];
};

static struct scene scene(const struct test *t)
{
	struct scene s = { .td = td_fixture(t, SZ_2M) };

	s.second = td_vcpu_create(s.td.vm);
	td_add(s.td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		s.busy[i] = softtdx_calls(leaves[i], BUSY);
	return s;
}

static void expect_none_busy(const struct scene *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		expect_eq(softtdx_calls(leaves[i], BUSY) - s->busy[i], 0,
			  "OPERAND_BUSY of SEAMCALL leaf %u", leaves[i]);
}

static int init_second(void *vcpu)
{
	return __td_vcpu_init(vcpu, 0);
}

static int punch(void *slot)
{
	mem_punch_hole(((struct slot *)slot)->gmem, 0, SZ_4K);
	return 0;
}

static void expect_both_done(struct scene *s, const struct held_call *held, const char *window,
			     const char *other)
{
	errno = held->err;
	expect_ok(held->ret, "the call that was held at %s", window);
	expect_none_busy(s);
	expect_td_unmapped(&s->td, GPA, 1);
	td_finalize(s->td.vm);
	race_cell_waits((struct race_cell){ window, other, "init_vcpu.tdx" }, "mmu_lock");
}

CASE(punch_beside_init, "PUNCH_HOLE while KVM is about to call TDH.VP.INIT: waits for mmu_lock",
	.fixes = FIX, LOCKED, RACE_CASE)
{
	struct scene s = scene(t);
	struct held_call init;
	struct lock_waiter hole;

	lock_waiter_prepare(&hole, "kvm_gmem_fallocate", punch, s.td.slot);
	init = held_call_open((struct hold_args){ .function = "tdh_vp_init", .at = HOLD_ENTRY,
						  .until = hole.reached }, init_second, s.second);
	lock_waiter_run(&hole, &init, "PUNCH_HOLE");
	expect_both_done(&s, &init, "vp_init", "punch");
}

/* Where a zap of a page is held. */
struct zap_window {
	const char *name, *function;
};

static void init_beside_zap(const struct test *t)
{
	const struct zap_window *w = t->tc->arg;
	struct scene s = scene(t);
	struct held_call hole;
	struct lock_waiter init;

	/* The last function of its that KVM_TDX_INIT_VCPU calls before it takes the lock. */
	lock_waiter_prepare(&init, "tdh_vp_create", init_second, s.second);
	hole = held_call_open((struct hold_args){ .function = w->function, .at = HOLD_ENTRY,
						  .until = init.reached }, punch, s.td.slot);
	lock_waiter_run(&init, &hole, "KVM_TDX_INIT_VCPU");
	expect_both_done(&s, &hole, w->name, "init_vcpu");
}

static const struct zap_window
	zap_block = { "range_block", "tdh_mem_range_block" },
	zap_remove = { "page_remove", "tdh_mem_page_remove" };

CASES(init_beside_zap,
	{ "init_beside_block", "KVM_TDX_INIT_VCPU while a zap calls TDH.MEM.RANGE.BLOCK: waits",
	  .arg = &zap_block, .fixes = FIX, LOCKED, RACE_CASE },
	{ "init_beside_remove", "KVM_TDX_INIT_VCPU while a zap calls TDH.MEM.PAGE.REMOVE: waits",
	  .arg = &zap_remove, .fixes = FIX, LOCKED, RACE_CASE })

/* What waits for a mutex. */

struct other_call {
	int (*fn)(void *scene);
	const char *what;
	unsigned int mapped;		/* pages from GPA on, in the end */
};

static int add_next(void *scene)
{
	const struct scene *s = scene;
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)td_source(1, 1), .gpa = GPA + SZ_4K, .nr_pages = 1,
	};

	return __td_add(s->td.vcpu, &region, 0);
}

static int make_shared(void *scene)
{
	return __vm_set_attributes(((struct scene *)scene)->td.vm, GPA, SZ_4K, 0);
}

static int delete_slot(void *scene)
{
	return __slot_delete(((struct scene *)scene)->td.slot);
}

/* On one CPU, unless it is moved (V1). */
static int init_second_on_a_cpu(void *vcpu)
{
	run_on_nth_cpu(1);
	return init_second(vcpu);
}

static void sleeps_beside_init(const struct test *t)
{
	const struct other_call *c = t->tc->arg;
	struct scene s = scene(t);
	struct thread *other;
	struct held_call init;

	init = held_call_open((struct hold_args){ .function = "tdh_vp_init", .at = HOLD_ENTRY },
			      init_second_on_a_cpu, s.second);
	other = thread_start(c->fn, &s);
	expect_true(thread_sleeps(other, 5), "%s sleeps while KVM_TDX_INIT_VCPU runs", c->what);
	held_call_close(&init, "KVM_TDX_INIT_VCPU");
	errno = init.err;
	expect_ok(init.ret, "KVM_TDX_INIT_VCPU");
	expect_ok(thread_join(other, c->what), "%s", c->what);
	expect_none_busy(&s);
	if (c->mapped)
		expect_td_mapped(&s.td, GPA, c->mapped, SEPT_MAPPED);
	else
		expect_td_unmapped(&s.td, GPA, 1);
	race_cell_waits((struct race_cell){ "vp_init", c->what, "init_vcpu.tdx" }, "mutex");
}

static const struct other_call
	other_add = { add_next, "KVM_TDX_INIT_MEM_REGION", 2 },
	other_share = { make_shared, "KVM_SET_MEMORY_ATTRIBUTES", 0 },
	other_delete = { delete_slot, "KVM_SET_USER_MEMORY_REGION2", 0 };

CASES(sleeps_beside_init,
	{ "add_beside_init", "the first vCPU adds a page while TDH.VP.INIT runs: waits",
	  .arg = &other_add, LOCKED, RACE_CASE },
	{ "share_beside_init", "a gfn becomes shared while TDH.VP.INIT runs: waits",
	  .arg = &other_share, LOCKED, RACE_CASE },
	{ "delete_beside_init", "the slot is deleted while TDH.VP.INIT runs: waits",
	  .arg = &other_delete, LOCKED, RACE_CASE })

/* The thread of KVM_TDX_INIT_VCPU moves. */

static void td_destroy(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vcpu_close(vcpu);
	vm_close(vm);
}

/*
 * TDH.VP.INIT associates the vCPU with the CPU that it runs on. The thread may be preempted
 * after it, and go on elsewhere: KVM then has to call TDH.VP.FLUSH on the CPU that it left.
 */
CASE(moved_after_init, "the thread moves to another CPU after TDH.VP.INIT: the vCPU is flushed",
	.xfail = "V1", .xfail_in_body = true, .vm_types = VM_TDX, .boot = BOOT_TDX_SPENT,
	.side_effects = "on kernels with V1 a KeyID is lost, and the kernel prints WARNINGs",
	.needs_hold = true, .cpus = 2)
{
	long used = keyids().used;
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu_create(vm);
	struct held_call init;

	if (!getenv("KTS_TESTBED"))
		skip_if_issue("V1");
	init = held_call_open((struct hold_args){ .function = "tdh_vp_wr", .at = HOLD_ENTRY },
			      init_second_on_a_cpu, vcpu);
	thread_run_on_nth_cpu(init.thread, 0);
	held_call_close(&init, "KVM_TDX_INIT_VCPU");
	errno = init.err;
	expect_ok(init.ret, "KVM_TDX_INIT_VCPU of a thread that moved");
	if (vm_dead(vm)) {
		expect_splat();
		td_destroy(vcpu);
		xfail("V1", "the VM is dead after KVM_TDX_INIT_VCPU of a thread that moved; KeyIDs lost: %ld",
		      keyids().used - used);
	}
	td_finalize(vm);
	td_destroy(vcpu);
	expect_eq(keyids().used, used, "KeyIDs in use after the TD is destroyed");
	xpass("V1");
}

/* A fault that another vCPU has served. */

CASE(served_meanwhile, "a fault of a page that another vCPU maps meanwhile is spurious, no SEAMCALL",
	RACE_CASE)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);
	unsigned long augs = softtdx_calls(TDH_MEM_PAGE_AUG, 0);
	struct prefault *late;
	struct hold *hold;

	td_finalize(td.vm);
	hold = hold_arm(.function = "kvm_gmem_get_pfn", .at = HOLD_RETURN);
	late = prefault_start(other, GPA, SZ_4K);
	hold_await(hold);
	prefault(td.vcpu, GPA, SZ_4K);
	hold_release(hold);
	prefault_end(late);
	hold_end(hold);
	expect_eq(observer_count(td.o, EV_FAULT, PF_SPURIOUS), 1, "RET_PF_SPURIOUSes");
	expect_eq(softtdx_calls(TDH_MEM_PAGE_AUG, 0) - augs, 1, "TDH.MEM.PAGE.AUGs of the page");
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	race_cell_hit((struct race_cell){ "after_gup", "other_vcpu", "prefault_private.tdx" }, 0,
		      "spurious");
}

TEST_MAIN("KVM_TDX_INIT_VCPU beside the memory of a TD")
