// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a TD: capabilities, creation, vCPUs, initial memory, finalize,
 * destruction.  Every command before and after its time, every bad argument:
 * the errno is the one that arch/x86/kvm/vmx/tdx.c returns, for the reason in
 * the table (the documentation names few).
 */
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "keyids.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "testcase.h"
#include "thread.h"
#include "undo.h"

#define TD_SIZE		(16 * SZ_4K)	/* private memory of these TDs */
#define SETTLE_LIMIT_S	5.0
#define MANY_CPUID	256		/* KVM_MAX_CPUID_ENTRIES */

/* --- a TD at each stage of its life ------------------------------------------------ */

enum stage { VM_CREATED, VM_INIT, VCPU_CREATED, VCPU_INIT, MEMORY_ADDED, FINALIZED,
	     PREFAULTED, NR_STAGES };

static const char *const stage_name[NR_STAGES] = {
	"after KVM_CREATE_VM", "after KVM_TDX_INIT_VM", "after KVM_CREATE_VCPU",
	"after KVM_TDX_INIT_VCPU", "after KVM_TDX_INIT_MEM_REGION",
	"after KVM_TDX_FINALIZE_VM", "after KVM_PRE_FAULT_MEMORY",
};

static struct fixture td_at(enum stage stage)
{
	struct fixture td = { .vm = stage == VM_CREATED ? td_vm() : td_create() };
	static u8 source[2 * SZ_4K] __attribute__((aligned(4096)));

	if (stage >= VCPU_CREATED)
		td.vcpu = td_vcpu_create(td.vm);
	if (stage >= VCPU_INIT)
		expect_ok(__td_vcpu_init(td.vcpu, 0), "KVM_TDX_INIT_VCPU");
	if (stage >= MEMORY_ADDED) {
		td.slot = td_slot_add(td.vm, GPA, TD_SIZE);
		td_add(td.vcpu, source, GPA, 2, KVM_TDX_MEASURE_MEMORY_REGION);
	}
	if (stage >= FINALIZED)
		td_finalize(td.vm);
	if (stage >= PREFAULTED)
		prefault(td.vcpu, GPA + 4 * SZ_4K, 4 * SZ_4K);
	return td;
}

/* --- KVM_TDX_CAPABILITIES ------------------------------------------------------------ */

static void capabilities(const struct test *t)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MANY_CPUID);
	struct vm *vm = td_vm();
	bool gpaw = false;

	(void)t;
	expect_ok(__td_capabilities(vm, caps), "KVM_TDX_CAPABILITIES");
	expect_true(caps->supported_attrs & (1ULL << 28), "SEPT_VE_DISABLE is supported (0x%llx)",
		    caps->supported_attrs);
	expect_eq(caps->supported_xfam & 3, 3, "x87 and SSE in the supported XFAM");
	expect_true(caps->cpuid.nent > 0 && caps->cpuid.nent < MANY_CPUID,
		    "some CPUID leaves are configurable (%u)", caps->cpuid.nent);
	for (u32 i = 0; i < caps->cpuid.nent; i++)
		gpaw |= caps->cpuid.entries[i].function == 0x80000008;
	expect_true(gpaw, "leaf 80000008 (GPAW) is configurable");
	measure("cpuid_leaves", caps->cpuid.nent);
}

static void capabilities_no_room(const struct test *t)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(1);

	(void)t;
	expect_errno(__td_capabilities(td_vm(), caps), E2BIG, "room for one CPUID entry");
}

static void capabilities_flags(const struct test *t)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MANY_CPUID);

	(void)t;
	expect_errno(__td_cmd(td_vm()->fd, KVM_TDX_CAPABILITIES, 1, (uintptr_t)caps, NULL),
		     EINVAL, "a flag");
}

static void capabilities_bad_pointer(const struct test *t)
{
	(void)t;
	expect_errno(__td_cmd(td_vm()->fd, KVM_TDX_CAPABILITIES, 0, 0, NULL), EFAULT, "NULL");
}

/* --- what every command refuses -------------------------------------------------------- */

