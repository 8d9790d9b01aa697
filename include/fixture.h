/* SPDX-License-Identifier: GPL-2.0-only */
/* The usual subject of a case: a VM with one vCPU and one memslot, observed. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "types.h"
#include "observe.h"
#include "testcase.h"
#include "thread.h"
#include "slot.h"
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

/* A VM of the type of @t with [offset, offset + size) of @mem at @gpa. */
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

/* The hva behind @gpa of the fixture's slot. */
void *hva_of(const struct fixture *f, u64 gpa);

/* [gpa, gpa + size) is mapped at @level, each gfn onto the page of its hva. */
#define expect_range_mapped(f, gpa, size, level) \
	expect_range_mapped_(__FILE__, __LINE__, f, gpa, size, level)
void expect_range_mapped_(const char *file, int line, struct fixture *f, u64 gpa,
			  u64 size, int level);

#endif /* FIXTURE_H */
