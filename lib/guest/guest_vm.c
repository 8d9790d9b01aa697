// SPDX-License-Identifier: GPL-2.0-only
/* VMs with guests that run C: the host's side. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest/guest_image.h"
#include "guest_vm.h"
#include "timeline.h"

#define SEPT_VE_DISABLE	(1ULL << 28)

/* The guests' memory. */

#define PTE_PRESENT_WRITE	3ULL
#define PTE_LARGE		(1ULL << 7)
#define IMAGE_SIZE		(SZ_4G - GUEST_IMAGE_GPA)
#define SZ_4G			(4 * SZ_1G)

/* Pages from GUEST_IMAGE_GPA, allocated one after the other; the boot page is the last. */
struct image {
	u8 *pages;
	u64 used;		/* bytes */
	u64 root;		/* gpa of the PML4 */
};

static void *host_of(const struct image *image, u64 gpa)
{
	return image->pages + (gpa - GUEST_IMAGE_GPA);
}

static u64 new_pages(struct image *image, u64 size)
{
	u64 gpa = GUEST_IMAGE_GPA + image->used;

	image->used += size;
	must(image->used <= IMAGE_SIZE - SZ_4K, "the guests' code fits into 0x%llx bytes",
	     (IMAGE_SIZE - SZ_4K));
	return gpa;
}

/* Leads to the entry for @gla at @level (0: 4K), making tables on the way. */
static u64 *table_entry(struct image *image, u64 gla, int level)
{
	u64 table = image->root;

	for (int l = 3; ; l--) {
		u64 *entry = (u64 *)host_of(image, table) + (gla >> (12 + 9 * l) & 511);

		if (l == level)
			return entry;
		if (!*entry)
			*entry = new_pages(image, SZ_4K) | PTE_PRESENT_WRITE;
		table = *entry & ~0xfffULL;
	}
}

static void map_pages(struct image *image, u64 gla, u64 gpa, u64 size)
{
	for (u64 at = 0; at < size; at += SZ_4K)
		*table_entry(image, gla + at, 0) = (gpa + at) | PTE_PRESENT_WRITE;
}

static void map_large(struct image *image, u64 gla, u64 gpa, u64 size)
{
	for (u64 at = 0; at < size; at += SZ_2M)
		*table_entry(image, gla + at, 1) = (gpa + at) | PTE_PRESENT_WRITE | PTE_LARGE;
}

/* A section of this program, at the address that it has here. */
static void load_section(struct image *image, const char *start, const char *stop)
{
	u64 first = (uintptr_t)start & ~(SZ_4K - 1);
	u64 size = (((uintptr_t)stop + SZ_4K - 1) & ~(SZ_4K - 1)) - first;
	u64 gpa = new_pages(image, size);

	memcpy(host_of(image, gpa + (uintptr_t)start - first), start, stop - start);
	map_pages(image, first, gpa, size);
}

static void load_sections(struct image *image)
{
	extern const char __start_guest_text[], __stop_guest_text[];
	extern const char __start_guest_data[], __stop_guest_data[];

	load_section(image, __start_guest_text, __stop_guest_text);
	load_section(image, __start_guest_data, __stop_guest_data);
}

struct gate {
	u16 offset0, selector, type, offset1;
	u32 offset2, reserved;
};

static u64 new_idt(struct image *image)
{
	u64 gpa = new_pages(image, IDT_ENTRIES * sizeof(struct gate));
	struct gate *gates = host_of(image, gpa);

	for (int i = 0; i < IDT_ENTRIES; i++) {
		u64 stub = (uintptr_t)guest_stubs + i * STUB_SIZE;

		gates[i] = (struct gate){
			.offset0 = stub, .offset1 = stub >> 16, .offset2 = stub >> 32,
			.selector = 8, .type = 0x8e00,
		};
	}
	return gpa;
}

static struct image image_create(u64 shared_bit)
{
	struct image image = { .pages = aligned_alloc(SZ_4K, IMAGE_SIZE) };
	struct boot_data *boot = host_of(&image, BOOT_GPA) + BOOT_DATA;
	u64 stacks;

