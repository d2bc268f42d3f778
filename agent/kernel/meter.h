/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* meter: what each NAT gateway has counted.
 *
 *   packets -> hg_meters ---+
 *   sweep   -> hg_idle   ---+--> meter_read()
 *
 * Shape    By the NAT gateway's number in the image, which it keeps from apply to apply.
 * Owner    Both maps outlive us. meters_stage() empties the numbers of NAT gateways that the
 *          image in force does not have: nobody counts there yet.
 * Errors   Negative errno.
 */
#include "kernel/dataplane.h"

/* Sum over CPUs, with what the sweep found. */
int meter_read(struct dataplane *dp, uint32_t nat, struct hg_meter *ret);
/* The sweep has ended so many connections, by number. */
int meters_add_idle(struct dataplane *dp, const uint32_t idle_timeouts[static HG_METERS]);
/* Before 'image' comes into force. */
int meters_stage(struct dataplane *dp, const struct image *image);
