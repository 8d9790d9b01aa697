/* SPDX-License-Identifier: GPL-2.0-only */
/* How guests start, their exception entries, TDCALL. */
#include "guest/long_mode.h"
#include "guest/guest_image.h"

	.section .note.GNU-stack, "", @progbits

/* --- the page at BOOT_GPA: reset vector, 32-bit to 64-bit mode ------------- */

	.section guest_boot, "ax", @progbits
	.balign	4096
	.globl	guest_boot_page
guest_boot_page:
#define ABS(label)	(BOOT_GPA + (label) - guest_boot_page)

	.code32
start32:
	TO_64_BIT_MODE(ABS(gdt_pointer), BOOT_GPA + BOOT_DATA, $8, $ABS(start64))

	.code64
	.globl	guest_start64
guest_start64:
start64:
	lgdt	gdt_pointer(%rip)
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	guest_boot_page + BOOT_DATA + 16(%rip), %rsp
	mov	%esi, %edi			/* the vCPU's number */
	imul	$STACK_SIZE, %rdi, %rax
	sub	%rax, %rsp
	lidt	guest_boot_page + BOOT_DATA + 24(%rip)
	call	*guest_boot_page + BOOT_DATA + 8(%rip)
	ud2

	.balign	8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff		/* 64-bit code */
	.quad	0x00cf93000000ffff		/* data */
gdt_pointer:
	.word	. - gdt - 1
	.quad	ABS(gdt)

	.org	guest_boot_page + 0xff0
	.code32
	jmp	start32
	.org	guest_boot_page + 0x1000
	.code64

/* --- exceptions and interrupts --------------------------------------------- */

	.section guest_text, "ax", @progbits
	.balign	16
	.globl	guest_stubs
guest_stubs:
	vector = 0
	.rept	32
	.balign	16
	/* These push an error code: 8, 10 to 14, 17, 21, 29, 30. */
	.if	!(0x60227d00 >> vector & 1)
	push	$0
	.endif
	push	$vector
	jmp	common
	vector = vector + 1
	.endr
	.rept	224
	.balign	16
	push	$0
	push	$vector
	jmp	common
	vector = vector + 1
	.endr

common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi
	cld
	call	guest_exception
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp			/* vector and error code */
	iretq

/* void tdcall(struct tdcall_regs *r) */
	.globl	tdcall
tdcall:
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rbx
	mov	0(%rbx), %rax
	mov	8(%rbx), %rcx
	mov	16(%rbx), %rdx
	mov	24(%rbx), %r8
	mov	32(%rbx), %r9
	mov	40(%rbx), %r10
	mov	48(%rbx), %r11
	mov	56(%rbx), %r12
	mov	64(%rbx), %r13
	mov	72(%rbx), %r14
	mov	80(%rbx), %r15
	.byte	0x66, 0x0f, 0x01, 0xcc		/* TDCALL */
	mov	%rax, 0(%rbx)
	mov	%rcx, 8(%rbx)
	mov	%rdx, 16(%rbx)
	mov	%r8, 24(%rbx)
	mov	%r9, 32(%rbx)
	mov	%r10, 40(%rbx)
	mov	%r11, 48(%rbx)
	mov	%r12, 56(%rbx)
	mov	%r13, 64(%rbx)
	mov	%r14, 72(%rbx)
	mov	%r15, 80(%rbx)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	ret
