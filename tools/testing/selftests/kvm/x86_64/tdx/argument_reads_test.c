// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each ioctl reads each byte of its arguments once.  What the kernel reads twice another thread may
 * change in between: what was checked is then not what is used.  The emulator counts the reads,
 * byte by byte (softtdx_watch.h).  What is read twice all the same is in the table, and the last
 * case changes it in between, which KVM must notice.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "kernel.h"
#include "slot.h"
#include "softtdx_watch.h"
#include "td.h"
#include "testcase.h"
#include "thread.h"
#include "uffd.h"

#define SIZE		(4 * SZ_4K)
#define NR_CPUID	64

struct scene {
	struct vm *vm;
	struct vcpu *vcpu;
	struct slot *slot;
	struct mem *gmem;
};

/* Bytes [from, to) of an argument. */
struct span {
	size_t from, to;
};

struct row {
	void (*set_up)(struct scene *s);
	/* Fill in @arg, and @more that it points to, and call: as the ioctl returned. */
	int (*call)(struct scene *s, void *arg, void *more);
	struct span arg, more;	/* what is read */
	/* A second time, from 6.19 on: of the argument, of @more. */
	struct span arg_again, again;
};

static bool within(const struct span *s, size_t at)
{
	return at >= s->from && at < s->to;
}

static void expect_reads(const u8 *reads, const struct span *once, const struct span *again,
			 const char *what)
{
	bool twice = kernel_has_function("tdx_vcpu_unlocked_ioctl");	/* 6.19 */

	for (size_t at = 0; at < WATCH_PAGE_SIZE; at++)
		expect_eq(reads[at], within(once, at) + (twice && within(again, at)),
			  "reads of byte %zu of the %s", at, what);
}

static void reads_once(const struct test *t)
{
	const struct row *row = t->tc->arg;
	u8 *arg = watched_page(), *more = watched_page();
	u8 reads[WATCH_PAGE_SIZE], reads_more[WATCH_PAGE_SIZE];
	struct scene s = { 0 };

	row->set_up(&s);
	watch_start(arg);
	watch_start(more);
	expect_ok(row->call(&s, arg, more), "the ioctl");
	watch_reads(arg, reads);
	watch_reads(more, reads_more);
	watch_stop();
	expect_reads(reads, &row->arg, &row->arg_again, "argument");
	expect_reads(reads_more, &row->more, &row->again, "structure that it points to");
}

/* KVM_MEMORY_ENCRYPT_OP. */

static int td_cmd(int fd, struct kvm_tdx_cmd *cmd, u32 id, u64 data)
{
	*cmd = (struct kvm_tdx_cmd){ .id = id, .data = data };
	return ioctl(fd, KVM_MEMORY_ENCRYPT_OP, cmd);
}

static void vm_without_td(struct scene *s)
{
	s->vm = td_vm();
}

static int capabilities(struct scene *s, void *arg, void *more)
{
	((struct kvm_tdx_capabilities *)more)->cpuid.nent = NR_CPUID / 2;
	return td_cmd(s->vm->fd, arg, KVM_TDX_CAPABILITIES, (uintptr_t)more);
}

static size_t params_size(const struct kvm_tdx_init_vm *params)
{
	return sizeof(*params) + params->cpuid.nent * sizeof(params->cpuid.entries[0]);
}

/* As few entries as there may be: what is read has a size that the table knows. */
static int init_vm(struct scene *s, void *arg, void *more)
{
	struct kvm_tdx_init_vm *all = td_params(s->vm), *params = more;

	memcpy(params, all, sizeof(*params));
	params->cpuid.nent = 0;
	for (u32 i = 0; i < all->cpuid.nent; i++)
		if (all->cpuid.entries[i].function == 0x80000008)
			params->cpuid.entries[params->cpuid.nent++] = all->cpuid.entries[i];
	free(all);
	return td_cmd(s->vm->fd, arg, KVM_TDX_INIT_VM, (uintptr_t)params);
}

