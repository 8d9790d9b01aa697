// SPDX-License-Identifier: GPL-2.0-only
/* The observer: what the events of a tracing instance add up to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

#include "observe.h"
#include "observe/cpu_buffers.h"
#include "observe/spte_map.h"
#include "observe/task_map.h"
#include "observe/tracing.h"
#include "testcase.h"
#include "timeline.h"
#include "vm.h"

struct observer {
	unsigned int mask;
	u64 kvm;			/* struct kvm * of the VM */
	unsigned long nr_read;		/* entries of the trace, so far */
	u64 question;		/* the extension that tells it */
	struct tracing *tracing;
	struct tep_handle *tep;

	u64 tdr;			/* of the VM; 0 until a SEAMCALL has named it */
	struct task_map *tasks;

	struct event *events;
	size_t nr_events, max_events;
	struct spte_map *sptes;
};

/* Set-up. */

static char *read_tracefs(const char *file, int *size)
{
	char *text = tracefs_instance_file_read(NULL, file, size);

	must(text, "reading %s of tracefs", file);
	return text;
}

/* A parser that knows just our events: those of all of KVM take a second. */
static struct tep_handle *new_parser(void)
{
	struct tep_handle *tep = tep_alloc();
	int size;
	char *header = read_tracefs("events/header_page", &size);

	must(tep && !tep_parse_header_page(tep, header, size, sizeof(long)),
	     "the format of trace pages");
	free(header);
	return tep;
}

static struct tep_event *parse_event(struct tep_handle *tep, const struct source *s)
{
	struct tep_event *event;
	int size;
	char *format = read_tracefs(strf("events/%s/%s/format", s->system, s->name), &size);

	tep_parse_event(tep, format, size, s->system);
	free(format);
	event = tep_find_event_by_name(tep, s->system, s->name);
	must(event, "the format of %s:%s", s->system, s->name);
	return event;
}

static void source_parse(struct observer *o, struct source *s)
{
	struct tep_event *event = parse_event(o->tep, s);

	s->id = event->id;
	s->kvm = tep_find_field(event, "kvm");
	s->gfn = tep_find_field(event, "gfn");
	s->gpa = tep_find_field(event, "gpa");
	s->ret = tep_find_field(event, "ret");
	s->level = tep_find_field(event, "level");
	s->leaf = tep_find_field(event, "leaf");
	s->tdr = tep_find_field(event, "tdr");
	s->page = tep_find_field(event, "page");
	s->vmemmap = tep_find_field(event, "vmemmap");
	s->status = tep_find_field(event, "status");
	s->old = tep_find_field(event, "old_spte") ?: tep_find_field(event, "start");
	s->new = tep_find_field(event, "new_spte") ?: tep_find_field(event, "new") ?:
		 tep_find_field(event, "spte") ?: tep_find_field(event, "end");
}

/*
 * Learn the struct kvm of @vm: a probe sees it next to the extension we ask for.
 * The number is random, because others may be asking, too.
 */
static void learn_struct_kvm(struct observer *o, struct vm *vm)
{
	must(getrandom(&o->question, sizeof(o->question), 0) == sizeof(o->question),
	     "getrandom");
	ioctl(vm->fd, KVM_CHECK_EXTENSION, o->question);
	observer_sync(o);
	errno = ENODATA;
	must(o->kvm, "the address of struct kvm");
}

/* Whose last events the timeline wants. */
static struct observer *latest;

static void drain(struct observer *o, double seconds);

static void drain_latest(void)
{
	drain(latest, 0);
}

static struct observer *observer_new(unsigned int mask)
{
	struct observer *o = calloc(1, sizeof(*o));

	o->mask = mask;
	o->sptes = spte_map_new();
	o->tasks = task_map_new();
	o->tracing = tracing_get(mask);
	return o;
}

struct observer *observe(struct vm *vm, unsigned int mask)
{
	struct observer *o;

	if (!mask)
		return NULL;
	o = observer_new(mask);
	o->tep = new_parser();
	for (int i = 0; i < o->tracing->nr_sources; i++)
		source_parse(o, &o->tracing->sources[i]);
	tracing_enable(o->tracing);

	learn_struct_kvm(o, vm);
	observer_clear(o);
	latest = o;
	timeline_at_end(drain_latest);
	return o;
}

bool observer_sees(const struct observer *o, enum event_type type)
{
	return o->mask & OBSERVE(type);
}