static void hw_error_not_zero(const struct test *t)
{
	struct fixture td = td_at(VCPU_CREATED);

	(void)t;
	for (u32 id = KVM_TDX_CAPABILITIES; id <= KVM_TDX_GET_CPUID; id++) {
		bool of_vcpu = id == KVM_TDX_INIT_VCPU || id == KVM_TDX_INIT_MEM_REGION ||
			       id == KVM_TDX_GET_CPUID;
		struct kvm_tdx_cmd cmd = { .id = id, .hw_error = 1 };

		expect_errno(ioctl(of_vcpu ? td.vcpu->fd : td.vm->fd, KVM_MEMORY_ENCRYPT_OP, &cmd),
			     EINVAL, "command %u with hw_error on input", id);
	}
}

static void unknown_command(const struct test *t)
{
	struct fixture td = td_at(VCPU_CREATED);

	(void)t;
	expect_errno(__td_cmd(td.vm->fd, 99, 0, 0, NULL), EINVAL, "command 99 of a VM");
	expect_errno(__td_cmd(td.vcpu->fd, 99, 0, 0, NULL), EINVAL, "command 99 of a vCPU");
}

/* Commands of a vCPU on a VM's fd, and the other way round. */
static void wrong_fd(const struct test *t)
{
	struct fixture td = td_at(VCPU_CREATED);

	(void)t;
	expect_errno(__td_cmd(td.vm->fd, KVM_TDX_INIT_VCPU, 0, 0, NULL), EINVAL,
		     "KVM_TDX_INIT_VCPU on a VM");
	expect_errno(__td_cmd(td.vm->fd, KVM_TDX_INIT_MEM_REGION, 0, 0, NULL), EINVAL,
		     "KVM_TDX_INIT_MEM_REGION on a VM");
	expect_errno(__td_cmd(td.vcpu->fd, KVM_TDX_INIT_VM, 0, 0, NULL), EINVAL,
		     "KVM_TDX_INIT_VM on a vCPU");
	expect_errno(__td_cmd(td.vcpu->fd, KVM_TDX_FINALIZE_VM, 0, 0, NULL), EINVAL,
		     "KVM_TDX_FINALIZE_VM on a vCPU");
}

static void bad_command_pointer(const struct test *t)
{
	(void)t;
	expect_errno(ioctl(td_vm()->fd, KVM_MEMORY_ENCRYPT_OP, NULL), EFAULT, "no command");
}

/* --- KVM_TDX_INIT_VM ----------------------------------------------------------------------- */

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_tdx_init_vm *params, u32 leaf)
{
	for (u32 i = 0; i < params->cpuid.nent; i++)
		if (params->cpuid.entries[i].function == leaf)
			return &params->cpuid.entries[i];
	errno = ENOENT;
	must(false, "CPUID leaf 0x%x among the configurable ones", leaf);
	return NULL;
}

static void spoil_attribute(struct kvm_tdx_init_vm *p) { p->attributes |= 1ULL << 62; }
static void spoil_xfam(struct kvm_tdx_init_vm *p) { p->xfam |= 1ULL << 63; }
static void spoil_reserved(struct kvm_tdx_init_vm *p) { p->reserved[3] = 1; }
static void spoil_padding(struct kvm_tdx_init_vm *p) { p->cpuid.padding = 1; }
static void spoil_nent(struct kvm_tdx_init_vm *p) { p->cpuid.nent = MANY_CPUID + 1; }
static void spoil_no_cpuid(struct kvm_tdx_init_vm *p) { p->cpuid.nent = 0; }
static void spoil_gpaw(struct kvm_tdx_init_vm *p)
{
	find_leaf(p, 0x80000008)->eax = 50 << 16;
}
static void spoil_leaf(struct kvm_tdx_init_vm *p)
{
	p->cpuid.entries[p->cpuid.nent++] = (struct kvm_cpuid_entry2){ .function = 0x40000000 };
}
static void spoil_cpuid_bit(struct kvm_tdx_init_vm *p) { find_leaf(p, 1)->edx = 1 << 10; }
static void spoil_stepping(struct kvm_tdx_init_vm *p)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	find_leaf(p, 1)->eax = eax ^ 1;
}

struct spoiled {
	void (*corrupt)(struct kvm_tdx_init_vm *params);
	int error;
	bool by_module;		/* refused by the TDX module: hw_error tells */
};

