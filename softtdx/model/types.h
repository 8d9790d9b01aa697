/* SPDX-License-Identifier: GPL-2.0-only */
/* All that the model needs of a C library: fixed-width integers, bool, NULL and mem*(). */
#ifndef SOFTTDX_TYPES_H
#define SOFTTDX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#endif
