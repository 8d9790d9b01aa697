// SPDX-License-Identifier: GPL-2.0-only
/* The module's environment: the memory that it maps, and what it starts with. */
#include "internal.h"

void *map(struct softtdx *m, u64 hpa)
{
	return m->ops->map(m->env, hpa);
}

void *map_shared(struct call *c, u64 hpa, u64 alignment)
{
	if (!hpa_shared(c->m, hpa, alignment))
		return NULL;
	return map(c->m, hpa & ((1ull << c->m->cfg.phys_bits) - 1));
}

void zero_page(struct softtdx *m, u64 hpa)
{
	memset(map(m, hpa), 0, PAGE_4K);
}

bool softtdx_init(struct softtdx *m, const struct softtdx_config *cfg,
		  const struct softtdx_ops *ops, void *env)
{
	if (!cfg->nr_cpus || cfg->nr_cpus > SOFTTDX_MAX_CPUS || !cfg->nr_packages ||
	    cfg->nr_packages > SOFTTDX_MAX_PACKAGES || !cfg->first_keyid ||
	    cfg->nr_keyids > SOFTTDX_MAX_KEYIDS || cfg->phys_bits < 32 || cfg->phys_bits > 52)
		return false;
	memset(m, 0, sizeof(*m));
	m->cfg = *cfg;
	if (!m->cfg.profile)
		m->cfg.profile = softtdx_profile("");
	m->ops = ops;
	m->env = env;
	return true;
}
