// SPDX-License-Identifier: GPL-2.0-only
/* The guest inside TDH.VP.ENTER: its exits, #VE, and what the host sees of it. */
#include "test.h"

static struct tdr *lost_tdr;

static void lose_the_td(struct world *w, const struct softtdx_vcpu *vcpu)
{
	(void)w;
	(void)vcpu;
	lost_tdr->fatal = 1;
}

TEST(guest_starts_with_what_the_host_gave)
{
	struct td td;

	td_running(w, &td, 0);
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

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .interruption = 0x800000EC, .gpr[R10] = 5), 1);
	EXPECT_EQ(w->regs.r9, 0x800000EC);
	EXPECT_EQ(w->regs.r10, 0);
	EXPECT(EXIT(.reason = EXIT_EXCEPTION_NMI, .interruption = 0x80000202), 0);
	EXPECT_EQ(w->regs.r9, 0x80000202);
}

TEST(triple_fault_ends_the_vcpu)
{
	struct td td;

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_TRIPLE_FAULT), 0x4000000100000002);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), ST0(VCPU_STATE_INCORRECT));
	EXPECT(CALL(VP_FLUSH, .rcx = td.tdvpr), 0);
}

/* A TD that is lost can only be torn down; it tells the host which exit it was. */
TEST(exits_that_end_the_td)
{
	static const struct softtdx_guest lost[] = {
		{ .reason = EXIT_ENTRY_FAILED | EXIT_GUEST_STATE, .rip = 0x6000000280000021 },
		{ .reason = EXIT_ENTRY_FAILED | EXIT_FAILED_BY_MC, .rip = 0x6000000580000029 },
		{ .reason = EXIT_EXCEPTION_NMI, .interruption = 0x80000312, .rip = 0x6000000500000000 },
		{ .reason = EXIT_EXCEPTION_NMI, .interruption = 0x80000306, .rip = 0x6000000200000000 },
		{ .reason = EXIT_OTHER_SMI, .qualification = 1, .rip = 0x6000000500000006 },
		{ .reason = EXIT_NOTIFY, .qualification = 1, .rip = 0x600000020000004B },
		{ .reason = EXIT_EPT_MISCONFIGURATION, .gpa = GPA, .rip = 0x6000000200000031 },
		{ .reason = 16, .rip = 0x6000000200000010 },		/* RDTSC */
	};

	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		struct td td;

		td_running(w, &td, 0);
		EXPECT(world_enter(w, td.tdvpr, lost[i]), lost[i].rip);
		EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), ST0(TD_FATAL));
		EXPECT(CALL(MEM_TRACK, .rcx = td.tdr), ST0(TD_FATAL));
		EXPECT(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr), ST0(TD_FATAL));
		MUST(CALL(VP_FLUSH, .rcx = td.tdvpr));
		td_end_key(w, &td);
	}
}

TEST(td_lost_by_another_vcpu)
{
	struct td td;

	td_running(w, &td, 0);
	tdr_of(w, &td)->fatal = 0;
	w->inside = lose_the_td;
	lost_tdr = tdr_of(w, &td);
	EXPECT(EXIT(.reason = EXIT_CPUID, .gpr[RAX] = 1), 0x600000050000000A);
}

TEST(exits_that_leave_the_td)
{
	static const u32 reasons[] = { EXIT_INIT, EXIT_OTHER_SMI, EXIT_TASK_SWITCH, EXIT_BUS_LOCK,
				       EXIT_NOTIFY };
	struct td td;

	td_running(w, &td, 0);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		EXPECT(EXIT(.reason = reasons[i], .qualification = 0x10), reasons[i]);
		EXPECT_EQ(w->regs.rcx, 0x10);
	}
	EXPECT(EXIT(.reason = EXIT_EPT_MISCONFIGURATION, .gpa = SHARED_BIT | 0x5123), 49);
	EXPECT_EQ(w->regs.r8, SHARED_BIT | 0x5000);
	tdcs_of(w, &td)->attributes |= ATTR_DEBUG;
	EXPECT(EXIT(.reason = 16), 16);
}

TEST(instructions_that_raise_ve)
{
	static const u32 reasons[] = { EXIT_HLT, EXIT_IO, EXIT_RDMSR, EXIT_WRMSR, EXIT_WBINVD,
				       EXIT_INVD, EXIT_VMCALL, EXIT_MONITOR, EXIT_MWAIT,
				       EXIT_APIC_WRITE, EXIT_PCONFIG };
	struct td td;

	td_running(w, &td, 0);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
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

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_HLT), 77);
	EXPECT(EXIT(.reason = EXIT_HLT), 77);
	EXPECT_EQ(w->after.event, DF);
}

TEST(exception_during_delivery_is_a_double_fault)
{
	struct td td;

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_RDPMC, .event = EVENT_VALID | 0x30), 77);
	EXPECT_EQ(w->after.event, DF);
}

