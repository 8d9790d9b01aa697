/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's integer types: u64 is unsigned long long, printed by %llx. */
#ifndef TYPES_H
#define TYPES_H

#include <linux/types.h>
#include <stdint.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#endif /* TYPES_H */
