/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place where the model meets its environment's headers: fixed-width
 * integers, bool, NULL and memset/memcpy/memcmp.
 */
#ifndef SOFTTDX_TYPES_H
#define SOFTTDX_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/stddef.h>
#include <linux/string.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

#endif
