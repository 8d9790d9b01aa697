// SPDX-License-Identifier: GPL-2.0-only
/* A tracing instance's buffers: their sizes, what is in them, their counters. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#include "observe/cpu_buffers.h"
#include "testcase.h"
#include "thread.h"

struct cpu_buffers {
	struct tracefs_instance *instance;
	int nr;				/* CPUs, of which some may be offline */
	struct pollfd *pipes;		/* trace_pipe_raw of each; .fd -1: it has none */
	cpu_set_t *ready, *used;	/* has events to read; ever had any */
	size_t set_size;
};

static void set_size_kib(struct tracefs_instance *instance, const char *file, int kib)
{
	must(tracefs_instance_file_write(instance, file, strf("%d", kib)) >= 0,
	     "trace buffers of %d KiB", kib);
}

void cpu_buffers_resize(struct tracefs_instance *instance)
{
	if ((long)nr_cpus() == sysconf(_SC_NPROCESSORS_CONF)) {
		set_size_kib(instance, "buffer_size_kb", OWN_BUFFER_KIB);
		return;
	}
	set_size_kib(instance, "buffer_size_kb", OTHER_BUFFER_KIB);
	for (unsigned int i = 0; i < nr_cpus(); i++)
		set_size_kib(instance, strf("per_cpu/cpu%d/buffer_size_kb", nth_cpu(i)),
			     OWN_BUFFER_KIB);
}

struct cpu_buffers *cpu_buffers_open(struct tracefs_instance *instance)
{
	struct cpu_buffers *b = calloc(1, sizeof(*b));

	b->instance = instance;
	b->nr = sysconf(_SC_NPROCESSORS_CONF);
	b->pipes = calloc(b->nr, sizeof(*b->pipes));
	b->set_size = CPU_ALLOC_SIZE(b->nr);
	b->ready = CPU_ALLOC(b->nr);
	b->used = CPU_ALLOC(b->nr);
	CPU_ZERO_S(b->set_size, b->used);
	/* 0: whoever polls is told of the first event, not when the buffer is half full. */
	must(tracefs_instance_file_write(instance, "buffer_percent", "0") >= 0,
	     "to be told of the first event of a trace");
	for (int cpu = 0; cpu < b->nr; cpu++) {
		b->pipes[cpu].fd = tracefs_instance_file_open(instance,
							      strf("per_cpu/cpu%d/trace_pipe_raw",
								   cpu),
							      O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		b->pipes[cpu].events = POLLIN;
		must(b->pipes[cpu].fd >= 0 || errno == ENOENT, "the trace of CPU %d", cpu);
	}
	return b;
}

cpu_set_t *cpu_buffers_wait(struct cpu_buffers *b, double seconds, size_t *set_size)
{
	int nr = poll(b->pipes, b->nr, seconds * 1000);

	must(nr >= 0 || errno == EINTR, "poll of the traces of %d CPUs", b->nr);
	*set_size = b->set_size;
	CPU_ZERO_S(b->set_size, b->ready);
	for (int cpu = 0; nr > 0 && cpu < b->nr; cpu++) {
		if (b->pipes[cpu].revents & POLLIN) {
			CPU_SET_S(cpu, b->set_size, b->ready);
			CPU_SET_S(cpu, b->set_size, b->used);
		} else if (b->pipes[cpu].revents) {
			/* A CPU that was never online has no buffer. */
			close(b->pipes[cpu].fd);
			b->pipes[cpu].fd = -1;
		}
	}
	return CPU_COUNT_S(b->set_size, b->ready) ? b->ready : NULL;
}

static unsigned long counter(const char *text, const char *name)
{
	const char *p = text ? strstr(text, name) : NULL;

	return p ? strtoul(p + strlen(name), NULL, 10) : 0;
}

struct buffer_counts cpu_buffers_count(struct cpu_buffers *b)
{
	struct buffer_counts counts = { 0 };
	size_t set_size;

	/* Events to which nobody reads count, too. */
	cpu_buffers_wait(b, 0, &set_size);
	for (int cpu = 0; cpu < b->nr; cpu++) {
		char *file, *text;

		if (!CPU_ISSET_S(cpu, b->set_size, b->used))
			continue;
		file = strf("per_cpu/cpu%d/stats", cpu);
		text = tracefs_instance_file_read(b->instance, file, NULL);
		counts.entries += counter(text, "entries: ");
		counts.overrun += counter(text, "\noverrun: ");
		counts.dropped += counter(text, "\ndropped events: ");
		counts.read += counter(text, "\nread events: ");
		free(text);
		free(file);
	}
	return counts;
}
