/* SPDX-License-Identifier: GPL-2.0-only */
/* What the model's files share: a call in progress, its locks, the checks of its operands. */
#ifndef SOFTTDX_INTERNAL_H
#define SOFTTDX_INTERNAL_H

#include "layout.h"
#include "leaves.h"
#include "rules.h"
#include "softtdx.h"

/*
 * Functions that the model's files share. In the emulator the model is one unit (softtdx_model.c)
 * and keeps these names to itself.
 */
#ifndef INTERNAL
#define INTERNAL
#endif

#define TRY(expr) do { u64 try_status_ = (expr); if (try_status_) return try_status_; } while (0)

#define ALIGNED(x, size) (!((x) & ((size) - 1)))

/* Trylocks as in the real module: a conflict is the caller's OPERAND_BUSY. */
enum lock_mode { SHARED, EXCLUSIVE };
#define LOCK_EXCLUSIVE 0x8000

INTERNAL bool lock_try(u16 *lock, enum lock_mode mode);
INTERNAL bool lock_upgrade(u16 *lock);
INTERNAL void lock_drop(u16 *lock);

#define atomic_add(p, v)	__atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_sub(p, v)	__atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_load(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define atomic_store(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define atomic_or(p, v)		__atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define atomic_and(p, v)	__atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)
/* Stores new if *p is old. */
#define atomic_cas(p, old, new) __extension__ ({				\
	__typeof__(*(p)) old_ = (old);						\
	__atomic_compare_exchange_n(p, &old_, new, false, __ATOMIC_SEQ_CST,	\
				    __ATOMIC_SEQ_CST); })

enum sys_state {
	SYS_INIT_PENDING, SYS_INIT_DONE, SYS_CONFIG_DONE, SYS_READY, SYS_SHUT_DOWN,
};

struct call;

struct leaf {
	u8 states;
	u16 flags;
	u64 (*run)(struct call *c);
};

#define HELD_MAX 16

/* What a call does that waits: a rule of fault injection made it late, or locks are kept. */
enum waiting { CALL_IS_LATE, CALL_LINGERS, TDCALL_LINGERS };

struct call {
	struct softtdx *m;
	const struct leaf *leaf;
	u64 rax;		/* as called */
	u16 number;
	u8 version;
	u32 cpu;
	struct softtdx_regs in;
	struct softtdx_regs *out;

	u64 tdr_pa, vps_pa;
	struct tdr *tdr;
	struct tdcs *tdcs;
	struct tdvps *vps;

	/* Memory leaves: the operand and the SEPT entry that it leads to. */
	u64 gpa;
	int level;
	u64 *entry;
	u64 value;		/* of the entry, without lock, accessed and dirty bits */
	bool entry_locked;

	int nr_held;
	u16 *held[HELD_MAX];
	bool exclusive[HELD_MAX], set_aside;	/* softtdx_call_let_go() */

	/* Until the call ends: */
	u64 status;		/* it has this one already, by injection or because it lingers */
	bool injected;
	enum waiting waiting;
	u64 wait_usecs;

	/* TDH.VP.ENTER: */
	u64 epoch;		/* in which the vCPU entered */
	struct softtdx_vcpu vcpu;
};

/* lock.c: takes a lock until the end of the call. */
INTERNAL bool call_lock(struct call *c, u16 *lock, enum lock_mode mode);
INTERNAL void call_unlock(struct call *c, u16 *lock);

/* env.c */
INTERNAL void *map(struct softtdx *m, u64 hpa);
/* A shared operand, without its KeyID; NULL: not aligned, a private KeyID, no memory. */
INTERNAL void *map_shared(struct call *c, u64 hpa, u64 alignment);
INTERNAL void zero_page(struct softtdx *m, u64 hpa);

/* dispatch.c */
INTERNAL const struct leaf *leaf_of(u16 number);
INTERNAL u64 admit(struct call *c);

/* pamt.c */
INTERNAL struct softtdx_tdmr *pamt_tdmr(struct softtdx *m, u64 hpa);
INTERNAL struct pamt_entry *pamt_at(struct softtdx *m, u64 hpa, int level);
INTERNAL struct pamt_entry *pamt_leaf(struct softtdx *m, u64 hpa, int *level);
INTERNAL void pamt_init(struct softtdx *m, const struct softtdx_tdmr *t, u64 start, u64 end);
INTERNAL u64 pamt_owner(const struct pamt_entry *e);
INTERNAL void pamt_set(struct pamt_entry *e, enum page_type type, u64 owner);
INTERNAL void pamt_release(struct pamt_entry *e);
INTERNAL void page_held(struct softtdx *m, u64 hpa, u64 pages, bool held);
INTERNAL void pamt_held(struct softtdx *m);
INTERNAL bool hpa_valid(const struct softtdx *m, u64 hpa);
INTERNAL bool hpa_shared(const struct softtdx *m, u64 hpa, u64 alignment);
INTERNAL u64 pamt_walk(struct call *c, u64 hpa, enum lock_mode mode, int min_level, u32 op,
	      struct pamt_entry **e, int *level);
