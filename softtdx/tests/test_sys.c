// SPDX-License-Identifier: GPL-2.0-only
/* TDH.SYS.* and the module's lifecycle. */
#include "test.h"

TEST_COLD(impossible_configuration)
{
	struct softtdx_config cfg = w->m->cfg;

	cfg.nr_keyids = SOFTTDX_MAX_KEYIDS + 1;
	EXPECT_EQ(softtdx_init(w->m, &cfg, w->m->ops, w), false);
	cfg.nr_keyids = 2;
	cfg.nr_cpus = 0;
	EXPECT_EQ(softtdx_init(w->m, &cfg, w->m->ops, w), false);
	cfg.nr_cpus = 1;
	cfg.first_keyid = 0;
	EXPECT_EQ(softtdx_init(w->m, &cfg, w->m->ops, w), false);
	cfg.first_keyid = 1;
	cfg.phys_bits = 53;
	EXPECT_EQ(softtdx_init(w->m, &cfg, w->m->ops, w), false);
	cfg.phys_bits = 52;
	cfg.nr_packages = 33;
	EXPECT_EQ(softtdx_init(w->m, &cfg, w->m->ops, w), false);
}

TEST_COLD(init_once)
{
	EXPECT(CALL(SYS_LP_INIT), ST0(SYS_LP_INIT_NOT_PENDING));
	EXPECT(CALL(SYS_INIT, .rcx = 1), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(SYS_INIT, .rdx = 1, .r8 = 1, .r9 = 1, .r10 = 1), 0);
	EXPECT_EQ(w->regs.rcx | w->regs.rdx | w->regs.r8 | w->regs.r9 | w->regs.r10, 0);
	EXPECT(CALL(SYS_INIT), ST0(SYS_INIT_NOT_PENDING));
	EXPECT(CALL(SYS_RD, .rdx = MD_MAX_TDMRS), ST0(SYS_LP_INIT_NOT_DONE));
	EXPECT_EQ(w->regs.rdx, MD_NO_FIELD);
	EXPECT(CALL(SYS_LP_INIT), 0);
	EXPECT(CALL(SYS_LP_INIT, .rcx = 1, .rdx = 1, .r8 = 1), ST0(SYS_LP_INIT_DONE));
	EXPECT_EQ(w->regs.rcx | w->regs.rdx | w->regs.r8, 0);
	EXPECT(CALL(SYS_RD, .rdx = MD_MAX_TDMRS), 0);
	EXPECT(CALL_ON(1, SYS_RD, .rdx = MD_MAX_TDMRS), ST0(SYS_LP_INIT_NOT_DONE));
}

TEST_COLD(nothing_runs_before_ready)
{
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE, .rdx = 3), ST0(SYS_NOT_READY));
	EXPECT(CALL(SYS_SHUTDOWN, .rcx = 1), ST0(SYS_NOT_READY));
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE), ST0(SYS_NOT_READY));
}

/* Nobody is late: SYS.CONFIG has waited for every CPU of the platform. */
TEST(late_cpu_is_refused)
{
	EXPECT(CALL_ON(7, SYS_LP_INIT), ST0(SYS_LP_INIT_NOT_PENDING));
	EXPECT(CALL_ON(7, SYS_RD, .rdx = MD_MAX_TDMRS), ST0(SYS_LP_INIT_NOT_DONE));
	EXPECT(CALL_ON(0, SYS_LP_INIT), ST0(SYS_LP_INIT_NOT_PENDING));
}

/* What a leaf is comes last: before and after the module's life none is. */
TEST_COLD(unknown_leaf_before_ready)
{
	EXPECT(world_call(w, 999, (struct softtdx_regs){ 0 }), ST0(SYS_NOT_READY));
	EXPECT(world_call(w, 1ull << 24 | 999, (struct softtdx_regs){ 0 }),
	       ST(OPERAND_INVALID, OP_RAX));
	world_boot(w);
	EXPECT(world_call(w, 999, (struct softtdx_regs){ 0 }), ST(OPERAND_INVALID, OP_RAX));
	MUST(CALL(SYS_SHUTDOWN, .rcx = 1));
	EXPECT(world_call(w, 999, (struct softtdx_regs){ 0 }), ST0(SYS_SHUTDOWN));
}

static u64 field(struct world *w, u64 id)
{
	EXPECT(CALL(SYS_RD, .rdx = id), 0);
	return w->regs.r8;
}

