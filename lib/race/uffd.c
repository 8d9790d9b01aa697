// SPDX-License-Identifier: GPL-2.0-only
/* Memory whose pages userfaultfd supplies. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testcase.h"
#include "uffd.h"

const char *uffd_denied(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return denial_text(errno);
	close(fd);
	return NULL;
}

struct uffd_region uffd_region_create(void *hva, size_t size)
{
	struct uffd_region l = { .fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)hva, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	must_declare(running_case()->needs_uffd, ".needs_uffd");
	must(l.fd >= 0 && !ioctl(l.fd, UFFDIO_API, &api), "userfaultfd");
	must(!ioctl(l.fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER of %p, %zu bytes", hva, size);
	/* MADV_REMOVE for shared memory, where DONTNEED keeps the page. */
	if (madvise(hva, size, MADV_REMOVE))
		must(!madvise(hva, size, MADV_DONTNEED), "dropping the pages at %p", hva);
	return l;
}

void *uffd_wait_fault(const struct uffd_region *l, double seconds)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pfd, 1, seconds * 1000) != 1)
		return NULL;
	must(read(l->fd, &msg, sizeof(msg)) == sizeof(msg) &&
	     msg.event == UFFD_EVENT_PAGEFAULT, "userfault message");
	return (void *)(uintptr_t)(msg.arg.pagefault.address & ~(SZ_4K - 1));
}

void uffd_resolve(const struct uffd_region *l, void *hva, const void *page)
{
	static const u8 zeroes[SZ_4K] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)hva, .src = (uintptr_t)(page ?: zeroes), .len = SZ_4K,
	};
	int ret;

	/* EAGAIN: the mappings of this process are changing just now. */
	do {
		copy.copy = 0;
		ret = ioctl(l->fd, UFFDIO_COPY, &copy);
	} while (ret && errno == EAGAIN);
	must(!ret, "UFFDIO_COPY to %p", hva);
}
