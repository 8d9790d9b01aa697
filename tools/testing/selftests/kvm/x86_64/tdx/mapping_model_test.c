// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of operations against a reference model.
 *
 * Each operation is done by KVM and by the model (lib/model/mapping_model.h).  After
 * each of them must agree: the result, the progress, the mapping of every gfn
 * of the window (level, page, rights, in a TD the Secure EPT, too), and the
 * statistics.  A sequence that fails is done again and again in fresh VMs, each
 * time with less in it; what is left is printed as the body of a case.
 * How to read that: docs/model.md.
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "kernel.h"
#include "known_issues.h"
#include "model/mapping_model.h"
#include "mrtd.h"
#include "rng.h"
#include "sept.h"
#include "model/shrink.h"
#include "softtdx_ctl.h"
#include "td.h"
#include "testcase.h"

#define MAX_STEPS	1000
#define SEPT_LOOKS	4	/* gfns looked up in the SEPT after a step: each costs */
#define OP_LIMIT_S	8	/* then a signal ends the ioctl */
#define HANG_LIMIT_S	2	/* the same, once it is known to hang */
#define CHILD_LIMIT_S	30.0
#define SHRINK_LIMIT_S	60.0

struct profile {
	unsigned int sequences, steps;
};

/* What went wrong: told by the child that did the sequence. */
struct mismatch {
	bool seen, hang;
	size_t step;			/* of the sequence: the last one begun */
	char what[160], expected[160], observed[160];
	char statement[160];		/* C that fails, "": the operation itself */
};

/* Shared with the child. */
struct report {
	bool done;
	struct mismatch mismatch;
	unsigned long mapped;		/* leaves that were there, summed over the steps */
};

/* The VM under test, with what it is made of. */
struct world {
	const struct model_config *config;
	struct model *model;
	struct observer *o;
	struct vm *vm;
	struct vcpu *vcpus[MODEL_VCPUS];
	struct mem *mems[MODEL_MEMS];
	u64 pfns[MODEL_MEMS][MODEL_PAGES];	/* of guest_memfd: as first seen */
	struct model_leaf before[MODEL_GFNS];	/* the step */
	size_t nr_events;			/* in the observer's log, before it */
	struct mrtd *mrtd;
	struct report *report;
	unsigned int limit;			/* seconds an ioctl may take */
};

#define x	((x))

static bool is_td(const struct world *w)
{
	return w->config->vm_type == KVM_X86_TDX_VM;
}

static bool is_gmem(const struct world *w, int mem)
{
	return w->config->mems[mem].kind == MEM_GMEM ||
	       w->config->mems[mem].kind == MEM_GMEM_MMAP;
}

/* --- the operations, by KVM --------------------------------------------------------- */

static void world_vm(struct world *w)
{
	if (is_td(w) && softtdx_present())	/* the one before takes its time to go */
		expect_eq(softtdx_settled(&(struct softtdx_state){ 0 }).tds, 0,
			  "TDs left after the one before was closed");
	w->vm = is_td(w) ? td_create() : vm_create(w->config->vm_type);
	w->mrtd = mrtd_new();
	for (int i = 0; i < w->config->nr_mems; i++)
		if (is_gmem(w, i))
			w->mems[i] = mem_create(w->config->mems[i].kind,
						w->config->mems[i].pages * SZ_4K, w->vm);
	memset(w->pfns, 0xff, sizeof(w->pfns));
	observer_follow(w->o, w->vm);
	w->nr_events = 0;
}

static void world_vm_close(struct world *w)
{
	for (int i = 0; i < MODEL_VCPUS; i++)
		if (w->vcpus[i])
			vcpu_close(w->vcpus[i]);
	memset(w->vcpus, 0, sizeof(w->vcpus));
	for (int i = 0; i < w->config->nr_mems; i++) {
		if (!is_gmem(w, i))
			continue;
		if (w->mems[i]->hva)
			munmap(w->mems[i]->hva, w->mems[i]->size);
		if (w->mems[i]->fd >= 0)
			close(w->mems[i]->fd);
	}
	vm_close(w->vm);
}

static struct world *world_new(const struct model_config *config, struct observer *o,
			       struct report *report)
{
	struct world *w = calloc(1, sizeof(*w));