static const struct spoiled
	bad_attribute = { spoil_attribute, EINVAL, false },
	bad_xfam = { spoil_xfam, EINVAL, false },
	bad_reserved = { spoil_reserved, EINVAL, false },
	bad_padding = { spoil_padding, EINVAL, false },
	bad_nent = { spoil_nent, E2BIG, false },
	no_cpuid = { spoil_no_cpuid, EINVAL, false },
	bad_gpaw = { spoil_gpaw, EINVAL, false },
	bad_leaf = { spoil_leaf, EINVAL, false },
	bad_cpuid_bit = { spoil_cpuid_bit, EINVAL, true },
	bad_stepping = { spoil_stepping, EINVAL, true };

/* Refused, and the VM is as before: with good parameters it works. */
static void init_vm_refused(const struct test *t)
{
	const struct spoiled *s = t->tc->arg;
	struct vm *vm = td_vm();
	struct kvm_tdx_init_vm *params = td_params(vm);
	u64 hw_error;

	s->corrupt(params);
	expect_errno(__td_init(vm, params, &hw_error), s->error, "KVM_TDX_INIT_VM");
	expect_eq(hw_error != 0, s->by_module, "hw_error (0x%llx) is set",
		  hw_error);
	expect_ok(__td_init(vm, td_params(vm), &hw_error), "KVM_TDX_INIT_VM with good parameters");
}

static void init_vm_flags(const struct test *t)
{
	struct vm *vm = td_vm();

	(void)t;
	expect_errno(__td_cmd(vm->fd, KVM_TDX_INIT_VM, 1, (uintptr_t)td_params(vm), NULL), EINVAL,
		     "a flag");
}

static void init_vm_bad_pointer(const struct test *t)
{
	(void)t;
	expect_errno(__td_cmd(td_vm()->fd, KVM_TDX_INIT_VM, 0, 0, NULL), EFAULT, "NULL");
}

static void init_vm_twice(const struct test *t)
{
	struct vm *vm = td_create();

	(void)t;
	expect_errno(__td_init(vm, td_params(vm), NULL), EINVAL, "a second KVM_TDX_INIT_VM");
}

/* --- vCPUs ------------------------------------------------------------------------------------ */

static int create_vcpu(struct vm *vm)
{
	return ioctl(vm->fd, KVM_CREATE_VCPU, vm->nr_vcpus++);
}

static void vcpu_before_init_vm(const struct test *t)
{
	(void)t;
	expect_errno(create_vcpu(td_vm()), EIO, "KVM_CREATE_VCPU before KVM_TDX_INIT_VM");
}

static void vcpu_without_split_irqchip(const struct test *t)
{
	struct vm *vm = vm_create(KVM_X86_TDX_VM);

	(void)t;
	expect_ok(__td_init(vm, td_params(vm), NULL), "KVM_TDX_INIT_VM without irqchip");
	expect_errno(create_vcpu(vm), EINVAL, "KVM_CREATE_VCPU without split irqchip");
}

static void too_many_vcpus(const struct test *t)
{
	struct vm *vm = td_create();
	int max = vm_check_cap(vm, KVM_CAP_MAX_VCPUS);

	(void)t;
	expect_true(max > 0 && max <= sysconf(_SC_NPROCESSORS_CONF),
		    "no more vCPUs than CPUs (%d)", max);
	for (int i = 0; i < max; i++)
		td_vcpu(vm);
	expect_errno(create_vcpu(vm), EINVAL, "vCPU %d of %d", max, max);
	measure("vcpus", max);
}

/*
 * A vCPU that could not be created is out of the list of TD vCPUs that its CPU
 * has: the kernel walks that list when the CPU goes offline ("KVM: TDX: Fix
 * list_add corruption during vcpu_load()", 6.19).
 */
static void same_vcpu_id(const struct test *t)
{
	struct vcpu *first;
	const char *online;
	struct vm *vm;

	(void)t;
	skip_if_issue("E5");
	vm = td_create();
	run_on_nth_cpu(1);
	first = td_vcpu_create(vm);
	expect_true(!__vcpu_create(vm, first->id) && errno == EEXIST,
		    "KVM_CREATE_VCPU with an id that is taken: EEXIST");
	td_vcpu_create(vm);
	run_on_nth_cpu(0);
	online = strf("/sys/devices/system/cpu/cpu%d/online", nth_cpu(1));
	must(!set_and_undo(online, "0"), "writing 0 to %s", online);
	must(!set_and_undo(online, "1"), "writing 1 to %s", online);
}

