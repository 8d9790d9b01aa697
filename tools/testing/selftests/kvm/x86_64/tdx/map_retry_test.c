// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidations that meet KVM while it maps a page.
 *
 * KVM snapshots mmu_invalidate_seq, gets the page, and maps it only if nothing was
 * invalidated since; else the fault returns RET_PF_RETRY, and KVM_PRE_FAULT_MEMORY
 * tries again (kvm_tdp_page_prefault(); in the 2023 TDX series kvm_mmu_map_tdp_page()).
 * Each case opens the window between snapshot and mmu_lock on purpose, invalidates
 * inside, and counts the retries: one too few maps a stale page, one too many is a
 * loop.
 */
#include <string.h>
#include <sys/mman.h>

#include "attr_change.h"
#include "race_cell.h"
#include "testcase.h"
#include "window_fixture.h"

static struct race_cell cell_of(const struct test *t)
{
	return (struct race_cell){ "in_gup", t->tc->name,
				   strf("prefault_hva%s", strchr(t->name, '.')) };
}

/* What happens in the window, and how often KVM then retries. */
struct in_window {
	const struct invalidation *inv;
	unsigned long retries;
	enum mem_kind kind;		/* of the slot */
};

/* One window, one invalidation of another page: the retries, then the right page is mapped. */
static void invalidate(const struct test *t)
{
	const struct in_window *in = t->tc->arg;
	struct window_fixture s = window_fixture(t, in->kind);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	invalidate_other(&s, in->inv);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);

	expect_window_retries(&s, in->retries);
	expect_eq(observer_faults(s.f.o), in->retries + 1, "faults of gfn 0x%llx", WINDOW_GFN);
	expect_window_mapped(&s, WINDOW_GPA);
	measure("attempts", 1);
	measure("retries", in->retries);
	race_cell_hit(cell_of(t), in->retries, "mapped");
}

static void do_nothing(const struct inv_target *target __attribute__((unused)))
{
}

