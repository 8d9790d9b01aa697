// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_GET_CPUID: what the TDX module composed of the CPU, the XFAM and the bits that user
 * space configured.  It has to be what CPUID returns in the TD, whatever is configured: a VMM
 * builds the vCPUs' CPUID of it.
 */
#include <cpuid.h>
#include <stdlib.h>

#include "guest_vm.h"
#include "td.h"
#include "testcase.h"

#define MANY_CPUID	256		/* KVM_MAX_CPUID_ENTRIES */
#define REGISTERS	4		/* EAX, EBX, ECX, EDX: in this order in an entry */

static struct kvm_cpuid2 *cpuid_room(u32 nr)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + nr * sizeof(cpuid->entries[0]));

	cpuid->nent = nr;
	return cpuid;
}

static struct kvm_cpuid2 *cpuid_of(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = cpuid_room(MANY_CPUID);

	expect_ok(__td_cmd(vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)cpuid, NULL),
		  "KVM_TDX_GET_CPUID");
	return cpuid;
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid, u32 function, u32 index)
{
	for (u32 i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	test_failed(__FILE__, __LINE__, "CPUID of the TD",
		    strf("an entry of leaf 0x%x.%u", function, index),
		    strf("%u entries without", cpuid->nent));
}

CASE(get_cpuid, "KVM_TDX_GET_CPUID of a TD", .vm_types = VM_TDX)
{
	struct kvm_cpuid2 *cpuid = cpuid_of(td_vcpu(td_create()));

	expect_true(cpuid->nent > 1, "the TD has CPUID leaves (%u)", cpuid->nent);
	expect_eq(cpuid->entries[0].function, 0, "first leaf");
	measure("cpuid_leaves", cpuid->nent);
}

CASE(get_cpuid_no_room, "KVM_TDX_GET_CPUID with too little room: E2BIG, and how much is needed",
	.vm_types = VM_TDX)
{
	struct vcpu *vcpu = td_vcpu(td_create());
	struct kvm_cpuid2 *cpuid = cpuid_room(1);

	expect_errno(__td_cmd(vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)cpuid, NULL), E2BIG,
		     "room for one entry");
	expect_true(cpuid->nent > 1, "nent is the number that is needed (%u)", cpuid->nent);
}

#define XFAM_X87_SSE	3u
#define LEAF_1_AVX	(1u << 28 | 1u << 12 | 1u << 29)	/* AVX, FMA, F16C: in ECX */
#define LEAF_1_FMS	0x0FFF3FFFu

/* The module derives these bits from the CPU and the XFAM. */
CASE(get_cpuid_composed, "KVM_TDX_GET_CPUID: family, model, stepping of the host, AVX by XFAM",
	.vm_types = VM_TDX)
{
	struct vm *with = td_vm(), *without = td_vm();
	struct kvm_tdx_init_vm *params = td_params(with);
	const struct kvm_cpuid_entry2 *seen;
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	expect_ok(__td_init(with, params, NULL), "KVM_TDX_INIT_VM");
	seen = find(cpuid_of(td_vcpu(with)), 1, 0);
	expect_eq(seen->eax & LEAF_1_FMS, eax & LEAF_1_FMS, "family, model and stepping");
	if (params->xfam & 4)
		expect_eq(seen->ecx & LEAF_1_AVX, ecx & LEAF_1_AVX, "AVX, FMA and F16C");

	params = td_params(without);
	params->xfam = XFAM_X87_SSE;
	expect_ok(__td_init(without, params, NULL), "KVM_TDX_INIT_VM with x87 and SSE only");
	expect_eq(find(cpuid_of(td_vcpu(without)), 1, 0)->ecx & LEAF_1_AVX, 0,
		  "AVX, FMA and F16C without AVX state");
}

/* Which leaves the guest asks its CPU about. */
static GUEST_DATA struct { u32 function, index; } asked[MANY_CPUID] = { { 1, 0 } };

static GUEST void executes_cpuid(u64 nr)
{
	for (u64 i = 0; i < nr; i++) {
		u32 eax = asked[i].function, ebx, ecx = asked[i].index, edx;

		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		guest_report(eax | (u64)ebx << 32);
		guest_report(ecx | (u64)edx << 32);
	}
}

