/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* image: the compiled rule set, a relocatable blob of 64-byte lines.
 *
 *   hg_control.word = base line | epoch << 32
 *        |
 *        v
 *   header -> ports    -> device -> interface -> subnet -> nacl classifiers
 *          -> vpcs -> trie4, trie6 -> class -> peer, interface, subnet, row
 *          -> interfaces -> group classifiers
 *          -> subnets -> routes[row] -> gateway, NAT gateway, VPC, interface
 *          -> uplinks -> trie4, trie6 -> place -> elastic IP, NAT gateway, VPC, virtual address
 *          -> vips -> listener -> pool -> ring -> target
 *          -> names (cold: objects, rules, zones, text; the packet path never reads them)
 *
 * Shape    hg_image is one mmap-able ARRAY of struct hg_line. Every offset in an
 *          image counts lines from the image's first line, so an image can lie
 *          anywhere. A table is (first line, number of records); records never
 *          straddle a line: 4, 16 or 64 bytes. Record 0 of every table that is
 *          addressed by id is all zero and means nobody.
 * Units    Ids are record numbers. 'ports' and the live words of struct hg_device
 *          are zero as compiled; those of struct hg_pool let everybody in.
 * Order    Addresses, ports and MACs as on the wire; numbers in host order.
 * Owner    agent/compile writes all but the live words; agent/kernel/sync.c writes
 *          the live ones and copies the whole into lines that no packet reads, then
 *          switches 'word' in one 8-byte store. bpf/image.h only reads.
 * Errors   An offset outside the map reads as a missing line: HG_DROP_INTERNAL.
 */
#include <hg/abi.h>
#include <hg/limits.h>

#define HG_LINE 64

struct hg_line {
	__u32 w[16];
};
HG_SIZE(struct hg_line, HG_LINE);

struct hg_control {
	__u64 word; /* base line | epoch << 32; epoch 0 is no image: all packets pass uncounted */
	__u32 skew;    /* ticks added to the clock; tests move time with it */
	__u32 monitor; /* 1 while somebody reads hg_events */
	__u64 zero[6];
};
HG_SIZE(struct hg_control, 64);

struct hg_table {
	__u32 line; /* from the start of the image */
	__u32 n;    /* records */
};
HG_SIZE(struct hg_table, 8);

#define HG_IMAGE_MAGIC 0x3167616d69676768ULL /* "hggimag1" */

#define HG_SETTING_STRICT    1 /* rule_change: every connection is judged again */
#define HG_SETTING_TCP_LOOSE 2 /* a segment without SYN may open a flow */

/* Connection states; index of hg_header.timeouts. Appended, never reused. The name is what
 * flows and explain print; 0 is no connection. */
#define HG_CONNECTION_STATES(X)                                                    \
	X(1, SYN_SENT, "syn_sent") /* SYN seen */                                  \
	X(2, SYN_RECV, "syn_recv") /* SYN and SYN-ACK seen */                      \
	X(3, ESTABLISHED, "established")                                           \
	X(4, CLOSING, "closing")         /* reset, or FIN from both sides */       \
	X(5, UDP, "udp")                 /* one way */                             \
	X(6, UDP_REPLIED, "udp_replied") /* one request and one response */        \
	X(7, UDP_AGAIN, "udp_again")     /* a second request after the response */ \
	X(8, UDP_STREAM, "udp_stream")   /* more than one request and response */  \
	X(9, ICMP, "icmp")               /* one way */                             \
	X(10, ICMP_REPLIED, "icmp_replied")                                        \
	X(11, OTHER, "other") /* one way */                                        \
	X(12, OTHER_REPLIED, "other_replied")

#define HG_STATE_NUMBER(number, name, text) HG_STATE_##name = (number),
enum { HG_STATE_NONE, HG_CONNECTION_STATES(HG_STATE_NUMBER) HG_STATE_END };
#undef HG_STATE_NUMBER

