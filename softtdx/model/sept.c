// SPDX-License-Identifier: GPL-2.0-only
/* The Secure EPT: entry states, the walk, locks, TLB tracking. */
#include "internal.h"

enum sept_state sept_state(u64 entry)
{
	bool blocked = entry & SEPT_BLOCKED, pending = entry & SEPT_PENDING;

	if (!(entry & SEPT_LEAF)) {
		if (entry & SEPT_RWX)
			return SEPT_NL_MAPPED;
		return blocked ? SEPT_NL_BLOCKED : SEPT_FREE;
	}
	if (blocked)
		return pending ? SEPT_PENDING_BLOCKED : SEPT_BLOCKED_LEAF;
	return pending ? SEPT_PENDING_LEAF : SEPT_MAPPED;
}

const char *sept_state_name(enum sept_state state)
{
	switch (state) {
	case SEPT_FREE: return "FREE";
	case SEPT_NL_MAPPED: return "NL_MAPPED";
	case SEPT_NL_BLOCKED: return "NL_BLOCKED";
	case SEPT_MAPPED: return "MAPPED";
	case SEPT_BLOCKED_LEAF: return "BLOCKED";
	case SEPT_PENDING_LEAF: return "PENDING";
	case SEPT_PENDING_BLOCKED: return "PENDING_BLOCKED";
	}
	return "?";
}

/* The state byte of RDX. */
u8 reported_state(enum sept_state state)
{
	switch (state) {
	case SEPT_FREE: return 0;
	case SEPT_NL_MAPPED: return 0x84;
	case SEPT_NL_BLOCKED: return 0x81;
	case SEPT_MAPPED: return 4;
	case SEPT_BLOCKED_LEAF: return 1;
	case SEPT_PENDING_LEAF: return 2;
	case SEPT_PENDING_BLOCKED: return 3;
	}
	return 0;
}

static u64 reported_entry(u64 entry)
{
	if (sept_state(entry) == SEPT_FREE)
		return SEPT_FREE_ENTRY;
	if (entry & SEPT_LEAF)
		return entry & (SEPT_RWX | SEPT_LEAF_BITS | HPA_MASK);
	return entry & (SEPT_RWX | SEPT_LEAF);
}

/* The entry at hand as TDH.MEM.* report it: RCX the entry, RDX its state and level. */
u64 sept_error(struct call *c, u64 status)
{
	c->out->rcx = reported_entry(c->value);
	c->out->rdx = (u64)reported_state(sept_state(c->value)) << 8 | (u64)c->level;
	return status;
}

u64 sept_unblocked(u64 entry)
{
	entry &= ~SEPT_BLOCKED;
	if (!(entry & SEPT_PENDING))
		entry |= SEPT_RWX;
	return entry;
}

void sept_fill_free(struct softtdx *m, u64 hpa)
{
	u64 *entry = map(m, hpa);

	for (int i = 0; i < ENTRIES; i++)
		entry[i] = SEPT_FREE_ENTRY;
}

/* A private GPA of this TD: no shared bit, nothing above the guest's physical width. */
u64 gpa_check(struct call *c, u64 gpa)
{
	int shared_bit = c->tdcs->config_flags & CONFIG_GPAW_52 ? 51 : 47;

	if (RULE(GPA_SHARED_BIT, gpa >> shared_bit))
		return ST(OPERAND_INVALID, OP_RCX);
	return 0;
}

/* RCX as level and GPA; needs the TDCS. */
u64 gpa_operand(struct call *c, int min_level, int max_level)
{
	int level = c->in.rcx & 7;
	u64 gpa = c->in.rcx & ~0xFFFull;

	if (c->in.rcx & 0xFF8 || level < min_level || level > max_level ||
	    RULE(GPA_ALIGNED, !ALIGNED(gpa, LEVEL_SIZE(level))))
		return ST(OPERAND_INVALID, OP_RCX);
	TRY(gpa_check(c, gpa));
	c->gpa = gpa;
	c->level = level;
	return 0;
}

