// SPDX-License-Identifier: GPL-2.0-only
/* Tracing instances and their probes: made, kept from case to case, removed. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#include "case_run.h"
#include "kernel.h"
#include "tracing.h"
#include "undo.h"

#define OWNER		"ktdx"
#define BUFFER_KIB	4096		/* a CPU */

/* The one that outlives its case; shared by the program and its cases. */
static struct kept {
	unsigned int mask;		/* 0: there is none */
	bool enabled;
	pid_t owner;			/* the program */
	int nr;				/* how many there were: a part of the name */
} *kept;

static bool owner_is_dead(const char *name, char separator)
{
	int pid;

	if (strncmp(name, OWNER, strlen(OWNER)) || name[strlen(OWNER)] != separator)
		return false;
	pid = atoi(name + strlen(OWNER) + 1);
	return pid > 0 && kill(pid, 0) && errno == ESRCH;
}

/*
 * What a guardian should have removed, and could not: it was killed, too, or
 * an older suite had none.  Only of processes that are gone.
 */
static void sweep(void)
{
	struct tracefs_dynevent **events;
	char **instances;

	if (!tracefs_tracing_dir())
		return;
	instances = tracefs_instances("^" OWNER "-");
	for (int i = 0; instances && instances[i]; i++)
		if (owner_is_dead(instances[i], '-'))
			rmdir(strf("%s/instances/%s", tracefs_tracing_dir(), instances[i]));
	tracefs_list_free(instances);

	events = tracefs_dynevent_get_all(TRACEFS_DYNEVENT_KPROBE | TRACEFS_DYNEVENT_KRETPROBE,
					  NULL);
	for (int i = 0; events && events[i]; i++) {
		char *system = NULL;

		tracefs_dynevent_info(events[i], &system, NULL, NULL, NULL, NULL);
		if (system && owner_is_dead(system, '_'))
			tracefs_dynevent_destroy(events[i], false);
		free(system);
	}
	tracefs_dynevent_list_free(events);
}

void tracing_prepare(void)
{
	kernel_read_symbols();
	sweep();
	kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kept == MAP_FAILED) {
		perror("mmap of what is known of tracing");
		exit(1);
	}
	kept->owner = getpid();
}

/* Names and sources; nothing is made yet. */
static struct tracing *describe_tracing(pid_t owner, int nr, unsigned int mask)
{
	struct tracing *t = calloc(1, sizeof(*t));

	snprintf(t->group, sizeof(t->group), OWNER "_%d_%d", owner, nr);
	snprintf(t->name, sizeof(t->name), OWNER "-%d-%d", owner, nr);
	t->nr_sources = probes_list(t->group, mask, t->sources);
	return t;
}

struct tracefs_instance *tracing_instance(const char *name)
{
	struct tracefs_instance *instance;

	undo_rmdir(strf("%s/instances/%s", tracefs_tracing_dir(), name));
	instance = tracefs_instance_create(name);
	need(instance, "tracing instance %s", name);
	need(tracefs_instance_file_write(instance, "trace_clock", "mono") >= 0,
	     "trace clock mono");
	return instance;
}

static bool is_kernel_thread(int pid)
{
	char exe[8];

	/* Whoever has an address space has this link, too. */
	return readlink(strf("/proc/%d/exe", pid), exe, sizeof(exe)) < 0 && errno == ENOENT;
}

/* Process ids as the tracer knows them are ours, too: this is no PID namespace of a container. */
static bool in_first_pid_namespace(void)
{
	char name[64] = "";

	return readlink("/proc/self/ns/pid", name, sizeof(name) - 1) > 0 &&
	       !strcmp(name, "pid:[4026531836]");	/* PROC_PID_INIT_INO */
}

/*
 * Only the program, its cases, what they start, and kernel threads, which work for our
 * VMs, too (reclaim, compaction, KVM's own): vCPUs of other VMs fault all the time, and
 * would fill the buffers.
 */
static void leave_other_vms_out(struct tracing *t)
{
	char *pids = strf("%d %d 2", kept->owner, getpid());	/* 2: kthreadd, for new ones */
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!in_first_pid_namespace() || !proc)
		return;
	while ((entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 2 && is_kernel_thread(pid)) {
			char *more = strf("%s %d", pids, pid);

			free(pids);
			pids = more;
		}
	}
	closedir(proc);
	need(!tracefs_option_enable(t->instance, TRACEFS_OPTION_EVENT_FORK) &&
	     tracefs_instance_file_write(t->instance, "set_event_pid", pids) >= 0,
	     "tracing our own tasks only");
	free(pids);
}

