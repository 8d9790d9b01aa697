/* SPDX-License-Identifier: GPL-2.0-only */
/* For each leaf a TD in the right state and operands with which it succeeds. */
#ifndef SOFTTDX_READY_CALL_H
#define SOFTTDX_READY_CALL_H

#include "world.h"

#define R(reg) (u8)(offsetof(struct softtdx_regs, reg) / 8)

/* An operand that is the address of a private page. */
struct page_operand {
	u8 reg;			/* index in struct softtdx_regs; 0xFF: none */
	u32 op;
	enum page_type type;	/* what the page must be */
};
#define NO_PAGE { 0xFF, 0, PT_NDA }

struct ready_call {
	u16 leaf;
	enum stage stage;
	u8 states;		/* op-states in which it may run; 0: any, or checked otherwise */
	bool tree;		/* walks the Secure EPT under its lock */
	bool entry;		/* locks the entry */
	struct page_operand pages[3];
	void (*prepare)(struct world *w, struct td *td, struct softtdx_regs *regs);
};

extern const struct ready_call ready_calls[];
extern const u32 nr_ready_calls;

void ready(struct world *w, const struct ready_call *r, struct td *td, struct softtdx_regs *regs);

#endif
