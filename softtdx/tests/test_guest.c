// SPDX-License-Identifier: GPL-2.0-only
/* The guest inside TDH.VP.ENTER: its exits, #VE, and what the host sees of it. */
#include "test.h"

#define VE	(EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_VE)
#define UD	(EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_UD)
#define GP	(EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_HAS_ERROR | VECTOR_GP)
#define DF	(EVENT_VALID | EVENT_EXCEPTION << 8 | EVENT_HAS_ERROR | VECTOR_DF)
#define SHARED_BIT	(1ull << 47)

/* A TD that can run, with a measured page at GPA and one to accept behind it. */
static void running_td(struct world *w, struct td *td, u64 attributes)
{
	td_build(w, td, TDCS);
	default_params(w)->attributes = attributes;
	MUST(CALL(MNG_INIT, .rcx = td->tdr, .rdx = PARAMS));
	td_vcpu(w, td, 0);
	td_tables(w, td);
	td_add(w, td, GPA);
	MUST(CALL(MR_FINALIZE, .rcx = td->tdr));
	td_aug(w, td, GPA + PAGE_4K);
}

static struct tdvps *vps_of(struct world *w, const struct td *td)
{
	return at(w, td->tdvpr);
}

TEST(guest_starts_with_what_the_host_gave)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.gpr[RBX], 48);
	EXPECT_EQ(w->after.gpr[RCX], 0x1234);
	EXPECT_EQ(w->after.gpr[R8], 0x1234);
	EXPECT_EQ(w->after.gpr[RSI], 0);
	EXPECT_EQ(w->after.xcr0, 1);
}

TEST(interrupts_and_nmis_leave_the_td)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .interruption = 0x800000EC, .gpr[R10] = 5), 1);
	EXPECT_EQ(w->regs.r9, 0x800000EC);
	EXPECT_EQ(w->regs.r10, 0);
	EXPECT(EXIT(.reason = EXIT_EXCEPTION_NMI, .interruption = 0x80000202), 0);
	EXPECT_EQ(w->regs.r9, 0x80000202);
}

TEST(triple_fault_ends_the_vcpu)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_TRIPLE_FAULT), 0x4000000100000002);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), ST0(VCPU_STATE_INCORRECT));
	EXPECT(CALL(VP_FLUSH, .rcx = td.tdvpr), 0);
}

TEST(failed_entry_ends_the_vcpu)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_ENTRY_FAILED | 33), 0x4000000180000021);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), ST0(VCPU_STATE_INCORRECT));
}

TEST(instructions_that_raise_ve)
{
	static const u32 reasons[] = { EXIT_HLT, EXIT_IO, EXIT_RDMSR, EXIT_WRMSR, EXIT_WBINVD,
				       EXIT_INVD, EXIT_RDPMC, EXIT_MONITOR, EXIT_MWAIT };
	struct td td;

	running_td(w, &td, 0);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		EXPECT(EXIT(.reason = reasons[i], .qualification = 7, .instruction_length = 2,
			    .instruction_info = 3, .gpa = 99), 77);
		EXPECT_EQ(w->after.event, VE);
		EXPECT_EQ(w->after.skip, 0);
		EXPECT(TDCALL(VP_VEINFO_GET), 77);
		EXPECT_EQ(w->after.gpr[RAX], 0);
		EXPECT_EQ(w->after.gpr[RCX], reasons[i]);
		EXPECT_EQ(w->after.gpr[RDX], 7);
		EXPECT_EQ(w->after.gpr[R9], 0);
		EXPECT_EQ(w->after.gpr[R10], 2 | 3ull << 32);
	}
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT_EQ(w->after.gpr[RAX], ST0(NO_VALID_VE_INFO));
}

TEST(second_ve_is_a_double_fault)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_HLT), 77);
	EXPECT(EXIT(.reason = EXIT_HLT), 77);
	EXPECT_EQ(w->after.event, DF);
}

TEST(exception_during_delivery_is_a_double_fault)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_CR_ACCESS, .event = EVENT_VALID | 0x30), 77);
	EXPECT_EQ(w->after.event, DF);
}

TEST(interrupted_delivery_goes_on)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .event = EVENT_VALID | 0x30), 1);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, EVENT_VALID | 0x30);
}

TEST(instructions_that_fault)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_CR_ACCESS), 77);
	EXPECT_EQ(w->after.event, GP);
	EXPECT(EXIT(.reason = EXIT_VMCALL), 77);
	EXPECT_EQ(w->after.event, UD);
	EXPECT(EXIT(.reason = EXIT_INVEPT), 77);
	EXPECT_EQ(w->after.event, UD);
}

