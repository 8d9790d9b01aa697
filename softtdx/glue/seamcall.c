// SPDX-License-Identifier: GPL-2.0-only
/*
 * softtdx in the kernel: SEAMCALL and the KeyID MSR as tdx.c sees them, and what the model
 * needs of its environment. Without softtdx=on all of it leads to the real ones.
 */
#define pr_fmt(fmt) "softtdx: " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/kstrtox.h>
#include <linux/memblock.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/topology.h>
#include <asm/cpufeature.h>
#include <asm/cpuid/api.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include <asm/vmx.h>

#include "compat.h"
#include "glue.h"
#include "vmx.h"

/* KeyIDs: 0 is for everyone, 1 is left to MKTME, these are TDX's. */
#define FIRST_KEYID	2
#define NR_KEYIDS	32

struct softtdx softtdx;
bool softtdx_active __ro_after_init;

static bool wanted __initdata;

static int __init softtdx_option(char *text)
{
	return text ? kstrtobool(text, &wanted) : -EINVAL;
}
early_param("softtdx", softtdx_option);

static const char *__init why_not(int error, u64 keyids)
{
	if (!error && keyids >> 32)
		return "this machine has TDX";
	if (!boot_cpu_has(X86_FEATURE_VMX))
		return "this CPU has no VMX";
	return NULL;
}

/* The first that tdx.c does: without TDX KeyIDs it would stop here. */
int __init softtdx_read_msr(u32 msr, u64 *value)
{
	int error = rdmsrq_safe(msr, value);
	const char *obstacle;

	if (!wanted || msr != MSR_IA32_MKTME_KEYID_PARTITIONING)
		return error;
	obstacle = why_not(error, *value);
	if (obstacle) {
		pr_err("not started: %s\n", obstacle);
		wanted = false;
		return error;
	}
	*value = (u64)NR_KEYIDS << 32 | (FIRST_KEYID - 1);
	return 0;
}

/*
 * Memory only: other addresses have no place in the direct map. The model clears the KeyID
 * before it asks.
 */
static void *map_page(void *env, u64 hpa)
{
	return memblock_is_memory(hpa) ? __va(hpa) : NULL;
}

static u32 this_cpu(void *env)
{
	return raw_smp_processor_id();
}

static u32 this_package(void *env)
{
	return topology_logical_package_id(raw_smp_processor_id());
}

static u64 tsc(void *env)
{
	return rdtsc();
}

static struct cpuid_value host_cpuid(void *env, u32 leaf, u32 subleaf)
{
	struct cpuid_value v;

	cpuid_count(leaf, subleaf, &v.eax, &v.ebx, &v.ecx, &v.edx);
	return v;
}

static void delay(void *env, u64 usecs)
{
	for (; usecs > 1000; usecs -= 1000)
		udelay(1000);
	udelay(usecs);
}

static const struct softtdx_ops ops = {
	.map = map_page,
	.cpu = this_cpu,
	.package = this_package,
	.tsc = tsc,
	.cpuid = host_cpuid,
	.report = softtdx_report,
	.delay = delay,
	.run = softtdx_run,
};

static u32 __init online_packages(void)
{
	u32 cpu, packages = 0;

	for_each_online_cpu(cpu)
		packages |= BIT(topology_logical_package_id(cpu) % SOFTTDX_MAX_PACKAGES);
	return hweight32(packages);
}

/* AMX's tiles, which do not fit into a vCPU's page for its extended state. */
#define XFEATURES_TOO_LARGE	(3ull << 17)

/* What XCR0 and IA32_XSS may hold. */
static u64 __init xsave_features(void)
{
	u32 eax, ebx, ecx, edx, xss_low, xss_high;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	cpuid_count(0xD, 1, &eax, &ebx, &xss_low, &xss_high);
	cpuid_count(0xD, 0, &eax, &ebx, &ecx, &edx);
	return ((eax | xss_low) | (u64)(edx | xss_high) << 32) & ~XFEATURES_TOO_LARGE;
}

static u32 __init scalable_tsc_khz(void)
{
	u64 controls = 0;

	rdmsrq_safe(MSR_IA32_VMX_PROCBASED_CTLS2, &controls);
	return controls >> 32 & SECONDARY_EXEC_TSC_SCALING ? tsc_khz : 0;
}

/* After the CPUs came up, which the module has to know, and before tdx.c starts it. */
static int __init softtdx_start(void)
{
	struct softtdx_config config = {
		.nr_cpus = num_online_cpus(),
		.nr_packages = online_packages(),
		.phys_bits = boot_cpu_data.x86_phys_bits,
		.first_keyid = FIRST_KEYID,
		.nr_keyids = NR_KEYIDS,
		.xfam = xsave_features(),
		.tsc_khz = scalable_tsc_khz(),
	};

	if (!wanted)
		return 0;
	if (!softtdx_init(&softtdx, &config, &ops, NULL)) {
		pr_err("not started: %u CPUs, %u packages, %u physical address bits\n",
		       config.nr_cpus, config.nr_packages, config.phys_bits);
		return -EINVAL;
	}
	add_taint(TAINT_CPU_OUT_OF_SPEC, LOCKDEP_STILL_OK);
	softtdx_active = true;
	pr_info("this kernel's TDX module is software: it protects nothing\n");
	return 0;
}
core_initcall(softtdx_start);

/* Registers as the kernel has them are registers as the model has them. */
#define SAME(reg) (offsetof(struct tdx_module_args, reg) == offsetof(struct softtdx_regs, reg))
static_assert(sizeof(struct tdx_module_args) == sizeof(struct softtdx_regs));
static_assert(SAME(rcx) && SAME(rdx) && SAME(r8) && SAME(r9) && SAME(r10) && SAME(r11) &&
	      SAME(r12) && SAME(r13) && SAME(r14) && SAME(r15) && SAME(rbx) && SAME(rdi) &&
	      SAME(rsi));

static u64 ask_model(u64 fn, struct softtdx_regs *regs)
{
	unsigned long flags;
	u64 status;

	if (fn >> 63)	/* P-SEAMLDR, which there is none of */
		return TDX_SEAMCALL_VMFAILINVALID;
	local_irq_save(flags);
	status = softtdx_seamcall(&softtdx, fn, regs);
	local_irq_restore(flags);
	return status;
}

u64 softtdx_call(u64 fn, struct tdx_module_args *args)
{
	struct softtdx_regs regs;

	if (!softtdx_active)
		return __seamcall(fn, args);
	memcpy(&regs, args, sizeof(regs));
	return ask_model(fn, &regs);
}

u64 softtdx_call_ret(u64 fn, struct tdx_module_args *args)
{
	struct softtdx_regs regs;
	u64 status;

	if (!softtdx_active)
		return __seamcall_ret(fn, args);
	memcpy(&regs, args, sizeof(regs));
	status = ask_model(fn, &regs);
	memcpy(args, &regs, offsetof(struct tdx_module_args, r12));
	return status;
}
EXPORT_SYMBOL_GPL(softtdx_call_ret);	/* for kmod/ */

/* TDH.VP.ENTER, with interrupts off and perhaps without RCU. */
noinstr u64 softtdx_enter(u64 fn, struct tdx_module_args *args)
{
	u64 status;

	if (!softtdx_active)
		return __seamcall_saved_ret(fn, args);
	instrumentation_begin();
	status = ask_model(fn, (struct softtdx_regs *)args);
	instrumentation_end();
	return status;
}