/* Without what follows from the state of the vCPU, and the GPAW, which KVM adds. */
static struct kvm_cpuid_entry2 constant_part(struct kvm_cpuid_entry2 e)
{
	if (e.function == 1) {
		e.ebx &= ~0xff000000;		/* x2APIC ID */
		e.ecx &= ~(1U << 27);		/* OSXSAVE */
	}
	if (e.function == 7 && !e.index)
		e.ecx &= ~(1U << 4);		/* OSPKE */
	if (e.function == 0xd && e.index < 2)
		e.ebx = 0;			/* bytes for XCR0, and for XSS */
	if (e.function == 0x80000001)
		e.edx &= ~(1U << 11);		/* SYSCALL */
	if (e.function == 0x80000008)
		e.eax &= ~0xff0000U;
	return e;
}

CASE(as_the_guest_sees_it, "each leaf of KVM_TDX_GET_CPUID is what CPUID returns in a TD",
	.vm_types = VM_TDX)
{
	/* KVM answers before KVM_TDX_FINALIZE_VM only: of a TD with the same parameters. */
	struct kvm_cpuid2 *cpuid = cpuid_of(td_vcpu(td_create()));
	struct guest_vm p;

	for (u32 i = 0; i < cpuid->nent; i++) {
		asked[i].function = cpuid->entries[i].function;
		asked[i].index = cpuid->entries[i].index;
	}
	p = guest_vm_single(t, executes_cpuid, cpuid->nent, 0);
	for (u32 i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 told = constant_part(cpuid->entries[i]);
		struct kvm_cpuid_entry2 seen = cpuid->entries[i];
		u64 low = guest_wait_value(p.vcpu[0]), high = guest_wait_value(p.vcpu[0]);

		seen.eax = low;
		seen.ebx = low >> 32;
		seen.ecx = high;
		seen.edx = high >> 32;
		seen = constant_part(seen);
		expect_eq(told.eax, seen.eax, "EAX of leaf 0x%x.%u", told.function, told.index);
		expect_eq(told.ebx, seen.ebx, "EBX of leaf 0x%x.%u", told.function, told.index);
		expect_eq(told.ecx, seen.ecx, "ECX of leaf 0x%x.%u", told.function, told.index);
		expect_eq(told.edx, seen.edx, "EDX of leaf 0x%x.%u", told.function, told.index);
	}
	measure("cpuid_leaves", cpuid->nent);
}

/*
 * Sets of configurable bits, of which each bit has a number: none, all, and for each binary
 * digit of the number those that have it and those that do not.  So any two bits are apart in
 * some set, and each is set and clear in some.
 */
enum { NO_BIT, ALL_BITS, BY_DIGIT };

static bool in_set(unsigned int number, unsigned int set)
{
	if (set < BY_DIGIT)
		return set == ALL_BITS;
	return (number >> (set - BY_DIGIT) / 2 & 1) == set % 2;
}

/* EAX of these holds values, family, model and stepping and the GPAW, not bits. */
static u32 bits_of(const struct kvm_cpuid_entry2 *e, int reg)
{
	if (!reg && (e->function == 1 || e->function == 0x80000008))
		return 0;
	return (&e->eax)[reg];
}

/* HLE and RTM go together: one number for both. */
static bool shares_number(const struct kvm_cpuid_entry2 *e, int reg, int bit)
{
	return e->function == 7 && !e->index && reg == 1 && bit == 11;
}

typedef void bit_fn(void *arg, u32 entry, int reg, int bit, u32 number);

/* Calls @fn for each configurable bit with its number; returns how many numbers there are. */
static unsigned int walk_bits(const struct kvm_cpuid2 *can, bit_fn *fn, void *arg)
{
	unsigned int nr = 0, hle = 0;

	for (u32 i = 0; i < can->nent; i++)
		for (int reg = 0; reg < REGISTERS; reg++)
			for (int bit = 0; bit < 32; bit++) {
				const struct kvm_cpuid_entry2 *e = &can->entries[i];

				if (!(bits_of(e, reg) >> bit & 1))
					continue;
				if (e->function == 7 && !e->index && reg == 1 && bit == 4)
					hle = nr;
				fn(arg, i, reg, bit, shares_number(e, reg, bit) ? hle : nr++);
			}
	return nr;
}

