// SPDX-License-Identifier: GPL-2.0-only
/* Holding threads at functions of the kernel: by a module if it is there, else by BPF. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hold.h"
#include "hold_backend.h"
#include "kernel.h"
#include "testcase.h"
#include "timeline.h"

struct hold {
	const struct hold_backend *by;
	int handle;
	unsigned int limit_ms;
	const char *function;
	enum hold_at at;
};

/* NULL: neither can hold here. */
static const struct hold_backend *backend(void)
{
	if (!hold_by_module.missing())
		return &hold_by_module;
	return hold_by_bpf.missing() ? NULL : &hold_by_bpf;
}

const char *hold_missing(bool by_module)
{
	if (by_module)
		return hold_by_module.missing();
	return backend() ? NULL : strf("%s; %s", hold_by_module.missing(), hold_by_bpf.missing());
}

struct hold *hold_arm_(struct hold_args args)
{
	static const unsigned int where[] = {
		[HOLD_COUNT] = KVM_HOLD_COUNT, [HOLD_ENTRY] = KVM_HOLD_ENTRY,
		[HOLD_RETURN] = KVM_HOLD_RETURN,
	};
	struct kvm_hold_arm arm = {
		.where = where[args.at], .tid = args.tid, .times = args.times ?: 1,
		.limit_ms = 5000 * time_scale(), .grace_us = HOLD_GRACE_MS * 1000,
		.until = args.until ? args.until->handle : -1,
	};
	struct hold *h = calloc(1, sizeof(*h));

	must_declare(running_case()->needs_hold, ".needs_hold");
	h->function = kernel_function(args.function);
	if (!h->function)
		test_skip("%s", kernel_function_missing(args.function));
	h->at = args.at;
	h->by = backend();
	if (h->by->max_limit_ms && arm.limit_ms > h->by->max_limit_ms)
		arm.limit_ms = h->by->max_limit_ms;
	h->limit_ms = arm.limit_ms;
	snprintf(arm.function, sizeof(arm.function), "%s", h->function);
	h->handle = h->by->arm(&arm);
	must(h->handle >= 0, "holding threads at %s", h->function);
	return h;
}

static struct kvm_hold_state state(struct hold *h)
{
	struct kvm_hold_state s = { };

	h->by->state(h->handle, &s);
	return s;
}

void hold_await(struct hold *h)
{
	expect_true(h->by->wait_for(h->handle, h->limit_ms), "KVM reaches %s within %u ms",
		    h->function, h->limit_ms);
	timeline_begin("hold at %s of another thread", h->function);
}

void hold_release(struct hold *h)
{
	timeline_end("hold at %s", h->function);
	must(h->by->release(h->handle), "the thread at %s was released too early", h->function);
}

unsigned long hold_calls(struct hold *h)
{
	return state(h).hits;
}

void hold_await_calls(struct hold *h, unsigned long nr, const char *what)
{
	expect_soon(hold_calls(h) >= nr, 5, "%s", what);
}

double hold_released(struct hold *h)
{
	return state(h).released_ns * 1e-9;
}

void hold_end(struct hold *h)
{
	struct kvm_hold_state s = state(h);

	expect_true(h->at == HOLD_COUNT || s.held, "KVM reaches %s, where a thread was to be held",
		    h->function);
	errno = ETIME;
	must(!s.expired, "%llu threads were held at %s for %u ms", s.expired, h->function,
	     h->limit_ms);
	h->by->disarm(h->handle);
	free(h);
}
