// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a Secure EPT entry: free, mapped or pending, free again; and the
 * SEAMCALLs that KVM makes for it, in order, none missing, none extra
 * (tdx_sept_set_private_spte() in arch/x86/kvm/vmx/tdx.c).
 *
 * A page is taken away by block, track (once the TD may run), remove, and a
 * write-back of its cache lines.  What is outside of the range stays as it is.
 */
#include <stdlib.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/case_run.h"
#include "known_issues.h"
#include "td_fixture.h"
#include "testcase.h"

#define SLOT_SIZE	SZ_2M
#define BORDER		(GPA + SLOT_SIZE)	/* between two slots */
#define PAGES		4			/* mapped on both sides of it */
#define FIRST		(BORDER - PAGES * SZ_4K)

/* --- what is expected ------------------------------------------------------------------ */

#define MAX_CALLS	64
struct calls {
	struct seamcall list[MAX_CALLS];
	size_t nr;
};

static void expect_call(struct calls *c, struct seamcall call)
{
	must(c->nr < MAX_CALLS, "room for %d SEAMCALLs", MAX_CALLS);
	c->list[c->nr++] = call;
}
#define EXPECT(c, ...)	expect_call(c, (struct seamcall)__VA_ARGS__)

/* The way of a page out of a TD; one that may run has its TLBs tracked. */
static void expect_zap(struct calls *c, u64 gpa, u64 pfn, bool may_run)
{
	EXPECT(c, CALL_BLOCK(gpa));
	if (may_run)
		EXPECT(c, CALL_TRACK);
	EXPECT(c, CALL_REMOVE(gpa));
	EXPECT(c, CALL_WBINVD(pfn));
}

/* --- entries appear ------------------------------------------------------------------------- */

/* The first page: a table at each level, then the page. */
static void first_add(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	u64 pfn;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	pfn = observer_known(td.o, GFN).pfn;
	expect_seamcalls(td.o, CALL_SEPT_ADD(0, 4), CALL_SEPT_ADD(GPA, 3), CALL_SEPT_ADD(GPA, 2),
			 CALL_PAGE_ADD(GPA, pfn));
}

static void first_fault(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	observer_clear(td.o);
	prefault(td.vcpu, GPA, SZ_4K);
	expect_td_mapped(&td, GPA, 1, SEPT_PENDING);
	expect_seamcalls(td.o, CALL_SEPT_ADD(0, 4), CALL_SEPT_ADD(GPA, 3), CALL_SEPT_ADD(GPA, 2),
			 CALL_PAGE_AUG(GPA, gmem_pfn(td.o, GFN)));
}

/* Measured: 16 chunks of 256 bytes, after the page. */
static void measured(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct calls calls = { .nr = 0 };
	u8 *source = td_source(2, t->seed);

	td_add(td.vcpu, source, GPA, 1, 0);
	observer_clear(td.o);
	td_add(td.vcpu, source + SZ_4K, GPA + SZ_4K, 1, KVM_TDX_MEASURE_MEMORY_REGION);

	expect_td_mapped(&td, GPA, 2, SEPT_MAPPED);
	EXPECT(&calls, CALL_PAGE_ADD(GPA + SZ_4K, observer_known(td.o, GFN + 1).pfn));
	for (int i = 0; i < 16; i++)
		EXPECT(&calls, CALL_EXTEND(GPA + SZ_4K));
	expect_seamcall_list(td.o, calls.list, calls.nr);
}

/* KVM_TDX_FINALIZE_VM is one SEAMCALL, and changes no entry. */
static void finalized(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);
	struct sept before;

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	before = sept_walk(td.vm, GPA);
	observer_clear(td.o);
	td_finalize(td.vm);
	expect_seamcalls(td.o, CALL_FINALIZE);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_eq(sept_walk(td.vm, GPA).entry, before.entry, "the entry of gpa 0x%llx", GPA);
}