void observer_follow(struct observer *o, struct vm *vm)
{
	observer_sync(o);
	spte_map_free(o->sptes);
	o->sptes = spte_map_new();
	task_map_free(o->tasks);
	o->tasks = task_map_new();
	o->kvm = o->tdr = 0;
	learn_struct_kvm(o, vm);
	observer_clear(o);
}

/* Reading. */

static u64 field(struct tep_format_field *f, struct tep_record *record)
{
	unsigned long long value = 0;

	if (f)
		tep_read_number_field(f, record->data, &value);
	return value;
}

static void log_event(struct observer *o, const struct event *ev)
{
	if (o->nr_events == o->max_events) {
		o->max_events = o->max_events ? 2 * o->max_events : 1024;
		o->events = realloc(o->events, o->max_events * sizeof(*ev));
	}
	o->events[o->nr_events++] = *ev;
	event_to_timeline(ev);
}

/*
 * Our TD is the one of the first call that names one while its task works on our VM.  (A KeyID
 * is freed when the VM is closed, without a word of which VM that is.)  A call that names no TD
 * is about the one that its task worked on last.
 */
static void on_seamcall(struct observer *o, struct task *t, const struct seamcall_record *r,
			struct event *ev)
{
	u64 tdr;

	ev->call = seamcall_of(r, &tdr);
	if (tdr)
		t->tdr = tdr;
	if (!o->tdr && tdr && t->kvm == o->kvm && ev->call.leaf != TDH_MNG_KEY_FREEID)
		o->tdr = tdr;
	if (o->tdr && t->tdr == o->tdr)
		log_event(o, ev);
}

static int on_record(struct tep_event *event, struct tep_record *record, int cpu,
		     void *data)
{
	struct observer *o = data;
	struct source *s = NULL;
	struct event ev = { 0 };
	u64 kvm;

	(void)cpu;
	for (int i = 0; i < o->tracing->nr_sources && !s; i++)
		if (o->tracing->sources[i].id == event->id)
			s = &o->tracing->sources[i];
	if (!s)
		return 0;

	ev.type = s->type;
	ev.ts = record->ts;
	ev.pid = tep_data_pid(o->tep, record);
	ev.gfn = s->gpa ? field(s->gpa, record) >> 12 : field(s->gfn, record);
	ev.ret = (int)field(s->ret, record);
	ev.level = field(s->level, record);
	ev.old_spte = field(s->old, record);
	ev.new_spte = field(s->new, record);
	kvm = field(s->kvm, record);

	if (s->type == EV_VM_ID) {
		if (ev.gfn == o->question)
			o->kvm = kvm;
		return 0;
	}
	if (s->type == EV_SEAMCALL) {
		struct seamcall_record r = {
			.leaf = field(s->leaf, record), .tdr = field(s->tdr, record),
			.gpa = field(s->gpa, record), .level = field(s->level, record),
			.page = field(s->page, record), .vmemmap = field(s->vmemmap, record),
			.status = field(s->status, record),
		};

		on_seamcall(o, task_map_get(o->tasks, ev.pid), &r, &ev);
		return 0;
	}
	if (s->type > EV_VM_ID) {
		task_map_get(o->tasks, ev.pid)->kvm = kvm;
		return 0;
	}
	if (s->type == EV_SPTE)
		kvm = task_map_get(o->tasks, ev.pid)->kvm;
	/* An mmu_notifier speaks of an hva; whose VM it is shows later. */
	if (kvm != o->kvm && s->type != EV_UNMAP_HVA)
		return 0;
	if (s->type == EV_SPTE)
		spte_map_change(o->sptes, ev.gfn, ev.level, ev.new_spte);
	log_event(o, &ev);
	return 0;
}

/* Read what is there; what comes first within @seconds, when there is nothing. */
static void drain(struct observer *o, double seconds)
{
	size_t set_size;
	cpu_set_t *cpus = cpu_buffers_wait(o->tracing->buffers, seconds, &set_size);

	if (cpus)
		tracefs_iterate_raw_events(o->tep, o->tracing->instance, cpus, set_size,
					   on_record, o);
}

void observer_sync(struct observer *o)
{
	struct buffer_counts counts;
	unsigned long lost;

	must_declare(o, ".observes");
	drain(o, 0);
	counts = cpu_buffers_count(o->tracing->buffers);
	lost = counts.overrun + counts.dropped;
	errno = EOVERFLOW;
	must(!lost, "tracing lost %lu events", lost);
	must(counts.read >= o->nr_read, "somebody else emptied the trace while the case ran");
	o->nr_read = counts.read;
	lost = tracing_missed(o->tracing);
	must(!lost, "probes missed %lu calls", lost);
}

