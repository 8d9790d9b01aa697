// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds threads at functions of the kernel, so that a test can act meanwhile;
 * kvm_hold.h tells how it is used.
 *
 * ftrace diverts calls of the function to a detour, as for live patches.  The
 * detour runs in the caller's context and waits there, before or after it calls
 * the function: asleep where the caller may sleep, else spinning, interrupts
 * left as they are.
 *
 * This is for machines that exist for tests: those who may open the device can make
 * their own threads wait anywhere, whatever locks they hold, for the limit.
 */
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/linkage.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "uapi/kvm_hold.h"

#define NR_SITES	32
#define MAX_LIMIT_MS	60000

/* Functions with arguments on the stack cannot be held. */
typedef unsigned long function_t(unsigned long, unsigned long, unsigned long,
				 unsigned long, unsigned long, unsigned long);

/* A function that was armed once. It stays diverted: to undo that takes ftrace long. */
struct site {
	char name[64];			/* "": free */
	struct kprobe probe;		/* finds the function, is never armed */
	struct work_struct forget;	/* takes it away again */
	struct ftrace_ops ops;
	function_t *function;		/* behind the call that ftrace makes */
	struct list_head points;	/* armed now; RCU */
};

/* An open file. */
struct point {
	struct kref ref;
	struct rcu_head rcu;
	struct site *site;		/* NULL: not armed */
	struct list_head link;
	struct kvm_hold_arm arm;
	struct point *until;
	pid_t tgid;

	atomic_t busy;			/* a thread is held: others pass by */
	bool held, release, gone;
	atomic_long_t hits;
	u64 nr_held, nr_expired, released_ns;
	wait_queue_head_t wait;		/* the held thread, and poll(2) */
};

static struct site sites[NR_SITES];
static DEFINE_MUTEX(lock);		/* names and lists of sites, arming */

static void point_free(struct kref *ref)
{
	struct point *p = container_of(ref, struct point, ref);

	if (p->until)
		kref_put(&p->until->ref, point_free);
	kfree_rcu(p, rcu);
}

static void point_put(struct point *p)
{
	kref_put(&p->ref, point_free);
}

/*
 * Calls @function, which lies behind the landing pad (ENDBR) and the ftrace call of a
 * function: with indirect branch tracking no indirect call may go there, nor would the
 * type hash of kCFI be found before it.  A RET may go anywhere.  @function is the one
 * argument on the stack; the others are where the function wants them.
 */
unsigned long call_behind(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
			  unsigned long e, unsigned long f, function_t *function);
asm(".pushsection .text, \"ax\"\n"
	".type call_behind, @function\n"
	"call_behind:\n"
	"	movq 8(%rsp), %rax\n"
	"	pushq %rax\n"
	"	" ASM_RET
	".size call_behind, . - call_behind\n"
	".popsection\n");
STACK_FRAME_NON_STANDARD(call_behind);

/* In the held thread. */

/* Does the current thread belong to the process that armed @p, or to a child of it? */
static bool ours(const struct point *p)
{
	return current->tgid == p->tgid ||
	       rcu_dereference(current->real_parent)->tgid == p->tgid;
}

/* The point at @site that the current thread reaches, referenced; or NULL. */
static struct point *point_here(struct site *site)
{
	struct point *p;

	guard(rcu)();
	list_for_each_entry_rcu(p, &site->points, link)
		if (ours(p) && (!p->arm.tid || p->arm.tid == current->pid) &&
		    kref_get_unless_zero(&p->ref))
			return p;
	return NULL;
}

static bool let_go(struct point *p)
{
	return READ_ONCE(p->release) || READ_ONCE(p->gone);
}

/* False when the limit came first. @seen: calls of the other function before the hold. */
static bool spin_until_let_go(struct point *p, long seen)
{
	u64 now = ktime_get_mono_fast_ns(), end_of_grace = U64_MAX;
	u64 deadline = now + p->arm.limit_ms * (u64)NSEC_PER_MSEC;

	for (; now < deadline; now = ktime_get_mono_fast_ns()) {
		if (let_go(p) || now >= end_of_grace)
			return true;
		if (p->until && end_of_grace == U64_MAX &&
		    atomic_long_read(&p->until->hits) != seen)
			end_of_grace = now + p->arm.grace_us * (u64)NSEC_PER_USEC;
		cpu_relax();
	}
	return false;
}

