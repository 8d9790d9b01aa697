// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a TD: commands in the wrong order or on the wrong fd, and its end.  However a
 * TD is destroyed, at whatever stage, it leaves no HKID, no page and no TD behind.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "keyids.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "testcase.h"

#define TD_SIZE		(16 * SZ_4K)	/* private memory of these TDs */
#define SETTLE_LIMIT_S	5.0

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

CASE(hw_error_not_zero, "hw_error set on input: EINVAL", .vm_types = VM_TDX)
{
	struct fixture td = td_at(VCPU_CREATED);

	for (u32 id = KVM_TDX_CAPABILITIES; id <= KVM_TDX_GET_CPUID; id++) {
		bool of_vcpu = id == KVM_TDX_INIT_VCPU || id == KVM_TDX_INIT_MEM_REGION ||
			       id == KVM_TDX_GET_CPUID;
		struct kvm_tdx_cmd cmd = { .id = id, .hw_error = 1 };

		expect_errno(ioctl(of_vcpu ? td.vcpu->fd : td.vm->fd, KVM_MEMORY_ENCRYPT_OP, &cmd),
			     EINVAL, "command %u with hw_error on input", id);
	}
}

CASE(unknown_command, "unknown command: EINVAL", .vm_types = VM_TDX)
{
	struct fixture td = td_at(VCPU_CREATED);

	expect_errno(__td_cmd(td.vm->fd, 99, 0, 0, NULL), EINVAL, "command 99 of a VM");
	expect_errno(__td_cmd(td.vcpu->fd, 99, 0, 0, NULL), EINVAL, "command 99 of a vCPU");
}

CASE(wrong_fd, "a vCPU command on a VM fd, and the reverse: EINVAL", .vm_types = VM_TDX)
{
	struct fixture td = td_at(VCPU_CREATED);

	expect_errno(__td_cmd(td.vm->fd, KVM_TDX_INIT_VCPU, 0, 0, NULL), EINVAL,
		     "KVM_TDX_INIT_VCPU on a VM");
	expect_errno(__td_cmd(td.vm->fd, KVM_TDX_INIT_MEM_REGION, 0, 0, NULL), EINVAL,
		     "KVM_TDX_INIT_MEM_REGION on a VM");
	expect_errno(__td_cmd(td.vcpu->fd, KVM_TDX_INIT_VM, 0, 0, NULL), EINVAL,
		     "KVM_TDX_INIT_VM on a vCPU");
	expect_errno(__td_cmd(td.vcpu->fd, KVM_TDX_FINALIZE_VM, 0, 0, NULL), EINVAL,
		     "KVM_TDX_FINALIZE_VM on a vCPU");
}

CASE(bad_command_pointer, "no struct kvm_tdx_cmd: EFAULT", .vm_types = VM_TDX)
{
	expect_errno(ioctl(td_vm()->fd, KVM_MEMORY_ENCRYPT_OP, NULL), EFAULT, "no struct kvm_tdx_cmd");
}

static u8 page[SZ_4K] __attribute__((aligned(4096)));

static void expect_add(struct vcpu *vcpu, u32 flags, int error, const char *what)
{
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)page, .gpa = GPA, .nr_pages = 1,
	};

	expect_errno(__td_add(vcpu, &region, flags), error, "KVM_TDX_INIT_MEM_REGION: %s", what);
}

CASE(add_before_init_vcpu, "KVM_TDX_INIT_MEM_REGION before KVM_TDX_INIT_VCPU: EINVAL",
	.vm_types = VM_TDX)
{
	struct fixture td = td_at(VCPU_CREATED);

	td_slot_add(td.vm, GPA, TD_SIZE);
	expect_add(td.vcpu, 0, EINVAL, "before KVM_TDX_INIT_VCPU");
	expect_ok(__td_vcpu_init(td.vcpu, 0), "KVM_TDX_INIT_VCPU");
	expect_add(td.vcpu, 0, 0, "afterwards");
}

CASE(add_after_finalize, "KVM_TDX_INIT_MEM_REGION after finalize: EINVAL", .vm_types = VM_TDX)
{
	expect_add(td_at(FINALIZED).vcpu, 0, EINVAL, "after KVM_TDX_FINALIZE_VM");
}

CASE(add_unknown_flag, "KVM_TDX_INIT_MEM_REGION with an unknown flag: EINVAL",
	.vm_types = VM_TDX)
{
	struct fixture td = td_at(VCPU_INIT);

	td_slot_add(td.vm, GPA, TD_SIZE);
	expect_add(td.vcpu, 2, EINVAL, "flag 2");
}

CASE(finalize_before_init_vm, "finalize before KVM_TDX_INIT_VM: EINVAL", .vm_types = VM_TDX)
{
	expect_errno(__td_finalize(td_vm(), NULL), EINVAL, "KVM_TDX_FINALIZE_VM of no TD");
}

CASE(run_before_finalize, "KVM_RUN before finalize: EINVAL", .vm_types = VM_TDX)
{
	for (enum stage stage = VCPU_INIT; stage < FINALIZED; stage++)
		expect_errno(ioctl(td_at(stage).vcpu->fd, KVM_RUN, 0), EINVAL, "KVM_RUN %s",
			     stage_name[stage]);
}

CASE(finalize_twice, "a second finalize: EINVAL, the TD goes on", .vm_types = VM_TDX)
{
	struct fixture td = td_at(FINALIZED);
	u64 hw_error;

	expect_errno(__td_finalize(td.vm, &hw_error), EINVAL, "a second KVM_TDX_FINALIZE_VM");
	expect_eq(hw_error, 0, "hw_error: the TDX module was not called");
	prefault(td.vcpu, GPA + 8 * SZ_4K, SZ_4K);	/* the TD goes on */
}

