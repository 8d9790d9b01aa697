/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fork server of the emulator: a CPUID leaf that no CPU has (docs/testbed.md).
 *
 * A guest that has booted asks for FORK_HERE.  The emulator's process then waits for jobs of the
 * runner, and forks for each: in each child the instruction returns, and the guest goes on with
 * that job.  CPUID needs no right, no driver and nothing of the kernel.  Without a fork server
 * the leaf is one that the CPU does not know.
 *
 * In such a child, when two threads are about to race, FORK_SCHEDULES forks once more for each
 * schedule (docs/explore.md), and returns in each of these processes.  What was found is told
 * where it returns last.
 *
 * EAX in:  FORK_LEAF
 * ECX in:  operation
 * RAX out: a value
 * RBX, RDX, RSI, RDI in and out: 32 bytes of data
 */
#ifndef FORK_CONTROL_H
#define FORK_CONTROL_H

#define FORK_LEAF	0x4B524F46u	/* "FORK" */
#define FORK_CHUNK	32

enum fork_control {
	FORK_HELLO,	/* data: FORK_HELLO_TEXT; RAX: FORK_CONTROL_VERSION */
	FORK_HERE,	/* RAX: length of the job's text; in children only */
	FORK_GET,	/* data: the next bytes of the text; RAX: how many */

	/*
	 * The job says which: the guest does not know.  RAX: 1 for a schedule, whose seed is in
	 * RBX; 0 at the end, with RBX: schedules tried, RDX: different orders among them, RSI:
	 * conflicting accesses, RDI: 1 if one failed, of which the text tells.  A schedule that
	 * fails is the last.
	 */
	FORK_SCHEDULES,
	/* Of a schedule: CPUs race from here on; this one has done its part; all have. */
	FORK_RACE,
	FORK_DONE,
	FORK_OVER,
	FORK_JUDGE,	/* RBX: 0, the race went well; ends the machine */
};

#define FORK_CONTROL_VERSION	1
#define FORK_HELLO_TEXT	"fork server, by CPUID"	/* less than a chunk */

#endif /* FORK_CONTROL_H */
