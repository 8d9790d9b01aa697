/* SPDX-License-Identifier: GPL-2.0-only */
/* A 16550A serial port whose output is always gone at once, and which has no input. */
#ifndef UART_H
#define UART_H

#include <stdbool.h>

#include "types.h"

#define UART_REGISTERS	8

struct uart {
	u8 registers[UART_REGISTERS];
	u8 divisor[2];
};

u8 uart_read(const struct uart *u, unsigned int reg);
/* True: @value was sent. */
bool uart_write(struct uart *u, unsigned int reg, u8 value);

#endif /* UART_H */
