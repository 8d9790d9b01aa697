// SPDX-License-Identifier: GPL-2.0-only
/* TDCALL: the leaves of the guest. */
#include <openssl/sha.h>

#include "test.h"

#define RESULT (w->after.gpr[RAX])

TEST(tdcall_leaves_that_do_not_exist)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(EXIT(.reason = EXIT_TDCALL, .instruction_length = 4, .code64 = true,
		    .gpr[RAX] = 99), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RAX));
	EXPECT_EQ(w->after.skip, 4);
	EXPECT(EXIT(.reason = EXIT_TDCALL, .code64 = true, .gpr[RAX] = 1 << 16 | TDCALL_VP_INFO), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RAX));
}

TEST(vmcall_shares_what_the_mask_says)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(TDCALL(VP_VMCALL, [RCX] = 0xFFCC, [RDX] = 2, [RBX] = 3, [RSI] = 6, [RDI] = 7,
		      [R8] = 8, [R9] = 9, [R10] = 10, [R11] = 11, [R12] = 12, [R13] = 13,
		      [R14] = 14, [R15] = 15), 77);
	EXPECT_EQ(w->regs.rcx, 0xFFCC);
	EXPECT_EQ(w->regs.rdx, 2);
	EXPECT_EQ(w->regs.rbx, 3);
	EXPECT_EQ(w->regs.rsi, 6);
	EXPECT_EQ(w->regs.rdi, 7);
	EXPECT_EQ(w->regs.r8, 8);
	EXPECT_EQ(w->regs.r15, 15);
	EXPECT(TDCALL(VP_VMCALL, [RCX] = 1 << R10 | 1 << R12, [RBX] = 3, [R10] = 10, [R11] = 11,
		      [R12] = 12), 77);
	EXPECT_EQ(w->regs.r10, 10);
	EXPECT_EQ(w->regs.r11, 0);
	EXPECT_EQ(w->regs.r12, 12);
	EXPECT_EQ(w->regs.rbx, 0);
	/* The answer reaches the same registers, once. */
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr, .r10 = 100, .r11 = 101, .r12 = 102), 77);
	EXPECT_EQ(RESULT, 0);
	EXPECT_EQ(w->after.gpr[RCX], 1 << R10 | 1 << R12);
	EXPECT_EQ(w->after.gpr[R10], 100);
	EXPECT_EQ(w->after.gpr[R11], 11);
	EXPECT_EQ(w->after.gpr[R12], 102);
	EXPECT_EQ(w->after.skip, 4);
}

TEST(vmcall_operands)
{
	static const u64 masks[] = { 1 << RAX, 1 << RCX, 1 << RSP, 1 << RBP, 1ull << 32 };
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		EXPECT(TDCALL(VP_VMCALL, [RCX] = masks[i]), 77);
		EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));
	}
}

TEST(interrupt_between_vmcalls_changes_nothing)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(EXIT(.reason = EXIT_INTERRUPT, .interruption = 0x80000020, .gpr[R10] = 7), 1);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr, .r10 = 100), 77);
	EXPECT_EQ(w->after.gpr[R10], 7);
}

TEST(vp_info)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(TDCALL(VP_INFO), 77);
	EXPECT(RESULT, 0);
	EXPECT_EQ(w->after.gpr[RCX], 48);
	EXPECT_EQ(w->after.gpr[RDX], ATTR_SEPT_VE_DISABLE);
	EXPECT_EQ(w->after.gpr[R8], 1 | 2ull << 32);
	EXPECT_EQ(w->after.gpr[R9], 0);
}

TEST(accept)
{
	struct td td;
	u64 page;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	page = td_aug(w, &td, GPA + PAGE_4K);
	memset(at(w, page), 0xAA, PAGE_4K);
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA + PAGE_4K), 77);
	EXPECT(RESULT, 0);
	EXPECT_EQ(w->after.skip, 4);
	EXPECT_EQ(entry_state(w, &td, GPA + PAGE_4K), 4);
	EXPECT_EQ(*(u64 *)at(w, page), 0);
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA + PAGE_4K), 77);
	EXPECT(RESULT, ST(PAGE_ALREADY_ACCEPTED, 0));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA | 1), 77);
	EXPECT(RESULT, ST(PAGE_SIZE_MISMATCH, 1));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA | 2), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = 1ull << 47), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));
}

