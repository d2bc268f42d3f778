/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* meter: what each NAT gateway and balancer has counted.
 *
 *   packets -> hg_meters ---+
 *   sweep   -> hg_idle   ---+--> meter_read()
 *
 * Shape    By meter: a NAT gateway's number in the image, or that of a balancer's virtual
 *          addresses; each keeps its own from apply to apply.
 * Owner    Both maps outlive us. meters_stage() empties the meters of those that the
 *          image in force does not have: nobody counts there yet.
 * Errors   Negative errno.
 */
#include "kernel/dataplane.h"

/* Sum over CPUs, with what the sweep found. */
int meter_read(struct dataplane *dp, uint32_t meter, struct hg_meter *ret);
/* The sweep has ended so many connections, by meter. */
int meters_add_idle(struct dataplane *dp, const uint32_t idle_timeouts[static HG_METERS]);
/* The object that counts at each meter of 'image', 0 nobody. */
void meters_owners(const struct image *image, uint32_t ret[static HG_METERS]);
/* Marks those of every load balancer whose listeners forward to 'group', NULL: of every one.
 * Returns how many there are. */
unsigned meters_of_group(const struct image *image, const char *group,
			 bool ret[static HG_METERS]);
/* Before 'image' comes into force. */
int meters_stage(struct dataplane *dp, const struct image *image);