/* A page that is there, accepted or not, is not touched by a prefault. */
static void mapped_again(const struct test *t)
{
	struct fixture td = td_fixture(t, SZ_2M);

	td_add(td.vcpu, td_source(1, t->seed), GPA, 1, 0);
	td_finalize(td.vm);
	prefault(td.vcpu, GPA + SZ_4K, SZ_4K);
	observer_clear(td.o);
	prefault(td.vcpu, GPA, 2 * SZ_4K);
	expect_no_seamcalls(td.o);
	expect_td_mapped(&td, GPA, 1, SEPT_MAPPED);
	expect_td_mapped(&td, GPA + SZ_4K, 1, SEPT_PENDING);
}

/* --- entries that never were ------------------------------------------------------------------ */

static void expect_free_at(struct vm *vm, u64 gpa, int level)
{
	struct sept s = sept_walk(vm, gpa);

	expect_eq(s.state, SEPT_FREE, "state of gpa 0x%llx (%s)", gpa,
		  sept_state_name(s.state));
	expect_eq(s.level, level, "level at which the walk of gpa 0x%llx ends",
		  gpa);
}

/* Before anything is mapped the root is all there is. */
static void never_mapped(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	expect_free_at(td.vm, 0, 4);
	expect_free_at(td.vm, GPA, 4);
	expect_free_at(td.vm, TD_SHARED_BIT - SZ_4K, 4);
	expect_seamcalls(td.o, CALL_FINALIZE);
}

/* Next to a page: free, at the level that the tables of the page reach. */
static void next_to_a_page(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);

	prefault(td.vcpu, GPA, SZ_4K);
	expect_free_at(td.vm, GPA + SZ_4K, LEVEL_4K);
	expect_free_at(td.vm, GPA + SZ_2M - SZ_4K, LEVEL_4K);
	expect_free_at(td.vm, GPA + SZ_2M, LEVEL_2M);
	expect_free_at(td.vm, GPA + SZ_1G, LEVEL_1G);
	expect_free_at(td.vm, GPA - SZ_4K, LEVEL_1G);
	expect_free_at(td.vm, 512 * SZ_1G, 4);
}

/* The entries that lead to a page are tables, the TDX module's own pages. */
static void tables(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SZ_2M);
	struct seamcall *calls;
	size_t nr;

	observer_clear(td.o);
	prefault(td.vcpu, GPA, SZ_4K);
	for (int level = LEVEL_2M; level <= 4; level++) {
		struct sept s = sept_entry(td.vm, GPA, level);

		expect_eq(s.level, level, "level of the entry that leads to gpa 0x%llx", GPA);
		expect_eq(s.state, SEPT_TABLE, "state of the entry at level %d (%s)", level,
			  sept_state_name(s.state));
	}
	calls = seamcalls(td.o, &nr);
	for (size_t i = 0; i < nr; i++)
		if (calls[i].leaf == TDH_MEM_SEPT_ADD)
			expect_pamt(td.vm, calls[i].pfn, PAGE_SEPT);
	expect_eq(seamcalls_of(td.o, TDH_MEM_SEPT_ADD), 3, "tables below the root");
}

/* --- entries go: how, which, and after what life ------------------------------------------------ */

enum origin { ADDED, ADDED_FINAL, FAULTED };
enum how { PUNCH, CONVERT, DELETE, CLOSE };

#define MAX_TABLES	4		/* below the root, for the pages at the border */

/* Pages on both sides of the border of two slots, which have a guest_memfd each. */
struct subject {
	struct fixture td;
	struct slot *above;
	bool may_run;
	enum sept_state state;
	struct sept page[2 * PAGES];	/* at FIRST and on */
	u64 tables[MAX_TABLES];	/* pfns of the Secure EPT's */
	int nr_tables;
};

