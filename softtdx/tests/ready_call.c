// SPDX-License-Identifier: GPL-2.0-only
#include "ready_call.h"

static void give_page(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	regs->rcx = new_page(w);
	regs->rdx = td->tdr;
}

static void tdr_in_rcx(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	(void)w;
	regs->rcx = td->tdr;
}

static void for_mng_create(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	regs->rcx = new_page(w);
	regs->rdx = td->keyid + 1;
}

static void for_mng_init(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	default_params(w);
	regs->rcx = td->tdr;
	regs->rdx = PARAMS;
}

static void for_mng_rd(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	(void)w;
	regs->rcx = td->tdr;
	regs->rdx = MD_TD_TSC_MULTIPLIER;
}

static void freeid(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	MUST(CALL(MNG_VPFLUSHDONE, .rcx = td->tdr));
	MUST(CALL_ON(0, PHYMEM_CACHE_WB));
	MUST(CALL_ON(2, PHYMEM_CACHE_WB));
	regs->rcx = td->tdr;
}

static void new_tdvpr(struct world *w, struct td *td)
{
	td->tdvpr = new_page(w);
	MUST(CALL(VP_CREATE, .rcx = td->tdvpr, .rdx = td->tdr));
}

static void for_vp_addcx(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	new_tdvpr(w, td);
	regs->rcx = new_page(w);
	regs->rdx = td->tdvpr;
}

static void for_vp_init(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	new_tdvpr(w, td);
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = td->tdvpr));
	regs->rcx = td->tdvpr;
}

static void tdvpr_in_rcx(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	(void)w;
	regs->rcx = td->tdvpr;
	regs->rdx = MD_VP_PEND_NMI;
	regs->r9 = 1;
}

static void sept_add(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	regs->rcx = (GPA + LEVEL_SIZE(1)) | 1;
	regs->rdx = td->tdr;
	regs->r8 = new_page(w);
}

static void sept_rd(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	regs->rcx = GPA | 1;
	regs->rdx = td->tdr;
}

static void page_add(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	regs->rcx = GPA;
	regs->rdx = td->tdr;
	regs->r8 = new_page(w);
	regs->r9 = SOURCE;
}

static void with_page(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	td_aug(w, td, GPA);
	regs->rcx = GPA;
	regs->rdx = td->tdr;
}

static void with_blocked_page(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	with_page(w, td, regs);
	td_block_and_track(w, td, GPA);
}

static void with_blocked_table(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	td_block_and_track(w, td, GPA | 1);
	regs->rcx = GPA | 1;
	regs->rdx = td->tdr;
}

static void promote(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	u64 large;

	td_tables(w, td);
	large = new_large_page(w);
	for (u64 i = 0; i < LEVEL_SIZE(1); i += PAGE_4K)
		MUST(CALL(MEM_PAGE_AUG, .rcx = GPA + i, .rdx = td->tdr, .r8 = large + i));
	td_block_and_track(w, td, GPA | 1);
	regs->rcx = GPA | 1;
	regs->rdx = td->tdr;
}

static void demote(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	regs->rcx = (GPA + LEVEL_SIZE(1)) | 1;
	regs->rdx = td->tdr;
	MUST(CALL(MEM_PAGE_AUG, .rcx = regs->rcx, .rdx = td->tdr, .r8 = new_large_page(w)));
	td_block_and_track(w, td, regs->rcx);
	regs->r8 = new_page(w);
}

static void debug_page(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	td_add(w, td, GPA);
	tdcs_of(w, td)->attributes |= ATTR_DEBUG;
	regs->rcx = GPA + 8;
	regs->rdx = td->tdr;
}

static void extend(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_tables(w, td);
	td_add(w, td, GPA);
	regs->rcx = GPA;
	regs->rdx = td->tdr;
}

static void reclaim(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	td_end_key(w, td);
	regs->rcx = td->tdr;
}

static void free_page(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	(void)td;
	regs->rcx = new_page(w);
}

static void cache_wb(struct world *w, struct td *td, struct softtdx_regs *regs)
{
	(void)regs;
	MUST(CALL(MNG_VPFLUSHDONE, .rcx = td->tdr));
}

#define BUILT (IN_INITIALIZED | IN_RUNNABLE)
#define NEW(reg_) { R(reg_), OP_##reg_, PT_NDA }
#define TDR(reg_) { R(reg_), OP_##reg_, PT_TDR }
#define TDVPR(reg_) { R(reg_), OP_##reg_, PT_TDVPR }
#define OP_rcx OP_RCX
#define OP_rdx OP_RDX
#define OP_r8 OP_R8

