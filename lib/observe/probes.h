/* SPDX-License-Identifier: GPL-2.0-only */
/* Sources of events, for the observer; observe_missing() is here, too. */
#ifndef PROBES_H
#define PROBES_H

#include "event.h"

struct tep_format_field;

/* Told by struct kvm, and not logged: which VM is ours, which VM a task works on. */
enum { EV_VM_ID = EV_NR, EV_VM_SPTE, EV_VM_FAULT, EV_VM_DIRTY, EV_VM_TD };

#define MAX_SOURCES	(EV_NR + 6)

/* A way an event reaches us. */
struct source {
	int type;
	const char *system, *name;
	const char *definition;		/* of its probes, for kprobe_events, a line each; or NULL */
	const char *filter;		/* or NULL */
	bool enabled;
	int id;				/* tep event id */
	struct tep_format_field *kvm, *gfn, *gpa, *ret, *level, *old, *new;
	struct tep_format_field *leaf, *tdr, *page, *vmemmap, *status;
};

/*
 * Fills @sources (MAX_SOURCES) with what shows the events of @mask, its probes named
 * for the group @group; returns their number.  Names live as long as the process.
 */
int probes_list(const char *group, unsigned int mask, struct source *sources);

/* Create the probes of @sources, to be undone; they are not enabled yet. */
void probes_attach(const char *group, const struct source *sources, int nr);

#endif /* PROBES_H */
