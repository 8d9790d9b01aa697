/* SPDX-License-Identifier: GPL-2.0-only */
/* Words of recorded exchanges, and what they stand for. */
#ifndef SOFTTDX_EXCHANGES_H
#define SOFTTDX_EXCHANGES_H

#include "world.h"

#define NR_NAMED_PAGES 16
#define EXCHANGE_REGISTERS 6		/* rcx, rdx, r8 to r11: those that the module answers in */

struct exchange {
	char name[128];
	struct world *w;
	struct td td;
	u64 pages[NR_NAMED_PAGES], large[NR_NAMED_PAGES];	/* page0, large0 ...; 0: not used yet */
	struct softtdx_regs in;
	struct softtdx_guest act;
	u64 status;
	bool entered, asked;
	u16 *lock;			/* that is held for somebody else, or NULL */
	u64 *entry;			/* the same, of the Secure EPT */
};

extern const char *const exchange_registers[EXCHANGE_REGISTERS];
extern const char *const exchange_gpr[16];

/* Terms joined by + and |: hex numbers and names. False: not understood. */
bool exchange_read(struct exchange *x, const char *text, u64 *value);
/* Name of a status, or a number, and its operand. */
bool exchange_status(struct exchange *x, const char *text, u64 *status);
/* TDH.NAME, or TDH.NAME/VERSION. */
bool exchange_leaf(const char *text, u64 *rax);
/* Puts the case into a state; false: the words are not understood. */
bool exchange_given(struct exchange *x, const char *text);
/* A member of what a guest does, or of what it finds. */
bool exchange_act(struct softtdx_guest *act, const char *name, u64 value);
u64 *exchange_register(struct softtdx_regs *regs, const char *name);
u64 *exchange_nth(struct softtdx_regs *regs, int i);

/* The other way, into text. */
const char *exchange_write(struct exchange *x, u64 value, char text[64]);
const char *exchange_write_status(u64 status, char text[64]);

#endif
