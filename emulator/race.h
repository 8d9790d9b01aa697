/* SPDX-License-Identifier: GPL-2.0-only */
/* A race that is explored, in the process of one of its schedules; and what the edits of Bochs call. */
#ifndef RACE_H
#define RACE_H

#include "explore.h"

/* Memory accesses are to be told. */
extern bool race_watches;
/* An access by linear address: of reads afterwards, of writes before; rw as Bochs has it. */
void race_access(unsigned int cpu, uint64_t address, unsigned int rw);
void race_pause(unsigned int cpu);

/* The schedule of this process. */
void race_task(const struct task *task);
/* Between the CPUs' meeting and the judgement; @cpu has done its part; how it went. */
void race_begin(void);
void race_leave(unsigned int cpu);
void race_end(void);
const struct scheduler *race_scheduler(void);

/* A schedule decides which CPU executes: that, or -1 if all wait; and it has done so. */
bool race_rules(void);
int race_next(void);
void race_ran(unsigned int cpu, uint64_t instructions);

#endif