TEST(interrupted_delivery_goes_on)
{
	struct td td;

	td_running(w, &td, 0);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .event = EVENT_VALID | 0x30), 1);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, EVENT_VALID | 0x30);
}

TEST(instructions_that_fault)
{
	static const u32 undefined[] = { EXIT_VMCLEAR, EXIT_VMXON, EXIT_INVEPT, EXIT_INVVPID,
					 EXIT_GETSEC, EXIT_RSM, EXIT_VMFUNC, EXIT_ENCLS,
					 EXIT_ENCLV, EXIT_ENQCMDS, EXIT_SEAMCALL };
	struct td td;

	td_running(w, &td, 0);
	for (size_t i = 0; i < ARRAY_SIZE(undefined); i++) {
		EXPECT(EXIT(.reason = undefined[i]), 77);
		EXPECT_EQ(w->after.event, UD);
	}
	EXPECT(EXIT(.reason = EXIT_RDPMC), 77);
	EXPECT_EQ(w->after.event, GP);
	EXPECT(EXIT(.reason = EXIT_ENQCMD), 77);
	EXPECT_EQ(w->after.event, GP);
}

/* What the CPU forbids is #GP, what only the module does not give is #VE. */
TEST(control_registers)
{
	struct { u64 cr, value, event; } moves[] = {
		{ 0, 0x80000001, GP },			/* without NE */
		{ 0, 0x80000020, GP },			/* paging without protection */
		{ 0, 1ull << 32 | 0x80000021, GP },
		{ 0, 0xC0000021, VE }, { 0, 0xA0000021, VE },	/* CD, NW */
		{ 0, 0x00000020, VE },			/* real mode */
		{ 4, 1 << 15, GP }, { 4, 1 << 19, GP }, { 4, 1 << 22, GP }, { 4, 1 << 23, GP },
		{ 4, 1 << 24, GP }, { 4, 1 << 25, GP }, { 4, 1ull << 40, GP },
		{ 4, 0x2000, VE }, { 4, 1 << 14, VE }, { 4, 0, VE },	/* VMXE, SMXE, MCE */
	};
	struct td td;

	td_running(w, &td, 0);
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		EXPECT(EXIT(.reason = EXIT_CR_ACCESS, .qualification = moves[i].cr | RBX << 8,
			    .gpr[RBX] = moves[i].value), 77);
		EXPECT_EQ(w->after.event, moves[i].event);
		EXPECT(TDCALL(VP_VEINFO_GET), 77);
	}
	EXPECT(EXIT(.reason = EXIT_CR_ACCESS, .qualification = 3), 0x600000020000001C);
}

TEST(xsetbv_within_xfam)
{
	struct td td;

	td_running(w, &td, 0);
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

	td_running(w, &td, 0);
	tdcs_of(w, &td)->xfam = 0x1E7;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT(EXIT(.reason = EXIT_XSETBV, .gpr[RAX] = values[i]), 77);
		EXPECT_EQ(w->after.event, GP);
		EXPECT_EQ(w->after.xcr0, 1);
	}
}

TEST(pending_nmi_is_delivered_once)
{
	struct td td;

	td_running(w, &td, 0);
	MUST(CALL(VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PEND_NMI, .r8 = 1, .r9 = 1));
	tdvps_of(w, &td)->guest.nmi_blocked = true;
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0x80000202);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0);
}

/* An exit tells when the guest can take it, and a #VE that it has not asked about comes first. */
TEST(pending_nmi_waits_for_its_window)
{
	struct td td;

	td_running(w, &td, 0);
	MUST(CALL(VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PEND_NMI, .r8 = 1, .r9 = 1));
	tdvps_of(w, &td)->guest.nmi_blocked = true;
	EXPECT(EXIT(.reason = EXIT_NMI_WINDOW), 77);
	EXPECT_EQ(w->after.event, 0x80000202);
	EXPECT_EQ(w->after.nmi_window, false);
	MUST(CALL(VP_WR, .rcx = td.tdvpr, .rdx = MD_VP_PEND_NMI, .r8 = 1, .r9 = 1));
	tdvps_of(w, &td)->ve.valid = true;
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0);
	EXPECT_EQ(w->after.nmi_window, true);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.event, 0x80000202);
}

TEST(state_details_tell_of_a_waiting_interrupt)
{
	struct td td;
	u8 *apic;

	td_running(w, &td, 0);
	apic = at(w, tdvps_of(w, &td)->pages[TDVPS_APIC_PAGE]);
	apic[0xA0] = 0x30;
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .rvi = 0x3F), 1);
	MUST(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_STATE_DETAILS));
	EXPECT_EQ(w->regs.r8, 0);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .rvi = 0x40), 1);
	MUST(CALL(VP_RD, .rcx = td.tdvpr, .rdx = MD_VP_STATE_DETAILS));
	EXPECT_EQ(w->regs.r8, 1);
}
