// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include "exchanges.h"

const char *const exchange_registers[EXCHANGE_REGISTERS] = { "rcx", "rdx", "r8", "r9", "r10", "r11" };
const char *const exchange_gpr[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
	"r13", "r14", "r15",
};

/* Values. */

static const struct { const char *name; u64 value; } constants[] = {
	{ "gpa", GPA }, { "source", SOURCE }, { "params", PARAMS }, { "shared", SHARED_BASE },
	{ "2m", 1ull << 21 }, { "1g", 1ull << 30 }, { "512g", 1ull << 39 },
	{ "tdmr", TDMR_BASE }, { "key", 1ull << PHYS_BITS }, { "all", ~0ull },
	{ "globalkey", FIRST_KEYID },
};

/* page3 is the same page each time that it is named, and another one than page4. */
static u64 named_page(struct exchange *x, const char *text)
{
	bool large = !strncmp(text, "large", 5);
	u32 i = (u32)strtoul(text + (large ? 5 : 4), NULL, 10) % NR_NAMED_PAGES;
	u64 *page = large ? &x->large[i] : &x->pages[i];

	if (!*page)
		*page = large ? new_large_page(x->w) : new_page(x->w);
	return *page;
}

static bool read_name(struct exchange *x, const char *text, u64 *value)
{
	u32 digit = (u32)(text[strlen(text) - 1] - '0');

	for (size_t i = 0; i < ARRAY_SIZE(constants); i++)
		if (!strcmp(text, constants[i].name)) {
			*value = constants[i].value;
			return true;
		}
	if (!strcmp(text, "tdr"))
		*value = x->td.tdr;
	else if (!strcmp(text, "tdvpr"))
		*value = x->td.tdvpr;
	else if (!strcmp(text, "keyid"))
		*value = x->td.keyid;
	else if (!strncmp(text, "tdcs", 4) && digit < TDCS_PAGES_MIN)
		*value = x->td.tdcs[digit];
	else if (!strncmp(text, "table", 5) && digit < 3)
		*value = x->td.table[2 - digit];
	else if (!strncmp(text, "page", 4) || !strncmp(text, "large", 5))
		*value = named_page(x, text);
	else
		return false;
	return true;
}

static bool read_term(struct exchange *x, const char *text, u64 *value)
{
	char *end;

	if (!*text)
		return false;
	*value = strtoull(text, &end, 16);
	return !*end || read_name(x, text, value);
}

bool exchange_read(struct exchange *x, const char *text, u64 *value)
{
	char copy[256], *term, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	*value = 0;
	while ((term = strsep(&rest, "+|"))) {
		u64 v;

		if (!read_term(x, term, &v))
			return false;
		*value += v;
	}
	return true;
}

/* Addresses have names; an entry of the Secure EPT is one with bits beside it. */
const char *exchange_write(struct exchange *x, u64 value, char text[64])
{
	const struct { const char *name; u64 value; } fixed[] = {
		{ "tdr", x->td.tdr }, { "tdvpr", x->td.tdvpr }, { "table0", x->td.table[2] },
		{ "table1", x->td.table[1] }, { "table2", x->td.table[0] },
	};
	u64 address = value & HPA_MASK, rest = value - address;
	char name[16] = "";

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (address && address == fixed[i].value)
			snprintf(name, sizeof(name), "%s", fixed[i].name);
	for (u32 i = 0; i < NR_NAMED_PAGES; i++) {
		if (address && address == x->pages[i])
			snprintf(name, sizeof(name), "page%u", i);
		if (address && address == x->large[i])
			snprintf(name, sizeof(name), "large%u", i);
	}
	for (u32 i = 0; i < TDCS_PAGES_MIN; i++)
		if (address && address == x->td.tdcs[i])
			snprintf(name, sizeof(name), "tdcs%u", i);
	if (value == ~0ull)
		snprintf(text, 64, "all");
	else if (*name && rest)
		snprintf(text, 64, "%s|%llx", name, (unsigned long long)rest);
	else if (*name)
		snprintf(text, 64, "%s", name);
	else
		snprintf(text, 64, "%llx", (unsigned long long)value);
	return text;
}

/* Statuses, leaves, registers. */

