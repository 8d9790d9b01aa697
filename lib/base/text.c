// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "base/text.h"

bool text_starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

bool text_has_one(const char *text, const char *const *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}