static void init_vcpu_flags(const struct test *t)
{
	struct fixture td = td_at(VCPU_CREATED);

	(void)t;
	expect_errno(__td_cmd(td.vcpu->fd, KVM_TDX_INIT_VCPU, 1, 0, NULL), EINVAL, "a flag");
	expect_ok(__td_vcpu_init(td.vcpu, 0), "KVM_TDX_INIT_VCPU afterwards");
}

static void init_vcpu_twice(const struct test *t)
{
	(void)t;
	expect_errno(__td_vcpu_init(td_at(VCPU_INIT).vcpu, 0), EINVAL,
		     "a second KVM_TDX_INIT_VCPU");
}

/* The module wants x2APIC; a vCPU without CPUID has none. */
static void init_vcpu_without_cpuid(const struct test *t)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = vcpu_create(vm);

	(void)t;
	expect_errno(__td_vcpu_init(vcpu, 0), EINVAL, "KVM_TDX_INIT_VCPU without x2APIC");
}

static void init_vcpu_after_finalize(const struct test *t)
{
	struct fixture td = td_at(VCPU_INIT);
	struct vcpu *second = td_vcpu_create(td.vm);

	(void)t;
	td_finalize(td.vm);
	expect_errno(__td_vcpu_init(second, 0), EINVAL, "KVM_TDX_INIT_VCPU after finalize");
}

static struct kvm_cpuid2 *cpuid_room(u32 nr)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + nr * sizeof(cpuid->entries[0]));

	cpuid->nent = nr;
	return cpuid;
}

static void get_cpuid(const struct test *t)
{
	struct fixture td = td_at(VCPU_INIT);
	struct kvm_cpuid2 *cpuid = cpuid_room(MANY_CPUID);

	(void)t;
	expect_ok(__td_cmd(td.vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)cpuid, NULL),
		  "KVM_TDX_GET_CPUID");
	expect_true(cpuid->nent > 1, "the TD has CPUID leaves (%u)", cpuid->nent);
	expect_eq(cpuid->entries[0].function, 0, "first leaf");
	measure("cpuid_leaves", cpuid->nent);
}

#define XFAM_X87_SSE	3u
#define LEAF_1_AVX	(1u << 28 | 1u << 12 | 1u << 29)	/* AVX, FMA, F16C: in ECX */
#define LEAF_1_FMS	0x0FFF3FFFu

static struct kvm_cpuid_entry2 leaf_1(struct vm *vm)
{
	struct vcpu *vcpu = td_vcpu(vm);
	struct kvm_cpuid2 *cpuid = cpuid_room(MANY_CPUID);

	expect_ok(__td_cmd(vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)cpuid, NULL),
		  "KVM_TDX_GET_CPUID");
	for (u32 i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			return cpuid->entries[i];
	expect_true(!"found", "CPUID leaf 1 among the %u entries of the TD", cpuid->nent);
	return (struct kvm_cpuid_entry2){ 0 };
}

/* Nobody configures these bits: the module composes them. */
static void get_cpuid_composed(const struct test *t)
{
	struct vm *with = td_vm(), *without = td_vm();
	struct kvm_tdx_init_vm *params = td_params(with);
	struct kvm_cpuid_entry2 seen;
	u32 eax, ebx, ecx, edx;

	(void)t;
	__cpuid(1, eax, ebx, ecx, edx);
	expect_ok(__td_init(with, params, NULL), "KVM_TDX_INIT_VM");
	seen = leaf_1(with);
	expect_eq(seen.eax & LEAF_1_FMS, eax & LEAF_1_FMS, "family, model and stepping");
	if (params->xfam & 4)
		expect_eq(seen.ecx & LEAF_1_AVX, ecx & LEAF_1_AVX, "AVX, FMA and F16C");

	params = td_params(without);
	params->xfam = XFAM_X87_SSE;
	expect_ok(__td_init(without, params, NULL), "KVM_TDX_INIT_VM with x87 and SSE only");
	expect_eq(leaf_1(without).ecx & LEAF_1_AVX, 0, "AVX, FMA and F16C without AVX state");
}

