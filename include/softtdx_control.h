/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control channel of the software TDX module in the emulator: a CPUID leaf that no CPU has.
 *
 * CPUID needs no right, no driver and nothing of the kernel, and it touches no memory.  A CPU
 * without the channel answers as for any leaf that it does not know, never by SOFTTDX_HELLO_TEXT.
 *
 * A request is a line of text, "read FILE" or "write FILE TEXT" (docs/softtdx.md).  It travels in
 * 32 bytes a time, in RBX, RDX, RSI and RDI; its answer comes back in the same way.  Who asks gets
 * a session, so that requests of several processes do not mix.  There is no end of a session:
 * when all are taken, the one that was used least recently is given away, and what its former
 * owner asks then is -ESTALE.
 *
 * EAX in:  SOFTTDX_CONTROL_LEAF
 * ECX in:  operation in 7:0, session in 31:8
 * RAX out: a value or a negative errno
 */
#ifndef SOFTTDX_CONTROL_H
#define SOFTTDX_CONTROL_H

#define SOFTTDX_CONTROL_LEAF	0x54464F53u	/* "SOFT" */
#define SOFTTDX_CONTROL_CHUNK	32

enum softtdx_control {
	SOFTTDX_HELLO,	/* data: SOFTTDX_HELLO_TEXT; RAX: SOFTTDX_CONTROL_VERSION */
	SOFTTDX_OPEN,	/* RAX: a session */
	SOFTTDX_PUT,	/* data: the next bytes of the request, which ends with a zero byte */
	SOFTTDX_DO,	/* RAX: length of the answer */
	SOFTTDX_GET,	/* data: the next bytes of the answer; RAX: how many */
};

#define SOFTTDX_CONTROL_VERSION	1
#define SOFTTDX_HELLO_TEXT	"software TDX module, by CPUID"	/* less than a chunk */

#endif /* SOFTTDX_CONTROL_H */
