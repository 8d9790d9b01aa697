// SPDX-License-Identifier: GPL-2.0-only
/* Names of levels. */
#include "mapping.h"
#include "testcase.h"

const char *level_name(int level)
{
	switch (level) {
	case LEVEL_NONE:	return "not mapped";
	case LEVEL_4K:		return "4K";
	case LEVEL_2M:		return "2M";
	case LEVEL_1G:		return "1G";
	default:		return strf("level %d", level);
	}
}
