/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The buffers that a tracing instance has, one a CPU.
 *
 * A host may have hundreds.  So a buffer is large only where the case's own threads run,
 * and neither reading nor counting touches those to which nothing has come.
 */
#ifndef CPU_BUFFERS_H
#define CPU_BUFFERS_H

#include <sched.h>
#include <stddef.h>

struct tracefs_instance;
struct cpu_buffers;

/* KiB of the buffer of a CPU on which this process runs; of others: kernel threads alone. */
#define OWN_BUFFER_KIB		4096
#define OTHER_BUFFER_KIB	64

/* Make the buffers of a new @instance as large as that. */
void cpu_buffers_resize(struct tracefs_instance *instance);

/* To read those of @instance; lives as long as the process. */
struct cpu_buffers *cpu_buffers_open(struct tracefs_instance *instance);

/*
 * The CPUs whose buffers hold events that nobody has read, @set_size bytes; NULL: none
 * holds any, @seconds long.
 */
cpu_set_t *cpu_buffers_wait(struct cpu_buffers *b, double seconds, size_t *set_size);

/* The counters of all CPUs, summed. */
struct buffer_counts {
	unsigned long entries, overrun, dropped;
	unsigned long read;		/* entries that were read */
};
struct buffer_counts cpu_buffers_count(struct cpu_buffers *b);

#endif /* CPU_BUFFERS_H */
