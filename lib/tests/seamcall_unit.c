// SPDX-License-Identifier: GPL-2.0-only
/* Registers of SEAMCALLs, by hand from the TDX module's ABI. */
#include "mem.h"
#include "seamcall_log.h"
#include "testcase.h"

#define TDR	0x123000ULL

CASE(decode, "TDR, gpa, level and page", .plain = true)
{
	struct seamcall c;
	u64 tdr;

	expect_true(seamcall_decode(TDH_MEM_SEPT_ADD, 0x40000001, TDR, 0x777000, &c, &tdr),
		    "SEPT.ADD is one of them");
	expect_eq(tdr, TDR, "TDR in RDX");
	expect_eq(c.gpa, 0x40000000, "gpa in RCX");
	expect_eq(c.level, LEVEL_2M, "level in RCX");
	expect_eq(c.pfn, 0x777, "page in R8");

	expect_true(seamcall_decode(TDH_MR_EXTEND, 0x40000f00, TDR, 0, &c, &tdr),
		    "MR.EXTEND is one of them");
	expect_eq(c.gpa, 0x40000000, "the page of a chunk");
	expect_eq(c.level, LEVEL_NONE, "a chunk has no level");

	expect_true(seamcall_decode(TDH_MEM_TRACK, TDR, 0, 0, &c, &tdr),
		    "MEM.TRACK is one of them");
	expect_eq(tdr, TDR, "TDR in RCX");
	expect_eq(c.pfn, PFN_NONE, "no page");
}

/* The KeyID is above the physical bits of /proc/cpuinfo, and below bit 52. */
CASE(keyid, "a page address with a KeyID", .plain = true)
{
	struct seamcall c;
	u64 tdr;

	expect_true(seamcall_decode(TDH_PHYMEM_PAGE_WBINVD, (5ULL << 52) | 0x777000, 0, 0, &c, &tdr),
		    "PAGE.WBINVD is one of them");
	expect_eq(c.pfn, 0x777, "the page without its KeyID");
	expect_eq(tdr, 0, "TDR");
}

CASE(others, "other leaves are not decoded", .plain = true)
{
	struct seamcall c;
	u64 tdr;

	expect_true(!seamcall_decode(25, 0x40000000, TDR, 0, &c, &tdr), "SEPT.RD changes nothing");
}

/* A vCPU that accepts the page has locked its entry: KVM calls again. */
CASE(busy, "busy calls are not counted as done", .plain = true)
{
	static const struct seamcall calls[] = {
		{ .leaf = TDH_MEM_PAGE_AUG, .status = 0x8000020000000001 },
		{ .leaf = TDH_MEM_PAGE_AUG }, { .leaf = TDH_MEM_TRACK },
	};

	expect_eq(count_seamcalls(calls, ARRAY_SIZE(calls), TDH_MEM_PAGE_AUG, false), 2, "calls");
	expect_eq(count_seamcalls(calls, ARRAY_SIZE(calls), TDH_MEM_PAGE_AUG, true), 1,
		  "calls that succeeded");
}

TEST_MAIN("operands of SEAMCALLs")
