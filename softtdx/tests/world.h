/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for the model: two ranges of fake physical memory, four CPUs in two packages, a
 * log of violations; and TDs built up to any stage.
 */
#ifndef SOFTTDX_WORLD_H
#define SOFTTDX_WORLD_H

#include "../model/guest.h"

#define PHYS_BITS	46
#define FIRST_KEYID	2	/* the global one; TDs get the following */
#define NR_KEYIDS	8
#define WORLD_FMS	0x000806F8u	/* CPUID(1).EAX */
#define SHARED_BASE	0x100000ull	/* plain memory: sources, parameters */
#define SHARED_SIZE	0x100000ull
#define TDMR_BASE	0x40000000ull
#define PAMT_OFFSET	0x2000000ull	/* the TDMR's PAMT lies in its own reserved area */
#define TDMR_MEMORY	(PAMT_OFFSET + 0x800000ull)

struct world {
	struct softtdx *m;
	u8 *shared, *private;
	u64 next_page;			/* bump allocator of TDMR pages */
	u64 available;			/* bytes that the TDMR offers */
	u64 config_flags;		/* for SYS.CONFIG */
	struct softtdx_regs regs;	/* results of the last call */
	struct softtdx_report reports[64];
	u32 nr_reports;
	u64 tsc;
	u64 delayed;
	/* What happens while a vCPU is inside; then what the guest does, once. */
	void (*inside)(struct world *w, const struct softtdx_vcpu *vcpu);
	bool acts;
	struct softtdx_guest act;
	struct softtdx_guest after;	/* as the guest went on, before it left by TDG.VP.VMCALL */
	u64 eptp;
	u64 entries;			/* of vCPUs */
	u64 flushes;			/* TLB flushes asked for */
	bool held[TDMR_MEMORY / PAGE_4K];	/* what the module says that it holds */
};

extern _Thread_local u32 current_cpu;

struct world *world_new(u64 available);		/* memory and module, nothing initialised */
struct world *world_ready(u64 available);	/* the module is READY */
struct world *world_dynamic(u64 available);	/* with dynamic PAMT, no 2M has a pair yet */
void world_free(struct world *w);
void world_boot(struct world *w);		/* INIT to TDMR.INIT */
void world_set_tsc_khz(struct world *w, u32 khz);
void *at(struct world *w, u64 hpa);
bool is_held(struct world *w, u64 hpa);
u64 new_page(struct world *w);
u64 new_large_page(struct world *w);
void new_tdmr_info(struct world *w, struct tdmr_info *info);

u64 world_call(struct world *w, u64 rax, struct softtdx_regs regs);
#define CALL(id, ...) \
	world_call(w, TDH_##id, (struct softtdx_regs){ __VA_ARGS__ })
u64 on_cpu(struct world *w, u32 cpu, u64 rax, struct softtdx_regs regs);
#define CALL_ON(cpu, id, ...) \
	on_cpu(w, cpu, TDH_##id, (struct softtdx_regs){ __VA_ARGS__ })

/* TDH.VP.ENTER of a guest that acts like this, and then leaves by TDG.VP.VMCALL if it may. */
u64 world_enter(struct world *w, u64 tdvpr, struct softtdx_guest act);
#define EXIT(...) world_enter(w, td.tdvpr, (struct softtdx_guest){ __VA_ARGS__ })
#define TDCALL(leaf, ...) EXIT(.reason = EXIT_TDCALL, .instruction_length = 4, .code64 = true, \
			       .gpr = { [RAX] = TDCALL_##leaf, __VA_ARGS__ })

/* What the module injects into a guest. */
#define VE	(EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_VE)
#define UD	(EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_UD)
#define GP	(EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_HAS_ERROR | VECTOR_GP)
#define DF	(EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_HAS_ERROR | VECTOR_DF)
#define SHARED_BIT	(1ull << 47)

enum stage { CREATED, KEYED, TDCS, INITED, WITH_VCPU, RUNNABLE };

struct td {
	u64 tdr, tdvpr, keyid;
	u64 tdcs[TDCS_PAGES_MIN];
	u64 table[3];		/* SEPT tables of level 2, 1, 0 for GPA and what is near */
};

#define GPA 0x40000000ull
#define PARAMS (SHARED_BASE + 0x1000)
#define SOURCE (SHARED_BASE + 0x2000)

struct td_params *default_params(struct world *w);
void td_build(struct world *w, struct td *td, enum stage stage);
void td_vcpu(struct world *w, struct td *td, u32 cpu);
void td_tables(struct world *w, struct td *td);		/* down to a 4K table for GPA */
u64 td_add(struct world *w, struct td *td, u64 gpa);	/* adds a page, returns its address */
u64 td_aug(struct world *w, struct td *td, u64 gpa);
void td_with_tables(struct world *w, struct td *td, enum stage stage);
u64 td_with_page(struct world *w, struct td *td);	/* RUNNABLE; the pending page at GPA */
void td_block_and_track(struct world *w, struct td *td, u64 gpa_level);
/* TDs that can run. Of what PARAMS hold, with this version of VP.INIT; x2APIC ID 7 in version 1. */
void td_of_params(struct world *w, struct td *td, u64 version);
/* With a measured page at GPA, whose address is returned. */
u64 td_measured(struct world *w, struct td *td, u64 attributes);
/* With a measured page at GPA and one to accept behind it. */
void td_running(struct world *w, struct td *td, u64 attributes);
void td_end_key(struct world *w, struct td *td);	/* up to TEARDOWN */
struct tdr *tdr_of(struct world *w, const struct td *td);
struct tdcs *tdcs_of(struct world *w, const struct td *td);
struct tdvps *tdvps_of(struct world *w, const struct td *td);
u64 entry_state(struct world *w, const struct td *td, u64 gpa_level);

/* For checks made outside a test program's own: */
void must(u64 status, u64 wanted, const char *what, const char *file, int line);
#define MUST(expr) must(expr, 0, #expr, __FILE__, __LINE__)

#endif
