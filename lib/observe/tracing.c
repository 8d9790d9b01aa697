// SPDX-License-Identifier: GPL-2.0-only
/* Tracing instances and their probes: made, kept from case to case, removed. */
#include <cpuid.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#include "base/case_run.h"
#include "base/shared_memory.h"
#include "kernel.h"
#include "observe/cpu_buffers.h"
#include "observe/tracing.h"
#include "undo.h"

#define OWNER		"ktdx"
#define PROC_PID_INIT_INO	0xEFFFFFFCUL	/* include/uapi/linux/nsfs.h, and linux/proc_ns.h before */

/* The one that outlives its case; shared by the program and its cases. */
static struct kept {
	unsigned int mask;		/* 0: there is none */
	bool enabled;
	pid_t owner;			/* the program */
	int nr;				/* how many there were: a part of the name */
} *kept;

/* The inode of the PID namespace: "pid:[4026531836]"; a kernel without any has the first. */
static unsigned long pid_namespace(void)
{
	char name[64] = "";
	unsigned long inode = PROC_PID_INIT_INO;

	if (readlink("/proc/self/ns/pid", name, sizeof(name) - 1) > 0)
		sscanf(name, "pid:[%lu]", &inode);
	return inode;
}

static bool in_pid_namespace(void)
{
	return pid_namespace() != PROC_PID_INIT_INO;
}

/*
 * QEMU's TCG, which runs code that another CPU has patched: an int3 that stood there for a
 * moment then ends in an Oops ("Oops: int3" in __schedule(), seen with 7.2).
 */
static bool code_is_translated(void)
{
	unsigned int leaf, name[3];

	__cpuid(0x40000000, leaf, name[0], name[1], name[2]);
	return !memcmp(name, "TCGTCGTCGTCG", sizeof(name));
}

/* The filter by tasks makes the kernel patch a call into its scheduler. */
bool tracing_own_tasks_only(void)
{
	return !in_pid_namespace() && !code_is_translated();
}

/*
 * What names of ours begin with.  Tracing is one for the host, and a process id says who
 * lives only in its own namespace: in a container, that is in the name, too.
 */
static const char *owner(void)
{
	static const char *name;

	if (!name)
		name = in_pid_namespace() ? strf(OWNER "%lu", pid_namespace()) : OWNER;
	return name;
}

static bool owner_is_dead(const char *name, char separator)
{
	int pid;

	if (strncmp(name, owner(), strlen(owner())) || name[strlen(owner())] != separator)
		return false;
	pid = atoi(name + strlen(owner()) + 1);
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
	instances = tracefs_instances(strf("^%s-", owner()));
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
	if (!kernel_load_symbols(getenv("KTS_SYMBOLS")))
		kernel_read_symbols("/proc/kallsyms");
	sweep();
	kept = shared_memory(sizeof(*kept), "what is known of tracing");
	kept->owner = getpid();
}

/* Names and sources; nothing is made yet. */
static struct tracing *describe_tracing(pid_t pid, int nr, unsigned int mask)
{
	struct tracing *t = calloc(1, sizeof(*t));

	snprintf(t->group, sizeof(t->group), "%s_%d_%d", owner(), pid, nr);
	snprintf(t->name, sizeof(t->name), "%s-%d-%d", owner(), pid, nr);
	t->nr_sources = probes_list(t->group, mask, t->sources);
	return t;
}

static struct tracefs_instance *new_instance(const char *name)
{
	struct tracefs_instance *instance;

	undo_rmdir(strf("%s/instances/%s", tracefs_tracing_dir(), name));
	instance = tracefs_instance_create(name);
	must(instance, "tracing instance %s", name);
	must(tracefs_instance_file_write(instance, "trace_clock", "mono") >= 0,
	     "trace clock mono");
	return instance;
}

static bool is_kernel_thread(int pid)
{
	char exe[8];

	/* Whoever has an address space has this link, too. */
	return readlink(strf("/proc/%d/exe", pid), exe, sizeof(exe)) < 0 && errno == ENOENT;
}

