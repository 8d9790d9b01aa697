/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests written in C, as functions of the test program, in TDs and in other VMs.
 *
 * A guest function is marked GUEST and may call only other GUEST functions; its
 * variables are GUEST_DATA.  Only these two sections are loaded, so it has neither
 * string literals nor switch statements.  An unexpected exception of the guest fails
 * the case, which reports it.  A TD's vCPU starts in 32-bit mode at FFFFFFF0 and
 * switches to 64-bit mode; others start there.  Guest and host exchange messages by
 * port I/O, in a TD by TDG.VP.VMCALL.
 *
 * Linear addresses: the slot at GPA (fixture.h) is mapped at its own address and, as
 * shared memory, at guest_shared(gpa); up to GUEST_VM_REACH bytes.
 */
#ifndef GUEST_VM_H
#define GUEST_VM_H

#include "mrtd.h"
#include "td_fixture.h"
#include "types.h"

#define GUEST_VM_VCPUS	2
#define GUEST_VM_REACH	SZ_1G

typedef void (*guest_fn)(u64 arg);

/* The host's side. */

/* A VM with guests in it. GPA is private memory where the VM type has that. */
struct guest_vm {
	struct vm *vm;
	struct vcpu *vcpu[GUEST_VM_VCPUS];
	unsigned int nr_vcpus;
	struct slot *slot;		/* at GPA; NULL: none */
	struct slot *image;		/* a TD's: the guests' code and tables; else NULL */
	struct observer *o;		/* of what the case declares in .observes */
	u64 image_pages;		/* of the guests' code and tables */
};

/* What guest_vm_create() makes; set up by the caller. */
struct guest_vm_config {
	guest_fn fn[GUEST_VM_VCPUS];	/* NULL: no further vCPU */
	u64 arg[GUEST_VM_VCPUS];
	u64 size;			/* bytes at GPA, or 0 */
	bool ve;			/* a TD that gets #VE for pages not accepted */
	const void *added;		/* content of the first pages at GPA; TDs only */
	u64 nr_added;
	bool measured;			/* these pages are */
	/* TDs: changes the parameters of KVM_TDX_INIT_VM. */
	void (*params)(struct kvm_tdx_init_vm *params);
};

/* A VM of the type of @t, ready to run. */
struct guest_vm guest_vm_create(const struct test *t, struct guest_vm_config config);
/* The same for one vCPU that runs fn(arg). */
struct guest_vm guest_vm_single(const struct test *t, guest_fn fn, u64 arg, u64 size);
/* Close all its fds: it is destroyed. */
void guest_vm_close(struct guest_vm *p);
/* What the guest's code itself adds to the measurement of a TD, before config.added. */
void guest_vm_measure(const struct guest_vm *p, struct mrtd *m);
/* For the expectations of td_fixture.h. */
struct fixture guest_vm_fixture(const struct guest_vm *p);

/* What guests say. */
enum guest_msg {
	MSG_HIGH,		/* upper half of the value that follows */
	MSG_VALUE,
	MSG_EXCEPTION,		/* value: the vector; it then says RIP, and CR2 or #VE's GPA */
	MSG_DONE,		/* the guest's function has returned */
	MSG_RECEIVE,		/* it waits for an answer */
};

struct guest_message {
	enum guest_msg type;
	u64 value;
};

/* KVM_RUN, once. As the kernel returned it. */
int __guest_run(struct vcpu *vcpu);
/*
 * Run until the guest says something. Any other exit, and an exception that the guest does
 * not expect, fails the case. Signals without handler effect are ignored (EINTR).
 */
struct guest_message guest_wait_msg(struct vcpu *vcpu);
/* The next message must be a value: returns it. */
u64 guest_wait_value(struct vcpu *vcpu);
/* The same, when KVM_RUN has returned @ret already. */
u64 guest_value_of(struct vcpu *vcpu, int ret);
/* The guest must take an exception: its vector. RIP and address are the values that follow. */
u64 guest_wait_exception(struct vcpu *vcpu);
/* The next message must be the end. */
void guest_wait_done(struct vcpu *vcpu);
/* The guest must ask: it gets @answer when it runs next. */
void guest_send(struct vcpu *vcpu, u32 answer);
/* KVM_RUN, which must return for @reason (KVM_EXIT_*). */
#define expect_exit(vcpu, reason)	expect_exit_(__FILE__, __LINE__, vcpu, reason)
void expect_exit_(const char *file, int line, struct vcpu *vcpu, u32 reason);
/* KVM_RUN returned @ret with EFAULT and KVM_EXIT_MEMORY_FAULT of the page at @gpa. */
#define expect_memory_fault(vcpu, ret, gpa, flags) \
	expect_memory_fault_(__FILE__, __LINE__, vcpu, ret, gpa, flags)
void expect_memory_fault_(const char *file, int line, struct vcpu *vcpu, int ret, u64 gpa,
			  u64 flags);
/* An exit in words: "KVM_EXIT_IO (2)". */
const char *exit_text(const struct vcpu *vcpu);

/*
 * Guests that run the host's commands: their function is guest_cmd_loop().  A guest
 * reports the result of each command.
 */
