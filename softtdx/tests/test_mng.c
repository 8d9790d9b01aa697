// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MNG.*: a TD's life. */
#include "test.h"

TEST(create_takes_a_keyid)
{
	u64 tdr = new_page(w);

	EXPECT(CALL(MNG_CREATE, .rcx = tdr, .rdx = 1), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MNG_CREATE, .rcx = tdr, .rdx = FIRST_KEYID + NR_KEYIDS),
	       ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MNG_CREATE, .rcx = tdr, .rdx = 3 | 1 << 16), ST(OPERAND_INVALID, OP_RDX));
	w->m->kot_lock = 1;
	EXPECT(CALL(MNG_CREATE, .rcx = tdr, .rdx = 3), ST(OPERAND_BUSY, OP_KOT));
	w->m->kot_lock = 0;
	EXPECT(CALL(MNG_CREATE, .rcx = tdr, .rdx = 3), 0);
	EXPECT(CALL(MNG_CREATE, .rcx = new_page(w), .rdx = 3), ST0(HKID_NOT_FREE));
	EXPECT(CALL(MNG_CREATE, .rcx = tdr, .rdx = 4), ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_PAGE_IN_USE);
	EXPECT_EQ(w->reports[w->nr_reports - 1].page, tdr);
	EXPECT_EQ(w->reports[w->nr_reports - 1].page_type, PT_TDR);
}

TEST(keyids_run_out_and_come_back)
{
	struct td td;

	for (u64 keyid = FIRST_KEYID + 1; keyid < FIRST_KEYID + NR_KEYIDS; keyid++)
		td_build(w, &td, INITED);
	EXPECT(CALL(MNG_CREATE, .rcx = new_page(w), .rdx = td.keyid), ST0(HKID_NOT_FREE));
	td_end_key(w, &td);
	EXPECT(CALL(MNG_CREATE, .rcx = new_page(w), .rdx = td.keyid), 0);
}

TEST(key_on_every_package)
{
	struct td td;

	td_build(w, &td, CREATED);
	EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), ST0(TD_KEYS_NOT_CONFIGURED));
	EXPECT(CALL_ON(0, MNG_KEY_CONFIG, .rcx = td.tdr), 0);
	EXPECT(CALL_ON(1, MNG_KEY_CONFIG, .rcx = td.tdr), ST0(KEY_CONFIGURED));
	EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), ST0(TD_KEYS_NOT_CONFIGURED));
	w->m->ket_lock = 1;
	EXPECT(CALL_ON(2, MNG_KEY_CONFIG, .rcx = td.tdr), ST(OPERAND_BUSY, OP_KET));
	w->m->ket_lock = 0;
	EXPECT(CALL_ON(2, MNG_KEY_CONFIG, .rcx = td.tdr), 0);
	EXPECT(CALL_ON(2, MNG_KEY_CONFIG, .rcx = td.tdr), ST0(LIFECYCLE_STATE_INCORRECT));
	EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), 0);
}

TEST(fatal_td_gets_nothing)
{
	struct td td;

	td_build(w, &td, CREATED);
	tdr_of(w, &td)->fatal = 1;
	EXPECT(CALL(MNG_KEY_CONFIG, .rcx = td.tdr), ST0(TD_FATAL));
	EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), ST0(TD_FATAL));
}

TEST(tdcs_pages)
{
	struct td td;
	u64 *page;

	td_build(w, &td, TDCS);
	page = at(w, td.tdcs[TDCS_MSR_BITMAP_PAGE]);
	EXPECT_EQ(page[511], ~0ull);
	page = at(w, td.tdcs[TDCS_SEPT_ROOT_PAGE]);
	EXPECT_EQ(page[511], SEPT_FREE_ENTRY);
	for (int i = TDCS_PAGES_MIN; i < TDCS_PAGES_MAX; i++)
		EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), 0);
	EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), ST0(TDCX_NUM_INCORRECT));
	EXPECT_EQ(tdr_of(w, &td)->chldcnt, TDCS_PAGES_MAX);
}