static unsigned long count_logged(const struct observer *o, enum event_type type, int ret)
{
	unsigned long nr = 0;

	must_declare(observer_sees(o, type), "the events in .observes");
	for (size_t i = 0; i < o->nr_events; i++)
		nr += o->events[i].type == type &&
		      (ret == RET_ANY || o->events[i].ret == ret);
	return nr;
}

/*
 * Faults are counted by the probe, retries by the statistics of a buffer that
 * gets nothing else: what it had to overwrite counts as well.
 */
struct observer *observe_counts(void)
{
	struct observer *o = observer_new(OBSERVE(EV_FAULT));

	for (int i = 0; i < o->tracing->nr_sources; i++) {
		struct source *s = &o->tracing->sources[i];

		if (s->type != EV_FAULT)
			continue;
		s->filter = strf("ret == %d", PF_RETRY);
		tracing_enable_source(o->tracing, s);
	}
	return o;
}

struct fault_counts observer_counts(struct observer *o)
{
	struct buffer_counts buffer = cpu_buffers_count(o->tracing->buffers);
	unsigned long missed = tracing_missed(o->tracing);

	errno = EOVERFLOW;
	must(!missed && !buffer.dropped, "probes missed %lu calls, tracing dropped %lu events",
	     missed, buffer.dropped);
	return (struct fault_counts){
		.faults = tracing_faults(o->tracing),
		.retries = buffer.entries + buffer.overrun,
	};
}

unsigned long observer_recorded(struct observer *o)
{
	struct buffer_counts counts = cpu_buffers_count(o->tracing->buffers);

	return counts.entries + counts.overrun + counts.read;
}

bool observer_wait(struct observer *o, enum event_type type, double seconds)
{
	double deadline = now() + seconds, left = seconds;

	/* Only the buffers: whoever waits here has a window open. */
	for (drain(o, 0); !count_logged(o, type, RET_ANY); drain(o, left)) {
		left = deadline - now();
		if (left <= 0)
			return false;
	}
	return true;
}

void observer_clear(struct observer *o)
{
	observer_sync(o);
	o->nr_events = 0;
}

/* Questions. */

struct mapping observer_known(struct observer *o, u64 gfn)
{
	return spte_map_lookup(o->sptes, gfn);
}

struct mapping observer_mapping(struct observer *o, u64 gfn)
{
	observer_sync(o);
	return observer_known(o, gfn);
}

static const char *mapping_text(int level, u64 pfn)
{
	if (level == LEVEL_NONE || pfn == PFN_ANY)
		return level_name(level);
	if (pfn == PFN_NONE)
		return strf("%s, but no page is present at the hva", level_name(level));
	return strf("%s, pfn 0x%llx", level_name(level), pfn);
}

void expect_mapping_(const char *file, int line, struct mapping m, u64 gfn,
		     int level, u64 pfn)
{
	if (m.level == level && (pfn == PFN_ANY || m.pfn == pfn))
		return;
	test_failed(file, line, strf("mapping of gfn 0x%llx (SPTE 0x%llx)",
				     gfn, m.spte),
		    mapping_text(level, pfn),
		    mapping_text(m.level, pfn == PFN_ANY ? PFN_ANY : m.pfn));
}

u64 observer_tdr(struct observer *o)
{
	must_declare(observer_sees(o, EV_SEAMCALL), "OBSERVE(EV_SEAMCALL)");
	observer_sync(o);
	return o->tdr;
}

unsigned long observer_leaves(struct observer *o, int level)
{
	observer_sync(o);
	return spte_map_leaves(o->sptes, level);
}

unsigned long observer_count(struct observer *o, enum event_type type, int ret)
{
	observer_sync(o);
	return count_logged(o, type, ret);
}

const struct event *observer_events(struct observer *o, size_t *nr)
{
	observer_sync(o);
	*nr = o->nr_events;
	return o->events;
}

unsigned long observer_times_set(struct observer *o, u64 gfn, int level)
{
	unsigned long times = 0;

	observer_sync(o);
	gfn &= ~(LEVEL_GFNS(level) - 1);
	for (size_t i = 0; i < o->nr_events; i++) {
		const struct event *ev = &o->events[i];

		times += ev->type == EV_SPTE && ev->level == level && ev->gfn == gfn &&
			 spte_is_present(ev->new_spte);
	}
	return times;
}

unsigned long observer_retries(struct observer *o)
{
	return observer_count(o, EV_FAULT, PF_RETRY);
}

unsigned long observer_faults(struct observer *o)
{
	return observer_count(o, EV_FAULT, RET_ANY);
}
