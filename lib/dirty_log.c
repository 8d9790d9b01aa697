// SPDX-License-Identifier: GPL-2.0-only
/* Memslots whose dirty pages are logged. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dirty_log.h"

struct logged logged(const struct test *t, struct logged_wish wish)
{
	u32 first = wish.first;
	struct logged l = { .vm = vm_create(t->vm_type) };

	if (wish.manual)
		vm_enable_cap(l.vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, wish.manual);
	if (wish.ring)
		vm_enable_cap(l.vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
			      wish.ring * sizeof(struct kvm_dirty_gfn));
	l.vcpu = vcpu_create(l.vm);
	guest_access_create(l.vcpu);
	l.mem = mem_populated(wish.kind,
			      ((first + wish.pages) * SZ_4K + SZ_2M - 1) & ~(SZ_2M - 1), NULL);
	l.slot = slot_add_part(l.vm, LOGGED_GPA + first * SZ_4K, l.mem, first * SZ_4K,
			       wish.pages * SZ_4K, 0);
	return l;
}

void log_on(struct logged *l)
{
	slot_set_flags(l->slot, KVM_MEM_LOG_DIRTY_PAGES);
}

void log_off(struct logged *l)
{
	slot_set_flags(l->slot, 0);
}

void write_page(struct logged *l, u32 page)
{
	u64 offset = page * SZ_4K;
	u8 value = l->mem->hva[l->slot->offset + offset] + 1;

	guest_access(l->vcpu, l->slot->gpa + offset, ACCESS_WRITE, value);
	expect_eq(l->mem->hva[l->slot->offset + offset], value, "byte that the guest wrote to page %u",
		  page);
}

int __log_get(struct logged *l, u64 *bitmap)
{
	struct kvm_dirty_log log = { .slot = l->slot->id, .dirty_bitmap = bitmap };

	return __vm_ioctl(l->vm, KVM_GET_DIRTY_LOG, &log);
}

int __log_clear(struct logged *l, u64 first, u32 nr, const u64 *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = l->slot->id, .num_pages = nr, .first_page = first,
		.dirty_bitmap = (void *)bitmap,
	};

	return __vm_ioctl(l->vm, KVM_CLEAR_DIRTY_LOG, &log);
}

void log_clear_page(struct logged *l, u32 page)
{
	u64 word = 1ULL << page % 64;

	expect_ok(__log_clear(l, page & ~63, 64, &word), "KVM_CLEAR_DIRTY_LOG of page %u", page);
}

static void expect_bits(const char *file, int line, struct logged *l, const char *what,
			const u64 *expected)
{
	u64 seen[LOGGED_MAX / 64] = { 0 };

	expect_ok(__log_get(l, seen), "KVM_GET_DIRTY_LOG %s", what);
	for (u32 i = 0; i < l->slot->size / SZ_4K; i += 64)
		if (seen[i / 64] != expected[i / 64])
			test_failed(file, line, strf("log %s: pages %u to %u, gpa 0x%llx on", what, i,
						     i + 63, l->slot->gpa + i * SZ_4K),
				    strf("0x%llx", expected[i / 64]),
				    strf("0x%llx", seen[i / 64]));
}

void expect_log_(const char *file, int line, struct logged *l, const char *what,
		 const u32 *pages, size_t nr)
{
	u64 expected[LOGGED_MAX / 64] = { 0 };

	for (size_t i = 0; i < nr; i++)
		expected[pages[i] / 64] |= 1ULL << pages[i] % 64;
	expect_bits(file, line, l, what, expected);
}

void expect_full_log_(const char *file, int line, struct logged *l, const char *what)
{
	u64 expected[LOGGED_MAX / 64] = { 0 };

	for (u32 i = 0; i < l->slot->size / SZ_4K; i++)
		expected[i / 64] |= 1ULL << i % 64;
	expect_bits(file, line, l, what, expected);
}
