// SPDX-License-Identifier: GPL-2.0-only
/* Holding threads at functions of the kernel, by /dev/kvm_hold. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hold.h"
#include "kernel.h"
#include "testcase.h"
#include "uapi/kvm_hold.h"

#define DEVICE	"/dev/kvm_hold"

struct hold {
	int fd;
	unsigned int limit_ms;
	const char *function;
	enum hold_at at;
};

const char *hold_missing(void)
{
	if (!access(DEVICE, R_OK | W_OK))
		return NULL;
	return errno != ENOENT ? strf("needs " DEVICE ": %s", denial_text(errno)) :
		"needs " DEVICE ": the module kmod/kvm_hold.c, which the emulated hosts load";
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
		.until = args.until ? args.until->fd : -1,
	};
	struct hold *h = calloc(1, sizeof(*h));

	must_declare(running_case()->needs_hold, ".needs_hold");
	h->function = kernel_function(args.function);
	if (!h->function)
		test_skip("%s", kernel_function_missing(args.function));
	h->at = args.at;
	h->limit_ms = arm.limit_ms;
	h->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	must(h->fd >= 0, "open " DEVICE);
	snprintf(arm.function, sizeof(arm.function), "%s", h->function);
	must(!ioctl(h->fd, KVM_HOLD_ARM, &arm), "holding threads at %s", h->function);
	return h;
}

static struct kvm_hold_state state(struct hold *h)
{
	struct kvm_hold_state s;

	must(!ioctl(h->fd, KVM_HOLD_STATE, &s), "the state of " DEVICE);
	return s;
}

void hold_await(struct hold *h)
{
	struct pollfd pfd = { .fd = h->fd, .events = POLLIN };

	expect_true(poll(&pfd, 1, h->limit_ms) == 1, "KVM reaches %s within %u ms",
		    h->function, h->limit_ms);
}

void hold_release(struct hold *h)
{
	must(!ioctl(h->fd, KVM_HOLD_RELEASE), "the thread at %s was released too early",
	     h->function);
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
	close(h->fd);
	free(h);
}