TEST(accept_of_what_is_not_there)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA + PAGE_4K), 48);	/* FREE */
	EXPECT_EQ(w->regs.rcx, 2);
	EXPECT_EQ(w->regs.rdx, 1);
	EXPECT_EQ(w->regs.r8, GPA + PAGE_4K);
	td_aug(w, &td, GPA + PAGE_4K);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.skip, 0);		/* the instruction is executed again */
	/* No table: request of 2M, walk ended at level 2, FREE. */
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = (GPA + LEVEL_SIZE(2)) | 1), 48);
	EXPECT_EQ(w->regs.rdx, 1 | (u64)(1 | 2 << 3) << 32);
	/* Blocked while pending. */
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA + PAGE_4K, .rdx = td.tdr));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA + PAGE_4K), 48);
	EXPECT_EQ(w->regs.rdx, 1 | (u64)(3 << 6 | 1 << 14) << 32);
	EXPECT_EQ(entry_state(w, &td, GPA + PAGE_4K), 3);
}

TEST(accept_large)
{
	u64 gpa = GPA + LEVEL_SIZE(1), large;
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	large = new_large_page(w);
	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa | 1, .rdx = td.tdr, .r8 = large));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = gpa | 1), 77);
	EXPECT(RESULT, 0);
	EXPECT_EQ(entry_state(w, &td, gpa | 1), 4);
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = gpa | 1), 77);
	EXPECT(RESULT, ST(PAGE_ALREADY_ACCEPTED, 1));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = gpa + 5 * PAGE_4K), 77);
	EXPECT(RESULT, ST(PAGE_ALREADY_ACCEPTED, 1));
}

/* The host has to demote it, and is told which sizes meet. */
TEST(accept_4k_of_a_large_page_that_waits)
{
	u64 gpa = GPA + LEVEL_SIZE(1), table;
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	table = new_page(w);
	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa | 1, .rdx = td.tdr, .r8 = new_large_page(w)));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = gpa + PAGE_4K), 48);
	EXPECT_EQ(w->regs.rdx, 1 | (u64)(1 << 3 | 2 << 6 | 1 << 14) << 32);
	EXPECT_EQ(w->regs.r8, gpa + PAGE_4K);
	td_block_and_track(w, &td, gpa | 1);
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = gpa + PAGE_4K), 48);
	EXPECT_EQ(w->regs.rdx, 1 | (u64)(1 << 3 | 3 << 6 | 1 << 14) << 32);
	MUST(CALL(MEM_PAGE_DEMOTE, .rcx = gpa | 1, .rdx = td.tdr, .r8 = table));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = gpa + PAGE_4K), 77);
	EXPECT(RESULT, 0);
}

TEST(accept_large_over_a_blocked_table)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA | 1, .rdx = td.tdr));
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA | 1), 77);
	EXPECT(RESULT, ST(PAGE_SIZE_MISMATCH, 1));
}

TEST(accept_meets_a_lock)
{
	struct td td;
	u64 *entries;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	td_aug(w, &td, GPA + PAGE_4K);
	entries = at(w, td.table[2]);
	entries[1] |= SEPT_LOCK;
	EXPECT(TDCALL(MEM_PAGE_ACCEPT, [RCX] = GPA + PAGE_4K), 77);
	EXPECT(RESULT, ST(OPERAND_BUSY, OP_RCX));
	entries[1] &= ~SEPT_LOCK;
	EXPECT_EQ(entry_state(w, &td, GPA + PAGE_4K), 2);
}

static void sha(const void *data, size_t n, u8 digest[48])
{
	SHA384(data, n, digest);
}