static void hold(struct point *p)
{
	bool in_time;
	long seen;

	if (atomic_cmpxchg(&p->busy, 0, 1))
		return;
	if (p->arm.times && p->nr_held == p->arm.times) {
		atomic_set_release(&p->busy, 0);
		return;
	}
	WRITE_ONCE(p->release, false);
	/* Whoever learns that we are held may be faster to call it than we are to look. */
	seen = p->until ? atomic_long_read(&p->until->hits) : 0;
	/* Release: KVM_HOLD_RELEASE, which looks at held, must not be undone from above. */
	smp_store_release(&p->held, true);
	wake_up_all(&p->wait);
	if (preemptible() && !p->until)
		in_time = wait_event_idle_timeout(p->wait, let_go(p),
						  msecs_to_jiffies(p->arm.limit_ms));
	else
		in_time = spin_until_let_go(p, seen);
	p->nr_held++;
	p->nr_expired += !in_time;
	p->released_ns = ktime_get_mono_fast_ns();
	/* Release: whoever sees that nobody is held reads the counts of this hold. */
	smp_store_release(&p->held, false);
	atomic_set_release(&p->busy, 0);
}

static unsigned long detour(struct site *site, unsigned long a, unsigned long b,
			    unsigned long c, unsigned long d, unsigned long e,
			    unsigned long f)
{
	struct point *p = point_here(site);
	unsigned long ret;

	if (p)
		atomic_long_inc(&p->hits);
	if (p && p->arm.where == KVM_HOLD_ENTRY)
		hold(p);
	ret = call_behind(a, b, c, d, e, f, READ_ONCE(site->function));
	if (p && p->arm.where == KVM_HOLD_RETURN)
		hold(p);
	if (p)
		point_put(p);
	return ret;
}

/* One for each site, since the arguments leave no room to say which; octal numbers. */
#define DETOUR(n)							\
	static unsigned long detour_##n(unsigned long a, unsigned long b, \
		unsigned long c, unsigned long d, unsigned long e, unsigned long f) \
	{ return detour(&sites[n], a, b, c, d, e, f); }
#define EIGHT(m, t)	m(t##0) m(t##1) m(t##2) m(t##3) m(t##4) m(t##5) m(t##6) m(t##7)
EIGHT(DETOUR, 0) EIGHT(DETOUR, 01) EIGHT(DETOUR, 02) EIGHT(DETOUR, 03)

#define NAME(n)		detour_##n,
static function_t *const detours[NR_SITES] = {
	EIGHT(NAME, 0) EIGHT(NAME, 01) EIGHT(NAME, 02) EIGHT(NAME, 03)
};

/* ftrace calls this first whenever the function is called. */
static void divert(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		   struct ftrace_regs *fregs)
{
	struct site *site = container_of(ops, struct site, ops);

	if (!in_task() || list_empty(&site->points))
		return;
	WRITE_ONCE(site->function, (function_t *)(ip + MCOUNT_INSN_SIZE));
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)detours[site - sites]);
}

/* Arming. */

static void forget_probe(struct work_struct *work)
{
	unregister_kprobe(&container_of(work, struct site, forget)->probe);
}

/*
 * The address of the function, or 0.  To be told its name ftrace would look up those of all
 * functions; kprobes find it at once.  To forget a probe takes an RCU grace period, for
 * which threads must not wait that a test needs: one that is held may be an RCU reader.
 */
static unsigned long address_of(struct site *site)
{
	site->probe = (struct kprobe){ .symbol_name = site->name, .flags = KPROBE_FLAG_DISABLED };
	if (register_kprobe(&site->probe))
		return 0;
	INIT_WORK(&site->forget, forget_probe);
	schedule_work(&site->forget);
	return (unsigned long)site->probe.addr;
}

static struct site *site_of(const char *function)
{
	struct site *site;
	unsigned long ip;
	int ret;

	lockdep_assert_held(&lock);
	for (site = sites; site < &sites[NR_SITES] && site->name[0]; site++)
		if (!strcmp(site->name, function))
			return site;
	if (site == &sites[NR_SITES])
		return ERR_PTR(-ENOSPC);

