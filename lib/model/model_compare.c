// SPDX-License-Identifier: GPL-2.0-only
/* Do KVM and the model agree? */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "model/model_vm.h"
#include "mrtd.h"
#include "sept.h"
#include "softtdx_ctl.h"
#include "testcase.h"

#define SEPT_LOOKS	4	/* gfns looked up in the SEPT after a step: each costs */

/* Report it to the parent, and end. */
static void __attribute__((noreturn, format(printf, 5, 6)))
disagree(struct model_vm *v, const char *expected, const char *observed, const char *statement,
	 const char *fmt, ...)
{
	struct model_mismatch *mm = &v->report->mismatch;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(mm->what, sizeof(mm->what), fmt, ap);
	va_end(ap);
	snprintf(mm->expected, sizeof(mm->expected), "%s", expected);
	snprintf(mm->observed, sizeof(mm->observed), "%s", observed);
	snprintf(mm->statement, sizeof(mm->statement), "%s", statement);
	mm->seen = true;
	v->report->done = true;
	_exit(0);
}

static void compare_results(struct model_vm *v, struct model_result expected,
			    struct model_result seen)
{
	if (seen.error == EINTR) {
		v->report->mismatch.hang = true;
		disagree(v, errno_text(expected.error), strf("no end within %u s", v->limit), "",
			 "result of the ioctl");
	}
	if (seen.error != expected.error)
		disagree(v, errno_text(expected.error), errno_text(seen.error), "",
			 "result of the ioctl");
	if (seen.left != expected.left)
		disagree(v, strf("%llu", expected.left), seen.left == UINT64_MAX ?
			 "address and size do not fit together" : strf("%llu", seen.left), "",
			 "pages left after the ioctl");
}

static const char *leaf_text(int level, const char *page)
{
	return level == LEVEL_NONE ? level_name(level) : strf("%s, %s", level_name(level), page);
}

static const char *page_text(const struct model_vm *v, struct model_leaf leaf)
{
	return strf("page 0x%llx of mem[%d] (%s)%s", leaf.page, leaf.mem,
		    mem_kind_name(v->config->mems[leaf.mem].kind),
		    leaf.private ? ", private" : "");
}

/* The pages that the host has, by mem. */
struct host_pages {
	bool read[MODEL_MEMS];
	u64 pfns[MODEL_MEMS][MODEL_PAGES];
};

/* guest_memfd that the host cannot map: the pfn of a page is known once KVM has mapped it. */
static u64 gmem_page_pfn(struct model_vm *v, struct model_leaf leaf, u64 seen)
{
	u64 *known = &v->pfns[leaf.mem][leaf.page];

	if (*known != PFN_NONE)
		return *known;
	for (u64 i = 0; i < v->config->mems[leaf.mem].pages; i++)
		if (v->pfns[leaf.mem][i] == seen)
			disagree(v, "a page of its own",
				 strf("pfn 0x%llx, which is page 0x%llx", seen, i), "",
				 "%s", page_text(v, leaf));
	return *known = seen;
}

static u64 expected_pfn(struct model_vm *v, struct host_pages *host, struct model_leaf leaf,
			u64 seen)
{
	struct mem *mem = v->mems[leaf.mem];
	u64 pfn = PFN_NONE;

	if (mem->hva && !host->read[leaf.mem]) {
		pfns_of(mem->hva, v->config->mems[leaf.mem].pages, host->pfns[leaf.mem]);
		host->read[leaf.mem] = true;
	}
	if (mem->hva)
		pfn = host->pfns[leaf.mem][leaf.page];
	if (pfn == PFN_NONE && model_mem_is_gmem(v->config, leaf.mem))
		return gmem_page_pfn(v, leaf, seen);
	return pfn;
}

static void compare_gfn(struct model_vm *v, struct host_pages *host, u64 gfn)
{
	struct model_leaf leaf = model_leaf(v->model, gfn);
	struct mapping seen = observer_known(v->o, GFN + gfn);
	u64 pfn;

	if (leaf.level != seen.level)
		disagree(v, leaf_text(leaf.level, page_text(v, leaf)),
			 leaf_text(seen.level, strf("pfn 0x%llx", seen.pfn)),
			 leaf.level == LEVEL_NONE ?
			 strf("expect_not_mapped(o, GFN + 0x%llx);", gfn) :
			 strf("expect_mapped(o, GFN + 0x%llx, %s, PFN_ANY);", gfn,
			      leaf.level == LEVEL_2M ? "LEVEL_2M" : "LEVEL_4K"),
			 "mapping of gfn GFN + 0x%llx", gfn);
	if (leaf.level == LEVEL_NONE)
		return;
	v->report->mapped++;
	pfn = expected_pfn(v, host, leaf, seen.pfn);
	if (seen.pfn != pfn)
		disagree(v, strf("pfn 0x%llx, %s", pfn, page_text(v, leaf)),
			 strf("pfn 0x%llx", seen.pfn),
			 strf("expect_mapped(o, GFN + 0x%llx, %s, pfn_of(mem[%d]->hva + 0x%llx));",
			      gfn, leaf.level == LEVEL_2M ? "LEVEL_2M" : "LEVEL_4K", leaf.mem,
			      leaf.page * SZ_4K),
			 "page that gfn GFN + 0x%llx maps", gfn);
	if (leaf.writable != W_ANY && seen.writable != (leaf.writable == W_YES))
		disagree(v, leaf.writable == W_YES ? "writable" : "read-only",
			 seen.writable ? "writable" : "read-only",
			 strf("expect_eq(observer_mapping(o, GFN + 0x%llx).writable, %d, \"writable\");",
			      gfn, leaf.writable == W_YES),
			 "rights of gfn GFN + 0x%llx (%s)", gfn, page_text(v, leaf));
}