static void td_with_vcpu(struct scene *s)
{
	s->vm = td_create();
	s->vcpu = td_vcpu_create(s->vm);
}

static int get_cpuid(struct scene *s, void *arg, void *more)
{
	((struct kvm_cpuid2 *)more)->nent = NR_CPUID;
	return td_cmd(s->vcpu->fd, arg, KVM_TDX_GET_CPUID, (uintptr_t)more);
}

static int init_vcpu(struct scene *s, void *arg, void *more)
{
	return td_cmd(s->vcpu->fd, arg, KVM_TDX_INIT_VCPU, (uintptr_t)more);
}

static void td_with_slot(struct scene *s)
{
	s->vm = td_create();
	s->vcpu = td_vcpu(s->vm);
	s->slot = td_slot_add(s->vm, GPA, SIZE);
}

/* More pages than one: the region is not looked at again for each. */
static int init_mem_region(struct scene *s, void *arg, void *more)
{
	static u8 source[3 * SZ_4K] __attribute__((aligned(4096)));

	*(struct kvm_tdx_init_mem_region *)more = (struct kvm_tdx_init_mem_region){
		.source_addr = (uintptr_t)source, .gpa = GPA, .nr_pages = 3,
	};
	return td_cmd(s->vcpu->fd, arg, KVM_TDX_INIT_MEM_REGION, (uintptr_t)more);
}

static int finalize(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	return td_cmd(s->vm->fd, arg, KVM_TDX_FINALIZE_VM, 0);
}

/* Memslots, attributes, prefaults. */

static void vm_of_tests(struct scene *s)
{
	s->vm = td_create();
	s->vcpu = td_vcpu(s->vm);
	s->gmem = mem_create(MEM_GMEM, SIZE, s->vm);
	td_finalize(s->vm);
}

static void vm_with_slot(struct scene *s)
{
	td_with_slot(s);
	td_finalize(s->vm);
}

static void plain_vm(struct scene *s)
{
	s->vm = vm_create(KVM_X86_DEFAULT_VM);
	s->vcpu = vcpu_create(s->vm);
	s->slot = slot_add_part(s->vm, GPA, mem_create(MEM_ANON, SIZE, NULL), 0, SIZE,
				KVM_MEM_LOG_DIRTY_PAGES);
}

static int set_region2(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	*(struct kvm_userspace_memory_region2 *)arg = (struct kvm_userspace_memory_region2){
		.slot = 7, .flags = KVM_MEM_GUEST_MEMFD, .guest_phys_addr = GPA,
		.memory_size = SIZE, .guest_memfd = s->gmem->fd,
		.userspace_addr = (uintptr_t)mem_create(MEM_ANON, SIZE, NULL)->hva,
	};
	return ioctl(s->vm->fd, KVM_SET_USER_MEMORY_REGION2, arg);
}

static int set_region(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	*(struct kvm_userspace_memory_region *)arg = (struct kvm_userspace_memory_region){
		.slot = 7, .guest_phys_addr = GPA + SZ_1G, .memory_size = SIZE,
		.userspace_addr = (uintptr_t)mem_create(MEM_ANON, SIZE, NULL)->hva,
	};
	return ioctl(s->vm->fd, KVM_SET_USER_MEMORY_REGION, arg);
}

static int delete_region(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	*(struct kvm_userspace_memory_region2 *)arg = (struct kvm_userspace_memory_region2){
		.slot = s->slot->id, .guest_phys_addr = GPA,
	};
	return ioctl(s->vm->fd, KVM_SET_USER_MEMORY_REGION2, arg);
}

static int set_attributes(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	*(struct kvm_memory_attributes *)arg = (struct kvm_memory_attributes){
		.address = GPA, .size = SIZE, .attributes = 0,
	};
	return ioctl(s->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, arg);
}

static int create_gmem(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	((struct kvm_create_guest_memfd *)arg)->size = SIZE;
	return ioctl(s->vm->fd, KVM_CREATE_GUEST_MEMFD, arg);
}

