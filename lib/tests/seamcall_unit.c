// SPDX-License-Identifier: GPL-2.0-only
/* What probes on the kernel's functions record, by hand. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "seamcall_log.h"
#include "testcase.h"

#define VMEMMAP		0xffffea0000000000ULL
#define PAGE_OF(pfn)	(VMEMMAP + 64 * (pfn))
#define TDR		0x123ULL	/* its pfn */

static struct seamcall_record record(unsigned int leaf, u64 gpa, u64 level, u64 page)
{
	return (struct seamcall_record){ .leaf = leaf, .tdr = PAGE_OF(TDR), .gpa = gpa,
					 .level = level, .page = page, .vmemmap = VMEMMAP };
}

CASE(operands, "TDR, gpa, level and page", .plain = true)
{
	struct seamcall_record r = record(TDH_MEM_SEPT_ADD, 0x40000000, 1, PAGE_OF(0x777));
	struct seamcall c;
	u64 tdr;

	setenv("KTS_KVM_VERSION", "6.17", 1);
	c = seamcall_of(&r, &tdr);
	expect_eq(tdr, TDR << 12, "address of the TDR");
	expect_eq(c.gpa, 0x40000000, "gpa");
	expect_eq(c.level, LEVEL_2M, "level, where 0 is 4K");
	expect_eq(c.pfn, 0x777, "page");
	setenv("KTS_KVM_VERSION", "7.2", 1);
	expect_eq(seamcall_of(&r, &tdr).level, LEVEL_4K, "level, where 1 is 4K");

	r = record(TDH_MR_EXTEND, 0x40000f00, 0, 0);
	c = seamcall_of(&r, &tdr);
	expect_eq(c.gpa, 0x40000000, "the page of a chunk");
	expect_eq(c.level, LEVEL_NONE, "a chunk has no level");

	r = record(TDH_MEM_TRACK, 0, 0, 0);
	c = seamcall_of(&r, &tdr);
	expect_eq(c.pfn, PFN_NONE, "no page");
	expect_eq(c.level, LEVEL_NONE, "no level");
}

CASE(pfns, "a page by its pfn; no TD is named", .plain = true)
{
	struct seamcall_record r = record(TDH_PHYMEM_PAGE_WBINVD, 0, 0, 0x777);
	u64 tdr;

	r.tdr = 0;
	expect_eq(seamcall_of(&r, &tdr).pfn, 0x777, "page");
	expect_eq(tdr, 0, "TDR");
}

/* Each of them has one place in the event that is made of them all. */
CASE(probes, "each function has a probe, with the same arguments", .plain = true)
{
	static const char fields[] = "leaf tdr gpa level page vmemmap status ";
	size_t nr;

	for (nr = 0; seamcall_function(nr); nr++) {
		char *args = strf("%s", seamcall_probe_args(nr)), *rest = args, *arg;
		const char *names = "";

		while ((arg = strsep(&rest, " "))) {
			expect_true(strchr(arg, '=') && strchr(arg, ':'), "%s is NAME=WHAT:TYPE", arg);
			names = strf("%s%.*s ", names, (int)strcspn(arg, "="), arg);
		}
		expect_true(!strcmp(names, fields), "arguments of %s: %s", seamcall_function(nr), names);
	}
	expect_eq(nr, 12, "functions");
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
