// SPDX-License-Identifier: GPL-2.0-only
/* Binary statistics of KVM: KVM_GET_STATS_FD (api.rst, 4.133). */
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "testcase.h"
#include "vm.h"

static u64 read_stat(int stats_fd, const char *name)
{
	struct kvm_stats_header header;
	u64 value = 0;
	char *descs;
	size_t size;

	must(pread(stats_fd, &header, sizeof(header), 0) == sizeof(header),
	     "read of the header of KVM's statistics");
	size = sizeof(struct kvm_stats_desc) + header.name_size;
	descs = malloc(header.num_desc * size);
	must(pread(stats_fd, descs, header.num_desc * size, header.desc_offset) ==
	     (ssize_t)(header.num_desc * size), "read of the list of KVM's statistics");

	for (u32 i = 0; i < header.num_desc; i++) {
		struct kvm_stats_desc *desc = (void *)(descs + i * size);

		if (strcmp(desc->name, name))
			continue;
		must(pread(stats_fd, &value, sizeof(value),
			   header.data_offset + desc->offset) == sizeof(value),
		     "read of statistic %s", name);
		free(descs);
		return value;
	}
	errno = ENOENT;
	must(false, "KVM statistic %s", name);
	return 0;
}

static u64 stat_of(int fd, const char *name)
{
	int stats_fd = ioctl(fd, KVM_GET_STATS_FD, NULL);
	u64 value;

	expect_ok(stats_fd, "KVM_GET_STATS_FD");
	value = read_stat(stats_fd, name);
	close(stats_fd);
	return value;
}

u64 vm_stat(struct vm *vm, const char *name)
{
	return stat_of(vm->fd, name);
}

u64 vcpu_stat(struct vcpu *vcpu, const char *name)
{
	return stat_of(vcpu->fd, name);
}
