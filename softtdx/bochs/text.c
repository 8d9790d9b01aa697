// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

static void make_room(struct text *t, size_t more)
{
	if (t->len + more < t->size)
		return;
	t->size = 2 * (t->len + more + 1);
	t->data = realloc(t->data, t->size);
	if (!t->data)
		abort();
}

void text_add(struct text *t, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	make_room(t, len);
	va_start(args, format);
	t->len += vsprintf(t->data + t->len, format, args);
	va_end(args);
}

void text_add_word(struct text *t, const char *key, const char *name)
{
	text_add(t, " %s=", key);
	for (; *name; name++)
		text_add(t, "%c", *name == ' ' ? '_' : *name);
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}