static void create(struct tracing *t)
{
	probes_attach(t->group, t->sources, t->nr_sources);

	t->instance = tracing_instance(t->name);
	leave_other_vms_out(t);
	need(tracefs_instance_file_write(t->instance, "buffer_size_kb",
					 strf("%d", BUFFER_KIB)) >= 0,
	     "trace buffers of %d KiB a CPU", BUFFER_KIB);
}

int tracing_drop(void)
{
	kept->mask = 0;
	return undo_all();
}

void tracing_provide(unsigned int mask)
{
	if (kept->mask == mask)
		return;
	need(!tracing_drop(), "removing the probes of the cases before");
	if (!mask)
		return;
	create(describe_tracing(kept->owner, kept->nr++, mask));
	undo_keep();
	kept->enabled = false;
	kept->mask = mask;
}

/*
 * Lines of kprobe_profile, "  name  hits  misses", whose name ends in @end: ours
 * end in the group.
 */
static void probe_profile(const char *end, unsigned long *hits, unsigned long *misses)
{
	char *text = tracefs_instance_file_read(NULL, "kprobe_profile", NULL);
	const char *part = strf("%s ", end);
	unsigned long hit, miss;
	char *line, *rest = text;

	*hits = *misses = 0;
	while (rest && (line = strsep(&rest, "\n"))) {
		if (!strstr(line, part) || sscanf(line, "%*s %lu %lu", &hit, &miss) != 2)
			continue;
		*hits += hit;
		*misses += miss;
	}
	free(text);
}

unsigned long tracing_missed(const struct tracing *t)
{
	unsigned long hits, misses;

	probe_profile(strf("_%s", t->group), &hits, &misses);
	return misses - t->misses_before;
}

unsigned long tracing_faults(const struct tracing *t)
{
	unsigned long hits, misses;

	probe_profile(strf(" fault_%s", t->group), &hits, &misses);
	return hits - t->faults_before;
}

/* The one kept, as if it were new. */
static struct tracing *take_kept(void)
{
	struct tracing *t = describe_tracing(kept->owner, kept->nr - 1, kept->mask);

	t->kept = true;
	t->enabled = kept->enabled;
	t->instance = tracefs_instance_alloc(NULL, t->name);
	need(t->instance, "tracing instance %s", t->name);
	if (!t->enabled)
		return t;
	need(tracefs_instance_file_write(t->instance, "trace", "") >= 0, "emptying the trace");
	need(!tracefs_trace_on(t->instance), "tracing on");
	t->misses_before = tracing_missed(t);
	t->faults_before = tracing_faults(t);
	return t;
}

struct tracing *tracing_get(unsigned int mask)
{
	static bool taken;
	static int nr;
	struct tracing *t;

	if (mask == kept->mask && !taken) {
		taken = true;
		return take_kept();
	}
	t = describe_tracing(getpid(), nr++, mask);
	create(t);
	return t;
}

void tracing_enable_source(struct tracing *t, const struct source *s)
{
	if (s->filter)
		need(tracefs_event_file_write(t->instance, s->system, s->name, "filter",
					      s->filter) >= 0,
		     "filter %s of %s", s->filter, s->name);
	need(!tracefs_event_enable(t->instance, s->system, s->name), "enabling %s:%s",
	     s->system, s->name);
}

void tracing_enable(struct tracing *t)
{
	if (t->enabled)
		return;
	for (int i = 0; i < t->nr_sources; i++)
		tracing_enable_source(t, &t->sources[i]);
	t->enabled = true;
	if (t->kept)
		kept->enabled = true;
}

static unsigned long counter(const char *text, const char *name)
{
	const char *p = text ? strstr(text, name) : NULL;

	return p ? strtoul(p + strlen(name), NULL, 10) : 0;
}

struct buffer_counts tracing_buffer(const struct tracing *t)
{
	struct buffer_counts counts = { 0 };

	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		char *file = strf("per_cpu/cpu%d/stats", cpu), *text;

		text = tracefs_instance_file_read(t->instance, file, NULL);
		counts.entries += counter(text, "entries: ");
		counts.overrun += counter(text, "\noverrun: ");
		counts.dropped += counter(text, "\ndropped events: ");
		free(text);
		free(file);
	}
	return counts;
}
