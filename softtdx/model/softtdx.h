/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The software TDX module: what its environment (the emulator, the host tests) calls and
 * provides. One struct softtdx is one module; it is large, so it is meant to be static.
 *
 * Calls may run on many CPUs at once. A call never sleeps or allocates, and must not be
 * interrupted on its CPU by something that calls again.
 * TDH.SYS.DISABLE takes no lock and may run in any context; TDH.PHYMEM.PAGE.RDMD may, too, and is
 * OPERAND_BUSY where the page is locked.
 */
#ifndef SOFTTDX_H
#define SOFTTDX_H

#include "abi.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define SOFTTDX_MAX_CPUS	512
#define SOFTTDX_MAX_PACKAGES	32
#define SOFTTDX_MAX_KEYIDS	64
#define SOFTTDX_MAX_TDS		128
#define SOFTTDX_JOURNAL		1024
#define SOFTTDX_RULES		16

/* Registers of a SEAMCALL in the order of the kernel's struct tdx_module_args. */
struct softtdx_regs {
	u64 rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15, rbx, rdi, rsi;
};

/* Calls that break the module's rules. Each is refused with the real module's status code. */
enum softtdx_violation {
	SOFTTDX_PAGE_IN_USE,		/* a page given that the module already holds */
	SOFTTDX_PAGE_RESERVED,		/* a page given that lies in a reserved area */
	SOFTTDX_ENTRY_IN_USE,		/* a page or table added where one is already */
	SOFTTDX_NOT_BLOCKED,		/* a removal without TDH.MEM.RANGE.BLOCK */
	SOFTTDX_NOT_TRACKED,		/* a removal without TDH.MEM.TRACK and the kicks after it */
	SOFTTDX_NOT_KICKED,		/* a track while vCPUs run since before the last */
	SOFTTDX_RECLAIM_FREE,		/* a reclaim of a page that the module does not hold */
	SOFTTDX_RECLAIM_IN_USE,		/* a reclaim of a page of a TD that still has its key */
	SOFTTDX_LEFT_BEHIND,		/* a TDR reclaimed while the TD holds other pages */
	SOFTTDX_NO_PAMT_PAGES,		/* a page given before TDH.PHYMEM.PAMT.ADD for its 2M */
	SOFTTDX_WBINVD_IN_USE,		/* a write-back of a page that the module holds */
	SOFTTDX_VCPU_NOT_FLUSHED,	/* VPFLUSHDONE while a vCPU is associated */
	SOFTTDX_CACHE_NOT_FLUSHED,	/* KEY.FREEID before CACHE.WB on all packages */
	SOFTTDX_UNKNOWN_LEAF,		/* a leaf that is not modelled */
	SOFTTDX_VIOLATIONS
};

struct softtdx_report {
	enum softtdx_violation violation;
	u16 leaf;
	u64 status;
	u64 tdr;			/* TD that the call was about; 0: none */
	u64 gpa;
	u64 page;			/* page that the report is about; 0: none */
	u64 owner;			/* TD that holds the page; 0: none */
	u8 page_type;
	u64 count;			/* LEFT_BEHIND: pages still held */
};

/*
 * The guest's side of a vCPU. The model knows what an exit means, the environment how to run
 * the guest with VMX, and this is what they tell each other.
 */
struct softtdx_guest {
	u64 gpr[16];			/* by number, as instructions encode them; RSP unused */
	u64 xcr0, xss;
	/* For the next run, which uses them up: */
	u64 skip;			/* bytes of an instruction that is done */
	/* VM-entry interruption information; an exit that interrupts a delivery fills it again. */
	u32 event, event_error, event_length;
	u64 cr2;			/* goes with a page fault */
	bool write_cr2;
	bool nmi_window;		/* wanted: an exit as soon as the guest can take an NMI */
	/* About the last exit, in VMX's terms: */
	u32 reason, interruption, instruction_length, instruction_info;
	u64 qualification, gla, gpa;
	u64 rip, cr4;
	bool code64;			/* in 64-bit mode */
	u8 cpl;
	bool nmi_blocked;
	u8 rvi;				/* requested virtual interrupt */
};

#define SOFTTDX_ARCH_SIZE	1024

/* A vCPU about to run: what TDH.VP.ENTER hands to the environment. */
struct softtdx_vcpu {
	u64 tdr, tdvpr;			/* physical addresses */
	struct softtdx_guest *guest;
	bool flush_tlb;			/* cached translations of the TD are stale */
	u64 eptp;			/* private and shared memory in one table */
	u64 vmcs, apic_page;		/* pages for VMX */
	u64 msr_bitmap;
	void *xsave;			/* page for the extended state in xfam */
	u64 xfam;
	u64 tsc_offset, tsc_multiplier;
	u64 posted_intr_nv, posted_intr_desc, pin_based;
	void *arch;			/* the environment's own, zero at first */
};