static void look(struct subject *s)
{
	for (int i = 0; i < 2 * PAGES; i++)
		s->page[i] = sept_walk(s->td.vm, FIRST + i * SZ_4K);
}

static void find_tables(struct subject *s)
{
	size_t nr;
	struct seamcall *calls = seamcalls(s->td.o, &nr);

	for (size_t i = 0; i < nr && s->nr_tables < MAX_TABLES; i++)
		if (calls[i].leaf == TDH_MEM_SEPT_ADD && !calls[i].status)
			s->tables[s->nr_tables++] = calls[i].pfn;
	free(calls);
}

static struct subject subject(const struct test *t, enum origin origin)
{
	struct subject s = { .td = td_fixture(t, SLOT_SIZE), .may_run = origin != ADDED,
			     .state = origin == FAULTED ? SEPT_PENDING : SEPT_MAPPED };

	s.above = td_slot_add(s.td.vm, BORDER, SLOT_SIZE);
	if (origin != FAULTED)
		td_add(s.td.vcpu, td_source(2 * PAGES, t->seed), FIRST, 2 * PAGES, 0);
	if (origin != ADDED)
		td_finalize(s.td.vm);
	if (origin == FAULTED)
		prefault(s.td.vcpu, FIRST, 2 * PAGES * SZ_4K);
	expect_td_mapped(&s.td, FIRST, 2 * PAGES, s.state);
	look(&s);
	find_tables(&s);
	observer_clear(s.td.o);
	return s;
}

/* [FIRST + first, + nr), pages, is gone; all the others are as they were. */
static void expect_gone(struct subject *s, int first, int nr)
{
	struct calls calls = { .nr = 0 };

	for (int i = first; i < first + nr; i++)
		expect_zap(&calls, FIRST + i * SZ_4K, s->page[i].pfn, s->may_run);
	expect_seamcall_list(s->td.o, calls.list, calls.nr);

	for (int i = 0; i < 2 * PAGES; i++) {
		u64 gpa = FIRST + i * SZ_4K;

		if (i >= first && i < first + nr) {
			expect_td_unmapped(&s->td, gpa, 1);
			expect_free_at(s->td.vm, gpa, LEVEL_4K);	/* the tables stay */
			expect_pamt(s->td.vm, s->page[i].pfn, PAGE_FREE);
		} else {
			expect_td_mapped(&s->td, gpa, 1, s->state);
			expect_eq(sept_walk(s->td.vm, gpa).entry, s->page[i].entry,
				  "the entry of gpa 0x%llx, outside of the range",
				  gpa);
			expect_pamt(s->td.vm, s->page[i].pfn, PAGE_REGULAR);
		}
	}
}

struct zap {
	enum origin origin;
	enum how how;
	u64 gpa, size;	/* PUNCH, CONVERT */
	int first, nr;		/* pages that are gone then */
};

static void zap(const struct test *t)
{
	const struct zap *z = t->tc->arg;
	struct subject s = subject(t, z->origin);

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
	expect_gone(&s, z->first, z->nr);
	measure("pages", z->nr);
}