#define HG_STATES 16 /* room in hg_header.timeouts */
_Static_assert(HG_STATE_END <= HG_STATES, "the ledger is longer than hg_header.timeouts");

/* Line 0 to 4 of an image. */
struct hg_header {
	__u64 magic;
	__u32 abi;
	__u32 n_lines;
	__u32 settings; /* HG_SETTING_* */
	__u32 n_rules;  /* rule ids are 1 .. n_rules - 1 */
	struct hg_table
		ports; /* n sets, a line each, of 4 struct hg_port; n is a power of two */
	struct hg_table devices;    /* struct hg_device, one a line */
	struct hg_table interfaces; /* struct hg_interface, one a line */
	struct hg_table subnets;    /* struct hg_subnet, one a line */
	struct hg_table vpcs;       /* struct hg_vpc, one a line */
	__u32 timeouts[HG_STATES];  /* seconds, by HG_STATE_* */
	struct hg_table objects;    /* cold: struct hg_object, 4 a line */
	struct hg_table rules;      /* cold: struct hg_rule, 4 a line, by rule id */
	struct hg_table zones;      /* cold: struct hg_zone, 4 a line */
	struct hg_table text;       /* cold: bytes; n counts them */
	__u32 n_classifiers;        /* distinct ones, for show */
	__u32 exempt; /* line of the hg_exempt for entries without address, 0 none */
	struct hg_table routes;    /* struct hg_route, 4 a line */
	struct hg_table gateways;  /* struct hg_gateway, one a line */
	struct hg_table nats;      /* struct hg_nat, one a line */
	struct hg_table uplinks;   /* struct hg_uplink, one a line */
	struct hg_table forwards;  /* struct hg_forward, 4 a line */
	struct hg_table vips;      /* struct hg_vip, one a line */
	struct hg_table listeners; /* struct hg_listener, one a line */
	struct hg_table
		entrances; /* n sets, a line each, of 4 struct hg_entrance; a power of two */
	struct hg_table pools;   /* struct hg_pool, one in 4 lines */
	struct hg_table targets; /* struct hg_target, 2 a line */
	struct hg_table gwlbs;   /* struct hg_gwlb, one a line */
	struct hg_table limits;  /* struct hg_limit, one a line */
	__u32 zero[14];
};
HG_SIZE(struct hg_header, 5 * HG_LINE);

/* ---- who speaks: device, interface, subnet, vpc ---- */

/* Set ifindex & (ports.n - 1); live, written by sync. */
struct hg_port {
	__u32 ifindex; /* 0 is free */
	__u32 device;  /* id */
	__u32 slot;    /* of hg_stats */
	__u32 zero;
};
HG_SIZE(struct hg_port, 16);

#define HG_ROLE_HOST   1 /* the instance is this host */
#define HG_ROLE_PORT   2 /* the instance is at the other end */
#define HG_ROLE_SUBNET 3 /* instances of one subnet are behind it */
#define HG_ROLE_UPLINK 4 /* the internet is behind it */

#define HG_DEVICE_XDP  2 /* live: ingress is by XDP */
#define HG_DEVICE_PUNT 4 /* live: and what XDP leaves untouched meets the TC door */

struct hg_device {
	__u32 role;      /* HG_ROLE_* */
	__u32 vpc;       /* 0: uplink */
	__u32 subnet;    /* 0 none */
	__u32 interface; /* host and port */
	__u32 zone;      /* of flows that come in here */
	__u32 object;    /* interface, subnet; uplink: the gateway that names it first */
	__u32 uplink;    /* id in 'uplinks', 0 none */
	/* live words: zero as compiled */
	__u32 ifindex; /* 0 while the device is absent */
	__u32 flags;   /* HG_DEVICE_* */
	__u32 mtu;
	__u32 hop;   /* port: of the instance, in hg_hops */
	__u8 mac[6]; /* the device's own */
	__u16 zero0;
	/* as compiled */
	__u32 gateway; /* host: what a balancer sends on leaves by it, 0 none */
	__u32 zero[2];
};
HG_SIZE(struct hg_device, HG_LINE);

