/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* counters: what each device has counted.
 *
 * Shape    Every device that ever had a slot of hg_stats, in order of name.
 * Units    Since the device got its slot: what the slot had counted for others is taken off.
 * Owner    counters_read() allocates.
 * Errors   Negative errno.
 */
#include "kernel/dataplane.h"

struct device_counters {
	char device[16];
	uint32_t ifindex; /* 0: not attached */
	struct hg_counters counters;
};

/* 'records' is PIN_DIR/hg_devices, see record.h. 'ret_total' is of the data plane as a
 * whole, unknown devices included. */
int counters_read(struct dataplane *dp, int records, struct device_counters **ret,
		  size_t *ret_n, struct hg_counters *ret_total);
