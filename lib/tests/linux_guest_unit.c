// SPDX-License-Identifier: GPL-2.0-only
/* The serial port and the ACPI tables of a Linux guest. */
#include <string.h>

#include "guest/linux/linux_acpi.h"
#include "guest/linux/uart.h"
#include "testcase.h"

enum { DATA, IER, FCR, LCR, MCR, LSR, MSR };

CASE(uart_sends, "bytes written to the serial port are sent, and no others", .plain = true)
{
	struct uart u = { 0 };

	expect_true(uart_write(&u, DATA, 'x'), "a byte is sent");
	expect_true(!uart_write(&u, IER, 0xff), "another register sends nothing");
	expect_eq(uart_read(&u, IER), 0x0f, "IER");
	uart_write(&u, LCR, 0x80);
	expect_true(!uart_write(&u, DATA, 1), "the divisor is not sent");
	expect_eq(uart_read(&u, DATA), 1, "divisor");
	uart_write(&u, LCR, 3);
	expect_eq(uart_read(&u, LSR), 0x60, "LSR: all is sent");
}

/* As the 8250 driver of Linux detects it. */
CASE(uart_is_a_16550a, "the serial port is detected as a 16550A", .plain = true)
{
	struct uart u = { 0 };

	uart_write(&u, MCR, 0x1a);
	expect_eq(uart_read(&u, MSR), 0x90, "MSR in the loop");
	expect_true(!uart_write(&u, DATA, 'x'), "nothing leaves the loop");
	expect_eq(uart_read(&u, FCR), 0x01, "IIR without FIFO");
	uart_write(&u, FCR, 1);
	expect_eq(uart_read(&u, FCR), 0xc1, "IIR with FIFO");
}

static u8 sum(const u8 *bytes, size_t size)
{
	u8 total = 0;

	while (size--)
		total += *bytes++;
	return total;
}

#define GPA_OF_TABLES	0x9f000

CASE(acpi_tables, "ACPI tables that Linux needs, and their checksums", .plain = true)
{
	static const char *const expected[] = { "FACP", "APIC" };
	u8 tables[ACPI_SIZE];
	u64 xsdt, table;
	u32 length;

	linux_acpi(tables, GPA_OF_TABLES);
	expect_eq(sum(tables, 20), 0, "sum of the RSDP's first part");
	expect_eq(sum(tables, 36), 0, "sum of the RSDP");
	memcpy(&xsdt, tables + 24, sizeof(xsdt));
	xsdt -= GPA_OF_TABLES;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		memcpy(&table, tables + xsdt + 36 + 8 * i, sizeof(table));
		table -= GPA_OF_TABLES;
		expect_true(!memcmp(tables + table, expected[i], 4), "a %s", expected[i]);
		memcpy(&length, tables + table + 4, sizeof(length));
		expect_eq(sum(tables + table, length), 0, "sum of the %s", expected[i]);
	}
}

TEST_MAIN("devices and tables of a Linux guest")
