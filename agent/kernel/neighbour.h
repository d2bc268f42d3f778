/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* neighbour: the agent's part of hg_hops.
 *
 * Shape    include/hg/hop.h draws it. A port's instance has an entry of address zero.
 * Owner    The map outlives us; entries are made here, and nowhere else.
 * Errors   neighbour_port(): 0 when the set is full: the port's instance cannot be reached.
 */
#include "kernel/dataplane.h"
#include "kernel/netlink.h"

/* The index of the entry of the instance behind 'link', made or brought up to date. 'mac' of
 * the instance as far as it can be known; the packet path knows better. */
uint32_t neighbour_port(struct dataplane *dp, const struct link *link,
			const uint8_t mac[6]);
