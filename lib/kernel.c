// SPDX-License-Identifier: GPL-2.0-only
/* The functions of the running kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "kernel.h"
#include "testcase.h"

/* "\nname\nname\n...": one search of text is all that is ever done to it. */
static char *functions;

void kernel_read_symbols(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t size;
	FILE *out = open_memstream(&functions, &size);
	char line[512];

	need(out, "memory for the kernel's symbols");
	fputc('\n', out);
	while (f && fgets(line, sizeof(line), f)) {
		/* "ffffffff81285750 t kvm_tdp_page_fault\t[kvm]" */
		char *type = strchr(line, ' ');

		if (type && strchr("tTwW", type[1]))
			fprintf(out, "%.*s\n", (int)strcspn(type + 3, "\t\n"), type + 3);
	}
	fclose(out);
	if (f)
		fclose(f);
}

bool kernel_has_function(const char *name)
{
	char *wanted = strf("\n%s\n", name);
	bool found = functions && strstr(functions, wanted);

	free(wanted);
	return found;
}

const char *kernel_function(const char *name)
{
	static const struct { const char *name, *other; } renamed[] = {
		{ "__handle_changed_spte", "handle_changed_spte" },
		{ "kvm_mmu_faultin_pfn", "kvm_faultin_pfn" },	/* until 6.12 */
		{ "__kvm_faultin_pfn", "hva_to_pfn" },		/* until 6.12 */
	};

	if (kernel_has_function(name))
		return name;
	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++)
		if (!strcmp(renamed[i].name, name) && kernel_has_function(renamed[i].other))
			return renamed[i].other;
	return NULL;
}

bool kernel_confidential(const char *path)
{
	char text[64] = "";
	FILE *f = fopen(path, "re");

	/* "none [integrity] confidentiality": the one in brackets is in force. */
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, "[confidentiality]");
}

const char *kernel_release(void)
{
	static struct utsname uts;	/* the same whoever asks, and when */

	uname(&uts);
	return uts.release;
}

unsigned int kernel_version_code(const char *release)
{
	unsigned int major = 0, minor = 0;

	sscanf(release, "%u.%u", &major, &minor);
	return major << 16 | minor;
}

bool kernel_before(const char *version)
{
	return kernel_version_code(kernel_release()) < kernel_version_code(version);
}