static void get_cpuid_no_room(const struct test *t)
{
	struct fixture td = td_at(VCPU_INIT);
	struct kvm_cpuid2 *cpuid = cpuid_room(1);

	(void)t;
	expect_errno(__td_cmd(td.vcpu->fd, KVM_TDX_GET_CPUID, 0, (uintptr_t)cpuid, NULL), E2BIG,
		     "room for one entry");
	expect_true(cpuid->nent > 1, "the number that is needed is told (%u)", cpuid->nent);
}

/* --- memory and finalize out of their time ------------------------------------------------------ */

static u8 page[SZ_4K] __attribute__((aligned(4096)));

static void expect_add(struct vcpu *vcpu, u32 flags, int error, const char *what)
{
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)page, .gpa = GPA, .nr_pages = 1,
	};

	expect_errno(__td_add(vcpu, &region, flags), error, "KVM_TDX_INIT_MEM_REGION: %s", what);
}

static void add_before_init_vcpu(const struct test *t)
{
	struct fixture td = td_at(VCPU_CREATED);

	(void)t;
	td_slot_add(td.vm, GPA, TD_SIZE);
	expect_add(td.vcpu, 0, EINVAL, "before KVM_TDX_INIT_VCPU");
	expect_ok(__td_vcpu_init(td.vcpu, 0), "KVM_TDX_INIT_VCPU");
	expect_add(td.vcpu, 0, 0, "afterwards");
}

static void add_after_finalize(const struct test *t)
{
	(void)t;
	expect_add(td_at(FINALIZED).vcpu, 0, EINVAL, "after KVM_TDX_FINALIZE_VM");
}

static void add_unknown_flag(const struct test *t)
{
	struct fixture td = td_at(VCPU_INIT);

	(void)t;
	td_slot_add(td.vm, GPA, TD_SIZE);
	expect_add(td.vcpu, 2, EINVAL, "flag 2");
}

static void finalize_before_init_vm(const struct test *t)
{
	(void)t;
	expect_errno(__td_finalize(td_vm(), NULL), EINVAL, "KVM_TDX_FINALIZE_VM of no TD");
}

static void finalize_twice(const struct test *t)
{
	struct fixture td = td_at(FINALIZED);
	u64 hw_error;

	(void)t;
	expect_errno(__td_finalize(td.vm, &hw_error), EINVAL, "a second KVM_TDX_FINALIZE_VM");
	expect_eq(hw_error, 0, "hw_error: the TDX module was not asked");
	prefault(td.vcpu, GPA + 8 * SZ_4K, SZ_4K);	/* the TD lives */
}

static void run_before_finalize(const struct test *t)
{
	(void)t;
	for (enum stage stage = VCPU_INIT; stage < FINALIZED; stage++)
		expect_errno(ioctl(td_at(stage).vcpu->fd, KVM_RUN, 0), EINVAL, "KVM_RUN %s",
			     stage_name[stage]);
}

/* The module wants a vCPU; KVM takes its refusal for a bug, and ends the VM. */
static void finalize_without_vcpu(const struct test *t)
{
	struct vm *vm = td_create();
	u64 hw_error;

	(void)t;
	expect_errno(__td_finalize(vm, &hw_error), EIO, "KVM_TDX_FINALIZE_VM without vCPU");
	expect_errno(create_vcpu(vm), EIO, "the VM is dead");
}

/* --- the end ---------------------------------------------------------------------------------------- */

struct end {
	enum stage stage;
	void (*end)(struct fixture *td);
};

static void close_vcpu(struct fixture *td)
{
	if (td->vcpu)
		vcpu_close(td->vcpu);
}

static void close_gmem(struct fixture *td)
{
	if (td->slot)
		close(td->slot->gmem->fd);
}

static void end_vcpu_first(struct fixture *td) { close_vcpu(td); close_gmem(td); vm_close(td->vm); }
static void end_vm_first(struct fixture *td) { vm_close(td->vm); close_vcpu(td); close_gmem(td); }
static void end_gmem_first(struct fixture *td) { close_gmem(td); vm_close(td->vm); close_vcpu(td); }