const struct ready_call ready_calls[] = {
	{ TDH_MNG_CREATE, CREATED, 0, 0, 0, { NEW(rcx), NO_PAGE, NO_PAGE }, for_mng_create },
	{ TDH_MNG_KEY_CONFIG, CREATED, 0, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE }, tdr_in_rcx },
	{ TDH_MNG_ADDCX, KEYED, 0, 0, 0, { NEW(rcx), TDR(rdx), NO_PAGE }, give_page },
	{ TDH_MNG_INIT, TDCS, IN_UNINIT, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE }, for_mng_init },
	{ TDH_MNG_RD, INITED, BUILT, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE }, for_mng_rd },
	{ TDH_MNG_VPFLUSHDONE, INITED, 0, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE }, tdr_in_rcx },
	{ TDH_MNG_KEY_FREEID, INITED, 0, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE }, freeid },
	{ TDH_VP_CREATE, INITED, IN_INITIALIZED, 0, 0, { NEW(rcx), TDR(rdx), NO_PAGE },
	  give_page },
	{ TDH_VP_ADDCX, INITED, IN_INITIALIZED, 0, 0, { NEW(rcx), TDVPR(rdx), NO_PAGE },
	  for_vp_addcx },
	{ TDH_VP_INIT, INITED, IN_INITIALIZED, 0, 0, { TDVPR(rcx), NO_PAGE, NO_PAGE },
	  for_vp_init },
	{ TDH_VP_FLUSH, WITH_VCPU, 0, 0, 0, { TDVPR(rcx), NO_PAGE, NO_PAGE }, tdvpr_in_rcx },
	{ TDH_VP_RD, WITH_VCPU, BUILT, 0, 0, { TDVPR(rcx), NO_PAGE, NO_PAGE }, tdvpr_in_rcx },
	{ TDH_VP_WR, WITH_VCPU, BUILT, 0, 0, { TDVPR(rcx), NO_PAGE, NO_PAGE }, tdvpr_in_rcx },
	{ TDH_VP_ENTER, RUNNABLE, IN_RUNNABLE, 0, 0, { TDVPR(rcx), NO_PAGE, NO_PAGE },
	  tdvpr_in_rcx },
	{ TDH_MEM_SEPT_ADD, INITED, BUILT, 1, 1, { NEW(r8), TDR(rdx), NO_PAGE }, sept_add },
	{ TDH_MEM_SEPT_RD, INITED, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE }, sept_rd },
	{ TDH_MEM_PAGE_ADD, INITED, IN_INITIALIZED, 0, 0, { NEW(r8), TDR(rdx), NO_PAGE },
	  page_add },
	{ TDH_MEM_PAGE_AUG, RUNNABLE, BUILT, 1, 1, { NEW(r8), TDR(rdx), NO_PAGE }, page_add },
	{ TDH_MEM_RANGE_BLOCK, RUNNABLE, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE }, with_page },
	{ TDH_MEM_RANGE_UNBLOCK, RUNNABLE, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE },
	  with_blocked_page },
	{ TDH_MEM_PAGE_REMOVE, RUNNABLE, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE },
	  with_blocked_page },
	{ TDH_MEM_SEPT_REMOVE, RUNNABLE, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE },
	  with_blocked_table },
	{ TDH_MEM_PAGE_PROMOTE, RUNNABLE, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE }, promote },
	{ TDH_MEM_PAGE_DEMOTE, RUNNABLE, BUILT, 1, 1, { NEW(r8), TDR(rdx), NO_PAGE }, demote },
	{ TDH_MEM_TRACK, RUNNABLE, BUILT, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE }, tdr_in_rcx },
	{ TDH_MEM_RD, INITED, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE }, debug_page },
	{ TDH_MEM_WR, INITED, BUILT, 1, 1, { TDR(rdx), NO_PAGE, NO_PAGE }, debug_page },
	{ TDH_MR_EXTEND, INITED, IN_INITIALIZED, 0, 0, { TDR(rdx), NO_PAGE, NO_PAGE }, extend },
	{ TDH_MR_FINALIZE, WITH_VCPU, IN_INITIALIZED, 0, 0, { TDR(rcx), NO_PAGE, NO_PAGE },
	  tdr_in_rcx },
	{ TDH_PHYMEM_PAGE_RECLAIM, KEYED, 0, 0, 0, { NO_PAGE, NO_PAGE, NO_PAGE }, reclaim },
	{ TDH_PHYMEM_PAGE_RDMD, CREATED, 0, 0, 0, { NO_PAGE, NO_PAGE, NO_PAGE }, free_page },
	{ TDH_PHYMEM_PAGE_WBINVD, CREATED, 0, 0, 0, { NO_PAGE, NO_PAGE, NO_PAGE }, free_page },
	{ TDH_PHYMEM_CACHE_WB, INITED, 0, 0, 0, { NO_PAGE, NO_PAGE, NO_PAGE }, cache_wb },
};
const u32 nr_ready_calls = ARRAY_SIZE(ready_calls);

void ready(struct world *w, const struct ready_call *r, struct td *td, struct softtdx_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	td_build(w, td, r->stage);
	r->prepare(w, td, regs);
}
