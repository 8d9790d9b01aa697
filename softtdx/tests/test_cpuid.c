// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID and MSRs that the module answers to a guest. The CPU of these tests says that it has
 * everything (world.c).
 */
#include "test.h"

#define OSXSAVE	(1u << 27)
#define AVX	(1u << 28)

static struct cpuid_value cpuid(struct world *w, const struct td *td, u32 leaf, u32 subleaf)
{
	struct tdvps *vps = at(w, td->tdvpr);
	struct softtdx_guest act = { .reason = EXIT_CPUID, .instruction_length = 2,
				     .cr4 = vps->guest.cr4 };

	act.gpr[RAX] = leaf | 0xFFFFFFFF00000000;	/* upper halves do not count */
	act.gpr[RCX] = subleaf;
	EXPECT(world_enter(w, td->tdvpr, act), 77);
	EXPECT_EQ(w->after.event, 0);
	EXPECT_EQ(w->after.skip, 2);
	return (struct cpuid_value){ (u32)w->after.gpr[RAX], (u32)w->after.gpr[RBX],
				     (u32)w->after.gpr[RCX], (u32)w->after.gpr[RDX] };
}

TEST(cpuid_of_a_td)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 0, 0).eax, 0x23);
	EXPECT_EQ(cpuid(w, &td, 0x80000000, 0).eax, 0x80000008);
	EXPECT_EQ(cpuid(w, &td, 0x21, 0).ebx, 0x65746E49);
	EXPECT_EQ(cpuid(w, &td, 0x21, 0).edx, 0x5844546C);
	EXPECT_EQ(cpuid(w, &td, 0x21, 0).ecx, 0x20202020);
	EXPECT_EQ(cpuid(w, &td, 0x15, 0).ebx, 100);
	EXPECT_EQ(cpuid(w, &td, 0x15, 0).ecx, 25000000);
	EXPECT_EQ(cpuid(w, &td, 0x80000008, 0).eax, 0x30FF);
	EXPECT_EQ(cpuid(w, &td, 5, 0).edx, 0);		/* no MWAIT */
	EXPECT_EQ(cpuid(w, &td, 0x80000007, 9).edx, 0x100);
	/* Beyond the maxima a leaf is the highest basic one. */
	EXPECT_EQ(cpuid(w, &td, 0x24, 1).eax, cpuid(w, &td, 0x23, 1).eax);
	EXPECT_EQ(cpuid(w, &td, 0x24, 1).eax, ~0u);
	EXPECT_EQ(cpuid(w, &td, 0x80000009, 2).eax, 0);
	EXPECT_EQ(cpuid(w, &td, 0x50000000, 1).eax, ~0u);
}

TEST(cpuid_of_the_creator)
{
	struct td td;

	struct td_params *p = default_params(w);

	p->cpuid[0].ebx = 0x10000;
	p->cpuid[0].ecx = 1 << 24;	/* TSC deadline: only if allowed */
	p->cpuid[2].eax = 5;
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 1, 77).eax, WORLD_FMS);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ebx, 0x0701FF00);	/* with the x2APIC ID */
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx >> 24 & 1, 1);
	EXPECT_EQ(cpuid(w, &td, 4, 1).eax, 5);
	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx >> 24 & 1, 0);
}

/* The first vCPU starts with the platform's family, model and stepping, come what may. */
TEST(initial_edx_is_native)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT(CALL(VP_ENTER, .rcx = td.tdvpr), 77);
	EXPECT_EQ(w->after.gpr[RDX], WORLD_FMS);
}

TEST(cpuid_that_the_guest_wants_to_hear_of)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT(TDCALL(VP_CPUIDVE_SET, [RCX] = 4), 77);
	EXPECT(w->after.gpr[RAX], ST(OPERAND_INVALID, OP_RCX));
	EXPECT(TDCALL(VP_CPUIDVE_SET, [RCX] = 2), 77);
	EXPECT(w->after.gpr[RAX], 0);
	EXPECT_EQ(cpuid(w, &td, 1, 0).eax, WORLD_FMS);
	EXPECT(EXIT(.reason = EXIT_CPUID, .gpr[RAX] = 1, .cpl = 3), 77);
	EXPECT_EQ(w->after.event, VE);
}

TEST(cpuid_features)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & (1u << 31 | 1u << 24 | 1u << 21), 0x80200000);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & (1u << 3 | 1u << 5), 0);	/* MONITOR, VMX */
	EXPECT_EQ(cpuid(w, &td, 7, 0).ebx & (1u << 1 | 1u << 2), 0);	/* TSC_ADJUST, SGX */
	EXPECT_EQ(cpuid(w, &td, 7, 0).ecx & (1u << 23 | 1u << 31), 0);	/* key locker, PKS */
	EXPECT_EQ(cpuid(w, &td, 7, 0).edx >> 26 & 9, 9);	/* SPEC_CTRL, ARCH_CAPABILITIES */
	EXPECT_EQ(cpuid(w, &td, 7, 1).edx, 0);
	EXPECT_EQ(cpuid(w, &td, 0xA, 0).eax, 0);		/* no performance monitoring */
	EXPECT_EQ(cpuid(w, &td, 0x14, 0).eax, 0);
	EXPECT_EQ(cpuid(w, &td, 0x80000001, 0).edx & 1u << 11, 0);	/* not in 64-bit mode */
}

