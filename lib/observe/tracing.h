/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracing instance and the probes that feed it, for the observer.
 *
 * To arm and to disarm a probe costs more than most cases do.  So the one that
 * a case declares to need (struct test_case: observes) is kept while the next
 * cases of the program need the same; it belongs to the program and has its
 * process id in its names.
 */
#ifndef TRACING_H
#define TRACING_H

#include <stdbool.h>

#include "observe/probes.h"

struct cpu_buffers;
struct tracefs_instance;

struct tracing {
	struct tracefs_instance *instance;
	struct source sources[MAX_SOURCES];
	int nr_sources;
	struct cpu_buffers *buffers;
	bool enabled;				/* all of its events */

	/* Not for others: */
	bool kept;
	char group[32], name[32];		/* of the probes, of the instance */
	unsigned long faults_before, misses_before;
};

/*
 * Are tasks of the case and kernel threads alone recorded?  Not in a container's PID
 * namespace, where tracing knows processes by other numbers; nor under QEMU's TCG.
 */
bool tracing_own_tasks_only(void);

/* Before a case begins: have what shows the events of @mask, 0: nothing. */
void tracing_provide(unsigned int mask);

/*
 * What shows the events of @mask, empty: the one provided, if it is for them and
 * not in use, or a new one that goes with the case.  Lives as long as the process.
 */
struct tracing *tracing_get(unsigned int mask);

/* Let events of @source in, as far as they pass its filter; those of all sources. */
void tracing_enable_source(struct tracing *t, struct source *source);
void tracing_enable(struct tracing *t);

/* A tracing instance for the calling process, to be undone; @what: for what. */
struct tracefs_instance *tracing_instance(const char *what);

/* Since tracing_get(): calls that probes missed; calls of kvm_tdp_page_fault. */
unsigned long tracing_missed(const struct tracing *t);
unsigned long tracing_faults(const struct tracing *t);

#endif /* TRACING_H */
