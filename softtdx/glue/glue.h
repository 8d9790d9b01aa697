/* SPDX-License-Identifier: GPL-2.0-only */
/* What the glue's files share. */
#ifndef SOFTTDX_GLUE_H
#define SOFTTDX_GLUE_H

#include <linux/seq_buf.h>
#include "../model/softtdx.h"

struct tdx_module_args;

/* The module, and whether it answers SEAMCALL. */
extern struct softtdx softtdx;
extern bool softtdx_active;

/* What hook.h makes tdx.c call. */
u64 softtdx_call(u64 fn, struct tdx_module_args *args);
u64 softtdx_call_ret(u64 fn, struct tdx_module_args *args);
u64 softtdx_enter(u64 fn, struct tdx_module_args *args);
int softtdx_read_msr(u32 msr, u64 *value);

/* complaints.c: the model's report(), and what it reported. */
void softtdx_report(void *env, const struct softtdx_report *report);
void softtdx_print_complaints(struct seq_buf *s);
void softtdx_clear_complaints(void);

/* views.c: the module as text, one record a line; called while no SEAMCALL is under way. */
void softtdx_print_info(struct seq_buf *s);
void softtdx_print_counters(struct seq_buf *s);
void softtdx_print_keyids(struct seq_buf *s);
void softtdx_print_tds(struct seq_buf *s);
void softtdx_print_mrtd(struct seq_buf *s);
void softtdx_print_sept(struct seq_buf *s);
void softtdx_print_journal(struct seq_buf *s);
void softtdx_print_check(struct seq_buf *s);
/* A name as one word. */
void softtdx_print_word(struct seq_buf *s, const char *key, const char *name);

/* inject.c: the rules of fault injection. */
void softtdx_print_rules(struct seq_buf *s);
int softtdx_write_rule(char *text);

#endif
