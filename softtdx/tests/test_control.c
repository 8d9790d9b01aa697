// SPDX-License-Identifier: GPL-2.0-only
/* The control channel: sessions of several processes, and what its files take and tell. */
#include <errno.h>
#include <stdio.h>

#include "../../include/softtdx_control.h"
#include "../bochs/module.h"
#include "test.h"

#define CHUNK SOFTTDX_CONTROL_CHUNK

struct softtdx softtdx;
static bool busy;

bool seam_is_busy(void)
{
	return busy;
}

void seam_let_go(void)
{
}

void seam_take_back(void)
{
}

static u64 held_page;		/* by the module */

bool watch_page(u64 hpa, bool on)
{
	return !on || hpa != held_page;
}

/* Makes the world's module the one that the channel leads to. */
static struct softtdx *world_module;

static void connect(struct world *w)
{
	world_module = w->m;
	softtdx = *w->m;
	w->m = &softtdx;
	control_reset();
}

static void disconnect(struct world *w)
{
	*world_module = softtdx;
	w->m = world_module;
}

static long ask(u32 operation, u32 session, void *bytes)
{
	u64 data[4] = { 0 };
	long ax;

	if (bytes)
		memcpy(data, bytes, CHUNK);
	ax = control_request(operation | session << 8, data);
	if (bytes)
		memcpy(bytes, data, CHUNK);
	return ax;
}

static void put(u32 session, const char *request)
{
	for (size_t at = 0; at < strlen(request) + 1; at += CHUNK) {
		char bytes[CHUNK] = "";

		snprintf(bytes, CHUNK, "%s", request + at);
		bytes[CHUNK - 1] = strlen(request) >= at + CHUNK ? request[at + CHUNK - 1] : 0;
		EXPECT_EQ(ask(SOFTTDX_PUT, session, bytes), 0);
	}
}

static long request(const char *text)
{
	u32 session = ask(SOFTTDX_OPEN, 0, NULL);

	put(session, text);
	return ask(SOFTTDX_DO, session, NULL);
}

static void get(u32 session, char *answer, long len)
{
	for (long at = 0; at < len; at += CHUNK)
		EXPECT_EQ(ask(SOFTTDX_GET, session, answer + at) > 0, true);
}

static bool says(const char *text, const char *wanted)
{
	char answer[4096] = "";
	u32 session = ask(SOFTTDX_OPEN, 0, NULL);

	put(session, text);
	get(session, answer, ask(SOFTTDX_DO, session, NULL));
	if (!strstr(answer, wanted))
		printf("# %s: %s\n", text, answer);
	return strstr(answer, wanted);
}

TEST(hello)
{
	char bytes[CHUNK] = "";

	connect(w);
	EXPECT_EQ(ask(SOFTTDX_HELLO, 0, bytes), SOFTTDX_CONTROL_VERSION);
	EXPECT_EQ(strcmp(bytes, SOFTTDX_HELLO_TEXT), 0);
	EXPECT_EQ(ask(99, 0, bytes), -EINVAL);
	disconnect(w);
}

TEST(requests_of_two_processes_do_not_mix)
{
	char one[256] = "", two[256] = "";
	u32 a, b;
	long len_a, len_b;

	connect(w);
	a = ask(SOFTTDX_OPEN, 0, NULL);
	put(a, "read wb_steps");
	b = ask(SOFTTDX_OPEN, 0, NULL);
	put(b, "read linger");
	len_a = ask(SOFTTDX_DO, a, NULL);
	len_b = ask(SOFTTDX_DO, b, NULL);
	get(a, one, len_a);
	get(b, two, len_b);
	EXPECT_EQ(strcmp(one, "wb_steps=0\n"), 0);
	EXPECT_EQ(strcmp(two, "linger=0\n"), 0);
	disconnect(w);
}

