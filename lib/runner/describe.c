// SPDX-License-Identifier: GPL-2.0-only
/* The declarations of a test program as JSON: what docs/tests.md is made of. */
#include <stdio.h>

#include "base/case_run.h"

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
	const struct { bool declared; const char *need; } needs[] = {
		{ tc->needs_uffd, "userfaultfd" }, { tc->needs_thp, "THP" },
		{ tc->needs_softtdx, "softtdx" }, { tc->needs_sept, "Secure EPT" },
		{ tc->uses_sept, "Secure EPT if there" },
		{ tc->uses_softtdx, "softtdx if there" },
		{ tc->needs_hold, tc->needs_hold_module ? "hold by module" : "hold" },
		{ tc->needs_fail_nth, "fail-nth" },
		{ tc->needs_guest_kernel, "guest kernel" },
	};
	enum boot boot = boot_of(tc, tc->vm_types == VM_TDX ? KVM_X86_TDX_VM : 0);
	bool first = true;

	printf("[");
	if (boot != BOOT_DEFAULT)
		print_item(&first, strf("host %s", boot_name[boot]));
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (needs[i].declared)
			print_item(&first, needs[i].need);
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
	if (tc->nightly)
		print_item(&first, "--nightly");
	printf("]");
}

static void print_case(const struct test_case *tc)
{
	printf("\n{\"name\": ");
	print_string(tc->name);
	printf(", \"summary\": ");
	print_string(tc->summary);
	printf(", \"fixes\": ");
	print_string(tc->fixes ?: "");
	printf(", \"xfail\": ");
	print_string(tc->xfail ?: tc->xwarn ?: "");
	printf(", \"expects_splat\": %s", tc->expects_splat ? "true" : "false");
	printf(", \"observes\": %s", tc->observes ? "true" : "false");
	printf(", \"vm_types\": ");
	print_vm_types(tc);
	printf(", \"needs\": ");
	print_needs(tc);
	printf("}");
}

void describe(const char *program, const char *summary, const struct case_list *list)
{
	bool first = true;

	printf("{\"test\": ");
	print_string(program);
	printf(", \"summary\": ");
	print_string(summary);
	printf(", \"cases\": [");
	for (; list; list = list->next) {
		for (size_t i = 0; i < list->nr; i++) {
			if (list->cases[i].manual)
				continue;
			printf("%s", first ? "" : ",");
			print_case(&list->cases[i]);
			first = false;
		}
	}
	printf("\n]}\n");
}
