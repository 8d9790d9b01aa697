/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * int softtdx_vmlaunch(u64 gpr[16]): runs the guest of the current VMCS with these registers
 * and puts those of its exit there. Returns 0 after an exit, 1 if VMLAUNCH failed.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/unwind_hints.h>
#include <asm/ibt.h>

#define HOST_RSP_FIELD	0x6c14

/* Every register of gpr[] but RSP and the one that holds the array. */
.macro EACH_REGISTER do
	\do %rax, 0
	\do %rcx, 1
	\do %rdx, 2
	\do %rbx, 3
	\do %rbp, 5
	\do %rsi, 6
	\do %r8, 8
	\do %r9, 9
	\do %r10, 10
	\do %r11, 11
	\do %r12, 12
	\do %r13, 13
	\do %r14, 14
	\do %r15, 15
.endm

.macro LOAD_GUEST register, number
	mov	8 * \number(%rdi), \register
.endm

.macro STORE_GUEST register, number
	mov	\register, 8 * \number(%rdi)
.endm

.section .text, "ax"

SYM_FUNC_START(softtdx_vmlaunch)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi

	mov	$HOST_RSP_FIELD, %eax
	vmwrite	%rsp, %rax

	EACH_REGISTER LOAD_GUEST
	mov	8 * 7(%rdi), %rdi

	/* The guest's exit arrives at softtdx_vmexit, by HOST_RIP. */
	UNWIND_HINT_SAVE
	vmlaunch
	mov	$1, %eax
	jmp	.Lreturn

SYM_INNER_LABEL_ALIGN(softtdx_vmexit, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rdi
	mov	8(%rsp), %rdi
	EACH_REGISTER STORE_GUEST
	pop	8 * 7(%rdi)
	xor	%eax, %eax

.Lreturn:
	pop	%rdi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET
SYM_FUNC_END(softtdx_vmlaunch)
