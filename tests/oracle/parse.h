/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* parse: what the oracle reads out of a frame, byte by byte.
 *
 *   docs/semantics.md, sections 2.1, 2.2 and 4, and nothing else: written without a look at
 *   the packet path, so that a mistake there is not made twice.
 *
 * Shape    One struct parsed a frame. 'reason' is why the frame is dropped at once; all
 *          other fields but 'is_control' are good only when it is HG_DROP_NONE.
 * Units    'fragment' is in bytes.
 * Order    Ports and numbers in host order.
 * Owner    Values.
 * Errors   Every frame parses to something.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Of every device of a gateway. */
#define ORACLE_MAC ((const uint8_t[6]){ 2, 0, 0, 0, 0, 2 })

enum parsed_kind {
	PARSED_IP,
	PARSED_ARP,
	PARSED_ND,
};

/* Addresses and layer 4, of the packet itself or of one that it quotes. */
struct l4 {
	struct addr src, dst;
	int protocol;
	bool is_known; /* ports, or ICMP type, code and id, if the protocol has such */
	uint16_t sport, dport;
	uint8_t type, code;
	uint16_t id;
};

struct parsed {
	enum parsed_kind kind;
	uint32_t reason;  /* HG_DROP_* */
	bool is_control;  /* to 01:80:c2:00:00:0x: good whatever the reason */
	bool is_ours;     /* sent to ORACLE_MAC: good whatever the reason */
	bool is_to_group; /* to a link-layer multicast or broadcast address: likewise */
	bool is_tagged;   /* by VLANs: good whatever the reason */
	bool has_bad_source; /* that, and nothing else, is the reason */
	bool is_unspecified; /* the source: MALFORMED, unless exempt */
	struct l4 l4;

	unsigned hops; /* TTL or hop limit */
	size_t size;   /* of the IP packet */
	bool has_extensions;

	uint8_t tcp_flags;
	uint32_t seq, ack;

	bool is_first_fragment, is_later_fragment;
	uint32_t fragment_id;
	unsigned fragment;

	bool has_quote; /* an ICMP error with enough of a packet inside */
	struct l4 quote;

	uint16_t arp_op;
	struct addr target; /* neighbour solicitation and advertisement */
	uint8_t nd_type;
	bool is_solicitation; /* and nothing but, with its source link-layer address */
	bool is_short;        /* ND: the target is cut off */
};

void frame_parse(const uint8_t *frame, size_t size, struct parsed *ret);

bool is_multicast(const struct addr *a);  /* limited broadcast, 224.0.0.0/4, ff00::/8 */
bool is_link_local(const struct addr *a); /* fe80::/10 */
bool is_private(const struct addr *a);    /* RFC 1918, RFC 6598 */
bool same_addr(const struct addr *a, const struct addr *b);
/* ICMP of the family it belongs to: 1 over IPv4, 58 over IPv6. */
bool is_icmp(const struct l4 *p);
/* Queries come in pairs: the pair's number from 1, and whether 'type' is the response. */
int icmp_pair(const struct l4 *p, bool *ret_is_response); /* 0: none */
/* The type that answers, or is answered by, this one; others stay. */
uint8_t icmp_other(const struct l4 *p);
bool icmp_is_error(const struct l4 *p);