TEST(no_tdcs_page_after_init)
{
	struct td td;

	td_build(w, &td, INITED);
	EXPECT(CALL(MNG_ADDCX, .rcx = new_page(w), .rdx = td.tdr), ST0(OP_STATE_INCORRECT));
	EXPECT(CALL(MNG_ADDCX, .rcx = td.tdcs[0], .rdx = td.tdr),
	       ST(PAGE_METADATA_INCORRECT, OP_RCX));	/* the page comes first */
}

static u64 init(struct world *w, const struct td *td)
{
	return CALL(MNG_INIT, .rcx = td->tdr, .rdx = PARAMS);
}

TEST(init_operands)
{
	struct td td;

	td_build(w, &td, TDCS);
	default_params(w);
	EXPECT(CALL(MNG_INIT, .rcx = td.tdr, .rdx = PARAMS + 512), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MNG_INIT, .rcx = td.tdr, .rdx = PARAMS | 2ull << PHYS_BITS),
	       ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(MNG_INIT, .rcx = td.tdr, .rdx = 0x20000000), ST(OPERAND_INVALID, OP_RDX));
	/* A shared KeyID is fine. */
	EXPECT(CALL(MNG_INIT, .rcx = td.tdr, .rdx = PARAMS | 1ull << PHYS_BITS), 0);
	EXPECT_EQ(w->regs.rcx, 0);
	EXPECT(init(w, &td), ST0(OP_STATE_INCORRECT));
}

TEST(init_parameters)
{
	struct td_params *p = at(w, PARAMS);
	struct td td;

	td_build(w, &td, TDCS);
#define WRONG(member, value, op) do {				\
		default_params(w)->member = (value);		\
		EXPECT(init(w, &td), ST(OPERAND_INVALID, op));	\
	} while (0)
	WRONG(attributes, 2, OP_ATTRIBUTES);
	WRONG(attributes, 1ull << 63, OP_ATTRIBUTES);
	WRONG(xfam, 1, OP_XFAM);		/* SSE is not optional */
	WRONG(xfam, 3 | 1 << 3, OP_XFAM);	/* not on this CPU */
	WRONG(xfam, 7 | 1 << 5, OP_XFAM);	/* AVX-512 in part */
	WRONG(xfam, 3 | 7 << 5, OP_XFAM);	/* AVX-512 without AVX */
	WRONG(xfam, 3 | 1 << 11, OP_XFAM);	/* half of CET */
	WRONG(xfam, 3 | 1 << 18, OP_XFAM);	/* half of AMX */
	WRONG(max_vcpus, 0, OP_MAX_VCPUS);
	WRONG(num_l2_vms, 1, OP_NUM_L2_VMS);
	WRONG(config_flags, 8, OP_EXEC_CONTROLS);
	WRONG(config_flags, 5, OP_EPTP_CONTROLS);	/* 52 bits with 4 levels */
	WRONG(eptp_controls, 0x1F, OP_EPTP_CONTROLS);
	WRONG(tsc_frequency, 3, OP_TSC_FREQUENCY);
	WRONG(tsc_frequency, 401, OP_TSC_FREQUENCY);
	WRONG(msr_config, 2, OP_RDX);
	WRONG(reserved0[3], 1, OP_RDX);
	WRONG(reserved1[37], 1, OP_RDX);
	WRONG(reserved2[0], 1, OP_RDX);
	WRONG(cpuid[12].eax, 1, OP_RDX);
	WRONG(arch_caps, 1, OP_ARCH_CAPS);		/* without its flag */
	WRONG(cpuid[0].ecx, 1, OP_CPUID_CONFIG);
	EXPECT_EQ(w->regs.rcx, 1 | 0xFFFFFFFFull << 32);
	WRONG(cpuid[2].edx, 4, OP_CPUID_CONFIG);
	EXPECT_EQ(w->regs.rcx, 4 | 1ull << 32);
	WRONG(cpuid[5].ebx, 1, OP_CPUID_CONFIG);
