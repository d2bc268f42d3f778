/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* uplink: what an address is to those who are outside.
 *
 *   uplink -> prefixes[family] -> place -> elastic IP, NAT gateway, VPC
 *
 * Shape    One uplink a device, by name. All share one table of places and, as elastic IPs
 *          and IPv4 CIDRs look alike from everywhere, one IPv4 trie.
 * Order    An elastic IP counts before a CIDR around it, and a VPC with a gateway at the uplink
 *          before others that overlap it.
 * Owner    Appends to the image of 'b'; fills the tables of 'head'.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"

int uplinks_write(struct build *b, struct hg_header *head);