/*
 * What TDs hold: HKIDs, as the misc cgroup counts them for the whole host; and where the
 * TDX module is the software one, pages, and violations of its rules.
 */
struct held {
	long keyids;		/* -1: not told */
	struct softtdx_state module;
};

static struct held held(void)
{
	struct held h = { .keyids = keyids().used };

	if (softtdx_present())
		h.module = softtdx_state();
	else if (h.keyids < 0)
		test_skip("needs the count of HKIDs: \"tdx\" in /sys/fs/cgroup/misc.current (CONFIG_CGROUP_MISC, cgroup v2; Linux 6.16 or newer)");
	return h;
}

/* The kernel tears a TD down a little after the last close. */
static long keyids_settled(long wanted)
{
	double deadline = now() + SETTLE_LIMIT_S;
	long used;

	while ((used = keyids().used) != wanted && now() < deadline)
		usleep(1000);
	return used;
}

/* Nothing is left of the TD, and no rule of the module was violated. */
static void expect_no_trace(const struct held *before, const char *what)
{
	struct softtdx_state after;

	if (before->keyids >= 0)
		expect_eq(keyids_settled(before->keyids), before->keyids,
			  "HKIDs in use (misc.current), %s", what);
	if (!softtdx_present())
		return;
	after = softtdx_settled(&before->module);
	expect_eq(after.tds, before->module.tds, "TDs, %s", what);
	expect_eq(after.keyids, before->module.keyids, "HKIDs in use, %s", what);
	expect_eq(after.pages, before->module.pages, "pages owned by TDs (PAMT), %s", what);
	expect_eq(after.violations, before->module.violations,
		  "violations of the module's rules, %s", what);
	expect_eq(after.broken_rules, 0, "broken invariants, %s", what);
}

static void destroyed(const struct test *t)
{
	void (*end)(struct fixture *td) = t->tc->arg;

	for (enum stage stage = VM_CREATED; stage < NR_STAGES; stage++) {
		struct held before = held();
		struct fixture td = td_at(stage);

		end(&td);
		expect_no_trace(&before, stage_name[stage]);
	}
	measure("attempts", NR_STAGES);
}

static void destroyed_by_kill(const struct test *t)
{
	(void)t;
	for (enum stage stage = VM_CREATED; stage < NR_STAGES; stage++) {
		struct held before = held();
		pid_t child = fork();

		must(child >= 0, "fork");
		if (!child) {
			td_at(stage);
			kill(getpid(), SIGKILL);
		}
		must(waitpid(child, NULL, 0) == child, "waitpid");
		expect_no_trace(&before, stage_name[stage]);
	}
	measure("attempts", NR_STAGES);
}

/* A child that inherited the fds keeps the TD, until it ends. */
static void destroyed_after_fork(const struct test *t)
{
	struct held before = held();
	struct fixture td = td_at(FINALIZED);
	pid_t child = fork();

	(void)t;
	must(child >= 0, "fork");
	if (!child)
		for (;;)
			pause();
	end_vm_first(&td);
	if (before.keyids >= 0)
		expect_eq(keyids_settled(before.keyids + 1), before.keyids + 1,
			  "HKIDs in use while the child holds the fds");
	if (softtdx_present())
		expect_eq(softtdx_state().tds, before.module.tds + 1,
			  "TDs while the child holds the fds");
	kill(child, SIGKILL);
	must(waitpid(child, NULL, 0) == child, "waitpid");
	expect_no_trace(&before, "after the child");
}

/* HKIDs are few: the last one is a clear error, and they come back. */
static void keyids_run_out(const struct test *t)
{
	struct held before = held();
	struct vm *vms[256];
	size_t nr = 0;
	int ret = 0;

	(void)t;
	while (nr < ARRAY_SIZE(vms)) {
		vms[nr] = td_vm();
		ret = __td_init(vms[nr], td_params(vms[nr]), NULL);
		if (ret)
			break;
		nr++;
	}
	expect_errno(ret, ENOSPC, "KVM_TDX_INIT_VM without a free HKID");
	measure("keyids", nr);
	vm_close(vms[0]);
	expect_ok(__td_init(vms[nr], td_params(vms[nr]), NULL), "KVM_TDX_INIT_VM when one is free again");
	for (size_t i = 1; i <= nr; i++)
		vm_close(vms[i]);
	expect_no_trace(&before, "after all are closed");
}