	w->config = config;
	w->model = model_new(config);
	w->o = o;
	w->report = report;
	for (int i = 0; i < config->nr_mems; i++)
		if (!is_gmem(w, i))
			w->mems[i] = mem_create(config->mems[i].kind,
						config->mems[i].pages * SZ_4K, NULL);
	world_vm(w);
	return w;
}

static int slot_op(struct world *w, const struct model_op *op)
{
	struct slot slot = { .vm = w->vm, .id = op->id };

	if (op->type == OP_SLOT_SET) {
		slot.flags = op->flag ? KVM_MEM_READONLY : 0;
		slot.gpa = GPA + op->gfn * SZ_4K;
		slot.size = op->nr * SZ_4K;
		slot.mem = w->mems[op->mem];
		slot.offset = op->page * SZ_4K;
	}
	if (op->type == OP_SLOT_SET && op->gmem != NO_MEM) {
		slot.flags |= KVM_MEM_GUEST_MEMFD;
		slot.gmem = w->mems[op->gmem];
		slot.gmem_offset = op->gmem_page * SZ_4K;
	}
	return __slot_set(&slot);
}

static int prefault_op(struct world *w, const struct model_op *op, u64 *left)
{
	struct kvm_pre_fault_memory range = {
		.gpa = (GPA + op->gfn * SZ_4K) | (op->flag ? TD_SHARED_BIT : 0),
		.size = op->nr * SZ_4K,
	};
	int ret = __vcpu_prefault(w->vcpus[op->id], &range);

	/* gpa and size go together. */
	*left = range.gpa + range.size ==
		((GPA + (op->gfn + op->nr) * SZ_4K) | (op->flag ? TD_SHARED_BIT : 0)) ?
		range.size / SZ_4K : UINT64_MAX;
	return ret;
}

static int add_op(struct world *w, const struct model_op *op, u64 *left)
{
	u8 *source = w->mems[op->mem]->hva + op->page * SZ_4K;
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)source, .gpa = GPA + op->gfn * SZ_4K,
		.nr_pages = op->nr,
	};
	int ret = __td_add(w->vcpus[op->id], &region, op->flag ? KVM_TDX_MEASURE_MEMORY_REGION : 0);
	int error = errno;
	u64 done = op->nr - region.nr_pages;

	*left = region.gpa == GPA + (op->gfn + done) * SZ_4K &&
		region.source_addr == (uintptr_t)source + done * SZ_4K ?
		region.nr_pages : UINT64_MAX;
	for (u64 i = 0; i < done && i < op->nr; i++)
		mrtd_add_page(w->mrtd, GPA + (op->gfn + i) * SZ_4K, source + i * SZ_4K, op->flag);
	errno = error;
	return ret;
}

static int vcpu_op(struct world *w, const struct model_op *op)
{
	struct vcpu *vcpu = __vcpu_create(w->vm, op->id);

	if (!vcpu)
		return -1;
	if (is_td(w)) {
		td_vcpu_set_cpuid(vcpu);
		expect_ok(__td_vcpu_init(vcpu, 0), "KVM_TDX_INIT_VCPU of vCPU %d", op->id);
	}
	w->vcpus[op->id] = vcpu;
	return 0;
}

/* What KVM answers. */
static struct model_result world_do(struct world *w, const struct model_op *op)
{
	struct mem *mem = op->mem == NO_MEM ? NULL : w->mems[op->mem];
	struct model_result r = { 0 };
	int ret = 0;

	switch (op->type) {
	case OP_SLOT_SET:
	case OP_SLOT_DELETE:
		ret = slot_op(w, op);
		break;
	case OP_ATTRIBUTES:
		ret = __vm_set_attributes(w->vm, GPA + op->gfn * SZ_4K, op->nr * SZ_4K,
					  op->flag ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0);
		break;
	case OP_PREFAULT:
		ret = prefault_op(w, op, &r.left);
		break;
	case OP_ADD:
		ret = add_op(w, op, &r.left);
		break;
	case OP_FINALIZE:
		ret = __td_finalize(w->vm, NULL);
		break;
	case OP_PUNCH:
		mem_punch_hole(mem, op->page * SZ_4K, op->nr * SZ_4K);
		break;
	case OP_WRITE:
		mem_touch(mem->hva + op->page * SZ_4K, op->nr * SZ_4K);
		break;
	case OP_DONTNEED:
		must(!madvise(mem->hva + op->page * SZ_4K, op->nr * SZ_4K, MADV_DONTNEED),
		     "MADV_DONTNEED");
		break;
	case OP_CLOSE:
		close(mem->fd);
		mem->fd = -1;
		break;
	case OP_VCPU_CREATE:
		ret = vcpu_op(w, op);
		break;
	case OP_VM_RESTART:
		world_vm_close(w);
		world_vm(w);
		break;
	case OP_NR:
		break;
	}
	r.error = ret < 0 ? errno : 0;
	return r;
}

