// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_INIT_MEM_REGION beside other ioctls: which of them wait for it, and what is
 * left of the TD's pages afterwards; and two of these ioctls at once.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "init_mem.h"
#include "kernel.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

#define GUP_FIRST \
	"2a62345b3052 (\"KVM: guest_memfd: GUP source pages prior to populating guest memory\"), 7.0"
#define BESIDE_ADD	TD_CONTENT, .needs_uffd = true, .cpus = 2

/* 6.19 and later hold the locks of the VM and of all vCPUs. */
enum waits { NEVER, ALWAYS, SINCE_6_19, THROUGH_6_19 };

static bool waits_here(enum waits waits)
{
	switch (waits) {
	case SINCE_6_19:
		return !kernel_has_function("kvm_tdp_map_page");
	case THROUGH_6_19:
		return init_mem_under_gmem_lock();
	default:
		return waits == ALWAYS;
	}
}

struct operation {
	int (*fn)(void *blocked);
	const char *what;
	enum waits waits;
	int error;
	bool two_vcpus;
	unsigned int lost;	/* pages that the TD does not have afterwards */
	unsigned int lost_through_6_19;	/* more of them, where the operation waits */
};

static int vcpu_ioctl(void *blocked)
{
	struct blocked_add *b = blocked;

	return ioctl(b->other->fd, KVM_GET_TSC_KHZ, 0);
}

static int prefault_page(void *blocked)
{
	struct blocked_add *b = blocked;
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	return __vcpu_prefault(b->other, &range);
}

static int add_elsewhere(void *blocked)
{
	struct blocked_add *b = blocked;
	struct kvm_tdx_init_mem_region region = {
		.source_addr = (uintptr_t)b->content, .gpa = ELSEWHERE, .nr_pages = 1,
	};

	b->s.elsewhere = region.nr_pages;
	return __td_add(b->other, &region, 0);
}

static int init_vcpu_again(void *blocked)
{
	struct blocked_add *b = blocked;

	return __td_vcpu_init(b->other, 0);
}

static int finalize(void *blocked)
{
	struct blocked_add *b = blocked;

	return __td_finalize(b->s.vm, NULL);
}

