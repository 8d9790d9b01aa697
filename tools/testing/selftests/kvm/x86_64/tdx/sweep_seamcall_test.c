// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each SEAMCALL of the ioctls that build a TD gets each class of answer, one after the other
 * (seam_sweep.h): a busy module, once, for long and for ever; no entropy, once, nine times and for
 * ever; an interrupted call; an operand that it refuses; an error that nobody expects.  The rows
 * are how KVM treats a leaf; what is left of TDs that are destroyed is td_error_remove_test's.
 */
#include "seam_sweep.h"
#include "td_fault.h"
#include "testcase.h"

#define N1		.xfail = "N1", .xfail_in_body = true
#define V2		.xfail = "V2", .xfail_in_body = true
#define M1		.xwarn = "M1"

static const struct seam_row mng_create = {
	.op = OP_INIT_VM, .leaf = TDH_MNG_CREATE, .no_entropy = EAGAIN, .error = EIO,
	.lives_map_first = true
};
static const struct seam_row mng_key_config = {
	.op = OP_INIT_VM, .leaf = TDH_MNG_KEY_CONFIG, .error = EIO,
};
static const struct seam_row mng_addcx = {
	.op = OP_INIT_VM, .leaf = TDH_MNG_ADDCX, .no_entropy = EAGAIN, .error = EIO,
	.lives_map_first = true
};
static const struct seam_row mng_init = {
	.op = OP_INIT_VM, .leaf = TDH_MNG_INIT, .invalid = EINVAL, .error = EIO,
	.lives_map_first = true, .returns_registers = true
};
/* KVM only says that it could not read, and goes on with zero. */
static const struct seam_row mng_rd = {
	.op = OP_INIT_VM, .leaf = TDH_MNG_RD, .error = EIO, .lives = true, .silent = true,
	.ignored = "V2"
};
static const struct seam_row cpuid_rd = {
	.op = OP_CPUID, .leaf = TDH_MNG_RD, .error = EIO, .lives = true, .ignored = "V2",
};
static const struct seam_row vp_create = {
	.op = OP_INIT_VCPU, .leaf = TDH_VP_CREATE, .error = EIO,
};
static const struct seam_row vp_addcx = {
	.op = OP_INIT_VCPU, .leaf = TDH_VP_ADDCX, .error = EIO,
};
static const struct seam_row vp_init = {
	.op = OP_INIT_VCPU, .leaf = TDH_VP_INIT, .error = EIO,
};
/* The VM is dead, which the next ioctl tells. */
static const struct seam_row vp_wr = {
	.op = OP_INIT_VCPU, .leaf = TDH_VP_WR, .error = 0,
};
static const struct seam_row sept_add = {
	.op = OP_ADD, .leaf = TDH_MEM_SEPT_ADD, .busy = BUSY_AGAIN, .error = EIO,
	.returns_registers = true
};
static const struct seam_row page_add = {
	.op = OP_ADD, .leaf = TDH_MEM_PAGE_ADD, .busy = BUSY_AGAIN, .error = EIO,
	.returns_registers = true
};
static const struct seam_row mr_extend = {
	.op = OP_MEASURE, .leaf = TDH_MR_EXTEND, .error = EIO, .returns_registers = true,
};
static const struct seam_row mr_finalize = {
	.op = OP_FINALIZE, .leaf = TDH_MR_FINALIZE, .busy = BUSY_IS_TOLD, .error = EIO,
};
static const struct seam_row prefault_sept = {
	.op = OP_PREFAULT, .leaf = TDH_MEM_SEPT_ADD, .busy = BUSY_AGAIN, .error = EIO,
	.returns_registers = true
};
static const struct seam_row page_aug = {
	.op = OP_PREFAULT, .leaf = TDH_MEM_PAGE_AUG, .busy = BUSY_AGAIN, .error = EIO,
	.returns_registers = true
};

CASES(seam_sweep,
	ANSWERS("mng_create", "TDH.MNG.CREATE", &mng_create),
	ENTROPY("mng_create", "TDH.MNG.CREATE", &mng_create),
	ANSWERS("mng_key_config", "TDH.MNG.KEY.CONFIG", &mng_key_config, .nightly = true),
	ENTROPY("mng_key_config", "TDH.MNG.KEY.CONFIG", &mng_key_config, .nightly = true),
	ANSWERS("mng_addcx", "TDH.MNG.ADDCX", &mng_addcx, .nightly = true),
	ENTROPY("mng_addcx", "TDH.MNG.ADDCX", &mng_addcx, .nightly = true),
	ANSWERS("mng_init", "TDH.MNG.INIT", &mng_init, .nightly = true),
	ENTROPY("mng_init", "TDH.MNG.INIT", &mng_init, N1, .nightly = true),
	ANSWERS("mng_rd", "TDH.MNG.RD of KVM_TDX_INIT_VM", &mng_rd, V2, .nightly = true),
	ANSWERS("cpuid_rd", "TDH.MNG.RD of KVM_TDX_GET_CPUID", &cpuid_rd, V2,
		.nightly = true),
	ANSWERS("vp_create", "TDH.VP.CREATE", &vp_create, .nightly = true),
	ENTROPY("vp_create", "TDH.VP.CREATE", &vp_create, .nightly = true),
	ANSWERS("vp_addcx", "TDH.VP.ADDCX", &vp_addcx, .nightly = true),
	ENTROPY("vp_addcx", "TDH.VP.ADDCX", &vp_addcx, .nightly = true),
	ANSWERS("vp_init", "TDH.VP.INIT", &vp_init, .nightly = true),
	ENTROPY("vp_init", "TDH.VP.INIT", &vp_init, .nightly = true),
	ANSWERS("vp_wr", "TDH.VP.WR", &vp_wr, .nightly = true),
	ENTROPY("vp_wr", "TDH.VP.WR", &vp_wr, .nightly = true),
	BUSY_ONCE("sept_add", "TDH.MEM.SEPT.ADD", &sept_add, .nightly = true),
	BUSY_FOR_LONG("sept_add", "TDH.MEM.SEPT.ADD", &sept_add, M1, .nightly = true),
	FAILS("sept_add", "TDH.MEM.SEPT.ADD", &sept_add, .nightly = true),
	ENTROPY("sept_add", "TDH.MEM.SEPT.ADD", &sept_add, N1, .nightly = true),
	ANSWERS("page_add", "TDH.MEM.PAGE.ADD", &page_add, .nightly = true),
	ENTROPY("page_add", "TDH.MEM.PAGE.ADD", &page_add, N1, .nightly = true),
	ANSWERS("mr_extend", "TDH.MR.EXTEND", &mr_extend, .nightly = true),
	ENTROPY("mr_extend", "TDH.MR.EXTEND", &mr_extend, N1, .nightly = true),
	ANSWERS("mr_finalize", "TDH.MR.FINALIZE", &mr_finalize),
	ENTROPY("mr_finalize", "TDH.MR.FINALIZE", &mr_finalize),
	ANSWERS("prefault_sept_add", "TDH.MEM.SEPT.ADD of a prefault", &prefault_sept,
		.nightly = true),
	ENTROPY("prefault_sept_add", "TDH.MEM.SEPT.ADD of a prefault", &prefault_sept, N1,
		.nightly = true),
	ANSWERS("page_aug", "TDH.MEM.PAGE.AUG", &page_aug, .nightly = true),
	ENTROPY("page_aug", "TDH.MEM.PAGE.AUG", &page_aug, N1, .nightly = true))

TEST_MAIN("each SEAMCALL that builds a TD gets each class of answer")