static void many_cycles(const struct test *t)
{
	const unsigned int cycles = t->tc->nightly ? 1000 : 200;
	struct held before = held();
	double start = now();

	for (unsigned int i = 0; i < cycles; i++) {
		struct fixture td = td_at(PREFAULTED);

		end_vcpu_first(&td);
		munmap(td.slot->mem->hva, td.slot->mem->size);
	}
	expect_no_trace(&before, "after many cycles");
	measure("attempts", cycles);
	measure("seconds_each", (now() - start) / cycles);
}

/* --- WARN_ONCE, a second time in one boot ------------------------------------------------- */

/* Runs finalize_without_vcpu as on a host of others, with or without --allow-host-wide. */
static int run_on_host(const char *allow)
{
	pid_t child = fork();
	int status;

	must(child >= 0, "fork");
	if (!child) {
		int null = open("/dev/null", O_WRONLY);

		unsetenv("KTS_TESTBED");
		dup2(null, STDOUT_FILENO);
		execl("/proc/self/exe", "td_lifecycle_test", "--case", "finalize_without_vcpu.tdx",
		      allow, NULL);
		_exit(127);
	}
	must(waitpid(child, &status, 0) == child && WIFEXITED(status), "running this program");
	return WEXITSTATUS(status);
}

static void warns_again(const struct test *t)
{
	(void)t;
	for (int i = 0; i < 2; i++)
		expect_eq(run_on_host("--allow-host-wide"), 0, "exit code of run %d in this boot",
			  i + 1);
	expect_eq(run_on_host(NULL), 4, "exit code where the WARNING cannot come again (4: skipped)");
}

#define TD	.vm_types = VM_TDX
#define ENDS	TD, .uses_softtdx = true

