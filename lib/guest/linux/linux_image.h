/* SPDX-License-Identifier: GPL-2.0-only */
/* What the loader of a guest's Linux and its two pieces of assembly share. */
#ifndef LINUX_IMAGE_H
#define LINUX_IMAGE_H

/* Where a TD's vCPU starts: the last page below 4 GiB. */
#define LINUX_BOOT_GPA		0xfffff000

#define LINUX_BOOT_PARAMS	0x10000
#define LINUX_CMDLINE		0x11000
#define LINUX_PAGE_TABLES	0x12000

/* In the page at LINUX_BOOT_GPA: the kernel's 64-bit entry. */
#define LINUX_BOOT_ENTRY	0xe00

#ifndef __ASSEMBLER__
extern const char linux_boot[];			/* a page */
extern const char linux_init[], linux_init_end[];	/* an ELF file */
#endif

#endif /* LINUX_IMAGE_H */
