/* SPDX-License-Identifier: GPL-2.0-only */
/* SEAMCALLs that an observer has recorded (OBSERVE(EV_SEAMCALL)), in order. */
#ifndef SEAMCALL_LOG_H
#define SEAMCALL_LOG_H

#include "observe.h"
#include "seamcall.h"

/* The calls for the observer's TD since the last clear; freed by the caller. */
struct seamcall *seamcalls(struct observer *o, size_t *nr);
/* How many of them are of @leaf, whatever their status. */
unsigned long seamcalls_of(struct observer *o, unsigned int leaf);
/*
 * How many did their work.  While vCPUs run, others may find the entry locked by
 * them (TDX_OPERAND_BUSY), and KVM calls again: their number says nothing.
 */
unsigned long seamcalls_done(struct observer *o, unsigned int leaf);
/* The same of a list. */
unsigned long count_seamcalls(const struct seamcall *calls, size_t nr, unsigned int leaf,
			      bool only_done);

#define expect_seamcalls_of(o, leaf, nr, ...)	expect_eq(seamcalls_of(o, leaf), nr, __VA_ARGS__)
#define expect_seamcalls_done(o, leaf, nr, ...)	expect_eq(seamcalls_done(o, leaf), nr, __VA_ARGS__)
/* They are these, in this order, and no others: CALL_BLOCK(gpa), CALL_TRACK, ... */
#define expect_seamcalls(o, ...)						\
	expect_seamcall_list(o, ((const struct seamcall[]){ __VA_ARGS__ }),	\
			     sizeof((const struct seamcall[]){ __VA_ARGS__ }) /	\
			     sizeof(struct seamcall))
#define expect_seamcall_list(o, list, nr) \
	expect_seamcall_list_(__FILE__, __LINE__, o, list, nr)
void expect_seamcall_list_(const char *file, int line, struct observer *o,
			   const struct seamcall *list, size_t nr);
/* There are none. */
#define expect_no_seamcalls(o)	expect_seamcall_list(o, NULL, 0)

#endif /* SEAMCALL_LOG_H */