static void drop_outside_slot(const struct inv_target *target __attribute__((unused)))
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);

	must(!madvise(mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
}

static void drop_of_other_vm(const struct inv_target *target __attribute__((unused)))
{
	struct vm *vm = vm_create(KVM_X86_DEFAULT_VM);
	struct mem *mem = mem_populated(MEM_ANON, SZ_2M, NULL);

	slot_add(vm, GPA, mem);
	prefault(vcpu_create(vm), GPA, SZ_2M);
	must(!madvise(mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
}

static const struct invalidation
	nothing = { .act = do_nothing },
	outside_slot = { .act = drop_outside_slot },
	other_vm = { .act = drop_of_other_vm };

static const struct in_window
	w_none = { &nothing, 0, MEM_ANON },
	w_outside = { &outside_slot, 0, MEM_ANON },
	w_other_vm = { &other_vm, 0, MEM_ANON },
	w_dontneed = { &inv_dontneed, 1, MEM_ANON },
	w_munmap = { &inv_munmap, 1, MEM_ANON },
	w_mprotect = { &inv_mprotect, 1, MEM_ANON },
	w_mremap = { &inv_mremap, 1, MEM_ANON },
	w_collapse = { &inv_collapse, 1, MEM_ANON },
	w_migrate = { &inv_migrate, 1, MEM_ANON },
	w_pageout = { &inv_pageout, 1, MEM_ANON },
	w_fork = { &inv_fork, 1, MEM_ANON },
	w_punch = { &inv_punch_memfd, 1, MEM_MEMFD },
	w_ksm = { &inv_ksm_merge, 1, MEM_ANON },
	w_attribute = { &inv_private, 1, MEM_ANON };

#define IN_GUP	.observes = OBSERVE_MAPPING, .needs_uffd = true

CASES(invalidate,
	{ "no_invalidation", "no invalidation in the window: no retry", .arg = &w_none,
	  .vm_types = VM_ALL, IN_GUP },
	{ "outside_slot", "invalidation of memory of no slot: no retry", .arg = &w_outside,
	  .vm_types = VM_ALL, IN_GUP },
	{ "other_vm", "invalidation of another VM's memory: no retry", .arg = &w_other_vm,
	  .vm_types = VM_ALL, IN_GUP },
	{ "dontneed", "MADV_DONTNEED in the window: one retry", .arg = &w_dontneed,
	  .vm_types = VM_ALL, IN_GUP },
	{ "munmap", "munmap() in the window: one retry", .arg = &w_munmap,
	  .vm_types = VM_ALL, IN_GUP },
	{ "mprotect", "mprotect() in the window: one retry", .arg = &w_mprotect,
	  .vm_types = VM_ALL, IN_GUP },
	{ "mremap", "mremap() in the window: one retry", .arg = &w_mremap,
	  .vm_types = VM_ALL, IN_GUP },
	{ "collapse", "MADV_COLLAPSE in the window: one retry", .arg = &w_collapse,
	  .vm_types = VM_ALL, .needs_thp = true, IN_GUP },
	{ "migrate", "move_pages() in the window: one retry", .arg = &w_migrate,
	  .vm_types = VM_ANY, .nodes = 2, IN_GUP },
	{ "ksm", "KSM merges a page in the window: one retry", .arg = &w_ksm,
	  .vm_types = VM_DEFAULT, .side_effects = "runs KSM for all of the host, and stops it",
	  IN_GUP },
	{ "pageout", "swap-out in the window: one retry", .arg = &w_pageout,
	  .vm_types = VM_ALL, IN_GUP },
	{ "fork", "fork() in the window: one retry", .arg = &w_fork,
	  .vm_types = VM_ALL, IN_GUP },
	{ "punch_memfd", "PUNCH_HOLE in the memfd in the window: one retry", .arg = &w_punch,
	  .vm_types = VM_ALL, IN_GUP },
	{ "attribute_other", "another gfn becomes private in the window: one retry",
	  .arg = &w_attribute, .vm_types = VM_SW_PROTECTED | VM_TDX, IN_GUP },
	{ "dontneed_one_cpu", "MADV_DONTNEED in the window, on one CPU: one retry",
	  .arg = &w_dontneed, .vm_types = VM_DEFAULT, .boot = BOOT_CPUS1, IN_GUP },
	{ "legacy_dontneed", "legacy MMU: MADV_DONTNEED in the window: one retry",
	  .arg = &w_dontneed, .vm_types = VM_DEFAULT, .boot = BOOT_TDP_MMU_OFF, IN_GUP },
	{ "legacy_punch_memfd", "legacy MMU: PUNCH_HOLE in the memfd in the window: one retry",
	  .arg = &w_punch, .vm_types = VM_DEFAULT, .boot = BOOT_TDP_MMU_OFF, IN_GUP })

/* mmu_invalidate_seq is the VM's. */
CASE(punch_gmem, "PUNCH_HOLE in another slot's guest_memfd: one retry",
	.vm_types = VM_ALL, IN_GUP)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);
	struct mem *gmem = mem_create(t->vm_type == KVM_X86_DEFAULT_VM ? MEM_GMEM_MMAP : MEM_GMEM,
				      SZ_2M, s.f.vm);

	slot_add_gmem(s.f.vm, GPA + SZ_1G, gmem->hva ? gmem : NULL, gmem);
	window_open(s.w, WINDOW_GPA, SZ_4K);
	mem_punch_hole(gmem, 0, SZ_4K);
	expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx", WINDOW_GPA);
	expect_window_retries(&s, 1);
	expect_window_mapped(&s, WINDOW_GPA);
	measure("retries", 1);
}

CASE(attribute_flip, "the gfn becomes private in the window: one retry, EFAULT",
	.vm_types = VM_SW_PROTECTED | VM_TDX, IN_GUP)
{
	struct window_fixture s = window_fixture(t, MEM_ANON);

	window_open(s.w, WINDOW_GPA, SZ_4K);
	vm_set_private(s.f.vm, WINDOW_GPA, SZ_4K);
	expect_errno(window_close(s.w), EFAULT, "KVM_PRE_FAULT_MEMORY of gpa 0x%llx",
		     WINDOW_GPA);
	expect_window_retries(&s, 1);
	expect_not_mapped(s.f.o, WINDOW_GFN);

	expect_memory_fault_exit(s.f.vcpu, WINDOW_GPA, 0);	/* the access was shared */
	measure("retries", 1);
	race_cell_hit(cell_of(t), 1, "EFAULT");
}

/*
 * While the attributes of one slot are changing (for long: 2^18 gfns), a prefault of
 * another slot does not wait.
 */
CASE(unrelated_range, "another slot's attributes are changing: mapped without waiting",
	.fixes = "8569992d64b8 (\"KVM: Use gfn instead of hva for mmu_notifier_retry\"), 6.8",
	.vm_types = VM_SW_PROTECTED, .observes = OBSERVE_MAPPING | OBSERVE(EV_ATTR_END),
	.needs_hold = true, .cpus = 2)
{
	struct fixture f = fixture(t, MEM_ANON, SZ_2M);
	struct attr_change *change;
	const struct event *ev;
	bool mapped_inside = false;
	size_t nr;

	slot_add(f.vm, GPA + SZ_1G, mem_populated(MEM_ANON, SZ_2M, NULL));
	prefault(f.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(f.o);
	change = attr_change_begin(f.vm, GPA + SZ_1G, SZ_4K << 18);
	prefault(f.vcpu, GPA, SZ_4K);
	expect_ok(attr_change_end(change), "KVM_SET_MEMORY_ATTRIBUTES");

	ev = observer_events(f.o, &nr);
	for (size_t i = 0; i < nr && ev[i].type != EV_ATTR_END; i++)
		mapped_inside |= ev[i].type == EV_FAULT && ev[i].ret == PF_FIXED;
	expect_true(mapped_inside, "gfn 0x%llx is mapped before the change of the other slot ends",
		    GFN);
	expect_mapped(f.o, GFN, LEVEL_4K, pfn_of(f.mem->hva));
}

CASE(forced_10000, "10,000 windows, an invalidation in each: 10,000 retries",
	.vm_types = VM_DEFAULT, IN_GUP, .time_limit_s = 120)
{
	const unsigned int attempts = 10000, batch = 500;
	unsigned long retries = 0, faults = 0;
	struct window_fixture s;
	double start = now(), windows = 0;

	stay_on_one_cpu();
	s = window_fixture(t, MEM_ANON);
	for (unsigned int i = 0; i < attempts; i++) {
		u64 gpa = GPA + i % 512 * SZ_4K;
		double opened = now();

		window_open(s.w, gpa, SZ_4K);
		invalidate_other(&s, &inv_dontneed);
		expect_ok(window_close(s.w), "KVM_PRE_FAULT_MEMORY of gpa 0x%llx, attempt %u",
			  gpa, i);
		windows += now() - opened;

		if ((i + 1) % batch)
			continue;
		/* Read the trace before its buffer is full, and clear it. */
		retries += observer_retries(s.f.o);
		faults += observer_faults(s.f.o);
		expect_eq(retries, i + 1, "RET_PF_RETRYs after %u attempts", i + 1);
		expect_eq(faults, 2 * (i + 1), "faults after %u attempts", i + 1);
		expect_window_mapped(&s, gpa);
		must(!madvise(s.f.mem->hva, SZ_2M, MADV_DONTNEED), "MADV_DONTNEED");
		observer_clear(s.f.o);
	}
	measure("attempts", attempts);
	measure("retries", retries);
	measure("faults", faults);
	measure("retries_per_second", retries / windows);
	measure("loop_seconds", now() - start);
}

TEST_MAIN("invalidations while KVM maps a page")