#define HG_INTERFACE_CHECK 1 /* source_dest_check */
#define HG_INTERFACE_LOCAL 2 /* attach: local */

/* Directions, as the instance sees them. */
#define HG_INGRESS 0
#define HG_EGRESS  1

struct hg_interface {
	__u32 flags; /* HG_INTERFACE_* */
	__u32 vpc;
	__u32 subnet;          /* 0 none: no NACL */
	__u32 device;          /* 0 none */
	__u32 groups[2];       /* line of the classifier, by direction; never 0 */
	__u32 tcp_established; /* seconds; these three replace hg_header.timeouts */
	__u32 udp;
	__u32 udp_stream;
	__u32 object;
	struct hg_addr address6; /* its first of each family, zero none */
	__be32 address4;
	__u32 zero;
};
HG_SIZE(struct hg_interface, HG_LINE);

struct hg_subnet {
	__u32 vpc;
	__u32 nacl
		[2]; /* line of the classifier, by direction; 0 none: everything passes */
	__u32 object;
	__u32 nacl_object;
	__be32 router4;         /* base + 1, 0 none */
	struct hg_addr router6; /* base + 1, zero none */
	__u32 device;           /* id, 0 none */
	__u32 routes; /* line of a __u32 route id a row of the VPC; 0 none: not routed */
	__u32 table_object;
	__u32 limit; /* its first, 0 none */
	__u32 onward; /* as 'routes', without those to gateway load balancers: by it goes what
		       * one gave back; 0: the table has none of them */
	__u32 zero;
};
HG_SIZE(struct hg_subnet, HG_LINE);

struct hg_vpc {
	__u32 trie4;             /* line, see trie.h */
	__u32 trie6;             /* line, see trie.h */
	struct hg_table classes; /* struct hg_class, 2 a line */
	__u32 n_peers;
	__u32 object;
	__u32 zone;
	__u32 n_rows; /* of its route tables */
	__u32 zero[8];
};
HG_SIZE(struct hg_vpc, HG_LINE);

/* All that the stages want to know of an address. */
struct hg_class {
	__u32 peer;      /* row selector of every classifier of the VPC, < n_peers */
	__u32 interface; /* whose address this is, 0 nobody's */
	__u32 subnet;    /* that contains it, 0 none */
	__u32 exempt;    /* line of a struct hg_exempt, 0 none */
	__u32 row;       /* index into the routes of every subnet of the VPC */
	__be32 public;   /* the elastic IP of this private address, 0 none */
	__u16 nat;       /* NAT gateway whose private address this is, 0 none */
	__u16 vip;       /* virtual address that this is, 0 none */
	__u32 is_inside; /* 1: in a CIDR of this VPC */
};
HG_SIZE(struct hg_class, 32);

/* ---- where to: routes, gateways, the outside ---- */

#define HG_ROUTE_NONE                  0 /* no route covers the address */
#define HG_ROUTE_LOCAL                 1
#define HG_ROUTE_BLACKHOLE             2
#define HG_ROUTE_INTERNET              3 /* target: gateway */
#define HG_ROUTE_NAT                   4 /* target: NAT gateway */
#define HG_ROUTE_EGRESS_ONLY           5 /* target: gateway */
#define HG_ROUTE_PEERING               6 /* target: the peer VPC */
#define HG_ROUTE_INTERFACE             7 /* target: interface */
#define HG_ROUTE_GATEWAY_LOAD_BALANCER 8 /* target: that */

struct hg_route {
	__u32 kind; /* HG_ROUTE_* */
	__u32 target;
	__u32 rule;   /* id; hits are counted there */
	__u32 object; /* of the target: gateway, NAT gateway, peering, interface; 0 none */
};
HG_SIZE(struct hg_route, 16);

