// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where events come from: probes on functions, and the kernel's tracepoints.
 *
 * Attribution.  Each source of events either carries struct kvm itself or is
 * attributed to the VM that its task worked on last, as told by the "vm_"
 * probes.  Every SPTE change passes __handle_changed_spte(kvm, ...), or
 * kvm_tdp_mmu_clear_dirty_pt_masked(kvm, ...), in the same task before its
 * tracepoint fires.
 *
 * SEAMCALLs name their TD by an address that nothing else tells: it is learned from
 * the first one that a task makes while it works on the VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#include "kernel.h"
#include "observe/probes.h"
#include "seamcall.h"
#include "testcase.h"
#include "undo.h"
#include "vm.h"

/* Functions with different names in different kernels: the first one wins. */
struct probe_def {
	int type;			/* enum event_type, or one of below */
	const char *name;
	const char *function;		/* by one of its names: kernel_function() */
	char kind;			/* p(robe) or r(eturn probe) */
	const char *args;		/* fields: kvm gfn ret new */
	const char *filter;		/* event filter, or NULL */
};

/*
 * struct kvm_vcpu begins with struct kvm *; struct kvm_page_fault begins with
 * the gpa (arch/x86/kvm/mmu/mmu_internal.h).
 */
static const struct probe_def probe_defs[] = {
	{ EV_VM_ID, "vm_id", "kvm_vm_ioctl_check_extension", 'p',
	  "kvm=$arg1:x64 gfn=$arg2:x64", NULL },
	{ EV_VM_SPTE, "vm_spte", "__handle_changed_spte", 'p',
	  "kvm=$arg1:x64", NULL },
	{ EV_VM_DIRTY, "vm_dirty", "kvm_tdp_mmu_clear_dirty_pt_masked", 'p',
	  "kvm=$arg1:x64", NULL },
	{ EV_VM_FAULT, "vm_fault", "kvm_tdp_page_fault", 'p',
	  "kvm=+0($arg1):x64", NULL },
	{ EV_FAULT_BEGIN, "fault_begin", "kvm_tdp_page_fault", 'p',
	  "kvm=+0($arg1):x64 gpa=+0($arg2):x64", NULL },
	{ EV_FAULT, "fault", "kvm_tdp_page_fault", 'r',
	  "kvm=+0($arg1):x64 gpa=+0($arg2):x64 ret=$retval:s32", NULL },
	{ EV_FAULTIN, "faultin", "kvm_mmu_faultin_pfn", 'r',
	  "kvm=+0($arg1):x64 gpa=+0($arg2):x64 ret=$retval:s32", NULL },
	{ EV_GMEM_PFN, "gmem_pfn", "kvm_gmem_get_pfn", 'r',
	  "kvm=$arg1:x64 gfn=$arg3:x64 new=+0($arg4):x64 ret=$retval:s32", NULL },
	{ EV_ATTR_START, "attr_start", "kvm_arch_pre_set_memory_attributes", 'p',
	  "kvm=$arg1:x64", NULL },
	{ EV_ATTR_END, "attr_end", "kvm_arch_post_set_memory_attributes", 'p',
	  "kvm=$arg1:x64", NULL },
	{ EV_VM_TD, "vm_td", "vt_mem_enc_ioctl", 'p', "kvm=$arg1:x64", NULL },
	{ EV_VM_TD, "vm_td_vcpu", "vt_vcpu_mem_enc_ioctl", 'p', "kvm=+0($arg1):x64", NULL },
	{ EV_CLEAR_LOG, "clear_log", "kvm_arch_mmu_enable_log_dirty_pt_masked", 'p',
	  "kvm=$arg1:x64 gfn=$arg3:x64", "gfn == 0" },
};

/*
 * Tracepoints.  The legacy MMU has none for a zap: there a mapping is known from when it was
 * last made.
 */
static const struct tracepoint_def {
	enum event_type type;
	const char *system, *name;
	enum { ANY_MMU, TDP_MMU, LEGACY_MMU } mmu;
} tracepoint_defs[] = {
	{ EV_SPTE, "kvmmmu", "kvm_tdp_mmu_spte_changed", TDP_MMU },
	{ EV_SPTE, "kvmmmu", "kvm_mmu_set_spte", LEGACY_MMU },
	{ EV_UNMAP_HVA, "kvm", "kvm_unmap_hva_range", ANY_MMU },
};

static bool legacy_mmu(void)
{
	return !strcmp(kvm_param("kvm", "tdp_mmu"), "N");
}

static bool tracepoint_wanted(const struct tracepoint_def *def, unsigned int mask)
{
	return (mask & OBSERVE(def->type)) &&
	       def->mmu != (legacy_mmu() ? TDP_MMU : LEGACY_MMU);
}

