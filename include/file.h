/* SPDX-License-Identifier: GPL-2.0-only */
/* Read files of proc, sysfs and cgroups: one value, or one fact a line. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>

/* The first line of @path without its newline, "" if there is none; NULL and errno. */
char *file_line(const char *path);

/* The number that @path begins with, or @otherwise when it has none or cannot be read. */
long file_number(const char *path, long otherwise);

/* What follows @key in the first line that begins with it, without newline; or NULL. */
char *file_after(const char *path, const char *key);

#endif /* FILE_H */
