// SPDX-License-Identifier: GPL-2.0-only
/* Idle page tracking (mm/page_idle.c): a bit for each pfn, in words of 64. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"
#include "page_idle.h"
#include "testcase.h"

#define BITMAP	"/sys/kernel/mm/page_idle/bitmap"

void page_idle_needed(void)
{
	if (access(BITMAP, R_OK | W_OK))
		test_skip("cannot use %s (%m): needs CONFIG_IDLE_PAGE_TRACKING and root", BITMAP);
}

static int bitmap(void)
{
	int fd = open(BITMAP, O_RDWR | O_CLOEXEC);

	must(fd >= 0, "opening %s", BITMAP);
	return fd;
}

void page_idle_set(const void *hva)
{
	u64 pfn = pfn_of(hva), word = 1ULL << pfn % 64;
	int fd = bitmap();

	must(pfn != PFN_NONE, "a page at hva %p", hva);
	/* From the CPU's batch to the LRU list: pages that are on none cannot be marked. */
	must(!madvise((void *)hva, SZ_4K, MADV_COLD), "MADV_COLD of hva %p", hva);
	must(pwrite(fd, &word, sizeof(word), pfn / 64 * 8) == sizeof(word), "marking pfn 0x%llx idle",
	     pfn);
	close(fd);
}

bool page_is_idle(const void *hva)
{
	u64 pfn = pfn_of(hva), word;
	int fd = bitmap();

	must(pread(fd, &word, sizeof(word), pfn / 64 * 8) == sizeof(word),
	     "asking whether pfn 0x%llx is idle", pfn);
	close(fd);
	return word >> pfn % 64 & 1;
}
