// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TDX_INIT_VM on a host that has no HKID or no entropy just then.  This file's
 * ioctl() stands in for the kernel's.
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

/* Entropy, or an HKID that a TD gives back: a moment later it is there. */
static void comes_back(const struct test *t)
{
	error = *(const int *)t->tc->arg;
	times = 3;
	init();
	expect_eq(calls, 4, "calls");
}

/* On request: what runs into td_init()'s end. */
static void on_request_never(const struct test *t)
{
	error = *(const int *)t->tc->arg;
	times = 1 << 30;
	init();
}

struct ending {
	const char *name, *result;
};

static const struct ending
	no_keyid = { "on_request_no_keyid", "# SKIP all" },
	no_quota = { "on_request_no_quota", "# SKIP the misc cgroup" },
	no_entropy = { "on_request_no_entropy", "seen:     EAGAIN" },
	refused = { "on_request_refused", "seen:     EINVAL" };

static void ends(const struct test *t)
{
	const struct ending *e = t->tc->arg;
	char line[512], program[PATH_MAX];
	bool found = false;
	/* The path, which also valgrind tells: behind the link itself is valgrind. */
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

static void keyids_are_read(const struct test *t)
{
	char dir[] = "/tmp/td_init_unit.XXXXXX";
	struct keyids k;
	FILE *f;

	(void)t;
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

static const int eagain = EAGAIN, enospc = ENOSPC, ebusy = EBUSY, einval = EINVAL;

#define PLAIN	.plain = true
#define REQUEST	.plain = true, .manual = true

static const struct test_case cases[] = {
	{ "entropy_comes", "no entropy, then some", comes_back, &eagain, PLAIN },
	{ "keyid_comes", "no HKID, then one is free", comes_back, &enospc, PLAIN },
	{ "no_keyid", "no HKID: skipped, and says why", ends, &no_keyid, PLAIN },
	{ "no_quota", "no HKID allowed: skipped, and says why", ends, &no_quota, PLAIN },
	{ "no_entropy", "no entropy at all: failed", ends, &no_entropy, PLAIN },
	{ "refused", "parameters that KVM refuses: failed, at once", ends, &refused, PLAIN },
	{ "keyids", "HKIDs of the host, and in use", keyids_are_read, PLAIN },
	{ "on_request_no_keyid", "never an HKID", on_request_never, &enospc, REQUEST },
	{ "on_request_no_quota", "never a quota", on_request_never, &ebusy, REQUEST },
	{ "on_request_no_entropy", "never entropy", on_request_never, &eagain, REQUEST },
	{ "on_request_refused", "never right", on_request_never, &einval, REQUEST },
};

TEST_MAIN("KVM_TDX_INIT_VM where HKIDs or entropy are short", cases)
