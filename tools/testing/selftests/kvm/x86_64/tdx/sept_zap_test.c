// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM removes entries of the Secure EPT: for a hole in guest_memfd, a conversion to
 * shared, a deleted slot, a closed guest_memfd, a destroyed TD.  It blocks the entry,
 * tracks (if vCPUs may have run), removes the page and writes its cache lines back
 * (tdx_sept_remove_private_spte() in arch/x86/kvm/vmx/tdx.c): these SEAMCALLs in this
 * order, and no others.  Entries outside of the range do not change.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/case_run.h"
#include "known_issues.h"
#include "td_fixture.h"
#include "td_pages.h"
#include "testcase.h"

#define SLOT_SIZE	SZ_2M
#define SLOT_BORDER		(GPA + SLOT_SIZE)	/* between two slots */
#define PAGES		4			/* mapped on each side of it */
#define FIRST		(SLOT_BORDER - PAGES * SZ_4K)
#define MAX_TABLES	4			/* below the root, for these pages */
#define MAX_CALLS	64

/* SEAMCALLs that are expected. */
struct calls {
	struct seamcall list[MAX_CALLS];
	size_t nr;
};

static void add_call(struct calls *c, struct seamcall call)
{
	must(c->nr < MAX_CALLS, "room for %d SEAMCALLs", MAX_CALLS);
	c->list[c->nr++] = call;
}

/* Those that remove a page; @may_run: of a TD whose vCPUs may have run. */
static void add_zap(struct calls *c, u64 gpa, u64 pfn, bool may_run)
{
	add_call(c, (struct seamcall)CALL_BLOCK(gpa));
	if (may_run)
		add_call(c, (struct seamcall)CALL_TRACK);
	add_call(c, (struct seamcall)CALL_REMOVE(gpa));
	add_call(c, (struct seamcall)CALL_WBINVD(pfn));
}

/* How the pages came to be: by KVM_TDX_INIT_MEM_REGION, or by a fault. */
enum origin { ADDED, ADDED_FINAL, FAULTED };

/* Pages on both sides of the border of two slots, which have a guest_memfd each. */
struct scene {
	struct fixture td;
	struct slot *above;
	bool may_run;
	enum sept_state state;
	u64 pfn[2 * PAGES];		/* of the pages from FIRST on */
	u64 entry[2 * PAGES];		/* in the Secure EPT, where the host shows it */
	u64 tables[MAX_TABLES];		/* pfns of the Secure EPT's tables */
	int nr_tables;
};

static void find_tables(struct scene *s)
{
	size_t nr;
	struct seamcall *calls = seamcalls(s->td.o, &nr);

	for (size_t i = 0; i < nr && s->nr_tables < MAX_TABLES; i++)
		if (calls[i].leaf == TDH_MEM_SEPT_ADD && !calls[i].status)
			s->tables[s->nr_tables++] = calls[i].pfn;
	free(calls);
}

static u64 sept_entry_of(struct vm *vm, u64 gpa)
{
	return sept_missing() ? 0 : sept_walk(vm, gpa).entry;
}

static struct scene scene(const struct test *t, enum origin origin)
{
	struct scene s = { .td = td_fixture(t, SLOT_SIZE), .may_run = origin != ADDED,
			   .state = origin == FAULTED ? SEPT_PENDING : SEPT_MAPPED };

	s.above = td_slot_add(s.td.vm, SLOT_BORDER, SLOT_SIZE);
	if (origin != FAULTED)
		td_add(s.td.vcpu, td_source(2 * PAGES, t->seed), FIRST, 2 * PAGES, 0);
	if (origin != ADDED)
		td_finalize(s.td.vm);
	if (origin == FAULTED)
		prefault(s.td.vcpu, FIRST, 2 * PAGES * SZ_4K);
	expect_td_mapped(&s.td, FIRST, 2 * PAGES, s.state);
	td_pfns(&s.td, FIRST, 2 * PAGES, s.pfn);
	for (int i = 0; i < 2 * PAGES; i++)
		s.entry[i] = sept_entry_of(s.td.vm, FIRST + i * SZ_4K);
	find_tables(&s);
	observer_clear(s.td.o);
	return s;
}

