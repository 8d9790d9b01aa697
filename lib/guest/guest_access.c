// SPDX-License-Identifier: GPL-2.0-only
/* Real-mode code with segments whose bases are the gpas of interest. */
#include <string.h>
#include <sys/ioctl.h>

#include "guest_access.h"
#include "testcase.h"

#define CODE_GPA	0x10000
#define DONE_PORT	0x5a

static const u8 code[][8] = {
	[ACCESS_READ]	= { 0xa0, 0, 0,			/* mov al, [0] */
			    0xe6, DONE_PORT },		/* out DONE_PORT, al */
	[ACCESS_WRITE]	= { 0xa2, 0, 0,			/* mov [0], al */
			    0xe6, DONE_PORT },
};

void guest_access_create(struct vcpu *vcpu)
{
	struct mem *mem = mem_populated(MEM_ANON, SZ_4K, NULL);

	memcpy(mem->hva, code, sizeof(code));
	slot_add(vcpu->vm, CODE_GPA, mem);
}

void guest_access_put_code(void *hva, u8 value)
{
	const u8 say[] = { 0xb0, value,		/* mov al, value */
				0xe6, DONE_PORT };

	memcpy(hva, say, sizeof(say));
}

void guest_access_prepare(struct vcpu *vcpu, u64 gpa, enum access how, u8 value)
{
	struct kvm_regs regs = { .rflags = 2, .rax = value };
	struct kvm_sregs sregs;

	/* Let KVM finish the access before, if that was MMIO. */
	vcpu->run->immediate_exit = 1;
	expect_errno(ioctl(vcpu->fd, KVM_RUN, NULL), EINTR, "KVM_RUN with immediate_exit");
	vcpu->run->immediate_exit = 0;

	expect_ok(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = how == ACCESS_EXEC ? gpa : CODE_GPA + how * sizeof(code[0]);
	sregs.ds.base = gpa;
	expect_ok(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	expect_ok(ioctl(vcpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

int __guest_access(struct vcpu *vcpu, u64 gpa, enum access how, u8 value)
{
	guest_access_prepare(vcpu, gpa, how, value);
	return ioctl(vcpu->fd, KVM_RUN, NULL);
}

u8 guest_access(struct vcpu *vcpu, u64 gpa, enum access how, u8 value)
{
	struct kvm_run *run = vcpu->run;

	expect_ok(__guest_access(vcpu, gpa, how, value), "KVM_RUN: access to gpa 0x%llx",
		  gpa);
	expect_eq(run->exit_reason, KVM_EXIT_IO, "exit after the access to gpa 0x%llx",
		  gpa);
	expect_eq(run->io.port, DONE_PORT, "port that the guest writes to");
	return *((u8 *)run + run->io.data_offset);
}
