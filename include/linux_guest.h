/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linux as the guest of a TD, without firmware: the 64-bit boot protocol
 * (Documentation/arch/x86/boot.rst), a memory map, the ACPI tables of a machine with one CPU
 * and nothing else, a serial port, and an initramfs whose init writes a line and restarts.
 *
 * The kernel is the bzImage that the environment variable KTS_GUEST_KERNEL names; it needs
 * CONFIG_INTEL_TDX_GUEST and CONFIG_SERIAL_8250_CONSOLE.
 */
#ifndef LINUX_GUEST_H
#define LINUX_GUEST_H

#include "td.h"
#include "types.h"

struct linux_guest;

/* Why there is no guest kernel on this host, in words a user can act on; NULL: there is one. */
const char *linux_guest_missing(void);
/* A TD with the kernel in its memory, ready to run. (.needs_guest_kernel) */
struct linux_guest *linux_guest(void);
/*
 * Runs until the guest restarts, by a triple fault (as a crash might: look at what it said);
 * whatever else ends it fails the case. Each line of its console
 * is a diagnostic line, "guest: ...". Conversions of memory are granted.
 */
void linux_guest_run(struct linux_guest *g);
/* Some line of the console has @text in it. */
bool linux_guest_said(const struct linux_guest *g, const char *text);
/* Bytes that the guest made shared. */
u64 linux_guest_shared(const struct linux_guest *g);

#endif /* LINUX_GUEST_H */
