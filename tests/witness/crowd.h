/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* crowd: target groups and load balancers of a world, as JSON text.
 *
 * Shape    A VPC has the same four groups in every version, by protocol, with other members and
 *          weights; a balancer with nodes in its first two subnets and one of bare addresses,
 *          inside the VPC and outside, with other listeners. Members are interfaces and hosts
 *          that nobody has declared.
 * Owner    As atlas.h.
 * Errors   As atlas.h.
 */
#include "tests/witness/atlas.h"

#define TARGET_GROUPS 4 /* a VPC */

static const char *const target_protocols[TARGET_GROUPS] = { "tcp", "tcp", "udp",
							     "tcp_udp" };

void write_target_groups(struct world *w);
void write_balancers(struct world *w);
