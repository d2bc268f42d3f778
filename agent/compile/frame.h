/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* frame: the bytes of the one packet that a question is about.
 *
 *   Ethernet 14 | IPv4 20 or IPv6 40 | TCP 20, UDP 8, ICMP 8, ND 8 to 40, other 8
 *
 * Shape    No payload, no VLAN tag, no IPv4 option. Every checksum is right. ICMPv6 133
 *          to 137 is a well-formed neighbour discovery message with hop limit 255.
 * Units    At most EXPLAIN_FRAME bytes.
 * Order    As on the wire.
 * Owner    Fills the caller's buffer.
 * Errors   None; the families of the question's addresses are equal (explain_frame() looks).
 * Source   RFC 791, 768, 792, 793, 1071, 4443, 4861, 8200.
 */
#include "compile/explain.h"

struct frame_ends {
	uint8_t from[6], to[6]; /* MACs; of a unicast packet only */
};

#define FRAME_FROM_PORT 40000 /* when the question names none: an ephemeral port */
#define FRAME_ECHO_ID   1

/* Returns the size. */
size_t frame_write(const struct question *q, const struct frame_ends *ends,
		   uint8_t frame[static EXPLAIN_FRAME]);
/* Whether it is about an ICMP request, which has an id. */
bool question_asks(const struct question *q);
/* The question about the answer to the packet of 'q': ends swapped, SYN-ACK for SYN, reply
 * for request. */
struct question question_reverse(const struct question *q);