/* Processes that were killed with a session open take none from others. */
TEST(session_of_the_dead_is_given_away)
{
	u32 first, kept, session;

	connect(w);
	first = ask(SOFTTDX_OPEN, 0, NULL);
	kept = ask(SOFTTDX_OPEN, 0, NULL);
	put(kept, "read linger");
	for (int i = 0; i < 100; i++) {
		session = ask(SOFTTDX_OPEN, 0, NULL);
		EXPECT_EQ(session != kept && session != first, true);
		EXPECT_EQ(ask(SOFTTDX_DO, kept, NULL), strlen("linger=0\n"));
	}
	EXPECT_EQ(ask(SOFTTDX_DO, first, NULL), -ESTALE);
	EXPECT_EQ(ask(SOFTTDX_GET, first, NULL), -ESTALE);
	disconnect(w);
}

TEST(request_that_is_too_long)
{
	char bytes[CHUNK];
	u32 session;
	long ax = 0;

	connect(w);
	memset(bytes, 'x', CHUNK);
	session = ask(SOFTTDX_OPEN, 0, NULL);
	for (int i = 0; i < 8 && !ax; i++)
		ax = ask(SOFTTDX_PUT, session, bytes);
	EXPECT_EQ(ax, -E2BIG);
	EXPECT_EQ(ask(SOFTTDX_DO, session, NULL), -ENOENT);
	disconnect(w);
}

TEST(files_that_are_not_there)
{
	connect(w);
	EXPECT_EQ(request("read nothing"), -ENOENT);
	EXPECT_EQ(request("write info 1"), -EPERM);
	EXPECT_EQ(request("read clear"), -EPERM);
	EXPECT_EQ(request(""), -ENOENT);
	disconnect(w);
}

TEST(rules_by_name_and_number)
{
	connect(w);
	EXPECT_EQ(request("write inject leaf TDH.MEM.PAGE.ADD nth 3 times 2 status OPERAND_BUSY|0x92"), 0);
	EXPECT_EQ(request("write inject leaf 29 status TDX_RND_NO_ENTROPY gpa 0x1000"), 0);
	EXPECT_EQ(says("read inject", "name=TDH.MEM.PAGE.ADD skip=2 times=2 hits=0 status=0x8000020000000092"), true);
	EXPECT_EQ(says("read inject", "leaf=29 name=TDH.MEM.PAGE.REMOVE"), true);
	EXPECT_EQ(says("read inject", "gpa=0x1000"), true);
	EXPECT_EQ(request("write inject leaf 29"), -EINVAL);
	EXPECT_EQ(request("write inject leaf 700 status 1"), -EINVAL);
	EXPECT_EQ(request("write inject leaf 29 status NOT_A_STATUS"), -EINVAL);
	EXPECT_EQ(request("write inject leaf 29 status 1 times -1"), -EINVAL);
	EXPECT_EQ(request("write inject leaf 29 delay 1000001"), -EINVAL);
	EXPECT_EQ(request("write clear rules"), 0);
	EXPECT_EQ(request("read inject"), 0);
	disconnect(w);
}

TEST(files_tell_what_the_module_holds)
{
	struct td td;

	connect(w);
	td_with_page(w, &td);
	EXPECT_EQ(says("read info", "cpus=4 packages=2"), true);
	EXPECT_EQ(says("read info", " module=1.5\n"), true);
	EXPECT_EQ(says("read tds", "op_state=RUNNABLE"), true);
	EXPECT_EQ(says("read keyids", "keyid=2 state=RESERVED"), true);
	EXPECT_EQ(says("read sept", "gpa=0x40000000 level=0 state=PENDING"), true);
	EXPECT_EQ(says("read counters", "name=TDH.MEM.PAGE.AUG status=0 meaning=SUCCESS count=1"), true);
	EXPECT_EQ(says("read check", "ok=1 where=0 broken=-"), true);
	EXPECT_EQ(request("read journal") > 0, true);
	EXPECT_EQ(request("read mrtd") > 2 * 48, true);
	disconnect(w);
}