INTERNAL u64 page_lock(struct call *c, u64 hpa, u32 op, enum lock_mode mode, enum page_type type,
	      struct pamt_entry **e);
INTERNAL u64 page_checks(struct call *c, u64 hpa, u32 op, int level);
INTERNAL u64 page_lock_free_range(struct call *c, u64 hpa, u32 op, int level,
				  struct pamt_entry **e);

INTERNAL struct pamt_entry *pamt_next(struct softtdx *m, u64 *hpa, int *level);

/* pamt_dynamic.c: the 4K entries of 2M lie in a pair of pages that the host gives and takes. */
INTERNAL bool pamt_bitmap_get(struct softtdx *m, u64 hpa);
INTERNAL u64 pamt_bitmap_pages(struct softtdx *m, const struct softtdx_tdmr *t);
INTERNAL void pamt_bitmap_init(struct softtdx *m, const struct softtdx_tdmr *t, u64 start, u64 end);
INTERNAL struct pamt_entry *pamt_in_pair(struct softtdx *m, const struct pamt_entry *node, u64 hpa);
INTERNAL u64 pamt_pair_page(const struct pamt_entry *node, int i);
#define PAIR_FOR_OTHERS	(~0ull)
INTERNAL u64 pamt_pair_take(struct call *c, const u64 pages[2], const u32 ops[2], u64 hpa);
INTERNAL void pamt_pair_set(struct pamt_entry *node, const u64 pages[2]);
INTERNAL void pamt_pair_give_back(struct call *c, const struct pamt_entry *node);
INTERNAL u64 pamt_removal_hint(struct softtdx *m, u64 hpa);

/* profiles.c */
INTERNAL bool has_feature(const struct softtdx *m, u64 feature);

/* td.c */
INTERNAL u64 tdr_lock(struct call *c, u64 hpa, u32 op, enum lock_mode mode);
INTERNAL u64 tdr_lock_owner(struct call *c, const struct pamt_entry *e, enum lock_mode mode);
INTERNAL u64 td_state(struct call *c, bool take_op_lock);
INTERNAL u64 tdvpr_lock(struct call *c, u64 hpa, u32 op, enum lock_mode mode,
			enum lock_mode tdr_mode);
INTERNAL u64 vcpu_associate(struct call *c);
INTERNAL u64 vcpu_ready(struct call *c);
INTERNAL void *td_page(struct softtdx *m, const struct tdr *tdr, int index);
INTERNAL void page_join(struct call *c, struct pamt_entry *e, enum page_type type, u64 hpa, u64 pages);
INTERNAL void page_gain(struct call *c, struct pamt_entry *e, enum page_type type, u64 hpa, u64 pages);
INTERNAL void page_lose(struct call *c, struct pamt_entry *e, u64 hpa, u64 pages);
INTERNAL void td_list(struct softtdx *m, u64 tdr_pa);
INTERNAL void td_unlist(struct softtdx *m, u64 tdr_pa);

/* sept.c */
INTERNAL enum sept_state sept_state(u64 entry);
INTERNAL const char *sept_state_name(enum sept_state state);
INTERNAL u64 gpa_operand(struct call *c, int min_level, int max_level);
INTERNAL u64 gpa_check(struct call *c, u64 gpa);
INTERNAL u64 sept_walk(struct call *c);
INTERNAL u64 sept_walk_to_leaf(struct call *c);
INTERNAL u64 sept_lock_tree(struct call *c, enum lock_mode mode);
INTERNAL u64 sept_lock_entry(struct call *c);
INTERNAL void sept_store(struct call *c, u64 entry);
INTERNAL void sept_unlock_entry(struct call *c);
INTERNAL u8 reported_state(enum sept_state state);
INTERNAL u64 sept_error(struct call *c, u64 status);
INTERNAL u64 sept_unblocked(u64 entry);
INTERNAL void sept_fill_free(struct softtdx *m, u64 hpa);
INTERNAL bool td_tracked(const struct tdcs *tdcs, u64 epoch);
INTERNAL u64 sept_removable(struct call *c, const struct pamt_entry *e);

/* mem.c */
#define ANY_LEVEL (-1)
INTERNAL u64 mem_find_entry(struct call *c, enum lock_mode tree, int min_level, int max_level);
INTERNAL u64 mem_require_state(struct call *c, int allowed);
INTERNAL u64 mem_accept(struct call *c, u64 gpa_level);
INTERNAL u64 mem_lock_target(struct call *c, struct pamt_entry **e);
INTERNAL struct pamt_entry *mem_target(struct call *c);
INTERNAL u64 l2_tables_absent(struct call *c);

