/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* frame: Ethernet frames from a description, and descriptions from frames.
 *
 *   Ethernet [VLAN [VLAN]] IPv4 [options] | IPv6 [extensions] | ARP
 *     TCP | UDP | ICMP [quoted packet] | ICMPv6 [quoted packet, ND] | bytes
 *
 * Shape    struct frame is a plain value: zero means the usual (MACs, hop limit 64, all
 *          lengths and checksums right). Constructors take addresses as text and pick the
 *          family from it. A test that wants a wrong frame builds a right one and then
 *          writes bytes at the offsets that frame_build() reports.
 * Units    Ports, ids and numbers in host order; 'fragment' is in bytes, a multiple of 8.
 *          'payload' counts bytes after the layer 4 header.
 * Order    Addresses are struct addr; frames are as on the wire.
 * Owner    Buffers are the caller's; a 'quote' is borrowed while building.
 * Errors   A description that does not fit 'room' ends the program: it is the test's mistake.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define FRAME_MAX        2048
#define FRAME_VLANS      3
#define FRAME_EXTENSIONS 12

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

struct frame {
	/* layer 2 */
	uint8_t smac[6], dmac[6]; /* zero: 02:..:01 and 02:..:02 */
	unsigned n_vlans;
	uint16_t vlan[FRAME_VLANS]; /* outermost first */
	uint16_t ethertype;         /* 0: by family, or ARP */

	/* layer 3 */
	struct addr saddr, daddr;
	uint8_t protocol;
	uint8_t ttl; /* 0: 64 */
	bool is_ttl_zero;
	uint8_t options; /* IPv4: bytes of NOP options, a multiple of 4 */
	uint8_t extensions[FRAME_EXTENSIONS]; /* IPv6: header numbers, in order */
	unsigned n_extensions;
	uint32_t id;       /* of the datagram */
	uint16_t fragment; /* offset */
	bool more;         /* fragments */
	bool is_atomic;    /* IPv6: a fragment header that fragments nothing */

	/* layer 4 */
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id, icmp_seq;
	const struct frame *quote; /* ICMP errors: the packet they are about */
	size_t quote_size;         /* bytes of it, 0: header and 8 bytes */
	struct addr target; /* ND: the address asked for or announced; ARP has daddr */
	bool has_lladdr; /* ND: source or target link-layer address option, from smac */
	uint16_t payload;

	/* ARP: saddr and daddr are sender and target */
	uint16_t arp; /* 1 request, 2 reply; not 0: this is ARP */
	uint8_t arp_tha[6];
};

/* Where things lie in a frame that was built. */
struct frame_at {
	size_t l3, l4, data, end;
};

size_t frame_build(const struct frame *f, uint8_t *buf, size_t room,
		   struct frame_at *ret_at);

struct frame frame_tcp(const char *from, uint16_t sport, const char *to, uint16_t dport,
		       uint8_t flags);
struct frame frame_udp(const char *from, uint16_t sport, const char *to, uint16_t dport);
/* ICMP or ICMPv6, by family; 'type' is of that protocol. */
struct frame frame_icmp(const char *from, const char *to, uint8_t type, uint8_t code);
/* Echo request, the right type for the family. */
struct frame frame_echo(const char *from, const char *to, uint16_t id);
/* The answer to anything: ends swapped, requests made responses; flags stay as they are. */
struct frame frame_reply(const struct frame *f);
/* Destination unreachable (port) from 'from' to the sender of 'quote'. */
struct frame frame_error(const char *from, const struct frame *quote);
struct frame frame_other(const char *from, const char *to, uint8_t protocol);
struct frame frame_arp(uint16_t op, const char *from, const char *to);
struct frame frame_solicit(const char *from, const char *target);

/* The same with another hop limit; and 16 bytes of it, from 'at' of its datagram on. */
struct frame frame_hops(struct frame f, uint8_t hops);
struct frame frame_piece(struct frame f, uint16_t at, bool more);

struct addr address(const char *text); /* ends the program when it is none */

/* One line: what a person would call this frame. Returns 'buf'. */
char *frame_print(const uint8_t *frame, size_t size, char *buf, size_t room);
/* The same field by field, "ip.daddr: 10.0.0.7" a line. Returns 'buf'. */
char *frame_fields(const uint8_t *frame, size_t size, char *buf, size_t room);
/* Passes when the frames are equal; else prints each field that is not. */
bool is_frame(const uint8_t *got, size_t got_size, const uint8_t *want, size_t want_size,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));

uint16_t frame_checksum(const uint8_t *data, size_t size,
			uint32_t sum); /* folded, inverted */
