/* SPDX-License-Identifier: GPL-2.0-only */
/* The module of the emulated machine, and its control: what C++ and C share. */
#ifndef MODULE_H
#define MODULE_H

#include "../model/softtdx.h"

extern struct softtdx softtdx;

/* violations.c: the model's report(). */
void softtdx_report(void *env, const struct softtdx_report *report);

/* private.cc: the model's held(); nothing is held after a reset of the machine. */
void private_memory_held(void *env, u64 hpa, u64 size, bool held);
void private_memory_reset(void);

/* accesses.c: software reads or writes what the module holds. True: it is memory of a guest. */
enum private_kind { PRIVATE_READ, PRIVATE_WRITE, PRIVATE_EXECUTE };
struct private_access {
	enum private_kind kind;
	u64 hpa, rip;
	u32 cpu;
	u8 cpl;
	bool in_vm;			/* rip and cpl are those of a guest that is no TD */
};
bool private_accessed(const struct private_access *access);

/* watch.c: is this page watched, each access to it, it is the module's now, none is watched. */
bool is_watched(u64 hpa);
void watched_access(const struct private_access *access);
void unwatch(u64 hpa);
void clear_watch(void);
/* private.cc: accesses to the page take the long way, or not any more; false: the module holds it. */
bool watch_page(u64 hpa, bool on);

/* control.c: a request of the guest's user space; RAX. data: RBX, RDX, RSI, RDI. */
u64 control_request(u32 ecx, u64 data[4]);
/* After a reset of the machine: no sessions, empty logs. */
void control_reset(void);

/* seam.cc: is a SEAMCALL under way, on any CPU? */
bool seam_is_busy(void);
/* All of those release their locks, and take them back. */
void seam_let_go(void);
void seam_take_back(void);

#endif
