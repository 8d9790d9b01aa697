// SPDX-License-Identifier: GPL-2.0-only
/* Values and lines of files of proc, sysfs and cgroups. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

char *file_after(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *found = NULL;
	size_t size = 0;

	while (f && !found && getline(&line, &size, f) > 0)
		if (!strncmp(line, key, strlen(key)))
			found = strndup(line + strlen(key), strcspn(line + strlen(key), "\n"));
	free(line);
	if (f)
		fclose(f);
	return found;
}

char *file_line(const char *path)
{
	char *line;

	errno = 0;
	line = file_after(path, "");
	return line || errno ? line : strdup("");
}

long file_number(const char *path, long otherwise)
{
	char *line = file_line(path), *end;
	long value;

	if (!line)
		return otherwise;
	value = strtol(line, &end, 10);
	if (end == line)
		value = otherwise;
	free(line);
	return value;
}
