/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the host's and the guest's code: addresses and ports. */
#ifndef GUEST_IMAGE_H
#define GUEST_IMAGE_H

/* All that the guests need lies at the end of the first 4 GiB, where they start. */
#define GUEST_IMAGE_GPA		0xfffc0000
#define BOOT_GPA		0xfffff000
#define STACK_SIZE		0x1000

#define PORT_BASE		0x500	/* + 4 * enum guest_msg */

/* A command is one word: these bits say what, the others which page from GPA on. */
#define CMD_BITS		4

/* In the boot page. */
#define BOOT_DATA		0xe00

#ifndef __ASSEMBLER__

#include "types.h"

struct boot_data {
	u32 cr3, pad;
	u64 main;
	u64 stacks;	/* the end of vCPU 0's; each is STACK_SIZE */
	u16 idt_limit;
	u64 idt;
} __attribute__((packed));

extern const char guest_boot_page[], guest_start64[], guest_stubs[];
void guest_main(u64 index);

/* Filled in by the host before the image is loaded. */
struct guest_setup {
	void (*fn[2])(u64 arg);
	u64 arg[2];
	u64 is_td;
};
extern struct guest_setup guest_setup;

#define STUB_SIZE	16
#define IDT_ENTRIES	256
#endif

#endif /* GUEST_IMAGE_H */
