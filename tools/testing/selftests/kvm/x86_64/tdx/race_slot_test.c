// SPDX-License-Identifier: GPL-2.0-only
/*
 * What meets a fault in its windows and is no invalidation: changes of its memslot,
 * another vCPU that sets the same entry, and the death of the process.
 *
 * Changes of memslots wait for SRCU readers, a fault among them: the fault ends with
 * the slot that it began with, and without a retry.  The vCPU that loses the race for
 * an entry retries once.  A thread inside of KVM keeps the memory of its process.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "hold.h"
#include "race_cell.h"
#include "race_fixture.h"
#include "td.h"
#include "testcase.h"
#include "vm_thread.h"

/* Private memory in a TD, else anonymous memory. */
static enum mem_kind kind_of(const struct test *t)
{
	return t->vm_type == KVM_X86_TDX_VM ? MEM_GMEM : MEM_ANON;
}

struct slot_change {
	enum mem_kind kind;		/* of the slot */
	u32 flags;			/* of the slot, before */
	int (*change)(void *slot);
	void (*expect)(const struct race_fixture *r);	/* after both are done */
};

static int change_delete(void *slot)
{
	return __slot_delete(slot);
}

static int change_move(void *slot)
{
	struct slot to = *(struct slot *)slot;

	to.gpa += SZ_1G / 2;
	return __slot_set(&to);
}

static int change_log(void *slot)
{
	struct slot to = *(struct slot *)slot;

	to.flags ^= KVM_MEM_LOG_DIRTY_PAGES;
	return __slot_set(&to);
}

/* Logged by write-protection, or by the CPU (PML). */
static void expect_logged(const struct race_fixture *r)
{
	bool pml = kvm_tdp() == TDP_EPT && !strcmp(kvm_param("kvm_intel", "pml"), "Y");

	expect_race_mapped(r);
	expect_eq(observer_mapping(r->f.o, r->gpa >> 12).writable, pml,
		  "gfn 0x%llx, now logged, is mapped writable", r->gpa >> 12);
}

static const struct slot_change
	delete_hva = { MEM_ANON, 0, change_delete, expect_race_unmapped },
	delete_gmem = { MEM_GMEM, 0, change_delete, expect_race_unmapped },
	move = { MEM_ANON, 0, change_move, expect_race_unmapped },
	log_on = { MEM_ANON, 0, change_log, expect_logged },
	log_off = { MEM_ANON, KVM_MEM_LOG_DIRTY_PAGES, change_log, expect_race_mapped };

/* A slot for @window, whose second page is still to be mapped: its gpa. */
static u64 add_slot(struct fixture *f, const struct slot_change *c, enum race_window window)
{
	u64 gpa = RACE_SLOT_GPA(window);

	f->mem = mem_populated(MEM_ANON, RACE_SLOT_SIZE, NULL);
	if (c->kind == MEM_GMEM)
		f->slot = td_slot_add(f->vm, gpa, RACE_SLOT_SIZE);
	else
		f->slot = slot_add_part(f->vm, gpa, f->mem, 0, f->mem->size, c->flags);
	prefault(f->vcpu, gpa, SZ_4K);
	return gpa + SZ_4K;
}

static void slot_changes(const struct test *t)
{
	const struct slot_change *c = t->tc->arg;
	struct race_fixture r = race_fixture(t, c->kind);

	for (int window = 0; window < NR_RACE_WINDOWS; window++) {
		struct thread *changer;

		if (!race_window_exists(window, r.gmem))
			continue;
		race_open(&r, window, add_slot(&r.f, c, window), NULL);
		changer = thread_start(c->change, r.f.slot);
		expect_true(tid_sleeps_in(thread_tid(changer), "synchronize_srcu", 5),
			    "the change of the slot waits for the fault, window %s",
			    race_window_name(window));
		race_close(&r);
		expect_race_result(&r, 0);
		expect_ok(thread_join(changer, "the change of the slot"), "the change");
		expect_race_retries(&r, 0);
		c->expect(&r);
		race_cell_waits(race_cell_of(t, window), "srcu");
	}
}

CASES(slot_changes,
	{ "delete_slot-hva", "deletion of the slot waits for the fault", .arg = &delete_hva,
	  .xfail = "E3", .vm_types = VM_ANY, RACE_HVA },
	{ "move_slot-hva", "a move of the slot waits for the fault", .arg = &move,
	  .xfail = "E3", .vm_types = VM_DEFAULT, RACE_HVA },
	{ "log_on-hva", "the start of dirty logging waits for the fault", .arg = &log_on,
	  .vm_types = VM_DEFAULT, RACE_HVA },
	{ "log_off-hva", "the end of dirty logging waits for the fault", .arg = &log_off,
	  .vm_types = VM_DEFAULT, RACE_HVA },
	{ "delete_slot-private", "deletion of the slot waits for the fault",
	  .arg = &delete_gmem, RACE_TD },
	{ "delete_slot-shared", "deletion of the slot waits for the fault",
	  .arg = &delete_hva, RACE_TD })

static int set_slot(void *slot)
{
	return __slot_set(slot);
}

/*
 * A prefault finds no slot; then the slot is made, and another vCPU maps the gfn.
 * A fault without a slot is never stale: it finds the SPTE, and KVM warns that
 * "no slot" is not the pfn there.
 */
