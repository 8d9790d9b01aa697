// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDG.MR.REPORT of a TD: MRTD, RTMRs and the fields of KVM_TDX_INIT_VM are equal to what
 * the test calculates from the ioctls, by libcrypto.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_vm.h"

#define SLOT_SIZE	(2 * SZ_2M)
#define REPORT_DATA	0x400	/* in the first page; the report goes to its beginning */
#define DATA_GPA	(GPA + SZ_4K)
#define OUT_GPA		(GPA + SZ_2M)	/* shared: the guest copies the report there */
#define HASH		48
#define RTMRS		4
#define EXTENDS_MAX	8

/* TDREPORT_STRUCT (Intel TDX Module ABI). */
struct td_report {
	u8 type[16], cpu_svn[16];
	u8 tcb_info_hash[HASH], td_info_hash[HASH];
	u8 data[64], reserved[32], mac[32];
	u8 tcb_info[256];
	struct {
		u64 attributes, xfam;
		u8 mrtd[HASH], mrconfigid[HASH], mrowner[HASH], mrownerconfig[HASH];
		u8 rtmr[RTMRS][HASH], servtd_hash[HASH];
		u8 reserved[64];
	} td;
};
_Static_assert(sizeof(struct td_report) == 1024, "TDREPORT");

/* Which RTMRs the guest extends, in order; the data of extend i is at DATA_GPA + 64 * i. */
static GUEST_DATA struct {
	u64 nr, rtmr[EXTENDS_MAX];
} extends = { .nr = EXTENDS_MAX };

static GUEST void extend_and_report(u64 arg)
{
	struct tdcall_regs r;

	(void)arg;
	for (u64 i = 0; i < extends.nr; i++) {
		r.rax = TDG_MR_RTMR_EXTEND;
		r.rcx = DATA_GPA + 64 * i;
		r.rdx = extends.rtmr[i];
		tdcall(&r);
		if (r.rax)
			guest_report(r.rax);
	}
	r.rax = TDG_MR_REPORT;
	r.rcx = GPA;
	r.rdx = GPA + REPORT_DATA;
	r.r8 = 0;
	tdcall(&r);
	for (u64 i = 0; i < sizeof(struct td_report); i += 8)
		WRITE_GUEST(guest_shared(OUT_GPA) + i, READ_GUEST(GPA + i));
	guest_report(r.rax);
}

struct scene {
	struct guest_vm p;
	u8 *source;		/* of the two pages */
	const struct td_report *report;
};

static struct scene scene(const struct test *t, struct guest_vm_config config)
{
	struct scene s = { .source = td_source(2, t->seed) };

	config.fn[0] = extend_and_report;
	config.size = SLOT_SIZE;
	config.added = s.source;
	config.nr_added = 2;
	s.p = guest_vm_create(t, config);
	vm_set_shared(s.p.vm, OUT_GPA, SZ_4K);
	expect_eq(guest_wait_value(s.p.vcpu[0]), 0, "status of TDG.MR.REPORT");
	s.report = (void *)(s.p.slot->mem->hva + (OUT_GPA - GPA));
	return s;
}

static struct scene plain_report(const struct test *t)
{
	extends.nr = 0;
	return scene(t, (struct guest_vm_config){ 0 });
}

