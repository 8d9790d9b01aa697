// SPDX-License-Identifier: GPL-2.0-only
/* Observed events in words, for the timeline. */
#include "observe/spte_map.h"
#include "observed_event.h"
#include "testcase.h"
#include "timeline.h"

_Static_assert(sizeof(struct event) <= MOMENT_DATA, "an event is a moment");

static const char *result_text(int ret)
{
	static const char *const names[] = {
		[PF_CONTINUE] = "RET_PF_CONTINUE", [PF_RETRY] = "RET_PF_RETRY",
		[PF_EMULATE] = "RET_PF_EMULATE", [PF_WRITE_PROTECTED] = "RET_PF_WRITE_PROTECTED",
		[PF_INVALID] = "RET_PF_INVALID", [PF_FIXED] = "RET_PF_FIXED",
		[PF_SPURIOUS] = "RET_PF_SPURIOUS",
	};

	if (ret < 0)
		return errno_text(-ret);
	return ret < (int)ARRAY_SIZE(names) ? names[ret] : strf("%d", ret);
}

/* In the EPT an SPTE that maps nothing suppresses #VE (SHADOW_NONPRESENT_VALUE, mmu/spte.h). */
#define SUPPRESS_VE	(1ULL << 63)

/* Not present and not empty: frozen, or an MMIO SPTE. */
static const char *spte_text(u64 spte, int level)
{
	if (spte_is_leaf(spte, level))
		return strf("pfn 0x%llx", spte_pfn(spte));
	if (spte_is_present(spte))
		return "table";
	return spte & ~SUPPRESS_VE ? strf("0x%llx", spte) : "none";
}

static const char *event_text(const void *data)
{
	const struct event *ev = data;

	switch (ev->type) {
	case EV_SPTE:
		return strf("SPTE of gfn 0x%llx %s: %s -> %s", ev->gfn, level_name(ev->level),
			    spte_text(ev->old_spte, ev->level), spte_text(ev->new_spte, ev->level));
	case EV_FAULT_BEGIN:
		return strf("fault gfn 0x%llx", ev->gfn);
	case EV_FAULT:
		return strf("fault gfn 0x%llx: %s", ev->gfn, result_text(ev->ret));
	case EV_FAULTIN:
		return strf("kvm_mmu_faultin_pfn gfn 0x%llx: %s", ev->gfn, result_text(ev->ret));
	case EV_GMEM_PFN:
		return ev->ret ? strf("guest_memfd gfn 0x%llx: %s", ev->gfn, result_text(ev->ret)) :
			strf("guest_memfd gfn 0x%llx: pfn 0x%llx", ev->gfn, ev->new_spte);
	case EV_UNMAP_HVA:
		return strf("kvm_unmap_hva_range 0x%llx-0x%llx", ev->old_spte, ev->new_spte);
	case EV_ATTR_START:
		return "attributes change";
	case EV_ATTR_END:
		return "attributes have changed";
	case EV_CLEAR_LOG:
		return "KVM_CLEAR_DIRTY_LOG begins";
	case EV_SEAMCALL:
		return seamcall_text(&ev->call);
	case EV_NR:
		break;
	}
	return strf("event %d", ev->type);
}

static enum moment_kind kind_of(const struct event *ev)
{
	switch (ev->type) {
	case EV_FAULT_BEGIN:
		return MOMENT_BEGIN;
	case EV_FAULT:
		return ev->ret == PF_RETRY ? MOMENT_RETRY : MOMENT_END;
	case EV_SPTE:
		return MOMENT_SPTE;
	case EV_UNMAP_HVA:
	case EV_ATTR_START:
		return MOMENT_INVALIDATION;
	case EV_SEAMCALL:
		return MOMENT_SEAMCALL;
	default:
		return MOMENT_EVENT;
	}
}

void event_to_timeline(const struct event *ev)
{
	struct event content = *ev;

	content.ts = 0;		/* what happens again and again is alike */
	timeline_add(ev->ts, ev->pid, kind_of(ev), event_text, &content, sizeof(content));
}
