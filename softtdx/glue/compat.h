/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernel versions, but for hook.h, whose macros have to stand in front of
 * the kernel's headers.
 */
#ifndef SOFTTDX_COMPAT_H
#define SOFTTDX_COMPAT_H

#include <asm/tdx.h>

/* The real ones: declared in <asm/tdx.h> up to 7.1, in a header of tdx.c from 7.2 on. */
u64 __seamcall(u64 fn, struct tdx_module_args *args);
u64 __seamcall_ret(u64 fn, struct tdx_module_args *args);
u64 __seamcall_saved_ret(u64 fn, struct tdx_module_args *args);

#endif