#undef WRONG
	default_params(w);
	p->xfam = 0x61AE7;
	p->config_flags = 5;
	p->eptp_controls = EPTP_5_LEVEL;
	p->cpuid[0].eax = WORLD_FMS;
	EXPECT(init(w, &td), 0);
}

/* Two things wrong: the one that is named is the one that is looked at first. */
TEST(init_parameters_in_order)
{
	struct td_params *p = at(w, PARAMS);
	struct td td;

	td_build(w, &td, TDCS);
#define FIRST(op) EXPECT(init(w, &td), ST(OPERAND_INVALID, op))
	default_params(w);
	p->arch_caps = p->cpuid[12].eax = 1;
	FIRST(OP_RDX);
	p->cpuid[0].ecx = 1;
	FIRST(OP_CPUID_CONFIG);
	p->reserved1[0] = 1;
	FIRST(OP_RDX);
	p->tsc_frequency = 0;
	FIRST(OP_TSC_FREQUENCY);
	p->eptp_controls = 0;
	FIRST(OP_EPTP_CONTROLS);
	p->config_flags = 8;
	FIRST(OP_EXEC_CONTROLS);
	p->reserved0[0] = 1;
	FIRST(OP_RDX);
	p->num_l2_vms = 1;
	FIRST(OP_NUM_L2_VMS);
	EXPECT(CALL(MNG_INIT, .rcx = 1), ST(OPERAND_INVALID, OP_RCX));
	EXPECT_EQ(w->regs.rcx, 0);
#undef FIRST
}

/* Family, model and stepping are the platform's. */
TEST(init_with_a_foreign_cpu)
{
	struct td_params *p = at(w, PARAMS);
	struct td td;

	td_build(w, &td, TDCS);
	default_params(w)->cpuid[0].eax = 0x000C0662;
	EXPECT(init(w, &td), ST(OPERAND_INVALID, OP_CPUID_CONFIG));
	EXPECT_EQ(w->regs.rcx, 1 | 0xFFFFFFFFull << 32);
	p->cpuid[0].eax = WORLD_FMS ^ 1;
	EXPECT(init(w, &td), ST(OPERAND_INVALID, OP_CPUID_CONFIG));
	p->cpuid[0].eax = 0;
	EXPECT(init(w, &td), 0);
	EXPECT_EQ(tdcs_of(w, &td)->cpuid[0].eax, WORLD_FMS);
}

TEST(init_with_half_of_tsx)
{
	struct td td;

	td_build(w, &td, TDCS);
	default_params(w)->cpuid[5].ebx = 1 << 4;
	EXPECT(init(w, &td), ST(OPERAND_INVALID, OP_CPUID_CONFIG));
	EXPECT_EQ(w->regs.rcx, 0);
}

TEST(arch_capabilities)
{
	struct td_params *p = at(w, PARAMS);
	struct td td;

	td_build(w, &td, TDCS);
	default_params(w);
	p->msr_config = MSR_CONFIG_ARCH_CAPS;
	p->arch_caps = 1;		/* not the creator's */
	EXPECT(init(w, &td), ST(OPERAND_INVALID, OP_ARCH_CAPS));
	p->arch_caps = 1 << 4;
	EXPECT(init(w, &td), 0);
	EXPECT_EQ(tdcs_of(w, &td)->arch_caps, 0x608F17F);	/* no BHI_NO, no PBRSB_NO */
}

