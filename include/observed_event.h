/* SPDX-License-Identifier: GPL-2.0-only */
/* An event as the observer (observe.h) logs it. */
#ifndef OBSERVED_EVENT_H
#define OBSERVED_EVENT_H

#include "event.h"
#include "seamcall.h"
#include "types.h"

/* RET_PF_* of arch/x86/kvm/mmu/mmu_internal.h, as in 6.12 to 7.3. */
enum { PF_CONTINUE, PF_RETRY, PF_EMULATE, PF_WRITE_PROTECTED, PF_INVALID,
	PF_FIXED, PF_SPURIOUS };

struct event {
	enum event_type type;
	u64 ts;		/* ns, monotonic over all CPUs */
	int pid;		/* thread */
	u64 gfn;
	int level;
	int ret;
	u64 old_spte;	/* EV_UNMAP_HVA: hva of the first byte, and behind the last */
	u64 new_spte;
	struct seamcall call;	/* EV_SEAMCALL */
};

/* Keep @ev among the moments of the case (timeline.h). */
void event_to_timeline(const struct event *ev);

#endif /* OBSERVED_EVENT_H */