TEST(rtmr_extend)
{
	u8 digest[48], both[96] = { 0 };
	struct td td;
	u64 page;

	page = td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	memset(at(w, page), 0x5A, 64);
	EXPECT(TDCALL(MR_RTMR_EXTEND, [RCX] = GPA, [RDX] = 2), 77);
	EXPECT(RESULT, 0);
	memset(both + 48, 0x5A, 48);
	sha(both, sizeof(both), digest);
	EXPECT_EQ(memcmp(tdcs_of(w, &td)->rtmr[2], digest, 48), 0);
	memcpy(both, digest, 48);
	sha(both, sizeof(both), digest);
	EXPECT(TDCALL(MR_RTMR_EXTEND, [RCX] = GPA, [RDX] = 2), 77);
	EXPECT_EQ(memcmp(tdcs_of(w, &td)->rtmr[2], digest, 48), 0);
	EXPECT(TDCALL(MR_RTMR_EXTEND, [RCX] = GPA, [RDX] = 4), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RDX));
	EXPECT(TDCALL(MR_RTMR_EXTEND, [RCX] = GPA + 32, [RDX] = 4), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));		/* the memory comes first */
	EXPECT(TDCALL(MR_RTMR_EXTEND, [RCX] = GPA + 0x5000), 48);
	EXPECT_EQ(w->regs.r8, GPA + 0x5000);
	EXPECT_EQ(w->regs.rcx, 1);
	tdcs_of(w, &td)->rtmr_lock = 1;
	EXPECT(TDCALL(MR_RTMR_EXTEND, [RCX] = GPA), 77);
	EXPECT(RESULT, ST(OPERAND_BUSY, OP_RTMR));
	tdcs_of(w, &td)->rtmr_lock = 0;
}

TEST(report)
{
	const struct td_report *r;
	struct td td;
	u8 digest[48];
	u64 page;

	page = td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	memset(at(w, page + 0x400), 0x77, 64);
	EXPECT(TDCALL(MR_REPORT, [RCX] = GPA, [RDX] = GPA + 0x400), 77);
	EXPECT(RESULT, 0);
	r = at(w, page);
	EXPECT_EQ(r->type[0], 0x81);
	EXPECT_EQ(r->data[63], 0x77);
	EXPECT_EQ(memcmp(r->mac, "softtdx: this is no genuine MAC!", 32), 0);
	EXPECT_EQ(memcmp(r->td.mrtd, tdcs_of(w, &td)->mrtd, 48), 0);
	EXPECT_EQ(r->td.attributes, ATTR_SEPT_VE_DISABLE);
	EXPECT_EQ(r->td.xfam, 3);
	sha(&r->td, sizeof(r->td), digest);
	EXPECT_EQ(memcmp(r->td_info_hash, digest, 48), 0);
	EXPECT(TDCALL(MR_REPORT, [RCX] = GPA + 0x200, [RDX] = GPA), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));
	EXPECT(TDCALL(MR_REPORT, [RCX] = GPA, [RDX] = 1ull << 47), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RDX));
	EXPECT(TDCALL(MR_REPORT, [RCX] = GPA, [RDX] = GPA, [R8] = 1), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_R8));
	EXPECT(TDCALL(MR_REPORT, [RCX] = GPA + 0x5000, [RDX] = GPA), 48);
	EXPECT_EQ(w->regs.rcx, 2);
	tdcs_of(w, &td)->rtmr_lock = LOCK_EXCLUSIVE;
	EXPECT(TDCALL(MR_REPORT, [RCX] = GPA, [RDX] = GPA), 77);
	EXPECT(RESULT, ST(OPERAND_BUSY, OP_RTMR));
	tdcs_of(w, &td)->rtmr_lock = 0;
}

