// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a TD can say of itself (TDG.MR.REPORT): the measurement of its beginning,
 * the registers that it extended, what its creator gave it; each equal to what is
 * calculated here, from the ioctls and by libcrypto.
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

static GUEST void reports(u64 arg)
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

struct measured {
	struct guest_vm p;
	u8 *source;		/* of the two pages */
	const struct td_report *report;
};

static struct measured measured(const struct test *t, struct guest_vm_config wish)
{
	struct measured m = { .source = td_source(2, t->seed) };

	wish.fn[0] = reports;
	wish.size = SLOT_SIZE;
	wish.added = m.source;
	wish.nr_added = 2;
	m.p = guest_vm_create(t, wish);
	vm_set_shared(m.p.vm, OUT_GPA, SZ_4K);
	expect_eq(guest_wait_value(m.p.vcpu[0]), 0, "status of TDG.MR.REPORT");
	m.report = (void *)(m.p.slot->mem->hva + (OUT_GPA - GPA));
	return m;
}

static struct measured plain_report(const struct test *t)
{
	extends.nr = 0;
	return measured(t, (struct guest_vm_config){ 0 });
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

static void report(const struct test *t)
{
	struct measured m = plain_report(t);

	expect_eq(m.report->type[0], 0x81, "type");
	expect_bytes(m.report->data, m.source + REPORT_DATA, sizeof(m.report->data),
		     "the guest's own data");
}

static void creator_gives(struct kvm_tdx_init_vm *params)
{
	memset(params->mrconfigid, 0xc1, sizeof(params->mrconfigid));
	memset(params->mrowner, 0xd2, sizeof(params->mrowner));
	memset(params->mrownerconfig, 0xe3, sizeof(params->mrownerconfig));
}

static void what_the_creator_gave(const struct test *t)
{
	u8 expected[3][HASH];
	struct measured m;

	extends.nr = 0;
	m = measured(t, (struct guest_vm_config){ .params = creator_gives });
	memset(expected[0], 0xc1, HASH);
	memset(expected[1], 0xd2, HASH);
	memset(expected[2], 0xe3, HASH);
	expect_bytes(m.report->td.mrconfigid, expected[0], HASH, "MRCONFIGID");
	expect_bytes(m.report->td.mrowner, expected[1], HASH, "MROWNER");
	expect_bytes(m.report->td.mrownerconfig, expected[2], HASH, "MROWNERCONFIG");
}

static void attributes_and_xfam(const struct test *t)
{
	struct measured m = plain_report(t);
	struct kvm_tdx_init_vm *params = td_params(m.p.vm);

	expect_eq(m.report->td.attributes, params->attributes, "ATTRIBUTES");
	expect_eq(m.report->td.xfam, params->xfam, "XFAM");
	free(params);
}

static void attributes_with_ve(const struct test *t)
{
	struct measured m;

	extends.nr = 0;
	m = measured(t, (struct guest_vm_config){ .ve = true });
	expect_eq(m.report->td.attributes, 0, "ATTRIBUTES");
}

static void expect_mrtd_reported(const struct measured *m, bool measured)
{
	struct mrtd *mrtd = mrtd_new();
	char *expected;

	guest_vm_measure(&m->p, mrtd);
	mrtd_add_pages(mrtd, GPA, m->source, 2, measured);
	expected = mrtd_finish(mrtd);
	if (strcmp(expected, hex(m->report->td.mrtd, HASH)))
		test_failed(__FILE__, __LINE__, "MRTD", expected, hex(m->report->td.mrtd, HASH));
	free(expected);
}

static void mrtd(const struct test *t)
{
	struct measured m = plain_report(t);

	expect_mrtd_reported(&m, false);
}

static void mrtd_of_content(const struct test *t)
{
	struct measured m;

	extends.nr = 0;
	m = measured(t, (struct guest_vm_config){ .measured = true });
	expect_mrtd_reported(&m, true);
}

/* The guest extends these; each register is a chain of hashes of its own. */
struct extend_list {
	u64 nr, rtmr[EXTENDS_MAX];
};
static const struct extend_list
	none = { 0, { 0 } }, one_each = { 4, { 0, 1, 2, 3 } },
	one_thrice = { 3, { 2, 2, 2 } }, mixed = { 6, { 3, 0, 3, 1, 0, 3 } };

static void rtmrs(const struct test *t)
{
	const struct extend_list *list = t->tc->arg;
	u8 expected[RTMRS][HASH] = { 0 };
	struct measured m;

	extends.nr = list->nr;
	memcpy(extends.rtmr, list->rtmr, sizeof(extends.rtmr));
	m = measured(t, (struct guest_vm_config){ 0 });
	for (u64 i = 0; i < list->nr; i++) {
		u8 both[2 * HASH], *rtmr = expected[list->rtmr[i]];

		memcpy(both, rtmr, HASH);
		memcpy(both + HASH, m.source + (DATA_GPA - GPA) + 64 * i, HASH);
		SHA384(both, sizeof(both), rtmr);
	}
	for (int i = 0; i < RTMRS; i++)
		expect_bytes(m.report->td.rtmr[i], expected[i], HASH, "RTMR %d", i);
}

static void hash_of_td_info(const struct test *t)
{
	struct measured m = plain_report(t);
	u8 expected[HASH];

	SHA384((const u8 *)&m.report->td, sizeof(m.report->td), expected);
	expect_bytes(m.report->td_info_hash, expected, HASH, "hash of TDINFO");
}

/* Nobody must take it for the real thing. */
static void not_genuine(const struct test *t)
{
	struct measured m = plain_report(t);

	expect_bytes(m.report->mac, (const u8 *)"softtdx: this is no genuine MAC!",
		     sizeof(m.report->mac), "the software module's MAC");
}

#define TD		.vm_types = VM_TDX
#define MEASURE(fn, text, ...)	{ #fn, text, fn, TD, ##__VA_ARGS__ }
#define RTMR(name, text, list)	{ name, text, rtmrs, &list, TD }

static const struct test_case cases[] = {
	MEASURE(report, "a report with the guest's own data"),
	MEASURE(what_the_creator_gave, "MRCONFIGID, MROWNER, MROWNERCONFIG"),
	MEASURE(attributes_and_xfam, "ATTRIBUTES and XFAM as KVM_TDX_INIT_VM had them"),
	MEASURE(attributes_with_ve, "ATTRIBUTES without SEPT_VE_DISABLE"),
	MEASURE(mrtd, "MRTD of pages that were added"),
	MEASURE(mrtd_of_content, "MRTD of pages that were measured"),
	RTMR("rtmrs_at_first", "RTMRs are zero at first", none),
	RTMR("rtmrs_one_each", "each RTMR extended", one_each),
	RTMR("rtmrs_one_thrice", "one RTMR extended three times", one_thrice),
	RTMR("rtmrs_mixed", "RTMRs extended in turn", mixed),
	MEASURE(hash_of_td_info, "the report's hash of TDINFO"),
	MEASURE(not_genuine, "softtdx marks its report", .needs_softtdx = true),
};

TEST_MAIN("What TDs report of themselves", cases)