#define HG_GATEWAY_KERNEL4 1 /* no next hop is given: next_hop4 is a live word, and */
#define HG_GATEWAY_KERNEL6 2 /* next_hop6: of the kernel's default route there, or zero */

/* Internet and egress-only gateways. A next hop of zero: the destination is on the link. */
struct hg_gateway {
	__u32 vpc;
	__u32 device; /* id of the uplink */
	__u32 object;
	__u32 flags; /* HG_GATEWAY_* */
	__be32 next_hop4;
	__u32 zero0[3];
	struct hg_addr next_hop6;
	__u32 zero[4];
};
HG_SIZE(struct hg_gateway, HG_LINE);

#define HG_NAT_INSTANCE 1 /* mode: instance */

/* Its id is its meter's, too. */
struct hg_nat {
	__u32 vpc;
	__u32 subnet;
	__u32 object;
	__u16 flags; /* HG_NAT_* */
	__u8 n_addresses;
	__u8 n_forwards;
	__u32 idle_timeout; /* seconds */
	__u32 interface;    /* instance: record in 'interfaces' with its groups; 0 none */
	__be32 private_address;
	__u32 forwards;      /* first record */
	__be32 addresses[8]; /* elastic IPs */
};
HG_SIZE(struct hg_nat, HG_LINE);

/* What a NAT instance lets in. */
struct hg_forward {
	__be32 to;
	__be16 port, to_port;
	__u32 protocol;
	__u32 zero;
};
HG_SIZE(struct hg_forward, 16);

/* What addresses are to those who are outside of an uplink. */
struct hg_uplink {
	__u32 trie4, trie6;     /* lines; an address gives a place */
	struct hg_table places; /* struct hg_place, 2 a line */
	__u32 zero[12];
};
HG_SIZE(struct hg_uplink, HG_LINE);

#define HG_PLACE_WORLD      0 /* anybody's; as a destination the kernel's */
#define HG_PLACE_ELASTIC    1 /* an elastic IP of an interface */
#define HG_PLACE_NAT        2 /* an elastic IP of a NAT gateway */
#define HG_PLACE_VPC        3 /* IPv6, inside a VPC with a gateway at this uplink */
#define HG_PLACE_INSIDE     4 /* inside another VPC, or IPv4 inside any: nobody's out there */
#define HG_PLACE_UNATTACHED 5 /* an elastic IP that nobody has */
#define HG_PLACE_BALANCER   6 /* a virtual address, or the elastic IP of one */

struct hg_place {
	__u32 kind; /* HG_PLACE_* */
	__u32 vpc;
	__u32 nat;
	__be32 private_address; /* HG_PLACE_ELASTIC, HG_PLACE_BALANCER with an elastic IP; 0 none */
	__u32 object;           /* the elastic IP, 0 none */
	__u32 gateway; /* the VPC's internet gateway, 0 none */
	__u32 vip;     /* HG_PLACE_BALANCER */
	__u32 zero;
};
HG_SIZE(struct hg_place, 32);

/* ---- balancers: virtual address, listener, pool, target ---- */

/* An address of a balancer: bare, or a node's. */
struct hg_vip {
	__u32 vpc;
	__u32 subnet;           /* of the node, 0: a bare address */
	__u32 object;           /* the balancer */
	__u32 meter;            /* of the balancer, in hg_meters */
	struct hg_addr address; /* as it is called inside the VPC */
	__be32 public;          /* the node's elastic IP, 0 none */
	__u32 family;           /* HG_FAMILY_* */
	__u32 interface; /* record in 'interfaces' with the balancer's groups, 0: it has none */
	__u32 gateway; /* by which answers to the outside leave: the VPC's internet gateway, 0 none */
	__u32 peer;  /* of its address, selects rows of the VPC's classifiers */
	__u32 limit; /* its first, 0 none */
	__u32 zero[2];
};
HG_SIZE(struct hg_vip, HG_LINE);

