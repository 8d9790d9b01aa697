/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Properties of the running kernel.  Prefer them to version numbers: a case decides
 * by a version only where nothing else shows what the kernel does.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>

#include "types.h"

/* Once a program, before cases run: read the functions' names, of "/proc/kallsyms". */
void kernel_read_symbols(const char *path);

/*
 * The same without the work, which takes 3 s of guest time in Bochs: what was read is saved
 * once a boot, and loaded (mapped) by each program.  False if that fails; of loading, also if
 * @path is NULL or no such file.
 */
bool kernel_save_symbols(const char *path);
bool kernel_load_symbols(const char *path);

/*
 * Does the kernel have a function of this name, not inlined everywhere?  E.g.
 * kvm_tdp_map_page: KVM_TDX_INIT_MEM_REGION goes through the fault loop (6.16
 * to 6.18); kvm_tdp_mmu_map_private_pfn: it does not (6.19 and later).
 */
bool kernel_has_function(const char *name);
/*
 * The function that some kernels call @name, by this one's name, whose each call a probe
 * sees; NULL if it has none: kernel_function_missing() says why.  clang's ThinLTO appends
 * ".llvm.NUMBER".  The copies that gcc makes do not count: ".isra" and ".constprop" take other
 * arguments, and with a ".part" callers have the rest of the function inlined.
 */
const char *kernel_function(const char *name);
/* Why kernel_function(@name) is NULL, for a user: the copy, if there is one. */
const char *kernel_function_missing(const char *name);

/* "tdx_mem_page_aug+0x1c", or the number where no function is known. */
const char *kernel_symbol(u64 address);

/* "7.2.12-foo": of the running kernel. */
const char *kernel_release(void);
/* Major and minor version of a release, or of "6.11", as a number that compares. */
unsigned int kernel_version_code(const char *release);
/*
 * The upstream version that the running kernel's KVM is like: what KTS_KVM_VERSION in the
 * environment says, for a distribution's kernel that has KVM of a later one; without it
 * 6.16, the first with TDs, where an older kernel has TDs; else that of the kernel.
 */
const char *kernel_kvm_version(void);
/* Is the running kernel's KVM older than @version ("6.19")? */
bool kernel_before(const char *version);

/*
 * Is the kernel locked down for confidentiality?  Then it lets nobody probe or
 * trace.  @path: /sys/kernel/security/lockdown.
 */
bool kernel_confidential(const char *path);
/* Why nobody may probe functions of this kernel, or NULL: a skip reason. */
const char *kernel_denies_probes(void);

#endif /* KERNEL_H */