bool exchange_status(struct exchange *x, const char *text, u64 *status)
{
	size_t length = strcspn(text, "|");
	u64 operand = 0;

	if (text[length] && !exchange_read(x, text + length + 1, &operand))
		return false;
#define X(hi, id)								\
	if (strlen(#id) == length && !strncmp(text, #id, length)) {		\
		*status = (u64)hi##u << 32 | operand;				\
		return true;							\
	}
	TDX_STATUSES(X)
#undef X
	return exchange_read(x, text, status);
}

const char *exchange_write_status(u64 status, char text[64])
{
	const char *name = softtdx_status_name(status);

	if ((u32)status && status >> 32)
		snprintf(text, 64, "%s|%llx", name, (unsigned long long)(u32)status);
	else if (status >> 32 || !status)
		snprintf(text, 64, "%s", name);
	else
		snprintf(text, 64, "%llx", (unsigned long long)status);
	return text;
}

bool exchange_leaf(const char *text, u64 *rax)
{
	size_t length = strcspn(text, "/");
	u64 high = text[length] ? strtoull(text + length + 1, NULL, 16) : 0;

	if (!strncmp(text, "leaf:", 5)) {
		*rax = strtoull(text + 5, NULL, 16);
		return true;
	}
#define X(nr, id, name)								\
	if (strlen(name) == length && !strncmp(text, name, length)) {		\
		*rax = nr | high << 16;						\
		return true;							\
	}
	TDX_LEAVES(X)
	TDX_OTHER_LEAVES(X)
#undef X
	return false;
}

u64 *exchange_nth(struct softtdx_regs *regs, int i)
{
	return (u64 *)regs + i;
}

u64 *exchange_register(struct softtdx_regs *regs, const char *name)
{
	for (int i = 0; i < EXCHANGE_REGISTERS; i++)
		if (!strcmp(name, exchange_registers[i]))
			return exchange_nth(regs, i);
	return NULL;
}

bool exchange_act(struct softtdx_guest *act, const char *name, u64 value)
{
	for (int i = 0; i < 16; i++)
		if (!strcmp(name, exchange_gpr[i])) {
			act->gpr[i] = value;
			return true;
		}
#define MEMBER(text, member) if (!strcmp(name, text)) { act->member = (__typeof__(act->member))value; return true; }
	MEMBER("reason", reason)
	MEMBER("qualification", qualification)
	MEMBER("interruption", interruption)
	MEMBER("length", instruction_length)
	MEMBER("gpa", gpa)
	MEMBER("gla", gla)
	MEMBER("rip", rip)
	MEMBER("cpl", cpl)
	MEMBER("cr4", cr4)
	MEMBER("code64", code64)
	MEMBER("event", event)
	MEMBER("skip", skip)
#undef MEMBER
	return false;
}

/* States in words. */

static void let_go(struct exchange *x)
{
	if (x->lock)
		*x->lock = 0;
	if (x->entry)
		*x->entry &= ~SEPT_LOCK;
	x->lock = NULL;
	x->entry = NULL;
}

/* "TDR", "tree" ..., then "shared" or "exclusive"; "page X" and "entry of GPA". */
static bool lock(struct exchange *x, const char *what)
{
	const char *how = strstr(what, " locked ");
	u16 value = how && !strcmp(how, " locked exclusive") ? LOCK_EXCLUSIVE : 1;
	struct tdcs *tdcs = tdcs_of(x->w, &x->td);
	char name[64];
	u64 page;

	if (!how)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(how - what), what);
	let_go(x);
	if (!strcmp(name, "tree"))
		x->lock = &tdcs->sept_lock;
	else if (!strcmp(name, "op-state"))
		x->lock = &tdcs->op_lock;
	else if (!strcmp(name, "epoch"))
		x->lock = &tdcs->epoch_lock;
	else if (!strcmp(name, "KOT"))
		x->lock = &x->w->m->kot_lock;
	else if (!strcmp(name, "module"))
		x->lock = &x->w->m->sys_lock;
	else if (!strncmp(name, "2M of ", 6) && exchange_read(x, name + 6, &page))
		x->lock = &pamt_at(x->w->m, page, 1)->lock;
	else if (!strncmp(name, "entry of ", 9) && exchange_read(x, name + 9, &page))
		x->entry = (u64 *)at(x->w, x->td.table[2]) + (page >> 12 & 511);
	else if (exchange_read(x, name, &page))
		x->lock = &pamt_at(x->w->m, page, 0)->lock;
	else
		return false;
	if (x->lock)
		*x->lock = value;
	else
		*x->entry |= SEPT_LOCK;
	return true;
}

static bool parameter(struct exchange *x, const char *text)
{
	struct td_params *p = at(x->w, PARAMS);
	char name[32];
	u64 value;
	size_t length = strcspn(text, "=");

	if (!text[length] || !exchange_read(x, text + length + 1, &value))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)length, text);