/* The probes that attribute the events of @mask. Each costs: no more than needed. */
static unsigned int with_helpers(unsigned int mask)
{
	mask |= OBSERVE(EV_VM_ID);
	if (mask & OBSERVE(EV_SPTE))
		mask |= legacy_mmu() ? OBSERVE(EV_VM_FAULT) : OBSERVE(EV_VM_SPTE);
	if (mask & OBSERVE(EV_CLEAR_LOG))
		mask |= OBSERVE(EV_VM_DIRTY);
	if (mask & OBSERVE(EV_SEAMCALL))
		mask |= OBSERVE(EV_VM_TD) | OBSERVE(EV_VM_FAULT) | OBSERVE(EV_VM_SPTE);
	return mask;
}

/* The errno of who may not make probes, 0 for who may.  Without O_TRUNC it changes nothing. */
static int probes_refused(void)
{
	char *path = tracefs_get_tracing_file("kprobe_events");
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), error = fd < 0 ? errno : 0;

	tracefs_put_tracing_file(path);
	if (fd >= 0)
		close(fd);
	return error;
}

const char *observe_missing(unsigned int mask)
{
	if (!mask)
		return NULL;
	mask = with_helpers(mask);
	if (kernel_denies_probes())
		return kernel_denies_probes();
	if (!tracefs_tracing_dir())
		return "needs tracefs (mount -t tracefs none /sys/kernel/tracing)";
	if (!tracefs_file_exists(NULL, "kprobe_events"))
		return "needs probes on kernel functions (CONFIG_KPROBE_EVENTS)";
	if (probes_refused())
		return strf("cannot write to kprobe_events of tracefs: %s",
			    denial_text(probes_refused()));
	for (size_t i = 0; i < ARRAY_SIZE(tracepoint_defs); i++) {
		const struct tracepoint_def *def = &tracepoint_defs[i];

		if (tracepoint_wanted(def, mask) &&
		    !tracefs_event_file_exists(NULL, def->system, def->name, "enable"))
			return strf("this kernel has no tracepoint %s:%s", def->system,
				    def->name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(probe_defs); i++) {
		const struct probe_def *def = &probe_defs[i];

		if ((mask & OBSERVE(def->type)) && !kernel_function(def->function))
			return kernel_function_missing(def->function);
	}
	for (size_t i = 0; mask & OBSERVE(EV_SEAMCALL) && seamcall_function(i); i++)
		if (!kernel_function(seamcall_function(i)))
			return kernel_function_missing(seamcall_function(i));
	return NULL;
}

static struct source probe(const char *group, const struct probe_def *def)
{
	/* kprobe_profile shows names without groups: make them unique, too. */
	const char *name = strf("%s_%s", def->name, group);

	return (struct source){
		.type = def->type, .system = group, .name = name, .filter = def->filter,
		/* Return probes of as many calls at once, those of the host's other VMs too. */
		.definition = strf("%s:%s/%s %s %s", def->kind == 'r' ? "r1024" : "p", group,
				   name, kernel_function(def->function), def->args),
	};
}

/* One event for all of them: probes with the same name and arguments are one. */
static struct source seamcall_probes(const char *group)
{
	const char *name = strf("seamcall_%s", group), *lines = "";

	for (size_t i = 0; seamcall_function(i); i++)
		lines = strf("%sr128:%s/%s %s %s\n", lines, group, name,
			     kernel_function(seamcall_function(i)), seamcall_probe_args(i));
	return (struct source){ .type = EV_SEAMCALL, .system = group, .name = name,
				.definition = lines };
}

int probes_list(const char *group, unsigned int mask, struct source *sources)
{
	int nr = 0;

	mask = with_helpers(mask);
	for (size_t i = 0; i < ARRAY_SIZE(probe_defs); i++)
		if (mask & OBSERVE(probe_defs[i].type))
			sources[nr++] = probe(group, &probe_defs[i]);
	if (mask & OBSERVE(EV_SEAMCALL))
		sources[nr++] = seamcall_probes(group);
	for (size_t i = 0; i < ARRAY_SIZE(tracepoint_defs); i++)
		if (tracepoint_wanted(&tracepoint_defs[i], mask))
			sources[nr++] = (struct source){ .type = tracepoint_defs[i].type,
							 .system = tracepoint_defs[i].system,
							 .name = tracepoint_defs[i].name };
	return nr;
}

void probes_attach(const char *group, const struct source *sources, int nr)
{
	char *path = tracefs_get_tracing_file("kprobe_events");

	undo_append(path, strf("-:%s/", group));
	tracefs_put_tracing_file(path);

	for (int i = 0; i < nr; i++) {
		const char *definition = sources[i].definition;

		if (!definition)
			continue;
		must(tracefs_instance_file_append(NULL, "kprobe_events", definition) > 0,
		     "probe %s: %s", definition, tracefs_error_last(NULL) ?: "");
	}
}