TEST(global_fields)
{
	EXPECT_EQ(field(w, MD_MAJOR_VERSION), 1);
	EXPECT_EQ(field(w, MD_MINOR_VERSION), 5);
	EXPECT_EQ(field(w, MD_FEATURES0), 0x140000);
	EXPECT_EQ(field(w, MD_MAX_TDMRS), 64);
	EXPECT_EQ(field(w, MD_MAX_RESERVED_PER_TDMR), 16);
	EXPECT_EQ(field(w, MD_PAMT_4K_ENTRY_SIZE), 16);
	EXPECT_EQ(field(w, MD_TDR_BASE_SIZE), 0x1000);
	EXPECT_EQ(field(w, MD_TDCS_BASE_SIZE), 0x6000);
	EXPECT_EQ(field(w, MD_TDVPS_BASE_SIZE), 0x6000);
	EXPECT_EQ(field(w, MD_ATTRIBUTES_FIXED0) >> 28 & 1, 1);
	EXPECT_EQ(field(w, MD_XFAM_FIXED0), 0x61AE7);
	EXPECT_EQ(field(w, MD_XFAM_FIXED1), 3);
	EXPECT_EQ(field(w, MD_MAX_VCPUS_PER_TD), 576);
	EXPECT_EQ(field(w, MD_NUM_CPUID_CONFIG), 12);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_LEAVES), 1 | 0xFFFFFFFFull << 32);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_LEAVES + 9), 0x80000008 | 0xFFFFFFFFull << 32);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_LEAVES + 10), 7 | 2ull << 32);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_LEAVES + 11), 0x23);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_VALUES + 1), 0x31044D88 | 0xB8440000ull << 32);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_VALUES + 9), 0xFFFFFFFF | 7ull << 32);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_VALUES), 0x0FFF3FFF | 0x00FF0000ull << 32);
	EXPECT_EQ(field(w, MD_CPUID_CONFIG_VALUES + 3), 0xFFFFFFFF | 0xFFFFFFFBull << 32);
	/* Size, increment and context are hints. */
	EXPECT_EQ(field(w, MD_MAX_TDMRS & ~(3ull << 32)), 64);
	EXPECT_EQ(field(w, MD_MAX_TDMRS | 7ull << 52 | 3ull << 50), 64);
	EXPECT_EQ(field(w, MD_MAX_TDMRS & ~(1ull << 63)), 64);
}

TEST(unknown_global_field)
{
	static const u64 wrong[] = {
		MD_MAX_TDMRS | 0x80, MD_MAX_TDMRS | 1ull << 34, MD_MAX_TDMRS | 1ull << 46,
		MD_MAX_TDMRS | 1ull << 47, MD_MAX_TDMRS | 1ull << 55, MD_MAX_TDMRS | 1ull << 62,
		MD_CPUID_CONFIG_LEAVES + 12, MD_CPUID_CONFIG_VALUES + 24,
	};

	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT(CALL(SYS_RD, .rdx = wrong[i], .r8 = 1), ST0(METADATA_FIELD_ID_INCORRECT));
		EXPECT_EQ(w->regs.r8, 0);
		EXPECT_EQ(w->regs.rdx, MD_NO_FIELD);
	}
}

TEST(global_fields_enumerate)
{
	u32 fields = 0;

	EXPECT(CALL(SYS_RD, .rdx = MD_NO_FIELD), ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT));
	EXPECT_EQ(w->regs.rdx, MD_MINOR_VERSION);
	for (u64 id = MD_MINOR_VERSION; id != MD_NO_FIELD && fields < 99; id = w->regs.rdx, fields++)
		EXPECT(CALL(SYS_RD, .rdx = id), 0);
	EXPECT_EQ(fields, 19 + 3 * 12);
}

/* A module up to SYS.CONFIG, with one good TDMR in memory. */
static struct tdmr_info *before_config(struct world *w)
{
	u64 *infos = at(w, SHARED_BASE);

	MUST(CALL(SYS_INIT));
	for (u32 cpu = 0; cpu < 4; cpu++)
		MUST(CALL_ON(cpu, SYS_LP_INIT));
	infos[0] = SHARED_BASE + 0x200;
	infos[1] = SHARED_BASE + 0x400;
	new_tdmr_info(w, at(w, infos[0]));
	new_tdmr_info(w, at(w, infos[1]));
	return at(w, infos[0]);
}

static u64 config(struct world *w, u64 count)
{
	return CALL(SYS_CONFIG, .rcx = SHARED_BASE, .rdx = count, .r8 = FIRST_KEYID);
}

