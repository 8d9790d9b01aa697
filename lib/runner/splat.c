// SPDX-License-Identifier: GPL-2.0-only
/* Which kernel messages are a complaint, where it ends, and whether it is about us. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "runner/splat.h"
#include "testcase.h"

#define COMM_LEN	15	/* TASK_COMM_LEN - 1 */
#define WARNING		"WARNING: "

/*
 * What a kernel with CONFIG_KASAN, UBSAN, KCSAN, SLUB_DEBUG_ON, PAGE_POISONING, DEBUG_OBJECTS,
 * PROVE_LOCKING, PROVE_RCU or DEBUG_ATOMIC_SLEEP says: "BUG kmalloc-64 (Not tainted): Poison
 * overwritten" is SLUB's, without a colon.
 */
static bool is_of_checker(const char *text)
{
	static const char *const marks[] = {
		"KASAN: ", "UBSAN: ", "KCSAN: ", "pagealloc: ", "ODEBUG: ",
		"WARNING: possible ", "lock order detected", "WARNING: inconsistent lock state",
		"WARNING: bad unlock balance", "WARNING: held lock freed", "locks held!",
		"WARNING: lock held when returning", "WARNING: suspicious RCU usage",
		"INFO: trying to register non-static key", "BUG: Invalid wait context",
		"BUG: sleeping function called", "BUG: scheduling while atomic",
	};

	return text_starts(text, "BUG ") || text_has_one(text, marks, ARRAY_SIZE(marks));
}

static bool begins_splat(const char *text)
{
	static const char *const marks[] = {
		WARNING, "BUG: ", "kernel BUG at", "Oops", "general protection fault",
	};

	return text_has_one(text, marks, ARRAY_SIZE(marks)) || is_of_checker(text);
}

/*
 * "kvm_intel: SEAMCALL TDH_MEM_PAGE_ADD failed: 0x...", "kvm_intel: tdh_mng_key_freeid()
 * failed. HKID 33 is leaked.", "kvm_intel: TDH_VP_RD[...] failed 0x...": they come each
 * time, unlike the WARN_ONCE beside them.
 */
static bool is_failed_seamcall(const char *text)
{
	static const char *const marks[] = { "SEAMCALL ", "TDH_", "HKID " };

	return (text_starts(text, "kvm_intel: ") || text_starts(text, "virt/tdx: ")) &&
	       strstr(text, " failed") && text_has_one(text, marks, ARRAY_SIZE(marks));
}

/* Lines that name modules and tasks whatever the complaint is about. */
static bool tells_nothing(const char *text)
{
	return text_starts(text, "Modules linked in:") || text_starts(text, "Hardware name:") ||
	       text_starts(text, "CPU: ");
}

/* Is it about KVM, TDX, or the memory management below them? */
static bool names_subject(const struct splat_scan *s)
{
	static const char *const subjects[] = { "kvm", "tdx", "seam", "gmem", " mm/", "/mm/" };

	for (int i = 0; i < s->nr_lines; i++) {
		/* "WARNING: file:line at function, CPU#1: comm/pid" */
		char *text = strf("%.*s", (int)(strstr(s->lines[i], ", CPU#") ?
						strstr(s->lines[i], ", CPU#") - s->lines[i] :
						(long)strlen(s->lines[i])), s->lines[i]);
		bool found = !tells_nothing(text) &&
			     text_has_one(text, subjects, ARRAY_SIZE(subjects));

		free(text);
		if (found)
			return true;
	}
	return false;
}

/*
 * Whose task met it: "..., CPU#1: comm/pid", before 6.17 "CPU: 1 ... Comm: comm
 * Not tainted".  The empty string if no line tells.
 */
static void task_of(const struct splat_scan *s, char comm[COMM_LEN + 1])
{
	comm[0] = '\0';
	for (int i = 0; i < s->nr_lines && !comm[0]; i++) {
		const char *at = strstr(s->lines[i], ", CPU#");
		const char *task = at ? strstr(at, ": ") : NULL;
		const char *end = task ? strrchr(task, '/') : NULL;
		const char *former = strstr(s->lines[i], " Comm: ");

		if (end)
			snprintf(comm, COMM_LEN + 1, "%.*s", (int)(end - task - 2), task + 2);
		else if (!task && former)
			snprintf(comm, COMM_LEN + 1, "%.*s",
				 (int)strcspn(former + 7, " \t"), former + 7);
	}
}

/* Kernel threads work for everybody. */
static bool is_kernel_thread(const char *comm)
{
	static const char *const names[] = { "k", "swapper", "migration/", "rcu", "cpuhp/" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (text_starts(comm, names[i]))
			return true;
	return false;
}

/*
 * "BUG: KCSAN: data-race in kvm_x / tdx_y": the two functions.  Others have races of their own,
 * also where KVM calls them.
 */
static bool is_race_of_kvm(const char *title)
{
	static const char *const names[] = { "kvm", "tdx", "tdh", "tdp", "spte", "gmem", "vmx", "vcpu" };

	return text_has_one(title, names, ARRAY_SIZE(names));
}

static bool is_ours(const struct splat_scan *s)
{
	char comm[COMM_LEN + 1];

	if (strstr(s->lines[0], "KCSAN: "))
		return is_race_of_kvm(s->lines[0]);
	if (s->all_ours || !strstr(s->lines[0], WARNING))
		return true;
	task_of(s, comm);
	if (comm[0] && strncmp(comm, s->comm, COMM_LEN) && !is_kernel_thread(comm))
		return false;
	return names_subject(s);
}

static void count_ours(struct splat_scan *s, const char *line)
{
	bool checker = is_of_checker(line);

	if (!s->ours++ || (checker && !s->checker))
		snprintf(s->first, sizeof(s->first), "%s", line);
	s->checker |= checker;
}

void splat_end(struct splat_scan *s)
{
	bool ours;

	if (!s->nr_lines)
		return;
	ours = is_ours(s);
	if (ours)
		count_ours(s, s->lines[0]);
	else
		s->foreign++;
	for (int i = 0; i < s->nr_lines; i++) {
		diag("%s: %s", ours ? "kernel" : "kernel, not of this case", s->lines[i]);
		free(s->lines[i]);
	}
	s->nr_lines = 0;
}

void splat_line(struct splat_scan *s, const char *text)
{
	if (!s->nr_lines && s->seamcalls && is_failed_seamcall(text)) {
		diag("kernel: %s", text);
		count_ours(s, text);
		return;
	}
	if (!s->nr_lines && !begins_splat(text))
		return;
	s->lines[s->nr_lines++] = strf("%s", text);
	if (s->nr_lines == SPLAT_LINES || strstr(text, "---[ end trace"))
		splat_end(s);
}
