/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* owner: whose the addresses of a VPC are, and what is inside it.
 *
 * Shape    Marks of interfaces, NAT gateways, elastic IPs, virtual addresses, subnets and
 *          CIDRs of the VPC; and those of all who carry a group that a rule of it names.
 * Units    'groups' holds 1 + the label of each group that is compared, by index; 0: it is not.
 * Owner    The caller's marks.
 * Errors   -ENOMEM.
 */
#include "compile/build.h"
#include "compile/mark.h"

int owners_mark(struct build *b, size_t vpc, const uint32_t *groups, struct marks *marks);
