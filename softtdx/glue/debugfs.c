// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs softtdx/: what the module holds, and its control.
 *
 * A file's text is made when it is opened, and a write takes effect, while no CPU is inside a
 * SEAMCALL: calls run with interrupts off, so stop_machine() waits for their end.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "glue.h"

#define MAX_WRITE 256

struct entry {
	const char *name;
	void (*print)(struct seq_buf *s);
	int (*write)(char *text);
};

static DEFINE_MUTEX(writers);
static u64 pages_given_back;

static int write_clear(char *text)
{
	bool all = !strcmp(text, "all");

	if (!all && strcmp(text, "logs") && strcmp(text, "rules"))
		return -EINVAL;
	if (all || !strcmp(text, "rules")) {
		softtdx_clear_rules(&softtdx);
		memset(softtdx.rules, 0, sizeof(softtdx.rules));
	}
	if (all || !strcmp(text, "logs")) {
		softtdx_clear_counters(&softtdx);
		softtdx_clear_complaints();
		memset(softtdx.journal, 0, sizeof(softtdx.journal));
	}
	return 0;
}

/* "dead": TDs that were torn down; else the address of a TDR, whatever its state. */
static int write_reset(char *text)
{
	bool dead = !strcmp(text, "dead");
	u64 tdr = 0;

	if (!dead && (kstrtou64(text, 0, &tdr) || !tdr))
		return -EINVAL;
	pages_given_back = softtdx_reset(&softtdx, tdr, !dead);
	return 0;
}

static void print_reset(struct seq_buf *s)
{
	seq_buf_printf(s, "pages=%llu\n", pages_given_back);
}

static int write_wb_steps(char *text)
{
	return kstrtou32(text, 0, &softtdx.wb_steps);
}

static void print_wb_steps(struct seq_buf *s)
{
	seq_buf_printf(s, "wb_steps=%u\n", softtdx.wb_steps);
}

static const struct entry entries[] = {
	{ "info", softtdx_print_info, NULL },
	{ "counters", softtdx_print_counters, NULL },
	{ "keyids", softtdx_print_keyids, NULL },
	{ "tds", softtdx_print_tds, NULL },
	{ "mrtd", softtdx_print_mrtd, NULL },
	{ "sept", softtdx_print_sept, NULL },
	{ "journal", softtdx_print_journal, NULL },
	{ "complaints", softtdx_print_complaints, NULL },
	{ "check", softtdx_print_check, NULL },
	{ "inject", softtdx_print_rules, softtdx_write_rule },
	{ "wb_steps", print_wb_steps, write_wb_steps },
	{ "clear", NULL, write_clear },
	{ "reset", print_reset, write_reset },
};

struct picture {
	const struct entry *entry;
	struct seq_buf text;
};

static int take_picture(void *data)
{
	struct picture *p = data;

	p->entry->print(&p->text);
	return 0;
}

static int entry_open(struct inode *inode, struct file *file)
{
	struct picture *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	file->private_data = p;
	p->entry = inode->i_private;
	if (!(file->f_mode & FMODE_READ) || !p->entry->print)
		return 0;
	for (size_t size = SZ_64K; size <= SZ_64M; size *= 4) {
		char *text = kvmalloc(size, GFP_KERNEL);

		if (!text)
			break;
		seq_buf_init(&p->text, text, size);
		stop_machine(take_picture, p, NULL);
		if (!seq_buf_has_overflowed(&p->text))
			return 0;
		kvfree(text);
	}
	kfree(p);
	return -ENOMEM;
}

static int entry_release(struct inode *inode, struct file *file)
{
	struct picture *p = file->private_data;

	kvfree(p->text.buffer);
	kfree(p);
	return 0;
}

static ssize_t entry_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct picture *p = file->private_data;

	return simple_read_from_buffer(to, count, pos, p->text.buffer, seq_buf_used(&p->text));
}

struct command {
	const struct entry *entry;
	char text[MAX_WRITE];
};

static int obey(void *data)
{
	struct command *c = data;

	return c->entry->write(strim(c->text));
}

static ssize_t entry_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct picture *p = file->private_data;
	struct command command = { .entry = p->entry };
	int error;

	if (!p->entry->write)
		return -EPERM;
	if (count >= MAX_WRITE)
		return -E2BIG;
	if (copy_from_user(command.text, from, count))
		return -EFAULT;
	guard(mutex)(&writers);
	error = stop_machine(obey, &command, NULL);
	return error ?: count;
}

static const struct file_operations entry_operations = {
	.owner = THIS_MODULE,
	.open = entry_open,
	.release = entry_release,
	.read = entry_read,
	.write = entry_write,
	.llseek = default_llseek,
};

static int __init softtdx_files(void)
{
	struct dentry *folder;

	if (!softtdx_active)
		return 0;
	folder = debugfs_create_dir("softtdx", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		umode_t mode = (entries[i].print ? 0400 : 0) | (entries[i].write ? 0200 : 0);

		debugfs_create_file(entries[i].name, mode, folder, (void *)&entries[i],
				    &entry_operations);
	}
	return 0;
}
late_initcall(softtdx_files);
