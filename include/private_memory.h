/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accesses of software to memory that a TD, or the TDX module, holds, as the emulator's private
 * memory checker has seen them (docs/softtdx.md).  On hardware they corrupt that memory, or end in
 * a machine check.  A case in which there is one fails, unless it forgets them.
 */
#ifndef PRIVATE_MEMORY_H
#define PRIVATE_MEMORY_H

#include <stddef.h>

#include "types.h"

/* What one instruction does to one page. */
struct private_access {
	char kind[8];		/* "read", "write", "execute"; "lost": not seen one by one */
	u64 count;		/* how often */
	u64 rip;
	unsigned int cpl;	/* 0: the kernel, 3: user space */
	unsigned int vm;	/* 1: rip and cpl are of a VM's guest */
	u64 hpa;		/* of the first access */
	char type[8];		/* of the page: "TD", "SEPT", "TDR", "TDCX", "TDVPR", "PAMT" */
	u64 owner;		/* hpa of the TDR, 0: none */
	u64 gpa;		/* of the page, or of a table's range; ~0: none */
	unsigned int level;	/* of the entry that leads to it: 0 is 4K */
};

/*
 * Those since the last private_accesses_forget(), in the order of their first time.  Fills up to
 * @max of @accesses, returns how many there are; 0 where there is no such checker.
 */
size_t private_accesses(struct private_access *accesses, size_t max);
void private_accesses_forget(void);

/* "the kernel writes ... at tdx_foo+0x12/0x40 ..."; lives as long as the process. */
const char *private_access_text(const struct private_access *access);

/*
 * From now on accesses are a known issue of this kernel (known_issues.h), which the case provokes:
 * XFAIL where there is one.
 */
void expect_private_accesses(const char *issue);

#endif /* PRIVATE_MEMORY_H */