TEST_COLD(config_operands)
{
	EXPECT(config(w, 1), ST0(SYS_CONFIG_NOT_PENDING));
	before_config(w);
	EXPECT(CALL(SYS_CONFIG, .rcx = SHARED_BASE + 8, .rdx = 1, .r8 = 2),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(SYS_CONFIG, .rcx = 0x10000000, .rdx = 1, .r8 = 2),
	       ST(OPERAND_INVALID, OP_RCX));
	EXPECT(config(w, 0), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(config(w, 65), ST(OPERAND_INVALID, OP_RDX));
	EXPECT(CALL(SYS_CONFIG, .rcx = SHARED_BASE, .rdx = 1, .r8 = 1),
	       ST(OPERAND_INVALID, OP_R8));
	EXPECT(CALL(SYS_CONFIG, .rcx = SHARED_BASE, .rdx = 1, .r8 = FIRST_KEYID + NR_KEYIDS),
	       ST(OPERAND_INVALID, OP_R8));
	*(u64 *)at(w, SHARED_BASE) = SHARED_BASE + 0x208;
	EXPECT(config(w, 1), ST(OPERAND_INVALID, OP_RCX));
	*(u64 *)at(w, SHARED_BASE) = SHARED_BASE + 0x200;
	w->m->sys_lock = 1;
	EXPECT(config(w, 1), ST0(SYS_BUSY));
	w->m->sys_lock = 0;
	EXPECT(config(w, 1), 0);
	EXPECT(config(w, 1), ST0(SYS_CONFIG_NOT_PENDING));
}

TEST_COLD(config_needs_all_cpus)
{
	MUST(CALL(SYS_INIT));
	MUST(CALL(SYS_LP_INIT));
	EXPECT(config(w, 1), ST0(SYS_CONFIG_NOT_PENDING));
}

TEST_COLD(config_tdmr)
{
	struct tdmr_info *t = before_config(w), good = *t;

	t->base += 0x1000;
	EXPECT(config(w, 1), ST(INVALID_TDMR, 0));
	*t = good, t->size = LEVEL_SIZE(2) + 0x1000;
	EXPECT(config(w, 1), ST(INVALID_TDMR, 0));
	*t = good, t->size = 0;
	EXPECT(config(w, 1), ST(INVALID_TDMR, 0));
	*t = good, t->base = 1ull << PHYS_BITS;
	EXPECT(config(w, 1), ST(INVALID_TDMR, 0));
	*t = good, t->size = 1ull << PHYS_BITS;
	EXPECT(config(w, 1), ST(INVALID_TDMR, 0));
	*t = good;
	EXPECT(config(w, 2), ST(NON_ORDERED_TDMR, 1));
}

TEST_COLD(config_reserved_areas)
{
	struct tdmr_info *t = before_config(w), good = *t;

	t->reserved[0].offset += 1;
	EXPECT(config(w, 1), ST(INVALID_RESERVED_IN_TDMR, 0));
	*t = good, t->reserved[0].size += 1;
	EXPECT(config(w, 1), ST(INVALID_RESERVED_IN_TDMR, 0));
	*t = good, t->reserved[0].offset = t->size;
	EXPECT(config(w, 1), ST(INVALID_RESERVED_IN_TDMR, 0));
	*t = good, t->reserved[0].size += 0x1000;
	EXPECT(config(w, 1), ST(INVALID_RESERVED_IN_TDMR, 0));
	*t = good, t->reserved[1].size = 0x1000;
	EXPECT(config(w, 1), ST(NON_ORDERED_RESERVED_IN_TDMR, 1 << 8));
	*t = good, t->reserved[1].size = 1;	/* order before alignment */
	EXPECT(config(w, 1), ST(NON_ORDERED_RESERVED_IN_TDMR, 1 << 8));
	*t = good, t->reserved[3].size = 0x1000;
	EXPECT(config(w, 1), ST(NON_ORDERED_RESERVED_IN_TDMR, 2 << 8));
	*t = good, t->reserved[0].size = -0x1000ull;
	EXPECT(config(w, 1), ST(INVALID_RESERVED_IN_TDMR, 0));
	*t = good, t->reserved[0].size += 0x1000, t->pamt_1g_size = 0;	/* the PAMT comes later */
	EXPECT(config(w, 1), ST(INVALID_RESERVED_IN_TDMR, 0));
}

TEST_COLD(config_pamt)
{
	struct tdmr_info *t = before_config(w), good = *t;

	t->pamt_4k_base += 1;
	EXPECT(config(w, 1), ST(INVALID_PAMT, 0));
	*t = good, t->pamt_2m_size = 0x1000;
	EXPECT(config(w, 1), ST(INVALID_PAMT, 1 << 8));
	*t = good, t->pamt_1g_size = 0;
	EXPECT(config(w, 1), ST(INVALID_PAMT, 2 << 8));
	*t = good, t->pamt_1g_base = 1ull << PHYS_BITS;
	EXPECT(config(w, 1), ST(INVALID_PAMT, 2 << 8));
	*t = good, t->pamt_2m_base = t->pamt_4k_base;
	EXPECT(config(w, 1), ST(PAMT_OVERLAP, 0));
	*t = good, t->pamt_4k_size += 0x1000;	/* more than it needs, but it is what was given */
	EXPECT(config(w, 1), ST(PAMT_OVERLAP, 0));
	*t = good, t->pamt_1g_base = TDMR_BASE;
	EXPECT(config(w, 1), ST(PAMT_OVERLAP, 2 << 8));
	*t = good, t->reserved[0].size -= LEVEL_SIZE(2) / 2;
	t->pamt_1g_base = SHARED_BASE + 0x80000;
	EXPECT(config(w, 1), 0);
}

/* The TDMR in question, its level, and the other TDMR. */
TEST_COLD(config_pamts_of_two_tdmrs)
{
	struct tdmr_info *second;

	before_config(w);
	second = at(w, ((u64 *)at(w, SHARED_BASE))[1]);
	second->base = 2 * TDMR_BASE;
	second->reserved[0].offset = 0;
	second->reserved[0].size = LEVEL_SIZE(2);
	EXPECT(config(w, 2), ST(PAMT_OVERLAP, 1));
	second->pamt_4k_base = SHARED_BASE + 0x10000000;
	EXPECT(config(w, 2), ST(PAMT_OVERLAP, 1 | 1 << 8));
	second->pamt_2m_base = TDMR_BASE + 0x1000;
	second->pamt_1g_base = SHARED_BASE + 0x80000;
	EXPECT(config(w, 2), ST(PAMT_OVERLAP, 1 | 1 << 8));
	/* The later one names the earlier one's. */
	second->base = 0;
	second->pamt_4k_base = TDMR_BASE;
	second->pamt_2m_base = SHARED_BASE + 0x90000;
	((u64 *)at(w, SHARED_BASE))[0] = SHARED_BASE + 0x400;
	((u64 *)at(w, SHARED_BASE))[1] = SHARED_BASE + 0x200;
	EXPECT(config(w, 2), ST(PAMT_OVERLAP, 1 << 16));
}

TEST_COLD(config_that_fails_keeps_its_keyid)
{
	struct tdmr_info *t = before_config(w), good = *t;

	t->size = 0;
	EXPECT(config(w, 1), ST(INVALID_TDMR, 0));
	*t = good;
	EXPECT(CALL(SYS_CONFIG, .rcx = SHARED_BASE, .rdx = 1, .r8 = FIRST_KEYID + 1), 0);
	MUST(CALL_ON(0, SYS_KEY_CONFIG));
	MUST(CALL_ON(2, SYS_KEY_CONFIG));
	do
		MUST(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE));
	while (!w->regs.rdx || w->regs.rdx == TDMR_BASE);
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE, .rdx = FIRST_KEYID), ST0(HKID_NOT_FREE));
}

