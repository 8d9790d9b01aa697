// SPDX-License-Identifier: GPL-2.0-only
/* TDH.VP.*: vCPUs. */
#include "test.h"

TEST(vcpu_needs_its_pages)
{
	struct td td;
	u64 vp = new_page(w);

	td_build(w, &td, INITED);
	EXPECT(CALL(VP_CREATE, .rcx = vp, .rdx = td.tdr), 0);
	for (int i = 1; i < TDVPS_PAGES_MIN; i++) {
		EXPECT(CALL(VP_INIT, .rcx = vp), ST0(TDCX_NUM_INCORRECT));
		EXPECT(CALL(VP_FLUSH, .rcx = vp), ST0(TDCX_NUM_INCORRECT));
		EXPECT(CALL(VP_RD, .rcx = vp, .rdx = MD_VP_PIN_BASED), ST0(TDCX_NUM_INCORRECT));
		EXPECT(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = vp), 0);
	}
	EXPECT(CALL(VP_RD, .rcx = vp, .rdx = MD_VP_PIN_BASED), ST0(VCPU_STATE_INCORRECT));
	EXPECT(CALL(VP_INIT, .rcx = vp, .rdx = 5), 0);
	EXPECT(CALL(VP_INIT, .rcx = vp), ST(VCPU_STATE_INCORRECT, VCPU_READY));
	EXPECT(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = vp), ST0(VCPU_STATE_INCORRECT));
	EXPECT_EQ(((struct tdvps *)at(w, vp))->initial_rcx, 5);
}

TEST(vcpu_pages_are_limited)
{
	struct td td;
	u64 vp = new_page(w);

	td_build(w, &td, INITED);
	MUST(CALL(VP_CREATE, .rcx = vp, .rdx = td.tdr));
	for (int i = 1; i < TDVPS_PAGES_MAX; i++)
		EXPECT(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = vp), 0);
	EXPECT(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = vp), ST0(TDCX_NUM_INCORRECT));
}

TEST(vcpus_are_limited)
{
	struct td td;

	td_build(w, &td, INITED);
	td_vcpu(w, &td, 0);
	td_vcpu(w, &td, 1);
	EXPECT_EQ(((struct tdvps *)at(w, td.tdvpr))->index, 1);
	td.tdvpr = new_page(w);
	MUST(CALL(VP_CREATE, .rcx = td.tdvpr, .rdx = td.tdr));
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = td.tdvpr));
	EXPECT(CALL(VP_INIT, .rcx = td.tdvpr), ST0(MAX_VCPUS_EXCEEDED));
	EXPECT_EQ(tdcs_of(w, &td)->nr_vcpus, 2);
}

TEST(vcpu_belongs_to_one_cpu)
{
	struct td td;

	td_build(w, &td, WITH_VCPU);
	EXPECT(CALL_ON(1, VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED), ST0(VCPU_ASSOCIATED));
	EXPECT(CALL_ON(1, VP_FLUSH, .rcx = td.tdvpr), ST0(VCPU_NOT_ASSOCIATED));
	EXPECT(CALL(VP_FLUSH, .rcx = td.tdvpr), 0);
	EXPECT(CALL(VP_FLUSH, .rcx = td.tdvpr), ST0(VCPU_NOT_ASSOCIATED));
	EXPECT(CALL_ON(1, VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PEND_NMI, .r8 = 1, .r9 = 1), 0);
	EXPECT(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED), ST0(VCPU_ASSOCIATED));
	EXPECT_EQ(tdcs_of(w, &td)->nr_assoc, 1);
}

TEST(vp_flush_needs_the_key)
{
	struct td td;

	td_build(w, &td, WITH_VCPU);
	MUST(CALL(VP_FLUSH, .rcx = td.tdvpr));
	td_end_key(w, &td);
	EXPECT(CALL(VP_FLUSH, .rcx = td.tdvpr), ST0(TD_KEYS_NOT_CONFIGURED));
}

