// SPDX-License-Identifier: GPL-2.0-only
/* The TDX module's view of a TD, by /dev/tdx_view. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sept.h"
#include "testcase.h"
#include "uapi/tdx_view.h"

#define OPERAND_BUSY		0x80000200	/* upper half of the status */
#define BUSY_TRIES		1000
#define EPT_WALK_FAILED		0xc0000b00	/* upper half of the status */

static const char *const state_names[] = {
	[SEPT_FREE] = "FREE", [SEPT_MAPPED] = "MAPPED", [SEPT_PENDING] = "PENDING",
	[SEPT_BLOCKED] = "BLOCKED", [SEPT_PENDING_BLOCKED] = "PENDING_BLOCKED",
	[SEPT_TABLE] = "NL_MAPPED", [SEPT_TABLE_BLOCKED] = "NL_BLOCKED",
	[SEPT_OTHER] = "OTHER",
};

const char *sept_state_name(enum sept_state state)
{
	return state_names[state];
}

const char *sept_missing(void)
{
	if (!access(SEPT_DEVICE, R_OK | W_OK))
		return NULL;
	return errno != ENOENT ? strf("needs " SEPT_DEVICE ": %s", denial_text(errno)) :
		"needs " SEPT_DEVICE ": on a host, make kmod KDIR=/lib/modules/$(uname -r)/build and insmod build/kmod/tdx_view.ko (docs/kmod.md); in the testbed, a kernel that it built";
}

/*
 * Somebody, of another TD too, works on what has the same lock in the TDX module: it does
 * not last.  True: ask again.
 */
static bool busy(u64 status, unsigned int *tries)
{
	if (status >> 32 != OPERAND_BUSY || ++*tries == BUSY_TRIES)
		return false;
	usleep(100);
	return true;
}

static int view(unsigned long cmd, void *arg)
{
	const struct test_case *tc = running_case();
	static int fd = -1;

	must_declare(tc->needs_sept || tc->uses_sept, ".needs_sept or .uses_sept");
	if (fd < 0)
		fd = open(SEPT_DEVICE, O_RDWR | O_CLOEXEC);
	must(fd >= 0, "open " SEPT_DEVICE);
	return ioctl(fd, cmd, arg);
}

u64 sept_tdr(struct vm *vm)
{
	struct tdx_view_td v = { .vm_fd = vm->fd };

	must(!view(TDX_VIEW_TD, &v), "the TD of a VM");
	return v.tdr;
}

/* As TDH.MEM.SEPT.RD reports it in bits 15:8 of RDX. */
static enum sept_state state_of(u64 level_state)
{
	switch (level_state >> 8 & 0xff) {
	case 0x00:
		return SEPT_FREE;
	case 0x01:
		return SEPT_BLOCKED;
	case 0x02:
		return SEPT_PENDING;
	case 0x03:
		return SEPT_PENDING_BLOCKED;
	case 0x04:
		return SEPT_MAPPED;
	case 0x81:
		return SEPT_TABLE_BLOCKED;
	case 0x84:
		return SEPT_TABLE;
	default:
		return SEPT_OTHER;
	}
}

static bool is_page(enum sept_state state)
{
	return state == SEPT_MAPPED || state == SEPT_PENDING || state == SEPT_BLOCKED ||
	       state == SEPT_PENDING_BLOCKED;
}

struct sept sept_entry(struct vm *vm, u64 gpa, int level)
{
	struct tdx_view_sept v = { .vm_fd = vm->fd, .level = level - 1,
				   .gpa = gpa & ~(LEVEL_SIZE(level) - 1) };
	unsigned int tries = 0;
	struct sept s;

	do {
		must(!view(TDX_VIEW_SEPT, &v), "reading the Secure EPT at gpa 0x%llx",
		     gpa);
	} while (busy(v.status, &tries));
	errno = EPROTO;
	must(!v.status || v.status >> 32 == EPT_WALK_FAILED,
	     "TDH.MEM.SEPT.RD of gpa 0x%llx: status 0x%llx", gpa,
	     v.status);
	s = (struct sept){ .level = (v.level_state & 0xff) + 1, .state = state_of(v.level_state),
			   .pfn = PFN_NONE, .entry = v.entry };
	if (is_page(s.state))
		s.pfn = (v.entry & 0xffffffffff000ULL) >> 12;
	return s;
}

struct sept sept_walk(struct vm *vm, u64 gpa)
{
	return sept_entry(vm, gpa, LEVEL_4K);
}