#define MIDDLE		FIRST + SZ_4K, 2 * SZ_4K, 1, 2
#define ALL_BELOW	0, 0, 0, PAGES
static const struct zap
	punched_added = { ADDED, PUNCH, MIDDLE },
	punched_final = { ADDED_FINAL, PUNCH, MIDDLE },
	punched_faulted = { FAULTED, PUNCH, MIDDLE },
	converted_added = { ADDED, CONVERT, MIDDLE },
	converted_final = { ADDED_FINAL, CONVERT, MIDDLE },
	converted_faulted = { FAULTED, CONVERT, MIDDLE },
	deleted_added = { ADDED, DELETE, ALL_BELOW },
	deleted_final = { ADDED_FINAL, DELETE, ALL_BELOW },
	deleted_faulted = { FAULTED, DELETE, ALL_BELOW },
	closed_added = { ADDED, CLOSE, ALL_BELOW },
	closed_final = { ADDED_FINAL, CLOSE, ALL_BELOW },
	closed_faulted = { FAULTED, CLOSE, ALL_BELOW },

	punched_one = { FAULTED, PUNCH, BORDER - SZ_4K, SZ_4K, PAGES - 1, 1 },
	punched_whole = { FAULTED, PUNCH, GPA, SLOT_SIZE, 0, PAGES },
	punched_beside = { FAULTED, PUNCH, GPA, SLOT_SIZE - PAGES * SZ_4K, 0, 0 },
	converted_across = { FAULTED, CONVERT, BORDER - SZ_4K, 2 * SZ_4K, PAGES - 1, 2 },
	converted_whole = { FAULTED, CONVERT, GPA, 2 * SLOT_SIZE, 0, 2 * PAGES },
	converted_beside = { FAULTED, CONVERT, BORDER + PAGES * SZ_4K,
			     SLOT_SIZE - PAGES * SZ_4K, 0, 0 };

/* --- and come back ------------------------------------------------------------------------- */

/* What was punched after finalize comes back by one PAGE.AUG: its tables are there. */
static void punched_and_faulted(const struct test *t)
{
	struct subject s = subject(t, ADDED_FINAL);

	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	observer_clear(s.td.o);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_td_mapped(&s.td, FIRST, 1, SEPT_PENDING);
	expect_td_mapped(&s.td, FIRST + SZ_4K, 2 * PAGES - 1, SEPT_MAPPED);
	expect_seamcalls(s.td.o, CALL_PAGE_AUG(FIRST, gmem_pfn(s.td.o, FIRST >> 12)));
}

/* Before finalize it can be added again. */
static void punched_and_added(const struct test *t)
{
	struct subject s = subject(t, ADDED);

	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	observer_clear(s.td.o);
	td_add(s.td.vcpu, td_source(1, ~t->seed), FIRST, 1, 0);
	expect_td_mapped(&s.td, FIRST, 2 * PAGES, SEPT_MAPPED);
	expect_seamcalls(s.td.o, CALL_PAGE_ADD(FIRST, observer_known(s.td.o, FIRST >> 12).pfn));
}

/* The change to private maps nothing; the next fault does. */
static void converted_back(const struct test *t)
{
	struct subject s = subject(t, FAULTED);

	vm_set_shared(s.td.vm, FIRST, SZ_4K);
	observer_clear(s.td.o);
	vm_set_private(s.td.vm, FIRST, SZ_4K);
	expect_no_seamcalls(s.td.o);
	expect_td_unmapped(&s.td, FIRST, 1);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_td_mapped(&s.td, FIRST, 2 * PAGES, SEPT_PENDING);
	expect_seamcalls(s.td.o, CALL_PAGE_AUG(FIRST, gmem_pfn(s.td.o, FIRST >> 12)));
}

/* A slot that is made anew at the same place maps nothing by itself. */
static void slot_made_anew(const struct test *t)
{
	struct subject s = subject(t, FAULTED);

	slot_delete(s.td.slot);
	observer_clear(s.td.o);
	expect_ok(__slot_set(s.td.slot), "the slot again");
	expect_no_seamcalls(s.td.o);
	expect_td_unmapped(&s.td, FIRST, PAGES);
	prefault(s.td.vcpu, FIRST, SZ_4K);
	expect_td_mapped(&s.td, FIRST, 1, SEPT_PENDING);
	expect_seamcalls(s.td.o, CALL_PAGE_AUG(FIRST, gmem_pfn(s.td.o, FIRST >> 12)));
}

/* A hole where nothing is any more. */
static void punched_twice(const struct test *t)
{
	struct subject s = subject(t, FAULTED);

	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	expect_gone(&s, 0, 1);
	observer_clear(s.td.o);
	mem_punch_hole(s.td.slot->gmem, FIRST - GPA, SZ_4K);
	expect_no_seamcalls(s.td.o);
}