TEST(xsetbv_within_xfam)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_XSETBV, .instruction_length = 3, .gpr[RAX] = 3), 77);
	EXPECT_EQ(w->after.xcr0, 3);
	EXPECT_EQ(w->after.skip, 3);
	EXPECT(EXIT(.reason = EXIT_XSETBV, .gpr[RAX] = 7), 77);
	EXPECT_EQ(w->after.event, GP);
	EXPECT(EXIT(.reason = EXIT_XSETBV, .gpr[RAX] = 2), 77);
	EXPECT_EQ(w->after.event, GP);
	EXPECT(EXIT(.reason = EXIT_XSETBV, .gpr = { [RAX] = 3, [RCX] = 1 }), 77);
	EXPECT_EQ(w->after.event, GP);
	EXPECT_EQ(w->after.xcr0, 3);
}

/* The CPU would refuse them, and it is the host that loads them. */
TEST(xsetbv_that_faults)
{
	static const u64 values[] = { 5, 0x103, 0x27 };	/* AVX without SSE, of XSS, in part */
	struct td td;

	running_td(w, &td, 0);
	tdcs_of(w, &td)->xfam = 0x1E7;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		EXPECT(EXIT(.reason = EXIT_XSETBV, .gpr[RAX] = values[i]), 77);
		EXPECT_EQ(w->after.event, GP);
		EXPECT_EQ(w->after.xcr0, 1);
	}
}

TEST(pending_nmi_is_delivered_once)
{
	struct td td;

	running_td(w, &td, 0);
	MUST(CALL(VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PEND_NMI, .r8 = 1, .r9 = 1));
	vps_of(w, &td)->guest.nmi_blocked = true;
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0x80000202);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0);
}

TEST(state_details_tell_of_a_waiting_interrupt)
{
	struct td td;
	u8 *apic;

	running_td(w, &td, 0);
	apic = at(w, vps_of(w, &td)->pages[TDVPS_APIC_PAGE]);
	apic[0xA0] = 0x30;
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .rvi = 0x3F), 1);
	MUST(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_STATE_DETAILS));
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .rvi = 0x40), 1);
	MUST(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_STATE_DETAILS));
	EXPECT_EQ(w->regs.r8, 1);
}

TEST(untouched_private_page_is_the_hosts)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 0x1F82,
		    .gpa = GPA + 0x2345), 48);
	EXPECT_EQ(w->regs.rcx, 2);
	EXPECT_EQ(w->regs.rdx, 0);
	EXPECT_EQ(w->regs.r8, GPA + 0x2000);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA + LEVEL_SIZE(3)), 48);
	EXPECT_EQ(w->regs.rdx, 0);
	/* A blocked one, too; and one that was mapped meanwhile is nobody's. */
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA), 48);
	EXPECT_EQ(w->regs.rdx, 0);
}

TEST(mapped_meanwhile)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA), 77);
	EXPECT_EQ(w->after.event, 0);
	EXPECT_EQ(w->after.skip, 0);
}

TEST(pending_page_raises_ve)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 0x182, .gpa = GPA + 0x1008,
		    .gla = 0x777), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT_EQ(w->after.gpr[RCX], 48);
	EXPECT_EQ(w->after.gpr[RDX], 0x182);
	EXPECT_EQ(w->after.gpr[R8], 0x777);
	EXPECT_EQ(w->after.gpr[R9], GPA + 0x1008);
}

TEST(pending_page_without_ve)
{
	struct td td;

	running_td(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 2, .gpa = GPA + 0x1008), 48);
	EXPECT_EQ(w->regs.rdx, 6);
	EXPECT_EQ(w->regs.r8, GPA + 0x1000);
}

TEST(gpa_beyond_the_td)
{
	struct td td;

	running_td(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = 2 * SHARED_BIT), 77);
	EXPECT_EQ(w->after.event, GP);
}

/* The host's table for shared memory, with entries that it leaves for the guest's first GiB. */
static void shared_table(struct world *w, struct td *td, u64 leaf)
{
	u64 pages[4] = { SHARED_BASE + 0x10000, SHARED_BASE + 0x11000, SHARED_BASE + 0x12000,
			 SHARED_BASE + 0x13000 };

	for (int i = 0; i < 4; i++) {
		u64 *entries = at(w, pages[i]);

		for (int j = 0; j < ENTRIES; j++)
			entries[j] = SEPT_SUPPRESS_VE;
		entries[i ? 0 : 256] = i < 3 ? pages[i + 1] | SEPT_RWX : leaf;
	}
	MUST(CALL(VP_WR, .rcx = td->tdvpr, .rdx = MD_VP_SHARED_EPTP, .r8 = pages[0],
		  .r9 = ~0ull));
}

