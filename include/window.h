/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Race windows of KVM_PRE_FAULT_MEMORY, opened by userfaultfd.
 *
 * KVM snapshots the invalidation sequence, then needs the page at the hva.  The page is
 * missing and registered with userfaultfd, so KVM sleeps in get_user_pages(): after the
 * snapshot, before mmu_lock.  The test invalidates inside the window and then resolves
 * the userfault; KVM continues and finds its snapshot stale (kvm_mmu_faultin_pfn() and
 * is_page_fault_stale(), arch/x86/kvm/mmu/mmu.c).
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <sys/types.h>

#include "types.h"
#include "vm.h"

struct window;

/*
 * Prepare windows of @vcpu on [hva, hva + size): registers the range with
 * userfaultfd (missing pages; whatever was there is dropped) and starts a
 * thread that will prefault on behalf of the test.
 */
struct window *window_create(struct vcpu *vcpu, void *hva, size_t size);

/*
 * Prefault [gpa, gpa + size) and return as soon as KVM waits for the page at
 * the hva of the first missing gfn: the window is open.  The case fails if KVM
 * does anything else.
 */
void window_open(struct window *w, u64 gpa, u64 size);

/* The hva KVM waits for now. */
void *window_hva(const struct window *w);
/* Thread id of the vCPU's thread, for signals and /proc. */
pid_t window_tid(const struct window *w);

/* Give KVM the page it waits for (zero-filled); it goes on. */
void window_resolve(struct window *w);
/* Wait for the next missing page of the same prefault. */
void window_next(struct window *w);

/*
 * Wait for the prefault to end.  Returns 0 or -1 with errno, as the ioctl did.
 * Gives up after @seconds: returns 1.
 */
int window_wait(struct window *w, double seconds);
/* window_resolve() and window_wait() with the default limit, a hang fails. */
int window_close(struct window *w);

/* What the ioctl left in its argument. */
struct kvm_pre_fault_memory window_range(const struct window *w);

#endif /* WINDOW_H */
