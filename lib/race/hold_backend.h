/* SPDX-License-Identifier: GPL-2.0-only */
/* What holds threads for hold.c: the module kmod/kvm_hold.c, or BPF programs. */
#ifndef HOLD_BACKEND_H
#define HOLD_BACKEND_H

#include <stdbool.h>

#include "uapi/kvm_hold.h"

struct hold_backend {
	/* Why it cannot hold here, or NULL. */
	const char *(*missing)(void);
	/* Begin; a handle >= 0, or -1 and errno. */
	int (*arm)(const struct kvm_hold_arm *arm);
	/* Wait until a thread is held; false after @ms. */
	bool (*wait_for)(int handle, int ms);
	/* False: nobody is held. */
	bool (*release)(int handle);
	void (*state)(int handle, struct kvm_hold_state *state);
	void (*disarm)(int handle);
	/* What holds in no sleep must end before the kernel complains, after 20 s; 0: any. */
	unsigned int max_limit_ms;
};

extern const struct hold_backend hold_by_module, hold_by_bpf;

#endif /* HOLD_BACKEND_H */
