/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* limit: what rate limits have counted, and how many sources each of them limits.
 *
 *   hg_limited      -> limits_sweep() -> hg_limits
 *   hg_limit_counts -> limit_read()
 *
 * Shape    By number of the limit (HG_MARK_ID), of those in the image in force.
 * Owner    The packet path counts, and adds the sources that it begins to limit; it sees
 *          none that just falls silent. limits_sweep() ends those and counts all anew.
 * Errors   Negative errno.
 */
#include <hg/limit.h>

#include "kernel/dataplane.h"

struct limit_tally {
	uint32_t sources; /* heard of within the window or the one before */
	uint32_t limited; /* above a limit that blocks */
};

/* To be called each second or so; at once where the image has no limits. */
void limits_sweep(struct dataplane *dp, struct limit_tally ret[static HG_LIMIT_IDS]);
/* Sum over CPUs of what the limit of 'mark' has counted since it is written so. */
int limit_read(struct dataplane *dp, uint32_t mark, struct hg_limit_counts *ret);
