/* SPDX-License-Identifier: GPL-2.0-only */
/* A 16550A serial port whose output is always gone at once, and which has no input. */
#ifndef UART_H
#define UART_H

#include <stdbool.h>
#include <stdint.h>

#define UART_REGISTERS	8

struct uart {
	uint8_t registers[UART_REGISTERS];
	uint8_t divisor[2];
};

uint8_t uart_read(const struct uart *u, unsigned int reg);
/* True: @value was sent. */
bool uart_write(struct uart *u, unsigned int reg, uint8_t value);

#endif /* UART_H */
