// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDs in a misc cgroup: each is charged while it exists; a TD above the limit is refused
 * and not charged.
 *
 * On kernels with C1 no TD can be created after the case, in any cgroup.  So it has a boot
 * of its own, and native hosts skip it on these kernels.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "known_issues.h"
#include "td.h"
#include "testcase.h"
#include "undo.h"

#define CGROUPS	"/sys/fs/cgroup"
#define CONTROL	CGROUPS "/cgroup.subtree_control"

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	ret = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Move the case to a new cgroup that may have one TD. Returns its path. */
static const char *enter_cgroup(void)
{
	const char *path = strf(CGROUPS "/ktdx-misc-%d", getpid());
	char controllers[256] = "";
	int fd = open(CONTROL, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, controllers, sizeof(controllers) - 1) < 0)
		test_skip("needs cgroup v2 at " CGROUPS);
	close(fd);
	if (!strstr(controllers, "misc")) {
		undo_write(CONTROL, "-misc");
		if (write_to(CONTROL, "+misc"))
			test_skip("needs the misc controller of cgroup v2 (CONFIG_CGROUP_MISC)");
	}
	undo_rmdir(path);
	must(!mkdir(path, 0755), "mkdir %s", path);
	if (write_to(strf("%s/misc.max", path), "tdx 1"))
		test_skip("this kernel does not count TDs in the misc cgroup (6.16 or newer)");
	must(!write_to(strf("%s/cgroup.procs", path), "0"), "cgroup.procs of %s", path);
	return path;
}

/* TDs that are charged to the cgroup at @path. */
static long charged(const char *path)
{
	FILE *f = fopen(strf("%s/misc.current", path), "re");
	char line[64];
	long tds = -1;

	must(f, "misc.current of %s", path);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "tdx %ld", &tds);
	fclose(f);
	return tds;
}

CASE(limit, "a TD above misc.max: EBUSY, the charges stay right",
	.xfail = "C1", .xfail_in_body = true, .vm_types = VM_TDX, .boot = BOOT_TDX_SPENT,
	.side_effects = "on kernels with C1 no TD can be created later; enables the misc controller")
{
	struct vm *first, *second;
	const char *cgroup;
	long seen;

	if (!getenv("KTS_TESTBED"))
		skip_if_issue("C1");
	cgroup = enter_cgroup();
	expect_eq(charged(cgroup), 0, "TDs charged to a new cgroup");
	first = td_create();
	expect_eq(charged(cgroup), 1, "TDs charged, with one TD");
	second = td_vm();
	expect_errno(__td_init(second, td_params(second), NULL), EBUSY,
		     "KVM_TDX_INIT_VM of a second TD, where misc.max is 1");
	seen = charged(cgroup);
	vm_close(second);
	if (seen == 0) {
		/* The count drops below zero when the first TD is destroyed: the kernel warns. */
		expect_splat();
		vm_close(first);
		xfail("C1", "a TD is refused, then %ld TDs are charged where one exists", seen);
	}
	expect_eq(seen, 1, "TDs charged, after a second one was refused");
	second = td_vm();
	expect_errno(__td_init(second, td_params(second), NULL), EBUSY,
		     "KVM_TDX_INIT_VM of a third TD");
	vm_close(first);
	expect_eq(charged(cgroup), 0, "TDs charged after the only TD is destroyed");
	expect_ok(__td_init(second, td_params(second), NULL), "KVM_TDX_INIT_VM, with room for a TD");
	expect_eq(charged(cgroup), 1, "TDs charged at the end");
	xpass("C1");
}

TEST_MAIN("TDs in the misc cgroup")