/* --- do they agree? -------------------------------------------------------------------- */

/* Tell the parent, and end. */
static void __attribute__((noreturn, format(printf, 5, 6)))
disagree(struct world *w, const char *expected, const char *observed, const char *statement,
	 const char *fmt, ...)
{
	struct mismatch *mm = &w->report->mismatch;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(mm->what, sizeof(mm->what), fmt, ap);
	va_end(ap);
	snprintf(mm->expected, sizeof(mm->expected), "%s", expected);
	snprintf(mm->observed, sizeof(mm->observed), "%s", observed);
	snprintf(mm->statement, sizeof(mm->statement), "%s", statement);
	mm->seen = true;
	w->report->done = true;
	_exit(0);
}

static void compare_results(struct world *w, struct model_result expected,
			    struct model_result seen)
{
	if (seen.error == EINTR)
		w->report->mismatch.hang = true;
	if (seen.error == EINTR)
		disagree(w, errno_text(expected.error), strf("no end within %u s", w->limit), "",
			 "result of the ioctl");
	if (seen.error != expected.error)
		disagree(w, errno_text(expected.error), errno_text(seen.error), "",
			 "result of the ioctl");
	if (seen.left != expected.left)
		disagree(w, strf("%llu", expected.left), seen.left == UINT64_MAX ?
			 "address and size do not fit together" : strf("%llu", seen.left), "",
			 "pages left after the ioctl");
}

static const char *leaf_text(int level, const char *page)
{
	return level == LEVEL_NONE ? level_name(level) : strf("%s, %s", level_name(level), page);
}

static const char *page_text(const struct world *w, struct model_leaf leaf)
{
	return strf("page 0x%llx of mem[%d] (%s)%s", leaf.page, leaf.mem,
		    mem_kind_name(w->config->mems[leaf.mem].kind),
		    leaf.private ? ", private" : "");
}

/* The pages that the host has, by mem. */
struct host_pages {
	bool read[MODEL_MEMS];
	u64 pfns[MODEL_MEMS][MODEL_PAGES];
};

/* guest_memfd without a mapping by the host: what a page is shows when it is mapped first. */
static u64 gmem_page_pfn(struct world *w, struct model_leaf leaf, u64 seen)
{
	u64 *known = &w->pfns[leaf.mem][leaf.page];

	if (*known != PFN_NONE)
		return *known;
	for (u64 i = 0; i < w->config->mems[leaf.mem].pages; i++)
		if (w->pfns[leaf.mem][i] == seen)
			disagree(w, "a page of its own",
				 strf("pfn 0x%llx, which is page 0x%llx", seen, i), "",
				 "%s", page_text(w, leaf));
	return *known = seen;
}

static u64 expected_pfn(struct world *w, struct host_pages *host, struct model_leaf leaf,
			     u64 seen)
{
	struct mem *mem = w->mems[leaf.mem];
	u64 pfn = PFN_NONE;

	if (mem->hva && !host->read[leaf.mem]) {
		pfns_of(mem->hva, w->config->mems[leaf.mem].pages, host->pfns[leaf.mem]);
		host->read[leaf.mem] = true;
	}
	if (mem->hva)
		pfn = host->pfns[leaf.mem][leaf.page];
	return pfn == PFN_NONE && is_gmem(w, leaf.mem) ? gmem_page_pfn(w, leaf, seen) : pfn;
}

