// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TDX module fails in the middle of KVM's work, on purpose (softtdx).
 *
 * For each SEAMCALL of the mapping path, and of a TD's beginning and end: a lock
 * that is taken, no entropy, an error that should never be; at the first, a
 * middle and the last page.  What must be right is the errno and how far the
 * ioctl came, whether the VM goes on or is dead, what is in the Secure EPT, and
 * what is lost for good: KVM gives up pages and HKIDs that the module may still
 * use, just those.
 *
 * Rules of arch/x86/kvm/vmx/tdx.c: no entropy is tried ten times in each call;
 * a busy module is asked again where KVM maps, once more where it unmaps; any
 * other error is a bug (a WARNING and a dead VM) but where user space's own
 * operands are to blame.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel.h"
#include "guest_vm.h"
#include "seamcall.h"
#include "softtdx_ctl.h"
#include "td_fixture.h"
#include "testcase.h"
#include "thread.h"

/* Kernels with this function, up to 6.18, map initial memory first and add it then. */
#define MAP_FIRST	"kvm_tdp_map_page"

#define NR_PAGES	5	/* of each operation, from GPA on */
#define SLOT_SIZE	(16 * SZ_4K)
#define SPARE		(GPA + 8 * SZ_4K)	/* a page that no operation touches */

#define BUSY		"TDX_OPERAND_BUSY|0x92"
#define NO_ENTROPY	"TDX_RND_NO_ENTROPY"
#define HARD		"TDX_PAGE_METADATA_INCORRECT"
#define INVALID		"TDX_OPERAND_INVALID|1"
#define INTERRUPTED_RESUMABLE	0x8000000300000000ULL
#define TRIES		10	/* of the kernel, when there is no entropy */

enum { FIRST = 1 << 0, MIDDLE = 1 << 2, LAST = 1 << (NR_PAGES - 1), ALL = FIRST | MIDDLE | LAST };

/* What KVM is asked to do while the module fails. */
enum op { INIT_VM, INIT_VCPU, ADD, MEASURE, FINALIZE, PREFAULT, PUNCH, CLOSE };

/* How the operation ends, when it is asked for once. */
struct end {
	int error;
	bool splat;		/* the kernel warns */
	bool dead;		/* every later ioctl is EIO; else the TD goes on */
	/* In a TD that goes on: errno when the rest is asked for, and of its finalize. */
	int again, finalize;
	unsigned int violations;	/* of the module, about what KVM did then */
};

/* What a TD that is destroyed leaves behind. */
struct left {
	bool td;		/* its TDR */
	bool control;		/* all control pages and Secure EPT pages, and its HKID */
	unsigned int pages;	/* others */
	unsigned int violations;
};

struct fault {
	enum op op;
	unsigned int leaf;
	const char *status;
	unsigned int times;	/* in a row; 0: once */
	unsigned int pages;	/* ... at these pages; 0: whatever the operand */
	/* ... from this call on; 0: the first; -1: that of the last control page, the TDR */
	int nth;
	struct end end;
	struct end early;	/* of kernels that have MAP_FIRST */
	bool differs_early;
	const char *known;	/* the known issue that makes it fail at the second try */
	enum sept_state stuck;	/* after PUNCH: of the page that failed ... */
	unsigned int stuck_pages;	/* ... if .pages does not tell which */
	struct left left;
};

/* --- the operations ----------------------------------------------------------- */

struct subject {
	struct fixture td;
	struct kvm_tdx_init_mem_region region;	/* what is still to be added */
	u8 *source;
	bool final;
};

/* A TD just before the operation. */
static struct subject subject(const struct test *t, enum op op)
{
	struct subject s = { .source = td_source(NR_PAGES, t->seed) };

	s.region = (struct kvm_tdx_init_mem_region){
		.source_addr = (uintptr_t)s.source, .gpa = GPA, .nr_pages = NR_PAGES,
	};
	if (op == INIT_VM) {
		s.td.vm = td_vm();
		return s;
	}
	s.td.vm = td_create();
	s.td.vcpu = td_vcpu_create(s.td.vm);
	if (op == INIT_VCPU)
		return s;
	expect_ok(__td_vcpu_init(s.td.vcpu, 0), "KVM_TDX_INIT_VCPU");
	s.td.slot = td_slot_add(s.td.vm, GPA, SLOT_SIZE);
	if (op == ADD || op == PREFAULT || op == PUNCH)
		s.td.o = observe(s.td.vm, t->observes);
	if (op < PREFAULT)
		return s;
	td_finalize(s.td.vm);
	s.final = true;
	if (op > PREFAULT)
		prefault(s.td.vcpu, GPA, NR_PAGES * SZ_4K);
	return s;
}

/* Prefault all: a call that came far enough for success is followed by another. */
static int prefault_pages(struct subject *s, unsigned int *done)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = NR_PAGES * SZ_4K };
	int ret;

	do {
		ret = __vcpu_prefault(s->td.vcpu, &range);
	} while (!ret && range.size);
	*done = NR_PAGES - range.size / SZ_4K;
	return ret;
}

