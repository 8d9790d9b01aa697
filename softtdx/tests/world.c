// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "world.h"

_Thread_local u32 current_cpu;

static void *world_map(void *env, u64 hpa)
{
	struct world *w = env;

	if (hpa - SHARED_BASE < SHARED_SIZE)
		return w->shared + (hpa - SHARED_BASE);
	if (hpa - TDMR_BASE < TDMR_MEMORY)
		return w->private + (hpa - TDMR_BASE);
	return NULL;
}

static u32 world_cpu(void *env)
{
	(void)env;
	return current_cpu;
}

static u32 world_package(void *env)
{
	(void)env;
	return current_cpu / 2;
}

static u64 world_tsc(void *env)
{
	return atomic_add(&((struct world *)env)->tsc, 1);
}

/* A CPU that has everything; its XSAVE components are 100 bytes each, 256 bytes apart. */
static struct cpuid_value world_cpuid(void *env, u32 leaf, u32 subleaf)
{
	(void)env;
	if (leaf == 0xD && subleaf > 1)
		return (struct cpuid_value){ 100, 576 + 256 * (subleaf - 2), subleaf & 2, 0 };
	if (leaf == 1)
		return (struct cpuid_value){ WORLD_FMS, ~0u, ~0u, ~0u };
	return (struct cpuid_value){ ~0u, ~0u, ~0u, ~0u };
}

static void world_report(void *env, const struct softtdx_report *report)
{
	struct world *w = env;
	u32 i = atomic_add(&w->nr_reports, 1) - 1;

	if (i < 64)
		w->reports[i] = *report;
}

static void world_delay(void *env, u64 usecs)
{
	atomic_add(&((struct world *)env)->delayed, usecs);
}

static void world_held(void *env, u64 hpa, u64 size, bool held)
{
	struct world *w = env;
	u64 from = hpa > TDMR_BASE ? hpa - TDMR_BASE : 0;

	for (u64 page = from; page < TDMR_MEMORY && TDMR_BASE + page < hpa + size; page += PAGE_4K)
		w->held[page / PAGE_4K] = held;
}

bool is_held(struct world *w, u64 hpa)
{
	return w->held[(hpa - TDMR_BASE) / PAGE_4K];
}

static void exit_as(struct softtdx_guest *g, const struct softtdx_guest *act)
{
	u64 xcr0 = g->xcr0, xss = g->xss;

	*g = *act;
	g->xcr0 = xcr0;
	g->xss = xss;
}

static void world_run(void *env, const struct softtdx_vcpu *vcpu)
{
	static const struct softtdx_guest leave = {
		.reason = EXIT_TDCALL, .instruction_length = 4, .code64 = true,
		.gpr = { [RAX] = TDCALL_VP_VMCALL, [RCX] = 1 << R10 | 1 << R11 },
	};
	struct world *w = env;

	atomic_add(&w->flushes, vcpu->flush_tlb);
	atomic_add(&w->entries, 1);
	if (w->inside)
		w->inside(w, vcpu);
	if (w->acts) {
		exit_as(vcpu->guest, &w->act);
	} else {
		w->after = *vcpu->guest;
		w->eptp = vcpu->eptp;
		exit_as(vcpu->guest, &leave);
	}
	w->acts = false;
}

u64 world_enter(struct world *w, u64 tdvpr, struct softtdx_guest act)
{
	w->acts = true;
	w->act = act;
	return CALL(VP_ENTER, .rcx = tdvpr);
}

static const struct softtdx_ops ops = {
	.map = world_map,
	.cpu = world_cpu,
	.package = world_package,
	.tsc = world_tsc,
	.cpuid = world_cpuid,
	.report = world_report,
	.delay = world_delay,
	.held = world_held,
	.run = world_run,
};

/* The last world's, if it is free: the PAMT is large, and TDMR.INIT has to clear it anyway. */
static u8 *spare_shared, *spare_private;

static u8 *memory(u8 **spare, u64 size)
{
	void *p = *spare;

	*spare = NULL;
	if (!p)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}

struct world *world_new(u64 available)
{
	static const struct softtdx_config cfg = {
		.nr_cpus = 4, .nr_packages = 2, .phys_bits = PHYS_BITS,
		.first_keyid = FIRST_KEYID, .nr_keyids = NR_KEYIDS, .xfam = 0x61AE7,
		.arch_caps = ~0ull,
	};
	struct world *w = calloc(1, sizeof(*w));

	w->m = calloc(1, sizeof(*w->m));
	w->shared = memory(&spare_shared, SHARED_SIZE);
	w->private = memory(&spare_private, TDMR_MEMORY);
	w->available = available;
	w->next_page = TDMR_BASE;
	current_cpu = 0;
	if (!softtdx_init(w->m, &cfg, &ops, w))
		abort();
	return w;
}

