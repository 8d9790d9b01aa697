// SPDX-License-Identifier: GPL-2.0-only
/* Registered cases, selected by options. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/case_run.h"
#include "runner/plan.h"

#define DEFAULT_TIME_LIMIT_S	20
#define NR_VM_TYPES		32	/* bits of test_case.vm_types */

static struct case_list *case_lists, **last_list = &case_lists;

void cases_register(struct case_list *list)
{
	*last_list = list;
	last_list = &list->next;
}

const struct case_list *all_cases(void)
{
	return case_lists;
}

enum boot boot_of(const struct test_case *tc, unsigned int vm_type)
{
	return vm_type == KVM_X86_TDX_VM && !tc->boot ? BOOT_TDX : tc->boot;
}

static bool selected(const struct options *opt, const struct test *t)
{
	if (opt->boot && strcmp(opt->boot, boot_name[boot_of(t->tc, t->vm_type)]))
		return false;
	if (t->tc->nightly && !opt->nightly)
		return false;
	for (int i = 0; i < opt->nr_patterns; i++)
		if (t->tc->manual ?
		    !strcmp(opt->patterns[i], t->name) :
		    !fnmatch(opt->patterns[i], t->name, 0))
			return true;
	return !opt->nr_patterns && !t->tc->manual;
}

static size_t nr_cases(void)
{
	size_t nr = 0;

	for (const struct case_list *list = case_lists; list; list = list->next)
		nr += list->nr;
	return nr;
}

/* One run of the case, or with @vm_type 0 and no VM types its only one. */
static void plan_run(struct plan *plan, const struct options *opt, const struct case_list *list,
		     const struct test_case *tc, unsigned int vm_type)
{
	struct test t = {
		.tc = tc, .body = list->body, .vm_type = vm_type,
		.observes = tc->observes, .seed = opt->seed, .verbose = opt->verbose,
	};

	if (tc->vm_types & VM_TYPE(vm_type))
		snprintf(t.name, sizeof(t.name), "%s.%s", tc->name, vm_type_name(vm_type));
	else if (!tc->vm_types && !vm_type)
		snprintf(t.name, sizeof(t.name), "%s", tc->name);
	else
		return;
	if (selected(opt, &t))
		plan->tests[plan->nr++] = t;
}

/* Each case once for each VM type it wants. */
struct plan make_plan(const struct options *opt)
{
	struct plan plan = { .tests = calloc(nr_cases() * NR_VM_TYPES, sizeof(struct test)) };

	for (const struct case_list *list = case_lists; list; list = list->next)
		for (size_t i = 0; i < list->nr; i++)
			for (unsigned int type = 0; type < NR_VM_TYPES; type++)
				plan_run(&plan, opt, list, &list->cases[i], type);
	return plan;
}

unsigned int time_limit(const struct test_case *tc)
{
	return (tc->time_limit_s ?: DEFAULT_TIME_LIMIT_S) * time_scale();
}

static const char *listed_flags(const struct test_case *tc)
{
	if (tc->side_effects)
		return "host-wide";
	return tc->needs_guest_kernel ? "guest-kernel" : "-";
}

void list_cases(const struct plan *plan, const char *program)
{
	for (size_t i = 0; i < plan->nr; i++) {
		const struct test_case *tc = plan->tests[i].tc;

		printf("%s:%s\t%s\t%s\t%u\t%s\n", basename(program),
		       plan->tests[i].name, boot_name[boot_of(tc, plan->tests[i].vm_type)],
		       listed_flags(tc),
		       time_limit(tc), tc->summary);
	}
}
