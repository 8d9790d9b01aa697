/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHARED_MEMORY_H
#define SHARED_MEMORY_H

#include <stddef.h>

/*
 * @size bytes, zero, that a program and the processes of its cases share, for as long as they live.
 * Ends the program where there are none; @what they are for is in the message.
 */
void *shared_memory(size_t size, const char *what);

#endif /* SHARED_MEMORY_H */