void world_free(struct world *w)
{
	madvise(w->shared, SHARED_SIZE, MADV_DONTNEED);
	madvise(w->private, PAMT_OFFSET, MADV_DONTNEED);
	spare_shared = w->shared;
	spare_private = w->private;
	free(w->m);
	free(w);
}

void world_set_tsc_khz(struct world *w, u32 khz)
{
	w->m->cfg.tsc_khz = khz;
}

void *at(struct world *w, u64 hpa)
{
	return world_map(w, hpa);
}

u64 new_page(struct world *w)
{
	u64 page = w->next_page;

	w->next_page += PAGE_4K;
	return page;
}

u64 new_large_page(struct world *w)
{
	u64 page = (w->next_page + LEVEL_SIZE(1) - 1) & ~(LEVEL_SIZE(1) - 1);

	w->next_page = page + LEVEL_SIZE(1);
	return page;
}

/* One GiB of which only the first bytes are available; the PAMT lies in the rest. */
void new_tdmr_info(struct world *w, struct tdmr_info *info)
{
	u64 pamt = TDMR_BASE + PAMT_OFFSET;

	memset(info, 0, sizeof(*info));
	info->base = TDMR_BASE;
	info->size = LEVEL_SIZE(2);
	info->pamt_4k_base = pamt;
	info->pamt_4k_size = 0x400000;
	info->pamt_2m_base = pamt + 0x400000;
	info->pamt_2m_size = 0x2000;
	info->pamt_1g_base = pamt + 0x402000;
	info->pamt_1g_size = 0x1000;
	info->reserved[0].offset = w->available;
	info->reserved[0].size = LEVEL_SIZE(2) - w->available;
}

u64 world_call(struct world *w, u64 rax, struct softtdx_regs regs)
{
	w->regs = regs;
	return softtdx_seamcall(w->m, rax, &w->regs);
}

u64 on_cpu(struct world *w, u32 cpu, u64 rax, struct softtdx_regs regs)
{
	u32 before = current_cpu;
	u64 status;

	current_cpu = cpu;
	status = world_call(w, rax, regs);
	current_cpu = before;
	return status;
}

void must(u64 status, u64 wanted, const char *what, const char *file, int line)
{
	if (status == wanted)
		return;
	fprintf(stderr, "%s:%d: %s: %#llx (%s)\n", file, line, what, (unsigned long long)status,
		softtdx_status_name(status));
	exit(1);
}

void world_boot(struct world *w)
{
	u64 *infos = at(w, SHARED_BASE);

	MUST(CALL(SYS_INIT));
	for (u32 cpu = 0; cpu < 4; cpu++)
		MUST(CALL_ON(cpu, SYS_LP_INIT));
	infos[0] = SHARED_BASE + 0x200;
	new_tdmr_info(w, at(w, infos[0]));
	MUST(CALL(SYS_CONFIG, .rcx = SHARED_BASE, .rdx = 1,
		  .r8 = FIRST_KEYID | w->config_flags));
	MUST(CALL_ON(0, SYS_KEY_CONFIG));
	MUST(CALL_ON(2, SYS_KEY_CONFIG));
	do
		MUST(CALL(SYS_TDMR_INIT, .rcx = TDMR_BASE));
	while (w->regs.rdx != TDMR_BASE + LEVEL_SIZE(2));
}

struct world *world_ready(u64 available)
{
	struct world *w = world_new(available);

	world_boot(w);
	return w;
}

struct world *world_dynamic(u64 available)
{
	struct world *w = world_new(available);

	w->m->cfg.profile = softtdx_profile("1.5-latest");
	w->config_flags = CONFIG_DYNAMIC_PAMT;
	world_boot(w);
	return w;
}

struct td_params *default_params(struct world *w)
{
	struct td_params *p = at(w, PARAMS);

	memset(p, 0, sizeof(*p));
	p->attributes = ATTR_SEPT_VE_DISABLE;
	p->xfam = 3;
	p->max_vcpus = 2;
	p->eptp_controls = EPTP_4_LEVEL;
	p->config_flags = 4;
	p->tsc_frequency = 100;
	return p;
}

static void next_keyid(struct world *w, struct td *td)
{
	for (td->keyid = FIRST_KEYID + 1; ; td->keyid++)
		if (keyid_entry(w->m, td->keyid)->state == KEYID_FREE)
			return;
}