TEST_COLD(config_pamt_after_last_reserved_area)
{
	struct tdmr_info *t = before_config(w);

	t->reserved[0].size = 0x1000;
	EXPECT(config(w, 1), ST(PAMT_OVERLAP, 0));
}

TEST_COLD(config_pamt_must_be_memory)
{
	struct tdmr_info *t = before_config(w);

	t->pamt_1g_base = 0x90000000;
	EXPECT(config(w, 1), ST(PAMT_OUTSIDE_CMRS, 0));
}

TEST_COLD(key_config_once_a_package)
{
	EXPECT(CALL(SYS_KEY_CONFIG), ST0(SYS_KEY_CONFIG_NOT_PENDING));
	before_config(w);
	EXPECT(CALL(SYS_KEY_CONFIG), ST0(SYS_KEY_CONFIG_NOT_PENDING));
	MUST(config(w, 1));
	EXPECT(CALL_ON(0, SYS_KEY_CONFIG), 0);
	EXPECT(CALL_ON(1, SYS_KEY_CONFIG), ST0(KEY_CONFIGURED));
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE), ST0(SYS_NOT_READY));
	EXPECT(CALL_ON(3, SYS_KEY_CONFIG), 0);
	EXPECT(CALL_ON(3, SYS_KEY_CONFIG), ST0(SYS_KEY_CONFIG_NOT_PENDING));
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE, .rdx = 3),
	       ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
}