struct pamt pamt_of(struct vm *vm, u64 pfn, const struct mem *gmem, u64 gpa, int level)
{
	struct tdx_view_page v = { .vm_fd = vm->fd, .level = level - 1, .pfn = pfn,
				   .gpa = gpa & ~(LEVEL_SIZE(level) - 1),
				   .gmem_fd = gmem ? gmem->fd : -1 };
	unsigned int tries = 0;
	int ret;

	do {
		ret = view(TDX_VIEW_PAGE, &v);
	} while (!ret && busy(v.status, &tries));
	if (ret) {
		must(errno == EACCES || errno == EPERM, "reading the metadata of pfn 0x%llx",
		     pfn);
		return (struct pamt){ .type = errno == EPERM ? PAGE_IN_USE : PAGE_FOREIGN };
	}
	errno = EPROTO;
	must(!v.status, "TDH.PHYMEM.PAGE.RDMD of pfn 0x%llx: status 0x%llx",
	     pfn, v.status);
	return (struct pamt){ .type = v.type, .owner = v.owner, .level = v.size + 1 };
}

static const char *page_text(struct pamt p)
{
	const char *type = "another type";

	switch (p.type) {
	case PAGE_FREE:
		type = "free";
		break;
	case PAGE_RESERVED:
		type = "reserved";
		break;
	case PAGE_REGULAR:
		type = "regular";
		break;
	case PAGE_TDR:
		type = "TDR";
		break;
	case PAGE_TDCX:
		type = "TDCX";
		break;
	case PAGE_TDVPR:
		type = "TDVPR";
		break;
	case PAGE_SEPT:
		type = "SEPT";
		break;
	case PAGE_FOREIGN:
		return "a page of another TD";
	case PAGE_IN_USE:
		return "in use, and not at that gpa";
	}
	return strf("%s (%d), owner 0x%llx, %s", type, p.type, p.owner,
		    level_name(p.level));
}

void expect_pamt_(const char *file, int line, struct vm *vm, u64 pfn, enum page_type type,
		  const struct mem *gmem, u64 gpa, int level)
{
	struct pamt seen, expected;

	if (sept_missing())
		return;
	seen = pamt_of(vm, pfn, gmem, gpa, level);
	if (type == PAGE_FREE && seen.type == PAGE_IN_USE) {
		verbose("pfn 0x%llx is in use again", pfn);
		return;
	}
	expected = (struct pamt){ .type = type, .level = seen.level };
	if (type != PAGE_FREE)
		expected.level = LEVEL_4K;
	if (type != PAGE_FREE && type != PAGE_TDR)	/* a TDR has no owner */
		expected.owner = sept_tdr(vm);
	if (seen.type == expected.type && seen.owner == expected.owner &&
	    seen.level == expected.level)
		return;
	test_failed(file, line, strf("the PAMT entry of pfn 0x%llx", pfn),
		    page_text(expected), page_text(seen));
}

static const char *text(int level, enum sept_state state, u64 pfn)
{
	if (state == SEPT_FREE)
		return "FREE";
	return strf("%s, %s, pfn %s", level_name(level), sept_state_name(state),
		    pfn == PFN_ANY ? "any" : strf("0x%llx", pfn));
}

void expect_sept_free_at_(const char *file, int line, struct vm *vm, u64 gpa, int level)
{
	struct sept s;

	if (sept_missing())
		return;
	s = sept_walk(vm, gpa);
	if (s.state != SEPT_FREE || s.level != level)
		test_failed(file, line, strf("gpa 0x%llx in the SEPT (entry 0x%llx)", gpa, s.entry),
			    strf("the walk ends at level %d, %s", level, sept_state_name(SEPT_FREE)),
			    strf("it ends at level %d, %s", s.level, sept_state_name(s.state)));
}

void expect_sept_(const char *file, int line, struct vm *vm, u64 gpa, int level,
		  enum sept_state state, u64 pfn)
{
	struct sept s;

	if (sept_missing())
		return;
	s = sept_walk(vm, gpa);
	if (s.state == state && (state == SEPT_FREE || s.level == level) &&
	    (pfn == PFN_ANY || s.pfn == pfn))
		return;
	test_failed(file, line, strf("gpa 0x%llx in the SEPT (level %d, entry 0x%llx)",
				     gpa, s.level,
				     s.entry),
		    text(level, state, pfn),
		    text(s.level, s.state, pfn == PFN_ANY ? PFN_ANY : s.pfn));
}
