// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "observe/leak_report.h"
#include "testcase.h"

#define SHOWN_LINES	60	/* of what kmemleak says */

/* "get_page_from_freelist+0x1/0x2": on the way to the page, whoever wants it. */
static bool is_allocator(const char *frame)
{
	static const char *const names[] = {
		"get_page_from_freelist", "alloc_", "folio_alloc", "get_free_pages",
		"get_zeroed_page", "post_alloc_hook", "prep_new_page", "set_page_owner",
	};

	frame += strspn(frame, " _");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (text_starts(frame, names[i]))
			return true;
	return false;
}

static bool is_of_kvm(const char *frame)
{
	static const char *const names[] = { "kvm", "tdx", "tdp", "tdh", "vmx", "vmcs",
					     "mmu_memory_cache" };

	return text_has_one(frame, names, ARRAY_SIZE(names));
}

long page_owner_of_kvm(FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	long pages = 0, nr;
	bool decided = false, counts = false;

	while (getline(&line, &size, f) > 0) {
		if (line[0] == ' ' && !decided && !is_allocator(line)) {
			decided = true;
			counts = is_of_kvm(line);
		} else if (sscanf(line, "nr_base_pages: %ld", &nr) == 1) {
			pages += counts ? nr : 0;
			decided = counts = false;
		}
	}
	free(line);
	return pages;
}

unsigned int kmemleak_of(FILE *f, const char *name)
{
	char *own = strf("  comm \"%.*s\"", LEAK_NAME, name);
	char *line = NULL, *object = strf("%s", "");
	unsigned int nr = 0, shown = 0;
	bool ours = false;
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (text_starts(line, "unreferenced object")) {
			object = strf("%s", line);
			ours = false;
		} else if (text_starts(line, own)) {
			ours = true;
			nr++;
			diag("kmemleak: %s", object);
		}
		if (ours && shown++ < SHOWN_LINES)
			diag("kmemleak: %s", line);
	}
	free(line);
	return nr;
}
