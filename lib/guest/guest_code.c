// SPDX-License-Identifier: GPL-2.0-only
/* Code that runs in guests. */
#include "guest/guest_image.h"
#include "guest_vm.h"

#define VMCALL_MASK	0xfc00		/* R10 to R15 */
#define VECTOR_VE	20
#define X2APIC_EOI	0x80b
#define X2APIC_SVR	0x80f

GUEST_DATA struct guest_setup guest_setup = { .is_td = 1 };
GUEST_DATA u64 (*guest_on_ve)(const struct guest_ve *ve) = (void *)0;
static GUEST_DATA volatile u64 irqs[GUEST_VM_VCPUS];

/* What the entries in guest_boot.S leave on the stack. */
struct exception_frame {
	u64 saved[15];
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

GUEST u64 vmcall(struct tdcall_regs *r)
{
	r->rax = TDG_VP_VMCALL;
	r->rcx = VMCALL_MASK;
	tdcall(r);
	return r->r10;
}

GUEST u64 vmcall4(u64 function, u64 r12, u64 r13, u64 r14, u64 r15)
{
	struct tdcall_regs r;

	r.r10 = 0;
	r.r11 = function;
	r.r12 = r12;
	r.r13 = r13;
	r.r14 = r14;
	r.r15 = r15;
	return vmcall(&r);
}

GUEST u64 accept_page(u64 gpa, u64 level)
{
	struct tdcall_regs r;

	r.rax = TDG_MEM_PAGE_ACCEPT;
	r.rcx = gpa | level;
	tdcall(&r);
	return r.rax;
}

static GUEST void out(u16 port, u32 value)
{
	if (guest_setup.is_td)
		vmcall4(VMCALL_IO, sizeof(value), 1, port, value);
	else
		asm volatile("outl %0, %1" : : "a" (value), "Nd" (port) : "memory");
}

static GUEST u32 in(u16 port)
{
	struct tdcall_regs r;
	u32 value;

	if (!guest_setup.is_td) {
		asm volatile("inl %1, %0" : "=a" (value) : "Nd" (port) : "memory");
		return value;
	}
	r.r10 = 0;
	r.r11 = VMCALL_IO;
	r.r12 = sizeof(value);
	r.r13 = 0;
	r.r14 = port;
	r.r15 = 0;
	vmcall(&r);
	return r.r11;
}

static GUEST void put_msg(enum guest_msg type, u64 value)
{
	if (value >> 32)
		out(PORT_BASE + 4 * MSG_HIGH, value >> 32);
	out(PORT_BASE + 4 * type, value);
}

GUEST void guest_report(u64 value)
{
	put_msg(MSG_VALUE, value);
}

GUEST u32 guest_receive(void)
{
	return in(PORT_BASE + 4 * MSG_RECEIVE);
}

static GUEST void unexpected(const struct exception_frame *f, u64 address)
{
	put_msg(MSG_EXCEPTION, f->vector);
	put_msg(MSG_VALUE, f->rip);
	put_msg(MSG_VALUE, address);
	for (;;)
		put_msg(MSG_DONE, 0);
}

static GUEST void take_ve(struct exception_frame *f)
{
	u64 skip = VE_UNEXPECTED;
	struct tdcall_regs r;
	struct guest_ve ve;

	r.rax = TDG_VP_VEINFO_GET;
	tdcall(&r);
	ve.reason = r.rcx;
	ve.qualification = r.rdx;
	ve.gla = r.r8;
	ve.gpa = r.r9;
	ve.length = r.r10;
	if (guest_on_ve)
		skip = guest_on_ve(&ve);
	if (skip == VE_UNEXPECTED)
		unexpected(f, ve.gpa ? ve.gpa : ve.reason);
	f->rip += skip;
}

static GUEST u64 this_vcpu(void)
{
	struct tdcall_regs r;

	r.rax = TDG_VP_INFO;
	tdcall(&r);
	return r.r9;
}

static GUEST void take_interrupt(void)
{
	irqs[this_vcpu()]++;
	asm volatile("wrmsr" : : "c" (X2APIC_EOI), "a" (0), "d" (0));
}

void guest_exception(struct exception_frame *f);
GUEST void guest_exception(struct exception_frame *f)
{
	u64 cr2;

	if (f->vector == GUEST_VECTOR) {
		take_interrupt();
	} else if (f->vector == VECTOR_VE) {
		take_ve(f);
	} else {
		asm volatile("mov %%cr2, %0" : "=r" (cr2));
		unexpected(f, cr2);
	}
}

GUEST u64 guest_irqs(void)
{
	return irqs[this_vcpu()];
}

GUEST void guest_irqs_on(void)
{
	vmcall4(VMCALL_WRMSR, X2APIC_SVR, 0x1ff, 0, 0);
	asm volatile("sti");
}

GUEST void guest_irqs_off(void)
{
	asm volatile("cli");
}

/* Guests that take commands. */

static GUEST_DATA volatile u64 ve_count;
static GUEST_DATA struct guest_ve last_ve;

GUEST u64 accept_on_ve(const struct guest_ve *ve)
{
	u64 status;

	if (ve->reason != VMCALL_MMIO)		/* the number of an EPT violation, too */
		return VE_UNEXPECTED;
	status = TDCALL_STATUS(accept_page(ve->gpa & ~(SZ_4K - 1), 0));
	/* Another vCPU may have been faster, or be about to. */
	if (status && status != TDX_PAGE_ALREADY_ACCEPTED && status != TDX_OPERAND_BUSY)
		return VE_UNEXPECTED;
	__atomic_add_fetch(&ve_count, 1, __ATOMIC_SEQ_CST);
	last_ve.gpa = ve->gpa;
	last_ve.qualification = ve->qualification;
	return VE_RETRY;
}

static GUEST u64 sum_of(u64 gpa)
{
	u64 sum = 0;

	for (u64 i = 0; i < SZ_4K; i += 8)
		sum += READ_GUEST(gpa + i);
	return sum;
}

static GUEST_DATA volatile u64 last_r11;

static GUEST u64 map_gpa(u64 gpa, u64 pages)
{
	struct tdcall_regs r;

	r.r10 = 0;
	r.r11 = VMCALL_MAP_GPA;
	r.r12 = gpa;
	r.r13 = pages * SZ_4K;
	r.r14 = r.r15 = 0;
	vmcall(&r);
	last_r11 = r.r11;
	return r.r10;
}

static GUEST u64 carry_out(enum guest_cmd what, u64 gpa, u64 value)
{
	if (what == CMD_READ)
		return READ_GUEST(gpa);
	if (what == CMD_WRITE)
		return WRITE_GUEST(gpa, value);
	if (what == CMD_EXECUTE)
		((void (*)(void))gpa)();
	if (what == CMD_READ_SHARED)
		return READ_GUEST(guest_shared(gpa));
	if (what == CMD_WRITE_SHARED)
		return WRITE_GUEST(guest_shared(gpa), value);
	if (what == CMD_ACCEPT)
		return accept_page(gpa, 0);
	if (what == CMD_ACCEPT_2M)
		return accept_page(gpa, 1);
	if (what == CMD_ACCEPT_LEVEL_2)
		return accept_page(gpa, 2);
	if (what == CMD_ACCEPT_SHARED)
		return accept_page(gpa | TD_SHARED_BIT, 0);
	if (what == CMD_SUM)
		return sum_of(gpa);
	if (what == CMD_VE_COUNT)
		return ve_count;
	if (what == CMD_VE_GPA)
		return last_ve.gpa;
	if (what == CMD_VE_QUALIFICATION)
		return last_ve.qualification;
	if (what == CMD_MAP_SHARED)
		return map_gpa(gpa | TD_SHARED_BIT, value);
	if (what == CMD_MAP_PRIVATE)
		return map_gpa(gpa, value);
	if (what == CMD_R11)
		return last_r11;
	return 0;
}

GUEST void guest_cmd_loop(u64 arg)
{
	(void)arg;
	for (;;) {
		u32 first = guest_receive();
		u32 value = guest_receive();

		guest_report(carry_out(first & ((1 << CMD_BITS) - 1),
			      GPA + ((u64)(first >> CMD_BITS) << 12), value));
	}
}

GUEST void guest_main(u64 index)
{
	guest_setup.fn[index](guest_setup.arg[index]);
	for (;;)
		put_msg(MSG_DONE, 0);
}
