/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The leaves of SEAMCALL: X(constant, function, op-states, flags). Both the functions' declarations
 * (internal.h) and the table that calls them (dispatch.c) are made of it.
 */
#ifndef SOFTTDX_LEAVES_H
#define SOFTTDX_LEAVES_H

/* Op-states in which a leaf may run. 0: it looks at them itself, or they do not matter. */
#define IN_UNINIT	(1u << OP_UNINIT)
#define IN_INITIALIZED	(1u << OP_INITIALIZED)
#define IN_RUNNABLE	(1u << OP_RUNNABLE)
#define IN_BUILT	(IN_INITIALIZED | IN_RUNNABLE)

/* Flags of a leaf. */
#define EARLY		1u	/* runs before SYS_READY */
#define CLEAR_CD	4u	/* RCX and RDX are results, zero unless set */
#define TDR_IN_RCX	16u
#define TDR_IN_RDX	32u
#define TDVPR_IN_RCX	64u
#define TDVPR_IN_RDX	128u
#define GPA_IN_RCX	256u
#define MEM_LEAF	(TDR_IN_RDX | GPA_IN_RCX | CLEAR_CD)

#define LEAVES(X)							\
	X(SYS_INIT, sys_init, 0, EARLY)						\
	X(SYS_LP_INIT, sys_lp_init, 0, EARLY)					\
	X(SYS_RD, sys_rd, 0, EARLY)						\
	X(SYS_CONFIG, sys_config, 0, EARLY)					\
	X(SYS_KEY_CONFIG, sys_key_config, 0, EARLY)				\
	X(SYS_UPDATE, sys_update, 0, EARLY)					\
	X(SYS_DISABLE, sys_disable, 0, EARLY)					\
	X(SYS_TDMR_INIT, sys_tdmr_init, 0, 0)					\
	X(SYS_SHUTDOWN, sys_shutdown, 0, 0)					\
	X(MNG_CREATE, mng_create, 0, TDR_IN_RCX)				\
	X(MNG_KEY_CONFIG, mng_key_config, 0, TDR_IN_RCX)			\
	X(MNG_ADDCX, mng_addcx, IN_UNINIT, TDR_IN_RDX)				\
	X(MNG_INIT, mng_init, IN_UNINIT, TDR_IN_RCX)				\
	X(MNG_RD, mng_rd, IN_BUILT, TDR_IN_RCX)					\
	X(MNG_VPFLUSHDONE, mng_vpflushdone, 0, TDR_IN_RCX)			\
	X(MNG_KEY_FREEID, mng_key_freeid, 0, TDR_IN_RCX)			\
	X(VP_CREATE, vp_create, IN_INITIALIZED, TDR_IN_RDX)			\
	X(VP_ADDCX, vp_addcx, IN_INITIALIZED, TDVPR_IN_RDX)			\
	X(VP_INIT, vp_init, IN_INITIALIZED, TDVPR_IN_RCX)			\
	X(VP_FLUSH, vp_flush, 0, TDVPR_IN_RCX)					\
	X(VP_RD, vp_rd, IN_BUILT, TDVPR_IN_RCX)					\
	X(VP_WR, vp_wr, IN_BUILT, TDVPR_IN_RCX)					\
	X(VP_ENTER, vp_enter, IN_RUNNABLE, TDVPR_IN_RCX)			\
	X(MEM_SEPT_ADD, mem_sept_add, IN_BUILT, MEM_LEAF)			\
	X(MEM_SEPT_RD, mem_sept_rd, IN_BUILT, MEM_LEAF)				\
	X(MEM_SEPT_REMOVE, mem_sept_remove, IN_BUILT, MEM_LEAF)			\
	X(MEM_PAGE_ADD, mem_page_add, IN_INITIALIZED, MEM_LEAF)			\
	X(MEM_PAGE_AUG, mem_page_aug, IN_BUILT, MEM_LEAF)			\
	X(MEM_PAGE_REMOVE, mem_page_remove, IN_BUILT, MEM_LEAF)			\
	X(MEM_PAGE_PROMOTE, mem_page_promote, IN_BUILT, MEM_LEAF)		\
	X(MEM_PAGE_DEMOTE, mem_page_demote, IN_BUILT, MEM_LEAF)			\
	X(MEM_RANGE_BLOCK, mem_range_block, IN_BUILT, MEM_LEAF)			\
	X(MEM_RANGE_UNBLOCK, mem_range_unblock, IN_BUILT, MEM_LEAF)		\
	X(MEM_RD, mem_rd, IN_BUILT, MEM_LEAF)					\
	X(MEM_WR, mem_wr, IN_BUILT, MEM_LEAF)					\
	X(MR_EXTEND, mr_extend, IN_INITIALIZED, MEM_LEAF)			\
	X(MEM_TRACK, mem_track, IN_BUILT, TDR_IN_RCX)				\
	X(MR_FINALIZE, mr_finalize, IN_INITIALIZED, TDR_IN_RCX)			\
	X(PHYMEM_PAGE_RECLAIM, phymem_page_reclaim, 0, CLEAR_CD)		\
	X(PHYMEM_PAGE_RDMD, phymem_page_rdmd, 0, CLEAR_CD)			\
	X(PHYMEM_PAGE_WBINVD, phymem_page_wbinvd, 0, 0)				\
	X(PHYMEM_CACHE_WB, phymem_cache_wb, 0, 0)				\
	X(PHYMEM_PAMT_ADD, phymem_pamt_add, 0, 0)				\
	X(PHYMEM_PAMT_REMOVE, phymem_pamt_remove, 0, 0)

#endif