TEST(content_of_a_page)
{
	char text[64], answer[8224] = "";
	u64 page;
	u32 session;

	connect(w);
	page = new_page(w);
	memcpy(at(w, page), "\x01\x23", 2);
	((u8 *)at(w, page))[4095] = 0xEF;
	snprintf(text, sizeof(text), "read page %#lx", page);
	session = ask(SOFTTDX_OPEN, 0, NULL);
	put(session, text);
	get(session, answer, ask(SOFTTDX_DO, session, NULL));
	EXPECT_EQ(strncmp(answer, "012300", 6), 0);
	EXPECT_EQ(strcmp(answer + 8188, "00ef\n"), 0);
	EXPECT_EQ(request("read page"), -EPERM);
	EXPECT_EQ(request("read page 1"), -EINVAL);
	EXPECT_EQ(request("read page 0x7ffffffff000"), -ENXIO);
	disconnect(w);
}

TEST(reset_of_a_module_in_use)
{
	struct td td;
	char text[64];

	connect(w);
	td_build(w, &td, RUNNABLE);
	snprintf(text, sizeof(text), "write reset %#lx", td.tdr);
	busy = true;
	EXPECT_EQ(request(text), -EBUSY);
	busy = false;
	EXPECT_EQ(request(text), 0);
	EXPECT_EQ(request("read tds"), 0);
	disconnect(w);
}

TEST(settings)
{
	connect(w);
	EXPECT_EQ(request("write linger 50 7"), 0);
	EXPECT_EQ(softtdx.linger_usecs, 50);
	EXPECT_EQ(softtdx.linger_seed, 7);
	EXPECT_EQ(request("write linger 50 x"), -EINVAL);
	EXPECT_EQ(request("write linger 0"), 0);
	EXPECT_EQ(request("write wb_steps 3"), 0);
	EXPECT_EQ(softtdx.wb_steps, 3);
	EXPECT_EQ(request("write wb_steps 0x100000000"), -EINVAL);
	EXPECT_EQ(request("write wb_steps 0"), 0);
	disconnect(w);
}

static struct private_access access_of(u64 hpa, u64 rip)
{
	return (struct private_access){ .kind = PRIVATE_READ, .hpa = hpa, .rip = rip, .cpu = 1 };
}

static bool accessed(u64 hpa, u64 rip)
{
	struct private_access access = access_of(hpa, rip);

	return private_accessed(&access);
}

TEST(accesses_of_one_instruction_to_one_page_are_a_line)
{
	struct td td;
	char line[256];
	u64 page;

	connect(w);
	page = td_with_page(w, &td);
	EXPECT_EQ(request("read accesses"), 0);
	EXPECT_EQ(accessed(page + 8, 0x1234), true);
	EXPECT_EQ(accessed(page + 16, 0x1234), true);
	EXPECT_EQ(accessed(td.tdr, 0x1234), false);
	snprintf(line, sizeof(line), "kind=read count=2 rip=0x1234 cpl=0 vm=0 cpu=1 hpa=%#lx type=TD owner=%#lx gpa=%#llx level=0\n",
		 page + 8, td.tdr, GPA);
	EXPECT_EQ(says("read accesses", line), true);
	snprintf(line, sizeof(line), "count=1 rip=0x1234 cpl=0 vm=0 cpu=1 hpa=%#lx type=TDR owner=%#lx\n",
		 td.tdr, td.tdr);
	EXPECT_EQ(says("read accesses", line), true);
	EXPECT_EQ(request("write clear accesses"), 0);
	EXPECT_EQ(request("read accesses"), 0);
	disconnect(w);
}