static void compare_gfn(struct world *w, struct host_pages *host, u64 gfn)
{
	struct model_leaf leaf = model_leaf(w->model, gfn);
	struct mapping seen = observer_known(w->o, GFN + gfn);
	u64 pfn;

	if (leaf.level != seen.level)
		disagree(w, leaf_text(leaf.level, page_text(w, leaf)),
			 leaf_text(seen.level, strf("pfn 0x%llx", seen.pfn)),
			 leaf.level == LEVEL_NONE ?
			 strf("expect_not_mapped(o, GFN + 0x%llx);", gfn) :
			 strf("expect_mapped(o, GFN + 0x%llx, %s, PFN_ANY);", gfn,
			      leaf.level == LEVEL_2M ? "LEVEL_2M" : "LEVEL_4K"),
			 "mapping of gfn GFN + 0x%llx", gfn);
	if (leaf.level == LEVEL_NONE)
		return;
	w->report->mapped++;
	pfn = expected_pfn(w, host, leaf, seen.pfn);
	if (seen.pfn != pfn)
		disagree(w, strf("pfn 0x%llx, %s", pfn, page_text(w, leaf)),
			 strf("pfn 0x%llx", seen.pfn),
			 strf("expect_mapped(o, GFN + 0x%llx, %s, pfn_of(mem[%d]->hva + 0x%llx));",
			      gfn, leaf.level == LEVEL_2M ? "LEVEL_2M" : "LEVEL_4K", leaf.mem,
			      leaf.page * SZ_4K),
			 "page that gfn GFN + 0x%llx maps", gfn);
	if (leaf.writable != W_ANY && seen.writable != (leaf.writable == W_YES))
		disagree(w, leaf.writable == W_YES ? "writable" : "read-only",
			 seen.writable ? "writable" : "read-only",
			 strf("expect_eq(observer_mapping(o, GFN + 0x%llx).writable, %d, \"writable\");",
			      gfn, leaf.writable == W_YES),
			 "rights of gfn GFN + 0x%llx (%s)", gfn, page_text(w, leaf));
}

static void compare_stat(struct world *w, const char *name, unsigned long expected)
{
	unsigned long seen = vm_stat(w->vm, name);

	if (seen != expected)
		disagree(w, strf("%lu", expected), strf("%lu", seen),
			 strf("expect_eq(vm_stat(vm, \"%s\"), %lu, \"%s\");", name, expected, name),
			 "statistic %s", name);
}

static void compare_sept(struct world *w, u64 gfn)
{
	struct model_leaf leaf = model_leaf(w->model, gfn);
	struct sept seen = sept_walk(w->vm, GPA + gfn * SZ_4K);
	enum sept_state state = !leaf.level || !leaf.private ? SEPT_FREE :
				leaf.pending ? SEPT_PENDING : SEPT_MAPPED;
	u64 pfn = observer_known(w->o, GFN + gfn).pfn;

	if (seen.state == state && (state == SEPT_FREE ||
				    (seen.level == LEVEL_4K && seen.pfn == pfn)))
		return;
	disagree(w, state == SEPT_FREE ? "FREE" :
		 strf("%s, pfn 0x%llx", sept_state_name(state), pfn),
		 strf("%s, %s, pfn 0x%llx", sept_state_name(seen.state), level_name(seen.level),
		      seen.pfn),
		 state == SEPT_FREE ? strf("expect_sept_free(vm, GPA + 0x%llx);", gfn * SZ_4K) :
		 strf("expect_sept(vm, GPA + 0x%llx, LEVEL_4K, SEPT_%s, PFN_ANY);",
		      gfn * SZ_4K, sept_state_name(state)),
		 "gpa GPA + 0x%llx in the Secure EPT", gfn * SZ_4K);
}

static void compare_mrtd(struct world *w)
{
	char *expected = mrtd_finish(w->mrtd);
	const char *seen = softtdx_mrtd(softtdx_only_td());

	if (strcmp(expected, seen))
		disagree(w, expected, seen, "", "MRTD");
	free(expected);
}

static void forget_freed_pages(struct world *w)
{
	for (int mem = 0; mem < w->config->nr_mems; mem++)
		for (u64 i = 0; is_gmem(w, mem) && i < w->config->mems[mem].pages; i++)
			if (!model_page_present(w->model, mem, i))
				w->pfns[mem][i] = PFN_NONE;
}