static int prefault_pages(struct scene *s, void *arg, void *more __attribute__((unused)))
{
	*(struct kvm_pre_fault_memory *)arg = (struct kvm_pre_fault_memory){
		.gpa = GPA, .size = SIZE,
	};
	return ioctl(s->vcpu->fd, KVM_PRE_FAULT_MEMORY, arg);
}

static int get_log(struct scene *s, void *arg, void *more)
{
	*(struct kvm_dirty_log *)arg = (struct kvm_dirty_log){
		.slot = s->slot->id, .dirty_bitmap = more,
	};
	return ioctl(s->vm->fd, KVM_GET_DIRTY_LOG, arg);
}

static int clear_log(struct scene *s, void *arg, void *more)
{
	*(u64 *)more = (1 << SIZE / SZ_4K) - 1;
	*(struct kvm_clear_dirty_log *)arg = (struct kvm_clear_dirty_log){
		.slot = s->slot->id, .num_pages = SIZE / SZ_4K, .dirty_bitmap = more,
	};
	return ioctl(s->vm->fd, KVM_CLEAR_DIRTY_LOG, arg);
}

static void clears_by_hand(struct scene *s)
{
	plain_vm(s);
	vm_enable_cap(s->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1);
}

#define ALL_OF(type)	{ 0, sizeof(type) }
#define NENT(type)	{ offsetof(type, cpuid.nent), offsetof(type, cpuid.nent) + 4 }
#define ONE_ENTRY	(sizeof(struct kvm_tdx_init_vm) + sizeof(struct kvm_cpuid_entry2))
#define READS(name, text, ...)							\
	{ name, text ": each byte is read once", .vm_types = VM_TDX, .needs_softtdx = true,	\
	  .arg = &(const struct row){ __VA_ARGS__ } }

CASES(reads_once,
	READS("capabilities", "KVM_TDX_CAPABILITIES", .set_up = vm_without_td, .call = capabilities,
	      .arg = ALL_OF(struct kvm_tdx_cmd), .more = NENT(struct kvm_tdx_capabilities)),
	/* First the number of entries, then all, and both must agree: init_vm_changes. */
	READS("init_vm", "KVM_TDX_INIT_VM", .set_up = vm_without_td, .call = init_vm,
	      .arg = ALL_OF(struct kvm_tdx_cmd), .more = { 0, ONE_ENTRY },
	      .again = NENT(struct kvm_tdx_init_vm)),
	/* Once to see that it is none of those with all locks; then only the second is used. */
	READS("get_cpuid", "KVM_TDX_GET_CPUID", .set_up = td_with_vcpu, .call = get_cpuid,
	      .arg = ALL_OF(struct kvm_tdx_cmd), .arg_again = ALL_OF(struct kvm_tdx_cmd),
	      .more = ALL_OF(struct kvm_cpuid2)),
	READS("init_vcpu", "KVM_TDX_INIT_VCPU", .set_up = td_with_vcpu, .call = init_vcpu,
	      .arg = ALL_OF(struct kvm_tdx_cmd)),
	READS("init_mem_region", "KVM_TDX_INIT_MEM_REGION", .set_up = td_with_slot,
	      .call = init_mem_region, .arg = ALL_OF(struct kvm_tdx_cmd),
	      .more = ALL_OF(struct kvm_tdx_init_mem_region)),
	READS("finalize", "KVM_TDX_FINALIZE_VM", .set_up = td_with_slot, .call = finalize,
	      .arg = ALL_OF(struct kvm_tdx_cmd)),
	READS("slot_gmem", "KVM_SET_USER_MEMORY_REGION2 with guest_memfd", .set_up = vm_of_tests,
	      .call = set_region2, .arg = ALL_OF(struct kvm_userspace_memory_region2)),
	READS("slot", "KVM_SET_USER_MEMORY_REGION", .set_up = plain_vm, .call = set_region,
	      .arg = ALL_OF(struct kvm_userspace_memory_region)),
	READS("slot_delete", "KVM_SET_USER_MEMORY_REGION2 of size 0", .set_up = vm_with_slot,
	      .call = delete_region, .arg = ALL_OF(struct kvm_userspace_memory_region2)),
	READS("attributes", "KVM_SET_MEMORY_ATTRIBUTES", .set_up = vm_with_slot,
	      .call = set_attributes, .arg = ALL_OF(struct kvm_memory_attributes)),
	READS("guest_memfd", "KVM_CREATE_GUEST_MEMFD", .set_up = vm_of_tests, .call = create_gmem,
	      .arg = ALL_OF(struct kvm_create_guest_memfd)),
	READS("prefault", "KVM_PRE_FAULT_MEMORY of several pages", .set_up = vm_with_slot,
	      .call = prefault_pages, .arg = ALL_OF(struct kvm_pre_fault_memory)),
	READS("get_log", "KVM_GET_DIRTY_LOG", .set_up = plain_vm, .call = get_log,
	      .arg = ALL_OF(struct kvm_dirty_log)),
	READS("clear_log", "KVM_CLEAR_DIRTY_LOG", .set_up = clears_by_hand, .call = clear_log,
	      .arg = ALL_OF(struct kvm_clear_dirty_log), .more = { 0, 8 }))

