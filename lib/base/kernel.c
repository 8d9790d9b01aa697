// SPDX-License-Identifier: GPL-2.0-only
/* The functions of the running kernel. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "file.h"
#include "kernel.h"
#include "testcase.h"

/* Names, each with its zero byte. */
static char *functions;

/* Where each of them is, and its name in that text; in the order of names. */
static struct place { u64 address; size_t name; } *places;
static size_t nr_places;

/* What kernel_save_symbols() writes: this, the places, and the text. */
struct saved {
	u64 magic;
	u64 nr_places, length;
};
#define MAGIC	0x313053594D424F4CULL

static void add_place(u64 address, size_t name)
{
	if (!(nr_places & (nr_places - 1)))
		places = realloc(places, (2 * nr_places ?: 1) * sizeof(*places));
	must(places, "memory for the kernel's symbols");
	places[nr_places].address = address;
	places[nr_places++].name = name;
}

static const char *name_at(size_t place)
{
	return functions + places[place].name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(functions + ((const struct place *)a)->name,
		      functions + ((const struct place *)b)->name);
}

void kernel_read_symbols(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t size, length = 0;
	FILE *out = open_memstream(&functions, &size);
	char line[512];

	places = NULL;
	nr_places = 0;
	must(out, "memory for the kernel's symbols");
	while (f && fgets(line, sizeof(line), f)) {
		/* "ffffffff81285750 t kvm_tdp_page_fault\t[kvm]" */
		char *type;
		u64 address = strtoull(line, &type, 16);

		if (*type != ' ' || !strchr("tTwW", type[1]))
			continue;
		add_place(address, length);
		length += fprintf(out, "%.*s", (int)strcspn(type + 3, "\t\n"), type + 3) + 1;
		fputc('\0', out);
	}
	fclose(out);
	if (places)
		qsort(places, nr_places, sizeof(places[0]), by_name);
	if (f)
		fclose(f);
}

/* Up to the end of the last name. */
static size_t text_length(void)
{
	size_t length = 0;

	for (size_t i = 0; i < nr_places; i++)
		if (places[i].name + strlen(name_at(i)) + 1 > length)
			length = places[i].name + strlen(name_at(i)) + 1;
	return length;
}

bool kernel_save_symbols(const char *path)
{
	struct saved head = { MAGIC, nr_places, text_length() };
	FILE *f = fopen(path, "we");
	bool done;

	if (!f)
		return false;
	done = fwrite(&head, sizeof(head), 1, f) == 1 &&
	       fwrite(places, sizeof(places[0]), nr_places, f) == nr_places &&
	       fwrite(functions, 1, head.length, f) == head.length;
	return !fclose(f) && done;
}

bool kernel_load_symbols(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct saved *head = MAP_FAILED;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && (size_t)st.st_size > sizeof(*head))
		head = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (head == MAP_FAILED)
		return false;
	if (head->magic != MAGIC ||
	    sizeof(*head) + head->nr_places * sizeof(places[0]) + head->length != (u64)st.st_size) {
		munmap(head, st.st_size);
		return false;
	}
	places = (struct place *)(head + 1);
	nr_places = head->nr_places;
	functions = (char *)(places + nr_places);
	return true;
}

/* The first name that is not before @name. */
static size_t first_from(const char *name)
{
	size_t low = 0, high = nr_places;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(name_at(middle), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool kernel_has_function(const char *name)
{
	size_t place = first_from(name);

	return place < nr_places && !strcmp(name_at(place), name);
}

/* Copies of a function: @name, a dot, and what the compiler calls them. */
struct copies {
	const char *usable;	/* one that has all of its calls and arguments, if not @name itself */
	const char *other;	/* one that takes calls from it */
};

static struct copies copies_of(const char *name)
{
	char *prefix = strf("%s.", name);
	struct copies found = { 0 };

	for (size_t i = first_from(prefix);
	     i < nr_places && !strncmp(name_at(i), prefix, strlen(prefix)); i++) {
		const char *copy = name_at(i), *suffix = copy + strlen(prefix);

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

const char *kernel_denies_probes(void)
{
	if (!kernel_confidential("/sys/kernel/security/lockdown"))
		return NULL;
	return "the kernel is locked down (confidentiality) and lets nobody probe: boot a test machine with lockdown=none, or without Secure Boot";
}

const char *kernel_symbol(u64 address)
{
	size_t best = nr_places;

	/* Sorted within the kernel and within each module, but not among them. */
	for (size_t i = 0; i < nr_places; i++)
		if (places[i].address && places[i].address <= address &&
		    (best == nr_places || places[i].address > places[best].address))
			best = i;
	if (best == nr_places)
		return strf("0x%llx", address);
	return strf("%s+0x%llx", name_at(best), address - places[best].address);
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
