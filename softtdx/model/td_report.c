// SPDX-License-Identifier: GPL-2.0-only
/* TDG.MR.*: what a guest can prove about its TD. Not here, though: nobody holds the key. */
#include "guest.h"

/*
 * A private operand of a TDCALL, which does not cross a page. Zero, or what the TDCALL ends
 * with: TDH.VP.ENTER's RAX or STAY, with the guest's RAX and RIP as they have to be.
 */
static u64 operand(struct call *c, int number, u32 op, u64 alignment, u64 access, void **p)
{
	u64 gpa = c->vps->guest.gpr[number];

	if (ALIGNED(gpa, alignment) && gpa < shared_bit(c->tdcs))
		return guest_page(c, gpa, access, p);
	return tdcall_done(c, ST(OPERAND_INVALID, op));
}

static void hash(u8 digest[48], const void *first, size_t first_size, const void *second,
		 size_t second_size)
{
	struct sha384 s;

	sha384_init(&s);
	sha384_update(&s, first, first_size);
	sha384_update(&s, second, second_size);
	sha384_final(&s, digest);
}

static void fill_td_info(const struct tdcs *tdcs, struct td_info *info)
{
	info->attributes = tdcs->attributes;
	info->xfam = tdcs->xfam;
	memcpy(info->mrtd, tdcs->mrtd, sizeof(info->mrtd));
	memcpy(info->mrconfigid, tdcs->mrconfigid, sizeof(info->mrconfigid));
	memcpy(info->mrowner, tdcs->mrowner, sizeof(info->mrowner));
	memcpy(info->mrownerconfig, tdcs->mrownerconfig, sizeof(info->mrownerconfig));
	memcpy(info->rtmr, tdcs->rtmr, sizeof(info->rtmr));
	memcpy(info->servtd_hash, tdcs->servtd_hash, sizeof(info->servtd_hash));
}

static void fill_report(struct td_report *r, const struct tdcs *tdcs, const u8 *data)
{
	static const char not_genuine[33] = "softtdx: this is no genuine MAC!";

	memset(r, 0, sizeof(*r));
	r->type[0] = 0x81;
	memcpy(r->data, data, sizeof(r->data));
	memcpy(r->mac, not_genuine, sizeof(r->mac));
	fill_td_info(tdcs, &r->td);
	hash(r->tcb_info_hash, r->tcb_info, sizeof(r->tcb_info), NULL, 0);
	hash(r->td_info_hash, &r->td, sizeof(r->td), NULL, 0);
}

u64 tdg_mr_report(struct call *c)
{
	void *out, *in;
	u8 data[64];

	if (c->vps->guest.gpr[R8])
		return tdcall_done(c, ST(OPERAND_INVALID, OP_R8));
	TRY(operand(c, RCX, OP_RCX, sizeof(struct td_report), EPT_WRITE, &out));
	TRY(operand(c, RDX, OP_RDX, sizeof(data), EPT_READ, &in));
	if (!lock_try(&c->tdcs->rtmr_lock, SHARED))
		return tdcall_done(c, ST(OPERAND_BUSY, OP_RTMR));
	memcpy(data, in, sizeof(data));
	fill_report(out, c->tdcs, data);
	lock_drop(&c->tdcs->rtmr_lock);
	return tdcall_done(c, 0);
}

u64 tdg_mr_rtmr_extend(struct call *c)
{
	u64 index = c->vps->guest.gpr[RDX];
	void *data;

	TRY(operand(c, RCX, OP_RCX, 64, EPT_READ, &data));
	if (index >= ARRAY_SIZE(c->tdcs->rtmr))
		return tdcall_done(c, ST(OPERAND_INVALID, OP_RDX));
	if (!lock_try(&c->tdcs->rtmr_lock, EXCLUSIVE))
		return tdcall_done(c, ST(OPERAND_BUSY, OP_RTMR));
	hash(c->tdcs->rtmr[index], c->tdcs->rtmr[index], sizeof(c->tdcs->rtmr[index]), data, 48);
	lock_drop(&c->tdcs->rtmr_lock);
	return tdcall_done(c, 0);
}