TEST(accesses_that_differ_in_anything_are_lines_of_their_own)
{
	struct private_access access = access_of(TDMR_BASE, 1);

	connect(w);
	private_accessed(&access);
	access.kind = PRIVATE_WRITE;
	private_accessed(&access);
	access.cpl = 3;
	private_accessed(&access);
	access.in_vm = true;
	private_accessed(&access);
	access.rip++;
	private_accessed(&access);
	access.hpa += PAGE_4K;
	private_accessed(&access);
	EXPECT_EQ(says("read accesses", "kind=read count=1 rip=0x1 cpl=0 vm=0"), true);
	EXPECT_EQ(says("read accesses", "kind=write count=1 rip=0x1 cpl=0 vm=0"), true);
	EXPECT_EQ(says("read accesses", "kind=write count=1 rip=0x1 cpl=3 vm=0"), true);
	EXPECT_EQ(says("read accesses", "kind=write count=1 rip=0x1 cpl=3 vm=1"), true);
	EXPECT_EQ(says("read accesses", "count=1 rip=0x2 cpl=3 vm=1 cpu=1 hpa=0x40000000"), true);
	EXPECT_EQ(says("read accesses", "count=1 rip=0x2 cpl=3 vm=1 cpu=1 hpa=0x40001000"), true);
	disconnect(w);
}

TEST(accesses_beyond_the_log_are_counted)
{
	static char answer[1 << 16];
	u32 session;

	connect(w);
	for (u64 rip = 0; rip < 300; rip++)
		accessed(TDMR_BASE, rip);
	session = ask(SOFTTDX_OPEN, 0, NULL);
	put(session, "read accesses");
	get(session, answer, ask(SOFTTDX_DO, session, NULL));
	EXPECT_EQ(strncmp(answer, "kind=read count=1 rip=0 ", 24), 0);	/* the first is kept */
	EXPECT_EQ(strstr(answer, "\nkind=lost count=44\n") != NULL, true);
	control_reset();
	EXPECT_EQ(request("read accesses"), 0);
	disconnect(w);
}

TEST(watched_pages_tell_each_access_of_the_kernel)
{
	struct private_access access = access_of(0x7008, 0x55);

	connect(w);
	EXPECT_EQ(request("write watch 0x7000"), 0);
	EXPECT_EQ(is_watched(0x7FFF), true);
	EXPECT_EQ(is_watched(0x8000), false);
	EXPECT_EQ(is_watched(0), false);
	watched_access(&access);
	access.kind = PRIVATE_WRITE;
	watched_access(&access);
	access.cpl = 3;
	watched_access(&access);
	access.cpl = 0;
	access.in_vm = true;
	watched_access(&access);
	EXPECT_EQ(says("read watch", "at=0x7008 rip=0x55 write=0\nat=0x7008 rip=0x55 write=1\n"), true);
	EXPECT_EQ(request("read watch"), 2 * 27);
	EXPECT_EQ(request("write watch none"), 0);
	EXPECT_EQ(is_watched(0x7008), false);
	EXPECT_EQ(request("read watch"), 0);
	disconnect(w);
}

TEST(pages_that_cannot_be_watched)
{
	connect(w);
	held_page = 0x9000;
	EXPECT_EQ(request("write watch 0x9000"), -EBUSY);
	EXPECT_EQ(request("write watch 0x7008"), -EINVAL);
	EXPECT_EQ(request("write watch 0"), -EINVAL);
	EXPECT_EQ(request("write watch some"), -EINVAL);
	for (u64 page = 1; page <= 4; page++) {
		char text[32];

		snprintf(text, sizeof(text), "write watch %#lx", page << 12);
		EXPECT_EQ(request(text), 0);
	}
	EXPECT_EQ(request("write watch 0x1000"), 0);	/* it is already */
	EXPECT_EQ(request("write watch 0x5000"), -ENOSPC);
	unwatch(0x2000);
	EXPECT_EQ(is_watched(0x2000), false);
	EXPECT_EQ(request("write watch 0x5000"), 0);
	control_reset();
	EXPECT_EQ(is_watched(0x5000), false);
	disconnect(w);
}