	memset(image.pages, 0, IMAGE_SIZE);
	memcpy(host_of(&image, BOOT_GPA), guest_boot_page, SZ_4K);
	image.root = new_pages(&image, SZ_4K);
	load_sections(&image);
	stacks = new_pages(&image, GUEST_VM_VCPUS * STACK_SIZE);
	*boot = (struct boot_data){
		.cr3 = image.root, .main = (uintptr_t)guest_main,
		.stacks = stacks + GUEST_VM_VCPUS * STACK_SIZE,
		.idt = new_idt(&image), .idt_limit = IDT_ENTRIES * sizeof(struct gate) - 1,
	};
	map_large(&image, GPA, GPA, GUEST_VM_REACH);
	map_large(&image, guest_shared(GPA), GPA | shared_bit, GUEST_VM_REACH);
	map_pages(&image, GUEST_IMAGE_GPA, GUEST_IMAGE_GPA, IMAGE_SIZE);
	return image;
}

/* VMs. */

static struct vm *create_td(const struct guest_vm_config *config)
{
	struct vm *vm = td_vm();
	struct kvm_tdx_init_vm *params = td_params(vm);

	if (config->ve)
		params->attributes &= ~SEPT_VE_DISABLE;
	if (config->params)
		config->params(params);
	td_init(vm, params);
	return vm;
}

