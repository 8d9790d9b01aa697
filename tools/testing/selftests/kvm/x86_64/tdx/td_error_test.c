// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SEAMCALL fails while KVM creates a TD, adds its initial memory, finalizes it or
 * prefaults pages (softtdx): a busy module, no entropy, an error that KVM does not expect;
 * at the first, a middle and the last page.  Checked are the errno, how far the ioctl came,
 * whether the VM is dead, mirror and Secure EPT, and what the destroyed TD leaves behind.
 */
#include "seamcall.h"
#include "softtdx_ctl.h"
#include "td_fault.h"
#include "td_fixture.h"
#include "testcase.h"

#define KEYS_NOT_CONFIGURED	0x8000081000000000ULL

CASES(td_fault,
	/* KVM_TDX_INIT_VM.  Through 6.18 KVM only warns, and the VM may try again. */
	FAULT("mng_create_busy", "TDH.MNG.CREATE busy: EIO", .op = OP_INIT_VM,
		.leaf = TDH_MNG_CREATE, .status = STATUS_BUSY, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .splat = true }),
	FAULT("mng_create_error", "TDH.MNG.CREATE fails: EIO", .op = OP_INIT_VM,
		.leaf = TDH_MNG_CREATE, .status = STATUS_ERROR, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .splat = true }),
	FAULT("mng_addcx_no_entropy",
		"TDH.MNG.ADDCX without entropy: EAGAIN, a second time works", .op = OP_INIT_VM,
		.leaf = TDH_MNG_ADDCX, .status = STATUS_NO_ENTROPY, .times = ENTROPY_TRIES,
		.nth = 2, REFUSED(EAGAIN)),
	FAULT("mng_addcx_error", "TDH.MNG.ADDCX of the second page fails: EIO", .op = OP_INIT_VM,
		.leaf = TDH_MNG_ADDCX, .status = STATUS_ERROR, .nth = 2, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .splat = true }),
	FAULT("mng_init_invalid", "TDH.MNG.INIT refuses an operand: EINVAL, a second time works",
		.op = OP_INIT_VM, .leaf = TDH_MNG_INIT, .status = STATUS_INVALID,
		REFUSED(EINVAL)),
	FAULT("mng_init_error", "TDH.MNG.INIT fails: EIO", .op = OP_INIT_VM,
		.leaf = TDH_MNG_INIT, .status = STATUS_ERROR, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .splat = true }),
	FAULT_XFAIL("mng_init_no_entropy", "TDH.MNG.INIT without entropy once: repeated", "N1",
		.op = OP_INIT_VM, .leaf = TDH_MNG_INIT, .status = STATUS_NO_ENTROPY, REFUSED(0)),
	FAULT("mng_key_config", "TDH.MNG.KEY.CONFIG without a key: EIO", .op = OP_INIT_VM,
		.leaf = TDH_MNG_KEY_CONFIG, .status = "TDX_KEY_GENERATION_FAILED", KILLED(EIO)),

	/* KVM_TDX_INIT_VCPU */
	FAULT("vp_create_error", "TDH.VP.CREATE fails: EIO", .op = OP_INIT_VCPU,
		.leaf = TDH_VP_CREATE, .status = STATUS_ERROR, KILLED(EIO)),
	FAULT("vp_addcx_error", "TDH.VP.ADDCX of the second page fails: EIO", .op = OP_INIT_VCPU,
		.leaf = TDH_VP_ADDCX, .status = STATUS_ERROR, .nth = 2, KILLED(EIO)),
	FAULT("vp_init_busy", "TDH.VP.INIT busy: EIO", .op = OP_INIT_VCPU, .leaf = TDH_VP_INIT,
		.status = STATUS_BUSY, KILLED(EIO)),
	FAULT("vp_init_no_entropy", "TDH.VP.INIT without entropy, but at the last try",
		.op = OP_INIT_VCPU, .leaf = TDH_VP_INIT, .status = STATUS_NO_ENTROPY,
		.times = ENTROPY_TRIES - 1, REFUSED(0)),

	/* KVM_TDX_INIT_MEM_REGION: tables */
	FAULT("sept_add_busy_root", "TDH.MEM.SEPT.ADD of the first table busy: repeated",
		.op = OP_ADD, .leaf = TDH_MEM_SEPT_ADD, .status = STATUS_BUSY, .times = 3,
		REFUSED(0)),
	FAULT("sept_add_busy_bottom", "TDH.MEM.SEPT.ADD of the last table busy: repeated",
		.op = OP_ADD, .leaf = TDH_MEM_SEPT_ADD, .status = STATUS_BUSY, .times = 3,
		.nth = 3, REFUSED(0)),
	FAULT("sept_add_error_root", "TDH.MEM.SEPT.ADD of the first table fails: EIO",
		.op = OP_ADD, .leaf = TDH_MEM_SEPT_ADD, .status = STATUS_ERROR, KILLED(EIO)),
	FAULT("sept_add_error_bottom", "TDH.MEM.SEPT.ADD of the last table fails: EIO",
		.op = OP_ADD, .leaf = TDH_MEM_SEPT_ADD, .status = STATUS_ERROR, .nth = 3,
		KILLED(EIO)),

	/*
	 * KVM_TDX_INIT_MEM_REGION: pages.  Through 6.18 the call ends, and the page counts as
	 * mapped but not added, so that it can neither be added again nor finalized.
	 */
	FAULT("page_add_busy", "TDH.MEM.PAGE.ADD of three pages busy: repeated", .op = OP_ADD,
		.leaf = TDH_MEM_PAGE_ADD, .status = STATUS_BUSY, .pages = ALL, REFUSED(0),
		MAP_FIRST = { .error = EBUSY, .again = EEXIST, .finalize = EINVAL }),
	FAULT_XFAIL("page_add_no_entropy", "TDH.MEM.PAGE.ADD without entropy once: repeated",
		"N1", .op = OP_ADD, .leaf = TDH_MEM_PAGE_ADD, .status = STATUS_NO_ENTROPY,
		.pages = ALL, REFUSED(0)),
	EACH_PAGE(FAULT, "page_add_error", "TDH.MEM.PAGE.ADD fails: EIO", .op = OP_ADD,
		.leaf = TDH_MEM_PAGE_ADD, .status = STATUS_ERROR, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .again = EEXIST, .finalize = EINVAL }),

	/* Measured pages.  Through 6.18 the page stays, measured in part, and the TD goes on. */
	FAULT("mr_extend_busy", "TDH.MR.EXTEND busy: EIO", .op = OP_MEASURE,
		.leaf = TDH_MR_EXTEND, .status = STATUS_BUSY, .pages = FIRST, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .again = EEXIST }),
	EACH_PAGE(FAULT, "mr_extend_error", "TDH.MR.EXTEND fails: EIO", .op = OP_MEASURE,
		.leaf = TDH_MR_EXTEND, .status = STATUS_ERROR, KILLED(EIO),
		MAP_FIRST = { .error = EIO, .again = EEXIST }),

	/* KVM_TDX_FINALIZE_VM */
	FAULT("finalize_busy", "TDH.MR.FINALIZE busy: EBUSY, a second time works",
		.op = OP_FINALIZE, .leaf = TDH_MR_FINALIZE, .status = STATUS_BUSY,
		REFUSED(EBUSY)),
	FAULT("finalize_no_entropy", "TDH.MR.FINALIZE without entropy, but at the last try",
		.op = OP_FINALIZE, .leaf = TDH_MR_FINALIZE, .status = STATUS_NO_ENTROPY,
		.times = ENTROPY_TRIES - 1, REFUSED(0)),
	FAULT("finalize_error", "TDH.MR.FINALIZE fails: EIO", .op = OP_FINALIZE,
		.leaf = TDH_MR_FINALIZE, .status = STATUS_ERROR, KILLED(EIO)),

	/* KVM_PRE_FAULT_MEMORY */
	FAULT("prefault_sept_add_busy", "TDH.MEM.SEPT.ADD busy: repeated", .op = OP_PREFAULT,
		.leaf = TDH_MEM_SEPT_ADD, .status = STATUS_BUSY, .times = 3, .nth = 2,
		REFUSED(0)),
	FAULT("prefault_sept_add_error", "TDH.MEM.SEPT.ADD of the last table fails: EIO",
		.op = OP_PREFAULT, .leaf = TDH_MEM_SEPT_ADD, .status = STATUS_ERROR, .nth = 3,
		KILLED(EIO)),
	FAULT("page_aug_busy", "TDH.MEM.PAGE.AUG of three pages busy: repeated",
		.op = OP_PREFAULT, .leaf = TDH_MEM_PAGE_AUG, .status = STATUS_BUSY, .times = 3,
		.pages = ALL, REFUSED(0)),
	FAULT_XFAIL("page_aug_no_entropy", "TDH.MEM.PAGE.AUG without entropy once: repeated",
		"N1", .op = OP_PREFAULT, .leaf = TDH_MEM_PAGE_AUG, .status = STATUS_NO_ENTROPY,
		.pages = ALL, REFUSED(0)),
	EACH_PAGE(FAULT, "page_aug_error", "TDH.MEM.PAGE.AUG fails: EIO", .op = OP_PREFAULT,
		.leaf = TDH_MEM_PAGE_AUG, .status = STATUS_ERROR, KILLED(EIO)))

/* The errno does not tell: TDH.MNG.ADDCX, called next, would make it EIO as well. */
CASE(no_addcx_without_key, "TDH.MNG.KEY.CONFIG without a key: no TDH.MNG.ADDCX follows", TD_FAULTS)
{
	struct vm *vm = td_vm();
	unsigned long calls = softtdx_calls(TDH_MNG_ADDCX, KEYS_NOT_CONFIGURED);

	softtdx_inject(TDH_MNG_KEY_CONFIG, "TDX_KEY_GENERATION_FAILED", 1);
	expect_errno(__td_init(vm, td_params(vm), NULL), EIO, "KVM_TDX_INIT_VM");
	expect_splat();
	expect_eq(softtdx_calls(TDH_MNG_ADDCX, KEYS_NOT_CONFIGURED) - calls, 0,
		  "TDH.MNG.ADDCXs of a TD that has no key");
}

TEST_MAIN("a SEAMCALL fails while a TD is built: errno, progress, what is lost")
