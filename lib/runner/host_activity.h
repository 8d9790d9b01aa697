/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host's memory management did by itself while a case ran: any of it may have
 * invalidated a page of the case, and exact numbers of faults and retries are off then.
 */
#ifndef HOST_ACTIVITY_H
#define HOST_ACTIVITY_H

/* Note the counters of /proc/vmstat. */
void host_activity_begin(void);
/* Say which of them have changed since, if any: all of the host, not of the case alone. */
void host_activity_tell(void);

#endif /* HOST_ACTIVITY_H */
