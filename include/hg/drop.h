/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* drop: why a packet went no further.
 *
 * Shape    One ledger. Number, name and stage stand on one line here and nowhere
 *          else; stats, monitor, explain and flow logs all print this name.
 * Order    Numbers are appended, never reused. 0 is no drop.
 * Owner    A step returns -HG_DROP_*; bpf/account.h counts it.
 */
#include <hg/abi.h>

#define HG_DROP_REASONS(X)                  \
	X(1, MALFORMED, "parse")            \
	X(2, UNSUPPORTED, "parse")          \
	X(3, FRAGMENT, "parse")             \
	X(4, RATE_LIMIT, "rate_limit")      \
	X(5, SOURCE_CHECK, "source_check")  \
	X(6, DEST_CHECK, "dest_check")      \
	X(7, SG_EGRESS, "sg_egress")        \
	X(8, SG_INGRESS, "sg_ingress")      \
	X(9, NACL_EGRESS, "nacl_egress")    \
	X(10, NACL_INGRESS, "nacl_ingress") \
	X(11, NO_ROUTE, "route")            \
	X(12, BLACKHOLE, "route")           \
	X(13, TTL_EXPIRED, "route")         \
	X(14, TOO_BIG, "route")             \
	X(15, NO_NEIGHBOUR, "route")        \
	X(16, NO_LISTENER, "load_balancer") \
	X(17, NO_TARGET, "load_balancer")   \
	X(18, NO_FLOW, "flow")              \
	X(19, NAT_PROTOCOL, "nat")          \
	X(20, NAT_UNSOLICITED, "nat")       \
	X(21, NAT_NO_PORT, "nat")           \
	X(22, NO_PUBLIC_ADDRESS, "nat")     \
	X(23, PRIVATE_DESTINATION, "nat")   \
	X(24, EGRESS_ONLY, "route")         \
	X(25, PEERING, "route")             \
	X(26, FLOW_TABLE_FULL, "flow")      \
	X(27, GENEVE, "parse")              \
	X(28, UNKNOWN_DEVICE, "parse")      \
	X(29, INTERNAL, "parse")

#define HG_DROP_NUMBER(number, name, stage) HG_DROP_##name = (number),
enum { HG_DROP_NONE, HG_DROP_REASONS(HG_DROP_NUMBER) HG_DROP_END };
#undef HG_DROP_NUMBER

#define HG_DROPS 40 /* room in struct hg_counters */
_Static_assert(HG_DROP_END <= HG_DROPS, "the ledger is longer than struct hg_counters");
