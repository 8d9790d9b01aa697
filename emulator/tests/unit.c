// SPDX-License-Identifier: GPL-2.0-only
#include "unit.h"

int failures;

int main(void)
{
	setlinebuf(stdout);
	test_server();
	test_schedule();
	test_explore();
	printf("%d failures\n", failures);
	return failures ? 1 : 0;
}
