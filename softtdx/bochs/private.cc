// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private memory checker: on hardware the host's access to memory that a TD or the module holds
 * corrupts it, or ends in a machine check. Here it is written down (accesses.c).
 *
 * No TLB entry of a CPU outside of a TD has a pointer to such memory, so each access takes Bochs'
 * long way, where a bit a page is looked at. Accesses to other memory are as quick as ever.
 */
#include "seam.h"

Bit8u *seam_held_pages;
bx_phy_address seam_held_end;

void private_memory_reset(void)
{
	seam_held_end = BX_MEM(0)->get_memory_len() & ~BX_CONST64(0x7FFF);
	free(seam_held_pages);
	seam_held_pages = (Bit8u *)calloc(seam_held_end >> 15, 1);
	clear_watch();
}

template <unsigned size>
static void drop(TLB<size> *tlb, Bit64u hpa, Bit64u bytes)
{
	for (bx_TLB_entry &e : tlb->entry)
		if (e.valid() && e.ppf - hpa < bytes)
			e.invalidate();
}

/* What a CPU has a pointer to, it would read and write unseen. */
static void drop_pointers(Bit64u hpa, Bit64u bytes)
{
	for (unsigned i = 0; i < BX_SMP_PROCESSORS; i++) {
		BX_CPU_C *cpu = BX_CPU(i);

		drop(&cpu->DTLB, hpa, bytes);
		drop(&cpu->ITLB, hpa, bytes);
		cpu->invalidate_stack_cache();
		if (cpu->pAddrFetchPage - hpa < bytes)
			cpu->invalidate_prefetch_q();
	}
}

/* From now on accesses to the page take the long way, or not any more. */
static void mark(u64 hpa, bool on)
{
	Bit8u bit = 1 << (hpa >> 12 & 7);

	if (on)
		seam_held_pages[hpa >> 15] |= bit;
	else
		seam_held_pages[hpa >> 15] &= ~bit;
}

bool watch_page(u64 hpa, bool on)
{
	if (hpa >= seam_held_end || (on && seam_holds(hpa)))
		return false;
	mark(hpa, on);
	if (on)
		drop_pointers(hpa, 4096);
	return true;
}

void private_memory_held(void *, u64 hpa, u64 size, bool held)
{
	for (u64 p = hpa; p < hpa + size && p < seam_held_end; p += 4096) {
		if (held)
			unwatch(p);
		mark(p, held);
	}
	if (held)
		drop_pointers(hpa, size);
}

/* Its guest may have it; and the CPU itself reads and writes the vCPU's pages then. */
static bool is_in_td(BX_CPU_C *cpu)
{
	return seam_cpus[cpu->which_cpu()].state == seam_cpu::IN_GUEST;
}

/*
 * False: it has no effect. One to the guest's memory has, as on hardware, where the host finds what
 * it wrote, and the guest's next access fails. The module's own memory has to stay whole.
 */
bool BX_CPU_C::seam_private_access(bx_phy_address paddr, unsigned rw)
{
	struct private_access access = {};

	if (is_in_td(this))
		return true;
	access.kind = rw == BX_EXECUTE ? PRIVATE_EXECUTE : rw & 1 ? PRIVATE_WRITE : PRIVATE_READ;
	access.hpa = paddr;
	access.rip = prev_rip;
	access.cpu = BX_CPU_ID;
	access.cpl = CPL;
	access.in_vm = in_vmx_guest;
	if (is_watched(paddr)) {
		watched_access(&access);
		return true;
	}
	return private_accessed(&access);
}

/* Instructions are fetched by a pointer in any case. */
bool BX_CPU_C::seam_may_point_to(bx_phy_address paddr, unsigned rw)
{
	if (rw == BX_EXECUTE && !is_watched(paddr))
		seam_private_access(paddr, rw);
	return rw == BX_EXECUTE || is_in_td(this);
}
