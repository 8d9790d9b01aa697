/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TD with a slot of 16 pages, and the KVM_TDX_INIT_MEM_REGION that adds them all:
 * what the tests of that ioctl begin with.
 */
#ifndef INIT_MEM_H
#define INIT_MEM_H

#include "td_fixture.h"
#include "thread.h"
#include "types.h"
#include "uffd.h"

#define MEASURE			KVM_TDX_MEASURE_MEMORY_REGION
#define INIT_MEM_PAGES		16ULL		/* of the slot at GPA, and of the source */
#define INIT_MEM_SIZE		(INIT_MEM_PAGES * SZ_4K)
#define ELSEWHERE		(GPA + SZ_1G)	/* a gpa without a slot */
#define BLOCK_LIMIT_S		10.0

struct init_mem_scene {
	struct vm *vm;
	struct vcpu *vcpu;
	struct slot *slot;
	u8 *source;
	struct kvm_tdx_init_mem_region region;	/* the whole slot, then what is left of it */
	u32 flags;
	unsigned int elsewhere;		/* pages that the case adds outside of the slot */
};

/* The TD is not finalized, and nothing is added. */
struct init_mem_scene init_mem_scene(const struct test *t);
/* The ioctl, as the scene describes it. Returns what the kernel returned. */
int init_mem(struct init_mem_scene *s);
/* The same for @nr pages from page @first on, by @vcpu in a thread. @part: its scene. */
struct thread *init_mem_start(struct init_mem_scene *part, const struct init_mem_scene *s,
			      struct vcpu *vcpu, unsigned int first, unsigned int nr);

/*
 * Through 6.19 KVM reads the source with guest_memfd's lock held, and guest_memfd takes
 * no page twice (kvm_gmem_populate()); 7.0 and later do neither.
 */
bool init_mem_under_gmem_lock(void);
/* The errno of a page that is added a second time. */
int init_mem_twice_error(void);

/* The structure advanced by @done pages: number, gpa and source. */
#define expect_advanced(seen, before, done) \
	expect_advanced_(__FILE__, __LINE__, seen, before, done)
void expect_advanced_(const char *file, int line, const struct kvm_tdx_init_mem_region *seen,
		      const struct kvm_tdx_init_mem_region *before, u64 done);

/*
 * Pages of the slot that are mapped in the Secure EPT; where the host does not show it,
 * pages that KVM counts for the VM.
 */
unsigned int pages_added(const struct init_mem_scene *s);
/* The TD's measurement is that of pages [0, nr) of the source, measured, in order. */
void expect_measured(const struct init_mem_scene *s, unsigned int nr);

/* Calls so far that gave TDs a page or a Secure EPT table; 0 without the software module. */
struct td_adds {
	unsigned long pages, tables;
};
struct td_adds td_adds(void);
/* Since @before there were so many; not checked without the software module. */
void expect_td_adds(struct td_adds before, unsigned long pages, unsigned long tables);

/* The ioctl in a thread, measured, blocked at one page of the source (.needs_uffd). */
struct blocked_add {
	struct init_mem_scene s;
	struct kvm_tdx_init_mem_region before;
	struct vcpu *other;	/* a second vCPU, with a slot ELSEWHERE; or NULL */
	unsigned int page;
	u8 *content;		/* of that page */
	struct uffd_region uffd;
	struct thread *thread;
};

/* It returns when KVM waits for page @page. */
struct blocked_add *blocked_add(const struct test *t, unsigned int page, bool two_vcpus);
/* Of the first @nr pages only. */
struct blocked_add *blocked_add_part(const struct test *t, unsigned int page, u64 nr,
				     bool two_vcpus);
/* Supply the page. Returns what the ioctl returned. */
int blocked_add_resume(struct blocked_add *b);

#endif /* INIT_MEM_H */
