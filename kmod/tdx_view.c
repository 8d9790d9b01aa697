// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/tdx_view: reads the Secure EPT and the page metadata (PAMT) of TDs, for
 * their own process (include/uapi/tdx_view.h, docs/kmod.md).
 *
 * It learns of TDs by probes on what KVM calls, and reads by SEAMCALL.  Not
 * tested on hardware.
 */
#define pr_fmt(fmt) "tdx_view: " fmt

#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/memory_hotplug.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include <asm/tdx.h>
#include <asm/trapnr.h>

#include "uapi/tdx_view.h"

/* Leaves of the TDX module's ABI. */
#define LEAF_SEPT_RD	25
#define LEAF_PAGE_RDMD	24

#define PAGE_FREE	0		/* type of a page that the module does not hold */
#define ENTRY_HPA	GENMASK_ULL(51, 12)	/* of a Secure EPT entry */
#define STATE_TABLE	0x84			/* NL_MAPPED, in bits 15:8 of RDX */

/* The TDs of this host. */

/*
 * Inside of KVM's struct for the VM; NULL: no TD.  Each has a private KeyID, from the
 * begin of tdh_mng_init() to tdh_mng_key_freeid(), so there cannot be more TDs.  (Where
 * KVM fails to free a KeyID and leaks it, its entry stays.)
 */
static const struct tdx_td **tds;
static u32 max_tds;
static DEFINE_RAW_SPINLOCK(tds_lock);

static int alloc_tds(void)
{
	u32 mktme_keyids;

	if (rdmsr_safe(MSR_IA32_MKTME_KEYID_PARTITIONING, &mktme_keyids, &max_tds) || !max_tds)
		return -ENODEV;
	tds = kvcalloc(max_tds, sizeof(*tds), GFP_KERNEL);
	return tds ? 0 : -ENOMEM;
}

static void replace_td(const struct tdx_td *old, const struct tdx_td *new)
{
	guard(raw_spinlock_irqsave)(&tds_lock);
	for (int i = 0; i < max_tds; i++) {
		if (tds[i] == old) {
			tds[i] = new;
			return;
		}
	}
}

/* tdh_mng_init(td, ...): its pages are there. tdh_mng_key_freeid(td): it dies. */
static int td_begins(struct kprobe *probe, struct pt_regs *regs)
{
	replace_td(NULL, (void *)regs_get_kernel_argument(regs, 0));
	return 0;
}

static int td_ends(struct kprobe *probe, struct pt_regs *regs)
{
	replace_td((void *)regs_get_kernel_argument(regs, 0), NULL);
	return 0;
}

static struct kprobe begin = { .symbol_name = "tdh_mng_init", .pre_handler = td_begins };
static struct kprobe end = { .symbol_name = "tdh_mng_key_freeid", .pre_handler = td_ends };
static struct kprobe *probes[] = { &begin, &end };

/*
 * KVM's struct of a TD is struct kvm and a little more, with the struct tdx_td
 * behind struct kvm.  That of another VM begins after the end of this one, so
 * its TD is at least a struct kvm farther away.
 */
static bool td_is_of(const struct tdx_td *td, const struct kvm *kvm)
{
	unsigned long offset = (unsigned long)td - (unsigned long)kvm;

	return td && offset >= sizeof(*kvm) && offset < 2 * sizeof(*kvm);
}

/* Address of the TDR, 0: @file is no VM with a TD, or that of another process. */
static u64 find_td(const struct file *file)
{
	/* Only looked at when a TD lies behind it: then it is a struct kvm. */
	const struct kvm *kvm = file->private_data;

	guard(raw_spinlock_irqsave)(&tds_lock);
	for (int i = 0; i < max_tds; i++)
		if (td_is_of(tds[i], kvm) && kvm->arch.vm_type == KVM_X86_TDX_VM)
			return kvm->mm == current->mm ? page_to_phys(tds[i]->tdr_page) : 0;
	return 0;
}

/* SEAMCALL. */

static u64 execute_seamcall(u64 leaf, struct tdx_module_args *args)
{
	register u64 r8 asm("r8") = args->r8;
	register u64 r9 asm("r9") = args->r9;
	register u64 r10 asm("r10") = args->r10;
	register u64 r11 asm("r11") = args->r11;
	bool failed;

	/* On a fault: the number of the trap in RAX. */
	asm volatile("clc\n"
		     "1: .byte 0x66, 0x0f, 0x01, 0xcf\n"	/* SEAMCALL */
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_FAULT)
		     : "=@ccc" (failed), "+a" (leaf), "+c" (args->rcx), "+d" (args->rdx),
		       "+r" (r8), "+r" (r9), "+r" (r10), "+r" (r11)
		     : : "memory");
	args->r8 = r8;
	return failed ? TDX_SEAMCALL_VMFAILINVALID : leaf;
}

/*
 * As the kernel does it: with preemption off, also where a spinlock does not see to that
 * (PREEMPT_RT), and in VMX operation, which a CPU enters before it uses the module and
 * leaves when it goes offline.  (The kernel also marks the caches of this CPU as dirty, for
 * kexec; CPUs on which KVM ran a TD's SEAMCALLs are.)
 */
static int call_module(u64 leaf, struct tdx_module_args *args, u64 *status)
{
	guard(preempt)();
	if (!(__read_cr4() & X86_CR4_VMXE))
		return -ENODEV;
	*status = execute_seamcall(leaf, args);
	if (*status == X86_TRAP_UD || *status == X86_TRAP_GP)
		return -ENODEV;
	return 0;
}

