// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private memory checker of the emulated host sees what it is there for.
 *
 * On hardware, the host's access to memory that a TD holds, or the TDX module for it, corrupts it or
 * ends in a machine check.  In every case of the suite the emulator looks for such accesses, and one
 * makes the case fail.  Here they are made on purpose, through /dev/mem.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private_memory.h"
#include "td_fixture.h"
#include "testcase.h"

#define SIZE	(4 * SZ_4K)
#define OURS	.vm_types = VM_TDX, .boot = BOOT_TDX, .needs_softtdx = true, .needs_sept = true

static int dev_mem(void)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		test_skip("needs /dev/mem (CONFIG_DEVMEM)");
	return fd;
}

/* The kernel reads a page for us. */
static void kernel_reads(u64 pfn)
{
	char byte;

	if (pread(dev_mem(), &byte, 1, pfn << 12) != 1)
		test_skip("needs memory in /dev/mem (CONFIG_STRICT_DEVMEM off)");
}

static u8 *map_pfn(u64 pfn)
{
	u8 *page = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, dev_mem(), pfn << 12);

	if (page == MAP_FAILED)
		test_skip("needs memory in /dev/mem (CONFIG_STRICT_DEVMEM off)");
	return page;
}

/* A TD with private memory at GPA, mapped; nothing is seen of how it came to be. */
static struct fixture td_with_memory(const struct test *t)
{
	struct fixture td = td_fixture_final(t, SIZE);

	prefault(td.vcpu, GPA, SIZE);
	expect_eq(private_accesses(NULL, 0), 0, "accesses while KVM builds a TD");
	return td;
}

static void expect_access(const struct fixture *td, const char *kind, unsigned int cpl, const char *type,
			  u64 pfn)
{
	struct private_access a;

	expect_eq(private_accesses(&a, 1), 1, "accesses that are seen");
	private_accesses_forget();
	verbose("%s", private_access_text(&a));
	expect_true(!strcmp(a.kind, kind), "the access is a %s, seen: %s", kind, a.kind);
	expect_eq(a.cpl, cpl, "CPL of the access");
	expect_eq(a.hpa >> 12, pfn, "the page that is accessed");
	expect_true(!strcmp(a.type, type), "the page is a %s page, seen: %s", type, a.type);
	expect_eq(a.owner, sept_tdr(td->vm), "the TD that holds the page");
	if (!cpl)
		expect_true(strchr(private_access_text(&a), '+'), "the kernel's function: %s",
			    private_access_text(&a));
}

CASE(read_by_kernel, "the kernel reads a TD's page: seen, with gpa and TD", OURS)
{
	struct fixture td = td_with_memory(t);
	u64 pfn = sept_walk(td.vm, GPA + SZ_4K).pfn;
	struct private_access a;

	kernel_reads(pfn);
	expect_eq(private_accesses(&a, 1), 1, "accesses that are seen");
	expect_eq(a.gpa, GPA + SZ_4K, "gpa of the page");
	expect_access(&td, "read", 0, "TD", pfn);
}

CASE(written_by_user, "user space writes to a TD's page: seen", OURS)
{
	struct fixture td = td_with_memory(t);
	u64 pfn = sept_walk(td.vm, GPA).pfn;
	volatile u8 *page = map_pfn(pfn);

	page[8] = 1;
	expect_access(&td, "write", 3, "TD", pfn);
}

/* A translation that a CPU has cached is no way past the checker. */
CASE(mapped_before, "a page that was mapped before it became a TD's: seen", OURS)
{
	struct fixture td = td_with_memory(t);
	u64 pfn = sept_walk(td.vm, GPA).pfn;
	volatile u8 *page = map_pfn(pfn);

	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	for (int tries = 0; tries < 100; tries++) {
		(void)page[0];		/* nobody's, or for the moment somebody's of the host */
		prefault(td.vcpu, GPA, SZ_4K);
		expect_eq(private_accesses(NULL, 0), 0, "accesses to memory of the host");
		if (sept_walk(td.vm, GPA).pfn == pfn)
			break;
		mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	}
	must(sept_walk(td.vm, GPA).pfn == pfn, "the page a second time");
	(void)page[0];
	expect_access(&td, "read", 3, "TD", pfn);
}

CASE(flushed, "CLFLUSH and a prefetch are no access", OURS)
{
	struct fixture td = td_with_memory(t);
	volatile u8 *page = map_pfn(sept_walk(td.vm, GPA).pfn);

	asm volatile("clflush %0\n\tprefetcht0 %0" : "+m" (*page));
	expect_eq(private_accesses(NULL, 0), 0, "accesses by CLFLUSH and PREFETCHT0");
}

CASE(given_back, "a page that the TD has given back: no access", OURS)
{
	struct fixture td = td_with_memory(t);
	u64 pfn = sept_walk(td.vm, GPA).pfn;

	mem_punch_hole(td.slot->gmem, 0, SZ_4K);
	kernel_reads(pfn);
	expect_eq(private_accesses(NULL, 0), 0, "accesses to a page that was given back");
}

CASE(table, "a page of the Secure EPT is read: seen", OURS, .observes = OBSERVE(EV_SEAMCALL))
{
	struct fixture td = td_with_memory(t);
	u64 pfn = PFN_NONE;
	size_t nr;
	struct seamcall *calls = seamcalls(td.o, &nr);

	for (size_t i = 0; i < nr; i++)
		if (calls[i].leaf == TDH_MEM_SEPT_ADD)
			pfn = calls[i].pfn;
	must(pfn != PFN_NONE, "TDH.MEM.SEPT.ADD");
	kernel_reads(pfn);
	expect_access(&td, "read", 0, "SEPT", pfn);
}

CASE(root, "the TD's root page is read: seen", OURS)
{
	struct fixture td = td_with_memory(t);
	u64 tdr = sept_tdr(td.vm);

	kernel_reads(tdr >> 12);
	expect_access(&td, "read", 0, "TDR", tdr >> 12);
}

/* The module's own state is out of the host's reach. */
CASE(root_written, "the TD's root page is written to: seen, and without effect", OURS)
{
	struct fixture td = td_with_memory(t);
	u64 tdr = sept_tdr(td.vm);
	void *page = map_pfn(tdr >> 12);
	size_t words = SZ_4K / 8;

	/* One instruction: accesses are told apart by their RIP. */
	asm volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(~0ULL) : "memory");
	expect_access(&td, "write", 3, "TDR", tdr >> 12);
	expect_sept(td.vm, GPA, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

TEST_MAIN("the host's accesses to memory that is not its own")