static int add_pages(struct subject *s, u32 flags, unsigned int *done)
{
	int ret = __td_add(s->td.vcpu, &s->region, flags);

	*done = NR_PAGES - s->region.nr_pages;
	return ret;
}

static void close_td(struct fixture *td)
{
	if (td->vcpu)
		vcpu_close(td->vcpu);
	if (td->slot)
		close(td->slot->gmem->fd);
	vm_close(td->vm);
}

/* Returns what the ioctl did; @done gets the number of pages that are through. */
static int operate(struct subject *s, enum op op, unsigned int *done)
{
	*done = 0;
	switch (op) {
	case INIT_VM:
		return __td_init(s->td.vm, td_params(s->td.vm), NULL);
	case INIT_VCPU:
		return __td_vcpu_init(s->td.vcpu, 0);
	case ADD:
		return add_pages(s, 0, done);
	case MEASURE:
		return add_pages(s, KVM_TDX_MEASURE_MEMORY_REGION, done);
	case FINALIZE:
		return __td_finalize(s->td.vm, NULL);
	case PREFAULT:
		return prefault_pages(s, done);
	case PUNCH:
		mem_punch_hole(s->td.slot->gmem, 0, NR_PAGES * SZ_4K);
		return 0;
	case CLOSE:
		close_td(&s->td);
		return 0;
	}
	return -1;
}

/* --- what is expected ------------------------------------------------------------- */

static void inject(const struct fault *f, unsigned long control)
{
	struct softtdx_rule rule = { .leaf = f->leaf, .status = f->status, .times = f->times };

	rule.nth = f->nth + (f->nth < 0 ? (int)control + 2 : 0);
	if (!f->pages)
		softtdx_inject_rule(&rule);
	for (unsigned int i = 0; i < NR_PAGES; i++) {
		rule.gpa = GPA + i * SZ_4K;
		if (f->pages & 1 << i)
			softtdx_inject_rule(&rule);
	}
}

/* Calls that fail, if the kernel does all that it should. */
static unsigned int nr_hits(const struct fault *f)
{
	return (f->times ?: 1) * (f->pages ? __builtin_popcount(f->pages) : 1);
}

static void expect_dead(struct subject *s)
{
	struct kvm_pre_fault_memory range = { .gpa = SPARE, .size = SZ_4K };

	expect_errno(ioctl(s->td.vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS), EIO,
		     "an ioctl of the dead VM");
	if (s->td.vcpu)
		expect_errno(__vcpu_prefault(s->td.vcpu, &range), EIO, "an ioctl of its vCPU");
}

/* The rest of the operation, as far as user space can ask for it again. */
static void ask_again(struct subject *s, const struct fault *f, const struct end *end)
{
	unsigned int done;
	int ret;

	do {
		ret = operate(s, f->op, &done);
	} while (ret && errno == end->error && !end->again);
	expect_errno(ret, end->again, "the same again, the module works");
	if (!end->again && (f->op == ADD || f->op == MEASURE || f->op == PREFAULT))
		expect_eq(done, NR_PAGES, "pages then");
}

