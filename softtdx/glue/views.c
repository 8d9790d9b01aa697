// SPDX-License-Identifier: GPL-2.0-only
/* The module as text: one record a line, key=value words. */
#include "glue.h"

void softtdx_print_word(struct seq_buf *s, const char *key, const char *name)
{
	seq_buf_printf(s, " %s=", key);
	for (; *name; name++)
		seq_buf_putc(s, *name == ' ' ? '_' : *name);
}

void softtdx_print_info(struct seq_buf *s)
{
	const struct softtdx_config *c = &softtdx.cfg;

	seq_buf_printf(s, "cpus=%u packages=%u phys_bits=%u first_keyid=%u keyids=%u xfam=%#llx tsc_khz=%u seamcalls=%llu\n",
		       c->nr_cpus, c->nr_packages, c->phys_bits, c->first_keyid, c->nr_keyids,
		       c->xfam, c->tsc_khz, softtdx.journal_next);
}

void softtdx_print_counters(struct seq_buf *s)
{
	for (u16 leaf = 0; leaf <= SOFTTDX_LEAVES; leaf++) {
		const struct softtdx_counter *counters = softtdx_counters(&softtdx, leaf);

		for (int i = 0; i < SOFTTDX_COUNTERS; i++) {
			if (!counters[i].count)
				continue;
			seq_buf_printf(s, "leaf=%u", leaf);
			softtdx_print_word(s, "name", softtdx_leaf_name(leaf));
			seq_buf_printf(s, " status=%#llx", counters[i].status);
			softtdx_print_word(s, "meaning", softtdx_status_name(counters[i].status));
			seq_buf_printf(s, " count=%llu\n", counters[i].count);
		}
	}
}

void softtdx_print_keyids(struct seq_buf *s)
{
	static const char *const states[] = {
		[KEYID_FREE] = "FREE", [KEYID_ASSIGNED] = "ASSIGNED",
		[KEYID_FLUSHED] = "FLUSHED", [KEYID_RESERVED] = "RESERVED",
	};

	for (u32 i = 0; i < softtdx.cfg.nr_keyids; i++)
		seq_buf_printf(s, "keyid=%u state=%s dirty=%#x\n", softtdx.cfg.first_keyid + i,
			       states[softtdx.keyids[i].state], softtdx.keyids[i].dirty);
}

void softtdx_print_tds(struct seq_buf *s)
{
	struct softtdx_td_info td;

	for (u32 pos = 0; softtdx_next_td(&softtdx, &pos, &td); ) {
		seq_buf_printf(s, "td=%#llx lifecycle=%s op_state=%s keyid=%u attributes=%#llx xfam=%#llx epoch=%llu",
			       td.tdr, td.lifecycle, td.op_state, td.keyid, td.attributes,
			       td.xfam, td.epoch);
		seq_buf_printf(s, " vcpus=%u associated=%u tdcx=%llu tdvpr=%llu sept=%llu guest=%llu pages=%llu\n",
			       td.nr_vcpus, td.nr_assoc, td.nr_tdcx, td.nr_tdvpr, td.nr_sept,
			       td.nr_guest, td.chldcnt);
	}
}

void softtdx_print_mrtd(struct seq_buf *s)
{
	struct softtdx_td_info td;

	for (u32 pos = 0; softtdx_next_td(&softtdx, &pos, &td); )
		seq_buf_printf(s, "td=%#llx mrtd=%*phN\n", td.tdr, (int)sizeof(td.mrtd), td.mrtd);
}

static void print_sept_of(struct seq_buf *s, u64 tdr)
{
	struct softtdx_sept_info e;

	for (u64 pos = 0; softtdx_next_sept(&softtdx, tdr, &pos, &e); )
		seq_buf_printf(s, "td=%#llx gpa=%#llx level=%u state=%s hpa=%#llx entry=%#llx\n",
			       tdr, e.gpa, e.level, e.state, e.hpa, e.entry);
}

void softtdx_print_sept(struct seq_buf *s)
{
	struct softtdx_td_info td;

	for (u32 pos = 0; softtdx_next_td(&softtdx, &pos, &td); )
		print_sept_of(s, td.tdr);
}

void softtdx_print_journal(struct seq_buf *s)
{
	struct softtdx_record r;

	for (u64 seq = 0; softtdx_next_record(&softtdx, &seq, &r); ) {
		seq_buf_printf(s, "seq=%llu tsc=%llu cpu=%llu leaf=%llu", r.seq, r.tsc, r.cpu,
			       r.rax & 0xFFFF);
		softtdx_print_word(s, "name", softtdx_leaf_name(r.rax));
		seq_buf_printf(s, " version=%llu rcx=%#llx rdx=%#llx r8=%#llx r9=%#llx", r.rax >> 16,
			       r.in[0], r.in[1], r.in[2], r.in[3]);
		seq_buf_printf(s, " status=%#llx", r.status);
		softtdx_print_word(s, "meaning", softtdx_status_name(r.status));
		seq_buf_printf(s, " out_rcx=%#llx out_rdx=%#llx out_r8=%#llx out_r9=%#llx injected=%llu\n",
			       r.out[0], r.out[1], r.out[2], r.out[3], r.injected);
	}
}

void softtdx_print_check(struct seq_buf *s)
{
	u64 where = 0;
	const char *broken = softtdx_check(&softtdx, &where);

	seq_buf_printf(s, "ok=%d where=%#llx", !broken, where);
	softtdx_print_word(s, "broken", broken ?: "-");
	seq_buf_putc(s, '\n');
}
