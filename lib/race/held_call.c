// SPDX-License-Identifier: GPL-2.0-only
#include "held_call.h"
#include "testcase.h"

struct held_call held_call_open(struct hold_args where, int (*fn)(void *arg), void *arg)
{
	struct held_call c = { .hold = hold_arm_(where) };

	c.thread = thread_start(fn, arg);
	hold_await(c.hold);
	return c;
}

void held_call_join(struct held_call *c, const char *what)
{
	c->ret = thread_join(c->thread, what);
	c->err = errno;
}

void held_call_close(struct held_call *c, const char *what)
{
	hold_release(c->hold);
	held_call_join(c, what);
	hold_end(c->hold);
}

static int run_waiter(void *arg)
{
	struct lock_waiter *w = arg;
	int ret = w->fn(w->arg);

	w->ended = now();
	return ret;
}

void lock_waiter_prepare(struct lock_waiter *w, const char *reaches, int (*fn)(void *arg),
			 void *arg)
{
	*w = (struct lock_waiter){ .fn = fn, .arg = arg };
	w->thread = thread_prepare(run_waiter, w);
	w->reached = hold_arm(.function = reaches, .at = HOLD_COUNT);
}

void lock_waiter_run(struct lock_waiter *w, struct held_call *c, const char *what)
{
	thread_go(w->thread);
	held_call_join(c, strf("the call that %s waits for", what));
	expect_ok(thread_join(w->thread, what), "%s", what);
	expect_true(w->ended >= hold_released(c->hold),
		    "%s ends after the call that holds the lock", what);
	hold_end(c->hold);
	hold_end(w->reached);
}