struct scene {
	const struct kvm_cpuid2 *can;		/* of KVM_TDX_CAPABILITIES */
	unsigned int set;
	struct kvm_tdx_init_vm *params;		/* of a TD with the bits of the set */
	const struct kvm_cpuid2 *seen;
};

static void configure(void *arg, u32 entry, int reg, int bit, u32 number)
{
	struct scene *s = arg;
	u32 *value = &(&s->params->cpuid.entries[entry].eax)[reg];

	*value &= ~(1U << bit);
	*value |= (u32)in_set(number, s->set) << bit;
}

static u32 seen_bit(const struct scene *s, u32 entry, int reg, int bit)
{
	const struct kvm_cpuid_entry2 *e = &s->can->entries[entry];

	return (&find(s->seen, e->function, e->index)->eax)[reg] >> bit & 1;
}

static void check(void *arg, u32 entry, int reg, int bit, u32 number)
{
	static const char *const names[] = { "EAX", "EBX", "ECX", "EDX" };
	struct scene *s = arg;
	const struct kvm_cpuid_entry2 *e = &s->can->entries[entry];

	expect_eq(seen_bit(s, entry, reg, bit), in_set(number, s->set), "CPUID 0x%x.%u %s bit %d",
		  e->function, e->index, names[reg], bit);
}

static void build(struct scene *s, unsigned int set)
{
	struct vm *vm = td_vm();

	s->set = set;
	s->params = td_params(vm);
	walk_bits(s->can, configure, s);
	td_init(vm, s->params);
	s->seen = cpuid_of(td_vcpu_create(vm));
}

static void count_only(void *arg, u32 entry, int reg, int bit, u32 number)
{
	(void)arg, (void)entry, (void)reg, (void)bit, (void)number;
}

/* Hardware may refuse a combination of bits that no CPU has: softtdx refuses none but TSX's. */
CASE(each_configurable_bit, "KVM_TDX_GET_CPUID: each configurable bit is as it was configured",
	.vm_types = VM_TDX, .needs_softtdx = true, .time_limit_s = 60)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MANY_CPUID);
	struct scene s = { .can = &caps->cpuid };
	unsigned int bits, sets = BY_DIGIT;

	expect_ok(__td_capabilities(td_vm(), caps), "KVM_TDX_CAPABILITIES");
	bits = walk_bits(s.can, count_only, NULL);
	expect_true(bits > 100, "many bits are configurable (%u)", bits);
	for (unsigned int rest = bits - 1; rest; rest >>= 1)
		sets += 2;
	for (unsigned int set = 0; set < sets; set++) {
		build(&s, set);
		walk_bits(s.can, check, &s);
	}
	measure("configurable_bits", bits);
}

static struct kvm_cpuid_entry2 *configured(struct kvm_tdx_init_vm *params, u32 function)
{
	for (u32 i = 0; i < params->cpuid.nent; i++)
		if (params->cpuid.entries[i].function == function && !params->cpuid.entries[i].index)
			return &params->cpuid.entries[i];
	test_skip("needs a TDX module that lets user space configure CPUID leaf %u", function);
}

/* KVM does not switch the state behind them: it refuses them, whatever the module allows. */
CASE(unsupported, "KVM_TDX_INIT_VM with HLE, RTM or WAITPKG: EINVAL", .vm_types = VM_TDX)
{
	static const struct { const char *name; u32 ebx, ecx; } features[] = {
		{ "HLE", .ebx = 1U << 4 }, { "RTM", .ebx = 1U << 11 }, { "WAITPKG", .ecx = 1U << 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct vm *vm = td_vm();
		struct kvm_tdx_init_vm *params = td_params(vm);
		struct kvm_cpuid_entry2 *leaf_7 = configured(params, 7);

		leaf_7->ebx |= features[i].ebx;
		leaf_7->ecx |= features[i].ecx;
		expect_errno(__td_init(vm, params, NULL), EINVAL, "KVM_TDX_INIT_VM with %s",
			     features[i].name);
		leaf_7->ebx &= ~features[i].ebx;
		leaf_7->ecx &= ~features[i].ecx;
		expect_ok(__td_init(vm, params, NULL), "KVM_TDX_INIT_VM without %s", features[i].name);
	}
}

TEST_MAIN("the CPUID of a TD")
