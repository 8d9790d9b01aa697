/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty log of a memslot (Documentation/virt/kvm/api.rst, 4.8, 4.117), and a
 * guest that writes pages one at a time (guest_access.h).
 */
#ifndef DIRTY_LOG_H
#define DIRTY_LOG_H

#include "guest_access.h"
#include "mem.h"
#include "slot.h"
#include "testcase.h"
#include "types.h"
#include "vm.h"

/* Below 4G, where that guest can write; aligned to 2M and to 1G. */
#define LOGGED_GPA	SZ_1G
#define LOGGED_MAX	2048		/* pages of a slot whose log is read */

struct logged {
	struct vm *vm;
	struct vcpu *vcpu;
	struct mem *mem;
	struct slot *slot;
};

/* What follows LOGGED_GPA, in 4K pages. */
struct logged_config {
	enum mem_kind kind;
	u32 first;			/* page of @kind at which the slot begins, and its gpa */
	u32 pages;			/* of the slot, at most LOGGED_MAX */
	u64 manual;		/* KVM_DIRTY_LOG_* of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
	u32 ring;			/* entries of a dirty ring instead of a log, or 0 */
};

/* A VM of the type of @t with a slot of populated memory, not logged yet. */
struct logged logged(const struct test *t, struct logged_config config);
void log_on(struct logged *l);
void log_off(struct logged *l);

/* The guest writes to a page of the slot. */
void write_page(struct logged *l, u32 page);

/* KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG (64 pages from @first on; a set bit clears). */
int __log_get(struct logged *l, u64 *bitmap);
int __log_clear(struct logged *l, u64 first, u32 nr, const u64 *bitmap);
void log_clear_page(struct logged *l, u32 page);

/* The log is read, and has these pages and no other. */
#define expect_log(l, what, ...)						\
	expect_log_(__FILE__, __LINE__, l, what, (const u32[]){ __VA_ARGS__ },	\
		    sizeof((const u32[]){ __VA_ARGS__ }) / 4)
#define expect_empty_log(l, what)						\
	expect_log_(__FILE__, __LINE__, l, what, NULL, 0)
void expect_log_(const char *file, int line, struct logged *l, const char *what,
		 const u32 *pages, size_t nr);
/* All pages are in it. */
#define expect_full_log(l, what)	expect_full_log_(__FILE__, __LINE__, l, what)
void expect_full_log_(const char *file, int line, struct logged *l, const char *what);

/* SPTEs of the slot, as KVM counts them: without the page of the guest's code. */
#define expect_sptes(l, nr_4k, nr_2m, what)					\
	do {									\
		expect_eq(vm_stat((l)->vm, "pages_2m"), nr_2m, "2M SPTEs %s", what);	\
		expect_eq(vm_stat((l)->vm, "pages_4k") - 1, nr_4k, "4K SPTEs %s", what); \
	} while (0)

#endif /* DIRTY_LOG_H */
