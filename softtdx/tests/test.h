/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests register themselves; each gets a fresh world and must leave the invariants intact. */
#ifndef SOFTTDX_TEST_H
#define SOFTTDX_TEST_H

#include "world.h"

struct test {
	const char *name;
	bool boot;			/* the module is READY when the test begins */
	void (*run)(struct world *w);
	struct test *next;
};
void test_register(struct test *t);

#define TEST_(test_name, boot_)							\
	static void test_name(struct world *w);					\
	static struct test test_of_##test_name = { #test_name, boot_, test_name, NULL };	\
	static void __attribute__((constructor)) register_##test_name(void)	\
	{									\
		test_register(&test_of_##test_name);				\
	}									\
	static void test_name(struct world *w)
#define TEST(name) TEST_(name, true)
#define TEST_COLD(name) TEST_(name, false)

void expect_status(u64 seen, u64 wanted, const char *what, const char *file, int line);
void expect_eq(u64 seen, u64 wanted, const char *what, const char *file, int line);
/* The newest violation; it must be newer than the last one asked for. */
void expect_violation(struct world *w, enum softtdx_violation wanted, const char *file, int line);

#define EXPECT(expr, status)	expect_status(expr, status, #expr, __FILE__, __LINE__)
#define EXPECT_EQ(seen, wanted)	expect_eq(seen, wanted, #seen, __FILE__, __LINE__)
#define EXPECT_VIOLATION(c)	expect_violation(w, c, __FILE__, __LINE__)

#endif
