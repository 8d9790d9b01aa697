// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O of a TD that an eventfd takes (KVM_IOEVENTFD): KVM signals it inside of the kernel, and the
 * guest goes on without an exit to user space (tdx_emulate_io(), tdx_emulate_mmio() in
 * arch/x86/kvm/vmx/tdx.c).
 */
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest_vm.h"
#include "testcase.h"

#define PORT		0xc080
#define MMIO_GPA	(GPA + 64 * SZ_1G)	/* no slot there */
#define VALUE		0x55667788ULL

struct io {
	u64 function, operand, address;		/* of the guest's TDG.VP.VMCALL */
	u64 gpa;				/* or port, that the eventfd is for */
	u32 length, flags;
	u64 guest_length;
};

static GUEST_DATA struct io io;

/* One write of VALUE; the guest reports R10. */
static GUEST void writes(u64 value)
{
	guest_report(0);
	guest_report(vmcall4(io.function, io.guest_length, 1, io.address, value));
}

static int listen(struct guest_vm *p, const struct io *what, u64 value)
{
	struct kvm_ioeventfd request = {
		.addr = what->gpa, .len = what->length, .flags = what->flags, .datamatch = value,
		.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};

	must(request.fd >= 0, "an eventfd");
	expect_ok(__vm_ioctl(p->vm, KVM_IOEVENTFD, &request), "KVM_IOEVENTFD of 0x%llx, %u bytes",
		  request.addr, request.len);
	return request.fd;
}

static u64 signals(int fd)
{
	u64 count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void taken(const struct test *t)
{
	struct guest_vm p;
	int fd;

	io = *(const struct io *)t->tc->arg;
	p = guest_vm_single(t, writes, VALUE, 0);
	fd = listen(&p, &io, 0);
	guest_wait_value(p.vcpu[0]);
	expect_eq(signals(fd), 0, "signals before the guest's write");
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10, without another exit before it");
	expect_eq(signals(fd), 1, "signals after the guest's write");
}

#define IO(...)		.arg = &(const struct io){ __VA_ARGS__ }, .vm_types = VM_TDX

CASES(taken,
	{ "port", "OUT to the port of an eventfd: a signal, and no exit",
	  IO(VMCALL_IO, 1, PORT, PORT, 4, KVM_IOEVENTFD_FLAG_PIO, 4) },
	{ "mmio", "an MMIO write to the gpa of an eventfd: a signal, and no exit",
	  IO(VMCALL_MMIO, 1, MMIO_GPA | TD_SHARED_BIT, MMIO_GPA, 8, 0, 8) },
	{ "fast_mmio", "an MMIO write to the gpa of an eventfd for any length: a signal, and no exit",
	  IO(VMCALL_MMIO, 1, MMIO_GPA | TD_SHARED_BIT, MMIO_GPA, 0, 0, 2) })

/* Of another value: user space gets the write, the eventfd nothing. */
CASE(other_value, "OUT of another value than the eventfd is for: KVM_EXIT_IO", .vm_types = VM_TDX)
{
	struct guest_vm p;
	int fd;

	io = (struct io){ VMCALL_IO, 1, PORT, PORT, 4,
			  KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH, 4 };
	p = guest_vm_single(t, writes, VALUE, 0);
	fd = listen(&p, &io, VALUE + 1);
	guest_wait_value(p.vcpu[0]);
	expect_exit(p.vcpu[0], KVM_EXIT_IO);
	expect_eq(p.vcpu[0]->run->io.port, PORT, "port");
	expect_eq(signals(fd), 0, "signals");
	expect_eq(guest_wait_value(p.vcpu[0]), VMCALL_SUCCESS, "R10");
}

TEST_MAIN("I/O of a TD that an eventfd takes")