TEST(shared_memory)
{
	struct td td;
	u64 *root;

	running_td(w, &td, 0);
	/* No table yet: one page of zeroes, which convert every violation. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = SHARED_BIT), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	shared_table(w, &td, 0);
	/* Emulated I/O: the guest is told. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = SHARED_BIT | 0xABC), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT_EQ(w->after.gpr[R9], SHARED_BIT | 0xABC);
	/* Not mapped: the host is. */
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 1,
		    .gpa = SHARED_BIT | 0x1000), 48);
	EXPECT_EQ(w->regs.r8, SHARED_BIT | 0x1000);
	EXPECT_EQ(w->regs.rcx, 1);
	/* Mapped, but not for this. */
	shared_table(w, &td, SOURCE | SEPT_RWX);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .qualification = 2, .gpa = SHARED_BIT), 48);
	root = at(w, w->eptp & HPA_MASK);
	EXPECT_EQ(w->eptp & 0xFFF, EPTP_4_LEVEL);
	EXPECT_EQ(root[0], td.table[0] | SEPT_RWX | SEPT_SUPPRESS_VE);
	EXPECT_EQ(root[256], (SHARED_BASE + 0x11000) | SEPT_RWX);
	EXPECT_EQ(root[257], SEPT_SUPPRESS_VE);
}

/*
 * #UD: the model looks at the instruction through the guest's page tables, which are in the
 * page at GPA: each level refers to that page itself, the last one maps it.
 */
static u64 guest_code(struct world *w, struct td *td, u64 rip, const char *bytes, size_t n)
{
	u8 *page = at(w, td_add(w, td, GPA + 2 * PAGE_4K));

	((u64 *)page)[0] = (GPA + 2 * PAGE_4K) | 1;
	memcpy(page + (rip & (PAGE_4K - 1)), bytes, n);
	return GPA + 2 * PAGE_4K;
}

TEST(tdcall_is_an_invalid_opcode)
{
	struct td td;
	u64 cr3;
#define UD_AT(rip_, ...) EXIT(.reason = EXIT_EXCEPTION_NMI, .interruption = 0x80000306, \
			      .cr3 = cr3, .rip = (rip_), __VA_ARGS__)

	td_build(w, &td, WITH_VCPU);
	td_tables(w, &td);
	cr3 = guest_code(w, &td, 0x800, "\x66\x0f\x01\xcc\x0f\x0b", 6);
	MUST(CALL(MR_FINALIZE, .rcx = td.tdr));
	EXPECT(UD_AT(0x800, .code64 = true, .gpr[RAX] = TDCALL_VP_INFO), 77);
	EXPECT_EQ(w->after.gpr[RAX], 0);
	EXPECT_EQ(w->after.gpr[RCX], 48);
	EXPECT_EQ(w->after.skip, 4);
	EXPECT_EQ(w->after.event, 0);
	/* In other modes, elsewhere, in pages that are not there: as it is. */
	EXPECT(UD_AT(0x800, .code64 = false), 77);
	EXPECT_EQ(w->after.event, UD);
	EXPECT(UD_AT(0x804, .code64 = true), 77);
	EXPECT_EQ(w->after.event, UD);
	EXPECT(UD_AT(0x1800, .code64 = true), 77);
	EXPECT_EQ(w->after.event, UD);
	EXPECT(UD_AT(1ull << 30, .code64 = true), 77);
	EXPECT_EQ(w->after.event, UD);
	cr3 = GPA + LEVEL_SIZE(2);
	EXPECT(UD_AT(0x800, .code64 = true), 77);
	EXPECT_EQ(w->after.event, UD);
}

static bool exits(const u8 *bitmap, u32 msr, bool write)
{
	u32 bit = (msr & 0x1FFF) + (msr >= 0xC0000000 ? 0x2000 : 0) + (write ? 0x4000 : 0);

	return bitmap[bit / 8] >> bit % 8 & 1;
}

TEST(native_msrs)
{
	static const u32 native[] = { 0x277, 0x808, 0x80B, 0x810, 0x827, 0x83F, 0xC0000080,
				      0xC0000102 };
	static const u32 others[] = { 0x10, 0x1B, 0x80F, 0x828, 0x830, 0xC0000104 };
	const u8 *bitmap;
	struct td td;

	running_td(w, &td, 0);
	bitmap = at(w, td.tdcs[TDCS_MSR_BITMAP_PAGE]);
	for (size_t i = 0; i < sizeof(native) / sizeof(native[0]); i++)
		for (int write = 0; write < 2; write++)
			EXPECT_EQ(exits(bitmap, native[i], write), false);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		for (int write = 0; write < 2; write++)
			EXPECT_EQ(exits(bitmap, others[i], write), true);
}