/* KVM_TDX_INIT_VM whose number of entries changes between both reads. */

struct changing {
	struct vm *vm;
	struct kvm_tdx_init_vm *params;
};

static int init_changing(void *arg)
{
	const struct changing *c = arg;

	return __td_init(c->vm, c->params, NULL);
}

#define NENT_OFFSET	offsetof(struct kvm_tdx_init_vm, cpuid)

CASE(init_vm_changes, "KVM_TDX_INIT_VM whose cpuid.nent changes while it is read: EINVAL, or unseen",
	.xfail = "A1", .xfail_in_body = true, .vm_types = VM_TDX, .needs_uffd = true, .cpus = 2)
{
	/* The page of cpuid is the second one. */
	u8 *pages = mmap(NULL, 2 * SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct changing c = { td_vm(), (void *)(pages + SZ_4K - NENT_OFFSET) };
	struct kvm_tdx_init_vm *good = td_params(c.vm);
	static u8 first[SZ_4K], second[SZ_4K];
	struct uffd_region late;
	struct thread *thread;
	bool changed = false;
	u8 *hva;
	int ret;

	must(pages != MAP_FAILED, "memory");
	must(params_size(good) <= NENT_OFFSET + SZ_4K, "parameters that fit into two pages");
	memcpy(first + SZ_4K - NENT_OFFSET, good, NENT_OFFSET);
	memcpy(second, &good->cpuid, params_size(good) - NENT_OFFSET);
	late = uffd_region_create(pages, 2 * SZ_4K);
	thread = thread_start(init_changing, &c);
	for (int i = 0; i < 2; i++) {
		hva = uffd_wait_fault(&late, 5);
		expect_true(hva, "KVM_TDX_INIT_VM reads page %d of its parameters", i + 1);
		/* The number was read alone, before the rest: one less from now on. */
		if (i && hva == pages) {
			((struct kvm_cpuid2 *)(pages + SZ_4K))->nent--;
			changed = true;
		}
		uffd_resolve(&late, hva, hva == pages ? first : second);
	}
	ret = thread_join(thread, "KVM_TDX_INIT_VM");
	measure("changed", changed);
	if (changed && !ret)
		xfail("A1", "cpuid.nent is %u when it is checked, and %u when it is used",
		      good->cpuid.nent, good->cpuid.nent - 1);
	expect_errno(ret, changed ? EINVAL : 0, "KVM_TDX_INIT_VM");
	if (changed)
		expect_ok(__td_init(c.vm, good, NULL), "KVM_TDX_INIT_VM, unchanged");
}

TEST_MAIN("arguments that change while the kernel reads them")