/* 4 MiB a call; what is not a whole GiB yet cannot be used. */
TEST_COLD(tdmr_init_in_steps)
{
	u32 calls = 0;

	before_config(w);
	MUST(config(w, 1));
	MUST(CALL_ON(0, SYS_KEY_CONFIG));
	MUST(CALL_ON(2, SYS_KEY_CONFIG));
	for (; calls < 255; calls++) {
		EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE), 0);
		EXPECT_EQ(w->regs.rdx, TDMR_BASE);
	}
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE, .rdx = 3),
	       ST(OPERAND_ADDR_RANGE_ERROR, OP_RCX));
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE), 0);
	EXPECT_EQ(w->regs.rdx, TDMR_BASE + LEVEL_SIZE(2));
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE, .rdx = 3), 0);
}

TEST(tdmr_init_operands)
{
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE), ST0(TDMR_ALREADY_INITIALIZED));
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE + 1), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = 0), ST(OPERAND_INVALID, OP_RCX));
	w->m->tdmrs[0].lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE), ST(OPERAND_BUSY, OP_RCX));
}

TEST(reserved_pages_are_not_for_tds)
{
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE + w->available, .rdx = 3),
	       ST(PAGE_METADATA_INCORRECT, OP_RCX));
	EXPECT_VIOLATION(SOFTTDX_PAGE_RESERVED);
	EXPECT(CALL(MNG_CREATE, .rcx = TDMR_BASE + w->available - 0x1000, .rdx = 3), 0);
}

TEST(global_keyid_is_taken)
{
	EXPECT(CALL(MNG_CREATE, .rcx = new_page(w), .rdx = FIRST_KEYID), ST0(HKID_NOT_FREE));
}

TEST(update_keeps_tds)
{
	struct td td;

	td_build(w, &td, RUNNABLE);
	EXPECT(CALL(SYS_SHUTDOWN, .rcx = 2), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(SYS_SHUTDOWN, .rcx = 1), 0);
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), ST0(SYS_SHUTDOWN));
	EXPECT(CALL(SYS_RD, .rdx = MD_MODULE_HV), ST0(SYS_SHUTDOWN));
	softtdx_reload(w->m);
	EXPECT(CALL(SYS_INIT), 0);
	for (u32 cpu = 0; cpu < 4; cpu++) {
		EXPECT(CALL_ON(cpu, SYS_LP_INIT), 0);
		EXPECT(CALL(SYS_UPDATE), cpu < 3 ? ST0(SYS_STATE_INCORRECT) : 0);
	}
	EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), 0);
	EXPECT(CALL(SYS_UPDATE), ST0(SYS_STATE_INCORRECT));
}

TEST_COLD(update_needs_handoff)
{
	before_config(w);
	EXPECT(CALL(SYS_UPDATE), ST0(SYS_INVALID_HANDOFF));
}

TEST(disable_always_works)
{
	w->m->sys_lock = LOCK_EXCLUSIVE;
	EXPECT(CALL_ON(9, SYS_DISABLE), 0);
	EXPECT(CALL_ON(9, SYS_DISABLE), 0);
	w->m->sys_lock = 0;
	EXPECT(CALL(MNG_CREATE, .rcx = new_page(w), .rdx = 3), ST0(SYS_SHUTDOWN));
}

TEST(sys_leaves_wait_for_each_other)
{
	w->m->sys_lock = LOCK_EXCLUSIVE;
	EXPECT(CALL(SYS_INIT), ST0(SYS_BUSY));
	EXPECT(CALL(SYS_LP_INIT), ST0(SYS_BUSY));
	EXPECT(CALL(SYS_KEY_CONFIG), ST0(SYS_BUSY));
	EXPECT(CALL(SYS_SHUTDOWN, .rcx = 1), ST0(SYS_BUSY));
	EXPECT(CALL(SYS_UPDATE), ST0(SYS_BUSY));
	EXPECT(CALL(SYS_SHUTDOWN, .rcx = 2), ST(OPERAND_INVALID, OP_RCX));
	w->m->sys_lock = 1;		/* another CPU's LP.INIT */
	EXPECT(CALL(SYS_LP_INIT), ST0(SYS_LP_INIT_NOT_PENDING));
	EXPECT(CALL(SYS_KEY_CONFIG), ST0(SYS_BUSY));
	w->m->sys_lock = 0;
}
