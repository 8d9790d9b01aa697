/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/types.h>
void *memset(void *to, int byte, size_t length);
void *memcpy(void *to, const void *from, size_t length);
int memcmp(const void *a, const void *b, size_t length);
