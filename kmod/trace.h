/* SPDX-License-Identifier: GPL-2.0-only */
/* The tracepoint tdx_view:seamcall. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tdx_view

#if !defined(TDX_VIEW_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TDX_VIEW_TRACE_H

#include <linux/tracepoint.h>

int seamcall_probes_on(void);
void seamcall_probes_off(void);

/* A SEAMCALL that has returned, but for TDH.VP.ENTER: operands and status. */
TRACE_EVENT_FN(seamcall,
	TP_PROTO(u64 leaf, u64 rcx, u64 rdx, u64 r8, u64 status),
	TP_ARGS(leaf, rcx, rdx, r8, status),
	TP_STRUCT__entry(
		__field(u64, leaf)
		__field(u64, rcx)
		__field(u64, rdx)
		__field(u64, r8)
		__field(u64, status)
	),
	TP_fast_assign(
		__entry->leaf = leaf;
		__entry->rcx = rcx;
		__entry->rdx = rdx;
		__entry->r8 = r8;
		__entry->status = status;
	),
	TP_printk("leaf=%llu rcx=%#llx rdx=%#llx r8=%#llx status=%#llx", __entry->leaf,
		  __entry->rcx, __entry->rdx, __entry->r8, __entry->status),
	seamcall_probes_on, seamcall_probes_off
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
