/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of kmemleak and page_owner say, as Linux 7.2 writes them (mm/kmemleak.c, page_owner.c). */
#ifndef LEAK_REPORT_H
#define LEAK_REPORT_H

#include <stdio.h>

#define LEAK_NAME	15	/* TASK_COMM_LEN - 1 */

/*
 * page_owner_stacks/show_stacks: stacks, " function+0x1/0x2" a line, each followed by
 * "nr_base_pages: N" and an empty line.  Returns how many 4K pages code of KVM and TDX has asked
 * the page allocator for; slabs and the page cache are others'.
 */
long page_owner_of_kvm(FILE *f);

/*
 * kmemleak: "unreferenced object 0x1 (size 8):", then its allocation, '  comm "create_vcpu.tdx",
 * pid 7, jiffies 8', and more.  Prints the objects that threads named @name have allocated, and
 * returns their number.
 */
unsigned int kmemleak_of(FILE *f, const char *name);

#endif /* LEAK_REPORT_H */
