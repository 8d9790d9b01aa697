// SPDX-License-Identifier: GPL-2.0-only
/* As much of it as the probe of Linux's 8250 driver looks at: it then sends by FIFO. */
#include "guest/linux/uart.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR };
#define FCR		IIR	/* the same address, written */
#define FCR_ENABLE	0x01
#define IIR_NONE	0x01
#define IIR_FIFO	0xc0
#define LCR_DIVISOR	0x80
#define MCR_LOOP	0x10
#define LSR_EMPTY	0x60
#define MSR_CONNECTED	0xb0

static bool is_divisor(const struct uart *u, unsigned int reg)
{
	return reg <= IER && u->registers[LCR] & LCR_DIVISOR;
}

/* In the loop, the outputs RTS, DTR, OUT1 and OUT2 are the inputs CTS, DSR, RI and DCD. */
static u8 modem_status(u8 mcr)
{
	if (!(mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return (mcr & 2) << 3 | (mcr & 1) << 5 | (mcr & 4) << 4 | (mcr & 8) << 4;
}

u8 uart_read(const struct uart *u, unsigned int reg)
{
	if (is_divisor(u, reg))
		return u->divisor[reg];
	if (reg == DATA)
		return 0;
	if (reg == IIR)
		return IIR_NONE | (u->registers[FCR] & FCR_ENABLE ? IIR_FIFO : 0);
	if (reg == LSR)
		return LSR_EMPTY;
	if (reg == MSR)
		return modem_status(u->registers[MCR]);
	return u->registers[reg];
}

bool uart_write(struct uart *u, unsigned int reg, u8 value)
{
	bool sent = reg == DATA && !is_divisor(u, reg);

	if (is_divisor(u, reg))
		u->divisor[reg] = value;
	else
		u->registers[reg] = reg == IER ? value & 0xf : value;
	return sent && !(u->registers[MCR] & MCR_LOOP);
}
