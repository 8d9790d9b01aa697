/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that run C: a test program's own functions, in TDs and in other VMs.
 *
 * A guest function is marked GUEST and calls nothing that is not; its variables
 * are GUEST_DATA, and there are no string literals and no switch statements in
 * it, because only these two sections are loaded. What it gets wrong ends as an
 * exception of the guest, which the case reports. A TD's vCPU begins in 32-bit
 * mode at FFFFFFF0 and gets to 64-bit mode by itself, others are put there.
 * They talk by port I/O, in a TD by TDG.VP.VMCALL.
 *
 * Linear addresses: the slot at GPA (fixture.h) is at its own address, and once
 * more, as shared memory, at payload_shared(gpa); up to PAYLOAD_REACH bytes.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "mrtd.h"
#include "td_fixture.h"

#define PAYLOAD_VCPUS	2
#define PAYLOAD_REACH	SZ_1G

typedef void (*guest_fn)(uint64_t arg);

/* --- the host's side ------------------------------------------------------ */

/* A VM with guests in it. GPA is private memory where the VM type has that. */
struct payload {
	struct vm *vm;
	struct vcpu *vcpu[PAYLOAD_VCPUS];
	unsigned int nr_vcpus;
	struct slot *slot;		/* at GPA; NULL: none */
	struct observer *o;		/* of what the case declares in .observes */
	uint64_t image_pages;		/* of the guests' code and tables */
};

/* What payload() makes; set up by the caller. */
struct payload_wish {
	guest_fn fn[PAYLOAD_VCPUS];	/* NULL: no further vCPU */
	uint64_t arg[PAYLOAD_VCPUS];
	uint64_t size;			/* bytes at GPA, or 0 */
	bool ve;			/* a TD that gets #VE for pages not accepted */
	const void *added;		/* content of the first pages at GPA; TDs only */
	uint64_t nr_added;
	bool measured;			/* these pages are */
	/* TDs: changes the parameters of KVM_TDX_INIT_VM. */
	void (*params)(struct kvm_tdx_init_vm *params);
};

/* A VM of the type of @t, ready to run. */
struct payload payload(const struct test *t, struct payload_wish wish);
/* The same for one vCPU that runs fn(arg). */
struct payload payload_one(const struct test *t, guest_fn fn, uint64_t arg, uint64_t size);
/* What the payload itself adds to the measurement of a TD, before wish.added. */
void payload_measure(const struct payload *p, struct mrtd *m);
/* For the expectations of td_fixture.h. */
struct td payload_td(const struct payload *p);

/* What guests say. */
enum said {
	SAID_HIGH,		/* upper half of the value that follows */
	SAID_VALUE,
	SAID_EXCEPTION,		/* value: the vector; it then says RIP, and CR2 or #VE's GPA */
	SAID_END,		/* the guest's function has returned */
	SAID_QUESTION,		/* it waits for an answer */
};

struct message {
	enum said said;
	uint64_t value;
};

/* KVM_RUN, once. As the kernel returned it. */
int __payload_run(struct vcpu *vcpu);
/*
 * Run until the guest says something. Any other exit, and an exception that the guest does
 * not expect, fails the case. Signals without handler effect are ignored (EINTR).
 */
struct message payload_next(struct vcpu *vcpu);
/* The next message must be a value: returns it. */
uint64_t payload_value(struct vcpu *vcpu);
/* The same, when KVM_RUN has returned @ret already. */
uint64_t payload_value_of(struct vcpu *vcpu, int ret);
/* The guest must take an exception: its vector. RIP and address are the values that follow. */
uint64_t payload_exception_of(struct vcpu *vcpu);
/* The next message must be the end. */
void payload_end(struct vcpu *vcpu);
/* The guest must ask: it gets @answer when it runs next. */
void payload_answer(struct vcpu *vcpu, uint32_t answer);
/* KVM_RUN returned @ret with EFAULT and KVM_EXIT_MEMORY_FAULT of the page at @gpa. */
#define expect_memory_fault(vcpu, ret, gpa, flags) \
	expect_memory_fault_(__FILE__, __LINE__, vcpu, ret, gpa, flags)