/* The module refuses, because there is no vCPU; KVM takes that for a bug and ends the VM. */
CASE(finalize_without_vcpu, "finalize without vCPU: EIO, and the VM is dead",
	.vm_types = VM_TDX, .side_effects = "makes the kernel print a WARNING",
	.expects_splat = true)
{
	struct vm *vm = td_create();
	u64 hw_error;

	expect_errno(__td_finalize(vm, &hw_error), EIO, "KVM_TDX_FINALIZE_VM without vCPU");
	expect_errno(ioctl(vm->fd, KVM_CREATE_VCPU, 0), EIO, "an ioctl of the dead VM");
}

/* Run finalize_without_vcpu as on a native host, with --allow-host-wide or NULL. */
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

CASE(warns_again, "an expected WARN_ONCE fires in each run of a boot",
	.vm_types = VM_TDX, .side_effects = "makes the kernel print WARNINGs",
	.expects_splat = true)
{
	for (int i = 0; i < 2; i++)
		expect_eq(run_on_host("--allow-host-wide"), 0, "exit code of run %d in this boot",
			  i + 1);
	expect_eq(run_on_host(NULL), 4,
		  "exit code without --allow-host-wide (4: skipped, WARN_ONCE is not reset)");
}

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
 * TDX module is the software one, its state.
 */
struct held {
	long keyids;		/* -1: unknown */
	struct softtdx_state module;
};

static struct held held_now(void)
{
	struct held h = { .keyids = keyids().used };

	if (softtdx_present())
		h.module = softtdx_state();
	else if (h.keyids < 0)
		test_skip("needs the count of HKIDs: \"tdx\" in /sys/fs/cgroup/misc.current (CONFIG_CGROUP_MISC, cgroup v2; Linux 6.16 or newer)");
	return h;
}

/* HKIDs in use; waits, because a TD is destroyed shortly after the last close. */
static long keyids_settled(long wanted)
{
	if (await(keyids().used == wanted, SETTLE_LIMIT_S))
		return wanted;
	return keyids().used;
}

/* Nothing is left of the TD. @when: for the message. */
static void expect_no_trace(const struct held *before, const char *when)
{
	if (before->keyids >= 0)
		expect_eq(keyids_settled(before->keyids), before->keyids,
			  "HKIDs in use (misc.current), %s", when);
	if (softtdx_present())
		expect_softtdx_settled(&before->module, when);
}

static void destroyed(const struct test *t)
{
	void (*end)(struct fixture *td) = t->tc->arg;

	for (enum stage stage = VM_CREATED; stage < NR_STAGES; stage++) {
		struct held before = held_now();
		struct fixture td = td_at(stage);

		end(&td);
		expect_no_trace(&before, stage_name[stage]);
	}
	measure("attempts", NR_STAGES);
}

CASES(destroyed,
	{ "destroyed_vcpu_first", "closed at each stage: vCPU, guest_memfd, VM",
	  .arg = end_vcpu_first, .vm_types = VM_TDX, .uses_softtdx = true },
	{ "destroyed_vm_first", "closed at each stage: VM, vCPU, guest_memfd",
	  .arg = end_vm_first, .vm_types = VM_TDX, .uses_softtdx = true },
	{ "destroyed_gmem_first", "closed at each stage: guest_memfd, VM, vCPU",
	  .arg = end_gmem_first, .vm_types = VM_TDX, .uses_softtdx = true })

CASE(destroyed_by_kill, "killed by SIGKILL at each stage",
	.fixes = "df4af9f89cd8 (\"KVM: x86/tdp_mmu: Don't zap valid mirror roots in kvm_tdp_mmu_zap_all()\"), 6.14",
	.vm_types = VM_TDX, .uses_softtdx = true)
{
	for (enum stage stage = VM_CREATED; stage < NR_STAGES; stage++) {
		struct held before = held_now();
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

/* A child that inherited the fds keeps the TD until it ends. */
CASE(destroyed_after_fork, "closed while a child holds the fds: destroyed when the child ends",
	.vm_types = VM_TDX, .uses_softtdx = true)
{
	struct held before = held_now();
	struct fixture td = td_at(FINALIZED);
	pid_t child = fork();

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

CASE(keyids_run_out, "no HKID left: ENOSPC; works again after a TD is destroyed",
	.vm_types = VM_TDX, .side_effects = "uses up the HKIDs", .uses_softtdx = true,
	.time_limit_s = 60)
{
	struct held before = held_now();
	struct vm *vms[256];
	size_t nr = 0;
	int ret = 0;

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
	expect_ok(__td_init(vms[nr], td_params(vms[nr]), NULL),
		  "KVM_TDX_INIT_VM when one is free again");
	for (size_t i = 1; i <= nr; i++)
		vm_close(vms[i]);
	expect_no_trace(&before, "after all are closed");
}

static void many_cycles(const struct test *t)
{
	const unsigned int cycles = t->tc->param;
	struct held before = held_now();
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

CASES(many_cycles,
	{ "cycles_200", "200 TDs created and destroyed leave nothing", .param = 200,
	  .vm_types = VM_TDX, .uses_softtdx = true, .time_limit_s = 120 },
	{ "cycles_1000", "1,000 TDs created and destroyed leave nothing", .param = 1000,
	  .vm_types = VM_TDX, .uses_softtdx = true, .time_limit_s = 600, .nightly = true })

TEST_MAIN("the life of a TD: commands out of order, and its end")