struct softtdx_ops {
	/* Pointer to the byte at hpa, usable to the end of its page; NULL: no memory there. */
	void *(*map)(void *env, u64 hpa);
	u32 (*cpu)(void *env);
	u32 (*package)(void *env);
	u64 (*tsc)(void *env);
	/* What CPUID says on this CPU. */
	struct cpuid_value (*cpuid)(void *env, u32 leaf, u32 subleaf);
	void (*report)(void *env, const struct softtdx_report *report);
	/* Optional: bytes of memory that the module holds from now on, or no longer. */
	void (*held)(void *env, u64 hpa, u64 size, bool held);
	/* For softtdx_seamcall() alone: waits; runs the guest to its next exit. */
	void (*delay)(void *env, u64 usecs);
	void (*run)(void *env, const struct softtdx_vcpu *vcpu);
};

/* What a module announces: its version, and TDX_FEATURES0. */
struct softtdx_profile {
	const char *name;
	u16 major, minor;
	u64 features;
};
/* NULL: there is none of that name. An empty name means the first. */
const struct softtdx_profile *softtdx_profile(const char *name);

struct softtdx_config {
	u32 nr_cpus;			/* all of the platform: SYS.CONFIG waits for their LP.INIT */
	u32 nr_packages;
	u32 phys_bits;			/* the KeyID of a physical address lies above them */
	u16 first_keyid, nr_keyids;	/* private KeyIDs, the global one included */
	u64 xfam;			/* XFAM bits that the CPU has */
	u32 tsc_khz;			/* 0: the CPU cannot scale the TSC for a guest */
	u64 arch_caps;			/* its IA32_ARCH_CAPABILITIES, 0: none */
	const struct softtdx_profile *profile;	/* which module; NULL: the first */
};

/* Journal: one record a SEAMCALL. */
struct softtdx_record {
	u64 seq;			/* counts from 1 */
	u64 tsc, cpu;
	u64 rax;			/* as called */
	u64 in[4], status, out[4];	/* rcx, rdx, r8, r9 */
	u64 injected;
};

/* Fault injection: "leaf, the Nth call from now [of TD, of GPA], return status, k times". */
struct softtdx_rule {
	u16 leaf;
	bool match_tdr, match_gpa;
	u64 tdr, gpa;
	u32 skip;			/* calls to let through first */
	u32 count;			/* calls to fail; 0: never active */
	u64 status;			/* 0: only delay the call */
	u64 delay_usecs;
	u32 hits;			/* kept by the model */
};

struct softtdx_counter {
	u64 status;			/* ~0: all further ones */
	u64 count;
};
#define SOFTTDX_COUNTERS	16	/* distinct statuses a leaf */
#define SOFTTDX_LEAVES		70	/* leaves above are unknown */

struct softtdx_tdmr {
	u64 base, size;
	u64 next, initialized;		/* PAMT is cleared up to next, [base, initialized) usable */
	/* 4K, 2M, 1G entries; with dynamic PAMT a bit for each 4K page that is PAMT or reserved. */
	u64 pamt[3], pamt_size[3];
	u16 lock;
	u16 nr_reserved;
	struct { u64 start, end; } reserved[TDMR_RESERVED_MAX];
};

enum softtdx_keyid_state { KEYID_FREE, KEYID_ASSIGNED, KEYID_FLUSHED, KEYID_RESERVED };

struct softtdx_keyid {
	u8 state;
	u32 dirty;			/* packages whose caches await CACHE.WB */
};

struct softtdx {
	const struct softtdx_ops *ops;
	void *env;
	struct softtdx_config cfg;

	u16 sys_lock, kot_lock, ket_lock;
	u8 state;
	bool handoff;			/* SHUTDOWN left state for UPDATE */
	bool dynamic_pamt;		/* SYS.CONFIG asked for it */
	u64 lp_done[SOFTTDX_MAX_CPUS / 64];
	u32 nr_lp_done;
	u32 packages, nr_packages;	/* with SYS.KEY.CONFIG done */
	u32 nr_tdmrs;
	struct softtdx_tdmr tdmrs[TDMR_MAX];
	struct softtdx_keyid keyids[SOFTTDX_MAX_KEYIDS];	/* by KeyID - first_keyid */
	struct { u16 lock; u32 left; u64 keyids; } wb[SOFTTDX_MAX_PACKAGES];
	u32 wb_steps;			/* control: CACHE.WB is interrupted this often */
	/*
	 * Control: calls, and the guest's TDCALLs, keep their locks for up to so long after their
	 * effect, as those of hardware do, which are not done in one instant. 0: they do not.
	 */
	u32 linger_usecs;
	u64 linger_seed;		/* says how long each of them does */
	u32 interrupts;			/* control: so many PROMOTE or DEMOTE are interrupted */
	u64 tds[SOFTTDX_MAX_TDS];	/* TDRs, 0: free slot */

	struct softtdx_counter counters[SOFTTDX_LEAVES + 1][SOFTTDX_COUNTERS];
	u64 violations[SOFTTDX_VIOLATIONS];
	struct softtdx_record journal[SOFTTDX_JOURNAL];
	u64 journal_next;
	struct softtdx_rule rules[SOFTTDX_RULES];
};

