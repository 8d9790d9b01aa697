/* SPDX-License-Identifier: GPL-2.0-only */
#define NULL ((void *)0)
#define offsetof(type, member) __builtin_offsetof(type, member)