/*
 * Only the program, its cases, what they start, and kernel threads, which work for our
 * VMs, too (reclaim, compaction, KVM's own): vCPUs of other VMs fault all the time, and
 * would fill the buffers.
 */
static void leave_other_vms_out(struct tracing *t)
{
	struct dirent *entry;
	char *pids;
	DIR *proc;

	if (!tracing_own_tasks_only())
		return;
	proc = opendir("/proc");
	if (!proc)
		return;
	pids = strf("%d %d 2", kept->owner, getpid());	/* 2: kthreadd, for new ones */
	while ((entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 2 && is_kernel_thread(pid)) {
			char *more = strf("%s %d", pids, pid);

			free(pids);
			pids = more;
		}
	}
	closedir(proc);
	must(!tracefs_option_enable(t->instance, TRACEFS_OPTION_EVENT_FORK) &&
	     tracefs_instance_file_write(t->instance, "set_event_pid", pids) >= 0,
	     "tracing our own tasks only");
	free(pids);
}

struct tracefs_instance *tracing_instance(const char *what)
{
	return new_instance(strf("%s-%d-%s", owner(), getpid(), what));
}

static void create(struct tracing *t)
{
	probes_attach(t->group, t->sources, t->nr_sources);

	t->instance = new_instance(t->name);
	cpu_buffers_resize(t->instance);
	leave_other_vms_out(t);
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
	must(!tracing_drop(), "removing the probes of the cases before");
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
	for (int i = 0; i < t->nr_sources; i++)
		t->sources[i].enabled = t->enabled;
	t->instance = tracefs_instance_alloc(NULL, t->name);
	must(t->instance, "tracing instance %s", t->name);
	if (!t->enabled)
		return t;
	must(tracefs_instance_file_write(t->instance, "trace", "") >= 0, "emptying the trace");
	must(!tracefs_trace_on(t->instance), "tracing on");
	t->misses_before = tracing_missed(t);
	t->faults_before = tracing_faults(t);
	return t;
}

/* All that this process has got. */
static struct tracing *got[8];
static size_t nr_got;

/* The one file of a source that an administrator's "trace-cmd reset" changes. */
static bool still_enabled(const struct tracing *t, const struct source *s)
{
	char *state = tracefs_event_file_read(t->instance, s->system, s->name, "enable", NULL);
	bool on = state && state[0] == '1';

	free(state);
	return on;
}

void tracing_check_intact(void)
{
	for (size_t i = 0; i < nr_got; i++) {
		errno = EINTR;
		for (int n = 0; n < got[i]->nr_sources; n++)
			must(!got[i]->sources[n].enabled ||
			     still_enabled(got[i], &got[i]->sources[n]),
			     "somebody else switched the event %s off while the case ran",
			     got[i]->sources[n].name);
		must(tracefs_trace_is_on(got[i]->instance) == 1,
		     "somebody else switched tracing off while the case ran");
	}
}

static struct tracing *remember(struct tracing *t)
{
	must(nr_got < ARRAY_SIZE(got), "room for another tracing instance");
	got[nr_got++] = t;
	return t;
}

struct tracing *tracing_get(unsigned int mask)
{
	static bool taken;
	static int nr;
	struct tracing *t;

	if (mask == kept->mask && !taken) {
		taken = true;
		t = take_kept();
	} else {
		t = describe_tracing(getpid(), nr++, mask);
		create(t);
	}
	t->buffers = cpu_buffers_open(t->instance);
	return remember(t);
}

void tracing_enable_source(struct tracing *t, struct source *s)
{
	if (s->filter)
		must(tracefs_event_file_write(t->instance, s->system, s->name, "filter",
					      s->filter) >= 0,
		     "filter %s of %s", s->filter, s->name);
	must(!tracefs_event_enable(t->instance, s->system, s->name), "enabling %s:%s",
	     s->system, s->name);
	s->enabled = true;
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