/* Pages [first, first + nr) from FIRST on are removed; the others have not changed. */
static void expect_removed(struct scene *s, int first, int nr)
{
	struct calls calls = { .nr = 0 };

	for (int i = first; i < first + nr; i++)
		add_zap(&calls, FIRST + i * SZ_4K, s->pfn[i], s->may_run);
	expect_seamcall_list(s->td.o, calls.list, calls.nr);

	for (int i = 0; i < 2 * PAGES; i++) {
		u64 gpa = FIRST + i * SZ_4K;

		if (i >= first && i < first + nr) {
			expect_td_unmapped(&s->td, gpa, 1);
			expect_sept_free_at(s->td.vm, gpa, LEVEL_4K);	/* tables stay */
			expect_no_page(s->td.vm, (i < PAGES ? s->td.slot : s->above)->gmem,
				       s->pfn[i]);
		} else {
			expect_td_mapped(&s->td, gpa, 1, s->state);
			expect_eq(sept_entry_of(s->td.vm, gpa), s->entry[i],
				  "entry of gpa 0x%llx, outside of the range", gpa);
			expect_own_page(s->td.vm, gpa, s->pfn[i]);
		}
	}
}

struct zap {
	enum origin origin;
	enum { PUNCH, CONVERT, DELETE, CLOSE } how;
	u64 gpa, size;		/* PUNCH, CONVERT */
	int first, nr;		/* pages that are removed */
};
#define MIDDLE		FIRST + SZ_4K, 2 * SZ_4K, 1, 2
#define ALL_BELOW	0, 0, 0, PAGES

static void zap(const struct test *t)
{
	const struct zap *z = t->tc->arg;
	struct scene s = scene(t, z->origin);

	switch (z->how) {
	case PUNCH:
		mem_punch_hole(s.td.slot->gmem, z->gpa - GPA, z->size);
		break;
	case CONVERT:
		vm_set_shared(s.td.vm, z->gpa, z->size);
		break;
	case DELETE:
		slot_delete(s.td.slot);
		break;
	case CLOSE:
		close(s.td.slot->gmem->fd);
		break;
	}
	expect_removed(&s, z->first, z->nr);
	measure("pages", z->nr);
}
CASES(zap,
	{ "punched_added", "a hole in added pages: block, remove, write back",
	  .arg = &(const struct zap){ ADDED, PUNCH, MIDDLE }, TD_SEPT },
	{ "punched_final", "a hole in added pages after finalize: TRACK, too",
	  .arg = &(const struct zap){ ADDED_FINAL, PUNCH, MIDDLE }, TD_SEPT },
	{ "punched_faulted", "a hole in pending pages",
	  .arg = &(const struct zap){ FAULTED, PUNCH, MIDDLE }, TD_SEPT },
	{ "converted_added", "added pages are made shared",
	  .arg = &(const struct zap){ ADDED, CONVERT, MIDDLE }, TD_SEPT },
	{ "converted_final", "added pages are made shared after finalize",
	  .arg = &(const struct zap){ ADDED_FINAL, CONVERT, MIDDLE }, TD_SEPT },
	{ "converted_faulted", "pending pages are made shared",
	  .arg = &(const struct zap){ FAULTED, CONVERT, MIDDLE }, TD_SEPT },
	{ "deleted_added", "the slot of added pages is deleted",
	  .arg = &(const struct zap){ ADDED, DELETE, ALL_BELOW }, TD_SEPT },
	{ "deleted_final", "the slot of added pages is deleted after finalize",
	  .arg = &(const struct zap){ ADDED_FINAL, DELETE, ALL_BELOW }, TD_SEPT },
	{ "deleted_faulted", "the slot of pending pages is deleted",
	  .arg = &(const struct zap){ FAULTED, DELETE, ALL_BELOW }, TD_SEPT },
	{ "closed_added", "guest_memfd of added pages is closed",
	  .arg = &(const struct zap){ ADDED, CLOSE, ALL_BELOW }, TD_SEPT },
	{ "closed_final", "guest_memfd of added pages is closed after finalize",
	  .arg = &(const struct zap){ ADDED_FINAL, CLOSE, ALL_BELOW }, TD_SEPT },
	{ "closed_faulted", "guest_memfd of pending pages is closed",
	  .arg = &(const struct zap){ FAULTED, CLOSE, ALL_BELOW }, TD_SEPT },
	{ "punched_one", "a hole of one page, the last of its slot",
	  .arg = &(const struct zap){ FAULTED, PUNCH, SLOT_BORDER - SZ_4K, SZ_4K, PAGES - 1, 1 },
	  TD_SEPT },
	{ "punched_whole", "a hole in all of the slot: SEAMCALLs for mapped pages only",
	  .arg = &(const struct zap){ FAULTED, PUNCH, GPA, SLOT_SIZE, 0, PAGES },
	  TD_SEPT },
	{ "punched_beside", "a hole that ends before the first mapped page: no SEAMCALL",
	  .arg = &(const struct zap){ FAULTED, PUNCH, GPA, SLOT_SIZE - PAGES * SZ_4K, 0, 0 },
	  TD_SEPT },
	{ "converted_across", "a conversion across two slots",
	  .arg = &(const struct zap){ FAULTED, CONVERT, SLOT_BORDER - SZ_4K, 2 * SZ_4K, PAGES - 1, 2 },
	  TD_SEPT },
	{ "converted_whole", "a conversion of both slots",
	  .arg = &(const struct zap){ FAULTED, CONVERT, GPA, 2 * SLOT_SIZE, 0, 2 * PAGES },
	  TD_SEPT },
	{ "converted_beside", "a conversion behind the last mapped page: no SEAMCALL",
	  .arg = &(const struct zap){ FAULTED, CONVERT, SLOT_BORDER + PAGES * SZ_4K,
				      SLOT_SIZE - PAGES * SZ_4K, 0, 0 },
	  TD_SEPT },
)

