// SPDX-License-Identifier: GPL-2.0-only
/* The control channel (softtdx_control.h): sessions, and how requests and answers travel. */
#include <errno.h>
#include <string.h>

#include "../../include/softtdx_control.h"
#include "files.h"

#define SESSIONS	16
#define MAX_REQUEST	256
#define CHUNK		SOFTTDX_CONTROL_CHUNK

static struct session {
	u32 number;			/* what its owner knows; 0: never taken */
	u64 used;			/* number of its last request */
	char request[MAX_REQUEST];
	size_t requested, answered;	/* bytes */
	struct text answer;
} sessions[SESSIONS];

static u64 requests;	/* of all sessions */
static u32 last_number;

/* The session that was used least recently is given away. */
static struct session *open_session(void)
{
	struct session *s = &sessions[0];

	for (int i = 1; i < SESSIONS; i++)
		if (sessions[i].used < s->used)
			s = &sessions[i];
	text_free(&s->answer);
	last_number = last_number % 0xFFFFFF + 1;	/* as many as ECX has room for */
	*s = (struct session){ .number = last_number, .used = ++requests };
	return s;
}

static struct session *session_of(u32 number)
{
	for (int i = 0; number && i < SESSIONS; i++)
		if (sessions[i].number == number) {
			sessions[i].used = ++requests;
			return &sessions[i];
		}
	return NULL;
}

static long put(struct session *s, const u64 data[4])
{
	/* The last byte stays zero. */
	if (s->requested + CHUNK >= MAX_REQUEST)
		return -E2BIG;
	memcpy(s->request + s->requested, data, CHUNK);
	s->requested += CHUNK;
	return 0;
}

static long run_command(struct session *s)
{
	char request[MAX_REQUEST];
	int error;

	text_free(&s->answer);
	s->answered = 0;
	memcpy(request, s->request, sizeof(request));
	error = file_request(request, &s->answer);
	return error ?: (long)s->answer.len;
}

static long get(struct session *s, u64 data[4])
{
	size_t n = s->answer.len - s->answered;

	if (n > CHUNK)
		n = CHUNK;
	memset(data, 0, CHUNK);
	if (n)
		memcpy(data, s->answer.data + s->answered, n);
	s->answered += n;
	return n;
}

u64 control_request(u32 ecx, u64 data[4])
{
	struct session *s = session_of(ecx >> 8);

	switch (ecx & 0xFF) {
	case SOFTTDX_HELLO:
		memset(data, 0, CHUNK);
		memcpy(data, SOFTTDX_HELLO_TEXT, sizeof(SOFTTDX_HELLO_TEXT));
		return SOFTTDX_CONTROL_VERSION;
	case SOFTTDX_OPEN:
		return open_session()->number;
	case SOFTTDX_PUT:
		return s ? put(s, data) : -ESTALE;
	case SOFTTDX_DO:
		return s ? run_command(s) : -ESTALE;
	case SOFTTDX_GET:
		return s ? get(s, data) : -ESTALE;
	}
	return -EINVAL;
}

void control_reset(void)
{
	for (int i = 0; i < SESSIONS; i++) {
		text_free(&sessions[i].answer);
		sessions[i] = (struct session){ 0 };
	}
	clear_violations();
	clear_accesses();
	clear_watch();
}
