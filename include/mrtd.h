/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The measurement of a TD's build (MRTD), calculated from the ioctls that were
 * issued: TDX module specification, "Measurement and Attestation"; SHA-384 by
 * libcrypto.  It shares no code with the software TDX module.
 */
#ifndef MRTD_H
#define MRTD_H

#include <stdbool.h>

#include "types.h"

struct mrtd;

struct mrtd *mrtd_new(void);

/*
 * One page of KVM_TDX_INIT_MEM_REGION: KVM adds it (TDH.MEM.PAGE.ADD), and
 * then, if @measured, extends the measurement by its 16 chunks
 * (TDH.MR.EXTEND).  @data: the 4096 bytes of the source.
 */
void mrtd_add_page(struct mrtd *m, u64 gpa, const void *data, bool measured);

/* The same for @nr pages in a row. */
void mrtd_add_pages(struct mrtd *m, u64 gpa, const u8 *data, u64 nr,
		    bool measured);

/* As of KVM_TDX_FINALIZE_VM: 96 lower-case hex digits, freed by the caller. */
char *mrtd_finish(struct mrtd *m);

/*
 * The only TD of this host has this measurement: looked at where the TDX module is the
 * software one.  (td_measure_test asks the guest.)
 */
#define expect_mrtd(m)	expect_mrtd_(__FILE__, __LINE__, m)
void expect_mrtd_(const char *file, int line, struct mrtd *m);
/* The same in hexadecimal digits. */
#define expect_mrtd_hex(hex)	expect_mrtd_hex_(__FILE__, __LINE__, hex)
void expect_mrtd_hex_(const char *file, int line, const char *expected);

#endif /* MRTD_H */
