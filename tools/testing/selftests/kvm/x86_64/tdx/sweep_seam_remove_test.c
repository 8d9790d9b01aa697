// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each SEAMCALL of what removes pages of a TD, a hole in guest_memfd, a deleted memslot and a
 * conversion to shared, gets each class of answer, one after the other (seam_sweep.h).  None of
 * them can say that it failed: KVM repeats a call that found the module busy once, without vCPUs,
 * and takes anything else for a bug.  Then the VM is dead, just the pages whose removal failed stay
 * in the Secure EPT, and they and the TDR are all that is lost.
 */
#include "seam_sweep.h"
#include "seamcall.h"
#include "testcase.h"

#define P1		.xfail = "P1", .xfail_in_body = true
#define N1		.xfail = "N1", .xfail_in_body = true

/* The calls that KVM makes for a page. */
enum { BLOCK, TRACK, REMOVE, WBINVD, NR_CALLS };

#define ROWS(o)	{								\
	[BLOCK] = { .op = o, .leaf = TDH_MEM_RANGE_BLOCK, .busy = BUSY_ONCE_MORE,	\
		    .loss = LOSES_PAGE, .returns_registers = true },		\
	[TRACK] = { .op = o, .leaf = TDH_MEM_TRACK, .busy = BUSY_ONCE_MORE,	\
		    .loss = LOSES_UNTRACKED },					\
	[REMOVE] = { .op = o, .leaf = TDH_MEM_PAGE_REMOVE, .busy = BUSY_ONCE_MORE,	\
		     .loss = LOSES_PAGE, .returns_registers = true },		\
	/* By then the page is the TD's no more. */				\
	[WBINVD] = { .op = o, .leaf = TDH_PHYMEM_PAGE_WBINVD },			\
}
static const struct seam_row hole[NR_CALLS] = ROWS(OP_PUNCH);
static const struct seam_row deletion[NR_CALLS] = ROWS(OP_DELETE);
static const struct seam_row conversion[NR_CALLS] = ROWS(OP_CONVERT);

#define REMOVES(name, text, rows, ...)						\
	ANSWERS(name "_block", "TDH.MEM.RANGE.BLOCK of " text, &rows[BLOCK], P1,	\
		##__VA_ARGS__),								\
	ENTROPY(name "_block", "TDH.MEM.RANGE.BLOCK of " text, &rows[BLOCK], N1, ##__VA_ARGS__), \
	ANSWERS(name "_track", "TDH.MEM.TRACK of " text, &rows[TRACK], P1, ##__VA_ARGS__), \
	ENTROPY(name "_track", "TDH.MEM.TRACK of " text, &rows[TRACK], ##__VA_ARGS__),		\
	ANSWERS(name "_remove", "TDH.MEM.PAGE.REMOVE of " text, &rows[REMOVE], P1,	\
		##__VA_ARGS__),								\
	ENTROPY(name "_remove", "TDH.MEM.PAGE.REMOVE of " text, &rows[REMOVE], N1, ##__VA_ARGS__), \
	ANSWERS(name "_wbinvd", "TDH.PHYMEM.PAGE.WBINVD of " text, &rows[WBINVD],	\
		##__VA_ARGS__),								\
	ENTROPY(name "_wbinvd", "TDH.PHYMEM.PAGE.WBINVD of " text, &rows[WBINVD], ##__VA_ARGS__)

CASES(seam_sweep,
	REMOVES("hole", "a hole", hole),
	REMOVES("delete", "a deleted memslot", deletion, .nightly = true),
	REMOVES("convert", "pages that become shared", conversion, .nightly = true))

TEST_MAIN("each SEAMCALL that removes pages of a TD gets each class of answer")
