/* SPDX-License-Identifier: GPL-2.0-only */
/* The usual fixture: a VM with one vCPU and one memslot, and an observer. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "observe.h"
#include "slot.h"
#include "testcase.h"
#include "thread.h"
#include "types.h"
#include "vm.h"

/* Where the slot begins: aligned to each level, away from everything special. */
#define GPA	(4 * SZ_1G)
#define GFN	(GPA >> 12)

struct fixture {
	struct vm *vm;
	struct vcpu *vcpu;
	struct mem *mem;
	struct slot *slot;
	struct observer *o;	/* of what the case declares in .observes */
};

/*
 * A VM of the type of @t (a TD is finalized, and has the memory in its shared half) with
 * [offset, offset + size) of @mem at @gpa.
 */
struct fixture fixture_part(const struct test *t, u64 gpa, struct mem *mem,
			    u64 offset, u64 size, u32 flags);
/* All of @mem at GPA. */
struct fixture fixture_mem(const struct test *t, struct mem *mem);
/* @size bytes of populated memory at GPA. */
struct fixture fixture(const struct test *t, enum mem_kind kind, size_t size);
/*
 * @size bytes of guest_memfd at GPA: private, beside shared anonymous memory
 * (mem), where the VM type has private memory; else mmap-able (mem, too).
 */
struct fixture fixture_gmem(const struct test *t, size_t size);

/* @size bytes of guest_memfd: mmap-able in a default VM, which has no private memory. */
struct mem *gmem_of(struct vm *vm, size_t size);

/* The hva behind @gpa of the fixture's slot. */
void *hva_of(const struct fixture *f, u64 gpa);

/*
 * Prefault the page at @gpa: it is mapped at @level, onto the page of its hva.  Returns
 * that mapping.
 */
#define map_page(f, gpa, level)	map_page_(__FILE__, __LINE__, f, gpa, level)
struct mapping map_page_(const char *file, int line, struct fixture *f, u64 gpa, int level);

/* KVM_PRE_FAULT_MEMORY of the page at GPA, once; @vcpu: struct vcpu *. For memcg_call(). */
int prefault_gpa(void *vcpu);

/* [gpa, gpa + size) is mapped at @level, each gfn onto the page of its hva. */
#define expect_range_mapped(f, gpa, size, level) \
	expect_range_mapped_(__FILE__, __LINE__, f, gpa, size, level)
void expect_range_mapped_(const char *file, int line, struct fixture *f, u64 gpa,
			  u64 size, int level);

/* So many leaf SPTEs at each level, as the observer and KVM's statistics count them. */
#define expect_leaves(f, nr_4k, nr_2m, nr_1g)				\
	do {								\
		expect_leaves_at_(f, LEVEL_4K, "pages_4k", nr_4k);	\
		expect_leaves_at_(f, LEVEL_2M, "pages_2m", nr_2m);	\
		expect_leaves_at_(f, LEVEL_1G, "pages_1g", nr_1g);	\
		measure("pages", (nr_4k) + (nr_2m) + (nr_1g));		\
	} while (0)
#define expect_leaves_at_(f, level, stat, nr)				\
	do {								\
		expect_eq(observer_leaves((f)->o, level), nr, "%s SPTEs", level_name(level)); \
		expect_eq(vm_stat((f)->vm, stat), nr, "statistic %s", stat);	\
	} while (0)

#endif /* FIXTURE_H */