enum guest_cmd {
	CMD_READ, CMD_WRITE, CMD_EXECUTE,		/* the word at @gpa (EXECUTE: a RET there) */
	CMD_READ_SHARED, CMD_WRITE_SHARED,
	CMD_ACCEPT, CMD_ACCEPT_2M,			/* the status */
	CMD_ACCEPT_LEVEL_2, CMD_ACCEPT_SHARED,	/* which are not allowed */
	CMD_SUM,		/* of all words of the page at @gpa, one after the other */
	CMD_VE_COUNT, CMD_VE_GPA, CMD_VE_QUALIFICATION,	/* #VEs so far, the last one */
	CMD_MAP_SHARED, CMD_MAP_PRIVATE,	/* MapGPA of so many pages from @gpa on: R10 */
	CMD_R11,				/* after the last MapGPA */
};
/* Queue the command: the vCPU carries it out when it runs next. */
void guest_cmd_queue(struct vcpu *vcpu, enum guest_cmd what, u64 gpa, u32 value);
/* And run it: its result. */
u64 guest_cmd(struct vcpu *vcpu, enum guest_cmd what, u64 gpa, u32 value);

/* KVM_SIGNAL_MSI: @vector to the vCPU whose x2APIC ID is @id. */
void guest_vm_interrupt(struct guest_vm *p, u32 id, u8 vector);
/* Interrupts of this vector are counted (guest_irqs()). */
#define GUEST_VECTOR	0x40

/* The guest's side. */

#ifdef __clang__
#define GUEST_NO_LIBRARY	__attribute__((no_builtin))
#else
#define GUEST_NO_LIBRARY	__attribute__((optimize("no-tree-loop-distribute-patterns", \
							"no-tree-switch-conversion")))
#endif
/* Distributions' compilers protect stacks by default, by %fs, which a guest has not. */
#ifdef __has_attribute
#if __has_attribute(no_stack_protector)
#define GUEST_NO_CANARY	__attribute__((no_stack_protector))
#endif
#endif
#ifndef GUEST_NO_CANARY
#define GUEST_NO_CANARY		/* the Makefiles switch it off for all of the code */
#endif
#define GUEST	__attribute__((section("guest_text"), noinline, used,		\
			       target("general-regs-only"),			\
			       no_sanitize("address", "undefined"))) GUEST_NO_LIBRARY	\
		GUEST_NO_CANARY
#define GUEST_DATA __attribute__((section("guest_data"), used))

/* Registers of a TDCALL, in and out. */
struct tdcall_regs {
	u64 rax, rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15;
};

/* TDCALL (Intel TDX Module ABI): leaves of the guest's side. */
enum {
	TDG_VP_VMCALL = 0, TDG_VP_INFO = 1, TDG_MR_RTMR_EXTEND = 2, TDG_VP_VEINFO_GET = 3,
	TDG_MR_REPORT = 4, TDG_MEM_PAGE_ACCEPT = 6,
};

/* TDG.VP.VMCALL's sub-functions in R11 (GHCI). */
enum {
	VMCALL_CPUID = 10, VMCALL_HLT = 12, VMCALL_IO = 30, VMCALL_RDMSR = 31, VMCALL_WRMSR = 32,
	VMCALL_MMIO = 48, VMCALL_GET_INFO = 0x10000, VMCALL_MAP_GPA = 0x10001,
	VMCALL_GET_QUOTE = 0x10002, VMCALL_FATAL_ERROR = 0x10003, VMCALL_SETUP_NOTIFY = 0x10004,
};

/* Statuses of the GHCI, in R10. */
#define VMCALL_SUCCESS			0ULL
#define VMCALL_RETRY			1ULL
#define VMCALL_INVALID_OPERAND		0x8000000000000000ULL
#define VMCALL_ALIGN_ERROR		0x8000000000000002ULL
#define VMCALL_UNSUPPORTED		0x8000000000000003ULL

/* Statuses of TDCALL, upper half. */
#define TDCALL_STATUS(rax)		((rax) >> 32)
#define TDX_PAGE_ALREADY_ACCEPTED	0x00000b0aULL
#define TDX_PAGE_SIZE_MISMATCH		0xc0000b0bULL
#define TDX_OPERAND_INVALID		0xc0000100ULL
#define TDX_OPERAND_BUSY		0x80000200ULL

void guest_report(u64 value);
u32 guest_receive(void);
/* TDCALL as it is. */
void tdcall(struct tdcall_regs *r);
/* TDG.VP.VMCALL: R10 to R15 go out and come back; returns R10. */
u64 vmcall(struct tdcall_regs *r);
/* The same with operands R12 to R15; returns R10. */
u64 vmcall4(u64 function, u64 r12, u64 r13, u64 r14, u64 r15);
/* TDG.MEM.PAGE.ACCEPT; @level 0: 4K, 1: 2M. The status in RAX. */
u64 accept_page(u64 gpa, u64 level);

/* #VE, as TDG.VP.VEINFO.GET tells it. */
struct guest_ve {
	u64 reason, qualification, gla, gpa;
	u32 length;
};
/*
 * Called at #VE, if set: what to add to RIP, or VE_UNEXPECTED for an exception that the case has
 * to know of. VE_RETRY executes the instruction again.
 */
extern u64 (*guest_on_ve)(const struct guest_ve *ve);
#define VE_RETRY	0ULL
#define VE_UNEXPECTED	(~0ULL)

/* For guest_on_ve: accepts what was touched, and has the guest try again. */
u64 accept_on_ve(const struct guest_ve *ve);
void guest_cmd_loop(u64 arg);

/* Interrupts taken by this vCPU so far. */
u64 guest_irqs(void);
void guest_irqs_on(void);
void guest_irqs_off(void);

#define READ_GUEST(gla)		(*(volatile u64 *)(gla))
#define WRITE_GUEST(gla, v)	(*(volatile u64 *)(gla) = (v))
/* Where the page at @gpa is once more, as shared memory. */
#define GUEST_SHARED		(1ULL << 40)
#define guest_shared(gpa)	((gpa) + GUEST_SHARED)

#endif /* GUEST_VM_H */
