/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* wire: the headers and numbers of packets.
 *
 * Out      The kernel's structs where its headers can be had without a libc; ICMP's own.
 * Cost     None: declarations.
 * Source   RFC 792, RFC 950, RFC 4443, RFC 4861; IANA ICMP Parameters.
 */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

struct icmp {
	__u8 type, code;
	__be16 checksum;
	__be16 id, sequence;
};

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_QUENCH = 4,
	ICMP_REDIRECTED = 5,
	ICMP_ECHO_REQUEST = 8,
	ICMP_TIME_OVER = 11,
	ICMP_PARAMETER = 12,
	ICMP_TIMESTAMP_REQUEST = 13,
	ICMP_TIMESTAMP_REPLY = 14,
	ICMP_INFORMATION_REQUEST = 15,
	ICMP_INFORMATION_REPLY = 16,
	ICMP_MASK_REQUEST = 17,
	ICMP_MASK_REPLY = 18,
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_OVER = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ND_FIRST = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
	ND_REDIRECT = 137,
	ND_LAST = ND_REDIRECT,
};

/* Around what goes to an appliance and comes back: IPv4, UDP, GENEVE and three options. */
#define GENEVE_PORT 6081
#define GENEVE_ROOM 68

/* IPv6 extension headers that a packet's protocol may hide behind. */
enum {
	EXT_HOP = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_AUTHENTICATION = 51,
	EXT_DESTINATION = 60,
	EXT_MOBILITY = 135,
	EXT_HIP = 139,
	EXT_SHIM6 = 140,
};
