// SPDX-License-Identifier: GPL-2.0-only
/* The modules that this one can be: all behave alike but for what they announce. */
#include "internal.h"

#define ALWAYS	(FEATURES0_NO_RBP_MOD | FEATURES0_TOPOLOGY_ENUM)
#define NEWEST	(ALWAYS | FEATURES0_DYNAMIC_PAMT | FEATURES0_ENHANCED_DEMOTE)

static const struct softtdx_profile profiles[] = {
	{ "1.5", 1, 5, ALWAYS },		/* the least that Linux 7.2 takes */
	{ "1.5-latest", 1, 5, NEWEST },
	{ "2.0", 2, 0, NEWEST },
};
#define NR_PROFILES (ARRAY_SIZE(profiles))

const struct softtdx_profile *softtdx_profile(const char *name)
{
	for (size_t i = 0; i < NR_PROFILES; i++)
		if (!*name || !strcmp(name, profiles[i].name))
			return &profiles[i];
	return NULL;
}

bool has_feature(const struct softtdx *m, u64 feature)
{
	return m->cfg.profile->features & feature;
}
