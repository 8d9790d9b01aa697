/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines that the kernel says. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool text_starts(const char *text, const char *with);

/* Is one of @words somewhere in @text? */
bool text_has_one(const char *text, const char *const *words, size_t nr);

#endif /* TEXT_H */
