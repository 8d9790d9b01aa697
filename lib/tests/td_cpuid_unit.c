// SPDX-License-Identifier: GPL-2.0-only
/* The CPUID of a TD's vCPU (KVM_SET_CPUID2) on several hosts. */
#include <errno.h>
#include <linux/kvm_para.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "td.h"
#include "testcase.h"

#define MANY		300
#define NO_INDEX	0xffffffffU

static struct kvm_cpuid_entry2 supported[MANY], set[MANY];
static u32 nr_supported, nr_set;

static int hand_out(struct kvm_cpuid2 *to, const struct kvm_cpuid_entry2 *from, u32 nr)
{
	if (to->nent < nr) {
		errno = E2BIG;
		return -1;
	}
	memcpy(to->entries, from, nr * sizeof(*from));
	to->nent = nr;
	return 0;
}

/* Replaces that of libc: hosts in memory. */
int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_cpuid2 *cpuid;
	va_list list;

	(void)fd;
	va_start(list, request);
	cpuid = va_arg(list, void *);
	va_end(list);
	switch (request) {
	case KVM_GET_SUPPORTED_CPUID:
		return hand_out(cpuid, supported, nr_supported);
	case KVM_MEMORY_ENCRYPT_OP:
		return 0;
	case KVM_SET_CPUID2:
		nr_set = cpuid->nent;
		memcpy(set, cpuid->entries, nr_set * sizeof(set[0]));
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

static void add(struct kvm_cpuid_entry2 *entries, u32 *nr, u32 function, u32 index,
		u32 eax)
{
	entries[(*nr)++] = (struct kvm_cpuid_entry2){ function, index, .eax = eax };
}

static u32 eax_of(u32 function, u32 index)
{
	u32 found = 0, eax = NO_INDEX;

	for (u32 i = 0; i < nr_set; i++) {
		if (set[i].function != function || set[i].index != index)
			continue;
		eax = set[i].eax;
		found++;
	}
	expect_true(found <= 1, "leaf 0x%x, %u is set once (%u)", function, index, found);
	return eax;
}

static void set_for(u32 gpaw)
{
	struct kvm_tdx_init_vm *params;
	struct vm vm = { 0 };
	struct vcpu vcpu = { .vm = &vm };

	params = calloc(1, sizeof(*params) + sizeof(params->cpuid.entries[0]));
	params->cpuid.nent = 1;
	params->cpuid.entries[0] = (struct kvm_cpuid_entry2){ 0x80000008, .eax = gpaw << 16 };
	td_init(&vm, params);
	td_vcpu_set_cpuid(&vcpu);
}

/* A CPU with 5-level EPT and 52 bits, as KVM shows it: 57 linear bits and 46 physical ones. */
static void follows_gpaw(const struct test *t)
{
	const u32 gpaw = t->tc->param;

	add(supported, &nr_supported, 0x80000008, 0, 52 << 16 | 57 << 8 | 46);
	set_for(gpaw);
	expect_eq(eax_of(0x80000008, 0), gpaw << 16 | 57 << 8 | 46, "EAX of leaf 80000008");
}
CASES(follows_gpaw,
	{ "gpaw_48", "52 bits supported, a TD with 48: 48", .param = 48, .plain = true },
	{ "gpaw_52", "52 bits supported, a TD with 52: 52", .param = 52, .plain = true },
)

CASE(no_paravirtual_features, "KVM's features are dropped, other leaves stay",
	.plain = true)
{
	add(supported, &nr_supported, 4, 0, 40);
	add(supported, &nr_supported, 4, 1, 41);
	add(supported, &nr_supported, 0x40000000, 0, KVM_CPUID_FEATURES);
	add(supported, &nr_supported, KVM_CPUID_FEATURES, 0, ~0U);
	set_for(48);
	expect_eq(eax_of(4, 0), 40, "leaf 4, 0");
	expect_eq(eax_of(4, 1), 41, "leaf 4, 1");
	expect_eq(eax_of(0x40000000, 0), KVM_CPUID_FEATURES, "KVM's first leaf");
	expect_eq(eax_of(KVM_CPUID_FEATURES, 0), 0, "KVM's features");
}

TEST_MAIN("CPUID of a TD's vCPU")
