// SPDX-License-Identifier: GPL-2.0-only
/* The functions of the running kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "file.h"
#include "kernel.h"
#include "testcase.h"

/* "\nname\nname\n...": one search of text is all that is ever done to it. */
static char *functions;

/* Where each of them is, and its name in that text. */
static struct { u64 address; size_t name; } *places;
static size_t nr_places;

static void add_place(u64 address, size_t name)
{
	if (!(nr_places & (nr_places - 1)))
		places = realloc(places, (2 * nr_places ?: 1) * sizeof(*places));
	must(places, "memory for the kernel's symbols");
	places[nr_places].address = address;
	places[nr_places++].name = name;
}

void kernel_read_symbols(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t size, length = 1;
	FILE *out = open_memstream(&functions, &size);
	char line[512];

	nr_places = 0;
	must(out, "memory for the kernel's symbols");
	fputc('\n', out);
	while (f && fgets(line, sizeof(line), f)) {
		/* "ffffffff81285750 t kvm_tdp_page_fault\t[kvm]" */
		char *type;
		u64 address = strtoull(line, &type, 16);

		if (*type != ' ' || !strchr("tTwW", type[1]))
			continue;
		add_place(address, length);
		length += fprintf(out, "%.*s\n", (int)strcspn(type + 3, "\t\n"), type + 3);
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

/* Copies of a function: @name, a dot, and what the compiler calls them. */
struct copies {
	char *usable;		/* one that has all of its calls and arguments, if not @name itself */
	char *other;		/* one that takes calls from it */
};

static struct copies copies_of(const char *name)
{
	char *prefix = strf("\n%s.", name);
	struct copies found = { 0 };

	for (const char *at = functions; at && (at = strstr(at, prefix)); at++) {
		char *copy = strndup(at + 1, strcspn(at + 1, "\n"));
		const char *suffix = copy + strlen(name) + 1;

		/* What is seldom executed, moved out of the way: nobody calls it. */
		if (strstr(copy, ".cold"))
			continue;
		if (!strncmp(suffix, "llvm.", 5) && !found.usable && !strchr(suffix + 5, '.'))
			found.usable = copy;
		else
			found.other = copy;
	}
	free(prefix);
	return found;
}

/* @name, or its one copy by LTO; NULL if calls of it go elsewhere, too. */
static const char *whole_function(const char *name)
{
	struct copies copies = copies_of(name);
	bool itself = kernel_has_function(name);

	if (copies.other || (itself && copies.usable))
		return NULL;
	return itself ? name : copies.usable;
}

/* Names of one function in different kernels. */
static const struct { const char *name, *other; } renamed[] = {
	{ "__handle_changed_spte", "handle_changed_spte" },
	{ "kvm_mmu_faultin_pfn", "kvm_faultin_pfn" },	/* until 6.12 */
	{ "__kvm_faultin_pfn", "hva_to_pfn" },		/* until 6.12 */
};

const char *kernel_function(const char *name)
{
	const char *found = whole_function(name);

	for (size_t i = 0; !found && i < ARRAY_SIZE(renamed); i++)
		if (!strcmp(renamed[i].name, name) && !kernel_has_function(name))
			found = whole_function(renamed[i].other);
	return found;
}

const char *kernel_function_missing(const char *name)
{
	const char *copy = copies_of(name).other;

	for (size_t i = 0; !copy && i < ARRAY_SIZE(renamed); i++)
		if (!strcmp(renamed[i].name, name))
			copy = copies_of(renamed[i].other).other;
	if (copy)
		return strf("this kernel's compiler made a copy of %s that takes some of its calls: %s",
			    name, copy);
	return strf("this kernel has no function %s to probe (inlined or renamed)", name);
}

bool kernel_confidential(const char *path)
{
	char *text = file_line(path);
	bool confidential;

	/* "none [integrity] confidentiality": the one in brackets is in force. */
	confidential = text && strstr(text, "[confidentiality]");
	free(text);
	return confidential;
}

const char *kernel_symbol(u64 address)
{
	const char *name;
	size_t best = nr_places;

	/* Sorted within the kernel and within each module, but not among them. */
	for (size_t i = 0; i < nr_places; i++)
		if (places[i].address && places[i].address <= address &&
		    (best == nr_places || places[i].address > places[best].address))
			best = i;
	if (best == nr_places)
		return strf("0x%llx", address);
	name = functions + places[best].name;
	return strf("%.*s+0x%llx", (int)strcspn(name, "\n"), name,
		    address - places[best].address);
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

	if (sscanf(release, "%u.%u", &major, &minor) < 1)
		return 0;
	return major << 16 | minor;
}

const char *kernel_kvm_version(void)
{
	static const char first_with_tds[] = "6.16";
	const char *told = getenv("KTS_KVM_VERSION");

	if (told && kernel_version_code(told))
		return told;
	if (kernel_has_function("tdx_vcpu_create") &&
	    kernel_version_code(kernel_release()) < kernel_version_code(first_with_tds))
		return first_with_tds;
	return kernel_release();
}

bool kernel_before(const char *version)
{
	return kernel_version_code(kernel_kvm_version()) < kernel_version_code(version);
}
