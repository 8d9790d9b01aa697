// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_INIT_VM on a host that is out of HKIDs or entropy.  The ioctl() of this file
 * stands in for the kernel's.
 */
#include <limits.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keyids.h"
#include "kvm_uapi.h"
#include "td.h"
#include "testcase.h"

static int error, times, calls;		/* the first @times calls fail */

int ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	(void)request;
	calls++;
	errno = error;
	return calls <= times ? -1 : 0;
}

static void init(void)
{
	struct vm vm = { .fd = -1 };

	td_init(&vm, calloc(1, sizeof(struct kvm_tdx_init_vm)));
}

/* There is entropy a moment later, or an HKID that another TD gives back. */
static void comes_back(const struct test *t)
{
	error = t->tc->param;
	times = 3;
	init();
	expect_eq(calls, 4, "calls");
}
CASES(comes_back,
	{ "entropy_comes", "no entropy at first: KVM_TDX_INIT_VM is repeated",
	  .param = EAGAIN, .plain = true },
	{ "keyid_comes", "no free HKID at first: KVM_TDX_INIT_VM is repeated",
	  .param = ENOSPC, .plain = true },
)

/* td_init() ends the case. */
static void manual_never(const struct test *t)
{
	error = t->tc->param;
	times = 1 << 30;
	init();
}
CASES(manual_never,
	{ "manual_no_keyid", "ENOSPC each time", .param = ENOSPC,
	  .manual = true, .plain = true },
	{ "manual_no_quota", "EBUSY each time", .param = EBUSY,
	  .manual = true, .plain = true },
	{ "manual_no_entropy", "EAGAIN each time", .param = EAGAIN,
	  .manual = true, .plain = true },
	{ "manual_refused", "EINVAL each time", .param = EINVAL,
	  .manual = true, .plain = true },
)

struct outcome {
	const char *name, *result;
};

static void ends(const struct test *t)
{
	const struct outcome *e = t->tc->arg;
	char line[512], program[PATH_MAX];
	bool found = false;
	/* Not "/proc/self/exe": under valgrind, exec of the link runs valgrind. */
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	FILE *out;

	must(length > 0, "the path of this program");
	program[length] = '\0';
	out = popen(strf("exec '%s' --case %s", program, e->name), "r");
	must(out, "running %s", program);
	while (fgets(line, sizeof(line), out))
		found |= strstr(line, e->result) != NULL;
	pclose(out);
	expect_true(found, "\"%s\" in the output of %s", e->result, e->name);
}
CASES(ends,
	{ "no_keyid", "no free HKID: SKIP with the reason",
	  .arg = &(const struct outcome){ "manual_no_keyid", "# SKIP all" },
	  .plain = true },
	{ "no_quota", "no HKID within the quota: SKIP with the reason",
	  .arg = &(const struct outcome){ "manual_no_quota", "# SKIP the misc cgroup" },
	  .plain = true },
	{ "no_entropy", "no entropy: not ok",
	  .arg = &(const struct outcome){ "manual_no_entropy", "got:      EAGAIN" },
	  .plain = true },
	{ "refused", "parameters that KVM refuses: not ok",
	  .arg = &(const struct outcome){ "manual_refused", "got:      EINVAL" },
	  .plain = true },
)

CASE(keyids, "HKIDs of the host, and how many are in use", .plain = true)
{
	char dir[] = "/tmp/td_init_unit.XXXXXX";
	struct keyids k;
	FILE *f;

	must(mkdtemp(dir), "a folder");
	k = keyids_of(dir);
	expect_eq(k.capacity, -1, "capacity where nothing tells");
	f = fopen(strf("%s/misc.capacity", dir), "w");
	must(f && fprintf(f, "sev 10\ntdx 63\n") > 0 && !fclose(f), "misc.capacity");
	f = fopen(strf("%s/misc.current", dir), "w");
	must(f && fprintf(f, "sev 1\ntdx 5\n") > 0 && !fclose(f), "misc.current");
	k = keyids_of(dir);
	unlink(strf("%s/misc.capacity", dir));
	unlink(strf("%s/misc.current", dir));
	rmdir(dir);
	expect_eq(k.capacity, 63, "HKIDs of the host");
	expect_eq(k.used, 5, "HKIDs in use");
}

TEST_MAIN("KVM_TDX_INIT_VM where HKIDs or entropy are short")