TEST(vcpu_fields)
{
	struct td td;

	td_build(w, &td, RUNNABLE);
#define WRITE(id, value, mask) \
	CALL(VP_WR, .rcx = td.tdvpr, .rdx = (id), .r8 = (value), .r9 = (mask))
#define READ(id) (CALL(VP_RD, .rcx = td.tdvpr, .rdx = (id)) ? ~0ull : w->regs.r8)
	EXPECT(WRITE(MD_VP_PIN_BASED, 0x80, 0x80),
	       ST(TD_VMCS_FIELD_NOT_INITIALIZED, MD_VP_POSTED_INTR_NV));
	EXPECT(WRITE(MD_VP_POSTED_INTR_NV, 0x1F2, 0xFFFF), ST0(METADATA_FIELD_VALUE_NOT_VALID));
	EXPECT(WRITE(MD_VP_POSTED_INTR_NV, 0xF2, 0xFFFF), 0);
	EXPECT_EQ(w->regs.r8, 0xFFFF);
	EXPECT_EQ(READ(MD_VP_POSTED_INTR_NV), 0xF2);
	EXPECT(WRITE(MD_VP_PIN_BASED, 0x80, 0x80),
	       ST(TD_VMCS_FIELD_NOT_INITIALIZED, MD_VP_POSTED_INTR_DESC));
	EXPECT(WRITE(MD_VP_POSTED_INTR_DESC, SHARED_BASE + 0x40, ~0ull << 6),
	       ST0(METADATA_FIELD_NOT_WRITABLE));
	EXPECT(WRITE(MD_VP_POSTED_INTR_DESC, SHARED_BASE + 0x40, ~0ull), 0);
	EXPECT(WRITE(MD_VP_POSTED_INTR_DESC, SHARED_BASE + 0x20, ~0ull),
	       ST0(METADATA_FIELD_VALUE_NOT_VALID));
	EXPECT_EQ(READ(MD_VP_POSTED_INTR_DESC), SHARED_BASE + 0x40);
	EXPECT(WRITE(MD_VP_PIN_BASED, 0xFF, 0x7F), ST0(METADATA_FIELD_NOT_WRITABLE));
	EXPECT(WRITE(MD_VP_PIN_BASED, 0xFF, 0xFF), 0);
	EXPECT_EQ(READ(MD_VP_PIN_BASED), 0x80);
	EXPECT(WRITE(MD_VP_PIN_BASED, 0, 0x80), 0);
	EXPECT_EQ(w->regs.r8, 0x80);		/* the value before */
	EXPECT(WRITE(MD_VP_SHARED_EPTP, SHARED_BASE | 3ull << PHYS_BITS, ~0ull),
	       ST0(METADATA_FIELD_VALUE_NOT_VALID));
	EXPECT(WRITE(MD_VP_SHARED_EPTP, SHARED_BASE, ~0ull), 0);
	EXPECT_EQ(w->regs.r8, td.tdcs[TDCS_ZERO_PAGE]);
	EXPECT(WRITE(MD_VP_PEND_NMI, 2, 2), 0);
	EXPECT_EQ(READ(MD_VP_PEND_NMI), 0);
	EXPECT(WRITE(MD_VP_STATE_DETAILS, 1, 1), ST0(METADATA_FIELD_NOT_WRITABLE));
	EXPECT_EQ(READ(MD_VP_STATE_DETAILS), 0);
	EXPECT(WRITE(0x4002, 1, 1), ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(CALL(VP_RD, .rcx = td.tdvpr, .rdx = 0x4002), ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED | 1ull << 34),
	       ST0(METADATA_FIELD_ID_INCORRECT));
#undef WRITE
#undef READ
}

/* Vector and descriptor, in either order, before posted interrupts are on. */
TEST(posted_interrupt_fields_in_both_orders)
{
	static const struct { u64 id, value, mask; } fields[] = {
		{ MD_VP_POSTED_INTR_NV, 0xF2, 0xFFFF },
		{ MD_VP_POSTED_INTR_DESC, SHARED_BASE + 0x40, ~0ull },
	};
	struct td td;

	for (int first = 0; first < 2; first++) {
		td_build(w, &td, RUNNABLE);
		for (int i = 0; i < 2; i++) {
			int now = i ? !first : first, missing = i ? !first : 0;

			EXPECT(CALL(VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED, .r8 = 0x80,
				    .r9 = 0x80),
			       ST(TD_VMCS_FIELD_NOT_INITIALIZED, fields[missing].id));
			EXPECT(CALL(VP_WR, .rcx = td.tdvpr, .rdx = fields[now].id,
				    .r8 = fields[now].value, .r9 = fields[now].mask), 0);
		}
		EXPECT(CALL(VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PIN_BASED, .r8 = 0x80, .r9 = 0x80),
		       0);
	}
}

