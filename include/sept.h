/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Secure EPT of a TD, as the TDX module tells it (TDH.MEM.SEPT.RD).  Cases
 * that look at it declare CASE_SEPT.  Look only while nothing else works on the
 * TD: the read could make one of KVM's own SEAMCALLs busy.
 */
#ifndef SEPT_H
#define SEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "observe.h"
#include "vm.h"

/* States of an entry (TDX module ABI: SEPT entry state encodings). */
enum sept_state {
	SEPT_FREE,
	SEPT_MAPPED,		/* a page that the TD can use */
	SEPT_PENDING,		/* a page that the TD has not accepted */
	SEPT_BLOCKED,
	SEPT_PENDING_BLOCKED,
	SEPT_TABLE,		/* the next level (NL_MAPPED) */
	SEPT_TABLE_BLOCKED,	/* (NL_BLOCKED) */
	SEPT_OTHER,		/* of migration, and of nested TDs */
};
const char *sept_state_name(enum sept_state state);

struct sept {
	int level;		/* LEVEL_*: where the entry is, as KVM counts */
	enum sept_state state;
	uint64_t pfn;		/* of the page or the table; PFN_NONE when free */
	uint64_t entry;		/* raw */
};

/* Why the Secure EPT cannot be read on this host, or NULL: a skip reason. */
const char *sept_missing(void);

/*
 * The entry at which the walk of @gpa ends: a leaf, or the FREE entry at the
 * level that the tables reach.  @vm must be the only TD of this host yet.
 */
struct sept sept_walk(struct vm *vm, uint64_t gpa);

/* The leaf of @gpa is this one. @pfn may be PFN_ANY. */
#define expect_sept(vm, gpa, level, state, pfn) \
	expect_sept_(__FILE__, __LINE__, sept_walk(vm, gpa), gpa, level, state, pfn)
/* There is nothing at @gpa, whatever tables lead there. */
#define expect_sept_free(vm, gpa) \
	expect_sept_(__FILE__, __LINE__, sept_walk(vm, gpa), gpa, LEVEL_NONE, SEPT_FREE, PFN_ANY)
void expect_sept_(const char *file, int line, struct sept s, uint64_t gpa, int level,
		  enum sept_state state, uint64_t pfn);

#endif /* SEPT_H */