static const char *hex(const u8 *bytes, size_t n)
{
	char *text = calloc(1, 2 * n + 1);

	for (size_t i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	return text;
}

#define expect_bytes(seen, expected, n, ...)					\
	do {									\
		if (memcmp(seen, expected, n))					\
			test_failed(__FILE__, __LINE__, strf(__VA_ARGS__),	\
				    hex(expected, n), hex(seen, n));		\
	} while (0)

CASE(report, "a report with the guest's own data", .vm_types = VM_TDX)
{
	struct scene s = plain_report(t);

	expect_eq(s.report->type[0], 0x81, "type");
	expect_bytes(s.report->data, s.source + REPORT_DATA, sizeof(s.report->data),
		     "the guest's own data");
}

static void set_creator_fields(struct kvm_tdx_init_vm *params)
{
	memset(params->mrconfigid, 0xc1, sizeof(params->mrconfigid));
	memset(params->mrowner, 0xd2, sizeof(params->mrowner));
	memset(params->mrownerconfig, 0xe3, sizeof(params->mrownerconfig));
}

CASE(creator_fields, "MRCONFIGID, MROWNER, MROWNERCONFIG as KVM_TDX_INIT_VM had them",
	.vm_types = VM_TDX)
{
	u8 expected[3][HASH];
	struct scene s;

	extends.nr = 0;
	s = scene(t, (struct guest_vm_config){ .params = set_creator_fields });
	memset(expected[0], 0xc1, HASH);
	memset(expected[1], 0xd2, HASH);
	memset(expected[2], 0xe3, HASH);
	expect_bytes(s.report->td.mrconfigid, expected[0], HASH, "MRCONFIGID");
	expect_bytes(s.report->td.mrowner, expected[1], HASH, "MROWNER");
	expect_bytes(s.report->td.mrownerconfig, expected[2], HASH, "MROWNERCONFIG");
}

CASE(attributes_and_xfam, "ATTRIBUTES and XFAM as KVM_TDX_INIT_VM had them", .vm_types = VM_TDX)
{
	struct scene s = plain_report(t);
	struct kvm_tdx_init_vm *params = td_params(s.p.vm);

	expect_eq(s.report->td.attributes, params->attributes, "ATTRIBUTES");
	expect_eq(s.report->td.xfam, params->xfam, "XFAM");
	free(params);
}

CASE(attributes_with_ve, "ATTRIBUTES without SEPT_VE_DISABLE", .vm_types = VM_TDX)
{
	struct scene s;

	extends.nr = 0;
	s = scene(t, (struct guest_vm_config){ .ve = true });
	expect_eq(s.report->td.attributes, 0, "ATTRIBUTES");
}

static void expect_mrtd_reported(const struct scene *s, bool measured)
{
	struct mrtd *mrtd = mrtd_new();
	char *expected;

	guest_vm_measure(&s->p, mrtd);
	mrtd_add_pages(mrtd, GPA, s->source, 2, measured);
	expected = mrtd_finish(mrtd);
	if (strcmp(expected, hex(s->report->td.mrtd, HASH)))
		test_failed(__FILE__, __LINE__, "MRTD", expected, hex(s->report->td.mrtd, HASH));
	free(expected);
}

CASE(mrtd, "MRTD of pages that were added", .vm_types = VM_TDX)
{
	struct scene s = plain_report(t);

	expect_mrtd_reported(&s, false);
}

CASE(mrtd_of_content, "MRTD of pages that were measured", .vm_types = VM_TDX)
{
	struct scene s;

	extends.nr = 0;
	s = scene(t, (struct guest_vm_config){ .measured = true });
	expect_mrtd_reported(&s, true);
}

/* RTMRs that the guest extends, in this order; each is a chain of hashes of its own. */
struct extend_list {
	u64 nr, rtmr[EXTENDS_MAX];
};

static void rtmrs(const struct test *t)
{
	const struct extend_list *list = t->tc->arg;
	u8 expected[RTMRS][HASH] = { 0 };
	struct scene s;

	extends.nr = list->nr;
	memcpy(extends.rtmr, list->rtmr, sizeof(extends.rtmr));
	s = scene(t, (struct guest_vm_config){ 0 });
	for (u64 i = 0; i < list->nr; i++) {
		u8 both[2 * HASH], *rtmr = expected[list->rtmr[i]];

		memcpy(both, rtmr, HASH);
		memcpy(both + HASH, s.source + (DATA_GPA - GPA) + 64 * i, HASH);
		SHA384(both, sizeof(both), rtmr);
	}
	for (int i = 0; i < RTMRS; i++)
		expect_bytes(s.report->td.rtmr[i], expected[i], HASH, "RTMR %d", i);
}

CASES(rtmrs,
	{ "rtmrs_at_first", "RTMRs are zero before an extend",
	  .arg = &(const struct extend_list){ 0, { 0 } }, .vm_types = VM_TDX },
	{ "rtmrs_one_each", "each RTMR extended",
	  .arg = &(const struct extend_list){ 4, { 0, 1, 2, 3 } }, .vm_types = VM_TDX },
	{ "rtmrs_one_thrice", "one RTMR extended three times",
	  .arg = &(const struct extend_list){ 3, { 2, 2, 2 } }, .vm_types = VM_TDX },
	{ "rtmrs_mixed", "RTMRs extended in turn",
	  .arg = &(const struct extend_list){ 6, { 3, 0, 3, 1, 0, 3 } }, .vm_types = VM_TDX })

CASE(hash_of_td_info, "the report's hash of TDINFO", .vm_types = VM_TDX)
{
	struct scene s = plain_report(t);
	u8 expected[HASH];

	SHA384((const u8 *)&s.report->td, sizeof(s.report->td), expected);
	expect_bytes(s.report->td_info_hash, expected, HASH, "hash of TDINFO");
}

/* softtdx must not be taken for a genuine TDX module. */
CASE(not_genuine, "softtdx marks its report", .vm_types = VM_TDX, .needs_softtdx = true)
{
	struct scene s = plain_report(t);

	expect_bytes(s.report->mac, (const u8 *)"softtdx: this is no genuine MAC!",
		     sizeof(s.report->mac), "the software module's MAC");
}

TEST_MAIN("TDG.MR.REPORT: measurements and fields of a TD's report")
