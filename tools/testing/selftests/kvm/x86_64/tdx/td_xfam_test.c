// SPDX-License-Identifier: GPL-2.0-only
/*
 * XFAM, the extended features that a TD gets: each variant that the host supports is what CPUID
 * says in the TD and what XCR0 takes, and nothing of it stays in the host; all others are refused,
 * what KVM does not support by KVM, and groups that are not whole by the TDX module.
 */
#include "guest_vm.h"
#include "td.h"
#include "testcase.h"

#define XFAM(bit)	(1ULL << (bit))
#define LEGACY		(XFAM(0) | XFAM(1))	/* x87 and SSE, which each TD has */
#define AVX		XFAM(2)
#define AVX512		(XFAM(5) | XFAM(6) | XFAM(7))
#define CET		(XFAM(11) | XFAM(12))
#define AMX		(XFAM(17) | XFAM(18))
/* Of IA32_XSS, not of XCR0: PT, CET, user interrupts, LBR. */
#define XSS		(XFAM(8) | CET | XFAM(14) | XFAM(15))
#define CR4_OSXSAVE	(1UL << 18)

/* Features that come together. */
static const u64 groups[] = { AVX, AVX512, XFAM(8), XFAM(9), CET, XFAM(14), XFAM(15), AMX };

static u64 supported(void)
{
	struct vm *vm = td_vm();
	struct kvm_tdx_init_vm *params = td_params(vm);
	u64 xfam = params->xfam;

	vm_close(vm);
	return xfam;
}

static u64 wanted_xfam;

static void want(struct kvm_tdx_init_vm *params)
{
	params->xfam = wanted_xfam;
}

static GUEST u64 cpuid_pair(u32 subleaf, bool high_and_ecx)
{
	u32 a = 0xd, b, c = subleaf, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return (u64)d << 32 | (high_and_ecx ? c : a);
}

static GUEST u64 read_xcr0(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

static GUEST void write_xcr0(u64 value)
{
	asm volatile("xsetbv" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(0));
}

/* Reports what the TD can have in XCR0 and IA32_XSS, and XCR0 with all of it. */
static GUEST void uses_all(u64 arg)
{
	u64 cr4, can = cpuid_pair(0, false);

	(void)arg;
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
	guest_report(can);
	guest_report(cpuid_pair(1, true));
	write_xcr0(can);
	guest_report(read_xcr0());
}

static u64 host_xcr0(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

static void expect_variant(const struct test *t, u64 xfam)
{
	u64 host = host_xcr0(), has = xfam | LEGACY;
	struct guest_vm p;

	test_context("XFAM 0x%llx", xfam);
	wanted_xfam = xfam;
	p = guest_vm_create(t, (struct guest_vm_config){ .fn = { uses_all }, .params = want });
	expect_eq(guest_wait_value(p.vcpu[0]), has & ~XSS, "CPUID D.0: what XCR0 can have");
	expect_eq(guest_wait_value(p.vcpu[0]), has & XSS, "CPUID D.1: what IA32_XSS can have");
	expect_eq(guest_wait_value(p.vcpu[0]), has & ~XSS, "XCR0 of the TD");
	guest_wait_done(p.vcpu[0]);
	expect_eq(host_xcr0(), host, "XCR0 of the host afterwards");
	guest_vm_close(&p);
	test_context("%s", "");
}

/* The group alone, with what it needs. */
static u64 alone(u64 group)
{
	return LEGACY | group | (group == AVX512 ? AVX : 0);
}

/* All but the group, and but what needs it. */
static u64 without(u64 all, u64 group)
{
	return all & ~group & ~(group == AVX ? AVX512 : 0);
}

CASE(each_variant, "each XFAM that the host supports: the TD has it, just that, and the host keeps its own",
	.vm_types = VM_TDX, .time_limit_s = 60)
{
	u64 all = supported();
	unsigned int variants = 3;

	expect_variant(t, all);
	expect_variant(t, LEGACY);
	expect_variant(t, 0);	/* KVM adds what each TD has */
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if ((all & groups[i]) != groups[i])
			continue;
		expect_variant(t, alone(groups[i]));
		expect_variant(t, without(all, groups[i]));
		variants += 2;
	}
	measure("variants", variants);
}

/* KVM_TDX_INIT_VM with this XFAM: EINVAL; does the TDX module refuse it, or KVM? */
static void expect_refused(u64 xfam, bool by_module)
{
	struct vm *vm = td_vm();
	struct kvm_tdx_init_vm *params = td_params(vm);
	u64 hw_error;

	params->xfam = xfam;
	expect_errno(__td_init(vm, params, &hw_error), EINVAL, "KVM_TDX_INIT_VM with XFAM 0x%llx",
		     xfam);
	expect_eq(hw_error != 0, by_module, "XFAM 0x%llx is refused by the TDX module (hw_error 0x%llx)",
		  xfam, hw_error);
	vm_close(vm);
}

CASE(unsupported, "each bit that is not supported: EINVAL, by KVM", .vm_types = VM_TDX)
{
	u64 all = supported();
	unsigned int refused = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		if (all & XFAM(bit))
			continue;
		expect_refused(LEGACY | XFAM(bit), false);
		refused++;
	}
	measure("attempts", refused);
}

CASE(part_of_group, "a part of AVX-512, CET or AMX, or AVX-512 without AVX: EINVAL and hw_error",
	.vm_types = VM_TDX)
{
	u64 all = supported();
	unsigned int refused = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		u64 rest = (all & groups[i]) == groups[i] ? groups[i] : 0;

		for (u64 bit = rest & -rest; rest && bit != groups[i]; bit = rest & -rest) {
			expect_refused(alone(groups[i]) & ~bit, true);
			rest &= ~bit;
			refused++;
		}
	}
	if ((all & AVX512) == AVX512) {
		expect_refused(LEGACY | AVX512, true);
		refused++;
	}
	if (!refused)
		test_skip("needs a CPU with AVX-512, CET or AMX");
	measure("attempts", refused);
}

TEST_MAIN("XFAM: the extended features of a TD")
