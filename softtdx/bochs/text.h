/* SPDX-License-Identifier: GPL-2.0-only */
/* A text that grows. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

struct text {
	char *data;		/* NULL while it is empty, else it ends with a zero byte */
	size_t len, size;
};

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* " key=name" with blanks in the name as underscores: one word. */
void text_add_word(struct text *t, const char *key, const char *name);
void text_free(struct text *t);

#endif
