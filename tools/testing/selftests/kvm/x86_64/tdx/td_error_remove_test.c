// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SEAMCALL fails while KVM removes pages of a TD or destroys it (softtdx): a busy module,
 * no entropy, an error that KVM does not expect; at the first, a middle and the last page.
 * Neither operation can fail, so KVM gives up pages and HKIDs that the module may still use,
 * and only those.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "private_memory.h"
#include "softtdx_ctl.h"
#include "td_fault.h"
#include "td_fixture.h"
#include "testcase.h"

#define INTERRUPTED_RESUMABLE	0x8000000300000000ULL
#define REUSED_SIZE		(8 * SZ_2M)

CASES(td_fault,
	/* A hole in guest_memfd cannot fail: KVM gives up the page. */
	FAULT("range_block_busy", "TDH.MEM.RANGE.BLOCK of three pages busy once: repeated",
		.op = OP_PUNCH, .leaf = TDH_MEM_RANGE_BLOCK, .status = STATUS_BUSY, .pages = ALL,
		REFUSED(0)),
	FAULT_LOSES_PAGE("range_block_busy_twice", "TDH.MEM.RANGE.BLOCK busy twice: the page is lost",
		.op = OP_PUNCH, .leaf = TDH_MEM_RANGE_BLOCK, .status = STATUS_BUSY, .times = 2,
		.pages = MIDDLE, KILLED(0), .stuck = SEPT_PENDING),
	EACH_PAGE(FAULT_LOSES_PAGE, "range_block_error", "TDH.MEM.RANGE.BLOCK fails: the page is lost",
		.op = OP_PUNCH, .leaf = TDH_MEM_RANGE_BLOCK, .status = STATUS_ERROR, KILLED(0),
		.stuck = SEPT_PENDING),
	FAULT("track_busy", "TDH.MEM.TRACK busy once: repeated", .op = OP_PUNCH,
		.leaf = TDH_MEM_TRACK, .status = STATUS_BUSY, REFUSED(0)),
	FAULT_LOSES_PAGE("track_busy_twice", "TDH.MEM.TRACK busy twice: the page is lost", .op = OP_PUNCH,
		.leaf = TDH_MEM_TRACK, .status = STATUS_BUSY, .times = 2,
		.end = { .splat = true, .dead = true, .violations = 1 /* removed without track */ },
		.stuck = SEPT_PENDING_BLOCKED, .stuck_pages = FIRST),
	FAULT("track_no_entropy", "TDH.MEM.TRACK without entropy, but at the last try",
		.op = OP_PUNCH, .leaf = TDH_MEM_TRACK, .status = STATUS_NO_ENTROPY,
		.times = ENTROPY_TRIES - 1, REFUSED(0)),
	FAULT("page_remove_busy", "TDH.MEM.PAGE.REMOVE of three pages busy once: repeated",
		.op = OP_PUNCH, .leaf = TDH_MEM_PAGE_REMOVE, .status = STATUS_BUSY, .pages = ALL,
		REFUSED(0)),
	FAULT_LOSES_PAGE("page_remove_busy_twice", "TDH.MEM.PAGE.REMOVE busy twice: the page is lost",
		.op = OP_PUNCH, .leaf = TDH_MEM_PAGE_REMOVE, .status = STATUS_BUSY, .times = 2,
		.pages = MIDDLE, KILLED(0), .stuck = SEPT_PENDING_BLOCKED),
	EACH_PAGE(FAULT_LOSES_PAGE, "page_remove_error", "TDH.MEM.PAGE.REMOVE fails: the page is lost",
		.op = OP_PUNCH, .leaf = TDH_MEM_PAGE_REMOVE, .status = STATUS_ERROR, KILLED(0),
		.stuck = SEPT_PENDING_BLOCKED),
	FAULT("page_wbinvd_no_entropy",
		"TDH.PHYMEM.PAGE.WBINVD without entropy, but at the last try", .op = OP_PUNCH,
		.leaf = TDH_PHYMEM_PAGE_WBINVD, .status = STATUS_NO_ENTROPY,
		.times = ENTROPY_TRIES - 1, REFUSED(0)),
	FAULT("page_wbinvd_error_first",
		"TDH.PHYMEM.PAGE.WBINVD of the first page fails: VM dead", .op = OP_PUNCH,
		.leaf = TDH_PHYMEM_PAGE_WBINVD, .status = STATUS_ERROR, KILLED(0),
		.stuck_pages = FIRST),
	FAULT("page_wbinvd_error_last", "TDH.PHYMEM.PAGE.WBINVD of the last page fails: VM dead",
		.op = OP_PUNCH, .leaf = TDH_PHYMEM_PAGE_WBINVD, .status = STATUS_ERROR,
		.nth = FAULT_PAGES, KILLED(0), .stuck_pages = LAST),

	/* The end of a TD: KVM never reuses what the module may still use. */
	FAULT_LOSES_PAGE("close_page_remove_error", "TDH.MEM.PAGE.REMOVE fails while the TD is destroyed",
		.op = OP_CLOSE, .leaf = TDH_MEM_PAGE_REMOVE, .status = STATUS_ERROR,
		.pages = MIDDLE, WARNS),
	FAULT("vp_flush_error", "TDH.VP.FLUSH fails: the TD and its HKID are lost",
		.op = OP_CLOSE, .leaf = TDH_VP_FLUSH, .status = STATUS_ERROR, WARNS, LOST_TD(1)),
	FAULT("vpflushdone_error", "TDH.MNG.VPFLUSHDONE fails: the TD and its HKID are lost",
		.op = OP_CLOSE, .leaf = TDH_MNG_VPFLUSHDONE, .status = STATUS_ERROR, WARNS,
		LOST_TD(0)),
	FAULT("cache_wb_error", "TDH.PHYMEM.CACHE.WB fails: the TD and its HKID are lost",
		.op = OP_CLOSE, .leaf = TDH_PHYMEM_CACHE_WB, .status = STATUS_ERROR, WARNS,
		LOST_TD(1)),
	FAULT("key_freeid_error", "TDH.MNG.KEY.FREEID fails: the TD and its HKID are lost",
		.op = OP_CLOSE, .leaf = TDH_MNG_KEY_FREEID, .status = STATUS_ERROR, WARNS,
		LOST_TD(0)),
	FAULT("key_freeid_no_entropy", "TDH.MNG.KEY.FREEID without entropy, but at the last try",
		.op = OP_CLOSE, .leaf = TDH_MNG_KEY_FREEID, .status = STATUS_NO_ENTROPY,
		.times = ENTROPY_TRIES - 1, REFUSED(0)),
	FAULT("reclaim_busy", "TDH.PHYMEM.PAGE.RECLAIM of the first page busy: it is lost",
		.op = OP_CLOSE, .leaf = TDH_PHYMEM_PAGE_RECLAIM, .status = STATUS_BUSY, WARNS,
		LOST_PAGE(1)),
	FAULT("reclaim_error_middle",
		"TDH.PHYMEM.PAGE.RECLAIM of a middle page fails: it is lost", .op = OP_CLOSE,
		.leaf = TDH_PHYMEM_PAGE_RECLAIM, .status = STATUS_ERROR, .nth = -4, WARNS,
		LOST_PAGE(1)),
	FAULT("reclaim_error_tdr", "TDH.PHYMEM.PAGE.RECLAIM of the TDR fails: it is lost",
		.op = OP_CLOSE, .leaf = TDH_PHYMEM_PAGE_RECLAIM, .status = STATUS_ERROR,
		.nth = -1, WARNS, .left = { .td = true }),
	FAULT("wbinvd_tdr_error", "TDH.PHYMEM.PAGE.WBINVD of the TDR fails: a warning",
		.op = OP_CLOSE, .leaf = TDH_PHYMEM_PAGE_WBINVD, .status = STATUS_ERROR,
		.nth = FAULT_PAGES + 1, WARNS))