/* As KVM_TDX_GET_CPUID reads them: without sub-leaf, else sub-leaves until one fails. */
TEST(cpuid_fields_as_kvm_reads_them)
{
	u64 base = MD_TD_CPUID_VALUES;
	u64 status = 0;
	struct td td;
	u32 found = 0;

	td_build(w, &td, INITED);
	for (u64 leaf = 0; leaf < 0x88; leaf = leaf == 0x23 ? 0x80 : leaf + 1) {
		u64 field = base | (leaf & 0x7F) << 9 | (leaf >> 7) << 16;

		if (leaf >= 0x80)
			field = base | (leaf - 0x80) << 9 | 1 << 16;
		status = CALL(MNG_RD, .rcx = td.tdr, .rdx = field | 0x1FE);
		if (!status) {
			found++;
			continue;
		}
		for (u64 sub = 0; !CALL(MNG_RD, .rcx = td.tdr, .rdx = field | sub << 1); sub++)
			found++;
	}
	status = CALL(MNG_RD, .rcx = td.tdr, .rdx = base | 8 << 9 | 1 << 16 | 0x1FE);
	found += !status;
	EXPECT_EQ(found, 56);
}

TEST(td_fields)
{
	u64 base = MD_TD_CPUID_VALUES;
	struct td td;

	world_set_tsc_khz(w, 2500000);
	td_build(w, &td, TDCS);
	default_params(w)->cpuid[1] = (struct cpuid_value){ 0x121, 0x1000, 0x33, 0x48 };
	EXPECT(init(w, &td), 0);
#define FIELD(id) (CALL(MNG_RD, .rcx = td.tdr, .rdx = (id)) ? ~0ull : w->regs.r8)
	EXPECT_EQ(FIELD(MD_TD_TSC_MULTIPLIER), 1ull << 48);
	EXPECT_EQ(FIELD(MD_TD_TSC_OFFSET) >> 32, 0xFFFFFFFF);	/* minus a small TSC */
	/* With the size of a cache line, which is the CPU's. */
	EXPECT_EQ(FIELD(base | 4 << 9 | 0 << 1), 0x121 | 0x1FFFull << 32);
	EXPECT_EQ(FIELD(base | 4 << 9 | 0 << 1 | 1), 0x33 | 0x48ull << 32);
	EXPECT_EQ(FIELD(base | 1 << 8 | 0x7F << 1) & 0xFFFFFFFF, 0x23);
	EXPECT_EQ(FIELD(base | 1 << 16 | 1 << 8 | 0x7F << 1), 0x80000008);
	EXPECT_EQ(FIELD(base | 1 << 16 | 8 << 9 | 1 << 8 | 0x7F << 1), 0x30FF);
	/* A sub-leaf of a leaf that has none. */
	EXPECT_EQ(FIELD(base | 1 << 16 | 8 << 9 | 5 << 1), 0x30FF);
#undef FIELD
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = base | 2 << 9 | 1 << 8 | 0x7F << 1, .r8 = 1),
	       ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = base | 4 << 9 | 1 << 8 | 0x7F << 1),
	       ST0(METADATA_FIELD_ID_INCORRECT));	/* leaf 4 has sub-leaves */
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = base | 6 << 9 | 1 << 8 | 0x7F << 1),
	       ST0(METADATA_FIELD_NOT_READABLE));	/* the host answers it */
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = base | 1 << 17), ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = base | 1ull << 34),
	       ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TD_TSC_OFFSET + 5),
	       ST0(METADATA_FIELD_ID_INCORRECT));
}

TEST(td_fields_of_the_host)
{
	u64 id = MD_NO_FIELD, v1 = 1ull << 16 | TDH_MNG_RD, status = 0;
	u32 fields = 0;
	struct td td;
#define READ1(id_) world_call(w, v1, (struct softtdx_regs){ .rcx = td.tdr, .rdx = (id_) })

	td_build(w, &td, INITED);
	EXPECT(world_call(w, 2ull << 16 | TDH_MNG_RD, (struct softtdx_regs){ .rcx = td.tdr }),
	       ST(OPERAND_INVALID, OP_RAX));
	EXPECT_EQ(w->regs.rdx, MD_NO_FIELD);
	EXPECT(READ1(id), ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT));
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TDCS_TD_CTLS),
	       ST0(METADATA_FIELD_NOT_READABLE));
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TDCS_RTMR + 23),
	       ST0(METADATA_FIELD_NOT_READABLE));
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TDCS_RTMR + 24),
	       ST0(METADATA_FIELD_ID_INCORRECT));
	tdcs_of(w, &td)->attributes |= ATTR_DEBUG;
	READ1(id);
	for (id = w->regs.rdx; id != MD_NO_FIELD && fields < 1000; id = w->regs.rdx, fields++) {
		status = READ1(id);
		if (status && status != ST0(METADATA_FIELD_NOT_READABLE))
			break;
		if (status)		/* a CPUID that the host answers: on to the next by hand */
			w->regs.rdx = td_cpuid_next_field(id);
	}
	EXPECT_EQ(id, MD_NO_FIELD);
	EXPECT_EQ(fields, 18 + 9 + 4 * 6 + 24 + 2 * NR_CPUID_LEAVES);
