// SPDX-License-Identifier: GPL-2.0-only
/* The referee's log: the last complaints for debugfs, the first of each kind for dmesg. */
#define pr_fmt(fmt) "softtdx: " fmt

#include <linux/irq_work.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#include "glue.h"

#define KEPT 256

static DEFINE_RAW_SPINLOCK(lock);
static struct softtdx_report kept[KEPT];
static u64 total, cleared;	/* complaints since boot, and at the last clear */
static struct softtdx_report first[SOFTTDX_COMPLAINTS];
static unsigned long seen, unprinted;	/* kinds, as bits */

/* Complaints come from where nothing may be printed (see softtdx_enter). */
static void print_first(struct irq_work *work)
{
	unsigned long kinds = xchg(&unprinted, 0);
	u32 kind;

	for_each_set_bit(kind, &kinds, SOFTTDX_COMPLAINTS) {
		const struct softtdx_report *r = &first[kind];

		pr_warn("%s (leaf %u): %s: td %#llx gpa %#llx page %#llx (debugfs: softtdx/complaints)\n",
			softtdx_leaf_name(r->leaf), r->leaf, softtdx_complaint_name(kind), r->tdr,
			r->gpa, r->page);
	}
}
static DEFINE_IRQ_WORK(print_work, print_first);

void softtdx_report(void *env, const struct softtdx_report *report)
{
	unsigned long kind = BIT(report->complaint);
	unsigned long flags;
	bool is_first;

	raw_spin_lock_irqsave(&lock, flags);
	kept[total++ % KEPT] = *report;
	is_first = !(seen & kind);
	if (is_first) {
		seen |= kind;
		first[report->complaint] = *report;
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	if (!is_first)
		return;
	set_bit(report->complaint, &unprinted);
	irq_work_queue(&print_work);
}

void softtdx_print_complaints(struct seq_buf *s)
{
	u64 oldest = total > KEPT ? total - KEPT : 0;

	for (u64 i = max(oldest, cleared); i < total; i++) {
		const struct softtdx_report *r = &kept[i % KEPT];

		seq_buf_printf(s, "seq=%llu", i + 1);
		softtdx_print_word(s, "kind", softtdx_complaint_name(r->complaint));
		seq_buf_printf(s, " leaf=%u", r->leaf);
		softtdx_print_word(s, "name", softtdx_leaf_name(r->leaf));
		seq_buf_printf(s, " status=%#llx td=%#llx gpa=%#llx page=%#llx type=%u owner=%#llx pages=%llu\n",
			       r->status, r->tdr, r->gpa, r->page, r->page_type, r->owner,
			       r->count);
	}
}

/* The kernel's log gets the first of each kind again. */
void softtdx_clear_complaints(void)
{
	cleared = total;
	seen = 0;
}
