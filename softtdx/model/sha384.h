/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-384 (FIPS 180-4) without FPU registers, so that it can run in any kernel context. */
#ifndef SOFTTDX_SHA384_H
#define SOFTTDX_SHA384_H

#include "types.h"

#ifndef INTERNAL
#define INTERNAL
#endif

struct sha384 {
	u64 h[8];
	u64 length;		/* bytes */
	u8 block[128];
};

INTERNAL void sha384_init(struct sha384 *s);
INTERNAL void sha384_update(struct sha384 *s, const void *data, size_t length);
INTERNAL void sha384_final(struct sha384 *s, u8 digest[48]);

#endif
