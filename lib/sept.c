// SPDX-License-Identifier: GPL-2.0-only
/* The Secure EPT of a TD: as softtdx dumps it. */
#include <stdlib.h>
#include <string.h>

#include "sept.h"
#include "softtdx_ctl.h"
#include "testcase.h"

#define ROOT_LEVEL	4	/* with 48 guest-physical bits */

static const char *const state_names[] = {
	[SEPT_FREE] = "FREE", [SEPT_MAPPED] = "MAPPED", [SEPT_PENDING] = "PENDING",
	[SEPT_BLOCKED] = "BLOCKED", [SEPT_PENDING_BLOCKED] = "PENDING_BLOCKED",
	[SEPT_TABLE] = "NL_MAPPED", [SEPT_TABLE_BLOCKED] = "NL_BLOCKED",
	[SEPT_OTHER] = "OTHER",
};

const char *sept_state_name(enum sept_state state)
{
	return state_names[state];
}

static enum sept_state state_of(const char *name)
{
	for (int i = 0; i < SEPT_OTHER; i++)
		if (!strcmp(state_names[i], name))
			return i;
	return SEPT_OTHER;
}

const char *sept_missing(void)
{
	return softtdx_present() ? NULL :
		"needs a view of the Secure EPT: the software TDX module (--on bochs)";
}

struct sept sept_walk(struct vm *vm, uint64_t gpa)
{
	struct sept s = { .level = ROOT_LEVEL, .state = SEPT_FREE, .pfn = PFN_NONE };
	size_t nr;
	struct sept_entry *entries = softtdx_sept(softtdx_only_td(), &nr);

	(void)vm;
	for (size_t i = 0; i < nr; i++) {
		const struct sept_entry *e = &entries[i];
		int level = e->level + 1;	/* the module counts from 0 */
		enum sept_state state = state_of(e->state);

		if (level > s.level || gpa / LEVEL_SIZE(level) != e->gpa / LEVEL_SIZE(level))
			continue;
		if (state == SEPT_TABLE || state == SEPT_TABLE_BLOCKED) {
			if (level - 1 < s.level)
				s = (struct sept){ .level = level - 1, .state = SEPT_FREE,
						   .pfn = PFN_NONE };
		} else {
			s = (struct sept){ .level = level, .state = state,
					   .pfn = e->hpa >> 12, .entry = e->entry };
		}
	}
	free(entries);
	return s;
}

static const char *text(int level, enum sept_state state, uint64_t pfn)
{
	if (state == SEPT_FREE)
		return "FREE";
	return strf("%s, %s, pfn %s", level_name(level), sept_state_name(state),
		    pfn == PFN_ANY ? "any" : strf("0x%llx", (unsigned long long)pfn));
}

void expect_sept_(const char *file, int line, struct sept s, uint64_t gpa, int level,
		  enum sept_state state, uint64_t pfn)
{
	if (s.state == state && (state == SEPT_FREE || s.level == level) &&
	    (pfn == PFN_ANY || s.pfn == pfn))
		return;
	test_failed(file, line, strf("gpa 0x%llx in the SEPT (level %d, entry 0x%llx)",
				     (unsigned long long)gpa, s.level,
				     (unsigned long long)s.entry),
		    text(level, state, pfn),
		    text(s.level, s.state, pfn == PFN_ANY ? PFN_ANY : s.pfn));
}
