// SPDX-License-Identifier: GPL-2.0-only
/* The CPUID leaf of fork_control.h, and what makes a child differ from the machine it is of. */
#define NEED_CPU_REG_SHORTCUTS 1
#include "bochs.h"
#include "cpu.h"
#include "pc_system.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string>
#include <string.h>
#include <unistd.h>

#include "../include/fork_control.h"
#include "child.h"
#include "explore.h"
#include "race.h"
#include "server.h"

#define SERVER_VARIABLE	"KTS_FORK_SERVER"	/* descriptors: requests, answers */
/* 15 s of the guest's time: a case waits some for what a failure left behind. */
#define SCHEDULE_TICKS	1500000000
#define CHECKS		64			/* of silence, in the time that is allowed */

int bx_atexit(void);

static int requests = -1, answers = -1;

/* In a child. */
static struct {
	struct job job;
	bool is_one;
	bool explores;			/* one schedule */
	std::string text;		/* for FORK_GET */
	size_t got;			/* bytes of it */
	Bit64u results, results_seen;	/* bytes */
	unsigned silent;		/* checks in a row */
} child;

/* What a child has written, up to the end of a line. */
static struct port {
	char line[1024];
	size_t len;
} ports[2];

static void send_line(unsigned port)
{
	int fd = port ? child.job.results_fd : child.job.console_fd;
	struct port *p = &ports[port];
	size_t sent = 0;

	while (sent < p->len) {
		ssize_t n = write(fd, p->line + sent, p->len - sent);

		if (n <= 0)
			_exit(1);
		sent += n;
	}
	p->len = 0;
}

bool child_output(unsigned port, unsigned char byte)
{
	struct port *p = &ports[port & 1];

	if (!child.is_one || port > 1)
		return false;
	if (child.explores) {
		explore_said(byte);
		return true;
	}
	p->line[p->len++] = byte;
	if (byte == '\n' || p->len == sizeof(p->line))
		send_line(port);
	child.results += port == 1;
	return true;
}

static void send_rest(void)
{
	send_line(0);
	send_line(1);
}

/* The machine ends here, with what it says at its end. */
static void end(const char *why, int status)
{
	send_rest();
	printf("\n%s; CPUs are at", why);
	for (int i = 0; i < BX_SMP_PROCESSORS; i++)
		printf(" " FMT_LL "x", BX_CPU(i)->prev_rip);
	printf("\n");
	bx_atexit();
	_exit(status);
}

void child_reset(void)
{
	if (child.is_one)
		end("the guest has reset the machine", JOB_RESET);
}

static void check_silence(void *)
{
	child.silent = child.results == child.results_seen ? child.silent + 1 : 0;
	child.results_seen = child.results;
	if (child.silent >= CHECKS)
		end("the guest hangs: its time without results is over", JOB_SILENT);
}

/* The descriptors that the emulator was started with; not found, there is no server. */
static bool has_server(void)
{
	const char *text = getenv(SERVER_VARIABLE);

	return requests >= 0 || (text && sscanf(text, "%d,%d", &requests, &answers) == 2);
}

static void become_child(void)
{
	child.is_one = true;
	child.text.assign(child.job.text, child.job.length);
	/* What Bochs itself says belongs to the console. */
	dup2(child.job.console_fd, 1);
	dup2(child.job.console_fd, 2);
	atexit(send_rest);
	if (child.job.limit)
		bx_pc_system.register_timer_ticks(&child, check_silence, child.job.limit / CHECKS,
						  true, true, "silence");
}

static u_int64_t get(char data[FORK_CHUNK])
{
	size_t n = child.text.copy(data, FORK_CHUNK, child.got);

	child.got += n;
	return n;
}

static void too_long(void *)
{
	end("a schedule takes too long", JOB_SILENT);
}

static std::string __attribute__((format(printf, 1, 2))) line(const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

static std::string begins;		/* the state in which schedules begin, in a line */

/* The same in each run, or a seed means another schedule. */
static std::string state(void)
{
	std::string text = line("begins at tick %lu, instructions", bx_pc_system.time_ticks());

	for (int i = 0; i < BX_SMP_PROCESSORS; i++)
		text += line(" %lu", BX_CPU(i)->get_icount());
	return text + "\n";
}

static std::string access_line(const char *what, size_t number, const struct met *at)
{
	return line("%s %zu cpu %u rip 0x%lx address 0x%lx", what, number, at->cpu, at->rip,
		    at->address);
}

/* What is to be known of a schedule that failed, for lib/race/explore.c. */
static std::string report_of(const struct explored *e)
{
	std::string text = line("seed %lu\n", e->schedule.seed) + begins +
		line("took %lu instructions; %lu conflicting accesses without switches\nended: %s\n",
		     e->instructions, e->accesses, e->how);

	for (size_t i = 0; i < e->nr_met; i++)
		text += access_line("point", e->schedule.points[i], &e->met[i]) + "\n";
	for (size_t i = 0; i < e->nr_trace; i++)
		text += access_line("access", e->trace[i].first, &e->trace[i].at) +
			line(" %c %zu\n", e->trace[i].write ? 'w' : 'r', e->trace[i].times);
	return text + "said\n" + e->text;
}

static u_int64_t schedules(Bit64u data[4])
{
	static struct explored explored;
	struct task task;

	send_rest();
	begins = state();
	if (explore(&child.job.explore, BX_SMP_PROCESSORS, &task, &explored)) {
		child.explores = true;
		race_task(&task);
		bx_pc_system.register_timer_ticks(&child, too_long, SCHEDULE_TICKS, false, true,
						  "schedule");
		data[0] = task.schedule.seed;
		return 1;
	}
	data[0] = explored.schedules;
	data[1] = explored.orders;
	data[2] = explored.accesses;
	data[3] = explored.failed;
	child.text = explored.failed ? report_of(&explored) : "";
	child.got = 0;
	return 0;
}

/* Requests of a child; RAX. */
static u_int64_t child_request(unsigned cpu, unsigned operation, Bit64u data[4])
{
	switch (operation) {
	case FORK_GET:
		memset(data, 0, FORK_CHUNK);
		return get((char *)data);
	case FORK_SCHEDULES:
		return child.explores ? 0 : schedules(data);
	}
	if (!child.explores)
		return 0;
	switch (operation) {
	case FORK_RACE:
		race_begin();
		break;
	case FORK_DONE:
		race_leave(cpu);
		break;
	case FORK_OVER:
		race_end();
		break;
	case FORK_JUDGE:
		explore_ends(data[0] != 0, race_scheduler());
	}
	return 0;
}

bool BX_CPU_C::fork_control(void)
{
	Bit64u data[4] = { RBX, RDX, RSI, RDI };

	if (EAX != FORK_LEAF || !has_server())
		return false;
	if (ECX == FORK_HELLO) {
		strcpy((char *)data, FORK_HELLO_TEXT);
		RAX = FORK_CONTROL_VERSION;
	} else if (child.is_one) {
		RAX = child_request(which_cpu(), ECX, data);
	} else if (ECX == FORK_HERE) {
		if (!serve(requests, answers, &child.job))
			_exit(0);
		become_child();
		RAX = child.text.size();
	} else {
		RAX = 0;
	}
	RBX = data[0];
	RDX = data[1];
	RSI = data[2];
	RDI = data[3];
	return true;
}