TEST(td_fields_of_the_guest)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(TDCALL(VM_RD, [RDX] = MD_TDCS_ATTRIBUTES), 77);
	EXPECT(RESULT, 0);
	EXPECT_EQ(w->after.gpr[R8], ATTR_SEPT_VE_DISABLE);
	EXPECT(TDCALL(VM_RD, [RDX] = MD_TDCS_ATTRIBUTES + 5), 77);
	EXPECT(RESULT, ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(TDCALL(VM_RD, [RCX] = 1, [RDX] = MD_TDCS_XFAM), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_NOTIFY_ENABLES, [R8] = 1, [R9] = 1), 77);
	EXPECT(RESULT, 0);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_NOTIFY_ENABLES, [R8] = 2, [R9] = 1), 77);
	EXPECT_EQ(w->after.gpr[R8], 1);		/* the value before */
	EXPECT_EQ(tdcs_of(w, &td)->notify_enables, 0);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_XFAM, [R9] = ~0ull), 77);
	EXPECT(RESULT, ST0(METADATA_FIELD_NOT_WRITABLE));
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_XFAM + 7, [R9] = ~0ull), 77);
	EXPECT(RESULT, ST0(METADATA_FIELD_ID_INCORRECT));
	EXPECT(TDCALL(VM_WR, [RCX] = 1, [RDX] = MD_TDCS_XFAM), 77);
	EXPECT(RESULT, ST(OPERAND_INVALID, OP_RCX));
}

TEST(td_fields_one_after_the_other)
{
	struct td td;
	u64 id;
#define VM_RD1(id_) EXIT(.reason = EXIT_TDCALL, .code64 = true,				\
			 .gpr = { [RAX] = 1 << 16 | TDCALL_VM_RD, [RDX] = (id_) })

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(VM_RD1(~0ull), 77);
	EXPECT(RESULT, ST0(METADATA_FIRST_FIELD_ID_IN_CONTEXT));
	id = w->after.gpr[RDX];
	EXPECT(VM_RD1(id), 77);
	EXPECT(RESULT, 0);
	EXPECT_EQ(w->after.gpr[R8], ATTR_SEPT_VE_DISABLE);
	EXPECT_EQ(w->after.gpr[RDX], MD_TDCS_XFAM);
	EXPECT(TDCALL(VM_RD, [RDX] = MD_TD_TSC_OFFSET), 77);
	EXPECT(RESULT, ST0(METADATA_FIELD_NOT_READABLE));
	EXPECT(TDCALL(VM_RD, [RDX] = MD_TDCS_MRTD + 5), 77);
	EXPECT_EQ(w->after.gpr[R8], ((u64 *)tdcs_of(w, &td)->mrtd)[5]);
#undef VM_RD1
}

TEST(tdcall_outside_of_64_bit_mode)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(EXIT(.reason = EXIT_TDCALL, .gpr[RAX] = TDCALL_VP_INFO), 77);
	EXPECT_EQ(w->after.event & 0xFF, VECTOR_GP);
}

TEST(ve_info_that_is_not_there)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	EXPECT(TDCALL(VP_VEINFO_GET, [RDX] = 1, [R8] = 1, [R9] = 1, [R10] = 1), 77);
	EXPECT(RESULT, ST0(NO_VALID_VE_INFO));
	EXPECT_EQ(w->after.gpr[RDX] | w->after.gpr[R8] | w->after.gpr[R9] | w->after.gpr[R10], 0);
}

TEST(flexible_pending_ve)
{
	struct td td;

	td_measured(w, &td, ATTR_SEPT_VE_DISABLE);
	td_aug(w, &td, GPA + PAGE_4K);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_TD_CTLS, [R8] = 0, [R9] = 1), 77);
	EXPECT(RESULT, ST0(METADATA_FIELD_VALUE_NOT_VALID));
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_TD_CTLS, [R8] = 1, [R9] = 1), 77);
	EXPECT(RESULT, 0);		/* the value that it has */
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_TD_CTLS, [R8] = 1, [R9] = 1ull << 40), 77);
	EXPECT(RESULT, ST0(METADATA_FIELD_NOT_WRITABLE));
	tdcs_of(w, &td)->config_flags |= CONFIG_FLEXIBLE_PENDING_VE;
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA + PAGE_4K), 48);
	EXPECT_EQ(w->regs.rdx, 6);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_TD_CTLS, [R8] = 0, [R9] = 1), 77);
	EXPECT(RESULT, 0);
	EXPECT(EXIT(.reason = EXIT_EPT_VIOLATION, .gpa = GPA + PAGE_4K), 77);
	EXPECT_EQ(w->after.event & 0xFF, VECTOR_VE);
}
