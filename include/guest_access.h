/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest guest that accesses memory: a few bytes of real-mode code that access
 * one gpa and report on a port.  For VMs whose registers user space may set, so not
 * for TDs.
 */
#ifndef GUEST_ACCESS_H
#define GUEST_ACCESS_H

#include "slot.h"
#include "types.h"
#include "vm.h"

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

/* Give @vcpu a slot with the code, below 1M. */
void guest_access_create(struct vcpu *vcpu);

/*
 * What the guest runs when it executes the page at @hva: it says "done", and
 * @value.
 */
void guest_access_put_code(void *hva, u8 value);

/*
 * The next KVM_RUN is one access to the first byte of the page at @gpa, below 4G; a
 * write stores @value.
 */
void guest_access_prepare(struct vcpu *vcpu, u64 gpa, enum access how, u8 value);

/* The access. As KVM_RUN: 0, or -1 with errno; the exit is in vcpu->run. */
int __guest_access(struct vcpu *vcpu, u64 gpa, enum access how, u8 value);

/* The access must succeed; returns the byte that the guest read, wrote or says. */
u8 guest_access(struct vcpu *vcpu, u64 gpa, enum access how, u8 value);

#endif /* GUEST_ACCESS_H */
