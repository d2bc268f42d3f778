/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rules: a random rule set, as JSON text, so that the reader is put to the test as well.
 *
 *   topology dice -> VPCs, subnets, interfaces, devices, addresses
 *   rule dice     -> NACLs, groups, prefix lists, who has which, settings
 *
 * Shape    Few addresses and many edges: nested CIDRs whose first and last addresses are
 *          asked about, ports around range ends, references to self and to others, VPCs
 *          with equal CIDRs. Two texts of one topology and different rules stand for a
 *          rule set before and after a change.
 * Owner    The caller frees the text.
 * Errors   Memory ends the program.
 */
#include <stdint.h>

/* Addresses that the kernel has on HOST_DEVICE when the rule set names none. */
#define HOST_DEVICE   "eth0"
#define HOST_ADDRESS4 "10.0.0.46"
#define HOST_ADDRESS6 "fd00:10::9"

char *rules_text(uint64_t topology, uint64_t rules);
