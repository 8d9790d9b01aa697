// SPDX-License-Identifier: GPL-2.0-only
/* Called by init once a boot: the kernel's symbols, for all test programs (kernel.h). */
#include <stdio.h>

#include "kernel.h"

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	kernel_read_symbols("/proc/kallsyms");
	if (!kernel_save_symbols(argv[1])) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
