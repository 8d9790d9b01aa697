// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each SEAMCALL that the end of a TD makes gets each class of answer, one after the other
 * (seam_sweep.h): guest_memfd is closed with its pages mapped, then the last fd of the VM.  Neither
 * can fail: what the TDX module may still use is lost, just that, and the next TD works.
 */
#include "seam_sweep.h"
#include "seamcall.h"
#include "testcase.h"

#define P1		.xfail = "P1", .xfail_in_body = true
#define N1		.xfail = "N1", .xfail_in_body = true

/* Pages of guest_memfd. */
static const struct seam_row block = {
	.op = OP_CLOSE, .leaf = TDH_MEM_RANGE_BLOCK, .busy = BUSY_ONCE_MORE, .loss = LOSES_PAGE,
	.returns_registers = true
};
static const struct seam_row track = {
	.op = OP_CLOSE, .leaf = TDH_MEM_TRACK, .busy = BUSY_ONCE_MORE, .loss = LOSES_UNTRACKED,
};
static const struct seam_row remove_page = {
	.op = OP_CLOSE, .leaf = TDH_MEM_PAGE_REMOVE, .busy = BUSY_ONCE_MORE, .loss = LOSES_PAGE,
	.returns_registers = true
};
/* And of the TDR: nobody has lost a page. */
static const struct seam_row wbinvd = { .op = OP_CLOSE, .leaf = TDH_PHYMEM_PAGE_WBINVD };

/* The KeyID, and with it all that is encrypted by it. */
static const struct seam_row vp_flush = {
	.op = OP_CLOSE, .leaf = TDH_VP_FLUSH, .loss = LOSES_TD, .violations = 1,
};
static const struct seam_row vpflushdone = {
	.op = OP_CLOSE, .leaf = TDH_MNG_VPFLUSHDONE, .loss = LOSES_TD,
};
static const struct seam_row cache_wb = {
	.op = OP_CLOSE, .leaf = TDH_PHYMEM_CACHE_WB, .loss = LOSES_TD, .violations = 1,
};
static const struct seam_row key_freeid = {
	.op = OP_CLOSE, .leaf = TDH_MNG_KEY_FREEID, .loss = LOSES_TD,
};
static const struct seam_row reclaim = {
	.op = OP_CLOSE, .leaf = TDH_PHYMEM_PAGE_RECLAIM, .loss = LOSES_CONTROL,
	.returns_registers = true
};

/* Each TD that is lost costs a KeyID until the next boot: without what is like busy once. */
#define ONCE(name, leaf, row, ...)						\
	BUSY_ONCE(name, leaf, row, ##__VA_ARGS__), FAILS(name, leaf, row, ##__VA_ARGS__)

CASES(seam_sweep,
	ANSWERS("block", "TDH.MEM.RANGE.BLOCK", &block, P1, .nightly = true),
	ENTROPY("block", "TDH.MEM.RANGE.BLOCK", &block, N1, .nightly = true),
	ANSWERS("track", "TDH.MEM.TRACK", &track, P1, .nightly = true),
	ENTROPY("track", "TDH.MEM.TRACK", &track, .nightly = true),
	ANSWERS("remove", "TDH.MEM.PAGE.REMOVE", &remove_page, P1, .nightly = true),
	ENTROPY("remove", "TDH.MEM.PAGE.REMOVE", &remove_page, N1, .nightly = true),
	ANSWERS("wbinvd", "TDH.PHYMEM.PAGE.WBINVD", &wbinvd, .nightly = true),
	ENTROPY("wbinvd", "TDH.PHYMEM.PAGE.WBINVD", &wbinvd, .nightly = true),
	ONCE("vp_flush", "TDH.VP.FLUSH", &vp_flush),
	ENTROPY("vp_flush", "TDH.VP.FLUSH", &vp_flush),
	ONCE("vpflushdone", "TDH.MNG.VPFLUSHDONE", &vpflushdone, .nightly = true),
	ENTROPY("vpflushdone", "TDH.MNG.VPFLUSHDONE", &vpflushdone, .nightly = true),
	/* One that is interrupted goes on where it was: td_error_remove_test:cache_wb_interrupted. */
	BUSY_ONCE("cache_wb", "TDH.PHYMEM.CACHE.WB", &cache_wb, .nightly = true),
	SEAM("cache_wb_no_entropy_forever", "TDH.PHYMEM.CACHE.WB never has entropy",
	     SEAM_NO_ENTROPY_FOREVER, &cache_wb, .nightly = true),
	SEAM("cache_wb_invalid", "TDH.PHYMEM.CACHE.WB refuses an operand", SEAM_INVALID, &cache_wb,
	     .nightly = true),
	SEAM("cache_wb_error", "TDH.PHYMEM.CACHE.WB fails", SEAM_ERROR, &cache_wb, .nightly = true),
	ENTROPY("cache_wb", "TDH.PHYMEM.CACHE.WB", &cache_wb, .nightly = true),
	ONCE("key_freeid", "TDH.MNG.KEY.FREEID", &key_freeid, .nightly = true),
	ENTROPY("key_freeid", "TDH.MNG.KEY.FREEID", &key_freeid, .nightly = true),
	ANSWERS("reclaim", "TDH.PHYMEM.PAGE.RECLAIM", &reclaim),
	ENTROPY("reclaim", "TDH.PHYMEM.PAGE.RECLAIM", &reclaim, N1, .nightly = true))

TEST_MAIN("each SEAMCALL of a TD's end gets each class of answer")
