// SPDX-License-Identifier: GPL-2.0-only
/*
 * Called by init when all is ready: prints the plan of the job that this machine is forked for.
 * Exit status 1: there is no fork server, and the plan is the one in the initramfs.
 */
#include <stdio.h>

#include "fork_point.h"

int main(void)
{
	if (!fork_server())
		return 1;
	fputs(fork_here(), stdout);
	return 0;
}
