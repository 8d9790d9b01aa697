/* SPDX-License-Identifier: GPL-2.0-only */
/* How a TD's vCPU gets into Linux, and the first process there. */
#include "guest/linux/linux_image.h"
#include "guest/long_mode.h"

	.section .note.GNU-stack, "", @progbits

/*
 * The page with the reset vector: from 32-bit mode to the state that the 64-bit boot protocol
 * wants (Documentation/arch/x86/boot.rst).
 */
	.section .rodata, "a", @progbits
	.balign	4096
	.globl	linux_boot
linux_boot:
#define ABS(label)	(LINUX_BOOT_GPA + (label) - linux_boot)
#define BOOT_CS		0x10
#define BOOT_DS		0x18

	.code32
start32:
	TO_64_BIT_MODE(ABS(gdt_pointer), $LINUX_PAGE_TABLES, $BOOT_CS, $ABS(start64))

	.code64
start64:
	mov	$BOOT_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$LINUX_BOOT_PARAMS, %esi
	jmp	*linux_boot + LINUX_BOOT_ENTRY(%rip)

	.balign	8
gdt:
	.quad	0, 0
	.quad	0x00af9b000000ffff		/* BOOT_CS: 64-bit code */
	.quad	0x00cf93000000ffff		/* BOOT_DS */
gdt_pointer:
	.word	. - gdt - 1
	.long	ABS(gdt)

	.org	linux_boot + 0xff0
	.code32
	jmp	start32
	.org	linux_boot + 0x1000
	.code64

/*
 * The first process, a whole ELF file: it tells the kernel's log what CPUID says that it runs in,
 * and restarts the machine.
 */
#define INIT_BASE	0x400000
#define PT_LOAD		1
#define READ_EXEC_WRITE	7
#define O_WRONLY	1
#define SYS_write	1
#define SYS_open	2
#define SYS_reboot	169
#define REBOOT_MAGIC1	0xfee1dead
#define REBOOT_MAGIC2	672274793
#define REBOOT_RESTART	0x01234567

	.balign	8
	.globl	linux_init, linux_init_end
linux_init:
	.byte	0x7f, 'E', 'L', 'F', 2, 1, 1, 0	/* 64 bits, little endian */
	.quad	0
	.word	2, 62				/* an executable for x86-64 */
	.long	1
	.quad	INIT_BASE + init_start - linux_init
	.quad	program_header - linux_init, 0
	.long	0
	.word	64, 56, 1, 0, 0, 0
program_header:
	.long	PT_LOAD, READ_EXEC_WRITE
	.quad	0, INIT_BASE, INIT_BASE
	.quad	linux_init_end - linux_init, linux_init_end - linux_init, 4096

init_start:
	mov	$0x21, %eax			/* CPUID: "IntelTDX    " in a TD */
	xor	%ecx, %ecx
	cpuid
	mov	%ebx, where(%rip)
	mov	%edx, where + 4(%rip)
	mov	%ecx, where + 8(%rip)
	lea	log(%rip), %rdi
	mov	$O_WRONLY, %esi
	mov	$SYS_open, %eax
	syscall
	mov	%eax, %edi
	lea	message(%rip), %rsi
	mov	$message_end - message, %edx
	mov	$SYS_write, %eax
	syscall
	mov	$REBOOT_MAGIC1, %edi
	mov	$REBOOT_MAGIC2, %esi
	mov	$REBOOT_RESTART, %edx
	mov	$SYS_reboot, %eax
	syscall
	ud2
log:
	.asciz	"/dev/kmsg"
message:
	.ascii	"init: user space, CPUID says "
where:
	.ascii	"            "
message_end:
linux_init_end:
