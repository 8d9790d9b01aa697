// SPDX-License-Identifier: GPL-2.0-only
/* The preflight of TDX hosts: CPU, kernel, parameters, module, capabilities. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"
#include "kernel.h"
#include "keyids.h"
#include "td.h"
#include "tdx_host.h"
#include "testcase.h"

#define MAX_CHECKS	32
#define MAX_CPUID	256

static struct host_check checks[MAX_CHECKS];
static size_t nr_checks;

static void check(const char *name, bool ok, const char *found, const char *advice)
{
	checks[nr_checks++] = (struct host_check){ name, ok, found, advice };
}

static void information(const char *name, const char *found)
{
	check(name, true, found, NULL);
}

/* The value of a "key : value" line of /proc/cpuinfo. */
static char *cpuinfo(const char *key)
{
	char *rest = file_after("/proc/cpuinfo", key);
	char *colon = rest ? strchr(rest, ':') : NULL;
	char *value = strdup(!colon ? "unknown" : colon[1] ? colon + 2 : "");

	free(rest);
	return value;
}

/* The last kernel message with @text, from there on; NULL if there is none. */
static char *kernel_message(const char *text)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[4096], *found = NULL;
	ssize_t n;

	while (fd >= 0 && ((n = read(fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		char *at;

		if (n <= 0)
			continue;
		record[n] = '\0';
		at = strstr(record, text);
		if (!at)
			continue;
		at[strcspn(at, "\n")] = '\0';
		free(found);
		found = strdup(at);
	}
	if (fd >= 0)
		close(fd);
	return found;
}

/* The log is a ring: after a long uptime its silence proves nothing. */
static void information_from_log(const char *name, const char *text)
{
	information(name, kernel_message(text) ?: strf("no \"%s\" in the kernel log", text));
}

static void check_param(const char *module, const char *name, const char *advice)
{
	const char *value = kvm_param(module, name);

	check(strf("%s.%s", module, name), !strcmp(value, "Y"),
	      *value ? strf("%s", value) : "no such parameter", advice);
}

/*
 * Private memory would not survive hibernation: Linux initializes no TDX module where it is
 * possible (arch/x86/virt/vmx/tdx/tdx.c). The file says "[disabled]" where it is not.
 */
static void check_hibernation(void)
{
	char *modes = file_line("/sys/power/disk");
	bool possible = modes && strcmp(modes, "[disabled]");

	check("hibernation", !possible || !strcmp(kvm_param("kvm_intel", "tdx"), "Y"),
	      possible ? "possible" : "not possible", "boot with nohibernate");
	free(modes);
}

/* A TD is what counts: the checks before it say yes where no HKID is free, for example. */
static void check_init(void)
{
	struct vm vm = { .fd = ioctl(kvm_dev(), KVM_CREATE_VM, KVM_X86_TDX_VM) };
	u64 hw_error = 0;
	bool ok = vm.fd >= 0 && !__td_init(&vm, td_params(&vm), &hw_error);
	int error = errno;

	check("KVM_TDX_INIT_VM", ok,
	      ok ? "a TD was made, and closed" :
		   strf("%s, hw_error 0x%llx", errno_text(error), hw_error),
	      error == ENOSPC ? "all HKIDs are in use: end other TDs" :
	      error == EBUSY ? "the misc cgroup allows no more HKIDs: raise \"tdx\" in misc.max" :
	      "each package needs a CPU that is online; see the kernel log for virt/tdx and kvm_intel");
	if (vm.fd >= 0)
		close(vm.fd);
}

static void information_keyids(void)
{
	struct keyids k = keyids();

	information("HKIDs", k.capacity < 0 ?
		    "not told (cgroup v2 with CONFIG_CGROUP_MISC): cases that count them skip" :
		    strf("%ld of %ld in use", k.used, k.capacity));
}

static void check_capabilities(void)
{
	struct kvm_tdx_capabilities *caps = td_capabilities_alloc(MAX_CPUID);
	struct vm vm = { .fd = ioctl(kvm_dev(), KVM_CREATE_VM, KVM_X86_TDX_VM) };
	bool ok = vm.fd >= 0 && !__td_capabilities(&vm, caps);

	check("KVM_TDX_CAPABILITIES", ok,
	      ok ? strf("attributes 0x%llx, XFAM 0x%llx, %u configurable CPUID leaves",
			caps->supported_attrs, caps->supported_xfam, caps->cpuid.nent) :
		   strf("%s", strerror(errno)),
	      "see the kernel log for virt/tdx and kvm_intel");
	if (vm.fd >= 0)
		close(vm.fd);
	free(caps);
}

static void make_checks(bool all)
{
	const char *flags = cpuinfo("flags");
	int types;

	information("kernel", kernel_release());
	information("CPU", cpuinfo("model name"));
	check("VMX", strstr(flags, " vmx ") != NULL, strstr(flags, " vmx ") ? "yes" : "no",
	      "an Intel CPU with VMX is needed, enabled in the firmware");
	check("/dev/kvm", kvm_dev() >= 0, kvm_dev() >= 0 ? "opens" : strf("%s", strerror(errno)),
	      "load kvm_intel, run as root");
	check_param("kvm_intel", "ept", "load kvm_intel with ept=1");
	check_param("kvm", "tdp_mmu", "load kvm with tdp_mmu=1");
	check_param("kvm", "mmio_caching", "load kvm with mmio_caching=1");
	check_param("kvm_intel", "enable_apicv", "the CPU needs APICv with posted interrupts");
	if (all) {
		information_from_log("keyids", "virt/tdx: BIOS enabled");
		information_from_log("TDX module", "virt/tdx: Module version");
		/* Why the kernel does not: no memory below a TDMR, no SEAM loader ... */
		information_from_log("virt/tdx, last", "virt/tdx: ");
		information_from_log("kvm_intel, last", "kvm_intel: ");
	}
	check_hibernation();
	check_param("kvm_intel", "tdx",
		    "TDX with KeyIDs enabled in the firmware, a kernel with CONFIG_INTEL_TDX_HOST and CONFIG_KVM_INTEL_TDX (6.16 or newer), kvm_intel.tdx=1");
	types = kvm_cap(KVM_CAP_VM_TYPES);
	check("KVM_CAP_VM_TYPES", types & VM_TDX, strf("0x%x", types),
	      "see the kernel log for virt/tdx and kvm_intel: type 5 (TDX) is missing");
	check_capabilities();
	if (!all)
		return;
	if (types & VM_TDX && kvm_dev() >= 0)
		check_init();
	information_keyids();
}

const struct host_check *tdx_host_checks(size_t *nr)
{
	nr_checks = 0;
	make_checks(true);
	*nr = nr_checks;
	return checks;
}

const char *tdx_host_missing(void)
{
	/* Without reading the whole log, and without a TD: this is asked before each case. */
	if (!nr_checks)
		make_checks(false);
	for (size_t i = 0; i < nr_checks; i++)
		if (!checks[i].ok)
			return strf("no TDX on this host: %s is \"%s\": %s (or --on bochs)",
				    checks[i].name, checks[i].found, checks[i].advice);
	return NULL;
}
