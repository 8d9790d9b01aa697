// SPDX-License-Identifier: GPL-2.0-only
/* The guest's memory: private and shared halves, violations, operands of TDCALLs. */
#include "guest.h"

/* The bit that makes a GPA shared. */
u64 shared_bit(const struct tdcs *tdcs)
{
	return 1ull << (tdcs->config_flags & CONFIG_GPAW_52 ? 51 : 47);
}

/*
 * One EPT root out of two: the Secure EPT's entries where the shared bit is clear, those of the
 * host's table where it is set. Both may have changed since the last time.
 */
u64 ept_root(struct call *c)
{
	u64 *root = map(c->m, c->vps->pages[TDVPS_EPT_ROOT_PAGE]);
	u64 shared_hpa = c->vps->shared_eptp & HPA_MASK & ((1ull << c->m->cfg.phys_bits) - 1);
	const u64 *shared = shared_hpa ? map(c->m, shared_hpa) : NULL;
	int top = c->tdcs->levels - 1;
	u64 first_shared = shared_bit(c->tdcs) >> LEVEL_SHIFT(top);

	memcpy(root, map(c->m, c->tdr->tdcx[TDCS_SEPT_ROOT_PAGE]), PAGE_4K);
	for (u64 i = 0; i < ENTRIES; i++)
		if (i & first_shared)
			root[i] = shared ? shared[i] : 0;
	return c->vps->pages[TDVPS_EPT_ROOT_PAGE] | c->tdcs->eptp_controls;
}

/* State of the Secure EPT's entry that the walk to a GPA ends at. */
enum sept_state private_state(struct call *c, u64 gpa)
{
	c->gpa = gpa & ~(PAGE_4K - 1);
	sept_walk_to_leaf(c);
	return sept_state(c->value);
}

#define EXTENDED_ACCEPT		1ull
#define EXTENDED_PENDING	6ull

/* An EPT violation as the host sees it. */
static u64 exit_violation(struct call *c, u64 extended)
{
	const struct softtdx_guest *g = &c->vps->guest;

	return td_exit(c, g->qualification & ~0x1F80ull, extended, g->gpa & ~(PAGE_4K - 1), 0);
}

/*
 * The host's entry decides: suppress-#VE clear means emulated I/O, which the guest has to ask
 * for; set means that there is something for the host to map.
 */
static u64 shared_violation(struct call *c)
{
	u64 phys = (1ull << c->m->cfg.phys_bits) - 1;
	u64 gpa = c->vps->guest.gpa, table = c->vps->shared_eptp & HPA_MASK & phys, entry;

	for (int level = c->tdcs->levels - 1; table && level >= 0; level--) {
		const u64 *entries = map(c->m, table);

		if (!entries)
			break;
		entry = entries[gpa >> LEVEL_SHIFT(level) & (ENTRIES - 1)];
		if (!(entry & SEPT_RWX))
			return entry & SEPT_SUPPRESS_VE ? exit_violation(c, 0) : raise_ve(c);
		if (entry & SEPT_LEAF)
			break;
		table = entry & HPA_MASK & phys;
	}
	return exit_violation(c, 0);
}

/* The root that the vCPU ran on is a copy: what changed in it since then is no violation. */
static bool root_is_stale(struct call *c, u64 gpa)
{
	const u64 *copy = map(c->m, c->vps->pages[TDVPS_EPT_ROOT_PAGE]);
	u64 phys = (1ull << c->m->cfg.phys_bits) - 1;
	u64 root = gpa & shared_bit(c->tdcs) ? c->vps->shared_eptp & HPA_MASK & phys :
					       c->tdr->tdcx[TDCS_SEPT_ROOT_PAGE];
	u64 i = gpa >> LEVEL_SHIFT(c->tdcs->levels - 1) & (ENTRIES - 1);
	const u64 *now = map(c->m, root);

	return now && ((copy[i] ^ now[i]) & (HPA_MASK | SEPT_RWX));
}

#define PF_PRESENT	1u
#define PF_WRITE	2u
#define PF_USER		4u
#define PF_RESERVED	8u
#define PF_FETCH	16u

/* GPA bits that no TD has are reserved bits of the guest's own page tables. */
static u64 reserved_bits_fault(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;

	return raise_page_fault(c, PF_PRESENT | PF_RESERVED | (g->cpl == 3 ? PF_USER : 0) |
				   (g->qualification & EPT_WRITE ? PF_WRITE : 0) |
				   (g->qualification & EPT_FETCH ? PF_FETCH : 0));
}

/* A page that is mapped by now has been served by somebody else: the host is told nevertheless. */
u64 ept_violation(struct call *c)
{
	const struct softtdx_guest *g = &c->vps->guest;
	u64 gpa = g->gpa, shared = shared_bit(c->tdcs), extended = 0;

	if (RULE(GPA_WIDTH, gpa >= 2 * shared) && g->qualification & EPT_GLA_VALID)
		return reserved_bits_fault(c);
	if (gpa < 2 * shared && root_is_stale(c, gpa))
		return STAY;
	if (gpa & shared)
		return shared_violation(c);
	if (gpa < 2 * shared && private_state(c, gpa) == SEPT_PENDING_LEAF) {
		if (RULE(SEPT_VE_DISABLE, !(c->tdcs->td_ctls & CTLS_PENDING_VE_DISABLE)))
			return raise_ve(c);
		extended = EXTENDED_PENDING;
	}
	stepping_log(c, gpa & ~(PAGE_4K - 1));
	return exit_violation(c, extended);
}

/* TDG.MEM.PAGE.ACCEPT found nothing to accept: the host is asked, and the guest tries again. */
u64 accept_violation(struct call *c, u64 gpa_level)
{
	struct softtdx_guest *g = &c->vps->guest;
	u64 info = (gpa_level & 7) | (u64)c->level << 3 |
		   (u64)reported_state(sept_state(c->value)) << 6 |
		   (u64)!!(c->value & SEPT_LEAF) << 14;

	g->reason = EXIT_EPT_VIOLATION;
	g->qualification = EPT_WRITE;
	g->gpa = gpa_level;
	return exit_violation(c, EXTENDED_ACCEPT | info << 32);
}

static void *private_byte(struct call *c, u64 gpa)
{
	if (gpa >= shared_bit(c->tdcs) || private_state(c, gpa) != SEPT_MAPPED)
		return NULL;
	return map(c->m, (c->value & HPA_MASK) + (gpa & (LEVEL_SIZE(c->level) - 1)));
}

/* A private operand of a TDCALL. Not mapped: as if the guest had touched it, and not 0. */
u64 guest_page(struct call *c, u64 gpa, u64 access, void **p)
{
	struct softtdx_guest *g = &c->vps->guest;

	*p = private_byte(c, gpa);
	if (*p)
		return 0;
	g->reason = EXIT_EPT_VIOLATION;
	g->qualification = access;
	g->gpa = gpa;
	return ept_violation(c);
}
