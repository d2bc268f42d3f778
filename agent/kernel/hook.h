/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* hook: XDP or TC at a device's ingress, and why; and the doors that its role wants.
 *
 *   wanted   device                      ingress
 *   xdp      any                         XDP native, or it fails
 *   tc       any                         TC
 *   auto     veth, tap, bridge, VLAN ... TC: large segments and partial checksums stay whole
 *   auto     a wire                      XDP native, or TC where the driver has none
 *
 *   role                        ingress                  egress
 *   host, port                  XDP or TC                TC
 *   port of a routed VPC        TC, or XDP and then TC   TC
 *   subnet, uplink              TC, or XDP and then TC   none
 *
 * A gateway's XDP program leaves to TC what it cannot finish.
 *
 * Shape    Pure: a link's kind and type, or a role, in, a decision out.
 * Owner    'why' is a constant.
 * Errors   is_possible false: no program of ours can read this device's frames.
 */
#include <stdbool.h>

#include "compile/image.h"
#include "kernel/netlink.h"

struct hook_choice {
	bool is_possible;
	bool is_xdp;        /* try XDP first */
	bool may_fall_back; /* to TC */
	const char *why;
};

struct hook_choice hook_choose(enum hook wanted, const struct link *link);
/* RECORD_XDP, RECORD_IN, RECORD_OUT. 'role' is HG_ROLE_*; at a host's or port's device that
 * 'is_routed' some of what comes in is sent on. */
uint32_t hook_doors(uint32_t role, bool is_routed, bool is_xdp);
const char *hook_name(enum hook hook); /* "auto" */