/* A caller that wants other parameters fills PARAMS and builds to TDCS first. */
void td_build(struct world *w, struct td *td, enum stage stage)
{
	memset(td, 0, sizeof(*td));
	next_keyid(w, td);
	td->tdr = new_page(w);
	MUST(CALL(MNG_CREATE, .rcx = td->tdr, .rdx = td->keyid));
	if (stage < KEYED)
		return;
	MUST(CALL_ON(0, MNG_KEY_CONFIG, .rcx = td->tdr));
	MUST(CALL_ON(2, MNG_KEY_CONFIG, .rcx = td->tdr));
	if (stage < TDCS)
		return;
	for (int i = 0; i < TDCS_PAGES_MIN; i++) {
		td->tdcs[i] = new_page(w);
		MUST(CALL(MNG_ADDCX, .rcx = td->tdcs[i], .rdx = td->tdr));
	}
	if (stage < INITED)
		return;
	default_params(w);
	MUST(CALL(MNG_INIT, .rcx = td->tdr, .rdx = PARAMS));
	if (stage < WITH_VCPU)
		return;
	td_vcpu(w, td, 0);
	if (stage == RUNNABLE)
		MUST(CALL(MR_FINALIZE, .rcx = td->tdr));
}

static void vcpu_create(struct world *w, struct td *td)
{
	td->tdvpr = new_page(w);
	MUST(CALL(VP_CREATE, .rcx = td->tdvpr, .rdx = td->tdr));
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = td->tdvpr));
}

void td_vcpu(struct world *w, struct td *td, u32 cpu)
{
	vcpu_create(w, td);
	MUST(CALL_ON(cpu, VP_INIT, .rcx = td->tdvpr, .rdx = 0x1234));
}

void td_tables(struct world *w, struct td *td)
{
	for (int level = 3; level; level--) {
		u64 gpa = GPA & ~(LEVEL_SIZE(level) - 1);

		td->table[3 - level] = new_page(w);
		MUST(CALL(MEM_SEPT_ADD, .rcx = gpa | (u64)level, .rdx = td->tdr,
			  .r8 = td->table[3 - level]));
	}
}

u64 td_add(struct world *w, struct td *td, u64 gpa)
{
	u64 page = new_page(w);

	MUST(CALL(MEM_PAGE_ADD, .rcx = gpa, .rdx = td->tdr, .r8 = page, .r9 = SOURCE));
	return page;
}

u64 td_aug(struct world *w, struct td *td, u64 gpa)
{
	u64 page = new_page(w);

	MUST(CALL(MEM_PAGE_AUG, .rcx = gpa, .rdx = td->tdr, .r8 = page));
	return page;
}

void td_with_tables(struct world *w, struct td *td, enum stage stage)
{
	td_build(w, td, stage);
	td_tables(w, td);
}

u64 td_with_page(struct world *w, struct td *td)
{
	td_with_tables(w, td, RUNNABLE);
	return td_aug(w, td, GPA);
}

void td_block_and_track(struct world *w, struct td *td, u64 gpa_level)
{
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = gpa_level, .rdx = td->tdr));
	MUST(CALL(MEM_TRACK, .rcx = td->tdr));
}

void td_end_key(struct world *w, struct td *td)
{
	MUST(CALL(MNG_VPFLUSHDONE, .rcx = td->tdr));
	MUST(CALL_ON(0, PHYMEM_CACHE_WB));
	MUST(CALL_ON(2, PHYMEM_CACHE_WB));
	MUST(CALL(MNG_KEY_FREEID, .rcx = td->tdr));
}

static void td_before_finalize(struct world *w, struct td *td, u64 version)
{
	td_build(w, td, TDCS);
	MUST(CALL(MNG_INIT, .rcx = td->tdr, .rdx = PARAMS));
	vcpu_create(w, td);
	MUST(world_call(w, TDH_VP_INIT | version << 16,
			(struct softtdx_regs){ .rcx = td->tdvpr, .rdx = 0x1234, .r8 = 7 }));
}

void td_of_params(struct world *w, struct td *td, u64 version)
{
	td_before_finalize(w, td, version);
	MUST(CALL(MR_FINALIZE, .rcx = td->tdr));
}

u64 td_measured(struct world *w, struct td *td, u64 attributes)
{
	u64 page;

	default_params(w)->attributes = attributes;
	td_before_finalize(w, td, 0);
	td_tables(w, td);
	page = td_add(w, td, GPA);
	MUST(CALL(MR_FINALIZE, .rcx = td->tdr));
	return page;
}

void td_running(struct world *w, struct td *td, u64 attributes)
{
	td_measured(w, td, attributes);
	td_aug(w, td, GPA + PAGE_4K);
}

struct tdr *tdr_of(struct world *w, const struct td *td)
{
	return at(w, td->tdr);
}

struct tdvps *tdvps_of(struct world *w, const struct td *td)
{
	return at(w, td->tdvpr);
}

struct tdcs *tdcs_of(struct world *w, const struct td *td)
{
	return at(w, td->tdcs[0]);
}

/* The state byte as TDH.MEM.SEPT.RD reports it. */
u64 entry_state(struct world *w, const struct td *td, u64 gpa_level)
{
	MUST(CALL(MEM_SEPT_RD, .rcx = gpa_level, .rdx = td->tdr));
	return w->regs.rdx >> 8;
}