/* A TD that goes on: up to its finalize, and it takes a page more. */
static void expect_alive(struct subject *s, const struct fault *f, const struct end *end)
{
	if (end->error)
		ask_again(s, f, end);
	if (f->op == INIT_VM)
		s->td.vcpu = td_vcpu_create(s->td.vm);
	if (f->op <= INIT_VM)
		expect_ok(__td_vcpu_init(s->td.vcpu, 0), "KVM_TDX_INIT_VCPU");
	if (f->op <= INIT_VCPU)
		s->td.slot = td_slot_add(s->td.vm, GPA, SLOT_SIZE);
	if (!s->final && f->op != FINALIZE)
		expect_errno(__td_finalize(s->td.vm, NULL), end->finalize, "KVM_TDX_FINALIZE_VM");
	if (end->finalize)
		return;
	prefault(s->td.vcpu, SPARE, SZ_4K);
	expect_sept(s->td.vm, SPARE, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

/* The pages are gone, but for one whose removal failed. */
static void expect_punched(struct subject *s, const struct fault *f)
{
	unsigned int failed = f->end.dead ? f->stuck_pages ?: f->pages : 0;

	for (unsigned int i = 0; i < NR_PAGES; i++) {
		u64 gpa = GPA + i * SZ_4K;

		if (!(failed & 1 << i))
			expect_td_unmapped(&s->td, gpa, 1);
		else if (f->stuck == SEPT_FREE)
			expect_sept_free(s->td.vm, gpa);
		else	/* KVM's record is gone, without a trace in its events */
			expect_sept(s->td.vm, gpa, LEVEL_4K, f->stuck, PFN_ANY);
	}
}

/* Mirror and Secure EPT after the operation, of which @done pages are through. */
static void expect_pages(struct subject *s, const struct fault *f, const struct end *end,
			 unsigned int done)
{
	if (f->op == ADD || f->op == PREFAULT) {
		expect_td_mapped(&s->td, GPA, done, f->op == ADD ? SEPT_MAPPED : SEPT_PENDING);
		if (end->dead)
			expect_td_unmapped(&s->td, GPA + done * SZ_4K, NR_PAGES - done);
	}
	if (f->op == MEASURE && end->error)	/* the page whose measurement fails is there */
		expect_sept(s->td.vm, GPA + done * SZ_4K, LEVEL_4K, SEPT_MAPPED, PFN_ANY);
	if (f->op == PUNCH)
		expect_punched(s, f);
}

/* Where the first page that fails is: so far an operation comes. */
static unsigned int pages_before(const struct fault *f)
{
	return f->pages ? __builtin_ctz(f->pages) : 0;
}

/* The host still makes TDs that work. */
static void expect_host_works(void)
{
	struct vm *vm = td_create();
	struct vcpu *vcpu = td_vcpu(vm);

	td_slot_add(vm, GPA, SLOT_SIZE);
	td_finalize(vm);
	prefault(vcpu, GPA, SZ_4K);
	expect_sept(vm, GPA, LEVEL_4K, SEPT_PENDING, PFN_ANY);
}

static void expect_left(const struct softtdx_state *before, const struct fault *f,
			const struct end *end, unsigned long control)
{
	const struct left *left = &f->left;
	struct softtdx_state wanted = *before, after;

	wanted.tds += left->td || left->control;
	wanted.keyids += left->control;
	wanted.pages += left->pages + (left->control ? control : 0);
	wanted.violations += end->violations + left->violations;
	after = softtdx_settled(&wanted);
	expect_eq(after.tds, wanted.tds, "TDs that are left");
	expect_eq(after.keyids, wanted.keyids, "HKIDs in use");
	expect_eq(after.pages, wanted.pages, "pages that TDs own (PAMT)");
	expect_eq(after.violations, wanted.violations, "violations of the module's rules");
	expect_eq(after.broken_rules, 0, "broken invariants of the module");
}

/*
 * N1: the kernel repeats a call with the operands that the module left, which
 * are not those it was called with.
 */
static void look_for_issue(const struct fault *f, int error)
{
	if (!error)
		xpass(f->known);
	if (!error || softtdx_injected() != 1)
		return;
	if (error == EIO && !(f->op == ADD && kernel_has_function(MAP_FIRST)))
		expect_splat();
	xfail(f->known, "no entropy, once: %s", errno_text(error));
}

/* What the kernel logs from now on. */
static int kernel_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	must(fd >= 0 && lseek(fd, 0, SEEK_END) >= 0, "/dev/kmsg");
	return fd;
}

static bool log_says(int log, const char *text)
{
	char record[4096];
	ssize_t n;

	do {
		n = read(log, record, sizeof(record) - 1);
		record[n > 0 ? n : 0] = '\0';
		if (strstr(record, text))
			return true;
	} while (n > 0 || errno == EPIPE);	/* EPIPE: lines were overwritten */
	return false;
}

#define NAME(leaf)	[leaf] = #leaf
static const char *const kernels_name[] = {
	NAME(TDH_MNG_ADDCX), NAME(TDH_MEM_PAGE_ADD), NAME(TDH_MEM_SEPT_ADD), NAME(TDH_VP_ADDCX),
	NAME(TDH_MEM_PAGE_AUG), NAME(TDH_MEM_RANGE_BLOCK), NAME(TDH_MNG_KEY_CONFIG),
	NAME(TDH_MNG_CREATE), NAME(TDH_VP_CREATE), NAME(TDH_MR_EXTEND), NAME(TDH_MR_FINALIZE),
	NAME(TDH_VP_FLUSH), NAME(TDH_MNG_VPFLUSHDONE), NAME(TDH_MNG_KEY_FREEID),
	NAME(TDH_MNG_INIT), NAME(TDH_VP_INIT), NAME(TDH_MEM_PAGE_REMOVE), NAME(TDH_MEM_TRACK),
	NAME(TDH_PHYMEM_CACHE_WB), NAME(TDH_PHYMEM_PAGE_WBINVD),
};

/* A warning names the call; of each no more than 10 in 5 s, which RECLAIM may exceed. */
static void expect_named(int log, unsigned int leaf)
{
	if (leaf != TDH_PHYMEM_PAGE_RECLAIM)
		expect_true(log_says(log, strf("SEAMCALL %s failed", kernels_name[leaf])),
			    "the kernel logs that %s failed", kernels_name[leaf]);
}

static void fault(const struct test *t)
{
	const struct fault *f = t->tc->arg;
	bool early = f->differs_early && kernel_has_function(MAP_FIRST);
	const struct end *end = early ? &f->early : &f->end;
	struct softtdx_state before = softtdx_state();
	struct subject s = subject(t, f->op);
	/* With the slot's pages gone, these are the TD's. */
	unsigned long control = softtdx_state().pages - before.pages - (f->op > PREFAULT) * NR_PAGES;
	int log = kernel_log(), ret, error;
	unsigned int done;

	if (end->splat)
		expect_splat();
	inject(f, control);
	ret = operate(&s, f->op, &done);
	error = ret < 0 ? errno : 0;
	if (f->known)
		look_for_issue(f, error);
	errno = error;
	expect_errno(ret, end->error, "the operation while the module fails");
	if (f->op == ADD || f->op == MEASURE || f->op == PREFAULT)
		expect_eq(done, end->error ? pages_before(f) : NR_PAGES, "pages that are through");

	if (f->op != CLOSE) {
		expect_pages(&s, f, end, done);
		if (end->dead)
			expect_dead(&s);
		else
			expect_alive(&s, f, end);
		close_td(&s.td);
	}
	if (end->splat)
		expect_named(log, f->leaf);
	if (!end->finalize)	/* else it never came to the others */
		expect_eq(softtdx_injected(), nr_hits(f), "calls that failed");
	expect_left(&before, f, end, control);
	softtdx_reset_tds();
	expect_host_works();
}

/* A write-back that is interrupted is resumed, as often as it takes. */
static void cache_wb_interrupted(const struct test *t)
{
	struct softtdx_state before = softtdx_state();
	unsigned long calls = softtdx_calls(TDH_PHYMEM_CACHE_WB, 0);
	unsigned long interrupted = softtdx_calls(TDH_PHYMEM_CACHE_WB, INTERRUPTED_RESUMABLE);
	struct subject s = subject(t, CLOSE);

	softtdx_interrupt_cache_wb(7);
	close_td(&s.td);
	expect_left(&before, &(struct fault){ 0 }, &(struct end){ 0 }, 0);
	expect_eq(softtdx_calls(TDH_PHYMEM_CACHE_WB, 0) - calls, 1, "write-backs that were finished");
	expect_eq(softtdx_calls(TDH_PHYMEM_CACHE_WB, INTERRUPTED_RESUMABLE) - interrupted, 7,
		  "interrupted write-backs");
}

/* A vCPU whose fault is tried again and again inside of the kernel: the VM's death ends it. */
static int run_vcpu(void *vcpu)
{
	return __guest_run(vcpu);
}

static void death_ends_retries(const struct test *t)
{
	struct guest_vm p = guest_vm_create(t, (struct guest_vm_config){
		.fn = { guest_cmd_loop, guest_cmd_loop }, .size = SLOT_SIZE });
	double deadline = now() + 5;
	struct thread *thread;

	softtdx_inject_rule(&(struct softtdx_rule){ .leaf = TDH_MEM_PAGE_AUG, .status = BUSY,
						     .times = UINT_MAX, .gpa = GPA });
	guest_cmd_queue(p.vcpu[0], CMD_READ, GPA, 0);
	thread = thread_start(run_vcpu, p.vcpu[0]);
	while (softtdx_injected() < 3)
		expect_true(now() < deadline, "the fault is tried again");
	guest_cmd_queue(p.vcpu[1], CMD_READ, SPARE, 0);
	expect_errno(__guest_run(p.vcpu[1]), EIO, "KVM_RUN of an access before accept");
	expect_errno(thread_join(thread, "the vCPU that tried again"), EIO, "KVM_RUN of the dead TD");
}

/*
 * A call that was busy because of a guest is repeated with all vCPUs outside, and
 * none gets in before that is over.
 */
#define REPETITION_US	50000
#define MAX_EXITS	20000

static GUEST void talks(u64 arg)
{
	for (;;)
		guest_report(arg);
}

struct talk {
	struct vcpu *vcpu;
	bool stop;
	unsigned int nr;
	double exits[MAX_EXITS];	/* when KVM_RUN returned */
};

static int listen_to(void *arg)
{
	struct talk *talk = arg;

	while (!__atomic_load_n(&talk->stop, __ATOMIC_RELAXED) && talk->nr < MAX_EXITS) {
		expect_ok(__guest_run(talk->vcpu), "KVM_RUN");
		talk->exits[talk->nr] = now();
		__atomic_store_n(&talk->nr, talk->nr + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

static void await_exits(struct talk *talk, unsigned int nr)
{
	double deadline = now() + 5;

	while (__atomic_load_n(&talk->nr, __ATOMIC_ACQUIRE) < nr)
		expect_true(now() < deadline, "the guest's exit %u", nr);
}

/* When the first two calls of @leaf ended: the busy one and its repetition. */
static void two_calls(struct observer *o, unsigned int leaf, double ends[2])
{
	size_t nr, found = 0;
	const struct event *ev = observer_events(o, &nr);

	for (size_t i = 0; i < nr && found < 2; i++)
		if (ev[i].type == EV_SEAMCALL && ev[i].call.leaf == leaf)
			ends[found++] = ev[i].ts * 1e-9;
	expect_eq(found, 2, "calls of %s", seamcall_name(leaf));
}

static void guests_stay_out(const struct test *t)
{
	unsigned int leaf = *(const unsigned int *)t->tc->arg, inside = 0;
	struct guest_vm p = guest_vm_single(t, talks, 0, SLOT_SIZE);
	struct talk *talk = calloc(1, sizeof(*talk));
	struct thread *thread;
	double ends[2], middle;

	talk->vcpu = p.vcpu[0];
	prefault(p.vcpu[0], GPA, SZ_4K);
	thread = thread_start(listen_to, talk);
	await_exits(talk, 3);
	softtdx_inject(leaf, BUSY, 1);
	softtdx_delay(leaf, 1, REPETITION_US);
	mem_punch_hole(p.slot->gmem, 0, SZ_4K);
	await_exits(talk, talk->nr + 3);
	__atomic_store_n(&talk->stop, true, __ATOMIC_RELAXED);
	thread_join(thread, "the guest");

	two_calls(p.o, leaf, ends);
	expect_true(ends[1] - ends[0] >= REPETITION_US * 1e-6 / 2,
		    "the repetition takes about %d us (%.0f us)", REPETITION_US,
		    (ends[1] - ends[0]) * 1e6);
	/* By its middle the vCPU is out; an exit from before may just be slow to be seen. */
	middle = (ends[0] + ends[1]) / 2;
	for (unsigned int i = 0; i < talk->nr; i++)
		inside += talk->exits[i] > middle && talk->exits[i] < ends[1];
	expect_true(inside <= 1, "the guest does not exit before the repetition is over "
		    "(%u of %u exits)", inside, talk->nr);
}

/* --- the cases -------------------------------------------------------------------------- */

#define OURS	.vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS,			\
		.needs_softtdx = true, .needs_sept = true, .observes = OBSERVE(EV_SPTE), \
		.side_effects = "makes the kernel print a WARNING, and the TDX module lose pages"
#define FAULT(name, summary, ...)						\
	{ name, summary, fault, &(const struct fault){ __VA_ARGS__ }, OURS }
#define AT_EACH_PAGE(name, summary, ...)					\
	FAULT(name "_first", summary ", first page", .pages = FIRST, __VA_ARGS__),	\
	FAULT(name "_middle", summary ", middle page", .pages = MIDDLE, __VA_ARGS__),	\
	FAULT(name "_last", summary ", last page", .pages = LAST, __VA_ARGS__)

#define STAY_OUT(name, call, leaf)						\
	{ name, call " busy: no vCPU gets in until its repetition is over",	\
	  guests_stay_out, &(const unsigned int){ leaf },			\
	  .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS, .cpus = 2,		\
	  .needs_softtdx = true, .needs_sept = true, .observes = OBSERVE(EV_SEAMCALL) }

/* The ends that KVM has for it. */
#define REFUSED(errno)	.end = { .error = errno }
#define KILLED(errno)	.end = { .error = errno, .splat = true, .dead = true }
#define EARLY		.differs_early = true, .early
/* What the module still uses is lost: a page, and with it the TDR that counts it. */
#define LOST_PAGE(nr)	.left = { .td = true, .pages = 1, .violations = nr }
#define LOST_TD(nr)	.left = { .control = true, .violations = nr }
#define WARNS		.end = { .splat = true }

static const struct test_case cases[] = {
	/* KVM_TDX_INIT_VM. Up to 6.18 a warning is all, and the VM may try again. */
	FAULT("mng_create_busy", "TDH.MNG.CREATE busy: EIO", .op = INIT_VM,
	      .leaf = TDH_MNG_CREATE, .status = BUSY, KILLED(EIO),
	      EARLY = { .error = EIO, .splat = true }),
	FAULT("mng_create_hard", "TDH.MNG.CREATE fails: EIO", .op = INIT_VM,
	      .leaf = TDH_MNG_CREATE, .status = HARD, KILLED(EIO),
	      EARLY = { .error = EIO, .splat = true }),
	FAULT("mng_addcx_no_entropy", "TDH.MNG.ADDCX without entropy: EAGAIN, a second time works",
	      .op = INIT_VM, .leaf = TDH_MNG_ADDCX, .status = NO_ENTROPY, .times = TRIES,
	      .nth = 2, REFUSED(EAGAIN)),
	FAULT("mng_addcx_hard", "TDH.MNG.ADDCX of the second page fails: EIO", .op = INIT_VM,
	      .leaf = TDH_MNG_ADDCX, .status = HARD, .nth = 2, KILLED(EIO),
	      EARLY = { .error = EIO, .splat = true }),
	FAULT("mng_init_invalid", "TDH.MNG.INIT refuses an operand: EINVAL, a second time works",
	      .op = INIT_VM, .leaf = TDH_MNG_INIT, .status = INVALID, REFUSED(EINVAL)),
	FAULT("mng_init_hard", "TDH.MNG.INIT fails: EIO", .op = INIT_VM, .leaf = TDH_MNG_INIT,
	      .status = HARD, KILLED(EIO), EARLY = { .error = EIO, .splat = true }),
	FAULT("mng_init_no_entropy", "TDH.MNG.INIT without entropy once: repeated",
	      .op = INIT_VM, .leaf = TDH_MNG_INIT, .status = NO_ENTROPY,
	      REFUSED(0), .known = "N1"),
	FAULT("mng_key_config", "TDH.MNG.KEY.CONFIG without a key: EIO", .op = INIT_VM,
	      .leaf = TDH_MNG_KEY_CONFIG, .status = "TDX_KEY_GENERATION_FAILED", KILLED(EIO)),

	/* KVM_TDX_INIT_VCPU */
	FAULT("vp_create_hard", "TDH.VP.CREATE fails: EIO", .op = INIT_VCPU,
	      .leaf = TDH_VP_CREATE, .status = HARD, KILLED(EIO)),
	FAULT("vp_addcx_hard", "TDH.VP.ADDCX of the second page fails: EIO", .op = INIT_VCPU,
	      .leaf = TDH_VP_ADDCX, .status = HARD, .nth = 2, KILLED(EIO)),
	FAULT("vp_init_busy", "TDH.VP.INIT busy: EIO", .op = INIT_VCPU, .leaf = TDH_VP_INIT,
	      .status = BUSY, KILLED(EIO)),
	FAULT("vp_init_no_entropy", "TDH.VP.INIT without entropy, but at the last try",
	      .op = INIT_VCPU, .leaf = TDH_VP_INIT, .status = NO_ENTROPY, .times = TRIES - 1,
	      REFUSED(0)),

	/* KVM_TDX_INIT_MEM_REGION: tables */
	FAULT("sept_add_busy_root", "TDH.MEM.SEPT.ADD of the first table busy: repeated",
	      .op = ADD, .leaf = TDH_MEM_SEPT_ADD, .status = BUSY, .times = 3, REFUSED(0)),
	FAULT("sept_add_busy_bottom", "TDH.MEM.SEPT.ADD of the last table busy: repeated",
	      .op = ADD, .leaf = TDH_MEM_SEPT_ADD, .status = BUSY, .times = 3, .nth = 3,
	      REFUSED(0)),
	FAULT("sept_add_hard_root", "TDH.MEM.SEPT.ADD of the first table fails: EIO",
	      .op = ADD, .leaf = TDH_MEM_SEPT_ADD, .status = HARD, KILLED(EIO)),
	FAULT("sept_add_hard_bottom", "TDH.MEM.SEPT.ADD of the last table fails: EIO",
	      .op = ADD, .leaf = TDH_MEM_SEPT_ADD, .status = HARD, .nth = 3, KILLED(EIO)),

	/*
	 * ... pages. Up to 6.18 the call ends, and as the page counts as mapped and
	 * not yet added from then on, there is no way to go on.
	 */
	FAULT("page_add_busy", "TDH.MEM.PAGE.ADD of three pages busy: repeated", .op = ADD,
	      .leaf = TDH_MEM_PAGE_ADD, .status = BUSY, .pages = ALL, REFUSED(0),
	      EARLY = { .error = EBUSY, .again = EEXIST, .finalize = EINVAL }),
	FAULT("page_add_no_entropy", "TDH.MEM.PAGE.ADD without entropy once: repeated",
	      .op = ADD, .leaf = TDH_MEM_PAGE_ADD, .status = NO_ENTROPY,
	      .pages = ALL, REFUSED(0), .known = "N1"),
	AT_EACH_PAGE("page_add_hard", "TDH.MEM.PAGE.ADD fails: EIO", .op = ADD,
		     .leaf = TDH_MEM_PAGE_ADD, .status = HARD, KILLED(EIO),
		     EARLY = { .error = EIO, .again = EEXIST, .finalize = EINVAL }),

	/* ... measured. Up to 6.18 the page is in, measured in part; the TD goes on. */
	FAULT("mr_extend_busy", "TDH.MR.EXTEND busy: EIO", .op = MEASURE, .leaf = TDH_MR_EXTEND,
	      .status = BUSY, .pages = FIRST, KILLED(EIO),
	      EARLY = { .error = EIO, .again = EEXIST }),
	AT_EACH_PAGE("mr_extend_hard", "TDH.MR.EXTEND fails: EIO", .op = MEASURE,
		     .leaf = TDH_MR_EXTEND, .status = HARD, KILLED(EIO),
		     EARLY = { .error = EIO, .again = EEXIST }),

	/* KVM_TDX_FINALIZE_VM */
	FAULT("finalize_busy", "TDH.MR.FINALIZE busy: EBUSY, a second time works",
	      .op = FINALIZE, .leaf = TDH_MR_FINALIZE, .status = BUSY, REFUSED(EBUSY)),
	FAULT("finalize_no_entropy", "TDH.MR.FINALIZE without entropy, but at the last try",
	      .op = FINALIZE, .leaf = TDH_MR_FINALIZE, .status = NO_ENTROPY, .times = TRIES - 1,
	      REFUSED(0)),
	FAULT("finalize_hard", "TDH.MR.FINALIZE fails: EIO", .op = FINALIZE,
	      .leaf = TDH_MR_FINALIZE, .status = HARD, KILLED(EIO)),

	/* KVM_PRE_FAULT_MEMORY */
	FAULT("prefault_sept_add_busy", "TDH.MEM.SEPT.ADD busy: repeated", .op = PREFAULT,
	      .leaf = TDH_MEM_SEPT_ADD, .status = BUSY, .times = 3, .nth = 2, REFUSED(0)),
	FAULT("prefault_sept_add_hard", "TDH.MEM.SEPT.ADD of the last table fails: EIO",
	      .op = PREFAULT, .leaf = TDH_MEM_SEPT_ADD, .status = HARD, .nth = 3, KILLED(EIO)),
	FAULT("page_aug_busy", "TDH.MEM.PAGE.AUG of three pages busy: repeated", .op = PREFAULT,
	      .leaf = TDH_MEM_PAGE_AUG, .status = BUSY, .times = 3, .pages = ALL, REFUSED(0)),
	FAULT("page_aug_no_entropy", "TDH.MEM.PAGE.AUG without entropy once: repeated",
	      .op = PREFAULT, .leaf = TDH_MEM_PAGE_AUG, .status = NO_ENTROPY, .pages = ALL,
	      REFUSED(0), .known = "N1"),
	AT_EACH_PAGE("page_aug_hard", "TDH.MEM.PAGE.AUG fails: EIO", .op = PREFAULT,
		     .leaf = TDH_MEM_PAGE_AUG, .status = HARD, KILLED(EIO)),

	{ "death_ends_retries", "TDH.MEM.PAGE.AUG busy until the VM dies: KVM_RUN ends",
	  death_ends_retries, .vm_types = VM_TDX, .boot = BOOT_TDX_ERRORS,
	  .needs_softtdx = true, .needs_sept = true, .cpus = 2 },

	/* A hole in guest_memfd: it cannot fail, so the page that fails is lost. */
	FAULT("range_block_busy", "TDH.MEM.RANGE.BLOCK of three pages busy once: repeated",
	      .op = PUNCH, .leaf = TDH_MEM_RANGE_BLOCK, .status = BUSY, .pages = ALL, REFUSED(0)),
	FAULT("range_block_busy_twice", "TDH.MEM.RANGE.BLOCK busy twice: the page is lost",
	      .op = PUNCH, .leaf = TDH_MEM_RANGE_BLOCK, .status = BUSY, .times = 2,
	      .pages = MIDDLE, KILLED(0), .stuck = SEPT_PENDING, LOST_PAGE(1)),
	AT_EACH_PAGE("range_block_hard", "TDH.MEM.RANGE.BLOCK fails: the page is lost",
		     .op = PUNCH, .leaf = TDH_MEM_RANGE_BLOCK, .status = HARD, KILLED(0),
		     .stuck = SEPT_PENDING, LOST_PAGE(1)),
	FAULT("track_busy", "TDH.MEM.TRACK busy once: repeated", .op = PUNCH,
	      .leaf = TDH_MEM_TRACK, .status = BUSY, REFUSED(0)),
	FAULT("track_busy_twice", "TDH.MEM.TRACK busy twice: the page is lost", .op = PUNCH,
	      .leaf = TDH_MEM_TRACK, .status = BUSY, .times = 2,
	      .end = { .splat = true, .dead = true, .violations = 1 /* removed without track */ },
	      .stuck = SEPT_PENDING_BLOCKED, .stuck_pages = FIRST, LOST_PAGE(1)),
	FAULT("track_no_entropy", "TDH.MEM.TRACK without entropy, but at the last try",
	      .op = PUNCH, .leaf = TDH_MEM_TRACK, .status = NO_ENTROPY, .times = TRIES - 1,
	      REFUSED(0)),
	FAULT("page_remove_busy", "TDH.MEM.PAGE.REMOVE of three pages busy once: repeated",
	      .op = PUNCH, .leaf = TDH_MEM_PAGE_REMOVE, .status = BUSY, .pages = ALL, REFUSED(0)),
	FAULT("page_remove_busy_twice", "TDH.MEM.PAGE.REMOVE busy twice: the page is lost",
	      .op = PUNCH, .leaf = TDH_MEM_PAGE_REMOVE, .status = BUSY, .times = 2,
	      .pages = MIDDLE, KILLED(0), .stuck = SEPT_PENDING_BLOCKED, LOST_PAGE(1)),
	AT_EACH_PAGE("page_remove_hard", "TDH.MEM.PAGE.REMOVE fails: the page is lost",
		     .op = PUNCH, .leaf = TDH_MEM_PAGE_REMOVE, .status = HARD, KILLED(0),
		     .stuck = SEPT_PENDING_BLOCKED, LOST_PAGE(1)),
	STAY_OUT("range_block_busy_guest", "TDH.MEM.RANGE.BLOCK", TDH_MEM_RANGE_BLOCK),
	STAY_OUT("track_busy_guest", "TDH.MEM.TRACK", TDH_MEM_TRACK),
	STAY_OUT("page_remove_busy_guest", "TDH.MEM.PAGE.REMOVE", TDH_MEM_PAGE_REMOVE),
	FAULT("page_wbinvd_no_entropy", "TDH.PHYMEM.PAGE.WBINVD without entropy, but at the last try",
	      .op = PUNCH, .leaf = TDH_PHYMEM_PAGE_WBINVD, .status = NO_ENTROPY,
	      .times = TRIES - 1, REFUSED(0)),
	FAULT("page_wbinvd_hard_first", "TDH.PHYMEM.PAGE.WBINVD of the first page fails: VM dead",
	      .op = PUNCH, .leaf = TDH_PHYMEM_PAGE_WBINVD, .status = HARD, KILLED(0),
	      .stuck_pages = FIRST),
	FAULT("page_wbinvd_hard_last", "TDH.PHYMEM.PAGE.WBINVD of the last page fails: VM dead",
	      .op = PUNCH, .leaf = TDH_PHYMEM_PAGE_WBINVD, .status = HARD, .nth = NR_PAGES,
	      KILLED(0), .stuck_pages = LAST),

	/* The end of a TD: what the module does not give back is never used again. */
	FAULT("close_page_remove_hard", "TDH.MEM.PAGE.REMOVE fails while the TD is destroyed",
	      .op = CLOSE, .leaf = TDH_MEM_PAGE_REMOVE, .status = HARD, .pages = MIDDLE, WARNS,
	      LOST_PAGE(1)),
	FAULT("vp_flush_hard", "TDH.VP.FLUSH fails: the TD and its HKID are lost", .op = CLOSE,
	      .leaf = TDH_VP_FLUSH, .status = HARD, WARNS, LOST_TD(1)),
	FAULT("vpflushdone_hard", "TDH.MNG.VPFLUSHDONE fails: the TD and its HKID are lost",
	      .op = CLOSE, .leaf = TDH_MNG_VPFLUSHDONE, .status = HARD, WARNS, LOST_TD(0)),
	FAULT("cache_wb_hard", "TDH.PHYMEM.CACHE.WB fails: the TD and its HKID are lost",
	      .op = CLOSE, .leaf = TDH_PHYMEM_CACHE_WB, .status = HARD, WARNS, LOST_TD(1)),
	{ "cache_wb_interrupted", "TDH.PHYMEM.CACHE.WB interrupted seven times: resumed",
	  cache_wb_interrupted, OURS },
	FAULT("key_freeid_hard", "TDH.MNG.KEY.FREEID fails: the TD and its HKID are lost",
	      .op = CLOSE, .leaf = TDH_MNG_KEY_FREEID, .status = HARD, WARNS, LOST_TD(0)),
	FAULT("key_freeid_no_entropy", "TDH.MNG.KEY.FREEID without entropy, but at the last try",
	      .op = CLOSE, .leaf = TDH_MNG_KEY_FREEID, .status = NO_ENTROPY, .times = TRIES - 1,
	      REFUSED(0)),
	FAULT("reclaim_busy", "TDH.PHYMEM.PAGE.RECLAIM of the first page busy: it is lost",
	      .op = CLOSE, .leaf = TDH_PHYMEM_PAGE_RECLAIM, .status = BUSY, WARNS, LOST_PAGE(1)),
	FAULT("reclaim_hard_middle", "TDH.PHYMEM.PAGE.RECLAIM of a middle page fails: it is lost",
	      .op = CLOSE, .leaf = TDH_PHYMEM_PAGE_RECLAIM, .status = HARD, .nth = -4, WARNS,
	      LOST_PAGE(1)),
	FAULT("reclaim_hard_tdr", "TDH.PHYMEM.PAGE.RECLAIM of the TDR fails: it is lost",
	      .op = CLOSE, .leaf = TDH_PHYMEM_PAGE_RECLAIM, .status = HARD, .nth = -1, WARNS,
	      .left = { .td = true }),
	FAULT("wbinvd_tdr_hard", "TDH.PHYMEM.PAGE.WBINVD of the TDR fails: a warning", .op = CLOSE,
	      .leaf = TDH_PHYMEM_PAGE_WBINVD, .status = HARD, .nth = NR_PAGES + 1, WARNS),
};

TEST_MAIN("the TDX module fails: errno, progress, what dies and what is lost", cases)
