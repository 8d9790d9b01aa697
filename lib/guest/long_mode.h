/* SPDX-License-Identifier: GPL-2.0-only */
/* For assembly: from the 32-bit mode in which a TD's vCPU starts to 64-bit mode. */
#ifndef LONG_MODE_H
#define LONG_MODE_H

/* @root: an operand of mov, for CR3; the GDT behind @gdt_pointer has a 64-bit code segment @cs. */
#define TO_64_BIT_MODE(gdt_pointer, root, cs, target)			\
	lgdt	gdt_pointer;						\
	mov	%cr4, %eax;						\
	or	$0x20, %eax;			/* PAE */		\
	mov	%eax, %cr4;						\
	mov	root, %eax;						\
	mov	%eax, %cr3;						\
	mov	%cr0, %eax;						\
	or	$0x80010000, %eax;		/* PG, WP; EFER.LME is set */	\
	mov	%eax, %cr0;						\
	ljmp	cs, target

#endif /* LONG_MODE_H */
