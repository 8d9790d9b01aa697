/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-ins for the kernel's headers: what the model may expect of them, and no more. */
#ifndef KERNEL_HEADERS_TYPES_H
#define KERNEL_HEADERS_TYPES_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long size_t;
typedef _Bool bool;
#define true 1
#define false 0
#endif