CASE(punched_and_faulted, "a fault on a punched page: one PAGE.AUG, pending", TD_SEPT)
{
	struct scene s = scene(t, ADDED_FINAL);

	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	observer_clear(s.td.o);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_td_mapped(&s.td, FIRST, 1, SEPT_PENDING);
	expect_td_mapped(&s.td, FIRST + SZ_4K, 2 * PAGES - 1, SEPT_MAPPED);
	expect_seamcalls(s.td.o, CALL_PAGE_AUG(FIRST, gmem_pfn(s.td.o, FIRST >> 12)));
}

CASE(punched_and_added, "before finalize a punched page can be added again", TD_SEPT)
{
	struct scene s = scene(t, ADDED);

	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	observer_clear(s.td.o);
	td_add(s.td.vcpu, td_source(1, ~t->seed), FIRST, 1, 0);
	expect_td_mapped(&s.td, FIRST, 2 * PAGES, SEPT_MAPPED);
	expect_seamcalls(s.td.o, CALL_PAGE_ADD(FIRST, observer_known(s.td.o, FIRST >> 12).pfn));
}

CASE(converted_back, "made shared, then private: not mapped until the next fault", TD_SEPT)
{
	struct scene s = scene(t, FAULTED);

	vm_set_shared(s.td.vm, FIRST, SZ_4K);
	observer_clear(s.td.o);
	vm_set_private(s.td.vm, FIRST, SZ_4K);
	expect_no_seamcalls(s.td.o);
	expect_td_unmapped(&s.td, FIRST, 1);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_td_mapped(&s.td, FIRST, 2 * PAGES, SEPT_PENDING);
	expect_seamcalls(s.td.o, CALL_PAGE_AUG(FIRST, gmem_pfn(s.td.o, FIRST >> 12)));
}

CASE(slot_recreated, "a slot deleted and created again: not mapped until the next fault", TD_SEPT)
{
	struct scene s = scene(t, FAULTED);

	slot_delete(s.td.slot);
	observer_clear(s.td.o);
	expect_ok(__slot_set(s.td.slot), "the slot again");
	expect_no_seamcalls(s.td.o);
	expect_td_unmapped(&s.td, FIRST, PAGES);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_td_mapped(&s.td, FIRST, 1, SEPT_PENDING);
	expect_seamcalls(s.td.o, CALL_PAGE_AUG(FIRST, gmem_pfn(s.td.o, FIRST >> 12)));
}

CASE(punched_twice, "a second hole at the same place: no SEAMCALL", TD_SEPT)
{
	struct scene s = scene(t, FAULTED);

	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	expect_removed(&s, 0, 1);
	observer_clear(s.td.o);
	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	expect_no_seamcalls(s.td.o);
}

/* A slot with guest_memfd can be created and deleted, not changed. */
CASE(slot_changes, "a slot moved, resized, with other flags: EINVAL, no SEAMCALL",
	.xfail = "S1", .xfail_in_body = true, TD_SEPT)
{
	static const struct {
		const char *what;
		u64 down, grow;	/* bytes */
		u32 flags;		/* that flip */
	} changes[] = {
		{ "as it is", 0, 0, 0 },
		{ "moved down", SLOT_SIZE, 0, 0 },
		{ "a page shorter", 0, -(u64)SZ_4K, 0 },
		{ "with dirty logging", 0, 0, KVM_MEM_LOG_DIRTY_PAGES },
		{ "read-only", 0, 0, KVM_MEM_READONLY },
		{ "without guest_memfd", 0, 0, KVM_MEM_GUEST_MEMFD },
		{ "moved, without guest_memfd", SLOT_SIZE, 0, KVM_MEM_GUEST_MEMFD },
	};
	struct scene s = scene(t, FAULTED);

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct slot changed = *s.td.slot;
		int ret;

		/* If KVM accepts it, the TD is never torn down: the host loses an HKID. */
		if (changes[i].flags & KVM_MEM_GUEST_MEMFD && !in_testbed() &&
		    known_issue_here(known_issue("S1"))) {
			diag("not tried, known issue S1: %s", changes[i].what);
			continue;
		}

		changed.gpa -= changes[i].down;
		changed.size += changes[i].grow;
		changed.flags ^= changes[i].flags;
		ret = __slot_set(&changed);
		if (!ret && changes[i].flags & KVM_MEM_GUEST_MEMFD) {
			expect_splat();		/* from the teardown of the TD */
			xfail("S1", "KVM accepts the slot %s", changes[i].what);
		}
		expect_errno(ret, EINVAL,
			     "KVM_SET_USER_MEMORY_REGION2 of a slot with guest_memfd, %s",
			     changes[i].what);
		expect_removed(&s, 0, 0);
	}
}