TEST(cpuid_follows_xfam)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & AVX, 0);
	EXPECT_EQ(cpuid(w, &td, 7, 0).ebx & 1 << 5, 0);		/* AVX2 */
	EXPECT_EQ(cpuid(w, &td, 7, 0).ecx & 0x618, 0);		/* VPCLMUL, VAES, PKU */
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).eax, 3);
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).ecx, 576);
	EXPECT_EQ(cpuid(w, &td, 0xD, 2).eax, 0);
	default_params(w)->xfam = 0x207;
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & AVX, 0);		/* not allowed by the creator */
	default_params(w)->xfam = 0x207;
	((struct td_params *)at(w, PARAMS))->cpuid[0].ecx = AVX;
	((struct td_params *)at(w, PARAMS))->cpuid[5].ecx = 0x600;
	td_of_params(w, &td, 1);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & AVX, AVX);
	EXPECT_EQ(cpuid(w, &td, 7, 0).ecx & 0x618, 0x608);
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).eax, 0x207);
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).ecx, 576 + 7 * 256 + 100);	/* the end of the last */
	EXPECT_EQ(cpuid(w, &td, 0xD, 2).ebx, 576);
}

TEST(cpuid_follows_the_vcpu)
{
	struct tdvps *vps;
	struct td td;

	default_params(w)->xfam = 0x207;
	td_of_params(w, &td, 1);
	vps = at(w, td.tdvpr);
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & OSXSAVE, 0);
	EXPECT_EQ(cpuid(w, &td, 7, 0).ecx & 0x10, 0);
	vps->guest.cr4 = 1u << 18 | 1u << 22;
	EXPECT_EQ(cpuid(w, &td, 1, 0).ecx & OSXSAVE, OSXSAVE);
	vps->guest.cr4 = 1u << 18 | 1u << 22;
	EXPECT_EQ(cpuid(w, &td, 7, 0).ecx & 0x10, 0x10);
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).ebx, 576);
	vps->guest.xcr0 = 7;
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).ebx, 576 + 100);
}

/* Components follow each other, some from the next 64 bytes on. */
TEST(cpuid_of_the_compacted_form)
{
	struct tdvps *vps;
	struct td td;

	default_params(w)->xfam = 0x1A07;
	td_of_params(w, &td, 1);
	vps = at(w, td.tdvpr);
	EXPECT_EQ(cpuid(w, &td, 0xD, 1).eax, 0xF);
	EXPECT_EQ(cpuid(w, &td, 0xD, 1).ecx, 0x1800);
	vps->guest.xcr0 = 7;
	vps->guest.xss = 1u << 11;
	EXPECT_EQ(cpuid(w, &td, 0xD, 1).ebx, 576 + 128 + 100);
	EXPECT_EQ(cpuid(w, &td, 0xD, 0).ebx, 576 + 100);
}

TEST(cpuid_that_the_host_answers)
{
	static const u32 leaves[] = { 2, 6, 9, 0xB, 0x10, 0x16, 0x17, 0x1A, 0x1B, 0x1F, 0x40000000,
				      0x4FFFFFFF, 0x80000002, 0x80000004, 0x80000005, 0x80000006 };
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		EXPECT(EXIT(.reason = EXIT_CPUID, .gpr[RAX] = leaves[i]), 77);
		EXPECT_EQ(w->after.event, VE);
		EXPECT(TDCALL(VP_VEINFO_GET), 77);
	}
}

TEST(topology)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 1);
	EXPECT(TDCALL(VM_RD, [RDX] = MD_TDCS_TOPOLOGY_CONFIGURED), 77);
	EXPECT_EQ(w->after.gpr[R8], 1);
	EXPECT(EXIT(.reason = EXIT_RDMSR, .gpr[RCX] = 0x802), 77);
	EXPECT_EQ(w->after.event, VE);
	EXPECT(TDCALL(VP_VEINFO_GET), 77);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_TD_CTLS, [R8] = 2, [R9] = 2), 77);
	EXPECT_EQ(w->after.gpr[RAX], 0);
	EXPECT_EQ(cpuid(w, &td, 0xB, 0).ebx, 1);
	EXPECT_EQ(cpuid(w, &td, 0xB, 0).ecx, 0x100);
	EXPECT_EQ(cpuid(w, &td, 0x1F, 1).eax, 10);
	EXPECT_EQ(cpuid(w, &td, 0x1F, 1).ebx, 1);
	EXPECT_EQ(cpuid(w, &td, 0x1F, 1).ecx, 0x201);
	EXPECT_EQ(cpuid(w, &td, 0x1F, 2).ecx, 2);
	EXPECT_EQ(cpuid(w, &td, 0x1F, 2).edx, 7);
	EXPECT(EXIT(.reason = EXIT_RDMSR, .instruction_length = 2, .gpr[RCX] = 0x802), 77);
	EXPECT_EQ(w->after.gpr[RAX], 7);
	EXPECT_EQ(w->after.skip, 2);
}

TEST(topology_not_configured)
{
	struct td td;

	default_params(w);
	td_of_params(w, &td, 0);
	EXPECT(TDCALL(VM_RD, [RDX] = MD_TDCS_TOPOLOGY_CONFIGURED), 77);
	EXPECT_EQ(w->after.gpr[R8], 0);
	EXPECT(TDCALL(VM_WR, [RDX] = MD_TDCS_TD_CTLS, [R8] = 2, [R9] = 2), 77);
	EXPECT_EQ(w->after.gpr[RAX], ST0(METADATA_FIELD_VALUE_NOT_VALID));
	EXPECT_EQ(cpuid(w, &td, 1, 0).ebx >> 24, 0);
}