static void compare_stat(struct model_vm *v, const char *name, unsigned long expected)
{
	unsigned long seen = vm_stat(v->vm, name);

	if (seen != expected)
		disagree(v, strf("%lu", expected), strf("%lu", seen),
			 strf("expect_eq(vm_stat(vm, \"%s\"), %lu, \"%s\");", name, expected, name),
			 "statistic %s", name);
}

static void compare_sept(struct model_vm *v, u64 gfn)
{
	struct model_leaf leaf = model_leaf(v->model, gfn);
	struct sept seen = sept_walk(v->vm, GPA + gfn * SZ_4K);
	enum sept_state state = !leaf.level || !leaf.private ? SEPT_FREE :
				leaf.pending ? SEPT_PENDING : SEPT_MAPPED;
	u64 pfn = observer_known(v->o, GFN + gfn).pfn;

	if (seen.state == state && (state == SEPT_FREE ||
				    (seen.level == LEVEL_4K && seen.pfn == pfn)))
		return;
	disagree(v, state == SEPT_FREE ? "FREE" :
		 strf("%s, pfn 0x%llx", sept_state_name(state), pfn),
		 strf("%s, %s, pfn 0x%llx", sept_state_name(seen.state), level_name(seen.level),
		      seen.pfn),
		 state == SEPT_FREE ? strf("expect_sept_free(vm, GPA + 0x%llx);", gfn * SZ_4K) :
		 strf("expect_sept(vm, GPA + 0x%llx, LEVEL_4K, SEPT_%s, PFN_ANY);",
		      gfn * SZ_4K, sept_state_name(state)),
		 "gpa GPA + 0x%llx in the Secure EPT", gfn * SZ_4K);
}

static void compare_mrtd(struct model_vm *v)
{
	char *expected = mrtd_finish(v->mrtd);
	const char *seen = softtdx_mrtd(softtdx_only_td());

	if (strcmp(expected, seen))
		disagree(v, expected, seen, "", "MRTD");
	free(expected);
}

static void forget_freed_pages(struct model_vm *v)
{
	for (int mem = 0; mem < v->config->nr_mems; mem++) {
		if (!model_mem_is_gmem(v->config, mem))
			continue;
		for (u64 i = 0; i < v->config->mems[mem].pages; i++)
			if (!model_page_present(v->model, mem, i))
				v->pfns[mem][i] = PFN_NONE;
	}
}

static bool model_changed(const struct model_vm *v, u64 gfn)
{
	struct model_leaf leaf = model_leaf(v->model, gfn);

	return memcmp(&leaf, &v->before[gfn], sizeof(leaf));
}

/* Every gfn, unless neither KVM nor the model did anything. */
static void compare_mappings(struct model_vm *v)
{
	static struct host_pages host;
	size_t nr_events;
	bool changed;

	observer_events(v->o, &nr_events);
	changed = nr_events != v->nr_events;
	v->nr_events = nr_events;
	for (u64 gfn = 0; gfn < MODEL_GFNS && !changed; gfn++)
		changed = model_changed(v, gfn);
	if (!changed)
		return;
	memset(host.read, 0, sizeof(host.read));
	for (u64 gfn = 0; gfn < MODEL_GFNS; gfn++)
		compare_gfn(v, &host, gfn);
}

/* A few of the gfns that the step changed. */
static void compare_sept_changes(struct model_vm *v)
{
	int looks = 0;

	for (u64 gfn = 0; gfn < MODEL_GFNS && looks < SEPT_LOOKS; gfn++) {
		if (!model_changed(v, gfn))
			continue;
		compare_sept(v, gfn);
		looks++;
	}
}

void model_vm_step(struct model_vm *v, const struct model_op *op)
{
	struct model_result expected, seen;

	for (u64 gfn = 0; gfn < MODEL_GFNS; gfn++)
		v->before[gfn] = model_leaf(v->model, gfn);
	expected = model_do(v->model, op);
	alarm(v->limit);
	seen = model_vm_do(v, op);
	alarm(0);
	compare_results(v, expected, seen);

	forget_freed_pages(v);
	compare_mappings(v);
	compare_stat(v, "pages_4k", model_leaves(v->model, LEVEL_4K));
	compare_stat(v, "pages_2m", model_leaves(v->model, LEVEL_2M));
	compare_stat(v, "pages_1g", 0);
	if (model_of_td(v->config) && !sept_missing())
		compare_sept_changes(v);
	if (op->type == OP_FINALIZE && !expected.error && softtdx_present())
		compare_mrtd(v);
}
