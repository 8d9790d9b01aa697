// SPDX-License-Identifier: GPL-2.0-only
/* The model as one unit, for the kernel: only what softtdx.h declares is visible outside. */
#define INTERNAL static

#include "lock.c"
#include "sha384.c"
#include "pamt.c"
#include "td.c"
#include "sept.c"
#include "inject.c"
#include "journal.c"
#include "sys.c"
#include "sys_fields.c"
#include "sys_config.c"
#include "mng.c"
#include "mng_params.c"
#include "vp.c"
#include "mem.c"
#include "mr.c"
#include "phymem.c"
#include "dispatch.c"
#include "observe.c"
#include "check.c"
