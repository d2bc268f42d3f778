/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cut: connections through a balancer end, because their target was given up.
 *
 * Shape    A cut entry stays, with a life of 0 seconds in state CLOSING and no epoch: the next
 *          packet of either side finds a connection that is over, and is told so. The sweep
 *          frees what nobody has asked for in FLOW_CUT_SECONDS.
 * Units    'now' is ticks as packets see them.
 * Order    Cuts are sorted by flow_cuts_sort().
 * Owner    Packets write at the same time: one that is under way may write over a cut. Cut
 *          again when it is gone, a few milliseconds later.
 * Errors   None.
 */
#include "flow/table.h"
#include "flow/target.h"

/* Returns how many are left: no two are equal. */
size_t flow_cuts_sort(struct flow_target *cuts, size_t n);
/* In sets 'first' to 'first' + 'n_sets' - 1. Returns how many connections were cut. */
unsigned flow_cut(const struct flow_tables *t, const struct flow_target *cuts, size_t n,
		  uint32_t now, uint32_t first, uint32_t n_sets);