/* Reading while nothing else does. */

static bool runs(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (READ_ONCE(vcpu->mode) != OUTSIDE_GUEST_MODE)
			return true;
	return false;
}

static bool is_entry(u64 gpa, u32 level)
{
	return level <= 4 && PAGE_ALIGNED(gpa);
}

static int view_sept(u64 tdr, struct tdx_view_sept *v)
{
	struct tdx_module_args args = { .rcx = v->gpa | v->level, .rdx = tdr };
	int error;

	if (!is_entry(v->gpa, v->level))
		return -EINVAL;
	error = call_module(LEAF_SEPT_RD, &args, &v->status);
	v->entry = args.rcx;
	v->level_state = args.rdx;
	return error;
}

/*
 * While a PAMT entry is read it is locked, and KVM takes it for fatal when another TD's
 * page cannot be reclaimed for that.  No page of a TD is free or of a process's memory, and
 * those of the caller's guest_memfd are in no other TD; others are looked up in the TD first.  The TDX module does not tell which page a table is
 * in: there the caller's word counts, who saw it given, while the entry is a table.
 */
static int check_page(u64 tdr, const struct tdx_view_page *v)
{
	struct tdx_module_args args = { .rcx = v->gpa | v->level, .rdx = tdr };
	struct page *page = pfn_to_online_page(v->pfn);
	struct file *gmem __free(fput) = v->gmem_fd < 0 ? NULL : fget(v->gmem_fd);
	u64 status;
	int error;

	if (!page || !is_entry(v->gpa, v->level))
		return -EINVAL;
	if (!page_count(page) || PageAnon(page) || PFN_PHYS(v->pfn) == tdr)
		return 0;
	if (gmem && page_folio(page)->mapping == gmem->f_mapping)
		return 0;
	error = call_module(LEAF_SEPT_RD, &args, &status);
	if (error)
		return error;
	if (!status && (args.rdx >> 8 & 0xff) == STATE_TABLE)
		return 0;
	return !status && (args.rcx & ENTRY_HPA) == PFN_PHYS(v->pfn) ? 0 : -EPERM;
}

static int view_page(u64 tdr, struct tdx_view_page *v)
{
	struct tdx_module_args args = { .rcx = PFN_PHYS(v->pfn) };
	int error = check_page(tdr, v);

	if (!error)
		error = call_module(LEAF_PAGE_RDMD, &args, &v->status);
	if (error)
		return error;
	if (v->status)
		return 0;
	if (args.rcx == PAGE_FREE)
		args.rdx = 0;		/* the module still names the last owner */
	if (args.rdx && args.rdx != tdr)
		return -EACCES;
	v->type = args.rcx;
	v->owner = args.rdx;
	v->size = args.r8;
	return 0;
}

/* The device. */

union request {
	s32 vm_fd;	/* all begin with it */
	struct tdx_view_td td;
	struct tdx_view_sept sept;
	struct tdx_view_page page;
};

/*
 * KVM maps and unmaps pages of a TD under mmu_lock: not now.  Its ioctls that
 * build and finalize a TD, and running vCPUs, are the caller's to keep away; a
 * vCPU that is seen to run is an error.  (An ioctl may sleep, and wait for the
 * caller: so there is no waiting for its locks.)
 */
static int read_quiescent(struct kvm *kvm, u64 tdr, unsigned int cmd, union request *v)
{
	guard(write_lock)(&kvm->mmu_lock);
	if (runs(kvm))
		return -EBUSY;
	return cmd == TDX_VIEW_SEPT ? view_sept(tdr, &v->sept) : view_page(tdr, &v->page);
}

static long view_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	union request v = { 0 };
	int error = 0;
	u64 tdr;

	if (cmd != TDX_VIEW_TD && cmd != TDX_VIEW_SEPT && cmd != TDX_VIEW_PAGE)
		return -ENOTTY;
	if (copy_from_user(&v, user, _IOC_SIZE(cmd)))
		return -EFAULT;

	struct file *vm __free(fput) = fget(v.vm_fd);

	if (!vm)
		return -EBADF;
	tdr = find_td(vm);
	if (!tdr)
		return -ENXIO;
	if (cmd == TDX_VIEW_TD)
		v.td.tdr = tdr;
	else
		error = read_quiescent(vm->private_data, tdr, cmd, &v);
	if (!error && copy_to_user(user, &v, _IOC_SIZE(cmd)))
		error = -EFAULT;
	return error;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = view_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tdx_view",
	.mode = 0600,
	.fops = &operations,
};

static int __init view_init(void)
{
	int error = alloc_tds();

	if (error)
		return error;
	error = register_kprobes(probes, ARRAY_SIZE(probes));
	if (error)
		goto free;
	error = misc_register(&device);
	if (error)
		goto unregister;
	return 0;
unregister:
	unregister_kprobes(probes, ARRAY_SIZE(probes));
free:
	kvfree(tds);
	return error;
}

static void __exit view_exit(void)
{
	misc_deregister(&device);
	unregister_kprobes(probes, ARRAY_SIZE(probes));
	kvfree(tds);
}

module_init(view_init);
module_exit(view_exit);
MODULE_DESCRIPTION("Reads Secure EPT and page metadata of a process's TDs");
MODULE_LICENSE("GPL");
