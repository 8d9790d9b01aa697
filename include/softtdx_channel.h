/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to the software TDX module of an emulated host (softtdx_control.h). */
#ifndef SOFTTDX_CHANNEL_H
#define SOFTTDX_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

/* Does this CPU lead to one? */
bool softtdx_channel(void);

/*
 * "read FILE" or "write FILE TEXT", less than 256 bytes.  Returns 0 or a negative errno;
 * -ENODEV: there is no module.  @answer: the text of a file that was read, which the caller
 * frees; NULL: none is wanted.
 */
int softtdx_request(const char *request, char **answer);

/*
 * Files have a record a line, with words "key=value".  The value of @key in @line, up to the
 * next blank, in @value; false if there is none.
 */
bool softtdx_word(const char *line, const char *key, char *value, size_t size);

#endif /* SOFTTDX_CHANNEL_H */
