// SPDX-License-Identifier: GPL-2.0-only
/* A TD runs. */
#include "payload.h"

static GUEST void says(uint64_t arg)
{
	say(arg);
	say(arg + 0x100000001);
}

static void enters(const struct test *t)
{
	struct payload p = payload_one(t, says, 0x1234, 0);

	expect_eq(payload_value(p.vcpu[0]), 0x1234, "what the guest says");
	expect_eq(payload_value(p.vcpu[0]), 0x100001235, "what it says then");
	payload_end(p.vcpu[0]);
}

static const struct test_case cases[] = {
	{ "enters", "a guest starts in 32-bit mode, reaches 64-bit mode and speaks", enters,
	  .vm_types = VM_TDX, .boot = BOOT_TDX },
};

TEST_MAIN("TDs run", cases)
