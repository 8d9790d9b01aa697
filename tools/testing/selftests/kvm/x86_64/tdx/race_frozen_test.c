// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several vCPUs and one frozen SPTE.
 *
 * An SPTE of the mirror is frozen while KVM calls the TDX module for it, so that no
 * other vCPU puts a page below a table, or a second page into an entry, that the module
 * does not have yet: they retry until it is thawed, and zaps wait for mmu_lock.
 */
#include "held_call.h"
#include "race_cell.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "vm_thread.h"

#define FROZEN_CASE .vm_types = VM_TDX, .observes = OBSERVE_MAPPING, .needs_hold = true, \
		    .needs_sept = true, .needs_softtdx = true, .cpus = 2

/* Where a vCPU is held with an SPTE frozen. */
struct frozen {
	const char *window, *function;
	bool same_gfn;			/* of both vCPUs; else neighbours */
	unsigned int leaf;		/* must be called for one SPTE only */
};

static const struct frozen
	frozen_leaf = { "frozen_leaf", "tdh_mem_page_aug", true, TDH_MEM_PAGE_AUG },
	frozen_table = { "frozen_table", "tdh_mem_sept_add", false, TDH_MEM_SEPT_ADD };

/* RET_PF_RETRYs so far: all by thread @tid, none by the one that froze the SPTE. */
static unsigned long retries_of(struct observer *o, pid_t tid)
{
	unsigned long retries = 0;
	const struct event *ev;
	size_t nr;

	ev = observer_events(o, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (ev[i].type != EV_FAULT || ev[i].ret != PF_RETRY)
			continue;
		expect_eq(ev[i].pid, tid, "thread of a RET_PF_RETRY");
		retries++;
	}
	return retries;
}

/*
 * The first vCPU is in the TDX module for an SPTE that the other needs, too: the other
 * retries, and does not call the module for that SPTE.
 */
static void other_retries(const struct test *t)
{
	const struct frozen *f = t->tc->arg;
	struct fixture td = td_fixture(t, 2 * SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);
	struct prefault *first, *second;
	struct hold *hold, *faults;
	unsigned long calls, retries;

	td_finalize(td.vm);
	/* All tables, or all but the last. */
	prefault(td.vcpu, f->same_gfn ? GPA : GPA + SZ_2M, SZ_4K);
	calls = softtdx_calls(f->leaf, 0);
	observer_clear(td.o);

	hold = hold_arm(.function = f->function, .at = HOLD_ENTRY);
	first = prefault_start(td.vcpu, GPA + SZ_4K, SZ_4K);
	hold_await(hold);
	faults = hold_arm(.function = "kvm_tdp_mmu_map", .at = HOLD_COUNT);
	second = prefault_start(other, GPA + (f->same_gfn ? 1 : 2) * SZ_4K, SZ_4K);
	hold_await_calls(faults, 5, "five faults of the other vCPU");
	hold_release(hold);
	prefault_end(first);
	prefault_end(second);
	hold_end(hold);
	hold_end(faults);

	expect_eq(softtdx_calls(f->leaf, 0) - calls, 1, "SEAMCALLs for the SPTE that both need");
	retries = retries_of(td.o, thread_tid(second->thread));
	expect_true(retries >= 4, "the other vCPU retries while the SPTE is frozen (%lu times)",
		    retries);
	expect_td_mapped(&td, GPA + SZ_4K, f->same_gfn ? 1 : 2, SEPT_PENDING);
	measure("retries", retries);
	race_cell_hit((struct race_cell){ f->window, t->tc->name, "prefault_private.tdx" },
		      retries, "one_seamcall");
}

CASES(other_retries,
	{ "same_leaf", "two vCPUs, one gfn: one TDH.MEM.PAGE.AUG", .arg = &frozen_leaf,
	  FROZEN_CASE },
	{ "same_table", "two vCPUs, one new table: one TDH.MEM.SEPT.ADD", .arg = &frozen_table,
	  FROZEN_CASE })

CASE(sept_added, "a vCPU is between its table and its leaf: others need no retry", FROZEN_CASE)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct vcpu *other = td_vcpu(td.vm);
	struct prefault *first;
	unsigned long tables;
	struct hold *hold;

	td_finalize(td.vm);
	tables = softtdx_calls(TDH_MEM_SEPT_ADD, 0);
	hold = hold_arm(.function = "tdp_mmu_link_sp", .at = HOLD_RETURN);
	first = prefault_start(td.vcpu, GPA + SZ_4K, SZ_4K);
	hold_await(hold);
	prefault(other, GPA + 2 * SZ_4K, SZ_4K);
	prefault(other, GPA + SZ_4K, SZ_4K);
	hold_release(hold);
	prefault_end(first);
	hold_end(hold);
	expect_retries(td.o, 0);
	expect_eq(softtdx_calls(TDH_MEM_SEPT_ADD, 0) - tables, 3, "tables of the first 2M of a TD");
	expect_td_mapped(&td, GPA + SZ_4K, 2, SEPT_PENDING);
	race_cell_hit((struct race_cell){ "sept_added", "other_vcpu", "prefault_private.tdx" }, 0,
		      "set_once");
}

static int punch_first_page(void *slot)
{
	mem_punch_hole(((struct slot *)slot)->gmem, 0, SZ_4K);
	return 0;
}

/* A hole waits for mmu_lock, also while its holder is in the TDX module. */
static void zap_waits(const struct test *t)
{
	const struct frozen *f = t->tc->arg;
	struct fixture td = td_fixture_final(t, 2 * SZ_2M);
	const u64 gpa = f->same_gfn ? GPA + SZ_4K : GPA + SZ_2M;
	struct lock_waiter hole;
	struct held_call map;

	prefault(td.vcpu, GPA, SZ_4K);
	observer_clear(td.o);
	lock_waiter_prepare(&hole, "kvm_gmem_fallocate", punch_first_page, td.slot);
	map.hold = hold_arm(.function = f->function, .at = HOLD_ENTRY, .until = hole.reached);
	map.thread = prefault_start(td.vcpu, gpa, SZ_4K)->thread;
	hold_await(map.hold);
	lock_waiter_run(&hole, &map, "PUNCH_HOLE");
	errno = map.err;
	expect_ok(map.ret, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", gpa);
	expect_retries(td.o, 0);
	expect_td_unmapped(&td, GPA, 1);
	expect_td_mapped(&td, gpa, 1, SEPT_PENDING);
	race_cell_waits((struct race_cell){ f->window, "punch_other", "prefault_private.tdx" },
			"mmu_lock");
}

CASES(zap_waits,
	{ "zap_leaf", "PUNCH_HOLE while another leaf is added: both are done",
	  .arg = &frozen_leaf, FROZEN_CASE },
	{ "zap_table", "PUNCH_HOLE while a table is added: both are done",
	  .arg = &frozen_table, FROZEN_CASE })

TEST_MAIN("vCPUs and zaps that meet a frozen SPTE of a TD")
