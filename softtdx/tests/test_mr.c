// SPDX-License-Identifier: GPL-2.0-only
/* TDH.MR.* and SHA-384: the measurement of the initial memory. */
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "test.h"

static void expect_digest(const u8 *seen, const u8 *wanted, int line)
{
	expect_eq(memcmp(seen, wanted, 48), 0, "digest", __FILE__, line);
}

static void expect_hex(const u8 *seen, const char *wanted, int line)
{
	u8 digest[48];

	expect_eq(OPENSSL_hexstr2buf_ex(digest, sizeof(digest), NULL, wanted, '\0'), 1,
		  "a digest in hexadecimal digits", __FILE__, line);
	expect_digest(seen, digest, line);
}

TEST(sha384_equals_libcrypto)
{
	u8 data[600], seen[48], wanted[48];
	struct sha384 s;

	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 31);
	for (size_t n = 0; n <= sizeof(data); n++) {
		sha384_init(&s);
		sha384_update(&s, data, n / 3);
		sha384_update(&s, data + n / 3, n - n / 3);
		sha384_final(&s, seen);
		SHA384(data, n, wanted);
		expect_digest(seen, wanted, __LINE__);
	}
	(void)w;
}

/* A second calculation, from the calls as they are made. */
static void measure(EVP_MD_CTX *md, const char *name, u64 gpa, const void *data)
{
	u8 block[128] = { 0 };

	memcpy(block, name, strlen(name));
	memcpy(block + 16, &gpa, 8);
	EVP_DigestUpdate(md, block, sizeof(block));
	if (data)
		EVP_DigestUpdate(md, data, 256);
}

TEST(mrtd_equals_libcrypto)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	u8 wanted[48];
	struct td td;

	EVP_DigestInit_ex(md, EVP_sha384(), NULL);
	td_with_tables(w, &td, WITH_VCPU);
	for (u64 gpa = GPA; gpa < GPA + 0x8000; gpa += PAGE_4K) {
		memset(at(w, SOURCE), (int)(gpa >> 12), PAGE_4K);
		memcpy(at(w, SOURCE + 8 * (gpa >> 12 & 7)), &gpa, 8);
		td_add(w, &td, gpa);
		measure(md, "MEM.PAGE.ADD", gpa, NULL);
		if (gpa & PAGE_4K)
			continue;
		for (u64 i = 0; i < PAGE_4K; i += 256) {
			EXPECT(CALL(MR_EXTEND, .rcx = gpa + i, .rdx = td.tdr), 0);
			measure(md, "MR.EXTEND", gpa + i, (u8 *)at(w, SOURCE) + i);
		}
	}
	EXPECT(CALL(MR_FINALIZE, .rcx = td.tdr), 0);
	EVP_DigestFinal_ex(md, wanted, NULL);
	expect_digest(tdcs_of(w, &td)->mrtd, wanted, __LINE__);
	EVP_MD_CTX_free(md);
}

/* Two vectors by hand: tests/mrtd_vectors.py computes them and looks for them here. */
#define MRTD_EMPTY \
	"38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"
#define MRTD_TWO_PAGES \
	"ceca2ba5c03a52d4429627f78bb00efd851615b88f12e3227cd74e65e407d3696de19371fa99f3b85b86cc6c2413f4fc"

TEST(mrtd_of_nothing)
{
	struct td td;

	td_build(w, &td, RUNNABLE);
	expect_hex(tdcs_of(w, &td)->mrtd, MRTD_EMPTY, __LINE__);
}

/* A page of 0xA5 at 0x40000000 with its first 256 bytes extended, one of zeroes after it. */
TEST(mrtd_of_two_pages)
{
	struct td td;

	td_with_tables(w, &td, WITH_VCPU);
	memset(at(w, SOURCE), 0xA5, PAGE_4K);
	td_add(w, &td, 0x40000000);
	MUST(CALL(MR_EXTEND, .rcx = 0x40000000, .rdx = td.tdr));
	memset(at(w, SOURCE), 0, PAGE_4K);
	td_add(w, &td, 0x40001000);
	MUST(CALL(MR_FINALIZE, .rcx = td.tdr));
	expect_hex(tdcs_of(w, &td)->mrtd, MRTD_TWO_PAGES, __LINE__);
}

TEST(extend_rules)
{
	struct td td;

	td_with_tables(w, &td, INITED);
	td_add(w, &td, GPA);
	EXPECT(CALL(MR_EXTEND, .rcx = GPA + 128, .rdx = td.tdr), ST(OPERAND_INVALID, OP_RCX));
	EXPECT(CALL(MR_EXTEND, .rcx = GPA + 0x1000, .rdx = td.tdr),
	       ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	EXPECT_EQ(w->regs.rcx, SEPT_FREE_ENTRY);
	EXPECT_EQ(w->regs.rdx, 0);
	MUST(CALL(MEM_RANGE_BLOCK, .rcx = GPA, .rdx = td.tdr));
	EXPECT(CALL(MR_EXTEND, .rcx = GPA, .rdx = td.tdr), ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	EXPECT_EQ(w->regs.rdx, 1 << 8);
}

TEST(finalize_rules)
{
	struct td td;

	td_build(w, &td, INITED);
	EXPECT(CALL(MR_FINALIZE, .rcx = td.tdr), ST0(NO_VCPUS));
	td_vcpu(w, &td, 0);
	pamt_at(w->m, td.tdr, 0)->lock = 1;
	EXPECT(CALL(MR_FINALIZE, .rcx = td.tdr), ST(OPERAND_BUSY, OP_RCX));
	pamt_at(w->m, td.tdr, 0)->lock = 0;
	EXPECT(CALL(MR_FINALIZE, .rcx = td.tdr), 0);
	EXPECT_EQ(tdcs_of(w, &td)->op_state, OP_RUNNABLE);
	EXPECT(CALL(MR_FINALIZE, .rcx = td.tdr), ST0(OP_STATE_INCORRECT));
}