static int set_private(void *blocked)
{
	struct blocked_add *b = blocked;

	return __vm_set_attributes(b->s.vm, ELSEWHERE, SZ_4K,
				   KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static int set_shared(void *blocked)
{
	struct blocked_add *b = blocked;

	return __vm_set_attributes(b->s.vm, GPA + 5 * SZ_4K, SZ_4K, 0);
}

static int new_slot(void *blocked)
{
	struct blocked_add *b = blocked;

	slot_add(b->s.vm, ELSEWHERE, mem_create(MEM_ANON, SZ_4K, NULL));
	return 0;
}

static int delete_slot(void *blocked)
{
	struct blocked_add *b = blocked;

	return __slot_delete(b->s.slot);
}

static int create_vcpu(void *blocked)
{
	struct blocked_add *b = blocked;

	return ioctl(b->s.vm->fd, KVM_CREATE_VCPU, 1);
}

static int capabilities(void *blocked)
{
	struct blocked_add *b = blocked;

	return __td_capabilities(b->s.vm, td_capabilities_alloc(256));
}

static int punch(struct blocked_add *b, unsigned int page)
{
	return fallocate(b->s.slot->gmem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 page * SZ_4K, SZ_4K);
}

static int punch_added(void *blocked)
{
	return punch(blocked, 3);
}

static int punch_wanted(void *blocked)
{
	return punch(blocked, 5);
}

/*
 * An operation while KVM waits for page 5.  Either it waits as well, and succeeds once the
 * page is supplied; or it completes at once: a thread that supplies pages may depend on it.
 */
static void beside_add(const struct test *t)
{
	const struct operation *op = t->tc->arg;
	struct blocked_add *b = blocked_add(t, 5, op->two_vcpus);
	struct thread *thread = thread_start(op->fn, b);
	bool waits = waits_here(op->waits);
	unsigned int lost = op->lost;
	int ret;

	if (waits) {
		expect_true(thread_sleeps(thread, BLOCK_LIMIT_S) && !thread_ended(thread, 0),
			    "%s waits for KVM_TDX_INIT_MEM_REGION", op->what);
		expect_ok(blocked_add_resume(b), "KVM_TDX_INIT_MEM_REGION");
	}
	ret = thread_join(thread, op->what);
	expect_errno(ret, op->error, "%s", op->what);
	if (!waits)
		expect_ok(blocked_add_resume(b), "KVM_TDX_INIT_MEM_REGION");
	expect_advanced(&b->s.region, &b->before, INIT_MEM_PAGES);
	if (init_mem_under_gmem_lock())
		lost += op->lost_through_6_19;
	expect_eq(pages_added(&b->s), INIT_MEM_PAGES - lost, "pages that the TD has");
}

CASES(beside_add,
	{ "meanwhile_vcpu_ioctl", "an ioctl of another vCPU waits (6.19 and later)",
	  .arg = &(const struct operation){ .fn = vcpu_ioctl,
		.what = "an ioctl of another vCPU", .waits = SINCE_6_19, .two_vcpus = true },
	  BESIDE_ADD },
	{ "meanwhile_prefault_page", "a prefault waits (6.19 and later): EOPNOTSUPP",
	  .arg = &(const struct operation){ .fn = prefault_page, .what = "KVM_PRE_FAULT_MEMORY",
		.waits = SINCE_6_19, .error = EOPNOTSUPP, .two_vcpus = true }, BESIDE_ADD },
	{ "meanwhile_add_elsewhere", "an add of another vCPU waits",
	  .arg = &(const struct operation){ .fn = add_elsewhere,
		.what = "KVM_TDX_INIT_MEM_REGION of another vCPU", .waits = ALWAYS,
		.two_vcpus = true }, BESIDE_ADD },
	{ "meanwhile_init_vcpu_again", "KVM_TDX_INIT_VCPU waits (6.19 and later)",
	  .arg = &(const struct operation){ .fn = init_vcpu_again, .what = "KVM_TDX_INIT_VCPU",
		.waits = SINCE_6_19, .error = EINVAL, .two_vcpus = true }, BESIDE_ADD },
	{ "meanwhile_finalize", "KVM_TDX_FINALIZE_VM waits, and finalizes all pages",
	  .arg = &(const struct operation){ .fn = finalize, .what = "KVM_TDX_FINALIZE_VM",
		.waits = ALWAYS }, BESIDE_ADD },
	{ "meanwhile_set_private", "a change of attributes elsewhere waits",
	  .arg = &(const struct operation){ .fn = set_private,
		.what = "KVM_SET_MEMORY_ATTRIBUTES elsewhere", .waits = ALWAYS }, BESIDE_ADD },
	{ "meanwhile_set_shared", "a change of the page's attributes waits, then removes the page",
	  .arg = &(const struct operation){ .fn = set_shared,
		.what = "KVM_SET_MEMORY_ATTRIBUTES of the page", .waits = ALWAYS, .lost = 1 },
	  BESIDE_ADD },
	{ "meanwhile_new_slot", "a new memslot waits",
	  .arg = &(const struct operation){ .fn = new_slot, .what = "a new memslot",
		.waits = ALWAYS }, BESIDE_ADD },
	{ "meanwhile_delete_slot", "deleting the slot waits, then removes all pages",
	  .arg = &(const struct operation){ .fn = delete_slot,
		.what = "the deletion of the memslot", .waits = ALWAYS,
		.lost = INIT_MEM_PAGES }, BESIDE_ADD },
	{ "meanwhile_create_vcpu", "KVM_CREATE_VCPU waits (6.19 and later)",
	  .arg = &(const struct operation){ .fn = create_vcpu, .what = "KVM_CREATE_VCPU",
		.waits = SINCE_6_19 }, BESIDE_ADD },
	{ "meanwhile_capabilities", "KVM_TDX_CAPABILITIES does not wait",
	  .arg = &(const struct operation){ .fn = capabilities, .what = "KVM_TDX_CAPABILITIES",
		.waits = NEVER }, BESIDE_ADD },
	{ "meanwhile_punch_added", "punching an added page does not wait (waits through 6.19)",
	  .arg = &(const struct operation){ .fn = punch_added,
		.what = "a hole at a page that was added", .waits = THROUGH_6_19, .lost = 1 },
	  .fixes = GUP_FIRST, BESIDE_ADD },
	{ "meanwhile_punch_wanted", "punching the page being added does not wait (waits through 6.19)",
	  .arg = &(const struct operation){ .fn = punch_wanted,
		.what = "a hole at the page that is being added", .waits = THROUGH_6_19,
		.lost_through_6_19 = 1 }, .fixes = GUP_FIRST, BESIDE_ADD })

/* Adds the page that KVM waits for, refuses the next, and removes them all. */
CASE(meanwhile_close_gmem, "close of guest_memfd: one more page, EFAULT, and all are removed",
	TD_CONTENT, .needs_uffd = true)
{
	struct blocked_add *b = blocked_add(t, 5, false);

	must(!close(b->s.slot->gmem->fd), "close");
	expect_eq(pages_added(&b->s), 5, "pages that the TD has while KVM waits");
	expect_errno(blocked_add_resume(b), EFAULT, "KVM_TDX_INIT_MEM_REGION");
	expect_advanced(&b->s.region, &b->before, 6);
	expect_eq(pages_added(&b->s), 0, "pages that the TD has");
	expect_ok(__td_finalize(b->s.vm, NULL), "KVM_TDX_FINALIZE_VM");
}

/* The same ioctl of the other vCPU: it begins while the first one is inside, and waits. */
static struct thread *second_add(struct init_mem_scene *part, const struct blocked_add *b,
				 unsigned int first, unsigned int nr)
{
	struct init_mem_scene s = b->s;
	struct thread *thread;

	s.region = b->before;
	thread = init_mem_start(part, &s, b->other, first, nr);
	expect_true(thread_sleeps(thread, BLOCK_LIMIT_S),
		    "the second KVM_TDX_INIT_MEM_REGION waits for the first");
	return thread;
}

CASE(two_halves, "two vCPUs at once, half the pages each: one set of tables",
	TD_CONTENT, .needs_uffd = true, .cpus = 2)
{
	struct td_adds before = td_adds();
	struct blocked_add *b = blocked_add_part(t, 5, INIT_MEM_PAGES / 2, true);
	struct init_mem_scene half;
	struct thread *second = second_add(&half, b, INIT_MEM_PAGES / 2, INIT_MEM_PAGES / 2);

	expect_ok(blocked_add_resume(b), "the first half");
	expect_ok(thread_join(second, "the second half"), "the second half");
	expect_eq(pages_added(&b->s), INIT_MEM_PAGES, "pages that were added");
	expect_td_adds(before, INIT_MEM_PAGES, 3);
	td_finalize(b->s.vm);
	expect_measured(&b->s, INIT_MEM_PAGES);
}

CASE(same_pages, "two vCPUs at once, the same pages: the first call gets all, the second none",
	TD_CONTENT, .needs_uffd = true, .cpus = 2)
{
	struct blocked_add *b = blocked_add(t, 5, true);
	struct init_mem_scene same;
	struct thread *second = second_add(&same, b, 0, INIT_MEM_PAGES);

	expect_ok(blocked_add_resume(b), "the first call");
	expect_errno(thread_join(second, "the second call"), init_mem_twice_error(),
		     "the second call");
	expect_advanced(&b->s.region, &b->before, INIT_MEM_PAGES);
	expect_advanced(&same.region, &b->before, 0);
	expect_eq(pages_added(&b->s), INIT_MEM_PAGES, "pages that were added");
	td_finalize(b->s.vm);
	expect_measured(&b->s, INIT_MEM_PAGES);
}

TEST_MAIN("KVM_TDX_INIT_MEM_REGION beside other ioctls")
