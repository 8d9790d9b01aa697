/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Races of two threads that do something to the same few pages, again and again: what most
 * races for --explore are (explore.h).  Which pages, race_seed() says.
 */
#ifndef RACER_H
#define RACER_H

#include <stdbool.h>

#include "fixture.h"
#include "types.h"

#define RACER_PAGES	8

struct pages {
	u64 first, nr;			/* of RACER_PAGES */
};

struct racer;
typedef void (*racer_act)(struct racer *r, struct pages p);

struct racer {
	struct fixture f;		/* f.vcpu is of the first thread */
	struct vcpu *vcpu2;		/* of the second one; NULL: it needs none */
	u64 stride;			/* bytes from a page to the next; 0: 4K */
	/* KVM_PRE_FAULT_MEMORY may end with these, too. */
	int errors[3];
	racer_act act[2];		/* of each thread */
	unsigned int rounds;		/* times that each acts; 0: 3 */
};

/* The race: each thread acts.  As race() of explore.h returns. */
bool __attribute__((warn_unused_result)) racer_run(struct racer *r);

u64 racer_gpa(const struct racer *r, u64 page);
/* Where the process has it, of slot->mem. */
u8 *racer_hva(const struct racer *r, u64 page);

/* KVM_PRE_FAULT_MEMORY of 4K at each of the pages, by this vCPU. */
void racer_prefault(struct racer *r, struct vcpu *vcpu, struct pages p);

/* Acts. */
void act_prefault(struct racer *r, struct pages p);	/* by f.vcpu */
void act_prefault2(struct racer *r, struct pages p);	/* by vcpu2 */
void act_convert(struct racer *r, struct pages p);	/* to shared, and to private again */
void act_punch_gmem(struct racer *r, struct pages p);
void act_slot_delete(struct racer *r, struct pages p);	/* and set it again */
/* Other pages of the process: in a TD, of the shared half. */
void act_dontneed(struct racer *r, struct pages p);

/* Afterwards each page can be mapped, and is so once: all are prefaulted, and KVM counts. */
void racer_expect_all_mapped(struct racer *r);

/*
 * The first thread prefaults pages whose stride is 2M, the second one, by @beside, the 4K
 * behind each, in the same table: each table is linked once.
 */
void racer_race_in_tables(struct racer *r, racer_act beside);

#endif /* RACER_H */
