/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest inside TDH.VP.ENTER: what the files about it share. */
#ifndef SOFTTDX_GUEST_H
#define SOFTTDX_GUEST_H

#include "internal.h"

/* Instead of TDH.VP.ENTER's result: the guest goes on. No status has this value. */
#define STAY	SOFTTDX_RUN

/* General registers by number. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

enum vmx_exit {
	EXIT_EXCEPTION_NMI = 0, EXIT_INTERRUPT = 1, EXIT_TRIPLE_FAULT = 2, EXIT_INIT = 3,
	EXIT_OTHER_SMI = 6, EXIT_NMI_WINDOW = 8, EXIT_TASK_SWITCH = 9, EXIT_CPUID = 10,
	EXIT_GETSEC = 11, EXIT_HLT = 12, EXIT_INVD = 13, EXIT_RDPMC = 15, EXIT_RSM = 17,
	EXIT_VMCALL = 18, EXIT_VMCLEAR = 19, EXIT_VMXON = 27, EXIT_CR_ACCESS = 28, EXIT_IO = 30,
	EXIT_RDMSR = 31, EXIT_WRMSR = 32, EXIT_GUEST_STATE = 33, EXIT_MWAIT = 36, EXIT_MONITOR = 39,
	EXIT_FAILED_BY_MC = 41, EXIT_EPT_VIOLATION = 48, EXIT_EPT_MISCONFIGURATION = 49,
	EXIT_INVEPT = 50, EXIT_INVVPID = 53, EXIT_WBINVD = 54, EXIT_XSETBV = 55,
	EXIT_APIC_WRITE = 56, EXIT_VMFUNC = 59, EXIT_ENCLS = 60, EXIT_PCONFIG = 65,
	EXIT_ENCLV = 70, EXIT_ENQCMD = 72, EXIT_ENQCMDS = 73, EXIT_BUS_LOCK = 74, EXIT_NOTIFY = 75,
	EXIT_SEAMCALL = 76, EXIT_TDCALL = 77,
};

/* Bits of qualifications. */
#define MSMI			1ull
#define NOTIFY_CONTEXT_INVALID	1ull
#define EXIT_ENTRY_FAILED	(1u << 31)

/* Interruption information. */
#define EVENT_VALID		(1u << 31)
#define EVENT_HAS_ERROR		(1u << 11)
#define EVENT_TYPE(info)	((info) >> 8 & 7)
#define EVENT_VECTOR(info)	((info) & 0xFF)
enum { EVENT_NMI = 2, EVENT_EXCEPTION = 3 };
enum {
	VECTOR_UD = 6, VECTOR_DF = 8, VECTOR_GP = 13, VECTOR_PF = 14, VECTOR_MC = 18, VECTOR_VE = 20,
};

/* Bits of an EPT violation's qualification. */
#define EPT_READ		1ull
#define EPT_WRITE		2ull
#define EPT_FETCH		4ull
#define EPT_GLA_VALID		(1ull << 7)

/* guest_exit.c */
INTERNAL u64 td_exit(struct call *c, u64 rcx, u64 rdx, u64 r8, u64 r9);
INTERNAL u64 td_lost(struct call *c, u32 status_hi);
INTERNAL u64 vcpu_lost(struct call *c);
INTERNAL u64 raise_exception(struct call *c, u32 vector, bool has_error);
INTERNAL u64 raise_page_fault(struct call *c, u32 error);
INTERNAL u64 raise_ve(struct call *c);
INTERNAL void instruction_done(struct call *c);

/* guest_mem.c */
INTERNAL enum sept_state private_state(struct call *c, u64 gpa);
INTERNAL u64 shared_bit(const struct tdcs *tdcs);
INTERNAL u64 ept_root(struct call *c);
INTERNAL u64 ept_violation(struct call *c);
INTERNAL u64 accept_violation(struct call *c, u64 gpa_level);
INTERNAL u64 guest_page(struct call *c, u64 gpa, u64 access, void **p);

/* msr.c */
INTERNAL u64 guest_rdmsr(struct call *c);
INTERNAL u64 guest_wrmsr(struct call *c);

/* stepping.c */
INTERNAL void stepping_progress(struct call *c);
INTERNAL void stepping_log(struct call *c, u64 gpa);
INTERNAL u64 stepping_filter(struct call *c);

/* tdcall.c, td_report.c */
INTERNAL u64 tdcall(struct call *c);
INTERNAL u64 tdcall_done(struct call *c, u64 status);
INTERNAL void finish_vmcall(struct call *c);
INTERNAL u64 tdg_mr_report(struct call *c);
INTERNAL u64 tdg_mr_rtmr_extend(struct call *c);

#endif
