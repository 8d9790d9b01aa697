// SPDX-License-Identifier: GPL-2.0-only
/* Layouts and names are those of the ACPI specification 6.4, chapter 5. */
#include <stddef.h>
#include <string.h>

#include "guest/linux/linux_acpi.h"

#define PACKED __attribute__((packed))

struct header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision;
	char creator_id[4];
	u32 creator_revision;
} PACKED;

struct rsdp {
	char signature[8];
	u8 checksum;
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum, reserved[3];
} PACKED;

struct xsdt {
	struct header header;
	u64 tables[2];
} PACKED;

#define NO_VGA		(1U << 2)
#define NO_CMOS_RTC	(1U << 5)
#define HARDWARE_REDUCED (1U << 20)

struct fadt {
	struct header header;
	u8 legacy[109 - sizeof(struct header)];
	u16 boot_flags;
	u8 reserved;
	u32 flags;
	u8 reset[15];
	u8 minor_version;
	u64 facs, dsdt;
	u8 rest[276 - 148];
} PACKED;

struct local_apic {
	u8 type, length, uid, id;
	u32 flags;		/* 1: enabled */
} PACKED;

struct madt {
	struct header header;
	u32 apic_address, flags;
	struct local_apic cpu;
} PACKED;

_Static_assert(sizeof(struct header) == 36, "header");
_Static_assert(sizeof(struct rsdp) == 36, "RSDP");
_Static_assert(sizeof(struct fadt) == 276, "FADT");

/* All tables, one behind the other. */
struct tables {
	struct rsdp rsdp;
	struct xsdt xsdt;
	struct fadt fadt;
	struct madt madt;
	struct header dsdt;	/* without contents */
} PACKED;

_Static_assert(sizeof(struct tables) <= ACPI_SIZE, "all of it");

/* The byte that makes the sum of all bytes zero. */
static u8 checksum(const void *data, u32 size)
{
	const u8 *bytes = data;
	u8 sum = 0;

	while (size--)
		sum -= *bytes++;
	return sum;
}

static void finish(struct header *h, const char *signature, u8 revision, u32 size)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	memcpy(h->oem_id, "SELFTS", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "TDXGUEST", sizeof(h->oem_table_id));
	memcpy(h->creator_id, "TEST", sizeof(h->creator_id));
	h->length = size;
	h->revision = revision;
	h->checksum = checksum(h, size);
}

void linux_acpi(u8 *at, u64 gpa)
{
	struct tables t = {
		.rsdp = {
			.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' }, .revision = 2,
			.length = sizeof(t.rsdp), .xsdt = gpa + offsetof(struct tables, xsdt),
		},
		.xsdt.tables = { gpa + offsetof(struct tables, fadt),
				 gpa + offsetof(struct tables, madt) },
		.fadt = {
			.boot_flags = NO_VGA | NO_CMOS_RTC,
			.flags = HARDWARE_REDUCED, .minor_version = 4,
			.dsdt = gpa + offsetof(struct tables, dsdt),
		},
		.madt = {
			.apic_address = 0xfee00000,
			.cpu = { .length = sizeof(t.madt.cpu), .flags = 1 },
		},
	};

	finish(&t.xsdt.header, "XSDT", 1, sizeof(t.xsdt));
	finish(&t.fadt.header, "FACP", 6, sizeof(t.fadt));
	finish(&t.madt.header, "APIC", 5, sizeof(t.madt));
	finish(&t.dsdt, "DSDT", 2, sizeof(t.dsdt));
	t.rsdp.checksum = checksum(&t.rsdp, 20);
	t.rsdp.extended_checksum = checksum(&t.rsdp, sizeof(t.rsdp));
	memcpy(at, &t, sizeof(t));
}
