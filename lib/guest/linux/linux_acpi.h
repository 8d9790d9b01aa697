/* SPDX-License-Identifier: GPL-2.0-only */
/* ACPI tables of a machine that has one CPU with an APIC, and no other hardware. */
#ifndef LINUX_ACPI_H
#define LINUX_ACPI_H

#include "types.h"

#define ACPI_SIZE	0x1000

/* Fills @tables, which will be at @gpa. The root pointer (RSDP) comes first. */
void linux_acpi(u8 *tables, u64 gpa);

#endif /* LINUX_ACPI_H */
