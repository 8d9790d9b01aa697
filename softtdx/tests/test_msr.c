// SPDX-License-Identifier: GPL-2.0-only
/* A guest's MSRs. */
#include "test.h"

/* With TSC deadline, and CET in its XFAM. */
static void td_with_features(struct world *w, struct td *td)
{
	struct td_params *p = default_params(w);

	p->xfam = 0x1807;
	p->cpuid[0].ecx = 1 << 24;
	td_of_params(w, td, 0);
}

static bool exits(const u8 *bitmap, u32 msr, bool write)
{
	u32 bit = (msr & 0x1FFF) + (msr >= 0xC0000000 ? 0x2000 : 0) + (write ? 0x4000 : 0);

	return bitmap[bit / 8] >> bit % 8 & 1;
}

TEST(native_msrs)
{
	static const u32 native[] = { 0x48, 0x49, 0x10B, 0x174, 0x277, 0x600, 0x6A0, 0x6A8, 0x808,
				      0x80B, 0x810, 0x827, 0x83F, 0xC0000080, 0xC0000102 };
	static const u32 others[] = { 0x1B, 0x3A, 0x8B, 0xC1, 0xE1, 0x122, 0x186, 0x1A0, 0x1D9, 0x38F,
				      0x480, 0x560, 0x6E0, 0x6E1, 0x802, 0x80F, 0x828, 0x830, 0x981,
				      0x1200, 0xC0000083, 0xC0000104 };
	const u8 *bitmap;
	struct td td;

	td_with_features(w, &td);
	bitmap = at(w, td.tdcs[TDCS_MSR_BITMAP_PAGE]);
	for (size_t i = 0; i < ARRAY_SIZE(native); i++)
		for (int write = 0; write < 2; write++)
			EXPECT_EQ(exits(bitmap, native[i], write), false);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		for (int write = 0; write < 2; write++)
			EXPECT_EQ(exits(bitmap, others[i], write), true);
	EXPECT_EQ(exits(bitmap, 0x10, false), false);		/* the TSC can be read */
	EXPECT_EQ(exits(bitmap, 0x10, true), true);
	EXPECT_EQ(exits(bitmap, 0xDA0, false), false);
	EXPECT_EQ(exits(bitmap, 0xDA0, true), true);
}

/* Event that an access ends with; 0: none. */
static u32 access(struct world *w, struct td *td, u32 msr, bool write, u64 value)
{
	struct softtdx_guest act = { .reason = write ? EXIT_WRMSR : EXIT_RDMSR,
				     .instruction_length = 2, .code64 = true };
	u32 event;

	act.gpr[RCX] = msr;
	act.gpr[RAX] = (u32)value;
	act.gpr[RDX] = value >> 32;
	EXPECT(world_enter(w, td->tdvpr, act), 77);
	event = w->after.event;
	value = (u32)w->after.gpr[RAX] | w->after.gpr[RDX] << 32;
	EXPECT_EQ(w->after.skip, event ? 0 : 2);
	EXPECT(world_enter(w, td->tdvpr, (struct softtdx_guest){
		.reason = EXIT_TDCALL, .code64 = true, .gpr[RAX] = TDCALL_VP_VEINFO_GET }), 77);
	w->after.gpr[RAX] = value;
	return event;
}

TEST(msrs_that_the_module_answers)
{
	static const struct { u32 msr; u64 value; } msrs[] = {
		{ 0xBD, 1 }, { 0x10A, 0x608F16F }, { 0x1A0, 0x1801 }, { 0x1D9, 0 }, { 0x345, 0 },
		{ 0x480, 0 }, { 0x485, 0 }, { 0x48C, 0 }, { 0x492, 0 },
	};
	struct td td;

	td_with_features(w, &td);
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		EXPECT_EQ(access(w, &td, msrs[i].msr, false, 0), 0);
		EXPECT_EQ(w->after.gpr[RAX], msrs[i].value);
	}
}

TEST(msrs_that_fault)
{
	static const u32 both[] = { 0x8C, 0x98, 0x9E, 0xC1, 0xE1, 0x122, 0x186, 0x195, 0x1C4, 0x276,
				    0x309, 0x38F, 0x3F1, 0x4C1, 0x500, 0x560, 0x6E1, 0x800, 0x804,
				    0x829, 0x831, 0x840, 0x8FF, 0x985, 0xD90, 0xD93, 0x1200, 0x1600 };
	static const u32 writes[] = { 0x345, 0x480, 0x481, 0x48C, 0x492 };
	struct td td;

	td_with_features(w, &td);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		EXPECT_EQ(access(w, &td, both[i], false, 0), GP);
		EXPECT_EQ(access(w, &td, both[i], true, 0), GP);
	}
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		EXPECT_EQ(access(w, &td, writes[i], true, 0), GP);
}

TEST(msrs_that_the_host_answers)
{
	static const u32 both[] = { 0x1B, 0x3A, 0x8B, 0x17, 0x250, 0x6E0, 0x802, 0x80F, 0x828, 0x830,
				    0x838, 0x4000, 0x40000000, 0xC0000083, 0xC0010015 };
	struct td td;

	td_with_features(w, &td);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		EXPECT_EQ(access(w, &td, both[i], false, 0), VE);
		EXPECT_EQ(access(w, &td, both[i], true, 0), VE);
	}
	EXPECT_EQ(access(w, &td, 0x481, false, 0), VE);
	EXPECT_EQ(access(w, &td, 0x1A0, true, 0), VE);
}

/* Of features that the TD has not, they fault; those that the host emulates it then answers. */
TEST(msrs_follow_the_features)
{
	struct td td;

	td_build(w, &td, RUNNABLE);		/* neither CET nor TSC deadline */
	EXPECT_EQ(access(w, &td, 0x6A0, false, 0), GP);
	EXPECT_EQ(access(w, &td, 0x6E0, true, 0), GP);
	EXPECT_EQ(access(w, &td, 0x87, false, 0), GP);
	EXPECT_EQ(access(w, &td, 0x981, false, 0), GP);
	EXPECT_EQ(access(w, &td, 0x1F8, false, 0), GP);
}

TEST(xss_within_xfam)
{
	struct td td;

	td_with_features(w, &td);
	EXPECT_EQ(access(w, &td, 0xDA0, true, 0x1800), 0);
	EXPECT_EQ(w->after.xss, 0x1800);
	EXPECT_EQ(access(w, &td, 0xDA0, false, 0), 0);
	EXPECT_EQ(w->after.gpr[RAX], 0x1800);
	EXPECT_EQ(access(w, &td, 0xDA0, true, 0x100), GP);
	EXPECT_EQ(access(w, &td, 0xDA0, true, 1ull << 32), GP);
	EXPECT_EQ(w->after.xss, 0x1800);
}

TEST(debug_control)
{
	struct td td;

	td_with_features(w, &td);
	EXPECT_EQ(access(w, &td, 0x1D9, true, 4), GP);
	EXPECT_EQ(access(w, &td, 0x1D9, true, 1 << 6), VE);	/* traces without a store */
	EXPECT_EQ(access(w, &td, 0x1D9, true, 2 | 1 << 13), 0);
	EXPECT_EQ(access(w, &td, 0x1D9, false, 0), 0);
	EXPECT_EQ(w->after.gpr[RAX], 2);
}
