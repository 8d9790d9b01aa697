// SPDX-License-Identifier: GPL-2.0-only
/* The scheduler's eyes and hands in Bochs. */
#include "bochs.h"
#include "cpu.h"

#include "conflicts.h"
#include "race.h"

bool race_watches;

static struct task task;
static struct scheduler scheduler;
static bool in_race;

void race_task(const struct task *t)
{
	task = *t;
	scheduler_begin(&scheduler, &task.schedule, BX_SMP_PROCESSORS);
}

void race_begin(void)
{
	in_race = true;
	race_watches = true;
}

void race_leave(unsigned cpu)
{
	scheduler_leave(&scheduler, cpu);
	BX_CPU(cpu)->async_event |= BX_ASYNC_EVENT_STOP_TRACE;
}

void race_end(void)
{
	in_race = false;
	race_watches = false;
}

const struct scheduler *race_scheduler(void)
{
	return &scheduler;
}

bool race_rules(void)
{
	return in_race && !task.fixed;
}

void race_access(unsigned cpu, uint64_t address, unsigned rw)
{
	bool write = rw & 1;

	if (task.learn) {
		conflicts_record(cpu, address, write);
	} else if (conflicts_at(address)) {
		struct met met;

		memset(&met, 0, sizeof(met));	/* padding, too: it is compared */
		met.cpu = cpu;
		met.rip = BX_CPU(cpu)->prev_rip;
		met.address = address;

		if (task.trace && !scheduler.left[cpu])
			explore_accessed(&met, write);
		if (scheduler_access(&scheduler, &met, write))
			BX_CPU(cpu)->async_event |= BX_ASYNC_EVENT_STOP_TRACE;
	}
}

void race_pause(unsigned cpu)
{
	if (race_rules() && scheduler_pause(&scheduler, cpu))
		BX_CPU(cpu)->async_event |= BX_ASYNC_EVENT_STOP_TRACE;
}

/* Would it execute anything, or wait?  Of what ends the waiting of a CPU. */
bool BX_CPU_C::can_run(void)
{
	const Bit32u interrupts = BX_EVENT_PENDING_INTR | BX_EVENT_PENDING_LAPIC_INTR |
				  BX_EVENT_PENDING_UINTR;
	const Bit32u others = BX_EVENT_NMI | BX_EVENT_SMI | BX_EVENT_INIT |
			      BX_EVENT_VMX_VTPR_UPDATE | BX_EVENT_VMX_VEOI_UPDATE |
			      BX_EVENT_VMX_VIRTUAL_APIC_WRITE | BX_EVENT_VMX_MONITOR_TRAP_FLAG |
			      BX_EVENT_VMX_VIRTUAL_NMI | BX_EVENT_VMX_PREEMPTION_TIMER_EXPIRED;

	if (activity_state == BX_ACTIVITY_STATE_ACTIVE)
		return true;
	if (activity_state == BX_ACTIVITY_STATE_WAIT_FOR_SIPI)
		return false;
	return (is_pending(interrupts) &&
		(get_IF() || activity_state == BX_ACTIVITY_STATE_MWAIT_IF)) ||
	       is_unmasked_event_pending(others);
}

int race_next(void)
{
	unsigned can_run = 0;

	for (int i = 0; i < BX_SMP_PROCESSORS; i++)
		can_run |= (unsigned)BX_CPU(i)->can_run() << i;
	return scheduler_choose(&scheduler, can_run);
}

void race_ran(unsigned cpu, uint64_t instructions)
{
	scheduler_ran(&scheduler, cpu, instructions);
}
