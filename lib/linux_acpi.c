// SPDX-License-Identifier: GPL-2.0-only
/* Layouts and names are those of the ACPI specification 6.4, chapter 5. */
#include <stddef.h>
#include <string.h>

#include "linux_acpi.h"

#define PACKED __attribute__((packed))

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} PACKED;

struct xsdt {
	struct header header;
	uint64_t tables[2];
} PACKED;

#define NO_VGA		(1U << 2)
#define NO_CMOS_RTC	(1U << 5)
#define HARDWARE_REDUCED (1U << 20)

struct fadt {
	struct header header;
	uint8_t legacy[109 - sizeof(struct header)];
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	uint8_t reset[15];
	uint8_t minor_version;
	uint64_t facs, dsdt;
	uint8_t rest[276 - 148];
} PACKED;

struct local_apic {
	uint8_t type, length, uid, id;
	uint32_t flags;		/* 1: enabled */
} PACKED;

struct madt {
	struct header header;
	uint32_t apic_address, flags;
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
static uint8_t checksum(const void *data, uint32_t size)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	while (size--)
		sum -= *bytes++;
	return sum;
}

static void finish(struct header *h, const char *signature, uint8_t revision, uint32_t size)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	memcpy(h->oem_id, "SELFTS", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "TDXGUEST", sizeof(h->oem_table_id));
	memcpy(h->creator_id, "TEST", sizeof(h->creator_id));
	h->length = size;
	h->revision = revision;
	h->checksum = checksum(h, size);
}

void linux_acpi(uint8_t *at, uint64_t gpa)
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