static u64 read_entry(const u64 *entry)
{
	return atomic_load(entry) & ~(SEPT_LOCK | 1ull << 8 | 1ull << 9);
}

static u64 *table_entry(struct call *c, u64 table, int level)
{
	return (u64 *)map(c->m, table) + (c->gpa >> LEVEL_SHIFT(level) & (ENTRIES - 1));
}

/* Leads c->entry to the entry at `level`, or to the one above that ends the walk. */
static bool walk(struct call *c, int level, bool stop_at_leaf)
{
	u64 table = c->tdr->tdcx[TDCS_SEPT_ROOT_PAGE];

	for (int l = c->tdcs->levels - 1; ; l--) {
		enum sept_state state;

		c->entry = table_entry(c, table, l);
		c->value = read_entry(c->entry);
		c->level = l;
		state = sept_state(c->value);
		if (l == level || (stop_at_leaf && state & SEPT_ANY_LEAF))
			return true;
		if (RULE(WALK_STOPS_AT_BLOCKED, state == SEPT_NL_BLOCKED) ||
		    !(state & (SEPT_NL_MAPPED | SEPT_NL_BLOCKED)))
			return false;
		table = c->value & HPA_MASK;
	}
}

u64 sept_walk(struct call *c)
{
	if (!walk(c, c->level, false))
		return sept_error(c, ST(EPT_WALK_FAILED, OP_RCX));
	return 0;
}

/* For leaves that take a GPA without level: any leaf on the way is the target. */
u64 sept_walk_to_leaf(struct call *c)
{
	if (!walk(c, 0, true))
		return sept_error(c, ST(EPT_ENTRY_NOT_PRESENT, OP_RCX));
	return 0;
}

u64 sept_lock_tree(struct call *c, enum lock_mode mode)
{
	if (!call_lock(c, &c->tdcs->sept_lock, RULE(TREE_LOCK, true) ? mode : SHARED))
		return ST(OPERAND_BUSY, OP_SEPT_TREE);
	return 0;
}

u64 sept_lock_entry(struct call *c)
{
	u64 old = atomic_or(c->entry, SEPT_LOCK);

	if (RULE(ENTRY_LOCK, old & SEPT_LOCK))
		return sept_error(c, ST(OPERAND_BUSY, OP_RCX));
	c->entry_locked = true;
	c->value = read_entry(c->entry);
	return 0;
}

/* Writes the entry; if it is locked, it stays so until the call ends. */
void sept_store(struct call *c, u64 entry)
{
	atomic_store(c->entry, entry | SEPT_SUPPRESS_VE | (c->entry_locked ? SEPT_LOCK : 0));
}

void sept_unlock_entry(struct call *c)
{
	atomic_and(c->entry, ~SEPT_LOCK);
	c->entry_locked = false;
}

/* No vCPU can still use a translation that was valid before the block in this epoch. */
bool td_tracked(const struct tdcs *tdcs, u64 epoch)
{
	u64 now = atomic_load(&tdcs->epoch);

	if (epoch + 1 < now)
		return true;
	return epoch + 1 == now && !atomic_load(&tdcs->inside[epoch & 1]);
}

/* While vCPUs may run, what leaves the SEPT must be blocked and tracked. */
u64 sept_removable(struct call *c, const struct pamt_entry *e)
{
	u64 status;

	if (c->tdcs->op_state != OP_RUNNABLE)
		return 0;
	if (RULE(BLOCK_BEFORE_REMOVE, !(sept_state(c->value) & SEPT_ANY_BLOCKED))) {
		status = sept_error(c, ST(GPA_RANGE_NOT_BLOCKED, OP_RCX));
		report_violation(c, SOFTTDX_NOT_BLOCKED, status, c->value & HPA_MASK);
		return status;
	}
	if (RULE(TRACK_BEFORE_REMOVE, !td_tracked(c->tdcs, e->bepoch))) {
		status = ST(TLB_TRACKING_NOT_DONE, OP_RCX);
		report_violation(c, SOFTTDX_NOT_TRACKED, status, c->value & HPA_MASK);
		return status;
	}
	return 0;
}