static bool model_changed(const struct world *w, u64 gfn)
{
	struct model_leaf leaf = model_leaf(w->model, gfn);

	return memcmp(&leaf, &w->before[gfn], sizeof(leaf));
}

/* Every gfn, unless neither KVM nor the model did anything. */
static void compare_mappings(struct world *w)
{
	static struct host_pages host;
	size_t nr_events;
	bool changed;

	observer_events(w->o, &nr_events);
	changed = nr_events != w->nr_events;
	w->nr_events = nr_events;
	for (u64 gfn = 0; gfn < MODEL_GFNS && !changed; gfn++)
		changed = model_changed(w, gfn);
	if (!changed)
		return;
	memset(host.read, 0, sizeof(host.read));
	for (u64 gfn = 0; gfn < MODEL_GFNS; gfn++)
		compare_gfn(w, &host, gfn);
}

/* A few of the gfns that the step changed. */
static void compare_sept_changes(struct world *w)
{
	int looks = 0;

	for (u64 gfn = 0; gfn < MODEL_GFNS && looks < SEPT_LOOKS; gfn++) {
		if (!model_changed(w, gfn))
			continue;
		compare_sept(w, gfn);
		looks++;
	}
}

static void step(struct world *w, const struct model_op *op)
{
	struct model_result expected, seen;

	for (u64 gfn = 0; gfn < MODEL_GFNS; gfn++)
		w->before[gfn] = model_leaf(w->model, gfn);
	expected = model_do(w->model, op);
	alarm(w->limit);
	seen = world_do(w, op);
	alarm(0);
	compare_results(w, expected, seen);

	forget_freed_pages(w);
	compare_mappings(w);
	compare_stat(w, "pages_4k", model_leaves(w->model, LEVEL_4K));
	compare_stat(w, "pages_2m", model_leaves(w->model, LEVEL_2M));
	compare_stat(w, "pages_1g", 0);
	if (is_td(w) && !sept_missing())
		compare_sept_changes(w);
	if (op->type == OP_FINALIZE && !expected.error && softtdx_present())
		compare_mrtd(w);
}

/* --- sequences, each in a process and a VM of its own -------------------------------------- */

struct run {
	const struct model_config *config;
	struct observer *o;
	struct report *report;
	unsigned int limit;
};

static void on_alarm(int signal)
{
	(void)signal;
}

static void __attribute__((noreturn))
child(const struct run *run, const struct model_op *ops, size_t nr)
{
	struct sigaction action = { .sa_handler = on_alarm };	/* no SA_RESTART */
	struct world *w;

	sigaction(SIGALRM, &action, NULL);
	w = world_new(run->config, run->o, run->report);
	w->limit = run->limit;
	for (size_t i = 0; i < nr; i++) {
		run->report->mismatch.step = i;
		if (model_can(w->model, &ops[i]))
			step(w, &ops[i]);
	}
	run->report->done = true;
	_exit(0);
}

/* A child ended: reaped, or killed for not ending. */
static void reap(pid_t pid, struct report *report)
{
	struct pollfd pfd = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status;

	must(pfd.fd >= 0, "pidfd_open");
	if (poll(&pfd, 1, CHILD_LIMIT_S * 1000) != 1) {
		kill(pid, SIGKILL);
		report->mismatch.seen = report->done = true;
		snprintf(report->mismatch.what, sizeof(report->mismatch.what), "the operation");
		strcpy(report->mismatch.expected, "it ends");
		snprintf(report->mismatch.observed, sizeof(report->mismatch.observed),
			 "no end within %.0f s, signal or not", CHILD_LIMIT_S);
	}
	close(pfd.fd);
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status) && !report->done)
		test_failed(__FILE__, __LINE__, "process of a sequence", "exit",
			    strf("killed by signal %d", WTERMSIG(status)));
	/* It said what was broken, and how the case ends. */
	if (!report->done)
		_exit(0);
}

/* Do the sequence; true if KVM and the model disagreed. */
static bool fails(const struct run *run, const struct model_op *ops, size_t nr)
{
	pid_t pid;

	memset(&run->report->mismatch, 0, sizeof(run->report->mismatch));
	run->report->done = false;
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		child(run, ops, nr);
	reap(pid, run->report);
	return run->report->mismatch.seen;
}

