/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private KeyIDs (HKIDs): each TD of the host holds one, from KVM_TDX_INIT_VM until
 * its last file descriptor is closed.  The misc controller of cgroup v2 counts them
 * (arch/x86/kvm/vmx/tdx.c charges MISC_CG_RES_TDX).
 */
#ifndef KEYIDS_H
#define KEYIDS_H

/* -1: this host does not tell (no misc controller, another cgroup hierarchy). */
struct keyids {
	long capacity;		/* of the host */
	long used;		/* by all TDs of the host */
};

/* As the root cgroup, mounted at @cgroups, has it. */
struct keyids keyids_of(const char *cgroups);
/* The same of this host. */
struct keyids keyids(void);
/* "all 63", "all": for sentences about them. */
const char *keyids_text(void);

#endif /* KEYIDS_H */
