// SPDX-License-Identifier: GPL-2.0-only
/* KVM objects: VMs, vCPUs, memory attributes, prefault. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file.h"
#include "testcase.h"
#include "timeline.h"
#include "vm.h"

int kvm_dev(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return fd;
}

int kvm_cap(int cap)
{
	int ret = kvm_dev() < 0 ? 0 : ioctl(kvm_dev(), KVM_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : ret;
}

const char *kvm_param(const char *module, const char *name)
{
	static char value[64];
	char *text = file_line(strf("/sys/module/%s/parameters/%s", module, name));

	snprintf(value, sizeof(value), "%s", text ?: "");
	free(text);
	return value;
}

/* In the first line of /proc/cpuinfo that begins with @key ("flags", "vmx flags"). */
static bool cpuinfo_has(const char *key, const char *flag)
{
	char *flags = file_after("/proc/cpuinfo", key);
	bool found = flags && strstr(flags, flag);

	free(flags);
	return found;
}

/*
 * Both vendors' parameters exist where both modules are built in, and the one
 * that does not fit the CPU keeps its default: ask the CPU first.
 */
enum tdp kvm_tdp(void)
{
	if (cpuinfo_has("flags", " vmx ") && !strcmp(kvm_param("kvm_intel", "ept"), "Y"))
		return TDP_EPT;
	if (cpuinfo_has("flags", " svm ") && !strcmp(kvm_param("kvm_amd", "npt"), "Y"))
		return TDP_NPT;
	return TDP_NONE;
}

/* EPT: bit 2 allows execution.  NPT: bit 63 forbids it. */
bool spte_executable(u64 spte)
{
	return kvm_tdp() == TDP_EPT ? spte >> 2 & 1 : !(spte >> 63);
}

bool spte_accessed(u64 spte)
{
	return spte >> (kvm_tdp() == TDP_EPT ? 8 : 5) & 1;
}

bool cpu_has_5_level_ept(void)
{
	return cpuinfo_has("vmx flags", " ept_5level");
}

struct vm *vm_of_fd(int fd, unsigned int type)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	vm->type = type;
	vm->fd = fd;
	return vm;
}

struct vm *vm_create(unsigned int type)
{
	int fd = ioctl(kvm_dev(), KVM_CREATE_VM, type);

	expect_ok(fd, "KVM_CREATE_VM of type %u", type);
	return vm_of_fd(fd, type);
}

int __vm_ioctl(struct vm *vm, unsigned long cmd, void *arg)
{
	return ioctl(vm->fd, cmd, arg);
}

int vm_check_cap(struct vm *vm, int cap)
{
	return ioctl(vm->fd, KVM_CHECK_EXTENSION, cap);
}

void vm_enable_cap(struct vm *vm, u32 cap, u64 arg0)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg0 } };

	expect_ok(__vm_ioctl(vm, KVM_ENABLE_CAP, &enable), "KVM_ENABLE_CAP %u", cap);
}

struct vcpu *vcpu_of_fd(int fd, struct vm *vm, u32 id)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));

	vcpu->fd = fd;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->run_size = ioctl(kvm_dev(), KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	expect_ok(vcpu->run == MAP_FAILED ? -1 : 0, "mmap of kvm_run");
	return vcpu;
}

struct vcpu *__vcpu_create(struct vm *vm, u32 id)
{
	int fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);

	return fd < 0 ? NULL : vcpu_of_fd(fd, vm, id);
}

struct vcpu *vcpu_create(struct vm *vm)
{
	struct vcpu *vcpu = __vcpu_create(vm, vm->nr_vcpus);

	expect_ok(vcpu ? 0 : -1, "KVM_CREATE_VCPU %u", vm->nr_vcpus);
	vm->nr_vcpus++;
	return vcpu;
}

void vcpu_close(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

void vm_close(struct vm *vm)
{
	close(vm->fd);
}

bool vm_dead(const struct vm *vm)
{
	return ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS) < 0 && errno == EIO;
}

/* Memory attributes. */

int __vm_set_attributes(struct vm *vm, u64 gpa, u64 size,
			u64 attributes)
{
	struct kvm_memory_attributes attr = {
		.address = gpa, .size = size, .attributes = attributes,
	};

	timeline_begin("KVM_SET_MEMORY_ATTRIBUTES gpa 0x%llx size 0x%llx: %s", gpa, size,
		       attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE ? "private" : "shared");
	return timeline_returned(ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attr),
				 "KVM_SET_MEMORY_ATTRIBUTES");
}

void vm_set_private(struct vm *vm, u64 gpa, u64 size)
{
	expect_ok(__vm_set_attributes(vm, gpa, size, KVM_MEMORY_ATTRIBUTE_PRIVATE),
		  "setting [0x%llx, +0x%llx) private", gpa,
		  size);
}

void vm_set_shared(struct vm *vm, u64 gpa, u64 size)
{
	expect_ok(__vm_set_attributes(vm, gpa, size, 0),
		  "setting [0x%llx, +0x%llx) shared", gpa,
		  size);
}

/* Prefault. */

int __vcpu_prefault(struct vcpu *vcpu, struct kvm_pre_fault_memory *range)
{
	/* Some cases pass no argument, to see what KVM says. */
	const struct kvm_pre_fault_memory *told = range ?: &(struct kvm_pre_fault_memory){ 0 };
	int ret;

	timeline_begin("KVM_PRE_FAULT_MEMORY gpa 0x%llx size 0x%llx", told->gpa, told->size);
	ret = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, range);
	return timeline_returned(ret, "KVM_PRE_FAULT_MEMORY (0x%llx bytes left)", told->size);
}

void prefault(struct vcpu *vcpu, u64 gpa, u64 size)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };

	do {
		int ret = __vcpu_prefault(vcpu, &range);

		if (ret && errno == EINTR)
			continue;
		expect_ok(ret, "KVM_PRE_FAULT_MEMORY at gpa 0x%llx, 0x%llx bytes left of 0x%llx",
			  range.gpa, range.size, size);
	} while (range.size);
}

struct kvm_run_memory_fault vcpu_memory_fault(struct vcpu *vcpu)
{
	struct kvm_run_memory_fault fault;

	/* The exit union is named in newer headers only; "hw" is its oldest member. */
	memcpy(&fault, &vcpu->run->hw, sizeof(fault));
	return fault;
}

static char *memory_fault_text(struct kvm_run_memory_fault f)
{
	return strf("gpa 0x%llx, size 0x%llx, flags 0x%llx", f.gpa, f.size, f.flags);
}

void expect_memory_fault_exit_(const char *file, int line, struct vcpu *vcpu, u64 gpa,
			       u64 flags)
{
	struct kvm_run_memory_fault wanted = { .gpa = gpa, .size = SZ_4K, .flags = flags };
	struct kvm_run_memory_fault seen = vcpu_memory_fault(vcpu);

	if (vcpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT)
		test_failed(file, line, strf("exit of vCPU %u", vcpu->id),
			    "KVM_EXIT_MEMORY_FAULT (39)", strf("exit %u", vcpu->run->exit_reason));
	if (memcmp(&wanted, &seen, sizeof(seen)))
		test_failed(file, line, "KVM_EXIT_MEMORY_FAULT", memory_fault_text(wanted),
			    memory_fault_text(seen));
}
