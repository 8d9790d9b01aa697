// SPDX-License-Identifier: GPL-2.0-only
/* What the emulator's private memory checker saw, for cases and for the program that runs them. */
#include <stdlib.h>
#include <string.h>

#include "base/case_run.h"
#include "kernel.h"
#include "private_memory.h"
#include "softtdx_channel.h"

#define PRINTED 8	/* accesses; of others the number is enough */

static u64 number_of(const char *line, const char *key, u64 otherwise)
{
	char value[32];

	return softtdx_word(line, key, value, sizeof(value)) ? strtoull(value, NULL, 0) : otherwise;
}

static void parse(const char *line, struct private_access *a)
{
	*a = (struct private_access){ 0 };
	softtdx_word(line, "kind", a->kind, sizeof(a->kind));
	softtdx_word(line, "type", a->type, sizeof(a->type));
	a->count = number_of(line, "count", 0);
	a->rip = number_of(line, "rip", 0);
	a->cpl = number_of(line, "cpl", 0);
	a->vm = number_of(line, "vm", 0);
	a->hpa = number_of(line, "hpa", 0);
	a->owner = number_of(line, "owner", 0);
	a->gpa = number_of(line, "gpa", ~0ULL);
	a->level = number_of(line, "level", 0);
}

size_t private_accesses(struct private_access *accesses, size_t max)
{
	char *text = NULL, *next;
	size_t nr = 0;

	if (softtdx_request("read accesses", &text))
		return 0;
	for (char *line = text; *line; line = next, nr++) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (nr < max)
			parse(line, &accesses[nr]);
	}
	free(text);
	return nr;
}

void private_accesses_forget(void)
{
	softtdx_request("write clear accesses", NULL);
}

/* Who: RIPs of user space and of guests say nothing without their program. */
static const char *who(const struct private_access *a)
{
	if (a->vm)
		return strf("a VM's guest (RIP 0x%llx, CPL %u)", a->rip, a->cpl);
	if (a->cpl)
		return strf("user space (RIP 0x%llx)", a->rip);
	return strf("the kernel (%s)", kernel_symbol(a->rip));
}

const char *private_access_text(const struct private_access *a)
{
	const char *gpa = "";

	if (!strcmp(a->kind, "lost"))
		return strf("%llu more accesses to private memory", a->count);
	if (a->gpa != ~0ULL)
		gpa = strf(", gpa 0x%llx at level %u", a->gpa, a->level + 1);
	return strf("%s of private memory by %s, %llu times: hpa 0x%llx, a %s page of the TD with TDR 0x%llx%s",
		    a->kind, who(a), a->count, a->hpa, a->type, a->owner, gpa);
}

size_t private_accesses_end(void)
{
	struct private_access accesses[PRINTED];
	size_t nr = private_accesses(accesses, PRINTED);

	for (size_t i = 0; i < nr && i < PRINTED; i++)
		diag("%s", private_access_text(&accesses[i]));
	if (nr > PRINTED)
		diag("... and %zu more instructions or pages", nr - PRINTED);
	if (nr)
		private_accesses_forget();
	return nr;
}
