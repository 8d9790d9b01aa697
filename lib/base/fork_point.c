// SPDX-License-Identifier: GPL-2.0-only
/* The fork server as a program sees it: CPUID, 32 bytes a time. */
#include <stdlib.h>
#include <string.h>

#include "fork_point.h"

u64 fork_request(enum fork_control operation, u64 data[4])
{
	u64 ax = FORK_LEAF, cx = operation;
	u64 bx = data[0], dx = data[1], si = data[2], di = data[3];

	asm volatile("cpuid" : "+a" (ax), "+b" (bx), "+c" (cx), "+d" (dx), "+S" (si), "+D" (di)
			     : : "memory");
	data[0] = bx;
	data[1] = dx;
	data[2] = si;
	data[3] = di;
	return ax;
}

bool fork_server(void)
{
	u64 data[4] = { 0 };

	return fork_request(FORK_HELLO, data) == FORK_CONTROL_VERSION &&
	       !memcmp(data, FORK_HELLO_TEXT, sizeof(FORK_HELLO_TEXT));
}

char *fork_text(void)
{
	char *text = calloc(1, 1);
	size_t len = 0, n;

	do {
		u64 data[4] = { 0 };

		n = fork_request(FORK_GET, data);
		text = realloc(text, len + n + 1);
		if (!text)
			abort();
		memcpy(text + len, data, n);
		len += n;
		text[len] = '\0';
	} while (n == FORK_CHUNK);
	return text;
}

char *fork_here(void)
{
	u64 data[4] = { 0 };

	fork_request(FORK_HERE, data);
	return fork_text();
}
