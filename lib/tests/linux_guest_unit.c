// SPDX-License-Identifier: GPL-2.0-only
/* The machine that a Linux guest sees: its serial port, its ACPI tables. */
#include <string.h>

#include "guest/linux/linux_acpi.h"
#include "testcase.h"
#include "guest/linux/uart.h"

enum { DATA, IER, FCR, LCR, MCR, LSR, MSR };

static void uart_sends(const struct test *t)
{
	struct uart u = { 0 };

	(void)t;
	expect_true(uart_write(&u, DATA, 'x'), "a byte is sent");
	expect_true(!uart_write(&u, IER, 0xff), "another register sends nothing");
	expect_eq(uart_read(&u, IER), 0x0f, "IER");
	uart_write(&u, LCR, 0x80);
	expect_true(!uart_write(&u, DATA, 1), "the divisor is not sent");
	expect_eq(uart_read(&u, DATA), 1, "divisor");
	uart_write(&u, LCR, 3);
	expect_eq(uart_read(&u, LSR), 0x60, "LSR: all is sent");
}

/* What Linux's 8250 driver looks at. */
static void uart_is_a_16550a(const struct test *t)
{
	struct uart u = { 0 };

	(void)t;
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

static void acpi_tables(const struct test *t)
{
	static const char *const expected[] = { "FACP", "APIC" };
	u8 tables[ACPI_SIZE];
	u64 xsdt, table;
	u32 length;

	(void)t;
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

static const struct test_case cases[] = {
	{ "uart_sends", "what is written to the serial port", uart_sends, .plain = true },
	{ "uart_is_a_16550a", "what a driver finds", uart_is_a_16550a, .plain = true },
	{ "acpi_tables", "the tables that matter, and their sums", acpi_tables,
	  .plain = true },
};

TEST_MAIN("the machine that a Linux guest sees", cases)