static bool shrunk_fails(struct shrinker *s, const struct model_op *ops, size_t nr)
{
	return fails(s->arg, ops, nr);
}

/* The same sequence for the same seed: the model alone decides what is worth a try. */
static void make_sequence(const struct model_config *config, u64 seed,
			  struct model_op *ops, size_t nr)
{
	struct model *m = model_new(config);

	for (size_t i = 0; i < nr; i++) {
		ops[i] = model_random_op(m, &seed);
		model_do(m, &ops[i]);
	}
	model_free(m);
}

static void __attribute__((noreturn))
shrink_and_fail(struct run *run, struct model_op *ops)
{
	struct shrinker s = { .fails = shrunk_fails, .arg = run,
			      .deadline = now() + SHRINK_LIMIT_S };
	size_t nr = run->report->mismatch.step + 1, before = nr;
	struct mismatch first = run->report->mismatch, *mm = &run->report->mismatch;
	double start = now();

	if (first.hang)
		run->limit = HANG_LIMIT_S;
	diag("step %zu: %s: expected %s, seen %s", nr, first.what, first.expected, first.observed);
	nr = shrink(&s, ops, nr);
	diag("shrunk from %zu to %zu operations by %u attempts in %.1f s", before, nr, s.attempts,
	     now() - start);
	if (!fails(run, ops, nr)) {
		diag("the shrunk sequence does not fail each time: timing matters");
		*mm = first;
	}
	diag("%s", model_snippet(run->config, ops, nr, mm->statement));
	test_failed(__FILE__, __LINE__, mm->what, mm->expected, mm->observed);
}

static void add_mem(struct model_config *config, enum mem_kind kind, u64 pages)
{
	config->mems[config->nr_mems].kind = kind;
	config->mems[config->nr_mems++].pages = pages;
}

static struct mem *any_gmem(const struct model_config *config, struct vm *vm)
{
	for (int i = 0; i < config->nr_mems; i++)
		if (config->mems[i].kind == MEM_GMEM || config->mems[i].kind == MEM_GMEM_MMAP)
			return mem_create(config->mems[i].kind, SZ_2M, vm);
	return NULL;
}

static int bind_gmem(struct vm *vm, struct mem *gmem, u32 id, u64 offset)
{
	struct slot slot = {
		.vm = vm, .id = id, .flags = KVM_MEM_GUEST_MEMFD, .gpa = GPA + id * SZ_2M,
		.size = 2 * SZ_4K, .gmem = gmem, .gmem_offset = offset,
	};

	return __slot_set(&slot);
}

static int gmem_taken_error(struct vm *vm, struct mem *gmem)
{
	int error;

	if (!gmem)
		return 0;
	expect_ok(bind_gmem(vm, gmem, 0, 0), "a slot of guest_memfd");
	error = bind_gmem(vm, gmem, 1, 0) ? errno : 0;
	expect_true(error == EEXIST || error == EINVAL,
		    "another slot on the same guest_memfd is refused, with EEXIST or EINVAL (seen: %s)",
		    errno_text(error));
	return error;
}

static bool taken_vcpu_first(void)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);
	int ret;

	td_finalize(vm);
	ret = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	expect_true(ret < 0, "a second vCPU 0 is refused");
	ret = errno;
	vcpu_close(vcpu);
	vm_close(vm);
	return ret == EEXIST;
}

static struct model_config config_of(const struct test *t)
{
	const int mmap_flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
	struct vm *vm = vm_create(t->vm_type);
	struct model_config config = {
		.vm_type = t->vm_type,
		.max_vcpus = vm_check_cap(vm, KVM_CAP_MAX_VCPUS),
		.added_once = kernel_before("7.0"),
		.no_huge_offsets = known_issue_here(known_issue("G1")),
		.no_gmem_loss = known_issue_here(known_issue("S1")),
	};
	struct mem *gmem;