/* The module as after boot: nothing initialised. False: the configuration is impossible. */
bool softtdx_init(struct softtdx *m, const struct softtdx_config *cfg,
		  const struct softtdx_ops *ops, void *env);

/* A SEAMCALL. rax: leaf and version; regs: operands, then results. Returns the status. */
u64 softtdx_seamcall(struct softtdx *m, u64 rax, struct softtdx_regs *regs);

/*
 * The same in steps, for an environment that cannot wait or run a guest inside of a call.
 *
 *   SOFTTDX_WAIT  go on with softtdx_waited(), not before softtdx_call_usecs() microseconds
 *   SOFTTDX_RUN   run softtdx_call_vcpu() to its next exit, then call softtdx_exited()
 *
 * Any other value is the status, and the call has ended. Until then `call` and `regs` stay the
 * call's, which holds locks of the module, and whatever map() gave stays valid.
 */
#define SOFTTDX_RUN		(~0ull)
#define SOFTTDX_WAIT		(~1ull)
struct softtdx_call { u64 opaque[96]; };
u64 softtdx_begin(struct softtdx *m, struct softtdx_call *call, u64 rax,
		  struct softtdx_regs *regs);
u64 softtdx_exited(struct softtdx_call *call);
u64 softtdx_waited(struct softtdx_call *call);
u64 softtdx_call_usecs(const struct softtdx_call *call);
const struct softtdx_vcpu *softtdx_call_vcpu(const struct softtdx_call *call);

/*
 * Around softtdx_check() and softtdx_reset(), for each call that is under way: without its locks
 * the module is idle. Only where no other thread calls meanwhile.
 */
void softtdx_call_let_go(struct softtdx_call *call);
void softtdx_call_take_back(struct softtdx_call *call);

/* Loads the module anew, as P-SEAMLDR does after TDH.SYS.SHUTDOWN; TDs survive UPDATE. */
void softtdx_reload(struct softtdx *m);

/* Names for logs; never NULL. */
const char *softtdx_leaf_name(u64 leaf);
const char *softtdx_status_name(u64 status);
const char *softtdx_violation_name(enum softtdx_violation violation);

/*
 * Observation. Reads without locks: a busy module may give a view that is a little off.
 */
struct softtdx_td_info {
	u64 tdr;
	const char *lifecycle, *op_state;
	u16 keyid;
	u64 attributes, xfam, epoch;
	u64 nr_tdcx, nr_tdvpr, nr_sept, nr_guest;	/* pages; guest pages in units of 4K */
	u64 chldcnt;
	u32 nr_vcpus, nr_assoc;
	u8 mrtd[48];			/* all zero before TDH.MR.FINALIZE */
};

struct softtdx_sept_info {
	u64 gpa, entry, hpa;
	u32 level;
	bool leaf;
	const char *state;
};

/* What the module holds a page for. */
struct softtdx_page_info {
	const char *type;		/* "TD", "SEPT", "TDR", "TDCX", "TDVPR", "PAMT"; "free" */
	bool guest;			/* memory of the TD's guest, not of the module itself */
	u64 owner;			/* TDR; 0: none */
};
void softtdx_page(struct softtdx *m, u64 hpa, struct softtdx_page_info *info);
/*
 * The entry of a TD's Secure EPT that leads to hpa, memory (info->gpa is that of hpa) or table.
 * False: none does. It walks all of them.
 */
bool softtdx_find(struct softtdx *m, u64 tdr, u64 hpa, struct softtdx_sept_info *info);
/* TD number *pos or the next one; advances *pos. False: no further TD. */
bool softtdx_next_td(struct softtdx *m, u32 *pos, struct softtdx_td_info *info);
/* First non-free entry at or above *pos (0 at first), parents before children. */
bool softtdx_next_sept(struct softtdx *m, u64 tdr, u64 *pos, struct softtdx_sept_info *info);
/* Record with the lowest seq >= *seq that is still held; sets *seq to the one after it. */
bool softtdx_next_record(struct softtdx *m, u64 *seq, struct softtdx_record *record);
/* Counters of a leaf: SOFTTDX_COUNTERS slots, unused ones have count 0. */
const struct softtdx_counter *softtdx_counters(struct softtdx *m, u16 leaf);

/*
 * Control. The caller serialises these calls with each other.
 */
/* Slot of the new rule, -1: all are taken. */
int softtdx_add_rule(struct softtdx *m, const struct softtdx_rule *rule);
void softtdx_clear_rules(struct softtdx *m);
void softtdx_clear_counters(struct softtdx *m);
/*
 * Gives the pages of dead TDs back: those in TEARDOWN; with force of the TD tdr, whatever its
 * state (its KeyID too). tdr 0: all. Contents stay as they are: the kernel may have reused a
 * page that it failed to reclaim. Returns the number of 4K pages.
 */
u64 softtdx_reset(struct softtdx *m, u64 tdr, bool force);

/*
 * Checks every invariant of the idle module: page counts, owners and types of pages, parents
 * of SEPT entries, epochs, KeyIDs, locks. NULL: all hold; else what does not, with *where the
 * address that it concerns.
 */
const char *softtdx_check(struct softtdx *m, u64 *where);

#endif