/* 64-bit mode, where a TD's vCPU gets by itself. */
static void set_first_state(struct vcpu *vcpu, u64 cr3)
{
	struct kvm_segment data = { .limit = ~0U, .type = 3, .s = 1, .present = 1, .db = 1, .g = 1,
				    .selector = 16 };
	struct kvm_regs regs = {
		.rip = BOOT_GPA + (guest_start64 - guest_boot_page), .rsi = vcpu->id, .rflags = 2,
	};
	struct kvm_segment code = data;
	struct kvm_sregs sregs;

	code.type = 0xb;
	code.db = 0;
	code.l = 1;
	code.selector = 8;
	expect_ok(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x80010021;		/* PG, WP, NE, PE */
	sregs.cr3 = cr3;
	sregs.cr4 = 0x20;		/* PAE */
	sregs.efer = 0xd00;		/* NX, LMA, LME */
	expect_ok(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	expect_ok(ioctl(vcpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static struct vcpu *create_vcpu(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create(vm);

	vcpu_set_cpuid(vcpu, cpuid_supported());
	return vcpu;
}

static void create_vcpus(struct guest_vm *p, const struct guest_vm_config *config, bool is_td)
{
	for (int i = 0; i < GUEST_VM_VCPUS && config->fn[i]; i++) {
		p->vcpu[i] = is_td ? td_vcpu(p->vm) : create_vcpu(p->vm);
		guest_setup.fn[i] = config->fn[i];
		guest_setup.arg[i] = config->arg[i];
		p->nr_vcpus++;
	}
	guest_setup.is_td = is_td;
}

static void load_td(struct guest_vm *p, const struct image *image, const struct guest_vm_config *config)
{
	p->image = td_slot_add(p->vm, GUEST_IMAGE_GPA, IMAGE_SIZE);
	td_add(p->vcpu[0], image->pages, GUEST_IMAGE_GPA, image->used / SZ_4K, 0);
	td_add(p->vcpu[0], host_of(image, BOOT_GPA), BOOT_GPA, 1, 0);
	if (config->nr_added)
		td_add(p->vcpu[0], config->added, GPA, config->nr_added,
		       config->measured ? KVM_TDX_MEASURE_MEMORY_REGION : 0);
	td_finalize(p->vm);
}

static void load_vm(struct guest_vm *p, const struct image *image)
{
	struct mem *mem = mem_create(MEM_ANON, IMAGE_SIZE, NULL);

	memcpy(mem->hva, image->pages, IMAGE_SIZE);
	slot_add(p->vm, GUEST_IMAGE_GPA, mem);
	for (unsigned int i = 0; i < p->nr_vcpus; i++)
		set_first_state(p->vcpu[i], image->root);
}

/* Memory at GPA as the type of VM has it: private, with a shared half, or plain. */
static struct slot *test_memory(struct vm *vm, u64 size)
{
	if (!size)
		return NULL;
	if (vm->type == KVM_X86_DEFAULT_VM)
		return slot_add(vm, GPA, mem_create(MEM_ANON, size, NULL));
	return td_slot_add(vm, GPA, size);
}

struct guest_vm guest_vm_create(const struct test *t, struct guest_vm_config config)
{
	bool is_td = t->vm_type == KVM_X86_TDX_VM;
	struct guest_vm p = { .vm = is_td ? create_td(&config) : vm_create(t->vm_type) };
	struct image image;

	create_vcpus(&p, &config, is_td);
	p.slot = test_memory(p.vm, config.size);
	image = image_create(is_td ? TD_SHARED_BIT : 0);
	if (is_td)
		load_td(&p, &image, &config);
	else
		load_vm(&p, &image);
	p.image_pages = image.used / SZ_4K;
	free(image.pages);
	p.o = observe(p.vm, t->observes);
	return p;
}

struct guest_vm guest_vm_single(const struct test *t, guest_fn fn, u64 arg, u64 size)
{
	return guest_vm_create(t, (struct guest_vm_config){ .fn = { fn }, .arg = { arg }, .size = size });
}

void guest_vm_close(struct guest_vm *p)
{
	struct slot *const slots[] = { p->slot, p->image };

	for (unsigned int i = 0; i < p->nr_vcpus; i++)
		vcpu_close(p->vcpu[i]);
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		if (slots[i] && slots[i]->gmem)
			close(slots[i]->gmem->fd);
	vm_close(p->vm);
}

/* As load_td() adds them: not measured, so that only the gpas count. */
void guest_vm_measure(const struct guest_vm *p, struct mrtd *m)
{
	mrtd_add_pages(m, GUEST_IMAGE_GPA, NULL, p->image_pages, false);
	mrtd_add_page(m, BOOT_GPA, NULL, false);
}

struct fixture guest_vm_fixture(const struct guest_vm *p)
{
	return (struct fixture){ .vm = p->vm, .vcpu = p->vcpu[0], .slot = p->slot, .o = p->o };
}

void guest_vm_interrupt(struct guest_vm *p, u32 id, u8 vector)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | id << 12, .data = vector,
	};

	expect_eq(ioctl(p->vm->fd, KVM_SIGNAL_MSI, &msi), 1,
		  "vCPUs that KVM_SIGNAL_MSI to x2APIC ID %u reaches", id);
}

/* Running. */

int __guest_run(struct vcpu *vcpu)
{
	timeline_begin("KVM_RUN vCPU %u", vcpu->id);
	return timeline_returned(ioctl(vcpu->fd, KVM_RUN, 0), "KVM_RUN");
}

const char *exit_text(const struct vcpu *vcpu)
{
	static const char *const names[] = {
		[KVM_EXIT_EXCEPTION] = "KVM_EXIT_EXCEPTION", [KVM_EXIT_IO] = "KVM_EXIT_IO",
		[KVM_EXIT_HYPERCALL] = "KVM_EXIT_HYPERCALL", [KVM_EXIT_HLT] = "KVM_EXIT_HLT",
		[KVM_EXIT_MMIO] = "KVM_EXIT_MMIO", [KVM_EXIT_SHUTDOWN] = "KVM_EXIT_SHUTDOWN",
		[KVM_EXIT_FAIL_ENTRY] = "KVM_EXIT_FAIL_ENTRY", [KVM_EXIT_INTR] = "KVM_EXIT_INTR",
		[KVM_EXIT_INTERNAL_ERROR] = "KVM_EXIT_INTERNAL_ERROR",
		[KVM_EXIT_SYSTEM_EVENT] = "KVM_EXIT_SYSTEM_EVENT",
		[KVM_EXIT_MEMORY_FAULT] = "KVM_EXIT_MEMORY_FAULT",
	};
	u32 reason = vcpu->run->exit_reason;
	const char *name = reason < ARRAY_SIZE(names) ? names[reason] : NULL;

	return strf("%s (%u)", name ? name : "exit", reason);
}

/* The message of the exit at hand, MSG_HIGH with the port's value; the case fails without. */
static struct guest_message read_message(struct vcpu *vcpu, int ret)
{
	struct kvm_run *run = vcpu->run;
	struct guest_message m = { 0 };

	expect_ok(ret, "KVM_RUN of vCPU %u (%s)", vcpu->id, exit_text(vcpu));
	if (run->exit_reason != KVM_EXIT_IO || run->io.port < PORT_BASE ||
	    run->io.port > PORT_BASE + 4 * MSG_RECEIVE)
		test_failed(__FILE__, __LINE__, strf("vCPU %u's exit", vcpu->id),
			    "a message of the guest", exit_text(vcpu));
	m.type = (run->io.port - PORT_BASE) / 4;
	if (run->io.direction == KVM_EXIT_IO_OUT)
		m.value = *(u32 *)((u8 *)run + run->io.data_offset);
	return m;
}

void expect_exit_(const char *file, int line, struct vcpu *vcpu, u32 reason)
{
	expect_ok(__guest_run(vcpu), "KVM_RUN");
	if (vcpu->run->exit_reason != reason)
		test_failed(file, line, strf("exit of vCPU %u", vcpu->id),
			    strf("exit %u", reason), exit_text(vcpu));
}

static void report_exception(struct vcpu *vcpu, u64 vector)
{
	unsigned long long rip = guest_wait_value(vcpu), address = guest_wait_value(vcpu);

	test_failed(__FILE__, __LINE__, strf("vCPU %u runs", vcpu->id), "no exception",
		    strf("vector %llu at rip 0x%llx, address 0x%llx (guest_main is at %p)",
			 vector, rip, address, (void *)guest_main));
}

/* From KVM_RUN's result @ret on. */
static struct guest_message any_message(struct vcpu *vcpu, int ret)
{
	struct guest_message m = { 0 };
	u64 high = 0;

	for (;; ret = __guest_run(vcpu)) {
		if (ret && errno == EINTR)
			continue;
		m = read_message(vcpu, ret);
		if (m.type != MSG_HIGH)
			break;
		high = m.value << 32;
	}
	m.value |= high;
	return m;
}

static struct guest_message message_of(struct vcpu *vcpu, int ret)
{
	struct guest_message m = any_message(vcpu, ret);

	if (m.type == MSG_EXCEPTION)
		report_exception(vcpu, m.value);
	return m;
}

u64 guest_wait_exception(struct vcpu *vcpu)
{
	struct guest_message m = any_message(vcpu, __guest_run(vcpu));

	expect_eq(m.type, MSG_EXCEPTION, "kind of vCPU %u's message", vcpu->id);
	return m.value;
}

struct guest_message guest_wait_msg(struct vcpu *vcpu)
{
	return message_of(vcpu, __guest_run(vcpu));
}

u64 guest_value_of(struct vcpu *vcpu, int ret)
{
	struct guest_message m = message_of(vcpu, ret);

	expect_eq(m.type, MSG_VALUE, "kind of vCPU %u's message", vcpu->id);
	return m.value;
}

u64 guest_wait_value(struct vcpu *vcpu)
{
	return guest_value_of(vcpu, __guest_run(vcpu));
}

void guest_wait_done(struct vcpu *vcpu)
{
	struct guest_message m = guest_wait_msg(vcpu);

	expect_eq(m.type, MSG_DONE, "kind of vCPU %u's message (value 0x%llx)", vcpu->id,
		  m.value);
}

void guest_send(struct vcpu *vcpu, u32 answer)
{
	struct guest_message m = guest_wait_msg(vcpu);

	expect_eq(m.type, MSG_RECEIVE, "kind of vCPU %u's message (value 0x%llx)", vcpu->id,
		  m.value);
	*(u32 *)((u8 *)vcpu->run + vcpu->run->io.data_offset) = answer;
}

void expect_memory_fault_(const char *file, int line, struct vcpu *vcpu, int ret, u64 gpa,
			  u64 flags)
{
	if (!ret || errno != EFAULT)
		test_failed(file, line, "KVM_RUN", "EFAULT",
			    strf("%s, %s", errno_text(ret ? errno : 0), exit_text(vcpu)));
	expect_memory_fault_exit_(file, line, vcpu, gpa, flags);
}

/* Commands to a guest. */

void guest_cmd_queue(struct vcpu *vcpu, enum guest_cmd what, u64 gpa, u32 value)
{
	guest_send(vcpu, what | (gpa - GPA) >> 12 << CMD_BITS);
	guest_send(vcpu, value);
}

u64 guest_cmd(struct vcpu *vcpu, enum guest_cmd what, u64 gpa, u32 value)
{
	guest_cmd_queue(vcpu, what, gpa, value);
	return guest_wait_value(vcpu);
}
