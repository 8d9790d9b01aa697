// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPU executes next, in the place of Bochs' own loop: each a trace in turn, or as a
 * schedule says (race.h).  A trace is up to 32 instructions, and ends with a branch that is
 * taken.  When a schedule finds none that can run, time passes at once up to the next timer.
 */
#include "bochs.h"
#include "cpu.h"
#include "gui/siminterface.h"
#include "param_names.h"
#include "pc_system.h"

#include "loop.h"
#include "race.h"

/* Outside of the loop, which exceptions and VM exits come back to by longjmp(). */
static unsigned processor;
static Bit32u executed, quantum;
static bool ruled;		/* a schedule decides */

static void pass_time(void)
{
	BX_TICKN(bx_pc_system.getNumCpuTicksLeftNextEvent());
}

static void pass_executed(void)
{
	if (executed < (Bit32u)BX_SMP_PROCESSORS)
		return;
	BX_TICKN(executed / BX_SMP_PROCESSORS);
	executed %= BX_SMP_PROCESSORS;
}

static Bit32u instructions(BX_CPU_C *cpu)
{
	Bit64u before = cpu->icount_last_sync;

	cpu->icount_last_sync = cpu->get_icount();
	return (Bit32u)(cpu->icount_last_sync - before);
}

/* The next in turn; behind the last one time passes. */
static void next_in_turn(void)
{
	executed += instructions(BX_CPU(processor)) ?: quantum;	/* 0: it waits */
	if (++processor < (unsigned)BX_SMP_PROCESSORS)
		return;
	processor = 0;
	pass_executed();
}

static void ran(void)
{
	if (ruled) {
		Bit32u n = instructions(BX_CPU(processor));

		race_ran(processor, n);
		executed += n;
		pass_executed();
	} else {
		next_in_turn();
	}
}

/* A schedule begins, or ends. */
static void change_rule(void)
{
	ruled = race_rules();
	processor = 0;
	executed = 0;
	for (int i = 0; i < BX_SMP_PROCESSORS; i++)
		instructions(BX_CPU(i));
}

/* Chooses the CPU; false if none can run. */
static bool choose(void)
{
	int next;

	if (ruled != race_rules())
		change_rule();
	if (!ruled)
		return true;
	next = race_next();
	if (next >= 0)
		processor = next;
	return next >= 0;
}

void machine_loop(void)
{
	quantum = SIM->get_param_num(BXPN_SMP_QUANTUM)->get();
	if (setjmp(BX_CPU_C::jmp_buf_env)) {
		BX_CPU(processor)->icount++;
		ran();
	}
	while (!bx_pc_system.kill_bochs_request) {
		if (choose()) {
			BX_CPU(processor)->cpu_run_trace();
			ran();
		} else {
			pass_time();
		}
	}
}
