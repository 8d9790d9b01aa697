// SPDX-License-Identifier: GPL-2.0-only
/* The CPUID of a TD's vCPU (KVM_SET_CPUID2): the TD's own, whatever KVM supports. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "td.h"
#include "testcase.h"

#define MANY	250

static struct kvm_cpuid_entry2 of_td[MANY], set[MANY];
static u32 nr_of_td, nr_set;

/* Replaces that of libc: a TD in memory. */
int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_tdx_cmd *cmd;
	struct kvm_cpuid2 *cpuid;
	va_list list;

	(void)fd;
	va_start(list, request);
	cmd = va_arg(list, void *);
	va_end(list);
	cpuid = request == KVM_MEMORY_ENCRYPT_OP ? (void *)(uintptr_t)cmd->data : (void *)cmd;
	switch (request) {
	case KVM_MEMORY_ENCRYPT_OP:
		expect_eq(cmd->id, KVM_TDX_GET_CPUID, "command");
		expect_true(cpuid->nent >= nr_of_td, "room for %u entries (%u)", nr_of_td,
			    cpuid->nent);
		memcpy(cpuid->entries, of_td, nr_of_td * sizeof(of_td[0]));
		cpuid->nent = nr_of_td;
		return 0;
	case KVM_SET_CPUID2:
		nr_set = cpuid->nent;
		memcpy(set, cpuid->entries, nr_set * sizeof(set[0]));
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

CASE(as_the_td_says, "all entries of KVM_TDX_GET_CPUID, unchanged", .plain = true)
{
	struct vm vm = { 0 };
	struct vcpu vcpu = { .vm = &vm };

	for (nr_of_td = 0; nr_of_td < MANY; nr_of_td++)
		of_td[nr_of_td] = (struct kvm_cpuid_entry2){
			.function = nr_of_td / 4, .index = nr_of_td % 4,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = nr_of_td * 3,
		};
	of_td[MANY - 1] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 48 << 16 };
	td_vcpu_set_cpuid(&vcpu);
	expect_eq(nr_set, MANY, "entries of KVM_SET_CPUID2");
	expect_true(!memcmp(set, of_td, sizeof(set)), "each is the TD's");
}

TEST_MAIN("CPUID of a TD's vCPU")
