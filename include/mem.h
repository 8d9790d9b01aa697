/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that backs memslots, and properties of its pages on the host. */
#ifndef MEM_H
#define MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "mapping.h"
#include "types.h"

struct vm;

enum mem_kind {
	MEM_ANON,		/* anonymous, 4K pages (MADV_NOHUGEPAGE) */
	MEM_THP,		/* anonymous, MADV_HUGEPAGE, 2M aligned */
	MEM_HUGETLB_2M,
	MEM_HUGETLB_1G,
	MEM_MEMFD,		/* shmem, 4K pages, MAP_SHARED */
	MEM_FILE,		/* a file on a disk-like file system, MAP_SHARED */
	MEM_GMEM,		/* guest_memfd, no hva */
	MEM_GMEM_MMAP,		/* guest_memfd with GUEST_MEMFD_FLAG_MMAP (6.18) */
	MEM_NR
};

struct mem {
	enum mem_kind kind;
	size_t size;		/* bytes */
	size_t page_size;	/* bytes a page of this kind has */
	u8 *hva;		/* NULL for MEM_GMEM */
	int fd;			/* -1 for anonymous kinds */
};

const char *mem_kind_name(enum mem_kind kind);

/*
 * Map @size bytes, not touched yet.  hva is aligned to the page size (2M at
 * least).  @vm is needed for the guest_memfd kinds, else NULL.  Skips the case
 * where the host cannot do the kind; ERROR on any other failure.
 */
struct mem *mem_create(enum mem_kind kind, size_t size, struct vm *vm);

/*
 * mem_create(), and write to each page (of the kind's page size). MEM_THP: 2M
 * pages, or the case ends with ERROR.
 */
struct mem *mem_populated(enum mem_kind kind, size_t size, struct vm *vm);

/* Write a pattern to each 4K page of [hva, hva + size). */
void mem_touch(void *hva, size_t size);

/* Punch [offset, offset + size) out of a memfd, file or guest_memfd. */
void mem_punch_hole(const struct mem *mem, u64 offset, u64 size);

/*
 * The pfn that backs @hva, from /proc/self/pagemap; PFN_NONE when no page is
 * present there.  Needs CAP_SYS_ADMIN.
 */
u64 pfn_of(const void *hva);
/* The same for @nr pages in a row. */
void pfns_of(const void *hva, size_t nr, u64 *pfns);

/* Is @hva mapped by a huge page of the page cache or a THP (/proc/kpageflags)? */
bool is_thp(const void *hva);
/* Does this kernel make transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)? */
bool thp_supported(void);
/* Has the page content, of a file or of a process? A free page has none. */
bool page_holds_data(u64 pfn);

/*
 * Is it anonymous memory, hugetlb's too?  It is until its last reference goes, also where
 * nobody has it mapped; the next owner of the page may make it so again.
 */
bool page_is_anon(u64 pfn);

/* The highest level at which the page @pfn may be mapped: 2M if it is part of a folio. */
int page_level(u64 pfn);

/* The NUMA node of the page at @hva, or -errno (-ENOENT: no page). */
int node_of(const void *hva);
/* move_pages(2) of one page to @node. Returns its new node or -errno. */
int move_to_node(void *hva, int node);
/* Another node that has memory this process may use, or -1. */
int node_beside(int node);
/* move_to_node() to another node; it must move. */
void migrate(void *hva);
/* mremap(2) of the page at @hva to another address: nothing is left at @hva. */
void move_away(void *hva);
/* Swap the page at @hva out; skips the case where there is no swap. */
void page_out(void *hva);
/* Nodes that have memory which this process may use. */
unsigned int nr_nodes(void);

/* A number out of /proc/meminfo, e.g. ("MemAvailable") in KiB; -1 when it is not there. */
long meminfo(const char *key);
/* Free hugetlb pages of a size in bytes; -1 where the size is not supported. */
long hugetlb_free_pages(size_t page_size);

#endif /* MEM_H */
