/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* limits: every bound that a user, the compiler or the verifier can meet.
 *
 * Shape    Plain numbers; each is named by the complaint that it causes.
 * Units    Counts of things unless the name says otherwise.
 * Owner    config checks the first block, compile the second, bpf loops to the third.
 */

/* What a rule set may hold. */
#define HG_MAX_FILE_BYTES       (32U << 20)  /* one JSON document */
#define HG_MAX_LIST_BYTES       (128U << 20) /* one prefix list file */
#define HG_MAX_DEPTH            32           /* nesting of JSON */
#define HG_MAX_NAME             63
#define HG_MAX_DESCRIPTION      255
#define HG_MAX_TAGS             50
#define HG_MAX_VPCS             256
#define HG_MAX_VPC_CIDRS        50
#define HG_MAX_SUBNETS          4096
#define HG_MAX_SUBNET_CIDRS     16
#define HG_MAX_NACLS            4096
#define HG_MAX_NACL_RULES       131072 /* a direction */
#define HG_MAX_GROUPS           4096
#define HG_MAX_GROUP_RULES      10000 /* a direction */
#define HG_MAX_PEERS            1000  /* a group rule */
#define HG_MAX_INTERFACES       16384
#define HG_MAX_ADDRESSES        256 /* an interface */
#define HG_MAX_INTERFACE_GROUPS 16
#define HG_MAX_PREFIX_LISTS     1024
#define HG_MAX_ENTRIES          1000000 /* a prefix list */
#define HG_MAX_PORT_RANGES      64      /* a rule */
#define HG_MAX_EXEMPT           64
#define HG_MAX_ROUTE_TABLES     1024
#define HG_MAX_ROUTES           10000 /* a route table */
#define HG_MAX_GATEWAYS         256   /* of each kind */
#define HG_MAX_ELASTIC_IPS      16384
#define HG_MAX_NAT_GATEWAYS     1023
#define HG_MAX_NAT_ADDRESSES    8 /* elastic IPs of a NAT gateway */
#define HG_MAX_NAT_FORWARDS     64
#define HG_MAX_PEERINGS         4096
#define HG_MAX_TARGET_GROUPS    4096
#define HG_MAX_TARGETS          1000 /* a target group */
#define HG_MAX_BALANCERS        3071 /* of both kinds together */
#define HG_MAX_VIPS             8    /* addresses of a balancer */
#define HG_MAX_LISTENERS        50   /* a balancer */
#define HG_MAX_FORWARDS         5 /* target groups of a listener: room in struct hg_listener */
#define HG_MAX_TARGET_WEIGHT    999
#define HG_MAX_RATE_LIMITS      255
#define HG_MAX_WINDOW           600   /* seconds, of a rate limit */
#define HG_MAX_LIMITED          10000 /* sources of a rate limit at once */
#define HG_MAX_IDLE_TIMEOUT     86400 /* seconds */
#define HG_MAX_FLOWS_MIN        1024
#define HG_MAX_FLOWS            16777216
#define HG_DEFAULT_FLOWS        65536

/* What an image may hold. */
#define HG_MAX_IMAGE_LINES (1U << 26) /* 4 GiB */
#define HG_MAX_CLASSES     (1U << 24) /* a VPC */
#define HG_MAX_RULES       (1U << 24) /* all NACLs, groups and route tables together */
#define HG_MAX_COLUMNS     32767      /* a classifier */
#define HG_MAX_CELLS       (1U << 25) /* a classifier: 128 MiB */
#define HG_MAX_ROUTE_CELLS (1U << 27) /* a VPC: 512 MiB */
#define HG_MAX_DEVICES     4095
#define HG_MAX_ZONES       61439 /* above are those of HG_ZONE_INSPECT */

/* What a packet may cost. */
#define HG_MAX_VLANS      2
#define HG_MAX_EXTENSIONS 8  /* IPv6 extension headers */
#define HG_MAX_CLAUSES    32 /* rules with source port or peer, one after another */
#define HG_MAX_EXEMPT_PORTS \
	7 /* exempt entries for one address: room in struct hg_exempt */
