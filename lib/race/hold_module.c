// SPDX-License-Identifier: GPL-2.0-only
/* Holding threads at functions of the kernel, by /dev/kvm_hold. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hold_backend.h"
#include "testcase.h"

#define DEVICE	"/dev/kvm_hold"

static const char *missing(void)
{
	if (!access(DEVICE, R_OK | W_OK))
		return NULL;
	return errno != ENOENT ? strf("needs " DEVICE ": %s", denial_text(errno)) :
		"needs " DEVICE ": the module kmod/kvm_hold.c, which the emulated hosts load";
}

static int arm(const struct kvm_hold_arm *arm)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	must(fd >= 0, "open " DEVICE);
	if (!ioctl(fd, KVM_HOLD_ARM, arm))
		return fd;
	close(fd);
	return -1;
}

static bool wait_for(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

static bool release(int fd)
{
	return !ioctl(fd, KVM_HOLD_RELEASE);
}

static void state(int fd, struct kvm_hold_state *state)
{
	must(!ioctl(fd, KVM_HOLD_STATE, state), "the state of " DEVICE);
}

static void disarm(int fd)
{
	close(fd);
}

const struct hold_backend hold_by_module = {
	.missing = missing, .arm = arm, .wait_for = wait_for, .release = release, .state = state,
	.disarm = disarm,
};
