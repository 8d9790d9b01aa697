// SPDX-License-Identifier: GPL-2.0-only
/* The module as text: one record a line, key=value words. */
#include <errno.h>

#include "files.h"

void print_info(struct text *t)
{
	const struct softtdx_config *c = &softtdx.cfg;

	text_add(t, "cpus=%u packages=%u phys_bits=%u first_keyid=%u keyids=%u xfam=%#lx tsc_khz=%u seamcalls=%lu",
		 c->nr_cpus, c->nr_packages, c->phys_bits, c->first_keyid, c->nr_keyids,
		 c->xfam, c->tsc_khz, softtdx.journal_next);
	text_add_word(t, "module", c->profile->name);
	text_add(t, "\n");
}

void print_counters(struct text *t)
{
	for (u16 leaf = 0; leaf <= SOFTTDX_LEAVES; leaf++) {
		const struct softtdx_counter *counters = softtdx_counters(&softtdx, leaf);

		for (int i = 0; i < SOFTTDX_COUNTERS; i++) {
			if (!counters[i].count)
				continue;
			text_add(t, "leaf=%u", leaf);
			text_add_word(t, "name", softtdx_leaf_name(leaf));
			text_add(t, " status=%#lx", counters[i].status);
			text_add_word(t, "meaning", softtdx_status_name(counters[i].status));
			text_add(t, " count=%lu\n", counters[i].count);
		}
	}
}

void print_keyids(struct text *t)
{
	static const char *const states[] = {
		[KEYID_FREE] = "FREE", [KEYID_ASSIGNED] = "ASSIGNED",
		[KEYID_FLUSHED] = "FLUSHED", [KEYID_RESERVED] = "RESERVED",
	};

	for (u32 i = 0; i < softtdx.cfg.nr_keyids; i++)
		text_add(t, "keyid=%u state=%s dirty=%#x\n", softtdx.cfg.first_keyid + i,
			 states[softtdx.keyids[i].state], softtdx.keyids[i].dirty);
}

void print_tds(struct text *t)
{
	struct softtdx_td_info td;

	for (u32 pos = 0; softtdx_next_td(&softtdx, &pos, &td); ) {
		text_add(t, "td=%#lx lifecycle=%s op_state=%s keyid=%u attributes=%#lx xfam=%#lx epoch=%lu",
			 td.tdr, td.lifecycle, td.op_state, td.keyid, td.attributes,
			 td.xfam, td.epoch);
		text_add(t, " vcpus=%u associated=%u tdcx=%lu tdvpr=%lu sept=%lu guest=%lu pages=%lu\n",
			 td.nr_vcpus, td.nr_assoc, td.nr_tdcx, td.nr_tdvpr, td.nr_sept,
			 td.nr_guest, td.chldcnt);
	}
}

void print_mrtd(struct text *t)
{
	struct softtdx_td_info td;

	for (u32 pos = 0; softtdx_next_td(&softtdx, &pos, &td); ) {
		text_add(t, "td=%#lx mrtd=", td.tdr);
		for (size_t i = 0; i < sizeof(td.mrtd); i++)
			text_add(t, "%02x", td.mrtd[i]);
		text_add(t, "\n");
	}
}

static void print_sept_of(struct text *t, u64 tdr)
{
	struct softtdx_sept_info e;

	for (u64 pos = 0; softtdx_next_sept(&softtdx, tdr, &pos, &e); )
		text_add(t, "td=%#lx gpa=%#lx level=%u state=%s hpa=%#lx entry=%#lx\n",
			 tdr, e.gpa, e.level, e.state, e.hpa, e.entry);
}

void print_sept(struct text *t)
{
	struct softtdx_td_info td;

	for (u32 pos = 0; softtdx_next_td(&softtdx, &pos, &td); )
		print_sept_of(t, td.tdr);
}

void print_journal(struct text *t)
{
	struct softtdx_record r;

	for (u64 seq = 0; softtdx_next_record(&softtdx, &seq, &r); ) {
		text_add(t, "seq=%lu tsc=%lu cpu=%lu leaf=%lu", r.seq, r.tsc, r.cpu,
			 r.rax & 0xFFFF);
		text_add_word(t, "name", softtdx_leaf_name(r.rax));
		text_add(t, " version=%lu rcx=%#lx rdx=%#lx r8=%#lx r9=%#lx", r.rax >> 16,
			 r.in[0], r.in[1], r.in[2], r.in[3]);
		text_add(t, " status=%#lx", r.status);
		text_add_word(t, "meaning", softtdx_status_name(r.status));
		text_add(t, " out_rcx=%#lx out_rdx=%#lx out_r8=%#lx out_r9=%#lx injected=%lu\n",
			 r.out[0], r.out[1], r.out[2], r.out[3], r.injected);
	}
}

/* Its content, as one number: TDs' memory, too. */
int print_page(const char *hpa_text, struct text *t)
{
	const u8 *page;
	u64 hpa;
	int error = parse_number(hpa_text, UINT64_MAX, &hpa);

	if (error || hpa & 0xFFF)
		return -EINVAL;
	page = softtdx.ops->map(softtdx.env, hpa);
	if (!page)
		return -ENXIO;
	for (int i = 0; i < 4096; i++)
		text_add(t, "%02x", page[i]);
	text_add(t, "\n");
	return 0;
}

void print_check(struct text *t)
{
	u64 where = 0;
	const char *broken;

	seam_let_go();
	broken = softtdx_check(&softtdx, &where);
	seam_take_back();
	text_add(t, "ok=%d where=%#lx", !broken, where);
	text_add_word(t, "broken", broken ?: "-");
	text_add(t, "\n");
}