void expect_memory_fault_(const char *file, int line, struct vcpu *vcpu, int ret, uint64_t gpa,
			  uint64_t flags);
/* An exit in words: "KVM_EXIT_IO (2)". */
const char *exit_text(const struct vcpu *vcpu);

/*
 * Guests that do what the host tells them, one order after the other: their
 * function is obeys(). Each order has a result, which the guest then says.
 */
enum order {
	ORDER_READ, ORDER_WRITE, ORDER_EXECUTE,		/* the word at @gpa (EXECUTE: a RET there) */
	ORDER_READ_SHARED, ORDER_WRITE_SHARED,
	ORDER_ACCEPT, ORDER_ACCEPT_2M,			/* the status */
	ORDER_ACCEPT_LEVEL_2, ORDER_ACCEPT_SHARED,	/* which are not allowed */
	ORDER_SUM,		/* of all words of the page at @gpa, one after the other */
	ORDER_VE_COUNT, ORDER_VE_GPA, ORDER_VE_QUALIFICATION,	/* #VEs so far, the last one */
	ORDER_MAP_SHARED, ORDER_MAP_PRIVATE,	/* MapGPA of so many pages from @gpa on: R10 */
	ORDER_R11,				/* after the last MapGPA */
};
/* Give the order: the vCPU carries it out when it runs next. */
void order(struct vcpu *vcpu, enum order what, uint64_t gpa, uint32_t value);
/* And run it: its result. */
uint64_t obey(struct vcpu *vcpu, enum order what, uint64_t gpa, uint32_t value);

/* KVM_SIGNAL_MSI: @vector to the vCPU whose x2APIC ID is @id. */
void payload_interrupt(struct payload *p, uint32_t id, uint8_t vector);
/* Interrupts of this vector are counted (guest_irqs()). */
#define PAYLOAD_VECTOR	0x40

/* --- the guest's side ----------------------------------------------------- */

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
	uint64_t rax, rcx, rdx, r8, r9, r10, r11, r12, r13, r14, r15;
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

void say(uint64_t value);
uint32_t ask(void);
/* TDCALL as it is. */
void tdcall(struct tdcall_regs *r);
/* TDG.VP.VMCALL: R10 to R15 go out and come back; returns R10. */
uint64_t vmcall(struct tdcall_regs *r);
/* The same with operands R12 to R15; returns R10. */
uint64_t vmcall4(uint64_t function, uint64_t r12, uint64_t r13, uint64_t r14, uint64_t r15);
/* TDG.MEM.PAGE.ACCEPT; @level 0: 4K, 1: 2M. The status in RAX. */
uint64_t accept_page(uint64_t gpa, uint64_t level);

/* #VE, as TDG.VP.VEINFO.GET tells it. */
struct guest_ve {
	uint64_t reason, qualification, gla, gpa;
	uint32_t length;
};
/*
 * Called at #VE, if set: what to add to RIP, or VE_UNEXPECTED for an exception that the case has
 * to know of. VE_RETRY executes the instruction again.
 */
extern uint64_t (*guest_on_ve)(const struct guest_ve *ve);
#define VE_RETRY	0ULL
#define VE_UNEXPECTED	(~0ULL)

/* For guest_on_ve: accepts what was touched, and has the guest try again. */
uint64_t accepts_at_ve(const struct guest_ve *ve);
void obeys(uint64_t arg);

/* Interrupts taken by this vCPU so far. */
uint64_t guest_irqs(void);
void guest_irqs_on(void);
void guest_irqs_off(void);

#define READ_GUEST(gla)		(*(volatile uint64_t *)(gla))
#define WRITE_GUEST(gla, v)	(*(volatile uint64_t *)(gla) = (v))
/* Where the page at @gpa is once more, as shared memory. */
#define PAYLOAD_SHARED		(1ULL << 40)
#define payload_shared(gpa)	((gpa) + PAYLOAD_SHARED)

#endif /* PAYLOAD_H */
