/* SPDX-License-Identifier: GPL-2.0-only */
/* The module as text files: one record a line, words "key=value". */
#ifndef FILES_H
#define FILES_H

#include "module.h"
#include "text.h"

/* files.c: "read FILE [WHICH]", with its content in `answer`, or "write FILE TEXT"; 0 or -errno. */
int file_request(char *request, struct text *answer);

/* views.c: what the module holds. */
void print_info(struct text *t);
void print_counters(struct text *t);
void print_keyids(struct text *t);
void print_tds(struct text *t);
void print_mrtd(struct text *t);
void print_sept(struct text *t);
void print_journal(struct text *t);
void print_check(struct text *t);
int print_page(const char *hpa_text, struct text *t);

/* inject.c: the rules of fault injection. */
void print_rules(struct text *t);
int write_rule(char *text);

/* violations.c: violations of the module's rules. */
void print_violations(struct text *t);
void clear_violations(void);

/* accesses.c: the log of the private memory checker. */
void print_accesses(struct text *t);
void clear_accesses(void);

/* watch.c: accesses of the kernel to watched pages. */
void print_watch(struct text *t);
int write_watch(char *text);

/* inject.c: a number in C's notation, all of `text`; 0 or -EINVAL. */
int parse_number(const char *text, u64 most, u64 *value);

#endif