	strscpy(site->name, function, sizeof(site->name));
	INIT_LIST_HEAD(&site->points);
	ip = address_of(site);
	site->ops.func = divert;
	site->ops.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY;
	ret = ip ? ftrace_set_filter_ip(&site->ops, ip, 0, 1) : -ENOENT;
	if (!ret)
		ret = register_ftrace_function(&site->ops);
	if (ret) {
		if (ip)
			flush_work(&site->forget);
		site->name[0] = '\0';
		return ERR_PTR(ret);
	}
	return site;
}

static const struct file_operations kvm_hold_fops;

static struct point *point_of(int fd)
{
	struct file *file __free(fput) = fget(fd);
	struct point *p;

	if (!file || file->f_op != &kvm_hold_fops)
		return NULL;
	p = file->private_data;
	kref_get(&p->ref);
	return p;
}

static int point_arm(struct point *p, const struct kvm_hold_arm *arm)
{
	struct site *site;

	if (!arm->function[0] || strnlen(arm->function, sizeof(arm->function)) ==
	    sizeof(arm->function) || arm->where > KVM_HOLD_RETURN ||
	    !arm->limit_ms || arm->limit_ms > MAX_LIMIT_MS)
		return -EINVAL;

	guard(mutex)(&lock);
	if (p->site)
		return -EBUSY;
	p->arm = *arm;
	p->tgid = current->tgid;
	site = site_of(p->arm.function);
	if (IS_ERR(site))
		return PTR_ERR(site);
	if (arm->until >= 0) {
		p->until = point_of(arm->until);
		if (!p->until)
			return -EBADF;
	}
	p->site = site;
	list_add_tail_rcu(&p->link, &site->points);
	return 0;
}

static struct kvm_hold_state point_state(struct point *p)
{
	return (struct kvm_hold_state){
		.hits = atomic_long_read(&p->hits), .held = p->nr_held,
		.expired = p->nr_expired, .released_ns = p->released_ns,
	};
}

/* The device. */

static int kvm_hold_open(struct inode *inode, struct file *file)
{
	struct point *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kref_init(&p->ref);
	init_waitqueue_head(&p->wait);
	file->private_data = p;
	return nonseekable_open(inode, file);
}

static int kvm_hold_close(struct inode *inode, struct file *file)
{
	struct point *p = file->private_data;

	scoped_guard(mutex, &lock)
		if (p->site)
			list_del_rcu(&p->link);
	WRITE_ONCE(p->gone, true);
	wake_up_all(&p->wait);
	point_put(p);
	return 0;
}

static __poll_t kvm_hold_poll(struct file *file, poll_table *table)
{
	struct point *p = file->private_data;

	poll_wait(file, &p->wait, table);
	/* Acquire: pairs with the stores in hold(). */
	return smp_load_acquire(&p->held) ? EPOLLIN | EPOLLRDNORM : 0;
}

static long kvm_hold_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct point *p = file->private_data;
	struct kvm_hold_state state;
	struct kvm_hold_arm arm;

	switch (cmd) {
	case KVM_HOLD_ARM:
		if (copy_from_user(&arm, (void __user *)arg, sizeof(arm)))
			return -EFAULT;
		return point_arm(p, &arm);
	case KVM_HOLD_RELEASE:
		/* From now on poll(2) waits for the next one. */
		if (!xchg(&p->held, false))
			return -ESRCH;
		WRITE_ONCE(p->release, true);
		wake_up_all(&p->wait);
		return 0;
	case KVM_HOLD_STATE:
		state = point_state(p);
		return copy_to_user((void __user *)arg, &state, sizeof(state)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations kvm_hold_fops = {
	.owner = THIS_MODULE,
	.open = kvm_hold_open,
	.release = kvm_hold_close,
	.poll = kvm_hold_poll,
	.unlocked_ioctl = kvm_hold_ioctl,
};

static struct miscdevice kvm_hold_device = {
	.minor = MISC_DYNAMIC_MINOR, .name = "kvm_hold", .mode = 0600,
	.fops = &kvm_hold_fops,
};

/* There is no way out: a thread may sleep in a function below a detour for ever. */
static int __init kvm_hold_init(void)
{
	return misc_register(&kvm_hold_device);
}
module_init(kvm_hold_init);

MODULE_DESCRIPTION("Hold a thread at a function, for tests of races");
MODULE_LICENSE("GPL");