	add_mem(&config, MEM_ANON, 1024);
	if (t->vm_type != KVM_X86_TDX_VM)
		add_mem(&config, MEM_HUGETLB_2M, 1024);
	if (t->vm_type != KVM_X86_DEFAULT_VM)
		add_mem(&config, MEM_GMEM, 1024);
	else if ((vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS) & mmap_flags) == mmap_flags)
		add_mem(&config, MEM_GMEM_MMAP, 512);
	if (t->vm_type != KVM_X86_TDX_VM)
		add_mem(&config, MEM_MEMFD, 512);
	if (t->vm_type == KVM_X86_TDX_VM)
		config.taken_vcpu_first = taken_vcpu_first();
	gmem = any_gmem(&config, vm);
	config.gmem_taken_error = gmem_taken_error(vm, gmem);
	if (gmem)
		close(gmem->fd);
	vm_close(vm);
	return config;
}

static void random_sequences(const struct test *t)
{
	const struct profile *profile = t->tc->arg;
	struct model_config config = config_of(t);
	struct vm *vm = vm_create(KVM_X86_DEFAULT_VM);
	struct run run = { .config = &config, .o = observe(vm, t->observes),
			   .limit = OP_LIMIT_S };
	struct model_op *ops = calloc(MAX_STEPS, sizeof(*ops));
	double start = now();

	run.report = mmap(NULL, sizeof(*run.report), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(run.report != MAP_FAILED, "mmap");
	vm_close(vm);

	for (unsigned int i = 0; i < profile->sequences; i++) {
		u64 seed = t->seed + i;

		make_sequence(&config, seed, ops, profile->steps);
		if (!fails(&run, ops, profile->steps))
			continue;
		diag("sequence %u (seed 0x%llx), after %.1f s", i, t->seed, now() - start);
		measure("steps", i * profile->steps + run.report->mismatch.step + 1);
		shrink_and_fail(&run, ops);
	}
	measure("steps", profile->sequences * profile->steps);
	measure("sequences", profile->sequences);
	measure("pages", run.report->mapped);
	measure("steps_per_second", profile->sequences * profile->steps / (now() - start));
	expect_true(run.report->mapped, "some gfn is mapped after some step");
}

/* The end of a range of guest_memfd is beyond 2^63: refused, as it is beyond the file. */
static void offset_overflow(const struct test *t)
{
	struct vm *vm = vm_create(t->vm_type);
	struct mem *gmem = mem_create(MEM_GMEM, SZ_2M, vm);
	int ret = bind_gmem(vm, gmem, 0, INT64_MAX & ~(SZ_4K - 1));

	if (!ret)
		xfail("G1", "a slot begins at offset 0x%llx of 2M guest_memfd",
				 INT64_MAX & ~(SZ_4K - 1));
	expect_errno(ret, EINVAL, "a slot at offset 0x%llx of 2M guest_memfd",
		     INT64_MAX & ~(SZ_4K - 1));
	xpass("G1");
}

static const struct profile
	quick = { 8, 120 }, quick_td = { 6, 40 },
	nightly = { 400, 200 }, nightly_td = { 100, 60 };

#define HVA	.vm_types = VM_DEFAULT | VM_SW_PROTECTED, .observes = OBSERVE(EV_SPTE), \
		.hugepages_2m = 2, .cap = KVM_CAP_PRE_FAULT_MEMORY, \
		.cap_name = "KVM_CAP_PRE_FAULT_MEMORY"
#define TD	.vm_types = VM_TDX, .observes = OBSERVE(EV_SPTE)

static const struct test_case cases[] = {
	{ "sequences", "random operations agree with the model", random_sequences, &quick, HVA,
	  .xfail = "E3", .time_limit_s = 120 },
	{ "sequences_td", "random operations on a TD agree with the model", random_sequences,
	  &quick_td, TD, .uses_sept = true, .time_limit_s = 120 },
	{ "offset_overflow", "a slot at an offset of guest_memfd near 2^63: EINVAL",
	  offset_overflow, .vm_types = VM_SW_PROTECTED,
	  .fixes = "KVM: guest_memfd: Fix possible signed integer overflow (7.2)" },
	{ "many_sequences", "many random operations agree with the model", random_sequences,
	  &nightly, HVA, .nightly = true, .time_limit_s = 1800 },
	{ "many_sequences_td", "many random operations on a TD agree with the model",
	  random_sequences, &nightly_td, TD, .uses_sept = true, .nightly = true,
	  .time_limit_s = 1800 },
};

TEST_MAIN("random sequences of operations against a reference model", cases)
