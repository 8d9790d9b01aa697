/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/tdx_view, the device of kmod/tdx_view.c: what the TDX module holds of a
 * TD of the calling process, named by the fd of its VM.
 *
 * Errors: EBADF no such fd; ENXIO no TD of this process, or one that is older
 * than the device; EBUSY one of its vCPUs runs; EPERM the page is in use, and not
 * where the request says; EACCES it belongs to another TD; ENODEV this CPU cannot
 * execute SEAMCALL.
 */
#ifndef TDX_VIEW_H
#define TDX_VIEW_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct tdx_view_td {
	__s32 vm_fd;
	__u32 pad;
	__u64 tdr;		/* out: address of its root page */
};

/* TDH.MEM.SEPT.RD. Levels as the module counts them: 0 is 4K. */
struct tdx_view_sept {
	__s32 vm_fd;
	__u32 level;
	__u64 gpa;		/* aligned to the level */
	__u64 status;		/* out: of the SEAMCALL */
	__u64 entry;		/* out: RCX, the entry where the walk ended */
	__u64 level_state;	/* out: RDX, [7:0] its level, [15:8] its state */
};

/*
 * TDH.PHYMEM.PAGE.RDMD: what the PAMT says of a page.  Of one that is free, that is
 * anonymous memory of a process or in the guest_memfd @gmem_fd, that is the TD's root page,
 * or that the entry of @gpa at @level names.  (Entries do not name tables: if it is one, @pfn
 * has to be the page that the TD was given for it.)  With another page the read could
 * disturb another TD.
 */
struct tdx_view_page {
	__s32 vm_fd;
	__u32 level;
	__u64 gpa;		/* aligned to the level */
	__u64 pfn;
	__s32 gmem_fd;		/* or -1 */
	__u32 pad;
	__u64 status;		/* out: of the SEAMCALL */
	__u64 type;		/* out */
	__u64 owner;		/* out: address of a TDR, 0 if none */
	__u64 size;		/* out: a level, 0 is 4K */
};

#define TDX_VIEW_TD	_IOWR('T', 0x80, struct tdx_view_td)
#define TDX_VIEW_SEPT	_IOWR('T', 0x81, struct tdx_view_sept)
#define TDX_VIEW_PAGE	_IOWR('T', 0x82, struct tdx_view_page)

#endif /* TDX_VIEW_H */