/*
 * P1: the page that the TDX module keeps is free for anybody. The allocator returns first what was
 * freed last on the CPU, so a few MiB are enough.
 */
CASE(lost_page_is_kept, "a page that the TDX module does not give back: nobody else gets it",
	.xfail = "P1", .xfail_in_body = true, TD_FAULTS)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct slot *slot = td_slot_add(vm, GPA, FAULT_SLOT_SIZE);
	struct private_access access;
	void *memory;

	td_finalize(vm);
	prefault(vcpu, GPA, FAULT_PAGES * SZ_4K);
	expect_splat();
	expect_private_accesses("P1");
	softtdx_inject(TDH_MEM_PAGE_REMOVE, STATUS_ERROR, 1);
	mem_punch_hole(slot->gmem, 0, FAULT_PAGES * SZ_4K);
	memory = mmap(NULL, REUSED_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(memory != MAP_FAILED, "memory");
	if (private_accesses(&access, 1))
		xfail("P1", "%s", private_access_text(&access));
	xpass("P1");
}

CASE(cache_wb_interrupted, "TDH.PHYMEM.CACHE.WB interrupted seven times: resumed",
	.vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS,
	.side_effects = "makes the TDX module interrupt write-backs of the cache",
	.needs_softtdx = true)
{
	struct softtdx_state before = softtdx_state();
	unsigned long calls = softtdx_calls(TDH_PHYMEM_CACHE_WB, 0);
	unsigned long interrupted = softtdx_calls(TDH_PHYMEM_CACHE_WB, INTERRUPTED_RESUMABLE);
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	struct slot *slot = td_slot_add(vm, GPA, FAULT_SLOT_SIZE);

	td_finalize(vm);
	prefault(vcpu, GPA, FAULT_PAGES * SZ_4K);
	softtdx_interrupt_cache_wb(7);
	vcpu_close(vcpu);
	close(slot->gmem->fd);
	vm_close(vm);
	expect_softtdx_settled(&before, "after the TD is destroyed");
	expect_eq(softtdx_calls(TDH_PHYMEM_CACHE_WB, 0) - calls, 1, "write-backs that were finished");
	expect_eq(softtdx_calls(TDH_PHYMEM_CACHE_WB, INTERRUPTED_RESUMABLE) - interrupted, 7,
		  "interrupted write-backs");
}

TEST_MAIN("a SEAMCALL fails while pages or a TD are removed: what is lost")