/* The TD is all its own while it looks at the other vCPUs' x2APIC IDs. */
TEST(vp_init_version_1_takes_the_td)
{
	u64 v1 = 1ull << 16 | TDH_VP_INIT, vp = new_page(w);
	u16 *lock;
	struct td td;
#define INIT1(id) world_call(w, v1, (struct softtdx_regs){ .rcx = vp, .r8 = (id) })

	td_build(w, &td, INITED);
	lock = &pamt_at(w->m, td.tdr, 0)->lock;
	MUST(CALL(VP_CREATE, .rcx = vp, .rdx = td.tdr));
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = vp));
	*lock = 1;			/* another CPU in MEM.TRACK, PAGE.AUG, RANGE.BLOCK ... */
	EXPECT(INIT1(7), ST(OPERAND_BUSY, OP_TDR));
	*lock = 0;
	EXPECT(INIT1(1ull << 32), ST(OPERAND_INVALID, OP_R8));
	EXPECT(INIT1(7), 0);
	vp = new_page(w);
	MUST(CALL(VP_CREATE, .rcx = vp, .rdx = td.tdr));
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = vp));
	EXPECT(INIT1(7), ST(X2APIC_ID_NOT_UNIQUE, 7));
	EXPECT_EQ(tdcs_of(w, &td)->nr_vcpus, 1);
	*lock = 1;			/* version 0 does not need it */
	EXPECT(CALL(VP_INIT, .rcx = vp), 0);
	*lock = 0;
	EXPECT_EQ(tdcs_of(w, &td)->topology_configured, 0);
#undef INIT1
}

TEST(vcpu_fields_one_after_the_other)
{
	u64 v1 = 1ull << 16 | TDH_VP_RD, id;
	u32 fields = 0;
	struct td td;

	td_build(w, &td, RUNNABLE);
	EXPECT(world_call(w, v1 + (1 << 16), (struct softtdx_regs){ .rcx = td.tdvpr }),
	       ST(OPERAND_INVALID, OP_RAX));
	EXPECT_EQ(w->regs.rdx, MD_NO_FIELD);
	EXPECT(world_call(w, v1, (struct softtdx_regs){ .rcx = td.tdvpr, .rdx = MD_NO_FIELD }),
	       ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT));
	for (id = w->regs.rdx; id != MD_NO_FIELD && fields < 1000; id = w->regs.rdx, fields++)
		EXPECT(world_call(w, v1, (struct softtdx_regs){ .rcx = td.tdvpr, .rdx = id }), 0);
	EXPECT_EQ(fields, 6);
}

/* While the vCPU is inside, the host does what needs the TD alone or tracks. */
static struct td inside_td;

static void track_inside(struct world *w, const struct softtdx_vcpu *vcpu)
{
	struct td *td = &inside_td;

	EXPECT_EQ(vcpu->tdr, td->tdr);
	EXPECT_EQ(vcpu->tdvpr, td->tdvpr);
	EXPECT_EQ(tdcs_of(w, td)->inside[1], 1);
	/* The op-state is let go before entry, the TDR and the TDVPR are not. */
	EXPECT_EQ(tdcs_of(w, td)->op_lock, 0);
	EXPECT(CALL_ON(1, MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td->tdr), 0);
	EXPECT(CALL_ON(1, MEM_TRACK, .rcx = td->tdr), 0);
	/* The vCPU entered before the track: its TLB may still hold the page. */
	EXPECT(CALL_ON(1, MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td->tdr),
	       ST(TLB_TRACKING_NOT_DONE, OP_RCX));
	EXPECT(CALL_ON(1, MEM_TRACK, .rcx = td->tdr), ST0(PREVIOUS_TLB_EPOCH_BUSY));
	EXPECT(CALL_ON(1, VP_FLUSH, .rcx = td->tdvpr), ST(OPERAND_BUSY, OP_RCX));
	EXPECT(CALL_ON(1, VP_RD, .rcx = td->tdvpr, .rdx = MD_VP_PEND_NMI),
	       ST0(VCPU_STATE_INCORRECT));
	EXPECT(CALL_ON(1, VP_ENTER, .rcx = td->tdvpr), ST0(VCPU_STATE_INCORRECT));
	EXPECT(CALL_ON(1, MR_FINALIZE, .rcx = td->tdr), ST(OPERAND_BUSY, OP_RCX));
}

TEST(epochs)
{
	struct td *td = &inside_td;

	td_with_page(w, td);
	w->inside = track_inside;
	EXPECT(CALL(VP_ENTER, .rcx = td->tdvpr), 77);
	EXPECT_EQ(w->flushes, 1);
	EXPECT_EQ(tdcs_of(w, td)->inside[1], 0);
	EXPECT(CALL(MEM_PAGE_REMOVE, .rcx = GPA, .rdx = td->tdr), 0);
	w->inside = NULL;
	EXPECT(CALL(VP_ENTER, .rcx = td->tdvpr), 77);
	EXPECT_EQ(w->flushes, 2);		/* there was a track */
	EXPECT(CALL(VP_ENTER, .rcx = td->tdvpr), 77);
	EXPECT_EQ(w->flushes, 2);
	tdcs_of(w, td)->epoch_lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(VP_ENTER, .rcx = td->tdvpr), ST(OPERAND_BUSY, OP_TD_EPOCH));
	tdcs_of(w, td)->epoch_lock = 0;
}