#define MEMBER(member) if (!strcmp(name, #member)) { p->member = (__typeof__(p->member))value; return true; }
	MEMBER(attributes)
	MEMBER(xfam)
	MEMBER(max_vcpus)
	MEMBER(num_l2_vms)
	MEMBER(msr_config)
	MEMBER(eptp_controls)
	MEMBER(config_flags)
	MEMBER(tsc_frequency)
	MEMBER(arch_caps)
#undef MEMBER
	if (!strncmp(name, "byte", 4)) {	/* byteNNN: decimal offset */
		((u8 *)p)[strtoul(name + 4, NULL, 10) % sizeof(*p)] = (u8)value;
		return true;
	}
	if (!strncmp(name, "cpuid", 5)) {	/* cpuidI.R: entry and register */
		char *end;
		u32 i = (u32)strtoul(name + 5, &end, 10);

		((u32 *)&p->cpuid[i % CPUID_CONFIGS_MAX])[(*end ? end[1] - 'a' : 0) % 4] = (u32)value;
		return true;
	}
	return false;
}

static void module_until_config(struct world *w)
{
	MUST(CALL(SYS_INIT));
	for (u32 cpu = 0; cpu < 4; cpu++)
		MUST(CALL_ON(cpu, SYS_LP_INIT));
	*(u64 *)at(w, SHARED_BASE) = SHARED_BASE + 0x200;
	new_tdmr_info(w, at(w, SHARED_BASE + 0x200));
}

static bool module_state(struct exchange *x, const char *text)
{
	bool cold = strcmp(text, "the module is ready");

	if (x->w)
		return false;
	x->w = cold ? world_new(0x1000000) : world_ready(0x1000000);
	if (!strcmp(text, "the module is loaded") || !cold)
		return true;
	if (strcmp(text, "the module waits for its TDMRs"))
		return false;
	module_until_config(x->w);
	return true;
}

static bool td_state_in_words(struct exchange *x, const char *text)
{
	static const struct { const char *words; enum stage stage; } states[] = {
		{ "a TD without key", CREATED }, { "a TD without TDCS", KEYED },
		{ "a TD that is not initialised", TDCS }, { "a TD without vCPU", INITED },
		{ "a TD that is not finalised", WITH_VCPU }, { "a TD that can run", RUNNABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(text, states[i].words)) {
			td_build(x->w, &x->td, states[i].stage);
			default_params(x->w);
			return true;
		}
	return false;
}

static bool td_of_these_parameters(struct exchange *x)
{
	MUST(world_call(x->w, TDH_MNG_INIT, (struct softtdx_regs){ .rcx = x->td.tdr, .rdx = PARAMS }));
	td_vcpu(x->w, &x->td, 0);
	MUST(world_call(x->w, TDH_MR_FINALIZE, (struct softtdx_regs){ .rcx = x->td.tdr }));
	return true;
}

static bool vcpu_with_all_pages(struct exchange *x)
{
	struct world *w = x->w;

	x->td.tdvpr = new_page(w);
	MUST(CALL(VP_CREATE, .rcx = x->td.tdvpr, .rdx = x->td.tdr));
	for (int i = 1; i < TDVPS_PAGES_MIN; i++)
		MUST(CALL(VP_ADDCX, .rcx = new_page(w), .rdx = x->td.tdvpr));
	return true;
}

bool exchange_given(struct exchange *x, const char *text)
{
	u64 cpu, page;

	if (!strncmp(text, "the module ", 11))
		return module_state(x, text);
	if (!x->w)
		module_state(x, "the module is ready");
	if (!strcmp(text, "nothing locked")) {
		let_go(x);
		return true;
	}
	if (!strcmp(text, "tables for gpa")) {
		td_tables(x->w, &x->td);
		return true;
	}
	if (!strncmp(text, "CPU ", 4) && exchange_read(x, text + 4, &cpu)) {
		current_cpu = (u32)cpu;
		return true;
	}
	if (!strcmp(text, "a vCPU with all its pages"))
		return vcpu_with_all_pages(x);
	if (!strcmp(text, "the TD of these parameters runs"))
		return td_of_these_parameters(x);
	if (!strncmp(text, "zeroes at ", 10) && exchange_read(x, text + 10, &page)) {
		memset(at(x->w, page), 0, PAGE_4K);
		return true;
	}
	if (!strncmp(text, "parameter ", 10))
		return parameter(x, text + 10);
	return lock(x, text) || td_state_in_words(x, text);
}
