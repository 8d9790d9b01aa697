// SPDX-License-Identifier: GPL-2.0-only
/* What the library reads of the running kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "testcase.h"

/* A file with this text; the caller unlinks it. */
static const char *file_of(const char *text)
{
	static char path[32];
	int fd;

	snprintf(path, sizeof(path), "/tmp/kernel_unit.XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0 && dprintf(fd, "%s", text) >= 0, "a file");
	close(fd);
	return path;
}

static bool confidential(const char *text)
{
	const char *path = file_of(text);
	bool result = kernel_confidential(path);

	unlink(path);
	return result;
}

CASE(lockdown, "the level of lockdown in force", .plain = true)
{
	expect_true(!confidential("[none] integrity confidentiality\n"), "not locked down");
	expect_true(!confidential("none [integrity] confidentiality\n"), "integrity only");
	expect_true(confidential("none integrity [confidentiality]\n"), "confidentiality");
	expect_true(!confidential(""), "an empty file");
	expect_true(!kernel_confidential("/nonexistent"), "a kernel without lockdown");
}

static void expect_symbol(u64 address, const char *expected)
{
	const char *found = kernel_symbol(address);

	expect_true(!strcmp(found, expected), "the symbol of 0x%llx is %s, expected %s",
		    (unsigned long long)address, found, expected);
}

static void read_text(const char *symbols)
{
	const char *path = file_of(symbols);

	kernel_read_symbols(path);
	unlink(path);
}

CASE(saved_symbols, "symbols that were saved are found again when they are loaded", .plain = true)
{
	const char *path = strf("%s", file_of(""));

	read_text("ffffffff81000000 T _text\n"
		  "ffffffff81000100 t kvm_mmu_zap\t[kvm]\n");
	must(kernel_save_symbols(path), "saving");
	read_text("ffffffff81000000 T other\n");
	expect_true(kernel_load_symbols(path), "loading what was saved");
	expect_true(kernel_has_function("kvm_mmu_zap") && !kernel_has_function("other"),
		    "the functions are not those that were saved");
	expect_symbol(0xffffffff81000104, "kvm_mmu_zap+0x4");
	must(!truncate(path, 40), "truncating");
	expect_true(!kernel_load_symbols(path), "a file that is too short");
	unlink(path);
	expect_true(!kernel_load_symbols(path) && !kernel_load_symbols(NULL), "no file");
}

CASE(symbols, "the function that an address is in, of the kernel or of a module", .plain = true)
{
	read_text("ffffffff81000000 T _text\n"
		  "ffffffff81000010 t one\n"
		  "ffffffff81000018 d data\n"
		  "ffffffff81000040 T two\n"
		  "ffffffffa0000010 t three\t[kvm_intel]\n");
	expect_symbol(0xffffffff81000010, "one+0x0");
	expect_symbol(0xffffffff8100003f, "one+0x2f");
	expect_symbol(0xffffffff81000040, "two+0x0");
	expect_symbol(0xffffffffa0000015, "three+0x5");
	expect_symbol(0x1000, "0x1000");
	read_text("0000000000000000 T _text\n");	/* kptr_restrict */
	expect_symbol(0xffffffff81000000, "0xffffffff81000000");
}

static void expect_function(const char *symbols, const char *expected)
{
	const char *path = file_of(symbols), *found;

	kernel_read_symbols(path);
	unlink(path);
	found = kernel_function("map");
	expect_true(found == expected || (found && expected && !strcmp(found, expected)),
		    "the function to probe for \"map\" is %s, expected %s", found ?: "none",
		    expected ?: "none");
}

/* Copies of a function that the compiler made hide calls, or arguments, from a probe. */
CASE(copies, "a function is probed only where a probe sees each call", .plain = true)
{
	expect_function("0 t map\n", "map");
	expect_function("0 t map\t[kvm]\n0 t map_more\n", "map");
	expect_function("0 d map\n", NULL);
	expect_function("0 t map\n0 t map.cold\n", "map");
	expect_function("0 t map.llvm.123456\t[kvm]\n", "map.llvm.123456");
	expect_function("0 t map.llvm.1\n0 t map.llvm.1.cold\n", "map.llvm.1");
	expect_function("0 t map.llvm.1\n0 t map.llvm.2\n", NULL);
	expect_function("0 t map.isra.0\n", NULL);
	expect_function("0 t map\n0 t map.constprop.0\n", NULL);
	expect_function("0 t map\n0 t map.part.0\n", NULL);
}

CASE(copy_is_named, "why a function cannot be probed", .plain = true)
{
	expect_function("0 t map.isra.0\n", NULL);
	expect_true(strstr(kernel_function_missing("map"), "map.isra.0"), "the copy is named: %s",
		    kernel_function_missing("map"));
	expect_function("", NULL);
	expect_true(strstr(kernel_function_missing("map"), "inlined or renamed"),
		    "no copy is blamed: %s", kernel_function_missing("map"));
}

CASE(renamed, "a function with another name in older kernels", .plain = true)
{
	const char *path = file_of("0 t hva_to_pfn\n");

	kernel_read_symbols(path);
	unlink(path);
	expect_true(kernel_function("__kvm_faultin_pfn") &&
		    !strcmp(kernel_function("__kvm_faultin_pfn"), "hva_to_pfn"), "the older name");
}

TEST_MAIN("what the library reads of the running kernel")