/* Set hg_entrance_hash() & (entrances.n - 1). */
struct hg_entrance {
	__u32 vip; /* 0 is free */
	__be16 port;
	__u8 protocol;
	__u8 zero0;
	__u32 listener;
	__u32 zero1;
};
HG_SIZE(struct hg_entrance, 16);

#define HG_SYN_AUTO   0
#define HG_SYN_ALWAYS 1
#define HG_SYN_OFF    2

struct hg_listener {
	__u32 vip;
	__be16 port;
	__u8 protocol;
	__u8 n_forwards;
	__u32 idle_timeout; /* seconds */
	__u32 weight;       /* of all forwards together; 0: none takes new connections */
	__u32 seed;         /* of its balancer's name */
	__u32 syn_protection; /* HG_SYN_* */
	struct {
		__u32 pool;
		__u32 until; /* sum of the weights up to and with this one */
	} forward[HG_MAX_FORWARDS];
};
HG_SIZE(struct hg_listener, HG_LINE);

#define HG_POOL_PRESERVE 1 /* preserve_client_ip */
#define HG_POOL_STICKY   2 /* by source address */

#define HG_RING       65537 /* slots, a prime: __u16 member numbers, from line 'ring' on */
#define HG_POOL_ROOM  1024  /* bits in 'usable' */
#define HG_POOL_LINES 4

/* The members of a target group that one virtual address may send to: of its family and zone. */
struct hg_pool {
	__u32 ring; /* line; pools with the same members share it; 0: none has a weight */
	__u32 first;  /* id of member 0 in 'targets'; the others follow */
	__u32 n;      /* members */
	__u32 flags;  /* HG_POOL_* */
	__u32 object; /* the target group */
	__u32 zone;   /* text, byte offset; 0: every */
	__u32 family; /* HG_FAMILY_* */
	/* live words: as compiled all members with a weight are usable */
	__u32 n_usable;
	__u32 fails_open; /* 1: so all of them are */
	__u32 zero0[7];
	__u64 usable[HG_POOL_ROOM /
		     64]; /* bit of each member that takes new connections */
	__u64 zero1[8];
};
HG_SIZE(struct hg_pool, HG_POOL_LINES *HG_LINE);

struct hg_target {
	struct hg_addr address;
	__be16 port;
	__u16 weight;
	__u32 object; /* the target group */
	__u32 index;  /* of the target as written in its group */
	__u32 zero;
};
HG_SIZE(struct hg_target, 32);

/* What an appliance gives back has a zone of its own, in which the answers of what it was sent
 * are waited for: that of its gateway load balancer's id. */
#define HG_ZONE_INSPECT       0xf000U
#define HG_ZONE_IS_INSPECT(z) ((z) >= HG_ZONE_INSPECT)
_Static_assert(HG_MAX_ZONES < HG_ZONE_INSPECT && HG_MAX_BALANCERS < 0x1000,
	       "zones of gateway load balancers are not their own");

/* A gateway load balancer. Its id is its meter less HG_METER_BALANCER, so that it means the same
 * in every image; ids of load balancers are empty records here. */
struct hg_gwlb {
	__u32 vpc;
	__u32 object;
	__u32 meter;
	__u32 pool;   /* of its appliances */
	__u32 subnet; /* by whose table packets go on, 0: the sender's */
	__u32 tuple;  /* 5, 3 or 2: of what the choice is made */
	__u32 idle_timeout;
	__u32 is_rebalancing;
	__u64 endpoint, attachment; /* of the options that it sends */
	__u32 zero[4];
};
HG_SIZE(struct hg_gwlb, HG_LINE);