#undef READ1
}

TEST(tsc_ratio)
{
	struct td td;

	world_set_tsc_khz(w, 3000000);		/* the TD asks for 2.5 GHz */
	td_build(w, &td, INITED);
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TD_TSC_MULTIPLIER), 0);
	EXPECT_EQ(w->regs.r8, (5ull << 48) / 6);
}

TEST(tsc_without_scaling)
{
	struct td td;

	td_build(w, &td, INITED);
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TD_TSC_MULTIPLIER), 0);
	EXPECT_EQ(w->regs.r8, 1ull << 48);
	EXPECT(CALL(MNG_RD, .rcx = td.tdr, .rdx = MD_TD_TSC_OFFSET), 0);
	EXPECT_EQ(w->regs.r8, 0);
}

TEST(key_ends_in_order)
{
	struct td td;

	td_build(w, &td, RUNNABLE);
	EXPECT(CALL(MNG_KEY_FREEID, .rcx = td.tdr), ST0(LIFECYCLE_STATE_INCORRECT));
	EXPECT(CALL(MNG_VPFLUSHDONE, .rcx = td.tdr), ST0(FLUSHVP_NOT_DONE));
	EXPECT_VIOLATION(SOFTTDX_VCPU_NOT_FLUSHED);
	EXPECT(CALL(VP_FLUSH, .rcx = td.tdvpr), 0);
	w->m->kot_lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(MNG_VPFLUSHDONE, .rcx = td.tdr), ST(OPERAND_BUSY, OP_KOT));
	w->m->kot_lock = 0;
	EXPECT(CALL(MNG_VPFLUSHDONE, .rcx = td.tdr), 0);
	EXPECT(CALL(MNG_VPFLUSHDONE, .rcx = td.tdr), ST0(LIFECYCLE_STATE_INCORRECT));
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), ST0(TD_KEYS_NOT_CONFIGURED));
	EXPECT(CALL(MNG_KEY_FREEID, .rcx = td.tdr), ST0(WBCACHE_NOT_COMPLETE));
	EXPECT_VIOLATION(SOFTTDX_CACHE_NOT_FLUSHED);
	EXPECT(CALL_ON(0, PHYMEM_CACHE_WB), 0);
	EXPECT(CALL(MNG_KEY_FREEID, .rcx = td.tdr), ST0(WBCACHE_NOT_COMPLETE));
	EXPECT(CALL_ON(2, PHYMEM_CACHE_WB), 0);
	w->m->kot_lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(MNG_KEY_FREEID, .rcx = td.tdr), ST(OPERAND_BUSY, OP_KOT));
	w->m->kot_lock = 0;
	EXPECT(CALL(MNG_KEY_FREEID, .rcx = td.tdr), 0);
	EXPECT(CALL(MNG_KEY_FREEID, .rcx = td.tdr), ST0(LIFECYCLE_STATE_INCORRECT));
}

TEST(key_of_a_td_without_tdcs_ends)
{
	struct td td;

	td_build(w, &td, CREATED);
	td_end_key(w, &td);
	EXPECT(CALL(PHYMEM_PAGE_RECLAIM, .rcx = td.tdr), 0);
}