/* --- what must not touch the Secure EPT ------------------------------------------------------ */

/* Slots with guest_memfd are made and deleted; whatever else is asked for is EINVAL. */
static void slot_changes(const struct test *t)
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
	struct subject s = subject(t, FAULTED);

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct slot changed = *s.td.slot;
		int ret;

		/* Where it is taken, the TD can never be torn down: it costs the host an HKID. */
		if (changes[i].flags & KVM_MEM_GUEST_MEMFD && !in_testbed() &&
		    known_issue_here(known_issue("S1"))) {
			diag("not tried, for S1: %s", changes[i].what);
			continue;
		}

		changed.gpa -= changes[i].down;
		changed.size += changes[i].grow;
		changed.flags ^= changes[i].flags;
		ret = __slot_set(&changed);
		if (!ret && changes[i].flags & KVM_MEM_GUEST_MEMFD) {
			expect_splat();		/* what is left of the slot meets it */
			xfail("S1", "a slot was taken %s", changes[i].what);
		}
		expect_errno(ret, EINVAL,
			     "KVM_SET_USER_MEMORY_REGION2 of a slot with guest_memfd, %s",
			     changes[i].what);
		expect_gone(&s, 0, 0);
	}
}

/* The host takes shared pages away, or writes to them: no TD's business. */
static void shared_memory(const struct test *t)
{
	struct subject s = subject(t, FAULTED);
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

/* Another TD of the same process at the same gpas. */
static void other_td(const struct test *t)
{
	struct subject s = subject(t, FAULTED);
	struct fixture other = { .vm = td_create() };

	other.vcpu = td_vcpu(other.vm);
	other.slot = td_slot_add(other.vm, GPA, SLOT_SIZE);
	td_finalize(other.vm);
	prefault(other.vcpu, FIRST, PAGES * SZ_4K);
	mem_punch_hole(other.slot->gmem, 0, SLOT_SIZE);
	expect_sept_free(other.vm, FIRST);
	expect_gone(&s, 0, 0);
}

/* --- the end of a TD --------------------------------------------------------------------------- */

static bool taken_back(const struct seamcall *calls, size_t nr, u64 pfn)
{
	unsigned int times = 0;

	for (size_t i = 0; i < nr; i++)
		times += calls[i].leaf == TDH_PHYMEM_PAGE_RECLAIM && calls[i].pfn == pfn;
	expect_true(times < 2, "pfn 0x%llx is reclaimed once", pfn);
	return times;
}

/*
 * Pages leave the TD while it has its key, one by one; then the key goes, then
 * the tables and the root page are reclaimed, each once.
 */
static void destroyed(const struct test *t)
{
	struct subject s = subject(t, FAULTED);
	u64 tdr = sept_tdr(s.td.vm);
	bool has_key = true;
	struct seamcall *calls;
	struct calls zaps = { .nr = 0 };
	size_t nr, zapped = 0;

	vcpu_close(s.td.vcpu);
	vm_close(s.td.vm);
	close(s.td.slot->gmem->fd);
	close(s.above->gmem->fd);

	for (int i = 0; i < 2 * PAGES; i++)
		expect_zap(&zaps, FIRST + i * SZ_4K, s.page[i].pfn, true);
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
	expect_eq(zapped, zaps.nr, "calls that remove pages before");
	expect_true(taken_back(calls, nr, tdr >> 12), "the TDR is reclaimed");
	expect_eq(s.nr_tables, MAX_TABLES, "tables of the Secure EPT");
	for (int i = 0; i < s.nr_tables; i++)
		expect_true(taken_back(calls, nr, s.tables[i]), "table %d, pfn 0x%llx, is reclaimed",
			    i, s.tables[i]);
}

#define OURS	.vm_types = VM_TDX, .needs_sept = true, \
		.observes = OBSERVE(EV_SPTE) | OBSERVE(EV_SEAMCALL)
#define GMEM	.vm_types = VM_TDX, .needs_sept = true, \
		.observes = OBSERVE(EV_SPTE) | OBSERVE(EV_GMEM_PFN) | OBSERVE(EV_SEAMCALL)
#define CALLS	.vm_types = VM_TDX, .needs_sept = true, \
		.observes = OBSERVE(EV_SEAMCALL)

static const struct test_case cases[] = {
	{ "first_add", "free to mapped: three tables, then the page", first_add, OURS },
	{ "first_fault", "free to pending: three tables, then the page", first_fault, GMEM },
	{ "measured", "a measured page: PAGE.ADD and 16 MR.EXTENDs", measured, OURS },
	{ "finalized", "finalize changes no entry", finalized, OURS },
	{ "mapped_again", "a prefault of pages that are there: no SEAMCALL", mapped_again, OURS },

	{ "never_mapped", "nothing was mapped: walks end at the root", never_mapped, CALLS },
	{ "next_to_a_page", "where walks end beside a page", next_to_a_page, CALLS },
	{ "tables", "entries that lead to a page: tables of the TD", tables, CALLS },

	{ "punched_added", "a hole in added pages", zap, &punched_added, OURS },
	{ "punched_final", "the same after finalize: with TLB tracking", zap, &punched_final, OURS },
	{ "punched_faulted", "a hole in pending pages", zap, &punched_faulted, OURS },
	{ "converted_added", "added pages become shared", zap, &converted_added, OURS },
	{ "converted_final", "the same after finalize", zap, &converted_final, OURS },
	{ "converted_faulted", "pending pages become shared", zap, &converted_faulted, OURS },
	{ "deleted_added", "the slot of added pages is deleted", zap, &deleted_added, OURS },
	{ "deleted_final", "the same after finalize", zap, &deleted_final, OURS },
	{ "deleted_faulted", "the slot of pending pages is deleted", zap, &deleted_faulted, OURS },
	{ "closed_added", "guest_memfd of added pages is closed", zap, &closed_added, OURS },
	{ "closed_final", "the same after finalize", zap, &closed_final, OURS },
	{ "closed_faulted", "guest_memfd of pending pages is closed", zap, &closed_faulted, OURS },
	{ "punched_one", "a hole of one page, the last of its slot", zap, &punched_one, OURS },
	{ "punched_whole", "a hole in all of the slot, mostly not mapped", zap, &punched_whole, OURS },
	{ "punched_beside", "a hole up to the first page: no SEAMCALL", zap, &punched_beside, OURS },
	{ "converted_across", "a conversion across two slots", zap, &converted_across, OURS },
	{ "converted_whole", "a conversion of both slots", zap, &converted_whole, OURS },
	{ "converted_beside", "a conversion from the last page on: no SEAMCALL", zap,
	  &converted_beside, OURS },

	{ "punched_and_faulted", "a punched page comes back pending", punched_and_faulted, GMEM },
	{ "punched_and_added", "before finalize a punched page is added again",
	  punched_and_added, OURS },
	{ "converted_back", "shared and private again: pending after the next fault",
	  converted_back, GMEM },
	{ "slot_made_anew", "a slot deleted and made again is empty", slot_made_anew, GMEM },
	{ "punched_twice", "a hole where nothing is: no SEAMCALL", punched_twice, OURS },

	{ "slot_changes", "a slot moved, resized, other flags: EINVAL, nothing changes",
	  slot_changes, OURS },
	{ "shared_memory", "shared pages come and go: no SEAMCALL", shared_memory, OURS },
	{ "other_td", "another TD at the same gpas", other_td, OURS },

	{ "destroyed", "a TD's end: pages removed, key freed, tables reclaimed", destroyed, OURS },
};

TEST_MAIN("the life of Secure EPT entries, and the SEAMCALLs for it", cases)
