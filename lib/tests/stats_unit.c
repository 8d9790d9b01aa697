// SPDX-License-Identifier: GPL-2.0-only
/* Statistics of KVM, read from a file laid out as Documentation/virt/kvm/api.rst says. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testcase.h"
#include "vm.h"

#define NAME_SIZE	48

struct stats_file {
	struct kvm_stats_header header;
	char id[NAME_SIZE];
	struct {			/* struct kvm_stats_desc */
		u32 flags;
		s16 exponent;
		u16 size;
		u32 offset;
		u32 bucket_size;
		char name[NAME_SIZE];
	} descs[3];
	u64 gap;
	u64 data[4];
};

static const struct stats_file file = {
	.header = {
		.name_size = NAME_SIZE,
		.num_desc = 3,
		.id_offset = offsetof(struct stats_file, id),
		.desc_offset = offsetof(struct stats_file, descs),
		.data_offset = offsetof(struct stats_file, data),
	},
	.id = "kvm-1",
	/* The order of the data is not that of the descriptors. */
	.descs = {
		{ .name = "pages_4k", .size = 1, .offset = 8 },
		{ .name = "histogram", .size = 2, .offset = 16 },
		{ .name = "pages", .size = 1, .offset = 0 },
	},
	.gap = 0xbad,
	.data = { 3, 0x100000004, 5, 6 },
};

/* Replaces that of libc: returns the file in place of KVM's. */
int ioctl(int fd, unsigned long request, ...)
{
	if (request != KVM_GET_STATS_FD) {
		errno = ENOTTY;
		return -1;
	}
	return dup(fd);
}

CASE(by_name, "A statistic is found by its name", .plain = true)
{
	struct vm vm = { .fd = memfd_create("stats", MFD_CLOEXEC) };
	struct vcpu vcpu = { .fd = vm.fd };

	must(write(vm.fd, &file, sizeof(file)) == sizeof(file), "write of %zu bytes",
	     sizeof(file));
	expect_eq(vm_stat(&vm, "pages_4k"), 0x100000004, "pages_4k");
	expect_eq(vm_stat(&vm, "pages"), 3, "pages");
	expect_eq(vm_stat(&vm, "histogram"), 5, "the first value of the histogram");
	expect_eq(vcpu_stat(&vcpu, "pages"), 3, "pages, asked of a vCPU");
}

TEST_MAIN("binary statistics of KVM")