CASE(shared_memory, "shared pages are mapped and unmapped: no SEAMCALL", TD_SEPT)
{
	struct scene s = scene(t, FAULTED);
	u8 *hva = s.td.slot->mem->hva;

	vm_set_shared(s.td.vm, FIRST, SZ_4K);
	mem_touch(hva, SLOT_SIZE);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_mapped(s.td.o, FIRST >> 12, LEVEL_4K, pfn_of(hva + FIRST - GPA));
	observer_clear(s.td.o);

	must(!madvise(hva, SLOT_SIZE, MADV_DONTNEED), "MADV_DONTNEED");
	expect_not_mapped(s.td.o, FIRST >> 12);
	expect_no_seamcalls(s.td.o);
	expect_td_mapped(&s.td, FIRST + SZ_4K, 2 * PAGES - 1, SEPT_PENDING);
}

CASE(other_td, "another TD with pages at the same gpas: no SEAMCALL for this one", TD_SEPT)
{
	struct scene s = scene(t, FAULTED);
	struct fixture other = { .vm = td_create() };

	other.vcpu = td_vcpu(other.vm);
	other.slot = td_slot_add(other.vm, GPA, SLOT_SIZE);
	td_finalize(other.vm);
	prefault(other.vcpu, FIRST, PAGES * SZ_4K);
	mem_punch_hole(other.slot->gmem, 0, SLOT_SIZE);
	expect_sept_free(other.vm, FIRST);
	expect_removed(&s, 0, 0);
	if (!sept_missing())
		expect_eq(observer_tdr(s.td.o), sept_tdr(s.td.vm), "TDR of the observed TD");
}

/* It must not be more than once. */
static bool reclaimed(const struct seamcall *calls, size_t nr, u64 pfn)
{
	unsigned int times = 0;

	for (size_t i = 0; i < nr; i++)
		times += calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM && calls[i].pfn == pfn;
	expect_true(times < 2, "pfn 0x%llx is reclaimed once, not %u times", pfn, times);
	return times;
}

/* Pages are removed before the key is freed, tables and root page reclaimed after. */
CASE(destroyed, "a TD destroyed: pages removed, key freed, tables reclaimed", TD_SEPT)
{
	struct scene s = scene(t, FAULTED);
	u64 tdr = observer_tdr(s.td.o);
	bool has_key = true;
	struct seamcall *calls;
	struct calls zaps = { .nr = 0 };
	size_t nr, zapped = 0;

	vcpu_close(s.td.vcpu);
	vm_close(s.td.vm);
	close(s.td.slot->gmem->fd);
	close(s.above->gmem->fd);

	for (int i = 0; i < 2 * PAGES; i++)
		add_zap(&zaps, FIRST + i * SZ_4K, s.pfn[i], true);
	calls = seamcalls(s.td.o, &nr);
	for (size_t i = 0; i < nr; i++) {
		expect_eq(calls[i].status, 0, "status of %s", seamcall_name(calls[i].leaf));
		if (calls[i].leaf == TDH_MNG_KEY_FREEID)
			has_key = false;
		else if (calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM)
			expect_true(!has_key, "pfn 0x%llx is reclaimed after the key is freed",
				    calls[i].pfn);
		else if (has_key)
			zapped++;
	}
	expect_true(!has_key, "the key is freed");
	expect_eq(zapped, zaps.nr, "SEAMCALLs that remove pages, before the key is freed");
	expect_true(reclaimed(calls, nr, tdr >> 12), "the TDR is reclaimed");
	expect_eq(s.nr_tables, MAX_TABLES, "tables of the Secure EPT");
	for (int i = 0; i < s.nr_tables; i++)
		expect_true(reclaimed(calls, nr, s.tables[i]), "table %d, pfn 0x%llx, is reclaimed",
			    i, s.tables[i]);
}

TEST_MAIN("removal of Secure EPT entries, and the SEAMCALLs for it")
