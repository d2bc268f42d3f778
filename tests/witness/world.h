/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* world: a random rule set with gateways, as JSON text.
 *
 *   topology dice -> VPCs, subnets and their devices, interfaces, gateways and their uplinks,
 *                    NAT gateways, peerings, load balancers
 *   rule dice     -> routes, who has which elastic IP, NACLs, groups, listeners, targets,
 *                    settings
 *
 * Shape    As rules.h. VPCs have equal CIDRs unless a peering connects them; uplinks are
 *          shared; subnets have a device, or their interfaces have, or neither.
 * Owner    The caller frees the text.
 * Errors   Memory ends the program.
 */
#include <stdbool.h>
#include <stdint.h>

/* 'is_crowded': with load balancers. */
char *world_text(uint64_t topology, uint64_t rules, bool is_crowded);
