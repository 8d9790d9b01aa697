// SPDX-License-Identifier: GPL-2.0-only
/* The control channel as a program sees it: CPUID, 32 bytes a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softtdx_channel.h"
#include "softtdx_control.h"
#include "types.h"

#define CHUNK SOFTTDX_CONTROL_CHUNK

static long control(enum softtdx_control operation, long session, u64 data[4])
{
	u64 ax = SOFTTDX_CONTROL_LEAF, cx = operation | session << 8;
	u64 bx = data[0], dx = data[1], si = data[2], di = data[3];

	asm volatile("cpuid" : "+a" (ax), "+b" (bx), "+c" (cx), "+d" (dx), "+S" (si), "+D" (di));
	data[0] = bx;
	data[1] = dx;
	data[2] = si;
	data[3] = di;
	return (long)ax;
}

bool softtdx_channel(void)
{
	u64 data[4] = { 0 };

	return control(SOFTTDX_HELLO, 0, data) == SOFTTDX_CONTROL_VERSION &&
	       !memcmp(data, SOFTTDX_HELLO_TEXT, sizeof(SOFTTDX_HELLO_TEXT));
}

static long send(long session, const char *request)
{
	size_t size = strlen(request) + 1;
	u64 data[4];
	long error = 0;

	for (size_t at = 0; at < size && !error; at += CHUNK) {
		memset(data, 0, CHUNK);
		memcpy(data, request + at, size - at < CHUNK ? size - at : CHUNK);
		error = control(SOFTTDX_PUT, session, data);
	}
	return error ?: control(SOFTTDX_DO, session, data);
}

static int receive(long session, size_t len, char **answer)
{
	char *text = calloc(1, len + CHUNK + 1);
	u64 data[4] = { 0 };

	for (size_t at = 0; at < len; at += CHUNK) {
		long n = control(SOFTTDX_GET, session, data);

		if (n <= 0) {
			free(text);
			return n ? (int)n : -EIO;
		}
		memcpy(text + at, data, CHUNK);
	}
	*answer = text;
	return 0;
}

int softtdx_request(const char *request, char **answer)
{
	u64 data[4] = { 0 };
	long session, status;

	if (!softtdx_channel())
		return -ENODEV;
	/* A session that others took meanwhile: what was asked of it was not done, or only read. */
	do {
		session = control(SOFTTDX_OPEN, 0, data);
		status = send(session, request);
		if (status > 0)
			status = answer ? receive(session, status, answer) : 0;
		else if (!status && answer)
			*answer = calloc(1, 1);
	} while (status == -ESTALE);
	return (int)status;
}

bool softtdx_word(const char *line, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);

	for (const char *p = line; (p = strstr(p, key)); p += len) {
		size_t n;

		if ((p != line && p[-1] != ' ') || p[len] != '=')
			continue;
		n = strcspn(p + len + 1, "\n ");
		snprintf(value, size, "%.*s", (int)n, p + len + 1);
		return true;
	}
	return false;
}
