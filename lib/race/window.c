// SPDX-License-Identifier: GPL-2.0-only
/* The userfaultfd window: KVM sleeps in get_user_pages until we resolve. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "testcase.h"
#include "timeline.h"
#include "uffd.h"
#include "window.h"

#define OPEN_LIMIT_S	10.0
#define CLOSE_LIMIT_S	5.0

/* The vCPU's thread waits on @go, prefaults, and says so on @done. */
struct window {
	struct vcpu *vcpu;
	struct uffd_region late;
	void *memory;			/* whose pages are missing, @size bytes */
	size_t size;
	void *hva;			/* KVM waits for the page here */
	pthread_t pthread;
	pid_t tid;
	int go, done;			/* eventfds */
	struct kvm_pre_fault_memory range;
	int ret, err;
};

static void *vcpu_thread(void *arg)
{
	struct window *w = arg;
	eventfd_t one;

	w->tid = gettid();
	timeline_lane("prefault");
	eventfd_write(w->done, 1);
	for (;;) {
		while (eventfd_read(w->go, &one))
			;
		w->ret = __vcpu_prefault(w->vcpu, &w->range);
		w->err = errno;
		eventfd_write(w->done, 1);
	}
	return NULL;
}

struct window *window_create(struct vcpu *vcpu, void *hva, size_t size)
{
	struct window *w = calloc(1, sizeof(*w));
	eventfd_t one;

	w->vcpu = vcpu;
	w->memory = hva;
	w->size = size;
	w->late = uffd_region_create(hva, size);
	w->go = eventfd(0, EFD_CLOEXEC);
	w->done = eventfd(0, EFD_CLOEXEC);
	errno = pthread_create(&w->pthread, NULL, vcpu_thread, w);
	must(!errno, "pthread_create");
	eventfd_read(w->done, &one);
	return w;
}

/* Wait for KVM to ask for a missing page: what it does instead is its failure. */
static void await_fault(struct window *w)
{
	struct pollfd pfd[2] = { { .fd = w->late.fd, .events = POLLIN },
				 { .fd = w->done, .events = POLLIN } };
	int n = poll(pfd, 2, OPEN_LIMIT_S * 1000);

	if (n < 1 || !(pfd[0].revents & POLLIN))
		test_failed(__FILE__, __LINE__,
			    strf("KVM_PRE_FAULT_MEMORY at gpa 0x%llx, whose page is missing",
				 w->range.gpa),
			    strf("KVM waits for a page of hva %p, 0x%zx bytes", w->memory, w->size),
			    n < 1 ? strf("it neither waits nor ends for %.0f s", OPEN_LIMIT_S) :
			    strf("it ended: %s, 0x%llx bytes left",
				 errno_text(w->ret ? w->err : 0), w->range.size));
	w->hva = uffd_wait_fault(&w->late, 0);
	timeline_begin("window: KVM waits for the page at hva %p", w->hva);
}

void window_open(struct window *w, u64 gpa, u64 size)
{
	w->range = (struct kvm_pre_fault_memory){ .gpa = gpa, .size = size };
	eventfd_write(w->go, 1);
	await_fault(w);
}

void window_next(struct window *w)
{
	await_fault(w);
}

void *window_hva(const struct window *w)
{
	return w->hva;
}

pid_t window_tid(const struct window *w)
{
	return w->tid;
}

void window_resolve(struct window *w)
{
	timeline_end("window: the page is there");
	uffd_resolve(&w->late, w->hva, NULL);
}

int window_wait(struct window *w, double seconds)
{
	struct pollfd pfd = { .fd = w->done, .events = POLLIN };
	eventfd_t one;

	if (poll(&pfd, 1, seconds * 1000) != 1)
		return 1;
	eventfd_read(w->done, &one);
	errno = w->err;
	return w->ret;
}

int window_close(struct window *w)
{
	int ret;

	window_resolve(w);
	ret = window_wait(w, CLOSE_LIMIT_S);
	expect_true(ret != 1, "KVM_PRE_FAULT_MEMORY at gpa 0x%llx ends within %.0f s once the page is there",
		    w->range.gpa, CLOSE_LIMIT_S);
	return ret;
}

struct kvm_pre_fault_memory window_range(const struct window *w)
{
	return w->range;
}
