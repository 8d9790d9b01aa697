// SPDX-License-Identifier: GPL-2.0-only
/* The declarations of a test program as JSON: what docs/tests.md is made of. */
#include <stdio.h>

#include "case_run.h"

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

/* One more member of a list that began with '['. */
static void print_item(bool *first, const char *text)
{
	printf("%s", *first ? "" : ", ");
	print_string(text);
	*first = false;
}

static void print_vm_types(const struct test_case *tc)
{
	bool first = true;

	printf("[");
	for (unsigned int type = 0; type < 32; type++)
		if (tc->vm_types & VM_TYPE(type))
			print_item(&first, vm_type_name(type));
	printf("]");
}

static void print_needs(const struct test_case *tc)
{
	static const struct { unsigned int flag; const char *need; } flags[] = {
		{ CASE_UFFD, "userfaultfd" }, { CASE_THP, "THP" },
		{ CASE_SOFTTDX, "softtdx" }, { CASE_SEPT, "Secure EPT" },
		{ CASE_SEPT_TOO, "Secure EPT if there" },
		{ CASE_SOFTTDX_TOO, "softtdx if there" }, { CASE_HOLD, "hold" }, { CASE_GUEST_KERNEL, "guest kernel" },
	};
	bool first = true;

	printf("[");
	if (tc->boot != BOOT_DEFAULT)
		print_item(&first, strf("host %s", boot_name[tc->boot]));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (tc->flags & flags[i].flag)
			print_item(&first, flags[i].need);
	/* SEAMCALLs are shown by the module that shows the Secure EPT. */
	if ((tc->observes & OBSERVE(EV_SEAMCALL)) && !(tc->flags & (CASE_SEPT | CASE_SEPT_TOO)))
		print_item(&first, "Secure EPT");
	if (tc->cap_name)
		print_item(&first, tc->cap_name);
	if (tc->hugepages_2m)
		print_item(&first, strf("%u hugetlb pages of 2M", tc->hugepages_2m));
	if (tc->hugepages_1g)
		print_item(&first, strf("%u hugetlb pages of 1G", tc->hugepages_1g));
	if (tc->memory_mib)
		print_item(&first, strf("%u MiB free", tc->memory_mib));
	if (tc->cpus)
		print_item(&first, strf("%u CPUs", tc->cpus));
	if (tc->nodes)
		print_item(&first, strf("%u NUMA nodes", tc->nodes));
	if (tc->side_effects)
		print_item(&first, strf("host-wide: %s", tc->side_effects));
	if (tc->flags & CASE_NIGHTLY)
		print_item(&first, "--nightly");
	printf("]");
}

void describe(const char *program, const char *summary, const struct test_case *cases,
	      size_t nr_cases)
{
	bool first = true;

	printf("{\"test\": ");
	print_string(program);
	printf(", \"summary\": ");
	print_string(summary);
	printf(", \"cases\": [");
	for (size_t i = 0; i < nr_cases; i++) {
		if (cases[i].flags & CASE_ON_REQUEST)
			continue;
		printf("%s\n{\"name\": ", first ? "" : ",");
		print_string(cases[i].name);
		printf(", \"summary\": ");
		print_string(cases[i].summary);
		printf(", \"guards\": ");
		print_string(cases[i].fixes ?: "");
		printf(", \"vm_types\": ");
		print_vm_types(&cases[i]);
		printf(", \"needs\": ");
		print_needs(&cases[i]);
		printf("}");
		first = false;
	}
	printf("\n]}\n");
}
