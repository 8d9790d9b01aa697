// SPDX-License-Identifier: GPL-2.0-only
/* MRTD: one SHA-384 over what the module is told, in order. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mrtd.h"
#include "softtdx_ctl.h"
#include "testcase.h"

#define CHUNK	256		/* bytes a TDH.MR.EXTEND covers */
#define SHA384	48

struct mrtd {
	EVP_MD_CTX *sha;
};

struct mrtd *mrtd_new(void)
{
	struct mrtd *m = calloc(1, sizeof(*m));

	m->sha = EVP_MD_CTX_new();
	must(m->sha && EVP_DigestInit_ex(m->sha, EVP_sha384(), NULL), "SHA-384 of libcrypto");
	return m;
}

static void feed(struct mrtd *m, const void *data, size_t size)
{
	must(EVP_DigestUpdate(m->sha, data, size), "SHA-384 of libcrypto");
}

/* A 128-byte block: the name at 0, the gpa (little endian) at 16, else zero. */
static void feed_header(struct mrtd *m, const char *name, u64 gpa)
{
	u8 block[128] = { 0 };

	memcpy(block, name, strlen(name));
	memcpy(block + 16, &gpa, sizeof(gpa));
	feed(m, block, sizeof(block));
}

void mrtd_add_page(struct mrtd *m, u64 gpa, const void *data, bool measured)
{
	feed_header(m, "MEM.PAGE.ADD", gpa);
	for (u64 off = 0; measured && off < SZ_4K; off += CHUNK) {
		feed_header(m, "MR.EXTEND", gpa + off);
		feed(m, (const u8 *)data + off, CHUNK);
	}
}

void mrtd_add_pages(struct mrtd *m, u64 gpa, const u8 *data, u64 nr,
		    bool measured)
{
	for (u64 i = 0; i < nr; i++)
		mrtd_add_page(m, gpa + i * SZ_4K, data + i * SZ_4K, measured);
}

char *mrtd_finish(struct mrtd *m)
{
	char *hex = calloc(1, 2 * SHA384 + 1);
	u8 digest[SHA384];

	must(EVP_DigestFinal_ex(m->sha, digest, NULL), "SHA-384 of libcrypto");
	for (int i = 0; i < SHA384; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	EVP_MD_CTX_free(m->sha);
	free(m);
	return hex;
}

void expect_mrtd_(const char *file, int line, struct mrtd *m)
{
	char *expected = mrtd_finish(m);

	expect_mrtd_hex_(file, line, expected);
	free(expected);
}

void expect_mrtd_hex_(const char *file, int line, const char *expected)
{
	const char *seen;

	if (!softtdx_present())
		return;
	seen = softtdx_mrtd(softtdx_only_td());
	if (strcmp(expected, seen))
		test_failed(file, line, "MRTD of the TD", expected, seen);
}
