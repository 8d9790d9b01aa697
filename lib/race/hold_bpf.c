// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holding threads at functions of the kernel, by BPF programs (hold.bpf.c) at kprobes: where
 * no module of ours is loaded.  The held thread spins on its CPU with preemption off.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hold_backend.h"
#include "hold_bpf.h"
#include "kernel.h"
#include "testcase.h"

#define CANNOT	"BPF programs cannot hold threads: "

#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "hold.skel.h"

static struct hold_skel *skel;
static struct hold_bpf_point *points;		/* of the programs, shared */
static struct bpf_link *links[HOLD_BPF_POINTS];
static int load_error;
static unsigned int nr_points;

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN && getenv("KTS_BPF_VERBOSE") ? vfprintf(stderr, format, args) : 0;
}

static void let_all_go(void)
{
	for (int i = 0; i < HOLD_BPF_POINTS; i++)
		__atomic_store_n(&points[i].gone, 1, __ATOMIC_RELEASE);
}

static void __attribute__((noreturn)) let_go_when_dead(pid_t process, int ready)
{
	sigset_t set;
	int sig;

	/* What ends the group of the case must not meet us. */
	setsid();
	prctl(PR_SET_NAME, "hold-releaser");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != process || write(ready, "", 1) != 1)
		_exit(0);
	/* Nobody shall wait for us at the other end of a pipe. */
	close_range(0, ~0U, 0);
	sigwait(&set, &sig);
	let_all_go();
	_exit(0);
}

/*
 * However the process ends: its held thread, which no signal meets, would keep a CPU, and
 * all that the process has open, until the limit.  The kernel signals when the main thread
 * dies, which is the parent.  Before there is a VM: a fork write-protects its memory.
 */
static void start_releaser(void)
{
	pid_t process = getpid();
	int ready[2], child;
	char byte;

	must(gettid() == process, "the main thread loads BPF programs");
	must(!pipe2(ready, O_CLOEXEC), "pipe2");
	child = fork();
	must(child >= 0, "fork");
	if (!child)
		let_go_when_dead(process, ready[1]);
	close(ready[1]);
	must(read(ready[0], &byte, 1) == 1, "a helper that lets held threads go");
	close(ready[0]);
}

/* Once in a process: the verifier takes its time. */
static bool loaded(void)
{
	if (points || load_error)
		return points;
	libbpf_set_print(quiet);
	skel = hold_skel__open_and_load();
	if (!skel) {
		load_error = errno;
		return false;
	}
	points = mmap(NULL, sizeof(*points) * HOLD_BPF_POINTS, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(skel->maps.points), 0);
	must(points != MAP_FAILED, "mapping the array of a BPF program");
	start_releaser();
	return true;
}

static const char *missing(void)
{
	if (kernel_denies_probes())
		return kernel_denies_probes();
	if (access("/sys/bus/event_source/devices/kprobe", F_OK))
		return CANNOT "the kernel has no CONFIG_KPROBE_EVENTS";
	/* Without ftrace a kprobe is a breakpoint, whose programs run with interrupts off. */
	if (access("/sys/kernel/tracing/available_filter_functions", F_OK))
		return CANNOT "needs tracefs (mount -t tracefs none /sys/kernel/tracing) of a kernel with CONFIG_DYNAMIC_FTRACE";
	return loaded() ? NULL : strf(CANNOT "%s", denial_text(load_error));
}

static int arm(const struct kvm_hold_arm *arm)
{
	bool at_return = arm->where == KVM_HOLD_RETURN;
	struct bpf_kprobe_opts opts = {
		.sz = sizeof(opts), .bpf_cookie = nr_points, .retprobe = at_return,
	};
	struct bpf_program *program = at_return ? skel->progs.at_return : skel->progs.at_entry;
	struct hold_bpf_point *p = &points[nr_points];
	struct stat ns;

	must(nr_points < HOLD_BPF_POINTS, "at most %d holds in a case", HOLD_BPF_POINTS);
	must(!stat("/proc/self/ns/pid", &ns), "the PID namespace of this process");
	*p = (struct hold_bpf_point){
		.counts_only = arm->where == KVM_HOLD_COUNT, .tgid = getpid(), .tid = arm->tid,
		.ns_dev = ns.st_dev, .ns_ino = ns.st_ino, .times = arm->times,
		.until = arm->until + 1, .limit_ns = arm->limit_ms * 1000000ULL,
		.grace_ns = arm->grace_us * 1000ULL,
	};
	links[nr_points] = bpf_program__attach_kprobe_opts(program, arm->function, &opts);
	if (!links[nr_points] && (errno == EPERM || errno == EACCES))
		test_skip(CANNOT "%s", denial_text(errno));
	return links[nr_points] ? (int)nr_points++ : -1;
}

/* Who was released, and has not left yet, is not held again: the next one is awaited. */
static bool held(int handle)
{
	struct hold_bpf_point *p = &points[handle];

	return __atomic_load_n(&p->is_held, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&p->release, __ATOMIC_ACQUIRE);
}

/* The held thread is in no state to wake anybody. */
static bool wait_for(int handle, int ms)
{
	return await(held(handle), ms * 1e-3);
}

static bool release(int handle)
{
	if (!held(handle))
		return false;
	__atomic_store_n(&points[handle].release, 1, __ATOMIC_RELEASE);
	return true;
}

static void state(int handle, struct kvm_hold_state *state)
{
	struct hold_bpf_point *p = &points[handle];

	/* Of a hold that is over. */
	while (__atomic_load_n(&p->busy, __ATOMIC_ACQUIRE) && p->release)
		wait_a_little();
	*state = (struct kvm_hold_state){ .hits = __atomic_load_n(&p->hits, __ATOMIC_ACQUIRE),
		.held = p->held, .expired = p->expired, .released_ns = p->released_ns };
}

static void disarm(int handle)
{
	__atomic_store_n(&points[handle].gone, 1, __ATOMIC_RELEASE);
	bpf_link__destroy(links[handle]);
}

const struct hold_backend hold_by_bpf = {
	.missing = missing, .arm = arm, .wait_for = wait_for, .release = release, .state = state,
	.disarm = disarm, .max_limit_ms = 10000,
};
#else
static const char *missing(void)
{
	return CANNOT "these tests were built without: " HOLD_BPF_LACKS " (Debian's names) missing";
}

const struct hold_backend hold_by_bpf = { .missing = missing };
#endif