/* inject.c, journal.c */
INTERNAL u64 inject(struct call *c);
INTERNAL bool take_count(u32 *count);
INTERNAL void journal(struct call *c, u64 rax, u64 status, bool injected);
INTERNAL void count(struct softtdx *m, u16 leaf, u64 status);
INTERNAL void report_violation(struct call *c, enum softtdx_violation violation, u64 status,
			       u64 page);

/* KeyIDs */
INTERNAL struct softtdx_keyid *keyid_entry(struct softtdx *m, u64 keyid);

/* The leaves. */
#define X(id, fn, states, flags) INTERNAL u64 fn(struct call *c);
LEAVES(X)
#undef X
INTERNAL u64 vp_exited(struct call *c);
INTERNAL void vp_left(struct call *c);
INTERNAL bool lp_initialized(const struct call *c);

/* mng_params.c: what TDH.MNG.INIT copies from TD_PARAMS. */
INTERNAL u64 td_params_apply(struct call *c, const struct td_params *p);
INTERNAL bool xfam_groups_ok(u64 xfam);

/* td_fields.c */
struct td_field {
	u64 id;
	u16 offset;
	u8 size, elements;		/* bytes of an element */
	bool in_tdr;			/* else in the TDCS */
	u64 host, debugger, guest;	/* bits that they may read */
};
INTERNAL const struct td_field *td_field_find(u64 id, u32 *element);
INTERNAL void *td_field_place(struct call *c, const struct td_field *f, u32 element);
INTERNAL u64 td_field_value(struct call *c, const struct td_field *f, u32 element);
INTERNAL u64 td_field_next(const struct td_field *f, u32 element);

/* sys_fields.c */
INTERNAL bool field_id_valid(u64 id);
INTERNAL bool field_id_null(u64 id);

/* cpuid_table.c: what becomes of a leaf, and what a TD's creator may set in it. */
struct cpuid_leaf {
	u32 leaf, subleaf;
	u8 config;			/* number of its cpuid_config, from 1; 0: none */
	bool faults;			/* #VE: the guest asks the host */
	struct cpuid_value clear, set;	/* of this CPU's bits */
};
struct cpuid_config {
	u32 leaf, subleaf;
	struct cpuid_value direct;	/* the creator's */
	struct cpuid_value allowed;	/* this CPU's, if the creator sets them, too */
};
#define NO_SUBLEAF		0xFFFFFFFFu
#define MAX_BASIC_LEAF		0x23
#define MAX_EXTENDED_LEAF	0x80000008
#define NR_CPUID_CONFIGS	12
INTERNAL const struct cpuid_leaf *cpuid_leaf(u32 i);
INTERNAL const struct cpuid_config *cpuid_config(u32 i);
INTERNAL int cpuid_find(u32 leaf, u32 subleaf);
INTERNAL struct cpuid_value cpuid_native(struct softtdx *m, u32 i);
INTERNAL struct cpuid_value cpuid_and(struct cpuid_value a, struct cpuid_value b);
INTERNAL struct cpuid_value cpuid_or(struct cpuid_value a, struct cpuid_value b);
INTERNAL struct cpuid_value cpuid_not(struct cpuid_value a);

/* cpuid_td.c: the TD's values, and the metadata fields that show them. */
INTERNAL u64 td_cpuid_compose(struct call *c, const struct cpuid_value *wanted);
INTERNAL u64 td_cpuid_field(const struct tdcs *tdcs, u64 field, u64 *value);
INTERNAL u64 td_cpuid_first_field(void);
INTERNAL u64 td_cpuid_next_field(u64 id);
INTERNAL u32 xsave_size(struct softtdx *m, u64 features, bool compacted);

/* msr.c: a bit for each MSR that the guest does not have for itself. */
INTERNAL void fill_msr_bitmap(struct call *c);

/* cpuid.c: what the guest's CPUID says; false: nothing, it has to ask the host. */
INTERNAL bool guest_cpuid(struct call *c, u32 leaf, u32 subleaf, struct cpuid_value *value);
/* The features in XFAM that IA32_XSS enables; XCR0 does the others. */
#define XSS_FEATURES (1ull << 8 | 1ull << 10 | 0x1Full << 11 | 1ull << 16)
#define XCR0_X87 1ull
#define XCR0_SSE 2ull
#define XCR0_AVX 4ull

/* sys_fields.c: bits that TD_PARAMS may, and must, have. */
#define ATTRIBUTES_FIXED0 (ATTR_SEPT_VE_DISABLE | ATTR_DEBUG)
#define ATTRIBUTES_FIXED1 0ull
#define XFAM_FIXED1 3ull
INTERNAL u64 xfam_fixed0(const struct softtdx *m);

#endif
