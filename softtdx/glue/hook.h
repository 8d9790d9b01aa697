/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before the kernel's tdx.c and seamldr.c (lines.mk), which then call softtdx instead
 * of the three assembly functions that execute SEAMCALL, and read the KeyID MSR through it.
 */
#ifndef SOFTTDX_HOOK_H
#define SOFTTDX_HOOK_H

/* Before any header, so that the kernel's own declarations get the new names, too. */
#define __seamcall		softtdx_call
#define __seamcall_ret		softtdx_call_ret
#define __seamcall_saved_ret	softtdx_enter

#include <asm/msr.h>

int softtdx_read_msr(u32 msr, u64 *value);

/* Linux 7.3 and later. */
#undef rdmsrq_safe
#define rdmsrq_safe(msr, value)	softtdx_read_msr(msr, value)

/* Up to 7.2. */
#undef rdmsr_safe
#define rdmsr_safe(msr, low, high) ({				\
	u64 value_ = 0;						\
	int error_ = softtdx_read_msr(msr, &value_);		\
								\
	*(low) = (u32)value_;					\
	*(high) = (u32)(value_ >> 32);				\
	error_;							\
})

/* What follows defines its own. */
#undef pr_fmt

#endif
