// SPDX-License-Identifier: GPL-2.0-only
/* A lock is a u16: the number of shared holders, or LOCK_EXCLUSIVE. */
#include "internal.h"

bool lock_try(u16 *lock, enum lock_mode mode)
{
	u16 old = atomic_load(lock);

	if (mode == EXCLUSIVE)
		return atomic_cas(lock, 0, LOCK_EXCLUSIVE);
	while (old < LOCK_EXCLUSIVE - 1)
		if (__atomic_compare_exchange_n(lock, &old, old + 1, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	return false;
}

bool lock_upgrade(u16 *lock)
{
	return atomic_cas(lock, 1, LOCK_EXCLUSIVE);
}

void lock_drop(u16 *lock)
{
	if (atomic_load(lock) == LOCK_EXCLUSIVE)
		atomic_store(lock, 0);
	else
		atomic_sub(lock, 1);
}

/* Gives back a lock that the call holds before its end. */
void call_unlock(struct call *c, u16 *lock)
{
	for (int i = 0; i < c->nr_held; i++) {
		if (c->held[i] != lock)
			continue;
		lock_drop(lock);
		c->held[i] = c->held[--c->nr_held];
		return;
	}
}

bool call_lock(struct call *c, u16 *lock, enum lock_mode mode)
{
	if (!lock_try(lock, mode))
		return false;
	c->held[c->nr_held++] = lock;
	return true;
}