static const struct test_case cases[] = {
	{ "capabilities", "what the TDX module supports", capabilities, TD },
	{ "capabilities_no_room", "too little room: E2BIG", capabilities_no_room, TD },
	{ "capabilities_flags", "a flag: EINVAL", capabilities_flags, TD },
	{ "capabilities_bad_pointer", "no buffer: EFAULT", capabilities_bad_pointer, TD },

	{ "hw_error_not_zero", "hw_error set on input: EINVAL", hw_error_not_zero, TD },
	{ "unknown_command", "a command that is none: EINVAL", unknown_command, TD },
	{ "wrong_fd", "a vCPU's command on a VM and the reverse: EINVAL", wrong_fd, TD },
	{ "bad_command_pointer", "no command: EFAULT", bad_command_pointer, TD },

	{ "init_vm_bad_attribute", "an unsupported attribute: EINVAL", init_vm_refused,
	  &bad_attribute, TD },
	{ "init_vm_bad_xfam", "an unsupported XFAM bit: EINVAL", init_vm_refused, &bad_xfam, TD },
	{ "init_vm_reserved", "a reserved field: EINVAL", init_vm_refused, &bad_reserved, TD },
	{ "init_vm_padding", "CPUID padding: EINVAL", init_vm_refused, &bad_padding, TD },
	{ "init_vm_many_cpuid", "too many CPUID entries: E2BIG", init_vm_refused, &bad_nent, TD },
	{ "init_vm_no_cpuid", "no leaf 80000008: EINVAL", init_vm_refused, &no_cpuid, TD },
	{ "init_vm_bad_gpaw", "a GPAW of 50: EINVAL", init_vm_refused, &bad_gpaw, TD },
	{ "init_vm_bad_leaf", "a leaf that is not configurable: EINVAL", init_vm_refused, &bad_leaf,
	  TD },
	{ "init_vm_bad_cpuid_bit", "a CPUID bit that is not: EINVAL and hw_error", init_vm_refused,
	  &bad_cpuid_bit, TD },
	{ "init_vm_bad_stepping", "another stepping than the host's: EINVAL and hw_error",
	  init_vm_refused, &bad_stepping, TD },
	{ "init_vm_flags", "a flag: EINVAL", init_vm_flags, TD },
	{ "init_vm_bad_pointer", "no parameters: EFAULT", init_vm_bad_pointer, TD },
	{ "init_vm_twice", "a second time: EINVAL", init_vm_twice, TD },

	{ "vcpu_before_init_vm", "a vCPU before the TD: EIO", vcpu_before_init_vm, TD },
	{ "vcpu_without_split_irqchip", "a vCPU without split irqchip: EINVAL",
	  vcpu_without_split_irqchip, TD },
	{ "too_many_vcpus", "one vCPU more than CPUs: EINVAL", too_many_vcpus, TD },
	{ "same_vcpu_id", "an id that is taken: EEXIST, and the vCPU leaves its CPU", same_vcpu_id,
	  .vm_types = VM_TDX, .cpus = 2, .side_effects = "takes a CPU offline: interrupts and cpusets of others leave it for good" },
	{ "init_vcpu_flags", "a flag: EINVAL", init_vcpu_flags, TD },
	{ "init_vcpu_twice", "a second time: EINVAL", init_vcpu_twice, TD },
	{ "init_vcpu_without_cpuid", "a vCPU without x2APIC: EINVAL", init_vcpu_without_cpuid, TD },
	{ "init_vcpu_after_finalize", "after finalize: EINVAL", init_vcpu_after_finalize, TD,
	  .cpus = 2 },
	{ "get_cpuid", "the CPUID of the TD", get_cpuid, TD },
	{ "get_cpuid_composed", "family, model, stepping and AVX: the host's, and as XFAM has it",
	  get_cpuid_composed, TD },
	{ "get_cpuid_no_room", "too little room: E2BIG, and how much is needed", get_cpuid_no_room,
	  TD },

	{ "add_before_init_vcpu", "memory before the vCPU is initialised: EINVAL",
	  add_before_init_vcpu, TD },
	{ "add_after_finalize", "memory after finalize: EINVAL", add_after_finalize, TD },
	{ "add_unknown_flag", "memory with an unknown flag: EINVAL", add_unknown_flag, TD },
	{ "finalize_before_init_vm", "finalize before the TD: EINVAL", finalize_before_init_vm, TD },
	{ "run_before_finalize", "KVM_RUN before finalize: EINVAL", run_before_finalize, TD },
	{ "finalize_twice", "finalize a second time: EINVAL, the TD lives", finalize_twice, TD },
	{ "finalize_without_vcpu", "finalize without vCPU: EIO, the VM is dead",
	  finalize_without_vcpu, .vm_types = VM_TDX,
	  .expects_splat = true, .side_effects = "makes the kernel print a WARNING" },

	{ "warns_again", "a wanted WARN_ONCE comes in each run of a boot", warns_again,
	  .vm_types = VM_TDX, .expects_splat = true,
	  .side_effects = "makes the kernel print WARNINGs" },

	{ "destroyed_vcpu_first", "closed at each stage: vCPU, guest_memfd, VM", destroyed,
	  end_vcpu_first, ENDS },
	{ "destroyed_vm_first", "closed at each stage: VM, vCPU, guest_memfd", destroyed,
	  end_vm_first, ENDS },
	{ "destroyed_gmem_first", "closed at each stage: guest_memfd, VM, vCPU", destroyed,
	  end_gmem_first, ENDS },
	{ "destroyed_by_kill", "killed by SIGKILL at each stage", destroyed_by_kill, ENDS,
	  .fixes = "KVM: x86/tdp_mmu: Don't zap valid mirror roots in kvm_tdp_mmu_zap_all() (6.14)" },
	{ "destroyed_after_fork", "a child holds the fds", destroyed_after_fork, ENDS },
	{ "keyids_run_out", "no HKID left: ENOSPC, and they come back", keyids_run_out, ENDS,
	  .side_effects = "uses up the HKIDs", .time_limit_s = 60 },
	{ "cycles_200", "200 TDs made and destroyed leave nothing", many_cycles,
	  ENDS, .time_limit_s = 120 },
	{ "cycles_1000", "1,000 TDs made and destroyed leave nothing", many_cycles,
	  TD, .uses_softtdx = true, .nightly = true,
	  .time_limit_s = 600 },
};

TEST_MAIN("the life of a TD, and what KVM refuses in it", cases)