/* A rate limit of the packets to a virtual address or a subnet; a chain of them each. */
#define HG_LIMIT_PACKETS         0
#define HG_LIMIT_BYTES           1
#define HG_LIMIT_NEW_CONNECTIONS 2
#define HG_LIMIT_BLOCK           0
#define HG_LIMIT_COUNT           1
#define HG_LIMIT_ALLOW           2

struct hg_limit {
	__u32 mark; /* HG_MARK of <hg/limit.h> */
	__u32 next; /* record of the same resource, in the order of names; 0 the last */
	__u32 object;
	__u16 unit, action; /* HG_LIMIT_* */
	__u64 limit;
	__u32 window; /* seconds */
	__be16 port;  /* of a listener, 0: any */
	__u16 zero0;
	__u32 zero[8];
};
HG_SIZE(struct hg_limit, HG_LINE);

#define HG_IMAGE_INLINE static inline __attribute__((always_inline))

HG_IMAGE_INLINE __u32 hg_entrance_hash(__u32 vip, __u32 protocol, __be16 port)
{
	__u64 h = ((__u64)vip << 32 | protocol << 16 | port) * 0x9e3779b97f4a7c15ULL;

	return (__u32)(h >> 32) ^ (__u32)(h >> 48);
}

/* What no filter touches at one address, or (hg_header.exempt) at any. */
struct hg_exempt {
	__u32 n;
	struct {
		__u8 protocol; /* 0 any */
		__u8 any_port; /* 1: the ports do not matter */
		__u16 zero;
		__u16 first, last; /* host order, of the exempt address' side */
	} entry[HG_MAX_EXEMPT_PORTS];
	__u32 zero;
};
HG_SIZE(struct hg_exempt, HG_LINE);

/* ---- cold: names ---- */

enum {
	HG_OBJECT_NONE,
	HG_OBJECT_VPC,
	HG_OBJECT_SUBNET,
	HG_OBJECT_NACL,
	HG_OBJECT_GROUP,
	HG_OBJECT_INTERFACE,
	HG_OBJECT_ROUTE_TABLE,
	HG_OBJECT_INTERNET_GATEWAY,
	HG_OBJECT_EGRESS_ONLY_GATEWAY,
	HG_OBJECT_ELASTIC_IP,
	HG_OBJECT_NAT_GATEWAY,
	HG_OBJECT_PEERING,
	HG_OBJECT_TARGET_GROUP,
	HG_OBJECT_LOAD_BALANCER,
	HG_OBJECT_GATEWAY_LOAD_BALANCER,
	HG_OBJECT_RATE_LIMIT,
};

struct hg_object {
	__u32 kind;  /* HG_OBJECT_* */
	__u32 text;  /* byte offset of the name in 'text', NUL terminated */
	__u32 flags; /* 1: implicit, not in the rule set */
	__u32 owner; /* object of the VPC that it is implicit in: each has one of that name */
};
HG_SIZE(struct hg_object, 16);

#define HG_RULE_DEFAULT 0xffffffffU /* the implicit deny, "*" */
#define HG_RULE_LOCAL   0x80000000U /* routes: those that every table has */

struct hg_rule {
	__u32 object; /* NACL, group or route table */
	__u32 number; /* NACL: the rule number; group: index in the direction's list; route: index in
			  * the table, or HG_RULE_LOCAL + index of the VPC's CIDR */
	__u32 direction; /* HG_INGRESS, HG_EGRESS; route: 0 */
	__u32 flags;     /* 1: allow */
};
HG_SIZE(struct hg_rule, 16);

/* A zone keeps flows of equal addresses apart: one for each VPC, host device, uplink, and port whose
 * interface does not check sources: what an appliance sends on must not be taken for what it was sent. */
struct hg_zone {
	__u32 zone; /* 1 .. HG_MAX_ZONES */
	__u32 text; /* "vpc/NAME", "interface/NAME", "uplink/DEVICE" */
	__u32 zero[2];
};
HG_SIZE(struct hg_zone, 16);