CASE(slot_made_in_window, "a slot is made, and mapped, while a prefault found none: a WARNING",
	.xfail = "E4", .vm_types = VM_ANY, .observes = OBSERVE(EV_SPTE),
	.side_effects = "makes the kernel print a WARNING", .needs_hold = true, .cpus = 2,
	.expects_splat = true)
{
	struct vm *vm = vm_create(t->vm_type);
	struct vcpu *first = vcpu_create(vm), *second = vcpu_create(vm);
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);
	struct slot slot = { .vm = vm, .gpa = GPA, .size = SZ_2M, .mem = mem };
	struct observer *o = observe(vm, t->observes);
	struct hold *h = hold_arm(.function = "kvm_mmu_faultin_pfn", .at = HOLD_RETURN);
	struct prefault *map = prefault_start(first, GPA, SZ_4K);
	struct thread *maker;

	hold_await(h);
	maker = thread_start(set_slot, &slot);		/* it waits for the first vCPU */
	expect_true(tid_sleeps_in(thread_tid(maker), "synchronize_srcu", 5),
		    "KVM_SET_USER_MEMORY_REGION waits for the prefault, with the slot visible");
	prefault(second, GPA, SZ_4K);
	hold_release(h);
	prefault_end(map);
	expect_ok(thread_join(maker, "KVM_SET_USER_MEMORY_REGION2"), "the new slot");
	hold_end(h);
	expect_mapped(o, GFN, LEVEL_4K, pfn_of(mem->hva));
}

/* Another vCPU sets the leaf, or the table above it, first: one retry. */
static void lost_race(const struct test *t)
{
	struct race_fixture r = race_fixture(t, kind_of(t));
	enum race_window window = t->tc->param;
	bool table = window == WIN_BEFORE_LINK;
	u64 gpa = table ? RACE_2M_GPA(window) + SZ_4K : RACE_GPA(window);

	race_open(&r, window, gpa, NULL);
	prefault(r.vcpu2, table ? RACE_2M_GPA(window) : gpa, SZ_4K);
	race_close(&r);
	expect_race_retries(&r, 1);
	expect_race_mapped(&r);
	expect_eq(observer_times_set(r.f.o, gpa >> 12, table ? LEVEL_2M : LEVEL_4K), 1,
		  "times that the SPTE that both vCPUs need was set");
	race_cell_hit(race_cell_of(t, window), 1, "set_once");
}

CASES(lost_race,
	{ "same_leaf-hva", "another vCPU maps the gfn that both saw unmapped",
	  .param = WIN_BEFORE_SET, .xfail = "E4", .vm_types = VM_ANY, RACE_HVA },
	{ "same_table-hva", "another vCPU links the table that both need",
	  .param = WIN_BEFORE_LINK, .vm_types = VM_ANY, RACE_HVA },
	{ "same_leaf-private", "another vCPU maps the gfn that both saw unmapped",
	  .param = WIN_BEFORE_SET, RACE_TD },
	{ "same_table-private", "another vCPU links the table that both need",
	  .param = WIN_BEFORE_LINK, RACE_TD })

/* A process with a VM: it writes to @ready, and prefaults a page after a byte from @go. */
struct process {
	pid_t pid;
	int ready[2], go[2];		/* pipes */
};

static void start_process(struct process *p, const struct test *t, u64 gpa)
{
	char byte = 0;

	must(!pipe(p->ready) && !pipe(p->go), "pipe");
	p->pid = fork();
	if (!p->pid) {
		struct race_fixture r = race_fixture(t, kind_of(t));

		if (write(p->ready[1], &byte, 1) == 1 && read(p->go[0], &byte, 1) == 1)
			prefault(r.f.vcpu, gpa, SZ_4K);
		_exit(0);
	}
	must(p->pid > 0 && read(p->ready[0], &byte, 1) == 1, "a process with a VM");
}

/* Does SIGKILL wait for the thread? Whoever dies takes no signals from the set. */
static bool has_sigkill(pid_t pid)
{
	char *text = file_after(strf("/proc/%d/status", pid), "ShdPnd:");
	u64 pending = text ? strtoull(text, NULL, 16) : 0;

	free(text);
	return pending >> (SIGKILL - 1) & 1;
}

/* Killed, it has time to end, on a CPU of its own, and does not: it is held. */
static void expect_stays(const struct process *p, enum race_window window)
{
	struct pollfd end = { .fd = syscall(SYS_pidfd_open, p->pid, 0), .events = POLLIN };

	must(end.fd >= 0 && !kill(p->pid, SIGKILL), "kill");
	must(has_sigkill(p->pid), "SIGKILL pending for the process that is held");
	expect_eq(poll(&end, 1, 50), 0, "processes that ended in window %s",
		  race_window_name(window));
	close(end.fd);
}

/* The thread that is inside uses the memory of the process, which ends after it. */
static void process_dies(const struct test *t)
{
	bool gmem = kind_of(t) == MEM_GMEM;

	for (int window = 0; window < NR_RACE_WINDOWS; window++) {
		struct process p;
		struct hold *hold;

		if (!race_window_exists(window, gmem))
			continue;
		start_process(&p, t, RACE_GPA(window));
		hold = race_window_arm(window, gmem, NULL);
		must(write(p.go[1], "", 1) == 1, "pipe");
		hold_await(hold);
		expect_stays(&p, window);
		hold_release(hold);
		must(waitpid(p.pid, NULL, 0) == p.pid, "waitpid");
		hold_end(hold);
		race_cell_waits(race_cell_of(t, window), "mm_users");
	}
}

CASES(process_dies,
	{ "exit-hva", "SIGKILL of the process: it ends after the fault", .vm_types = VM_ANY,
	  .needs_hold_module = true, RACE_HVA },
	{ "exit-private", "SIGKILL of the process: it ends after the fault",
	  .needs_hold_module = true, RACE_TD })

TEST_MAIN("memslot changes, other vCPUs and the death of the process in the windows of a fault")
