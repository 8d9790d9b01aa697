// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/shared_memory.h"

void *shared_memory(size_t size, const char *what)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		fprintf(stderr, "%zu bytes of memory for %s: ", size, what);
		perror("mmap");
		exit(1);
	}
	return memory;
}
