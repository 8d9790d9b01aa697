// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four CPUs work on the same TDs at once: threads [seconds]. They must meet each other's locks
 * (OPERAND_BUSY that nobody injected) and leave every invariant intact.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define THREADS 4
#define PAGES 24		/* a thread's own pages, so that it knows what it owns */

struct worker {
	pthread_t thread;
	struct world *w;
	struct td *td;
	u32 cpu;
	u64 seed, calls, busy;
	u64 pages[PAGES];
};

static u64 stop_at;

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static u64 below(struct worker *k, u64 limit)
{
	k->seed = k->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (k->seed >> 33) % limit;
}

static u64 call(struct worker *k, u16 leaf, struct softtdx_regs regs)
{
	u64 status = softtdx_seamcall(k->w->m, leaf, &regs);

	k->calls++;
	k->busy += status >> 32 == TDX_HI_OPERAND_BUSY;
	return status;
}

/* A page in, blocked, tracked, and out again: each step as often as others allow. */
static void page_round_trip(struct worker *k, u64 gpa, u64 page)
{
	struct softtdx_regs r = { .rcx = gpa, .rdx = k->td->tdr, .r8 = page };
	struct softtdx_regs track = { .rcx = k->td->tdr };

	if (call(k, TDH_MEM_PAGE_AUG, r))
		return;
	while (call(k, TDH_MEM_RANGE_BLOCK, r))
		;
	do {
		while (call(k, TDH_MEM_TRACK, track))
			;
	} while (call(k, TDH_MEM_PAGE_REMOVE, r));
}

static void one_call(struct worker *k)
{
	u64 page = k->pages[below(k, PAGES)];
	u64 gpa = GPA + (k->cpu * PAGES + below(k, PAGES)) * PAGE_4K;
	struct softtdx_regs r = { .rcx = gpa, .rdx = k->td->tdr };

	switch (below(k, 7)) {
	case 0:
		call(k, TDH_MEM_SEPT_RD, r);
		break;
	case 1:
		call(k, TDH_MNG_RD, (struct softtdx_regs){ .rcx = k->td->tdr,
							   .rdx = MD_TD_TSC_OFFSET });
		break;
	case 2:		/* needs the TDR alone */
		call(k, TDH_MR_FINALIZE, (struct softtdx_regs){ .rcx = k->td->tdr });
		break;
	case 3:
		call(k, TDH_VP_ENTER, (struct softtdx_regs){ .rcx = k->td->tdvpr });
		call(k, TDH_VP_FLUSH, (struct softtdx_regs){ .rcx = k->td->tdvpr });
		break;
	case 4:
		call(k, TDH_PHYMEM_PAGE_RDMD, (struct softtdx_regs){ .rcx = page });
		break;
	default:
		page_round_trip(k, gpa, page);
	}
}

static void *work(void *arg)
{
	struct worker *k = arg;

	current_cpu = k->cpu;
	while (now() < stop_at)
		for (int i = 0; i < 50; i++)
			one_call(k);
	return NULL;
}

int main(int argc, char **argv)
{
	u64 milliseconds = argc > 1 ? strtoull(argv[1], NULL, 0) * 1000 : 3000;
	struct world *w = world_ready(0x400000);
	struct worker workers[THREADS];
	struct td td[2];
	u64 calls = 0, busy = 0, where = 0;
	const char *broken;

	alarm((u32)milliseconds / 1000 + 30);	/* a call that never succeeds must not hang us */
	for (int i = 0; i < 2; i++) {
		td_build(w, &td[i], RUNNABLE);
		td_tables(w, &td[i]);
	}
	stop_at = now() + milliseconds;
	for (u32 i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .w = w, .td = &td[i / 2], .cpu = i, .seed = i };
		for (int j = 0; j < PAGES; j++)
			workers[i].pages[j] = new_page(w);
	}
	for (u32 i = 0; i < THREADS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (u32 i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		calls += workers[i].calls;
		busy += workers[i].busy;
	}
	broken = softtdx_check(w->m, &where);
	if (broken)
		printf("# %s at %#llx\n", broken, (unsigned long long)where);
	printf("# %llu calls on %d CPUs, %llu of them BUSY\n", (unsigned long long)calls, THREADS,
	       (unsigned long long)busy);
	printf("%d passed, %d failed, 0 skipped\n", !broken && busy, broken || !busy);
	return broken || !busy;
}
