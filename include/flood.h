/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two vCPUs write and read random pages while the case removes pages:
 *
 *	struct flood f;
 *
 *	flood_create(&f, t);		set attributes and the like, then:
 *	flood_start(&f);
 *	...				remove pages
 *	flood_stop(&f);
 */
#ifndef FLOOD_H
#define FLOOD_H

#include "guest_vm.h"
#include "types.h"

#define FLOOD_SIZE	(2 * SZ_2M)	/* of the slot at GPA */
#define FLOOD_PAGES	32		/* its first ones are used */
/* A word that is not zero ends it: memory that host and guests share. */
#define FLOOD_STOP_GPA	(GPA + FLOOD_SIZE - SZ_4K)

struct flooder {
	struct vcpu *vcpu;
	struct thread *thread;
	/* Known once it is over. */
	u64 accesses;
	u64 wrong;			/* pages that held neither what was written nor zero */
	u64 memory_faults;		/* KVM_EXIT_MEMORY_FAULTs, each made private again */
};

struct flood {
	struct guest_vm p;
	struct flooder f[GUEST_VM_VCPUS];
};

/* A VM of the type of @t; guests of a TD accept what they touch (#VE). */
void flood_create(struct flood *f, const struct test *t);
void flood_start(struct flood *f);
/* Each vCPU has made progress, and found nothing wrong. */
void flood_stop(struct flood *f);

#endif /* FLOOD_H */
